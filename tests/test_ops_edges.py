"""What operations do where the calculus leaves a choice, and where numbers run out."""

import math

import numpy as np
import pytest

import tinydiff as td

INF = math.inf


def gradient(f, *values, dtype=np.float64, g=None):
    """The gradient of f at given values, one for each argument, with g = 1 everywhere."""
    tensors = [td.Tensor(np.asarray(v, dtype), requires_grad=True) for v in values]
    y = f(*tensors)
    y.backward(np.ones(y.shape, dtype) if g is None else np.asarray(g, dtype))
    grads = [t.grad.tolist() for t in tensors]
    return grads if len(values) > 1 else grads[0]


def curvature(f, *values):
    """The second derivative of sum f, element by element, of one argument."""
    (x,) = (td.Tensor(np.asarray(v), requires_grad=True) for v in values)
    return td.grad(lambda x: td.grad(lambda x: f(x).sum())(x).sum())(x).data.tolist()


# --- kinks and ties


def test_slope_at_a_kink_is_the_stated_one():
    assert gradient(td.abs, [-2.0, 0.0, 2.0]) == [-1, 0, 1]
    assert gradient(td.relu, [-2.0, 0.0, 2.0]) == [0, 0, 1]
    assert gradient(lambda x: td.clip(x, -1, 1), [-2, -1, 0, 1, 2]) == [0, 1, 1, 1, 0]
    assert gradient(lambda x: td.clip(x, None, 1), [-2, 1, 2]) == [1, 1, 0]
    assert gradient(lambda x: td.clip(x, -1, None), [-2, -1, 2]) == [0, 1, 1]


@pytest.mark.parametrize("f", [td.maximum, td.minimum])
def test_a_tie_of_two_is_halved(f):
    assert gradient(f, [3.0, 1.0], [3.0, 1.0]) == [[0.5, 0.5], [0.5, 0.5]]
    assert gradient(lambda x: f(x, 1.0), [1.0]) == [0.5]
    assert gradient(lambda x: f(x, x), [2.0]) == [1]


def test_maximum_and_minimum_without_a_tie_go_to_one_operand():
    assert gradient(td.maximum, [1.0, 5.0], [2.0, 4.0]) == [[0, 1], [1, 0]]
    assert gradient(td.minimum, [1.0, 5.0], [2.0, 4.0]) == [[1, 0], [0, 1]]


@pytest.mark.parametrize(("f", "sign"), [(td.max, 1), (td.min, -1)])
def test_ties_in_a_reduction_share_equally(f, sign):
    x = sign * np.array([[1.0, 3.0, 3.0], [3.0, 0.0, 2.0]])
    assert gradient(f, x) == [[0, 1 / 3, 1 / 3], [1 / 3, 0, 0]]
    assert gradient(lambda x: f(x, 1), x) == [[0, 0.5, 0.5], [1, 0, 0]]
    assert gradient(lambda x: f(x, (0, 1), keepdims=True), x, g=[[6.0]]) == [[0, 2, 2], [2, 0, 0]]


def test_ties_in_a_pooling_window_share_equally():
    image = np.array([[1.0, 7.0], [7.0, 7.0]]).reshape(1, 2, 2, 1)
    third = np.asarray(gradient(lambda x: td.max_pool2d(x, 2), image)).reshape(2, 2)
    np.testing.assert_array_equal(third, [[0, 1 / 3], [1 / 3, 1 / 3]])


def test_where_gives_nothing_to_what_was_not_picked():
    """Exactly 0, also when g is infinite there: 0 times infinity would be NaN."""
    mask = np.array([True, False])
    picked, other = gradient(lambda a, b: td.where(mask, a, b), [1, 2], [3, 4], g=[INF, -INF])
    assert picked == [INF, 0]
    assert other == [0, -INF]


def test_powers_at_zero():
    assert gradient(lambda x: x**2, [0.0]) == [0]
    assert gradient(lambda x: x**1, [0.0]) == [1]
    assert gradient(lambda x: x**0, [0.0, 2.0]) == [0, 0]
    assert curvature(lambda x: x**2, [0.0]) == [2]
    assert curvature(lambda x: x**1, [0.0]) == [0]
    assert gradient(td.power, [0.0, 2.0], [0.0, 0.0]) == [[0, 0], [0, math.log(2)]]
    assert gradient(lambda b: 0.0**b, [2.0]) == [0]


def test_a_negative_base_has_whole_powers():
    assert gradient(lambda x: x**3, [-2.0]) == [12]
    assert curvature(lambda x: x**3, [-2.0]) == [-12]


def test_square_root_is_vertical_at_zero():
    with np.errstate(divide="ignore"):
        assert gradient(td.sqrt, [0.0, 4.0]) == [INF, 0.25]


def test_one_element_reductions_are_the_identity():
    for f in (td.sum, td.mean, td.max, td.min, td.logsumexp):
        assert gradient(f, [[4.0]], g=2.0) == [[2]]
    assert gradient(td.var, [3.0]) == [0]


# --- large, small and infinite numbers. Every warning of NumPy would be an error here.


def test_softmax_does_not_overflow():
    x = td.Tensor([[1e30, 0.0, -1e30], [-INF, 2.0, 2.0]])
    np.testing.assert_array_equal(td.softmax(x).data, [[1, 0, 0], [0, 0.5, 0.5]])
    log = td.log_softmax(x).data
    np.testing.assert_array_equal(log[0], np.float32([0, -1e30, -2e30]))
    np.testing.assert_allclose(log[1], [-INF, -math.log(2), -math.log(2)], rtol=1e-6)


def test_log_softmax_keeps_what_softmax_loses():
    x = np.array([0.0, -800.0])
    assert td.softmax(x)[1] == 0
    assert td.log_softmax(x)[1] == -800


def test_logsumexp_of_large_numbers_and_of_no_probability():
    x = np.array([[1000.0, 1000.0], [-INF, -INF], [-INF, 3.0], [-1000.0, -1000.0]])
    expected = [1000 + math.log(2), -INF, 3, -1000 + math.log(2)]
    np.testing.assert_allclose(td.logsumexp(x, 1), expected, rtol=1e-15)
    slopes = gradient(lambda x: td.logsumexp(x, 1), x)
    np.testing.assert_allclose(slopes, [[0.5, 0.5], [0, 0], [0, 1], [0.5, 0.5]], rtol=1e-12)
    assert td.logsumexp(np.array([1.0, INF])) == INF
    assert np.isnan(td.logsumexp(np.array([1.0, np.nan])))


def test_logaddexp_of_no_probability():
    assert gradient(td.logaddexp, [-INF, -INF, 1e4], [-INF, 0.0, -1e4]) == [[0, 0, 1], [0, 1, 0]]


def test_cross_entropy_where_a_class_is_impossible():
    logits, labels = [[-INF, 0.0, 0.0]], np.array([1])
    value = td.cross_entropy(np.array(logits), labels)
    np.testing.assert_allclose(value, math.log(2), rtol=1e-15)
    assert gradient(lambda x: td.cross_entropy(x, labels), logits) == [[0, -0.5, 0.5]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "values", "slopes"),
    [
        (td.sigmoid, [0, 1], [0, 0]),
        (td.tanh, [-1, 1], [0, 0]),
        (td.softplus, [0, 1e4], [0, 1]),
        (td.silu, [0, 1e4], [0, 1]),
        (td.gelu, [0, 1e4], [0, 1]),
        (td.erf, [-1, 1], [0, 0]),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_saturation(f, values, slopes, dtype):
    x = np.array([-1e4, 1e4], dtype)
    np.testing.assert_array_equal(f(x), values)
    assert gradient(f, x, dtype=dtype) == slopes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_ndtr_far_out(dtype):
    """As x -> -inf, log Phi = -x^2/2 - log(-x sqrt(2 pi)) - 1/x^2 ..., slope -x - 1/x + 2/x^3 ...

    The terms left out are below 1e-11 / 1e5 of the value and 1e-14 / 1e3 of the slope.
    """
    x = np.array([-1e4, -1e3])
    expected = -(x**2) / 2 - np.log(-x * math.sqrt(2 * math.pi)) - 1 / x**2
    rtol = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(td.log_ndtr(x.astype(dtype)), expected, rtol=rtol)
    slope = gradient(td.log_ndtr, x, dtype=dtype)
    np.testing.assert_allclose(slope, -x - 1 / x + 2 / x**3, rtol=rtol)
    assert gradient(td.log_ndtr, [50.0], dtype=dtype) == [0]


def test_small_numbers_keep_their_digits():
    x = np.array([1e-12])
    np.testing.assert_allclose(td.expm1(x), x + x**2 / 2, rtol=1e-15)
    np.testing.assert_allclose(td.log1p(x), x - x**2 / 2, rtol=1e-15)


def test_variance_far_from_zero():
    """E x^2 - (E x)^2 would lose every digit here."""
    assert td.var(1e9 + np.array([-1.0, 1.0])) == 1


def test_normalising_a_constant_gives_zero():
    x = np.full((2, 4), 3.0)
    np.testing.assert_array_equal(td.layer_norm(x, None, None), np.zeros((2, 4)))
    assert gradient(lambda x: td.layer_norm(x, None, None), x) == np.zeros((2, 4)).tolist()


def test_an_empty_sum_is_zero_and_an_empty_product_of_matrices_too():
    assert td.sum(np.zeros((0, 3))) == 0
    np.testing.assert_array_equal(td.matmul(np.zeros((2, 0)), np.zeros((0, 3))), np.zeros((2, 3)))


# --- dropout and what depends on chance


def test_dropout_keeps_the_mean_and_scales_what_it_keeps():
    x = td.Tensor(np.ones(10_000), requires_grad=True)
    y = td.dropout(x, 0.25, np.random.default_rng(0))
    kept = y.data != 0
    np.testing.assert_allclose(y.data[kept], 1 / 0.75, rtol=1e-15)
    assert abs(kept.mean() - 0.75) < 5 * math.sqrt(0.25 * 0.75 / 10_000)
    y.backward(np.ones(10_000))
    np.testing.assert_array_equal(x.grad, y.data)


def test_dropout_of_nothing_is_the_identity():
    x = td.Tensor(np.ones(3))
    assert td.dropout(x, 0, np.random.default_rng(0)) is x


def test_dropout_repeats_with_its_generator():
    draw = [td.dropout(np.ones(50), 0.5, np.random.default_rng(4)) for _ in range(2)]
    np.testing.assert_array_equal(*draw)


# --- what only one of two neighbouring branches can do


@pytest.mark.parametrize("shape", [(1, 4, 5, 1), (1, 5, 4, 1)])
def test_pooling_leaves_out_what_fills_no_window(shape, rng):
    x = rng.standard_normal(shape)
    np.testing.assert_array_equal(td.max_pool2d(x, 2), td.max_pool2d(x[:, :4, :4], 2))
    y = td.Tensor(x, requires_grad=True)
    td.avg_pool2d(y, 2).sum().backward()
    np.testing.assert_array_equal(y.grad[:, :4, :4], 0.25)
    assert (y.grad == 0).sum() == 4


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float32)])
def test_two_dtypes_of_one_shape_each_get_their_gradient_back(dtypes):
    a, b = (td.Tensor(np.full(3, 2, t), requires_grad=True) for t in dtypes)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == dtypes
    np.testing.assert_array_equal(a.grad, 2)


def test_the_power_of_the_number_0_has_no_slope():
    """d/db a^b = a^b log a is taken as 0 at a = 0, also at b = 0, where 0^b is 1."""
    b = td.Tensor(np.array([0.0, 2.0]), requires_grad=True)
    td.power(0.0, b).sum().backward()
    assert b.grad.tolist() == [0, 0]

"""The gradient checker is itself checked: right gradients pass, each planted error is refused."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff.ops import elementwise, linalg, norm, reduce, select
from tinydiff.ops.softmax import Softmax


def plant(monkeypatch, function, backward):
    """Replace function.backward by `backward(self, g, right)`, where right(g) is the true one."""
    true = function.backward
    monkeypatch.setattr(
        function, "backward", lambda self, g: backward(self, g, lambda g: true(self, g))
    )


def refuses(f, *arrays, match="analytic", **options):
    with pytest.raises(td.GradcheckError, match=match) as caught:
        td.gradcheck(f, *arrays, **options)
    return str(caught.value)


@pytest.fixture
def x(rng):
    return rng.standard_normal((3, 4))


# --- planted errors


@pytest.mark.parametrize("factor", [0.0, -3.0, 1.001, 1 + 1e-5])
def test_a_scaled_softmax_gradient(monkeypatch, x, factor):
    td.gradcheck(td.softmax, x)
    plant(monkeypatch, Softmax, lambda self, g, right: (factor * right(g)[0],))
    refuses(td.softmax, x, match="argument 0")


def test_ones_would_be_blind(monkeypatch, x):
    """Why v is random: softmax outputs sum to 1; under v = 1 any multiple of its gradient fits."""
    plant(monkeypatch, Softmax, lambda self, g, right: (-3 * right(g)[0],))
    td.gradcheck(lambda x: td.sum(td.softmax(x)), x)
    refuses(td.softmax, x)


def test_batch_norm_with_constant_statistics(monkeypatch, x):
    """Mean and variance taken for constants: dL/dx = g / s."""
    ones = np.ones(4)
    td.gradcheck(td.batch_norm, x, ones, ones)
    plant(monkeypatch, norm.Normalize, lambda self, g, right: (g * self.inverse_s,))
    refuses(td.batch_norm, x, ones, ones, match="argument 0")
    refuses(lambda x: td.layer_norm(x, None, None), x)


@pytest.mark.parametrize("lost", ["mean", "variance"])
def test_batch_norm_with_one_constant_statistic(monkeypatch, x, lost):
    def backward(self, g, right):
        rest = self.y * (g * self.y).mean(axis=0) if lost == "mean" else g.mean(axis=0)
        return ((g - rest) * self.inverse_s,)

    plant(monkeypatch, norm.Normalize, backward)
    refuses(lambda x: td.batch_norm(x, None, None), x)


def test_a_transposed_weight_gradient_that_fits_in_shape(monkeypatch, rng):
    a, b = rng.standard_normal((2, 3, 3))
    td.gradcheck(td.matmul, a, b)

    def backward(self, g, right):
        ga, gb = right(g)
        return ga, gb.T

    plant(monkeypatch, linalg.Matmul, backward)
    refuses(td.matmul, a, b, match="argument 1")


@pytest.mark.parametrize("function", [elementwise.Multiply, elementwise.Subtract])
def test_swapped_gradients(monkeypatch, x, rng, function):
    name = function.__name__.lower()
    plant(monkeypatch, function, lambda self, g, right: right(g)[::-1])
    refuses(getattr(td, name), x, rng.standard_normal(x.shape), match="argument 0")


def test_a_missing_broadcast_sum(monkeypatch, x, rng):
    """Not summed it has the wrong shape; with one copy only it has the right shape."""
    row = rng.standard_normal(4)
    plant(monkeypatch, reduce.BroadcastTo, lambda self, g, right: (g,))
    refuses(td.multiply, x, row, match=r"BroadcastTo.backward returned float64 of shape \(3, 4\)")
    plant(monkeypatch, reduce.BroadcastTo, lambda self, g, right: (g[0],))
    refuses(td.multiply, x, row, match="argument 1")


@pytest.mark.parametrize("f", [td.max, lambda x: td.maximum(x[0], x[1])])
def test_a_factor_two_on_ties(monkeypatch, f):
    """At a tie the central difference sees the mean slope, which is what an equal share gives."""
    x = np.array([[1.0, 2.0], [2.0, 2.0]])
    td.gradcheck(lambda x: f(x), np.array([[1.0, 2.0], [0.0, 3.0]]))
    td.gradcheck(lambda x: td.maximum(x[0], x[1]), x)

    def everything(self, g, right):
        chosen = (self.x == self.y.reshape(self.kept)).astype(g.dtype)
        return (g.reshape(self.kept) * chosen,)

    plant(monkeypatch, reduce.Max, everything)
    whole = lambda self, g, right: (g * (self.a >= self.b), g * (self.b >= self.a))  # noqa: E731
    plant(monkeypatch, select.Maximum, whole)
    refuses(f, x)


def test_a_wrong_second_derivative_under_a_right_first(monkeypatch, x):
    """tanh' = 1 - y^2 with y taken for a constant: right in value, without its own derivative."""

    def backward(self, g, right):
        y = self.y.detach() if isinstance(self.y, td.Tensor) else self.y
        return (g * (1 - y * y),)

    td.gradcheck(td.tanh, x, order=2)
    plant(monkeypatch, td.ops.activations.Tanh, backward)
    td.gradcheck(td.tanh, x, order=1)
    refuses(td.tanh, x, order=2, match="second order, v as the last argument: argument 0")


def test_a_wrong_first_derivative_under_a_right_second(monkeypatch, x):
    """x^2 with slope 2x + 1: a check of the second order alone would find nothing."""
    plant(monkeypatch, elementwise.Square, lambda self, g, right: (right(g)[0] + g,))
    assert "second" not in refuses(td.square, x, order=2)


def test_a_wrong_fused_form_beside_a_right_twin(monkeypatch, x):
    """Order 1 differentiates as training does: by the fused form, not by its composed twin."""
    plant(monkeypatch, norm.Normalize, lambda self, g, right: (1.01 * right(g)[0],))
    refuses(lambda x: td.layer_norm(x, None, None), x)


def test_a_wrong_twin_beside_a_right_fused_form(monkeypatch, x):
    twin = staticmethod(lambda x, axes, eps: norm.normalize_composed(x, axes, eps + 1))
    monkeypatch.setattr(norm.Normalize, "composed", twin)
    td.gradcheck(lambda x: td.layer_norm(x, None, None), x)
    refuses(lambda x: td.layer_norm(x, None, None), x, order=2, match="second order")


def test_a_gradient_of_the_wrong_dtype(monkeypatch, x):
    plant(monkeypatch, elementwise.Exp, lambda self, g, right: (right(g)[0].astype(np.float32),))
    refuses(td.exp, x, match="Exp.backward returned float32 .* an input that is float64")


def test_a_value_of_the_wrong_dtype(x):
    refuses(lambda x: td.exp(x).astype(np.float32), x, match="f of float64 arrays is float32")


class Written(td.Function):
    """y = x

    dL/dx = g
    """

    when = "forward"

    def forward(self, x):
        self.save(x=x)
        if self.when == "forward":
            x *= 0.5
        return x * 1.0

    def backward(self, g):
        if self.when == "backward":
            self.x *= 0.5
        return (g,)


@pytest.mark.parametrize("when", ["forward", "backward"])
def test_an_operation_that_writes_into_its_input(monkeypatch, x, when):
    monkeypatch.setattr(Written, "when", when)
    refuses(lambda a, x: Written()(x) + a, 0 * x, x, match="argument 1 was written into")


def test_an_operation_that_changes_g(monkeypatch, x):
    """In a sum both operands get one array: who writes into it changes the other's gradient."""

    def backward(self, g, right):
        g *= 2
        return (g * 0.5 * self.y,)

    plant(monkeypatch, elementwise.Exp, backward)
    refuses(lambda x: td.exp(x) + td.sin(x), x)


def test_one_wrong_element_of_many(monkeypatch, rng):
    def backward(self, g, right):
        (gx,) = right(g)
        gx[7, 3] += 1e-5
        return (gx,)

    plant(monkeypatch, elementwise.Exp, backward)
    message = refuses(td.exp, rng.standard_normal((10, 10)))
    assert "argument 0, index (7, 3): analytic" in message
    assert "(1 of 100 elements differ)" in message


def test_nan_is_never_right(monkeypatch, x):
    plant(monkeypatch, elementwise.Exp, lambda self, g, right: (right(g)[0] * np.nan,))
    refuses(td.exp, x, match="analytic nan")


def test_a_gradient_that_is_forgotten(monkeypatch, x):
    refuses(lambda x: td.exp(x) * x.detach(), x)
    refuses(lambda x: td.Tensor(np.exp(x.data)), x)


# --- what it says and takes


def test_the_message_has_argument_index_and_both_values(monkeypatch):
    plant(monkeypatch, elementwise.Square, lambda self, g, right: (2 * right(g)[0],))
    v = np.random.default_rng(5).standard_normal((1,))  # the covector that the check draws first
    message = refuses(td.square, np.array([3.0]), rng=np.random.default_rng(5))
    start = f"argument 0, index (0,): analytic {12 * v[0]:.12g}, numeric {6 * v[0]:.9g}"
    assert message.startswith(start)


def test_accuracy_of_the_differences(x):
    """Far better than the tolerance: a step of 6e-6 leaves an error of about 1e-10."""
    for f in (td.exp, td.tanh, td.softmax):
        td.gradcheck(f, x, rtol=1e-8, atol=1e-9)
    # with a smaller step the rounding of f, divided by it, drowns the slope
    refuses(td.exp, x, step=1e-10, rtol=1e-8, atol=1e-9)


def test_large_and_small_arguments():
    td.gradcheck(td.square, np.array([1e6, 1e-6, 0.0]))
    td.gradcheck(td.log, np.array([1e5, 1.0]))


def test_arguments_of_all_sizes_and_none(rng):
    td.gradcheck(td.exp, np.zeros((0, 3)), order=2)
    td.gradcheck(td.exp, np.array(0.5), order=2)
    td.gradcheck(lambda: td.Tensor(np.ones(2)))


def test_arrays_on_another_device(x):
    td.gradcheck(td.softmax, td.to_device(x, "double"), order=2)


def test_the_draw_can_be_repeated(x):
    draws = [refuses(lambda x: x * x.detach(), x, rng=np.random.default_rng(1)) for _ in range(2)]
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: td.gradcheck(td.exp, np.ones(2), order=3),
            ValueError,
            "knows order 1 and 2, got 3",
        ),
        (
            lambda: td.gradcheck(td.exp, np.ones(2, "f")),
            TypeError,
            "float64 arrays, argument 0 is not",
        ),
        (lambda: td.gradcheck(td.add, np.ones(2), 1.0), TypeError, "argument 1 is not one"),
        (lambda: td.gradcheck(td.exp, td.Tensor(np.ones(2))), TypeError, "argument 0 is not one"),
        (lambda: td.gradcheck(np.sign, np.ones(2)), TypeError, "np.sign so called has no form"),
        (
            lambda: td.gradcheck(lambda x: x.data, np.ones(2)),
            td.GradcheckError,
            "f returned ndarray",
        ),
    ],
)
def test_what_cannot_be_checked(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Operators of Tensors among themselves, with numbers, and beside NumPy."""

import operator

import numpy as np
import pytest

import tinydiff as td

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
OTHERS = [2, 2.5, np.float64(2.5), np.float32(2.5), np.int64(2), np.full(2, 2.5, np.float32)]


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", OTHERS, ids=lambda v: type(v).__name__)
def test_operators_from_both_sides_keep_float32(op, other):
    """NumPy scalars too: an np.float64 would promote everything after it to float64."""
    x = td.Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    for y, expected in ((op(x, other), op(x.data, other)), (op(other, x), op(other, x.data))):
        assert isinstance(y, td.Tensor)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.data, expected, rtol=1e-6)
        y.sum().backward()
    assert x.grad.dtype == np.float32


def test_numpy_scalars_do_not_promote_options_either():
    x = td.Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    tenth = np.float64(0.1)
    for y in (
        td.clip(x, tenth, np.float64(5)),
        td.layer_norm(x, None, None, eps=tenth),
        td.dropout(x, tenth, np.random.default_rng(0)),
        td.pad(x, 1, tenth),
        td.where(x > tenth, x, tenth),
    ):
        assert y.dtype == np.float32
        y.sum().backward()


def test_operators_of_tensors_and_lists():
    x = td.Tensor([1.0, 2.0])
    assert (x + [1, 2]).data.tolist() == [2, 4]
    assert (-x).data.tolist() == [-1, -2]
    assert abs(-x).data.tolist() == [1, 2]
    assert (x @ x).item() == 5
    assert (np.eye(2, dtype=np.float32) @ x).data.tolist() == [1, 2]


def test_mixed_dtypes_promote_as_numpy_does_and_gradients_come_back():
    a = td.Tensor(np.ones(2, np.float32), requires_grad=True)
    b = td.Tensor(np.ones(2), requires_grad=True)
    for f in (td.add, td.maximum, lambda a, b: td.concatenate([a, b]), td.matmul):
        y = f(a, b)
        assert y.dtype == np.float64
        y.sum().backward()
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64


def test_methods_are_the_functions():
    x = td.Tensor(np.arange(6.0).reshape(2, 3))
    assert x.sum(axis=0).data.tolist() == [3, 5, 7]
    assert x.mean().item() == 2.5
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == (3, 2)
    assert x.reshape(-1).shape == (6,)
    assert x.transpose().shape == x.transpose(1, 0).shape == x.transpose((1, 0)).shape == (3, 2)


COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("op", COMPARISONS, ids=lambda f: f.__name__)
def test_comparisons_give_bool_arrays_from_both_sides(op):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    t = td.Tensor(a, requires_grad=True)
    for result in (
        op(t, b),
        op(t, td.Tensor(b)),
        op(t, 2),
        op(a, td.Tensor(b)),
        op(t, np.float64(2)),
    ):
        assert isinstance(result, np.ndarray)
        assert result.dtype == bool
        np.testing.assert_array_equal(result, op(a, b))
    with pytest.raises(ValueError, match="truth value of an array"):
        bool(op(t, b))


def test_equal_tensors_are_different_keys():
    a, b = td.Tensor([1.0]), td.Tensor([1.0])
    assert len({a, b}) == 2


def test_numpy_functions_are_ours():
    x = td.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    for result, expected in (
        (np.exp(x), np.exp(x.data)),
        (np.add(1.0, x), x.data + 1),
        (np.absolute(x), x.data),
        (np.true_divide(x, 2), x.data / 2),
        (np.matmul(x.data, x), x.data @ x.data),
        (np.sum(x, axis=0), x.data.sum(axis=0)),
        (np.mean(x), x.data.mean()),
        (np.max(x, axis=1, keepdims=True), x.data.max(axis=1, keepdims=True)),
        (np.concatenate([x, x.data]), np.concatenate([x.data, x.data])),
        (np.where(x > 2, x, 0.0), np.where(x.data > 2, x.data, 0)),
        (np.einsum("ij->ji", x), x.data.T),
        (np.float64(2) * x, 2 * x.data),
        (x.data + x, 2 * x.data),
    ):
        assert isinstance(result, td.Tensor)
        assert result.creator is not None
        np.testing.assert_array_equal(result.data, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.floor(x), "np.floor so called has no form for Tensors"),
        (lambda x: np.add.reduce(x), "np.add so called has no form for Tensors"),
        (lambda x: np.exp(x, out=np.zeros(1)), "np.exp so called has no form for Tensors"),
        (lambda x: np.less(x, 1, out=np.zeros(1, bool)), "np.less so called has no form"),
        (lambda x: operator.iadd(np.zeros(1), x), "np.add so called has no form for Tensors"),
        (lambda x: np.median(x), "np.median has no form for Tensors; see td.ops, or use .numpy"),
        (lambda x: np.sum(x, dtype=float), "unexpected keyword argument 'dtype'"),
        (np.asarray, "a Tensor is not converted to NumPy silently; call .numpy"),
        (lambda x: np.array([x, x]), "a Tensor is not converted to NumPy silently"),
    ],
)
def test_what_numpy_may_not_do_with_a_tensor(call, message):
    with pytest.raises(TypeError, match=message):
        call(td.Tensor([1.0]))

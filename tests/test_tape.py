"""The tape and its walk: what backward gives, to whom, in which order, and what it refuses."""

import gc
import weakref

import numpy as np
import pytest

import tinydiff as td
from tinydiff import tape


def leaf(*values):
    return td.Tensor(np.array(values), requires_grad=True)


def walked(monkeypatch, y):
    """How many tensors one backward takes from its queue, and how often it adds to it."""
    counts = {"pop": 0, "push": 0}

    def count(name, f):
        def counting(*args):
            counts[name] += 1
            return f(*args)

        return counting

    monkeypatch.setattr(tape, "heappop", count("pop", tape.heappop))
    monkeypatch.setattr(tape, "heappush", count("push", tape.heappush))
    y.backward()
    return counts


# --- the walk


def chain(x, length):
    y = x
    for _ in range(length):
        y = y + x
    return y


@pytest.mark.parametrize("length", [1000, 100_000])
def test_a_chain_is_walked_once_from_end_to_end(monkeypatch, length):
    """100,000 nodes: no recursion, and every tensor (the leaf too) is passed exactly once."""
    x = leaf(1.0)
    counts = walked(monkeypatch, chain(x, length))
    assert counts == {"pop": length + 1, "push": length}
    assert x.grad.tolist() == [length + 1]


def test_a_chain_can_be_dropped_without_a_walk():
    """Python frees 30,000 nested objects here, which must not recurse either."""
    y = chain(leaf(1.0), 30_000)
    del y
    gc.collect()


def test_a_ladder_of_diamonds_is_not_walked_path_by_path(monkeypatch):
    """y <- y + y, 60 times: 2^60 paths, 60 nodes."""
    x = y = leaf(1.0)
    for _ in range(60):
        y = y + y
    counts = walked(monkeypatch, y)
    assert counts["pop"] == 61
    assert x.grad.tolist() == [2.0**60]


def test_the_diamond_twice():
    """b = a + a; c = b + b: 4, and 8 after a second time. Gradients left on b would make it 12."""
    a = leaf(1.0)
    for expected in (4, 8):
        b = a + a
        c = b + b
        c.backward()
        assert a.grad.tolist() == [expected]
        assert b.grad is None
        assert c.grad is None


def test_a_tensor_waits_for_all_its_uses():
    """x is used early and late, by paths of different length, in either order of operands."""
    for swap in (False, True):
        x = leaf(3.0)
        long = td.exp(td.log(x * x))
        y = long * x if swap else x * long
        (y + x).backward()
        np.testing.assert_allclose(x.grad, 3 * 9 + 1, rtol=1e-14)


def test_leaves_only_get_gradients_and_accumulate_them():
    x, w, c = leaf(1.0, 2.0), leaf(3.0, 4.0), td.Tensor(np.ones(2))
    for n in (1, 2):
        y = x * w + c
        y.sum().backward()
        np.testing.assert_array_equal(x.grad, n * w.data)
        np.testing.assert_array_equal(w.grad, n * x.data)
    assert c.grad is None


def test_a_leaf_owns_its_gradient():
    """An addition hands one and the same array to both operands, a sum a read-only view."""
    a, b, g = leaf(1.0), leaf(1.0), np.ones(1)
    (a + b).backward(g)
    a.grad *= 5
    g *= 7
    assert b.grad.tolist() == [1]
    x = leaf(1.0, 2.0)
    x.sum().backward()
    before = x.grad
    x.grad *= 3
    x.sum().backward()
    assert before.tolist() == [3, 3]
    assert x.grad.tolist() == [4, 4]


def test_backward_of_a_leaf():
    x = leaf(1.0)
    x.backward()
    x.backward(2.0)
    assert x.grad.tolist() == [3]


def test_g_may_be_an_array_a_tensor_or_a_number():
    x = td.Tensor(np.ones((2, 2), np.float32), requires_grad=True)
    for g in (np.full((2, 2), 3.0), td.Tensor(np.full((2, 2), 3)), 3, np.float64(3)):
        x.grad = None
        (x * 1).backward(g)
        assert isinstance(x.grad, np.ndarray)
        assert x.grad.dtype == np.float32
        assert x.grad.tolist() == [[3, 3], [3, 3]]


def test_0d_gradients_are_arrays():
    """NumPy turns 0-d results into scalars; gradients stay arrays, also where hooks see them."""
    seen = []
    x = td.Tensor(np.array(2.0), requires_grad=True)
    for _ in range(2):
        y = (x * x).hook(seen.append)
        (y * y).backward()
    assert type(x.grad) is np.ndarray
    assert x.grad.shape == ()
    assert all(type(g) is np.ndarray for g in seen)
    assert type(td.grad(lambda x: x * x * x)(np.array(2.0))) is np.ndarray


def test_intermediate_results_are_freed_as_the_walk_passes():
    x = leaf(*np.ones(8))
    alive = []

    class Probe(td.Function):
        def forward(self, x):
            return x + 0

        def backward(self, g):
            alive.append(sum(r() is not None for r in results))
            return (g,)

    results, y = [], x
    for _ in range(6):
        y = Probe()(y)
        results.append(weakref.ref(y.data))
    y.sum().backward(1.0)
    del y
    assert alive == [6, 6, 5, 4, 3, 2]  # the walk holds the one that it is at


def test_what_requires_no_gradient_is_not_recorded():
    x, c = leaf(1.0), td.Tensor(np.ones(1))
    y = x * (c * 3)
    y.backward()
    assert x.grad.tolist() == [3]
    assert (c * 3).creator is None
    assert (x > 0).dtype == bool
    assert not (x * 2).astype(int).requires_grad


# --- hooks


def test_hooks_see_complete_gradients():
    x = leaf(2.0)
    seen = []
    y = (x * 3).hook(lambda g: seen.append(("y", g.item())))
    x.hook(lambda g: seen.append(("x", g.item())))
    assert (y + y * y).backward() is None
    assert seen == [("y", 13.0), ("x", 39.0)]


def test_hooks_see_the_gradients_of_td_grad_too():
    seen = []
    td.grad(lambda x: (x * 2).hook(seen.append).sum())(np.ones(2))
    assert [g.tolist() for g in seen] == [[1, 1]]


def test_a_hook_without_a_gradient():
    with pytest.raises(td.GraphError, match="requires no gradient would never be called"):
        td.Tensor([1.0]).hook(print)


# --- what is refused


def test_backward_without_a_tape():
    for y in (td.Tensor(1.0), td.Tensor(1.0) * 2, leaf(1.0).detach()):
        with pytest.raises(
            td.GraphError, match="without a tape: no input of it requires a gradient"
        ):
            y.backward()
    with td.no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(td.GraphError, match=r"or it was computed under no_grad\(\)"):
        y.backward()


def test_a_second_backward_on_a_freed_tape():
    x = leaf(1.0)
    y = x * x
    z = y * 2
    z.backward()
    with pytest.raises(td.GraphError, match="tape behind this Multiply was freed by an earlier"):
        z.backward()
    with pytest.raises(td.GraphError, match=r"or keep the tape with backward\(create_graph=True\)"):
        (y + x).backward()
    assert x.grad.tolist() == [4]  # the refused walks gave nothing


def test_not_a_scalar():
    with pytest.raises(td.GraphError, match=r"backward\(\) of a tensor of shape \(2,\) needs g"):
        leaf(1.0, 2.0).backward()
    with pytest.raises(td.GraphError, match=r"tensor of shape \(0,\) needs g"):
        leaf().backward()


def test_a_wrong_g():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(td.GraphError, match=r"g has shape \(3,\), the tensor has \(2,\)"):
        y.backward(np.ones(3))
    with pytest.raises(td.GraphError, match=r"g has shape \(1,\), the tensor has \(2,\)"):
        y.backward(np.ones(1))
    with pytest.raises(TypeError, match="g must be an array, a Tensor or a number, got list"):
        y.backward([1.0, 2.0])
    with pytest.raises(td.DeviceError, match="arrays on cpu and on double meet"):
        y.backward(td.to_device(np.ones(2), "double"))


class Wrong(td.Function):
    """y = x

    dL/dx = whatever is asked for
    """

    def forward(self, x, answer):
        self.answer = answer
        return x + 0

    def backward(self, g):
        return self.answer(g)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda g: (g.sum(keepdims=True),), r"returned float64 of shape \(1,\) as .* shape \(2,\)"),
        (lambda g: (None,), "returned None as the gradient of an input that is float64"),
        (lambda g: (g.astype(np.float32),), "returned float32 of shape .* that is float64"),
        (lambda g: (g, g), "returned 2 gradients for 1 inputs; it must return a tuple"),
        (lambda g: (), "returned 0 gradients for 1 inputs"),
    ],
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_backward_that_breaks_its_contract(answer, message, create_graph):
    x = leaf(1.0, 2.0)
    with pytest.raises(td.GraphError, match="Wrong.backward " + message):
        Wrong()(x, answer=answer).sum().backward(create_graph=create_graph)
    assert x.grad is None


def test_an_operation_without_a_gradient_says_so():
    class Sign(td.Function):
        def forward(self, x):
            return np.sign(x)

    with pytest.raises(td.GraphError, match="Sign has no gradient"):
        Sign()(leaf(1.0)).backward()
    with pytest.raises(TypeError, match="Function has no forward"):
        td.Function()(leaf(1.0))


def test_an_operation_records_one_call():
    multiply = td.ops.elementwise.Multiply()
    x = leaf(2.0)
    multiply(x, 3.0)
    with pytest.raises(td.GraphError, match="this Multiply records a call; make another"):
        multiply(x, 4.0)

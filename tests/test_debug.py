"""td.debug(): NaN, infinity and writes behind the tape are found where they happen."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn, optim


def leaf(*values):
    return td.Tensor(np.array(values), requires_grad=True)


@pytest.fixture
def quiet():
    """NumPy warns of what is to be found here, which would end the test before it is found."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: td.log(x - 1), r"Log made infinity from finite inputs \(\(2,\)\)"),
        (lambda x: td.log(x - 5), r"Log made NaN from finite inputs \(\(2,\)\)"),
        (lambda x: x / (x - 1), r"Divide made infinity from finite inputs \(\(2,\), \(2,\)\)"),
        (lambda x: td.sqrt(x * -1), "Sqrt made NaN from finite inputs"),
        (lambda x: td.exp(x * 1000), "Exp made infinity from finite inputs"),
        (lambda x: 1 / (x - 1), r"Divide made infinity from finite inputs \(1, \(2,\)\)"),
    ],
)
def test_the_operation_where_it_first_appears_is_named(f, message, quiet):
    with td.debug(), pytest.raises(td.GraphError, match=message):
        td.sin(f(leaf(1.0, 2.0)) * 2).sum()


def test_without_recording_too(quiet):
    with td.debug(), td.no_grad(), pytest.raises(td.GraphError, match="Log made NaN"):
        td.log(td.Tensor([-1.0]))


def test_nan_in_a_leaf_is_named_where_it_is_first_used(quiet):
    x = leaf(np.nan, 1.0)
    with td.debug(), pytest.raises(td.GraphError, match=r"Exp was given NaN: a leaf or a const"):
        td.log(td.exp(x))


def test_nan_made_of_infinity_is_named(quiet):
    x = leaf(np.inf, 1.0)
    with td.debug(), pytest.raises(td.GraphError, match=r"Subtract made NaN from infinite inputs"):
        _ = x - x


def test_what_was_infinite_before_is_nobodys_fault(quiet):
    """Masks are made of -inf: an operation that was given it, or passes it on, is not named."""
    x = leaf(1.0, 2.0)
    with td.debug():
        q = td.Tensor(np.ones((3, 2)), requires_grad=True)
        td.attention(q, q, q, causal=True).sum().backward()
        y = td.where(np.array([True, False]), x, -np.inf)
        assert td.logsumexp(y).item() == 1
        assert (td.Tensor([np.inf]) * 2).item() == np.inf
    assert np.isfinite(q.grad).all()


def test_a_gradient_that_breaks_is_named_by_where_it_arrives(quiet):
    """The slope of sqrt at 0 is infinite; the value is not."""
    x = leaf(0.0, 4.0)
    with td.debug():
        y = td.sqrt(x * 1.0).sum()
        with pytest.raises(td.GraphError, match=r"reaches Multiply \(2,\) holds infinity"):
            y.backward()
        y = td.sqrt(x).sum()
        with pytest.raises(td.GraphError, match=r"reaches a leaf \(2,\) holds infinity"):
            y.backward()
        with pytest.raises(td.GraphError, match="holds NaN"):
            (x * 2).backward(np.array([np.nan, 1.0]))
    assert x.grad is None


def test_gradients_of_create_graph_and_of_grad_are_checked_too(quiet):
    x = leaf(0.0)
    with td.debug():
        with pytest.raises(td.GraphError, match="Divide made infinity from finite inputs"):
            td.sqrt(x).backward(create_graph=True)
        with pytest.raises(td.GraphError, match="holds infinity"):
            td.grad(lambda x: td.sqrt(x).sum())(np.zeros(1))


# --- writes behind the tape


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x, w: x * w, "the array 'b' that Multiply saved"),
        (lambda x, w: x @ w, "the array 'b' that Matmul saved"),
        (lambda x, w: x @ w.T, "the array 'b' that Matmul saved"),
        (lambda x, w: td.maximum(w, x), "the array 'a' that Maximum saved"),
        (lambda x, w: td.layer_norm(x, w[0], None), "the array 'b' that Multiply saved"),
    ],
)
def test_raw_writes_into_saved_arrays_are_found(f, message):
    x, w = (td.Tensor(np.eye(2), requires_grad=True) for _ in range(2))
    with td.debug():
        y = f(x, w).sum()
        w.data[0, 0] = 5.0
        with pytest.raises(td.GraphError, match=message + r".*forward pass \(through .data\?\)"):
            y.backward()


def test_raw_writes_into_masks_and_indices_are_found():
    """What a backward reads beside saved arrays: the index of a batch, reused too early."""
    x, rows, mask = leaf(1.0, 2.0, 3.0), np.array([0, 1]), np.array([True, False, True])
    for compute, written, message in (
        (lambda: x[rows], rows, "the array 'index'"),
        (lambda: td.reshape(x, (1, 3))[:, rows], rows, r"the array 'index\[1\]'"),
        (lambda: td.where(mask, x, 0.0), mask, "the array 'condition'"),
    ):
        with td.debug():
            y = compute().sum()
            written[...] = 1 - written
            with pytest.raises(td.GraphError, match=message):
                y.backward()


def test_writes_that_nothing_saved_do_no_harm():
    x, w = leaf(1.0), leaf(1.0)
    with td.debug():
        y = td.exp(w) + x  # exp saves its result
        w.data[0] = 5.0
        y.backward()
    assert w.grad.tolist() == [np.e]


def test_a_write_between_two_backward_walks_is_found():
    x = leaf(1.0, 2.0)
    with td.debug():
        y = (x * x).sum()
        y.backward(create_graph=True)
        x.data += 1
        with pytest.raises(
            td.GraphError, match="the array 'a' that Multiply saved for its backward"
        ):
            y.backward()


def test_a_write_that_puts_the_same_bytes_back_is_none():
    x = leaf(1.0, 2.0)
    with td.debug():
        y = (x * x).sum()
        x.data += 1
        x.data -= 1
        y.backward()
    assert x.grad.tolist() == [2, 4]


def test_outside_of_debug_nothing_is_checked(quiet):
    x = leaf(0.0, 1.0)
    y = td.log(x) * x
    x.data += 1
    y.sum().backward()
    assert np.isneginf(td.log(leaf(0.0)).data).all()
    with td.debug():
        pass
    assert td.log(leaf(0.0)).creator.saved.keys() == {"x"}


def test_a_training_step_under_debug_is_the_same_step():
    def train(debug):
        rng = np.random.default_rng(0)
        net = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Linear(4, 1, rng=rng))
        adam = optim.Adam(net, 0.1)
        for _ in range(3):
            if debug:
                with td.debug():
                    td.square(net(np.ones((2, 3), np.float32))).sum().backward()
            else:
                td.square(net(np.ones((2, 3), np.float32))).sum().backward()
            adam.step()
            adam.zero_grad()
        return net.flat.data.copy()

    np.testing.assert_array_equal(train(True), train(False))


def test_hooks_go_on_under_debug():
    x, seen = leaf(3.0), []
    with td.debug():
        (x * 2).hook(lambda g: seen.append(g.item())).backward()
    assert seen == [1]


def test_arrays_of_other_kinds_are_left_alone():
    """Zero-size, bool and integer arrays have no NaN and may be saved."""
    with td.debug():
        td.exp(td.Tensor(np.zeros((0, 2)), requires_grad=True)).sum().backward()
        td.where(np.array([True]), leaf(1.0), 0.0).sum().backward()
        assert (td.Tensor([1, 2]) + 1).data.tolist() == [2, 3]


def test_on_a_device_too():
    x = td.Tensor(np.ones(2), requires_grad=True, device="double")
    with td.debug(), np.errstate(all="ignore"):
        (x * x).sum().backward()
        with pytest.raises(td.GraphError, match="Log made NaN"):
            td.log(x - 2)

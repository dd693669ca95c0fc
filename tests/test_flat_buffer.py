"""The flat buffer: parameters and gradients are views into it, and their users follow them."""

import numpy as np
import pytest
from test_nn import Net, train_once

import tinydiff as td
from tinydiff import nn, optim
from tinydiff.nn import Module, Parameter


@pytest.fixture
def net(rng):
    return Net(rng)


@pytest.fixture
def x(rng):
    return rng.standard_normal((5, 2)).astype(np.float32)


def test_parameters_live_in_one_buffer(net):
    values = [p.numpy().copy() for p in net.parameters()]
    flat = net.flat
    assert flat.data.dtype == flat.grad.dtype == np.float32
    np.testing.assert_array_equal(flat.data, np.concatenate([v.ravel() for v in values]))
    for p, value in zip(net.parameters(), values):
        assert np.shares_memory(p.data, flat.data)
        np.testing.assert_array_equal(p.data, value)
    flat.data[...] = np.arange(flat.data.size)
    np.testing.assert_array_equal(net.first.W.data, [[0, 1, 2], [3, 4, 5]])
    net.scale.data[1] = -7
    assert flat.data[6 + 3 + 1] == -7
    assert net.flat is flat, "asked again, the same buffer"


def test_gradients_are_views_of_the_other_buffer(net, x):
    flat = net.flat
    assert all(p.grad is None for p in net.parameters())
    train_once(net, x)
    for name, p in net.named_parameters().items():
        if name == "blocks.2.0":  # not used: no gradient, and 0 in the buffer
            assert p.grad is None
        else:
            assert np.shares_memory(p.grad, flat.grad)
            assert p.grad.any(), name
    grads = [np.zeros(p.shape) if p.grad is None else p.grad for p in net.parameters()]
    np.testing.assert_array_equal(flat.grad, np.concatenate([g.ravel() for g in grads]))


def test_the_first_gradient_is_copied_and_the_second_added(rng):
    w = Parameter(np.ones(3))
    g = rng.standard_normal(3).astype(np.float32)
    (w * 1).backward(g)
    assert not np.shares_memory(w.grad, g)
    (w * 1).backward(g)
    np.testing.assert_array_equal(w.grad, g + g)
    optim.SGD([w], lr=0.1).zero_grad()
    assert w.grad is None
    (w * 1).backward(g)
    np.testing.assert_array_equal(w.grad, g)


def test_a_gradient_set_to_none_leaves_nothing_behind():
    w = Parameter(np.ones(3))
    (w * 2).backward(np.ones(3, np.float32))
    w.grad = None
    optim.SGD([w], lr=1.0).step()
    np.testing.assert_array_equal(w.data, 1)
    w.grad = np.full(3, 4.0)
    np.testing.assert_array_equal(w.flat.grad, 4)


def test_a_larger_module_takes_parameters_over(rng, x):
    layer = nn.Linear(2, 3, rng=rng)
    small = layer.flat
    td.sum(layer(x)).backward()
    value, grad = layer.W.data.copy(), layer.W.grad.copy()
    model = nn.Sequential(nn.Linear(2, 2, rng=rng), layer)
    flat = model.flat
    assert not small.current
    assert flat.current
    assert np.shares_memory(layer.W.data, flat.data)
    np.testing.assert_array_equal(layer.W.data, value)
    np.testing.assert_array_equal(layer.W.grad, grad)
    assert model.layers[0].W.grad is None


def test_a_buffer_that_lost_a_part_is_made_anew():
    a, b = Parameter(np.ones(2)), Parameter(np.ones(3))
    first = nn.flatten([a, b])
    assert nn.flatten([b]) is b.flat
    again = nn.flatten([a, b])
    assert again is not first
    assert again.current
    assert np.shares_memory(b.data, again.data)


def test_optimisers_follow_their_parameters(rng, x):
    """A part and the whole, each with an optimiser, in turn: as if each step were by hand."""
    part, rest = nn.Linear(2, 3, rng=rng), nn.Linear(3, 1, rng=rng)
    opt_part, ema_part = optim.SGD(part, lr=0.5, momentum=0.5), optim.EMA(part, 0.5)
    whole = nn.Sequential(part, rest)
    opt_whole = optim.SGD(whole, lr=0.25)
    W, v, average = part.W.data.astype(float), 0, part.W.data.astype(float)
    for n in range(3):
        opt_whole.zero_grad()
        td.sum(whole(x)).backward()
        v = 0.5 * v + part.W.grad
        W = W - 0.5 * v - 0.25 * part.W.grad
        d = min(0.5, (1 + n) / (10 + n))
        average = d * average + (1 - d) * W
        opt_part.step()
        opt_whole.step()
        ema_part.update()
    np.testing.assert_allclose(part.W.data, W, rtol=1e-5)
    with ema_part.applied():
        np.testing.assert_allclose(part.W.data, average, rtol=1e-5)
    np.testing.assert_allclose(part.W.data, W, rtol=1e-5)


def test_an_average_is_taken_off_again_where_the_parameters_have_gone(rng):
    layer = nn.Linear(2, 3, rng=rng)
    own, ema = layer.W.data.copy(), optim.EMA(layer, 0.9)
    ema.average[...] = 7
    with ema.applied():
        assert nn.Sequential(layer, nn.Linear(3, 1, rng=rng)).flat.current
    np.testing.assert_array_equal(layer.W.data, own)


def test_a_parameter_listed_twice_counts_once():
    w = Parameter(np.ones(3))
    optimizer = optim.SGD([w, w], lr=1.0)
    (w * 2).backward(np.ones(3, np.float32))
    optimizer.step()
    assert optimizer.flat.data.size == 3
    np.testing.assert_array_equal(w.data, -1)


@pytest.mark.parametrize("params", [[], Module(), [td.Tensor(1.0, requires_grad=True)]])
def test_a_buffer_needs_parameters(params):
    with pytest.raises(TypeError, match="a Module with parameters, or a non-empty list of Param"):
        optim.SGD(params, lr=0.1)


def test_a_buffer_needs_one_dtype_and_one_device(rng):
    a, b = Parameter(np.ones(2)), Parameter(np.ones(3), dtype=np.float64)
    with pytest.raises(ValueError, match="one dtype, found float32, float64"):
        optim.SGD([a, b], lr=0.1)
    assert a.flat.current, "a failure takes no parameter away"
    far = nn.LayerNorm(2).to("double")
    with pytest.raises(td.DeviceError, match="cpu and on double"):
        optim.SGD([a, *far.parameters()], lr=0.1)


@pytest.mark.parametrize("value", [0.1, [1, 2.3], np.ones((2, 2), np.float64), np.float64(0.1)])
def test_a_parameter_keeps_shape_and_has_the_dtype_asked_for(value):
    for dtype in (np.float32, np.float64):
        p = Parameter(value, dtype=dtype)
        assert p.dtype == p.flat.data.dtype == dtype
        assert p.shape == np.shape(value)
        np.testing.assert_array_equal(p.data, np.asarray(value, dtype))


def test_a_parameter_does_not_write_into_the_array_it_was_made_of():
    value = np.ones(3, np.float32)
    p = Parameter(value)
    p.data[...] = 0
    np.testing.assert_array_equal(value, 1)


def test_a_parameter_given_other_data_is_still_trained(rng):
    """A new array in `.data` is not a view of the buffer; it must not be left behind."""
    layer = nn.Linear(3, 2, rng=rng)
    optimizer = optim.SGD(layer, 0.1)
    layer.W.data = np.zeros((3, 2), np.float32)
    td.sum(layer(np.ones((1, 3), np.float32))).backward()
    optimizer.step()
    np.testing.assert_allclose(layer.W.data, -0.1, rtol=1e-6)
    assert np.shares_memory(layer.W.data, layer.flat.data)

"""Arrays that change between forward and backward are found, and only those."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn, optim


def model():
    layer = nn.Linear(2, 2, rng=np.random.default_rng(0))
    return layer, td.Tensor(np.ones((1, 2), np.float32), requires_grad=True)


def step(layer):
    sgd = optim.SGD(layer, 0.1)
    layer.flat.grad[...] = 1
    sgd.step()


def load(layer):
    layer.load_state_dict({k: v + 1 for k, v in layer.state_dict().items()})


def average(layer):
    ema = optim.EMA(layer, 0.5)
    ema.update()
    step(layer)
    with ema.applied():
        pass


@pytest.mark.parametrize("change", [step, load, average])
@pytest.mark.parametrize(
    "use",
    [
        lambda W, x: x @ W,
        lambda W, x: x @ W.T,
        lambda W, x: x * W.reshape(4)[:2],
        lambda W, x: x * td.broadcast_to(td.flip(W, 0)[1], (1, 2)),
        lambda W, x: x * W.detach()[0],
        lambda W, x: td.grad(lambda v: (x * v).sum())(W)[0] * x * W[0],
    ],
    ids=["itself", "transposed", "reshaped", "broadcast", "detached", "under grad"],
)
def test_parameters_changed_in_place_are_found(change, use):
    """Also by way of views of them: the saved array is the parameters' memory all the same."""
    layer, x = model()
    flat = optim.SGD(layer, 0.1).flat  # settle in the buffer before the tape is written
    assert layer.W.flat is flat
    y = use(layer.W, x).sum()
    change(layer)
    with pytest.raises(
        td.GraphError, match=r"was changed in place after the forward pass \(an opti"
    ):
        y.backward()
    assert x.grad is None


def test_a_change_that_no_gradient_depends_on_is_no_error():
    layer, x = model()
    y = (x + layer.W).sum()
    step(layer)
    y.backward()
    assert x.grad.tolist() == [[2, 2]]


def test_the_next_step_is_free_to_go_on():
    layer, x = model()
    for _ in range(3):
        (x @ layer.W).sum().backward()
        step(layer)


def test_a_parameter_that_moves_into_another_buffer_is_not_changed():
    layer, x = model()
    y = (x @ layer.W).sum()
    optim.SGD([layer.W], 0.1)
    y.backward()
    np.testing.assert_allclose(x.grad, layer.W.data.sum(1).reshape(1, 2), rtol=1e-6)

"""Optimisers against textbook loops over recorded gradients; their states; what they refuse."""

import math

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn, optim
from tinydiff.nn import Parameter

SHAPES = [(3, 4), (4,), (), (2, 1, 3)]
STEPS = 60
# the loops and the optimisers do the same float64 arithmetic in another order: some rounding errors
# of 1e-16 a step, which nothing amplifies
EXACT = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture
def start(rng):
    return [rng.standard_normal(shape) for shape in SHAPES]


@pytest.fixture
def gradients(rng):
    """Gradients of STEPS steps, of very different scales."""
    scales = [1e-6, 1.0, 1e3, 1e-2]
    return [[s * rng.standard_normal(n) for s, n in zip(scales, SHAPES)] for _ in range(STEPS)]


def parameters(start, dtype=np.float64):
    return [Parameter(a, dtype=dtype) for a in start]


def feed(optimizer, params, gradients):
    """One step for each set of gradients."""
    for of_step in gradients:
        optimizer.zero_grad()
        for p, g in zip(params, of_step):
            p.grad = g
        optimizer.step()
    return [p.numpy().copy() for p in params]


# --- textbook loops: one parameter array, its gradients one after the other


def textbook_sgd(theta, gradients, lr, momentum=0.0, nesterov=False):
    v = np.zeros_like(theta)
    for g in gradients:
        v = momentum * v + g
        theta = theta - lr * (g + momentum * v if nesterov else v)
    return theta


def textbook_adam(theta, gradients, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Kingma & Ba 2015, algorithm 1; weight decay as in Loshchilov & Hutter 2019, algorithm 2."""
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        theta = theta - lr * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * theta)
    return theta


OPTIMISERS = {
    "sgd": (optim.SGD, textbook_sgd, {"lr": 0.1}),
    "momentum": (optim.SGD, textbook_sgd, {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (optim.SGD, textbook_sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adam": (optim.Adam, textbook_adam, {"lr": 1e-3}),
    "adam, own numbers": (
        optim.Adam, textbook_adam, {"lr": 0.03, "betas": (0.5, 0.9), "eps": 1e-3}),
    "adam, no memory": (optim.Adam, textbook_adam, {"lr": 0.03, "betas": (0.0, 0.0)}),
    "adamw": (optim.AdamW, textbook_adam, {"lr": 0.03, "weight_decay": 0.3}),
}  # fmt: skip
every_optimiser = pytest.mark.parametrize(
    "optimiser, textbook, options", OPTIMISERS.values(), ids=OPTIMISERS
)


@every_optimiser
def test_steps_are_those_of_the_textbook(optimiser, textbook, options, start, gradients):
    params = parameters(start)
    results = feed(optimiser(params, **options), params, gradients)
    for k, (result, theta) in enumerate(zip(results, start)):
        expected = textbook(theta, [g[k] for g in gradients], **options)
        np.testing.assert_allclose(result, expected, **EXACT)


@every_optimiser
def test_float32_steps_are_the_same_on_the_double(optimiser, textbook, options, start, gradients):
    params, twins = parameters(start, np.float32), parameters(start, np.float32)
    results = feed(optimiser(params, **options), params, gradients)
    assert all(r.dtype == np.float32 for r in results)
    moved = nn.Module()
    moved.all = twins
    moved.to("double")
    optimizer = optimiser(moved, **options)
    for of_step in gradients:
        optimizer.flat.grad[...] = td.to_device(
            np.concatenate([g.ravel() for g in of_step]).astype(np.float32), "double"
        )
        optimizer.step()
    for p, result in zip(twins, results):
        np.testing.assert_array_equal(p.numpy(), result)


def test_the_learning_rate_may_change(start, gradients):
    params, lrs = parameters(start), [0.1 / (1 + k) for k in range(STEPS)]
    optimizer = optim.SGD(params, lr=0)
    for lr, of_step in zip(lrs, gradients):
        optimizer.lr = lr
        feed(optimizer, params, [of_step])
    for k, (p, theta) in enumerate(zip(params, start)):
        expected = theta - sum(lr * g[k] for lr, g in zip(lrs, gradients))
        np.testing.assert_allclose(p.data, expected, **EXACT)


def test_nesterov_looks_ahead(rng):
    """Sutskever et al. 2013, eqs. 3-4, keep theta and look at the gradient in theta + momentum v;
    the optimiser keeps that point itself.
    """
    A, theta, v = np.diag([1.0, 3.0]), np.array([2.0, -1.0]), np.zeros(2)
    lr, momentum = 0.1, 0.8
    p = Parameter(theta, dtype=np.float64)
    optimizer = optim.SGD([p], lr, momentum, nesterov=True)
    for _ in range(20):
        np.testing.assert_allclose(p.data, theta + momentum * v, rtol=1e-12)
        v = momentum * v - lr * A @ (theta + momentum * v)
        theta = theta + v
        p.grad = A @ p.data
        optimizer.step()


def test_the_first_adam_step_is_lr_in_every_coordinate():
    """m_hat / sqrt(v_hat) = g / |g|, whatever the scale of g: this is what undoes the bias."""
    p = Parameter(np.zeros(3), dtype=np.float64)
    p.grad = np.array([1e-3, -1.0, 1e5])
    optim.Adam([p], lr=0.01).step()
    np.testing.assert_allclose(p.data, [-0.01, 0.01, -0.01], rtol=1.1e-5)  # eps / |g| = 1e-5


@every_optimiser
def test_no_gradient_counts_as_gradient_0(optimiser, textbook, options, start, gradients):
    params = parameters(start)
    optimizer = optimiser(params, **options)
    for step, of_step in enumerate(gradients):
        optimizer.zero_grad()
        for p, g in zip(params[step % 2 :], of_step[step % 2 :]):
            p.grad = g
        optimizer.step()
    mine = [g[0] if step % 2 == 0 else 0 * g[0] for step, g in enumerate(gradients)]
    np.testing.assert_allclose(params[0].data, textbook(start[0], mine, **options), **EXACT)


@every_optimiser
def test_a_restored_optimiser_goes_on_bit_by_bit(optimiser, textbook, options, start, gradients):
    params = parameters(start, np.float32)
    optimizer = optimiser(params, **options)
    middle = feed(optimizer, params, gradients[:20])
    optimizer.lr *= 0.5
    state = optimizer.state_dict()
    end = feed(optimizer, params, gradients[20:])
    again = parameters(middle, np.float32)
    fresh = optimiser(again, **options)
    fresh.load_state_dict(state)
    for a, b in zip(feed(fresh, again, gradients[20:]), end):
        np.testing.assert_array_equal(a, b)
    assert fresh.steps == optimizer.steps == STEPS
    assert state["steps"] == 20, "the state is a copy, not a view"


BAD_STATES = {
    "another size": lambda s: s.update(m=s["m"][:-1]),
    "a shape": lambda s: s.update(m=s["m"].reshape(1, -1)),
    "missing": lambda s: s.pop("v"),
    "no counter": lambda s: s.pop("steps"),
    "unknown": lambda s: s.update(more=1),
}


@pytest.mark.parametrize("spoil", BAD_STATES.values(), ids=BAD_STATES)
def test_a_state_that_does_not_fit_changes_nothing(spoil, start, gradients):
    params = parameters(start)
    optimizer = optim.Adam(params)
    feed(optimizer, params, gradients[:3])
    before = optimizer.state_dict()
    state = {k: v + 1 for k, v in before.items()}
    spoil(state)
    with pytest.raises(ValueError, match="Adam needs a state of shapes"):
        optimizer.load_state_dict(state)
    for name, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_state_of_other_parameters_is_refused(rng):
    state = optim.EMA(nn.Linear(3, 4, rng=rng), 0.9).state_dict()
    with pytest.raises(ValueError, match=r"EMA needs a state of .*\(20,\).*, got .*\(16,\)"):
        optim.EMA(nn.Linear(4, 4, rng=rng), 0.9).load_state_dict(state)


# --- a change between forward and backward


LAYERS = {
    "linear": (lambda rng: nn.Linear(3, 2, rng=rng), (4, 3)),
    "conv1d": (lambda rng: nn.Conv1d(3, 2, 2, rng=rng), (1, 4, 3)),
    "conv2d": (lambda rng: nn.Conv2d(3, 2, 2, rng=rng), (1, 4, 4, 3)),
    "conv_transpose2d": (lambda rng: nn.ConvTranspose2d(3, 2, 2, rng=rng), (1, 4, 4, 3)),
    "layer_norm": (lambda rng: nn.LayerNorm(3), (4, 3)),
    "group_norm": (lambda rng: nn.GroupNorm(1, 3), (4, 3)),
    "attention": (lambda rng: nn.MultiHeadAttention(4, 2, rng=rng), (2, 3, 4)),
}


@pytest.mark.parametrize("build, shape", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("how", ["step", "average", "load"])
def test_a_change_between_forward_and_backward_is_found(build, shape, how, rng):
    layer = build(rng)
    changes = {
        "step": optim.SGD(layer, lr=0.1).step,
        "average": optim.EMA(layer, 0.9).applied().__enter__,
        "load": lambda: layer.load_state_dict(layer.state_dict()),
    }
    x = td.Tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
    loss = td.mean(td.square(layer(x)))
    changes[how]()
    with pytest.raises(td.GraphError, match="changed in place after the forward"):
        loss.backward()
    td.mean(td.square(layer(x))).backward()  # a new forward is fine


REFUSED = {
    "SGD needs a learning rate lr >= 0, got -1": lambda p: optim.SGD(p, lr=-1),
    "Adam needs a learning rate lr >= 0, got nan": lambda p: optim.Adam(p, lr=math.nan),
    r"SGD needs a momentum in \[0, 1\), got 1": lambda p: optim.SGD(p, lr=1, momentum=1),
    "nesterov=True needs a momentum > 0": lambda p: optim.SGD(p, lr=1, nesterov=True),
    r"Adam needs betas in \[0, 1\), got \(0.9, 1\)": lambda p: optim.Adam(p, betas=(0.9, 1)),
    "Adam needs eps > 0": lambda p: optim.AdamW(p, eps=0),
    "AdamW needs weight_decay >= 0, got -0.1": lambda p: optim.AdamW(p, weight_decay=-0.1),
    r"EMA needs a decay in \[0, 1\), got 1": lambda p: optim.EMA(p, 1),
    "cosine.. needs 0 <= warmup < steps": lambda p: optim.cosine(0.1, steps=5, warmup=5),
    "ReduceOnPlateau needs 0 < factor < 1":
        lambda p: optim.ReduceOnPlateau(optim.SGD(p, lr=1), factor=1, patience=1),
    "patience >= 1, got 0.5, 0":
        lambda p: optim.ReduceOnPlateau(optim.SGD(p, lr=1), factor=0.5, patience=0),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_impossible_settings_are_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]([Parameter(np.ones(2))])

"""A training step on the device double: what is moved, and who waits.

The batch is uploaded; from there on neither forward nor backward, clipping, optimiser or average
may move anything between host and device, or wait for the device.
"""

import numpy as np
import pytest
from double import Forbidden, forbid

import tinydiff as td
from tinydiff import nn, optim

ALL = ("h2d", "d2h", "sync")


class Denoiser(nn.Module):
    """A small convolutional network with all that a U-Net has: time, FiLM, attention, two sizes."""

    def __init__(self, rng):
        self.first = nn.Conv2d(1, 8, 3, padding=1, rng=rng)
        self.time = nn.Sequential(nn.Linear(8, 8, rng=rng), td.silu)
        self.norm, self.film = nn.GroupNorm(4, 8), nn.FiLM(8, 8, rng=rng)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2, rng=rng)
        self.attention = nn.MultiHeadAttention(8, 2, rng=rng)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2, rng=rng)
        self.last = nn.Conv2d(16, 1, 3, padding=1, rng=rng)

    def forward(self, x, t):
        x = self.first(x)
        e = self.time(nn.sinusoidal(t, 8))
        h = self.down(td.silu(self.film(self.norm(x), e)))
        tokens = td.reshape(h, (h.shape[0], -1, h.shape[-1]))
        h = td.reshape(tokens + self.attention(tokens, causal=True), h.shape)
        return self.last(td.concatenate([self.up(h), x], axis=-1))


class Classifier(nn.Module):
    """Embedded symbols through an MLP with batch statistics and dropout."""

    def __init__(self, rng, p=0.2):
        self.embedding = nn.Embedding(5, 6, rng=rng)
        self.layers = nn.Sequential(
            nn.Linear(18, 16, rng=rng), nn.BatchNorm(16), td.relu, nn.Dropout(p, rng=rng),
            nn.Linear(16, 16, bias=False, rng=rng), nn.LayerNorm(16), td.gelu,
            nn.Linear(16, 3, rng=rng),
        )  # fmt: skip

    def forward(self, ids):
        return self.layers(td.reshape(self.embedding(ids), (ids.shape[0], -1)))


def denoising(rng):
    xt, eps = rng.standard_normal((2, 4, 6, 6, 1), dtype=np.float32)
    return xt, rng.integers(1, 100, 4), eps


def symbols(rng):
    return rng.integers(0, 5, (8, 3)), rng.integers(0, 3, 8)


TASKS = {
    "conv, norm, attention": (Denoiser, denoising, lambda f, x, t, y: td.mse(f(x, t), y)),
    "mlp, dropout": (Classifier, symbols, lambda f, x, y: td.cross_entropy(f(x), y)),
}
OPTIMISERS = {
    "sgd": lambda model: optim.SGD(model, lr=1e-2, momentum=0.9, nesterov=True),
    "adam": lambda model: optim.Adam(model, lr=1e-3),
    "adamw": lambda model: optim.AdamW(model, lr=1e-3),
}


def training(model, loss, optimizer, limit=1.0):
    """The function that makes one step on a batch and returns the loss, where it was computed."""
    ema, schedule = optim.EMA(model, 0.99), optim.cosine(optimizer.lr, steps=100, warmup=5)

    def step(*batch):
        optimizer.zero_grad()
        value = loss(model, *batch)
        value.backward()
        optim.clip_grad_norm(model, limit)
        optimizer.lr = schedule(optimizer.steps)
        optimizer.step()
        ema.update()
        return value

    return step, ema


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("build, draw, loss", TASKS.values(), ids=TASKS)
def test_nothing_moves_and_nobody_waits(build, draw, loss, optimiser, rng):
    model = build(rng).to("double")
    step, ema = training(model, loss, optimiser(model))
    before = model.state_dict()
    for _ in range(3):
        host = draw(rng)
        with forbid("d2h", "sync") as counts:
            batch = [td.to_device(b, "double") for b in host]
        assert counts == {"h2d": len(host)}, "the batch, and nothing else"
        with forbid(*ALL):
            value = step(*batch)
    assert np.isfinite(value.item())
    for name, after in model.state_dict().items():
        assert after.dtype == np.float32, name
        assert np.isfinite(after).all(), name
        assert (after != before[name]).any(), f"{name} was not trained"
    with forbid(*ALL), ema.applied(), td.no_grad():
        model.eval()(*batch[: len(batch) - 1])


def test_the_loss_is_the_only_thing_to_fetch(rng):
    """Fetched every 4 steps, it costs one download and one wait each time."""
    build, draw, loss = TASKS["conv, norm, attention"]
    model = build(rng).to("double")
    step, _ = training(model, loss, optim.Adam(model))
    batch = [td.to_device(b, "double") for b in draw(rng)]
    with forbid() as counts:
        for k in range(8):
            value = step(*batch)
            if k % 4 == 3:
                value.item()
    assert counts == {"d2h": 2, "sync": 2}


def test_a_step_that_looks_at_the_device_is_caught(rng):
    """The test of the test: a question to the loss waits, a host array in the model is uploaded."""
    build, draw, loss = TASKS["conv, norm, attention"]
    model = build(rng).to("double")
    x, t, y = (td.to_device(b, "double") for b in draw(rng))
    with forbid(*ALL), pytest.raises(Forbidden, match=r"sync|d2h"):
        bool(loss(model, x, t, y) > 1)
    with forbid(*ALL), pytest.raises(Forbidden, match="h2d"):
        model(x, nn.on_device_of(np.arange(4), x))


@pytest.mark.parametrize("build, draw, loss", TASKS.values(), ids=TASKS)
def test_cpu_and_double_train_bit_by_bit_alike(build, draw, loss, monkeypatch):
    """Without fast forms, which sum in another order, and without noise drawn on the device."""
    monkeypatch.setattr("tinydiff.backend.fast.enabled", False)
    states = []
    for device in ("cpu", "double"):
        rng = np.random.default_rng(3)
        model = build(rng) if build is Denoiser else build(rng, p=0)
        model.to(device)
        step, ema = training(model, loss, optim.AdamW(model))
        losses = [step(*(td.to_device(b, device) for b in draw(rng))).item() for _ in range(3)]
        states.append(model.state_dict() | {"losses": losses, "average": td.to_host(ema.average)})
    for name, value in states[0].items():
        np.testing.assert_array_equal(states[1][name], value, err_msg=name)


@pytest.mark.parametrize("build, draw, loss", TASKS.values(), ids=TASKS)
def test_training_lowers_the_loss(build, draw, loss):
    """On one batch, which both networks can learn by heart."""
    rng = np.random.default_rng(1)
    model, batch = build(rng), draw(rng)
    step, _ = training(model, loss, optim.Adam(model, lr=1e-2))
    losses = [step(*batch).item() for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]

"""Optimisers and clipping against PyTorch's, fed the same recorded gradients."""

import numpy as np
import pytest

from tinydiff import nn, optim

STEPS = 100
SHAPES = [(30, 20), (20,), (3, 3, 4, 8)]

OPTIMISERS = {
    "SGD": (lambda p: optim.SGD(p, 0.01), lambda t, p: t.optim.SGD(p, 0.01)),
    "SGD, momentum": (lambda p: optim.SGD(p, 0.01, momentum=0.9),
                      lambda t, p: t.optim.SGD(p, 0.01, momentum=0.9)),
    "SGD, Nesterov": (lambda p: optim.SGD(p, 0.01, momentum=0.9, nesterov=True),
                      lambda t, p: t.optim.SGD(p, 0.01, momentum=0.9, nesterov=True)),
    "Adam": (optim.Adam, lambda t, p: t.optim.Adam(p)),
    "Adam, own numbers": (lambda p: optim.Adam(p, 0.02, (0.8, 0.99), 1e-6),
                          lambda t, p: t.optim.Adam(p, 0.02, (0.8, 0.99), 1e-6)),
    "AdamW": (optim.AdamW, lambda t, p: t.optim.AdamW(p)),
    "AdamW, own numbers": (lambda p: optim.AdamW(p, 0.02, weight_decay=0.1),
                           lambda t, p: t.optim.AdamW(p, 0.02, weight_decay=0.1)),
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ours, theirs", OPTIMISERS.values(), ids=OPTIMISERS)
def test_parameters_agree_after_every_step(torch, ours, theirs, dtype, rng):
    """To 1e-6 of the largest entry; in float64 to 1e-10, where only a difference in the formula
    could be seen.
    """
    start = [rng.standard_normal(s).astype(dtype) for s in SHAPES]
    params = [nn.Parameter(a, dtype=dtype) for a in start]
    twins = [torch.nn.Parameter(torch.tensor(a)) for a in start]
    optimizer, twin = ours(params), theirs(torch, twins)
    scales = 10.0 ** rng.uniform(-4, 1, len(SHAPES))
    limit = 1e-6 if dtype == "float32" else 1e-10
    for step in range(STEPS):
        for p, z, scale in zip(params, twins, scales):
            g = (scale * rng.standard_normal(p.shape)).astype(dtype)
            p.grad, z.grad = g, torch.tensor(g)
        optimizer.step()
        twin.step()
        for p, z in zip(params, twins):
            z = z.detach().numpy()
            assert np.abs(p.data - z).max() <= limit * np.abs(z).max(), f"step {step}"


@pytest.mark.torch
@pytest.mark.parametrize("max_norm", [0.1, 1e3])
def test_clipping_agrees(torch, max_norm, rng):
    params = [nn.Parameter(np.zeros(s)) for s in SHAPES]
    twins = [torch.nn.Parameter(torch.zeros(s)) for s in SHAPES]
    for p, z in zip(params, twins):
        p.grad = rng.standard_normal(p.shape)
        z.grad = torch.tensor(p.grad)
    ours = optim.clip_grad_norm(params, max_norm)
    theirs = torch.nn.utils.clip_grad_norm_(twins, max_norm).item()
    assert float(ours) == pytest.approx(theirs, rel=1e-6)
    for p, z in zip(params, twins):  # theirs divides by the norm plus 1e-6
        np.testing.assert_allclose(p.grad, z.grad.numpy(), rtol=2e-6)

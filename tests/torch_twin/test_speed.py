"""The networks that `python -m benchmarks` times against PyTorch: ours and theirs are the same."""

import numpy as np
import pytest

from benchmarks.speed import rounds
from benchmarks.speed.works import WORKS
from tinydiff.models.transformer import Transformer
from tinydiff.models.unet import UNet

MODERN = {"widths": (8, 12, 16), "blocks": 2, "heads": (0, 0, 4), "d": 16, "groups": 4}
DIGITS = {"patch": 2, "widths": (8, 8), "blocks": 1, "heads": (4, 0), "d": 16, "groups": 4}
NETS = {  # our class, arguments of both, one sample
    "lab1": (Transformer, {"n": 6, "T": 20, "d": 8, "dropout": 0.0}, (6, 1)),
    "unet": (UNet, MODERN, (12, 12, 1)),
    "digits": (UNet, DIGITS, (8, 8, 1)),
}
TOLERANCE = 1e-6  # of the largest entry: the waves of t are float32 on both sides, all else float64


def close(ours, theirs):
    return np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.torch
@pytest.mark.parametrize("name", NETS)
def test_values_and_gradients_of_the_same_weights(torch, name):
    """Random weights everywhere, also where a fresh model has zeros that would hide a layer."""
    from benchmarks.twins import transformer, unet, weights

    constructor, arguments, shape = NETS[name]
    rng = np.random.default_rng(0)
    ours = constructor(**arguments, rng=rng).astype(np.float64)
    ours.flat.data[...] = 0.3 * rng.standard_normal(ours.flat.data.shape)
    twins = {UNet: unet.UNet, Transformer: transformer.Transformer}
    theirs = twins[constructor](**arguments).double()
    named = ours.named_parameters()
    weights.take_over(theirs, {key: p.data for key, p in named.items()})
    x, g = rng.standard_normal((2, 3, *shape))
    t = np.array([1, 7, 20])
    y, z = ours(x, t), theirs(torch.tensor(np.moveaxis(x, -1, 1 if x.ndim == 4 else -1)),
                              torch.tensor(t))  # fmt: skip
    z = z.movedim(1, -1) if x.ndim == 4 else z
    assert close(y.numpy(), z.detach().numpy())
    y.backward(g)
    z.backward(torch.tensor(g))
    for key, (p, f) in weights.conversions(theirs).items():
        assert close(named[key].grad, f(p.grad.numpy())), key


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name, work in WORKS.items() if "PyTorch" in work.peers])
def test_as_many_parameters(torch, name):
    """At the full size; no step is made."""
    from benchmarks.speed import ours, torch_peer

    work = WORKS[name]
    spec = rounds.spec("PyTorch", work, work.full, threads=1)
    jobs = (getattr(library, work.maker)(spec, **work.full) for library in (ours, torch_peer))
    assert len({job.parameters for job in jobs}) == 1

"""Every layer of td.nn against its counterpart in PyTorch, with the same parameters."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn

from .layout import assert_close, first, kernel, last, transposed_kernel

MASK = np.random.default_rng(0).random((2 * 3, 4, 4)) < 0.6
MASK[..., 0] = True


def flipped(W):
    """(n_in, n_out) -> (n_out, n_in), of a Linear."""
    return W.T


def same(p):
    return p


NORM = {"gamma": ("weight", same), "beta": ("bias", same)}
LINEAR = {"W": ("weight", flipped), "b": ("bias", same)}
CONV = {"W": ("weight", kernel), "b": ("bias", same)}
TRANSPOSED = {"W": ("weight", transposed_kernel), "b": ("bias", same)}
ATTENTION = {
    "qkv.W": ("in_proj_weight", flipped), "qkv.b": ("in_proj_bias", same),
    "out.W": ("out_proj.weight", flipped), "out.b": ("out_proj.bias", same),
}  # fmt: skip


def plain(call, x):
    return call(x)


def channels_first(call, x):
    return last(call(first(x)))


def attending(**options):
    return lambda call, x: call(x, x, x, need_weights=False, **options)[0]


def film(torch):
    """Scale and shift as Perez et al. write it, PyTorch having none."""

    class FiLM(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(5, 8)

        def forward(self, x, condition):
            scale, shift = self.linear(condition)[:, None].chunk(2, dim=-1)
            return x * (1 + scale) + shift

    return FiLM()


# "Layer: case": (ours, theirs, {our name: (their name, conversion)}, shapes, how to call theirs)
CASES = {
    "Linear": (lambda r: nn.Linear(3, 4, rng=r), lambda t: t.nn.Linear(3, 4), LINEAR, [(5, 2, 3)],
               plain),
    "Linear: no bias": (
        lambda r: nn.Linear(3, 4, bias=False, rng=r), lambda t: t.nn.Linear(3, 4, bias=False),
        {"W": LINEAR["W"]}, [(5, 3)], plain),
    "Conv1d": (lambda r: nn.Conv1d(4, 6, 3, 2, 1, 2, 2, rng=r),
               lambda t: t.nn.Conv1d(4, 6, 3, 2, 1, 2, 2), CONV, [(2, 9, 4)], channels_first),
    "Conv2d": (lambda r: nn.Conv2d(3, 4, 3, padding=1, rng=r),
               lambda t: t.nn.Conv2d(3, 4, 3, padding=1), CONV, [(2, 5, 6, 3)], channels_first),
    "Conv2d: options": (
        lambda r: nn.Conv2d(4, 6, (3, 2), (2, 1), (2, 0), (1, 2), 2, rng=r),
        lambda t: t.nn.Conv2d(4, 6, (3, 2), (2, 1), (2, 0), (1, 2), 2), CONV, [(2, 7, 6, 4)],
        channels_first),
    "ConvTranspose2d": (
        lambda r: nn.ConvTranspose2d(3, 4, 4, 2, 1, 1, rng=r),
        lambda t: t.nn.ConvTranspose2d(3, 4, 4, 2, 1, 1), TRANSPOSED, [(2, 4, 3, 3)],
        channels_first),
    "LayerNorm": (lambda r: nn.LayerNorm(4), lambda t: t.nn.LayerNorm(4), NORM, [(2, 3, 4)], plain),
    "GroupNorm": (lambda r: nn.GroupNorm(3, 6), lambda t: t.nn.GroupNorm(3, 6), NORM,
                  [(2, 4, 3, 6)], channels_first),
    "BatchNorm": (lambda r: nn.BatchNorm(5), lambda t: t.nn.BatchNorm2d(5), NORM, [(3, 4, 2, 5)],
                  channels_first),
    "MultiHeadAttention": (
        lambda r: nn.MultiHeadAttention(6, 3, rng=r),
        lambda t: t.nn.MultiheadAttention(6, 3, batch_first=True), ATTENTION, [(2, 4, 6)],
        attending()),
    "FiLM": (lambda r: nn.FiLM(5, 4, rng=r), film,
             {f"linear.{k}": (f"linear.{v}", f) for k, (v, f) in LINEAR.items()},
             [(2, 3, 4), (2, 5)], lambda call, *xs: call(*xs)),
    "Sequential": (
        lambda r: nn.Sequential(nn.Linear(3, 4, rng=r), td.silu, nn.LayerNorm(4)),
        lambda t: t.nn.Sequential(t.nn.Linear(3, 4), t.nn.SiLU(), t.nn.LayerNorm(4)),
        {f"layers.{i}.{k}": (f"{i}.{v}", f)
         for i, names in ((0, LINEAR), (2, NORM)) for k, (v, f) in names.items()},
        [(5, 3)], plain),
}  # fmt: skip
ELSEWHERE = {"Embedding", "Dropout"}  # below: they take ids, or draw


def randomised(layer, rng, dtype):
    layer.astype(dtype).flat.data[...] = rng.standard_normal(layer.flat.data.shape)
    return layer


def run_theirs(torch, layer, module, names, xs, how):
    """Their output, and the leaves, in our layout, that their module computed it from."""
    module.to(xs[0].dtype)
    parameters = layer.named_parameters().items()
    leaves = {k: torch.tensor(p.data, requires_grad=True) for k, p in parameters}
    weights = {names[k][0]: names[k][1](leaf) for k, leaf in leaves.items()}

    def call(*inputs, **options):
        return torch.func.functional_call(module, weights, inputs, options)

    return how(call, *xs), leaves


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ours, theirs, names, shapes, how", CASES.values(), ids=CASES)
def test_layer(torch, ours, theirs, names, shapes, how, dtype, rng):
    layer, arrays = randomised(ours(rng), rng, dtype), [rng.standard_normal(s) for s in shapes]
    xs = [td.Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    zs = [torch.tensor(x.data, requires_grad=True) for x in xs]
    module = theirs(torch)
    z, leaves = run_theirs(torch, layer, module, names, zs, how)
    y = layer(*xs)
    g = rng.standard_normal(y.shape).astype(dtype)
    y.backward(g)
    z.backward(torch.tensor(g))
    assert_close(y.numpy(), z, dtype, "value")
    for k, (x, z) in enumerate(zip(xs, zs)):
        assert_close(x.grad, z.grad, dtype, f"gradient of input {k}")
    for name, p in layer.named_parameters().items():
        assert_close(p.grad, leaves[name].grad, dtype, f"gradient of {name}")


@pytest.mark.torch
@pytest.mark.parametrize("options", [{"causal": True}, {"mask": MASK}], ids=["causal", "mask"])
def test_attention_options(torch, options, rng):
    layer = randomised(nn.MultiHeadAttention(6, 3, rng=rng), rng, "float64")
    x = rng.standard_normal((2, 4, 6))
    seen = MASK if "mask" in options else np.tri(4, dtype=bool)
    how = attending(attn_mask=torch.tensor(~seen))  # there, True means: may not attend
    module = torch.nn.MultiheadAttention(6, 3, batch_first=True)
    z, _ = run_theirs(torch, layer, module, ATTENTION, [torch.tensor(x)], how)
    if "mask" in options:
        options = {"mask": MASK.reshape(2, 3, 4, 4)}
    assert_close(layer(x, **options).numpy(), z, "float64", "value")


@pytest.mark.torch
def test_batch_norm_statistics_and_evaluation(torch, rng):
    ours, theirs = nn.BatchNorm(5).astype(np.float64), torch.nn.BatchNorm1d(5).double()
    for _ in range(3):
        x = rng.normal(1, 2, (4, 3, 5))
        ours(x)
        theirs(first(torch.tensor(x)))
    assert_close(ours.running_mean, theirs.running_mean, "float64", "mean")
    assert_close(ours.running_var, theirs.running_var, "float64", "variance")
    z = last(theirs.eval()(first(torch.tensor(x))))
    assert_close(ours.eval()(x).numpy(), z, "float64", "evaluation")


@pytest.mark.torch
def test_embedding(torch, rng):
    ours, ids = nn.Embedding(5, 3, rng=rng), rng.integers(0, 5, (4, 6))
    table = torch.tensor(ours.W.data, requires_grad=True)
    y, z = ours(ids), torch.nn.functional.embedding(torch.tensor(ids), table)
    g = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(g)
    z.backward(torch.tensor(g))
    assert_close(y.numpy(), z, "float32", "value")
    assert_close(ours.W.grad, table.grad, "float32", "gradient")


@pytest.mark.torch
def test_dropout_where_both_are_certain(torch, rng):
    """The masks are drawn by other generators; what a kept element becomes is the same."""
    x = rng.standard_normal((50, 40)).astype(np.float32)
    ours, theirs = nn.Dropout(0.3, rng=rng), torch.nn.Dropout(0.3)
    y, z = ours(x).numpy(), theirs(torch.tensor(x)).numpy()
    both = (y != 0) & (z != 0)
    assert both.mean() > 0.3
    np.testing.assert_allclose(y[both], z[both], rtol=2e-7)
    assert_close(ours.eval()(x).numpy(), theirs.eval()(torch.tensor(x)), "float32", "evaluation")


@pytest.mark.torch
@pytest.mark.parametrize("d", [2, 8, 64])
def test_sinusoidal(torch, d):
    """As in the DDPM code, cosines first; times of a lab, where float32 angles are still exact."""
    t = np.arange(1, 101)
    w = torch.exp(torch.arange(d // 2) * (-2 * np.log(10000) / d))
    angles = torch.tensor(t)[:, None].float() * w
    z = torch.cat([angles.cos(), angles.sin()], dim=1)
    assert_close(nn.sinusoidal(t, d), z, "float32", "value")


def test_no_layer_is_missing():
    """Needs no PyTorch: a new layer has its comparison from its first day."""
    layers = {k for k, v in vars(nn).items() if isinstance(v, type) and issubclass(v, nn.Module)}
    assert {name.split(":")[0] for name in CASES} | ELSEWHERE == layers - {"Module"}

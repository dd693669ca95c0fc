"""Every operation of td.ops against its counterpart in PyTorch."""

import numpy as np
import pytest

import tinydiff as td

from .layout import compare, first, kernel, last, transposed_kernel

IDS = np.array([[2, 0, 2], [4, 1, 2]])
MASK = np.random.default_rng(0).random((2, 3, 4, 4)) < 0.6
MASK[..., 0] = True
CONDITION = MASK[0, :, 0]
LABELS = np.array([1, 0, 3])


def normal(*shapes):
    return lambda rng: [rng.standard_normal(shape) for shape in shapes]


def positive(*shapes):
    return lambda rng: [rng.uniform(0.5, 2, shape) for shape in shapes]


def kept(torch, x, p):
    """The mask that dropout draws for x from default_rng(0)."""
    drawn = np.random.default_rng(0).random(tuple(x.shape), dtype=x.detach().numpy().dtype)
    return torch.tensor(drawn >= p)


def conv(torch, x, W, b=None, **options):
    f = torch.nn.functional.conv2d if x.ndim == 4 else torch.nn.functional.conv1d
    return last(f(first(x), kernel(W), b, **options))


def conv_transpose(torch, x, W, b=None, **options):
    f = torch.nn.functional.conv_transpose2d
    return last(f(first(x), transposed_kernel(W), b, **options))


def norm(name):
    """F.<name> over channels first."""
    return lambda torch, x, *args, **named: last(
        getattr(torch.nn.functional, name)(first(x), *args, **named)
    )


# "op: case": (inputs, ours, theirs)
CASES = {
    "add": (normal((3, 4), (4,)), td.add, lambda t, a, b: a + b),
    "subtract": (normal((3, 1), (4,)), td.subtract, lambda t, a, b: a - b),
    "multiply": (normal((2, 3, 4), (3, 1)), td.multiply, lambda t, a, b: a * b),
    "divide": (positive((3, 4), (4,)), td.divide, lambda t, a, b: a / b),
    "power": (positive((3, 4), (4,)), td.power, lambda t, a, b: a**b),
    "power: number": (normal((3, 4)), lambda x: x**3, lambda t, x: x**3),
    "power: of a number": (normal((3, 4)), lambda x: 2.5**x, lambda t, x: 2.5**x),
    "negative": (normal((3, 4)), td.negative, lambda t, x: -x),
    "exp": (normal((3, 4)), td.exp, lambda t, x: t.exp(x)),
    "log": (positive((3, 4)), td.log, lambda t, x: t.log(x)),
    "log1p": (positive((3, 4)), td.log1p, lambda t, x: t.log1p(x)),
    "expm1": (normal((3, 4)), td.expm1, lambda t, x: t.expm1(x)),
    "sqrt": (positive((3, 4)), td.sqrt, lambda t, x: t.sqrt(x)),
    "square": (normal((3, 4)), td.square, lambda t, x: t.square(x)),
    "abs": (normal((3, 4)), td.abs, lambda t, x: t.abs(x)),
    "sin": (normal((3, 4)), td.sin, lambda t, x: t.sin(x)),
    "cos": (normal((3, 4)), td.cos, lambda t, x: t.cos(x)),
    "erf": (normal((3, 4)), td.erf, lambda t, x: t.erf(x)),
    "log_ndtr": (normal((3, 4)), td.log_ndtr, lambda t, x: t.special.log_ndtr(x)),
    "tanh": (normal((3, 4)), td.tanh, lambda t, x: t.tanh(x)),
    "sigmoid": (normal((3, 4)), td.sigmoid, lambda t, x: t.sigmoid(x)),
    "softplus": (normal((3, 4)), td.softplus, lambda t, x: t.nn.functional.softplus(x)),
    "relu": (normal((3, 4)), td.relu, lambda t, x: t.relu(x)),
    "silu": (normal((3, 4)), td.silu, lambda t, x: t.nn.functional.silu(x)),
    "gelu": (normal((3, 4)), td.gelu, lambda t, x: t.nn.functional.gelu(x)),
    "maximum": (normal((3, 4), (4,)), td.maximum, lambda t, a, b: t.maximum(a, b)),
    "maximum: ties": (lambda rng: [np.ones(3), np.ones(3)], td.maximum,
                      lambda t, a, b: t.maximum(a, b)),
    "minimum": (normal((3, 4), (4,)), td.minimum, lambda t, a, b: t.minimum(a, b)),
    "where": (normal((3, 4), (4,)), lambda a, b: td.where(CONDITION, a, b),
              lambda t, a, b: t.where(t.tensor(CONDITION), a, b)),
    "clip": (normal((5, 6)), lambda x: td.clip(x, -0.5, 0.8), lambda t, x: t.clamp(x, -0.5, 0.8)),
    "clip: one side": (normal((5, 6)), lambda x: td.clip(x, None, 0.1),
                       lambda t, x: t.clamp(x, max=0.1)),
    "logaddexp": (normal((3, 4), (4,)), td.logaddexp, lambda t, a, b: t.logaddexp(a, b)),
    "sum": (normal((2, 3, 4)), lambda x: td.sum(x, (0, 2)), lambda t, x: x.sum((0, 2))),
    "mean": (normal((2, 3, 4)), lambda x: td.mean(x, 1, keepdims=True),
             lambda t, x: x.mean(1, keepdim=True)),
    "mean: all": (normal((2, 3, 4)), td.mean, lambda t, x: x.mean()),
    "var": (normal((2, 3, 4)), lambda x: td.var(x, (0, 2)),
            lambda t, x: x.var((0, 2), correction=0)),
    "var: ddof": (normal((2, 3, 4)), lambda x: td.var(x, ddof=1), lambda t, x: x.var()),
    "max": (normal((2, 3, 4)), lambda x: td.max(x, 1), lambda t, x: x.amax(1)),
    "max: ties": (lambda rng: [rng.integers(0, 2, (4, 5)).astype(float)],
                  lambda x: td.max(x, 1), lambda t, x: x.amax(1)),
    "min": (normal((2, 3, 4)), lambda x: td.min(x, (0, 1)), lambda t, x: x.amin((0, 1))),
    "logsumexp": (normal((2, 3, 4)), lambda x: td.logsumexp(x, (1, 2)),
                  lambda t, x: t.logsumexp(x, (1, 2))),
    "cumsum": (normal((3, 4)), lambda x: td.cumsum(x, 1), lambda t, x: x.cumsum(1)),
    "broadcast_to": (normal((3, 1)), lambda x: td.broadcast_to(x, (2, 3, 4)),
                     lambda t, x: x.expand(2, 3, 4)),
    "repeat": (normal((2, 3)), lambda x: td.repeat(x, 2, 1),
               lambda t, x: x.repeat_interleave(2, 1)),
    "reshape": (normal((2, 6)), lambda x: td.reshape(x, (3, -1)), lambda t, x: x.reshape(3, -1)),
    "transpose": (normal((2, 3, 4)), lambda x: td.transpose(x, (2, 0, 1)),
                  lambda t, x: x.permute(2, 0, 1)),
    "swapaxes": (normal((2, 3, 4)), lambda x: td.swapaxes(x, 0, -1),
                 lambda t, x: x.swapaxes(0, -1)),
    "concatenate": (normal((2, 3), (2, 1)), lambda a, b: td.concatenate([a, b, a], 1),
                    lambda t, a, b: t.cat([a, b, a], 1)),
    "stack": (normal((2, 3), (2, 3)), lambda a, b: td.stack([a, b], 1),
              lambda t, a, b: t.stack([a, b], 1)),
    "split": (normal((6, 3)), lambda x: td.split(x, 3)[1] * td.split(x, [1, 3])[1],
              lambda t, x: x.tensor_split(3)[1] * x.tensor_split([1, 3])[1]),
    "getitem": (normal((4, 5, 3)), lambda x: x[1:, ::-2, None, 0],
                lambda t, x: x.flip(1)[1:, ::2, None, 0]),
    "getitem: integers": (normal((5, 3)), lambda x: x[IDS], lambda t, x: x[t.tensor(IDS)]),
    "getitem: pairs": (normal((5, 5)), lambda x: x[IDS[0], IDS[1]],
                       lambda t, x: x[t.tensor(IDS[0]), t.tensor(IDS[1])]),
    "getitem: mask": (normal((3, 4)), lambda x: x[CONDITION], lambda t, x: x[t.tensor(CONDITION)]),
    "take": (normal((2, 5)), lambda x: td.take(x, IDS[0], 1),
             lambda t, x: x.index_select(1, t.tensor(IDS[0]))),
    "pad": (normal((2, 3)), lambda x: td.pad(x, [(1, 2), (0, 3)], 0.5),
            lambda t, x: t.nn.functional.pad(x, (0, 3, 1, 2), value=0.5)),
    "flip": (normal((2, 3)), lambda x: td.flip(x, 1), lambda t, x: x.flip(1)),
    "astype": (normal((2, 3)), lambda x: td.astype(x, np.float64) * 2,
               lambda t, x: x.to(t.float64) * 2),
    "matmul": (normal((2, 1, 3, 4), (5, 4, 2)), td.matmul, lambda t, a, b: a @ b),
    "matmul: stack by matrix": (normal((2, 5, 4), (4, 3)), td.matmul, lambda t, a, b: a @ b),
    "matmul: vectors": (normal((4,), (4,)), td.matmul, lambda t, a, b: a @ b),
    "linear": (normal((2, 5, 4), (4, 3), (3,)), td.linear,
               lambda t, x, W, b: t.nn.functional.linear(x, W.T, b)),
    "einsum": (normal((2, 3, 4), (4, 3, 5)), lambda a, b: td.einsum("nij,jik->nk", a, b),
               lambda t, a, b: t.einsum("nij,jik->nk", a, b)),
    "einsum: a sum": (normal((2, 3), (4,)), lambda a, b: td.einsum("ij,k->i", a, b),
                      lambda t, a, b: t.einsum("ij,k->i", a, b)),
    "softmax": (normal((2, 3, 4)), lambda x: td.softmax(x, 1), lambda t, x: x.softmax(1)),
    "log_softmax": (normal((3, 4)), td.log_softmax, lambda t, x: x.log_softmax(-1)),
    "mse": (normal((3, 4), (3, 4)), td.mse, lambda t, a, b: t.nn.functional.mse_loss(a, b)),
    "cross_entropy": (normal((3, 4)), lambda x: td.cross_entropy(x, LABELS),
                      lambda t, x: t.nn.functional.cross_entropy(x, t.tensor(LABELS))),
    "conv1d": (normal((2, 9, 4), (3, 2, 6), (6,)),
               lambda *a: td.conv1d(*a, stride=2, padding=1, dilation=2, groups=2),
               lambda *a: conv(*a, stride=2, padding=1, dilation=2, groups=2)),
    "conv2d": (normal((2, 6, 5, 3), (3, 3, 3, 4), (4,)), lambda *a: td.conv2d(*a, padding=1),
               lambda *a: conv(*a, padding=1)),
    "conv2d: 1x1": (normal((2, 4, 4, 3), (1, 1, 3, 5)), td.conv2d, conv),
    "conv2d: options": (
        normal((2, 8, 9, 4), (3, 2, 2, 6), (6,)),
        lambda *a: td.conv2d(*a, stride=(2, 1), padding=(2, 1), dilation=(1, 3), groups=2),
        lambda *a: conv(*a, stride=(2, 1), padding=(2, 1), dilation=(1, 3), groups=2)),
    "conv2d: large": (normal((3, 28, 28, 8), (3, 3, 8, 16), (16,)),
                      lambda *a: td.conv2d(*a, padding=1), lambda *a: conv(*a, padding=1)),
    "conv_transpose2d": (
        normal((2, 4, 3, 3), (3, 4, 3, 2), (2,)),
        lambda *a: td.conv_transpose2d(*a, stride=2, padding=1, output_padding=1),
        lambda *a: conv_transpose(*a, stride=2, padding=1, output_padding=1)),
    "max_pool2d": (normal((2, 6, 6, 3)), lambda x: td.max_pool2d(x, 2),
                   lambda t, x: norm("max_pool2d")(t, x, 2)),
    "max_pool2d: overlapping": (normal((2, 7, 6, 3)), lambda x: td.max_pool2d(x, 3, stride=2),
                                lambda t, x: norm("max_pool2d")(t, x, 3, stride=2)),
    "avg_pool2d": (normal((2, 7, 6, 3)), lambda x: td.avg_pool2d(x, (3, 2), stride=1),
                   lambda t, x: norm("avg_pool2d")(t, x, (3, 2), stride=1)),
    "upsample2d": (normal((2, 3, 2, 4)), lambda x: td.upsample2d(x, 3),
                   lambda t, x: norm("interpolate")(t, x, scale_factor=3, mode="nearest")),
    "embedding": (normal((5, 3)), lambda table: td.embedding(table, IDS),
                  lambda t, table: t.nn.functional.embedding(t.tensor(IDS), table)),
    "dropout": (normal((20, 10)), lambda x: td.dropout(x, 0.3, np.random.default_rng(0)),
                lambda t, x: t.where(kept(t, x, 0.3), x / 0.7, 0 * x)),
    "layer_norm": (normal((2, 3, 4), (4,), (4,)), td.layer_norm,
                   lambda t, x, *p: t.nn.functional.layer_norm(x, (4,), *p)),
    "group_norm": (normal((2, 3, 4, 6), (6,), (6,)),
                   lambda x, *p: td.group_norm(x, 3, *p),
                   lambda t, x, *p: norm("group_norm")(t, x, 3, *p)),
    "batch_norm": (normal((4, 3, 2, 5), (5,), (5,)), td.batch_norm,
                   lambda t, x, *p: norm("batch_norm")(t, x, None, None, *p, training=True)),
    "batch_norm: given statistics": (
        positive((4, 3, 5), (5,), (5,), (5,), (5,)),
        lambda x, gamma, beta, mean, var: td.batch_norm(x, gamma, beta, mean=mean, var=var),
        lambda t, x, gamma, beta, mean, var: (x - mean) / (var + 1e-5).sqrt() * gamma + beta),
    "attention": (normal((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7)), td.attention,
                  lambda t, *a: t.nn.functional.scaled_dot_product_attention(*a)),
    "attention: causal": (
        normal(*3 * [(2, 3, 4, 5)]), lambda *a: td.attention(*a, causal=True),
        lambda t, *a: t.nn.functional.scaled_dot_product_attention(*a, is_causal=True)),
    "attention: mask": (
        normal(*3 * [(2, 3, 4, 5)]), lambda *a: td.attention(*a, mask=MASK),
        lambda t, *a: t.nn.functional.scaled_dot_product_attention(*a, attn_mask=t.tensor(MASK))),
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inputs, ours, theirs", CASES.values(), ids=CASES)
def test_operation(torch, inputs, ours, theirs, dtype, rng):
    compare(torch, ours, lambda *zs: theirs(torch, *zs), inputs(rng), dtype, rng)


def test_no_operation_is_missing():
    """Needs no PyTorch: a new operation has its comparison from its first day."""
    assert {name.split(":")[0] for name in CASES} == set(td.ops.__all__)

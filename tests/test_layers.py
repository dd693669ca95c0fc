"""Every layer against a plain NumPy formula, its gradient, its first weights and its complaints."""

import math
from itertools import product

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn
from tinydiff.nn import Parameter

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # float64; sums of at most some hundred terms of size 1


def randomised(layer, rng):
    """The layer in float64, no parameter at a special value such as 0 or 1."""
    layer.astype(np.float64).flat.data[...] = rng.uniform(0.5, 1.5, layer.flat.data.shape)
    layer.flat.data[...] *= rng.choice([-1, 1], layer.flat.data.shape)
    return layer


def values(layer):
    return [p.data for p in layer.parameters()]


def windows_conv(x, W, b, stride, padding, dilation, groups):
    """A convolution by its definition, one output at a time. stride, ...: pairs."""
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    kh, kw, c, c_out = W.shape
    heights = range(0, x.shape[1] - dh * (kh - 1), sh)
    widths = range(0, x.shape[2] - dw * (kw - 1), sw)
    y = np.zeros((len(x), len(heights), len(widths), c_out))
    for (i, row), (j, column), d in product(enumerate(heights), enumerate(widths), range(c_out)):
        first = c * (d * groups // c_out)  # the first input channel of d's group
        window = x[:, row : row + dh * kh : dh, column : column + dw * kw : dw, first : first + c]
        y[:, i, j, d] = (window * W[..., d]).sum(axis=(1, 2, 3)) + (0 if b is None else b[d])
    return y


def spread_conv(x, W, b, stride, padding, output_padding):
    """A transposed convolution: every pixel adds W, times its value, at stride times its place."""
    (n, h, w, _), (kh, kw, _, c_out) = x.shape, W.shape
    s, p, o = stride, padding, output_padding
    y = np.zeros((n, (h - 1) * s + kh + o, (w - 1) * s + kw + o, c_out))
    for i, j in product(range(h), range(w)):
        y[:, i * s : i * s + kh, j * s : j * s + kw] += np.einsum("nc,pqcd->npqd", x[:, i, j], W)
    return y[:, p : y.shape[1] - p, p : y.shape[2] - p] + b


def heads_one_by_one(layer, x, mask=None, causal=False):
    """Multi-head attention with a loop over samples, heads, queries and keys."""
    (Wqkv, bqkv, Wout, bout), (n, length, d) = values(layer), x.shape
    size = d // layer.heads
    mixed = np.zeros_like(x)
    for sample, head in product(range(n), range(layer.heads)):
        own = slice(head * size, (head + 1) * size)
        q, k, v = ((x[sample] @ Wqkv + bqkv)[:, i * d : (i + 1) * d][:, own] for i in range(3))
        for i in range(length):
            seen = [j for j in range(length)
                    if (not causal or j <= i) and (mask is None or mask[sample, head, i, j])]
            weights = np.array([math.exp(q[i] @ k[j] / math.sqrt(size)) for j in seen])
            mixed[sample, i, own] = weights / weights.sum() @ v[seen]
    return mixed @ Wout + bout


def standardised(x, axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


def grouped(x, groups):
    parts = np.split(x, groups, axis=-1)
    return np.concatenate([standardised(p, tuple(range(1, x.ndim))) for p in parts], -1)


def conv_formula(stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    def formula(layer, x):
        b = None if layer.b is None else layer.b.data
        return windows_conv(x, layer.W.data, b, stride, padding, dilation, groups)

    return formula


def conv1d_formula(layer, x):
    y = windows_conv(x[:, None], layer.W.data[None], layer.b.data, (1, 2), (0, 3), (1, 2), 1)
    return y[:, 0]


def affine(layer, y):
    return y * layer.gamma.data + layer.beta.data


# name: (layer made with rng, shape of x, formula)
LAYERS = {
    "linear": (
        lambda rng: nn.Linear(3, 4, rng=rng), (5, 3),
        lambda f, x: x @ f.W.data + f.b.data),
    "linear, a stack, no bias": (
        lambda rng: nn.Linear(3, 4, bias=False, rng=rng), (2, 5, 3),
        lambda f, x: np.einsum("nli,io->nlo", x, f.W.data)),
    "linear, one vector": (
        lambda rng: nn.Linear(3, 4, rng=rng), (3,),
        lambda f, x: x @ f.W.data + f.b.data),
    "conv1d": (
        lambda rng: nn.Conv1d(2, 3, 4, stride=2, padding=3, dilation=2, rng=rng), (2, 7, 2),
        conv1d_formula),
    "conv2d": (
        lambda rng: nn.Conv2d(2, 3, 3, padding=1, rng=rng), (2, 4, 5, 2),
        conv_formula(padding=(1, 1))),
    "conv2d, all options": (
        lambda rng: nn.Conv2d(4, 6, (3, 2), (2, 1), (2, 0), (1, 2), 2, False, rng=rng),
        (2, 5, 5, 4),
        conv_formula((2, 1), (2, 0), (1, 2), 2)),
    "conv2d, 1x1": (lambda rng: nn.Conv2d(3, 2, 1, rng=rng), (2, 3, 3, 3), conv_formula()),
    "conv_transpose2d": (
        lambda rng: nn.ConvTranspose2d(2, 3, 3, 2, 1, 1, rng=rng), (2, 3, 4, 2),
        lambda f, x: spread_conv(x, f.W.data, f.b.data, 2, 1, 1)),
    "conv_transpose2d, no bias": (
        lambda rng: nn.ConvTranspose2d(2, 3, 2, bias=False, rng=rng), (1, 3, 2, 2),
        lambda f, x: spread_conv(x, f.W.data, 0, 1, 0, 0)),
    "layer_norm": (
        lambda rng: nn.LayerNorm(4), (2, 3, 4), lambda f, x: affine(f, standardised(x, -1))),
    "group_norm": (
        lambda rng: nn.GroupNorm(2, 6), (2, 3, 4, 6), lambda f, x: affine(f, grouped(x, 2))),
    "group_norm, vectors": (
        lambda rng: nn.GroupNorm(3, 6), (4, 6), lambda f, x: affine(f, grouped(x, 3))),
    "batch_norm": (
        lambda rng: nn.BatchNorm(3), (4, 2, 2, 3),
        lambda f, x: affine(f, standardised(x, (0, 1, 2)))),
    "attention": (
        lambda rng: nn.MultiHeadAttention(6, 3, rng=rng), (2, 4, 6),
        lambda f, x: heads_one_by_one(f, x)),
}  # fmt: skip
every_layer = pytest.mark.parametrize("build, shape, formula", LAYERS.values(), ids=LAYERS)


@every_layer
def test_forward_is_the_formula(build, shape, formula, rng):
    layer, x = randomised(build(rng), rng), rng.standard_normal(shape)
    y = layer(x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.numpy(), formula(layer, x), **EXACT)


@every_layer
def test_gradients_of_input_and_parameters(build, shape, formula, rng):
    layer = randomised(build(rng), rng)
    td.gradcheck(of_parameters(layer), rng.standard_normal(shape), *values(layer), rng=rng)


@every_layer
def test_float32_stays_float32_and_the_double_agrees(build, shape, formula, rng, monkeypatch):
    """Bit by bit, once the fast forms, which sum in another order, are out of the way."""
    monkeypatch.setattr("tinydiff.backend.fast.enabled", False)
    layer, x = build(rng), rng.standard_normal(shape).astype(np.float32)
    y = layer(x)
    g = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(g)
    assert y.dtype == layer.flat.grad.dtype == np.float32
    grad = layer.flat.grad.copy()
    for p in layer.to("double").parameters():
        p.grad = None
    z = layer(td.to_device(x, "double"))
    z.backward(td.to_device(g, "double"))
    np.testing.assert_array_equal(z.numpy(), y.numpy())
    np.testing.assert_array_equal(td.to_host(layer.flat.grad), grad)


def of_parameters(layer):
    """The layer as a function of (x, *parameters): what gradcheck differentiates."""
    places = [
        (module, key)
        for module in layer.modules().values()
        for key, value in vars(module).items()
        if isinstance(value, Parameter)
    ]

    def function(x, *parameters):
        for (module, key), value in zip(places, parameters, strict=True):
            setattr(module, key, value)
        return layer(x)

    return function


# --- attention, embeddings, conditioning


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_sees_what_mask_and_order_allow(masked, causal, rng):
    layer, x = randomised(nn.MultiHeadAttention(6, 2, rng=rng), rng), rng.standard_normal((3, 4, 6))
    mask = rng.random((3, 2, 4, 4)) < 0.5 if masked else None
    if masked:
        mask[..., 0] = True  # every query has a key, also under the causal order
    y = layer(x, mask=mask, causal=causal).numpy()
    np.testing.assert_allclose(y, heads_one_by_one(layer, x, mask, causal), **EXACT)


def test_an_embedding_looks_rows_up(rng):
    layer = nn.Embedding(5, 3, rng=rng)
    ids = np.array([[4, 0], [2, 4]])
    y = layer(ids)
    np.testing.assert_array_equal(y.numpy(), layer.W.data[ids])
    g = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(g)
    np.testing.assert_array_equal(layer.W.grad[4], g[0, 0] + g[1, 1])
    np.testing.assert_array_equal(layer.W.grad[[1, 3]], 0)


@pytest.mark.parametrize("t", [np.arange(1, 1001), np.array([0.0, 0.25, 999.5])])
def test_sinusoidal_is_its_definition(t, device):
    d, period = 32, 10000
    w = period ** (-2 * np.arange(d // 2) / d)
    angles = np.outer(t, w)
    e = td.to_host(nn.sinusoidal(td.to_device(t), d))
    assert e.shape == (len(t), d)
    assert e.dtype == np.float32
    # in float32 (rounding unit u = 2^-24) w = exp(-z) is off by a factor 1 + (2 z + 2) u, the angle
    # t w by one more u; w z is at most 1/e, so the angle is off by at most (2/e + 3) t u
    error = np.abs(e - np.concatenate([np.cos(angles), np.sin(angles)], axis=1))
    assert (error <= 2**-24 * ((2 / math.e + 3) * t[:, None] + 4)).all()


def test_sinusoidal_knows_other_periods(rng):
    e = nn.sinusoidal(np.array([1]), 4, max_period=100)
    np.testing.assert_allclose(e[0], [*np.cos([1, 0.1]), *np.sin([1, 0.1])], rtol=1e-6)


@pytest.mark.parametrize("t", [3, np.int64(3), [3, 3], np.array([3, 3])])
def test_times_come_to_where_x_is(t, xp, device):
    x = td.Tensor(np.zeros((2, 5), np.float32))
    for like in (x, x.data):
        moved = nn.on_device_of(t, like)
        assert td.backend.device_of(moved) == device
        np.testing.assert_array_equal(td.to_host(moved), [3, 3])


def test_film_starts_as_the_identity(rng):
    x, condition = rng.standard_normal((2, 3, 3, 4)), rng.standard_normal((2, 5))
    film = nn.FiLM(5, 4, rng=rng)
    np.testing.assert_array_equal(film(x, condition).numpy(), x)


@pytest.mark.parametrize("places", [(), (3,), (3, 2)])
def test_film_scales_and_shifts_each_channel_of_each_sample(places, rng):
    film = randomised(nn.FiLM(5, 4, rng=rng), rng)
    x, condition = rng.standard_normal((2, *places, 4)), rng.standard_normal((2, 5))
    s, b = np.split(condition @ film.linear.W.data + film.linear.b.data, 2, axis=1)
    y = film(x, condition).numpy()
    for n in range(2):
        np.testing.assert_allclose(y[n], x[n] * (1 + s[n]) + b[n], **EXACT)

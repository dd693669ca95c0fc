"""What networks are made of: lines and layers, normalisation, attention, time embeddings."""

import numpy as np

from .. import functional, nn, ops
from .adjoints import LOOPS
from .entry import Param, equation
from .settings import ROUNDING, SEED, SIZE, normals

FLOAT32 = 1e-5  # layers hold float32 weights: u = 6e-8, and sums of some ten products


@equation(
    "network.function",
    "A network is a function with trainable weights; the simplest is a line.",
    r"y = f(x) = xW + b",
    source="ub-lecture L18, L22, L24; ub-slides L16, L31",
    implements="tinydiff.nn.linear:Linear.forward", tolerance=FLOAT32,
    slope=Param(2.0, -5.0, 5.0), intercept=Param(0.0, -5.0, 5.0),
)  # fmt: skip
def function(slope, intercept):
    """Left: a linear layer at the points of the lecture, x = 1, 1.5, -0.5. Right: the line. With
    slope 2 and intercept 0 it passes through (1, 2), (1.5, 3) and (-0.5, -1)."""
    layer = nn.Linear(1, 1, rng=np.random.default_rng(0))
    layer.W.data[...], layer.b.data[...] = slope, intercept
    x = np.array([[1.0], [1.5], [-0.5]])
    return 20 + layer(x).data, 20 + slope * x + intercept


@equation(
    "network.two-layers",
    "Two layers, and the chain rule through them.",
    r"y = \tanh(xW_1)\,w_2:\quad \frac{\partial L}{\partial W_1} ="
    r" x^T\left(g\,w_2^T \odot (1 - \tanh^2(xW_1))\right)",
    source="ub-lecture L13, L14, L24; ub-slides L21, L31",
    implements="tinydiff.functional:grad", tolerance=ROUNDING,
    n=Param(4, 1, 6), d=SIZE, seed=SEED,
)  # fmt: skip
def two_layers(n, d, seed):
    """Left: by the tape, for the mean squared error. Right: by hand."""
    x, W, w, y = normals(seed, (n, d), (d, 4), 4, n)
    left = functional.grad(lambda W: ops.mse(ops.matmul(ops.tanh(ops.matmul(x, W)), w), y))(W)
    hidden = np.tanh(x @ W)
    g = 2 / n * (hidden @ w - y)
    return left, x.T @ (np.outer(g, w) * (1 - hidden**2))


@equation(
    "network.layer-norm",
    "Layer normalisation.",
    r"y = \gamma\,\frac{x - \mathrm{mean}(x)}{\sqrt{\mathrm{var}(x) + \varepsilon}} + \beta",
    source="Ba et al. 2016, equation 4; nus-l8 L553 (the Transformer)",
    implements="tinydiff.ops:layer_norm", tolerance=ROUNDING,
    n=Param(3, 1, 5), d=Param(6, 2, 12), seed=SEED,
)  # fmt: skip
def layer_norm(n, d, seed):
    """Right: row by row."""
    x, gamma, beta = normals(seed, (n, d), d, d)
    right = [gamma * (row - row.mean()) / np.sqrt(row.var() + 1e-5) + beta for row in x]
    return ops.layer_norm(x, gamma, beta), np.array(right)


@equation(
    "network.group-norm",
    "Group normalisation, as in the U-Net.",
    r"\text{mean and variance over all positions and the channels of one group}",
    source="Wu and He 2018, section 3.1; nus-l8 L553 (the UNet)",
    implements="tinydiff.ops:group_norm", tolerance=ROUNDING,
    groups=Param(2, 1, 4), width=Param(3, 1, 4), seed=SEED,
)  # fmt: skip
def group_norm(groups, width, seed):
    """Right: sample by sample and group by group."""
    c = groups * width
    x, gamma, beta = normals(seed, (2, 3, 3, c), c, c)
    right = np.empty_like(x)
    for i in range(2):
        for k in range(groups):
            part = x[i, :, :, k * width : (k + 1) * width]
            right[i, :, :, k * width : (k + 1) * width] = (part - part.mean()) / np.sqrt(
                part.var() + 1e-5
            )
    return ops.group_norm(x, groups, gamma, beta), right * gamma + beta


@equation(
    "network.attention",
    "Attention: each query's mean of the values, weighted by the keys.",
    r"\mathrm{softmax}\left(\frac{QK^T}{\sqrt{D}}\right) V",
    source="Vaswani et al. 2017, equation 1; nus-l8 L553 (the Transformer)",
    implements="tinydiff.ops:attention", tolerance=LOOPS,
    queries=Param(4, 1, 6), keys=Param(5, 1, 6), d=SIZE, seed=SEED,
)  # fmt: skip
def attention(queries, keys, d, seed):
    """Left: as it is, and causal where every query has its own key. Right: query by query."""
    q, k, v = normals(seed, (queries, d), (keys, d), (keys, 2))

    def one(row, k, v):
        weight = np.exp(k @ row / np.sqrt(d))
        return weight @ v / weight.sum()

    plain = np.array([one(row, k, v) for row in q])
    causal = np.array([one(row, k[: i + 1], v[: i + 1]) for i, row in enumerate(k)])
    return (ops.attention(q, k, v), ops.attention(k, k, v, causal=True)), (plain, causal)


@equation(
    "network.time-embedding",
    "Time as cosines and sines of many wave lengths.",
    r"\mathrm{emb}(t) = \left[\cos(\omega_i t),\ \sin(\omega_i t)\right]_i,\qquad"
    r" \omega_i = 10000^{-2i/d}",
    source="ch327 L66; Vaswani et al. 2017, section 3.5",
    implements="tinydiff.nn:sinusoidal", tolerance=2e-4,  # float32 angles up to 1000: 1000 u = 6e-5
    t=Param(500, 0, 1000), half=Param(8, 1, 32),
)  # fmt: skip
def time_embedding(t, half):
    """Right: real and imaginary parts of exp(i w t), in float64."""
    w = 10000.0 ** (-np.arange(half) / half)
    turned = np.exp(1j * w * t)
    left = nn.sinusoidal(np.array([t]), 2 * half)[0]
    return left.astype(float), np.concatenate([turned.real, turned.imag])


@equation(
    "network.scale-and-shift",
    "A condition enters a layer by scaling and shifting its channels.",
    r"y = x \odot (1 + s) + b,\qquad [s, b] = cW + b_0",
    source="ch327 L66; Perez et al. 2018, equation 2; Nichol and Dhariwal 2021, section 3",
    implements="tinydiff.nn.attention:FiLM.forward", tolerance=FLOAT32,
    d=SIZE, c=SIZE, seed=SEED,
)  # fmt: skip
def scale_and_shift(d, c, seed):
    """Right: sample by sample and channel by channel, from the layer's own weights."""
    x, condition, W = normals(seed, (2, 3, 3, c), (2, d), (d, 2 * c))
    layer = nn.FiLM(d, c, rng=np.random.default_rng(0))
    layer.linear.W.data[...] = W
    right = np.empty_like(x)
    for i in range(2):
        s, b = np.split(condition[i] @ W, 2)
        right[i] = x[i] * (1 + s) + b
    return layer(x, condition).data, right

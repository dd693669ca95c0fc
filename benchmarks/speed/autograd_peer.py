"""The works by HIPS autograd. Its optimisers are loops of their own, so Adam is written out."""

from itertools import pairwise

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from .job import Job

LR, B1, B2, EPS = 1e-3, 0.9, 0.999, 1e-8


def layer(rng, *shape):
    """Weights of variance 1 / fan-in, and a bias."""
    W = rng.standard_normal(shape) / np.prod(shape[:-1]) ** 0.5
    return [W.astype(np.float32), np.zeros(shape[-1], np.float32)]


def silu(x):
    return x / (1 + anp.exp(-x))


def mlp(spec, batch, width):
    rng = np.random.default_rng(0)
    sizes = 18, width, width, width, 2
    weights = [a for n, m in pairwise(sizes) for a in layer(rng, n, m)]
    m, v = ([np.zeros_like(a) for a in weights] for _ in range(2))
    ab = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    signal, noise = np.sqrt(ab).astype(np.float32), np.sqrt(1 - ab).astype(np.float32)
    w = (10000.0 ** (-np.arange(8) / 8)).astype(np.float32)
    points, steps = rng.standard_normal((10_000, 2), dtype=np.float32), [0]

    def loss(weights, x, eps):
        for k in range(0, len(weights), 2):
            x = anp.dot(x if k == 0 else silu(x), weights[k]) + weights[k + 1]
        return anp.mean((x - eps) ** 2)

    slope = value_and_grad(loss)

    def step():
        x0 = points[rng.integers(0, len(points), batch)]
        t, eps = rng.integers(0, 1000, batch), rng.standard_normal(x0.shape, dtype=np.float32)
        xt = signal[t][:, None] * x0 + noise[t][:, None] * eps
        angles = (t + 1).astype(np.float32)[:, None] * w
        x = np.concatenate([xt, np.cos(angles), np.sin(angles)], axis=1)
        value, gradients = slope(weights, x, eps)
        steps[0] += 1
        c1, c2 = 1 - B1 ** steps[0], 1 - B2 ** steps[0]
        for k, g in enumerate(gradients):
            m[k] = B1 * m[k] + (1 - B1) * g
            v[k] = B2 * v[k] + (1 - B2) * g**2
            weights[k] = weights[k] - LR * (m[k] / c1) / (np.sqrt(v[k] / c2) + EPS)
        return value

    return Job(step, sum(a.size for a in weights))


def convnet(spec, batch, side, widths):
    """By its own convolution, as in its example of a convolutional net; channels first."""
    from autograd.scipy.signal import convolve

    rng = np.random.default_rng(0)
    a, b = widths
    weights = [
        layer(rng, 1, 3, 3, a)[0].transpose(0, 3, 1, 2), np.zeros((1, a, 1, 1), np.float32),
        layer(rng, a, 3, 3, b)[0].transpose(0, 3, 1, 2), np.zeros((1, b, 1, 1), np.float32),
        *layer(rng, (side - 4) ** 2 * b, 10),
    ]  # fmt: skip
    x, y = rng.standard_normal((batch, 1, side, side), dtype=np.float32), rng.integers(0, 10, batch)

    def conv(x, W):
        return convolve(x, W, axes=([2, 3], [2, 3]), dot_axes=([1], [0]), mode="valid")

    def loss(weights, x, y):
        W1, b1, W2, b2, W3, b3 = weights
        x = anp.maximum(conv(x, W1) + b1, 0)
        x = anp.maximum(conv(x, W2) + b2, 0)
        z = anp.dot(anp.reshape(x, (batch, -1)), W3) + b3
        z = z - anp.max(z, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(z), axis=1)) - z[anp.arange(batch), y])

    slope = value_and_grad(loss)

    def step():
        value, gradients = slope(weights, x, y)
        for k, g in enumerate(gradients):
            weights[k] = weights[k] - 0.01 * g
        return value

    return Job(step, sum(w.size for w in weights))

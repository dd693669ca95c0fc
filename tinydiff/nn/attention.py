"""Multi-head attention, time embeddings and conditioning."""

import math

import numpy as np

from ..backend import is_array, to_device_of, xp_of
from ..ops import attention, concatenate, cos, linear, reshape, sin, split, transpose
from ..tensor import Tensor
from .linear import Linear
from .module import Module, check_sizes


class MultiHeadAttention(Module):
    """Self-attention in `heads` subspaces of size d / heads.         x: (N, L, d) -> (N, L, d)

    A third of `qkv` makes the queries, one the keys, one the values; each head attends on its own;
    `out` mixes the heads.
    mask: bool, True where a query may attend to a key, (L, L) or broadcastable to (N, heads, L, L).
    """

    def __init__(self, d, heads, *, rng):
        check_sizes("MultiHeadAttention", d=d, heads=heads)
        if d % heads:
            raise ValueError(f"MultiHeadAttention needs heads={heads} to divide d={d}")
        self.heads = heads
        self.qkv = Linear(d, 3 * d, rng=rng)
        self.out = Linear(d, d, rng=rng)

    def forward(self, x, mask=None, causal=False):
        if x.ndim != 3 or x.shape[2] != len(self.out.W):
            size = len(self.out.W)
            raise ValueError(f"MultiHeadAttention needs x of shape (N, L, {size}), got {x.shape}")
        n, length, d = x.shape
        cut = n, length, self.heads, d // self.heads
        thirds = zip(split(self.qkv.W, 3, axis=1), split(self.qkv.b, 3))
        q, k, v = (transpose(reshape(linear(x, *Wb), cut), (0, 2, 1, 3)) for Wb in thirds)
        y = attention(q, k, v, mask, causal)
        return self.out(reshape(transpose(y, (0, 2, 1, 3)), (n, length, d)))

    def describe(self):
        return f"{self.out.W.shape[0]}, heads={self.heads}"


def sinusoidal(t, d, max_period=10000):
    """Times as vectors of cosines and sines.         t: (N,) -> (N, d), float32

    Entry i < d/2 is cos(w_i t), entry d/2 + i is sin(w_i t), with w_i = max_period^(-2i/d): wave
    lengths from 2 pi to 2 pi max_period in geometric steps, so that near and far times both differ
    (Vaswani et al. 2017, section 3.5, with cosines first as in Ho et al. 2020). t: ints or floats
    on any device, where the result is made; d must be even.
    """
    if d < 2 or d % 2:
        raise ValueError(f"sinusoidal() needs an even size d >= 2, got {d}")
    t = t if is_array(t) else np.asarray(t)
    if t.ndim != 1:
        raise ValueError(f"sinusoidal() needs times of shape (N,), got {t.shape}")
    xp = xp_of(t)
    w = xp.exp(xp.arange(d // 2, dtype=np.float32) * (-2 * math.log(max_period) / d))
    angles = t.astype(np.float32).reshape(-1, 1) * w
    return concatenate([cos(angles), sin(angles)], axis=1)


class FiLM(Module):
    """Scale and shift from a condition: y = x (1 + s) + b, [s, b] = Linear(condition)

    x: (N, ..., c), condition: (N, d_cond); s and b are one per sample and channel. The layer starts
    at 0, where it changes nothing (Perez et al. 2018; `use_scale_shift_norm` in Nichol & Dhariwal).
    """

    def __init__(self, d_cond, c, *, rng):
        self.linear = Linear(d_cond, 2 * c, rng=rng)
        self.linear.W.data[...] = 0

    def forward(self, x, condition):
        c = self.linear.W.shape[1] // 2
        if x.shape[-1] != c or condition.shape[:-1] != x.shape[:1]:
            raise ValueError(
                f"FiLM needs x (N, ..., {c}) and a condition (N, d_cond), got {x.shape} and "
                f"{condition.shape}"
            )
        s, b = split(self.linear(condition), 2, axis=-1)
        per_sample = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
        return x * (1 + reshape(s, per_sample)) + reshape(b, per_sample)


def on_device_of(t, x):
    """Times t, one for all (nothing is uploaded) or (N,), as an array (N,) where x is."""
    x = x.data if isinstance(x, Tensor) else x
    t = t if is_array(t) else np.asarray(t)
    return to_device_of(t, x) if t.ndim else xp_of(x).full(len(x), t.item())

"""Who is whose neighbour in the data: distances, perplexity, and the widths that give it."""

import math

import numpy as np

from ..backend import xp_of

ENTRIES = 2**17  # of a block of rows: what is computed on it stays in the cache
NEWTON = 200  # steps at most; 6 to 10 are usual, and bisection alone would need 60


def squared_distances(x):
    """|x_i - x_j|^2 of rows (N, d), as |x_i|^2 + |x_j|^2 - 2 x_i x_j.

    Around the mean, so that an offset costs no digits. What is within the rounding of the sums,
    d eps (|x_i|^2 + |x_j|^2), is 0: so duplicates are, and nothing is negative.
    """
    xp = xp_of(x)
    x = x - x.mean(axis=0)
    size = (x * x).sum(axis=1)
    sizes = size.reshape(-1, 1) + size.reshape(1, -1)
    D = sizes - 2 * xp.matmul(x, x.T)
    rounding = x.shape[1] * float(np.finfo(x.dtype).eps) * sizes
    return xp.where(others(D), xp.where(rounding >= D, 0, D), 0)  # NaN stays NaN


def others(D):
    """The bool matrix that is False on the diagonal: no point is a neighbour of its own."""
    i = xp_of(D).arange(D.shape[0])
    return i.reshape(-1, 1) != i.reshape(1, -1)


def perplexity(p):
    """e^H of each row, H = -sum p log p: how many neighbours the row has, if all were alike."""
    xp = xp_of(p)
    return xp.exp(-(p * xp.log(xp.where(p > 0, p, 1))).sum(axis=1))


def conditional(D, target):
    """(p, sigmas): p(j | i) proportional to exp(-D_ij / 2 sigma_i^2), each row of perplexity
    `target`.

    A row that has more nearest neighbours at one and the same distance than `target`, such as
    duplicates, keeps these alone: no width brings it further down. `perplexity(p)` is what was
    reached. Raises ValueError unless 1 <= target < N - 1.
    """
    xp = xp_of(D)
    n = D.shape[0]
    if D.ndim != 2 or D.shape[1] != n:
        raise ValueError(f"expected squared distances (N, N), got shape {D.shape}")
    if not 1 <= target < n - 1:
        raise ValueError(
            f"the perplexity must be at least 1 and less than {n - 1}, the number of other points; "
            f"got {target}"
        )
    height, me = max(1, ENTRIES // n), xp.arange(n)
    parts = [
        _rows(D[i : i + height], me != me[i : i + height].reshape(-1, 1), math.log(target))
        for i in range(0, n, height)
    ]
    p, log_b = (xp.concatenate(part, axis=0) for part in zip(*parts))
    return p, xp.sqrt(0.5 * xp.exp(-log_b))[:, 0]


def _rows(D, other, entropy):
    """(p, log b) of some rows of D: p proportional to exp(-b D) where `other`, of that entropy.

    With gaps g_j = D_j - min D, which change no p, and Z = sum_j exp(-b g_j),

        H = log Z + b <g>        dH / d log b = -b^2 Var(g),

    so H falls as b grows, from log(N - 1) down to the logarithm of the number k of nearest
    neighbours. Newton's method on log b, with bisection wherever it would leave the interval known
    to hold the root. Its first bounds come from the distances themselves: 1e-9 over the largest
    gap, where all weights are alike, and 50 over the smallest, where only the nearest are left.
    """
    xp = xp_of(D)
    far = xp.where(other, D, math.inf)
    least = far.min(axis=1, keepdims=True)
    gap = far - least  # the nearest neighbour's weight is e^0 at any b
    largest = xp.where(other, gap, 0).max(axis=1, keepdims=True)
    near = gap <= 1e-12 * least  # equal but for rounding
    unit = xp.where(largest > 0, largest, 1)
    smallest = xp.minimum(xp.where(near, math.inf, gap).min(axis=1, keepdims=True), unit)
    nearest = xp.log(near.sum(axis=1, keepdims=True))
    low, high = xp.log(1e-9 / unit), xp.log(50 / smallest)
    low = xp.where(nearest >= entropy, high, low)  # as far as it gets
    gap = xp.where(other, gap, 0)
    log_b = xp.clip(-xp.log(gap.mean(axis=1, keepdims=True) + 1e-300), low, high)
    for _ in range(NEWTON):
        b = xp.exp(log_b)
        weight = xp.where(other, xp.exp(-b * gap), 0)
        p = weight / weight.sum(axis=1, keepdims=True)
        mean = (p * gap).sum(axis=1, keepdims=True)
        off = xp.log(weight.sum(axis=1, keepdims=True)) + b * mean - entropy
        low, high = xp.where(off > 0, log_b, low), xp.where(off > 0, high, log_b)
        done = (xp.abs(off) < 1e-12) | (high - low < 1e-14)
        if done.all():
            break
        slope = b * b * (p * gap * (gap - mean)).sum(axis=1, keepdims=True)
        step = log_b + off / xp.maximum(slope, 1e-300)
        inside = (low < step) & (step < high)
        log_b = xp.where(done, log_b, xp.where(inside, step, (low + high) / 2))
    return p, log_b


def joint(p):
    """(p(j | i) + p(i | j)) / 2N: one symmetric distribution over pairs, adding up to 1."""
    return (p + p.T) / (2 * p.shape[0])

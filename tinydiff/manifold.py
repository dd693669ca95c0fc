"""Neighbour embedding: from distances to probabilities, and the gradients that move a map.

SNE (Hinton and Roweis 2002) and t-SNE (van der Maaten and Hinton 2008) describe data by who is
whose neighbour: p(j | i), a Gaussian around point i whose width is set by a perplexity, a number of
neighbours. The map y (N, 2) has probabilities q of the same kind, and minimises D_KL(p || q).

Arrays of either library, float64 advised: D are squared distances (N, N), p and q (N, N) with a
diagonal of 0. Source: ub-lecture, whose search for the width leaves point i among its own
neighbours for all i but the first; here it is left out by its place."""

import math

from .backend import xp_of


def squared_distances(x):
    """|x_i - x_j|^2 of rows (N, d), as |x_i|^2 + |x_j|^2 - 2 x_i x_j.

    Around the mean, so that an offset costs no digits, and never below 0 by rounding.
    """
    xp = xp_of(x)
    x = x - x.mean(axis=0)
    size = (x * x).sum(axis=1)
    D = xp.maximum(size.reshape(-1, 1) + size.reshape(1, -1) - 2 * xp.matmul(x, x.T), 0)
    return xp.where(_others(D), D, 0)


def _others(D):
    """The bool matrix that is False on the diagonal: no point is a neighbour of its own."""
    xp = xp_of(D)
    i = xp.arange(D.shape[0])
    return i.reshape(-1, 1) != i.reshape(1, -1)


def perplexity(p):
    """e^H of each row, H = -sum p log p: how many neighbours the row has, if all were alike."""
    xp = xp_of(p)
    return xp.exp(-(p * xp.log(xp.where(p > 0, p, 1))).sum(axis=1))


def conditional(D, target):
    """(p, sigmas): p(j | i) proportional to exp(-D_ij / 2 sigma_i^2), each row of perplexity
    `target`.

    The perplexity falls as the precision b = 1 / 2 sigma^2 grows, from N - 1 down to the number of
    nearest neighbours at one and the same distance. So b is found by bisection, of its logarithm,
    between bounds that come from the distances themselves: 1e-9 over the largest, where all weights
    are alike, and 50 over the smallest gap, where only the nearest are left. A row that has more
    nearest neighbours than `target`, such as duplicates, keeps these alone.
    Raises ValueError unless 1 <= target < N - 1.
    """
    xp = xp_of(D)
    n = D.shape[0]
    if D.ndim != 2 or D.shape[1] != n:
        raise ValueError(f"expected squared distances (N, N), got shape {D.shape}")
    if not 1 <= target < n - 1:
        raise ValueError(
            f"the perplexity must lie in 1 ... {n - 1}, the other points; got {target}"
        )
    others = _others(D)
    far = xp.where(others, D, math.inf)
    gap = far - far.min(axis=1, keepdims=True)  # the nearest neighbour's weight is e^0 at any b
    largest = xp.where(others, gap, 0).max(axis=1, keepdims=True)
    smallest = xp.where(gap > 1e-12 * largest, gap, math.inf).min(axis=1, keepdims=True)
    unit = xp.where(largest > 0, largest, 1)
    low = xp.log(1e-9 / unit)
    high = xp.log(50 / xp.where(largest > 0, xp.minimum(smallest, largest), 1))
    gap = xp.where(others, gap, 0)

    def rows(log_b):
        weight = xp.where(others, xp.exp(-gap * xp.exp(log_b)), 0)
        return weight / weight.sum(axis=1, keepdims=True)

    for _ in range(64):  # the bracket is at most 1e3 wide: 1e3 / 2^64 is below rounding
        middle = (low + high) / 2
        wide = perplexity(rows(middle)).reshape(-1, 1) > target
        low, high = xp.where(wide, middle, low), xp.where(wide, high, middle)
    return rows(high), xp.sqrt(0.5 * xp.exp(-high))[:, 0]


def joint(p):
    """(p(j | i) + p(i | j)) / 2N: one symmetric distribution over pairs, adding up to 1."""
    return (p + p.T) / (2 * p.shape[0])


def gaussian_conditional(y):
    """q(j | i) proportional to exp(-|y_i - y_j|^2), row by row: the map's side of SNE."""
    xp = xp_of(y)
    D = squared_distances(y)
    far = xp.where(_others(D), D, math.inf)
    weight = xp.exp(far.min(axis=1, keepdims=True) - far)
    return weight / weight.sum(axis=1, keepdims=True)


def gaussian_joint(y):
    """q_ij proportional to exp(-|y_i - y_j|^2) over all pairs: the map's side of symmetric SNE."""
    xp = xp_of(y)
    D = squared_distances(y)
    far = xp.where(_others(D), D, math.inf)
    weight = xp.exp(far.min() - far)
    return weight / weight.sum()


def student_joint(y):
    """(q, w): q_ij proportional to w_ij = 1 / (1 + |y_i - y_j|^2) over all pairs: that of t-SNE."""
    xp = xp_of(y)
    D = squared_distances(y)
    weight = xp.where(_others(D), 1 / (1 + D), 0)
    return weight / weight.sum(), weight


def divergence(p, q):
    """D_KL(p || q) = sum p log(p / q) over all entries where p > 0, in nats: the cost of a map."""
    xp = xp_of(p)
    used = p > 0
    return (p * (xp.log(xp.where(used, p, 1)) - xp.log(xp.where(used, q, 1)))).sum()


def sne_gradient(p, y):
    """dC/dy_i = 2 sum_j (p(j|i) - q(j|i) + p(i|j) - q(i|j)) (y_i - y_j), C = sum_i D_KL(p(.|i)
    || q(.|i))."""
    off = p - gaussian_conditional(y)
    return _pull(2 * (off + off.T), y)


def symmetric_sne_gradient(p, y):
    """dC/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j), C = D_KL(p || q) over pairs."""
    return _pull(4 * (p - gaussian_joint(y)), y)


def tsne_gradient(p, y):
    """dC/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2).

    The last factor is the heavy tail at work: pairs that are far apart in the map hardly push.
    """
    q, weight = student_joint(y)
    return _pull(4 * (p - q) * weight, y)


def _pull(force, y):
    """sum_j force_ij (y_i - y_j): of springs between all pairs."""
    return force.sum(axis=1).reshape(-1, 1) * y - xp_of(y).matmul(force, y)

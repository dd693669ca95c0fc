"""Sums over all pairs of points in a map, on a CPU, in blocks of rows that stay in the cache.

A pair weighs the same from both its ends, so a block holds rows i and columns j from its own first
row on, and what it yields is added to rows and columns alike: half the distances. Differences
y_i - y_j come from a product of rank 2, [y_i, 1] [1, -y_j]^T, which rounds once, as the subtraction
does, and is three times as fast as NumPy's outer one. Sums of forces times differences are products
with [y, 1]: sum_j f_ij (y_i - y_j) = (sum_j f_ij) y_i - sum_j f_ij y_j.

All in one thread: in two, whoever is done with a block of 0.2 ms waits longer for the interpreter.
"""

import math

import numpy as np

PAIRS = 2**16  # of a block: four arrays of float32 take 1 MB


def tsne_gradient(p, y):
    """4 sum_j (p_ij - w_ij / Z) w_ij (y_i - y_j): see manifold/costs.py. Sums have the dtype of p.

    One pass: the pull sum_j p_ij w_ij (y_i - y_j), the push sum_j w_ij^2 (y_i - y_j) and Z are
    added up side by side, and Z divides the push at the end.
    """
    if not _treated(p, y):
        return None
    centred = y - y.mean(axis=0)
    points = np.concatenate([centred, np.ones((len(y), 1))], axis=1).astype(p.dtype)
    Z, pull, push = -len(y), np.zeros(points.shape), np.zeros(points.shape)  # w_ii is not in Z
    for rows, columns, weight in _distances_plus_1(points[:, :-1]):
        np.reciprocal(weight, out=weight)
        Z += _sum_over_pairs(weight)
        _add_to_both_ends(pull, weight * p[rows, columns], points, rows)
        weight *= weight
        _add_to_both_ends(push, weight, points, rows)
    force = pull - push / Z
    gradient = 4 * (force[:, -1:] * centred - force[:, :-1])
    return gradient.astype(np.result_type(p, y), copy=False)


def tsne_cost(p, y):
    """sum p log(p (1 + |y_i - y_j|^2)) + (sum p) log Z: see manifold/costs.py."""
    if not _treated(p, y):
        return None
    tiny = np.finfo(p.dtype).tiny  # tiny or less counts as 0 in p, and 0 log 0 is 0
    Z, cost, total = -len(y), 0.0, 0.0
    for rows, columns, near in _distances_plus_1((y - y.mean(axis=0)).astype(p.dtype)):
        share = p[rows, columns]
        ratio = np.maximum(share, tiny)
        ratio *= near
        np.log(ratio, out=ratio)
        ratio *= share
        cost += _sum_over_pairs(ratio)
        total += _sum_over_pairs(share)
        Z += _sum_over_pairs(np.reciprocal(near, out=near))
    return np.result_type(p, y).type(cost + total * math.log(Z))


def _treated(p, y):
    return p.dtype.char in "fd" and y.dtype.char in "fd" and len(y) > 1


def _distances_plus_1(y):
    """(rows, columns, 1 + |y_i - y_j|^2) of blocks that cover the diagonal and all above it."""
    ones = np.ones_like(y.T)
    left, right = np.stack([y.T, ones], axis=2), np.stack([ones, -y.T], axis=1)
    start, n = 0, len(y)
    while start < n:
        stop = min(n, start + max(1, PAIRS // (n - start)))
        squares = np.matmul(left[:, start:stop], right[:, :, start:])  # a block for each axis
        np.multiply(squares, squares, out=squares)
        total = squares[0]
        total += 1
        for more in squares[1:]:
            total += more
        yield slice(start, stop), slice(start, n), total
        start = stop


def _sum_over_pairs(block):
    """The sum of a block and of its mirror image; the square on the diagonal is its own."""
    return 2 * float(block.sum()) - float(block[:, : len(block)].sum())


def _add_to_both_ends(sums, force, points, rows):
    """Add force [y, 1] to the rows, and to the columns right of the square on the diagonal."""
    sums[rows] += force @ points[rows.start :]
    sums[rows.stop :] += force[:, len(force) :].T @ points[rows]

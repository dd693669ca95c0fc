"""The map's side: probabilities q of points y (N, d), the cost of a map, and its gradients.

p, from the data, and q are matrices (N, N) with a diagonal of 0: each row a distribution
(conditional SNE), or all entries together, symmetric (symmetric SNE and t-SNE)."""

import math

from ..backend import fast_form, xp_of
from .neighbours import others, squared_distances


def gaussian_conditional(y):
    """q(j | i) proportional to exp(-|y_i - y_j|^2), row by row: the map's side of SNE."""
    xp = xp_of(y)
    D = squared_distances(y)
    far = xp.where(others(D), D, math.inf)
    weight = xp.exp(far.min(axis=1, keepdims=True) - far)
    return weight / weight.sum(axis=1, keepdims=True)


def gaussian_joint(y):
    """q_ij proportional to exp(-|y_i - y_j|^2) over all pairs: the map's side of symmetric SNE."""
    xp = xp_of(y)
    D = squared_distances(y)
    far = xp.where(others(D), D, math.inf)
    weight = xp.exp(far.min() - far)
    return weight / weight.sum()


def student_joint(y):
    """(q, w): q_ij proportional to w_ij = 1 / (1 + |y_i - y_j|^2) over all pairs: that of t-SNE."""
    xp = xp_of(y)
    D = squared_distances(y)
    weight = xp.where(others(D), 1 / (1 + D), 0)
    return weight / weight.sum(), weight


def divergence(p, q):
    """D_KL(p || q) = sum p log(p / q) over all entries where p > 0, in nats: the cost of a map."""
    xp = xp_of(p)
    used = p > 0
    return (p * (xp.log(xp.where(used, p, 1)) - xp.log(xp.where(used, q, 1)))).sum()


@fast_form
def tsne_cost(p, y):
    """D_KL(p || q) with q = w / Z of `student_joint`: sum p log(p / w) + (sum p) log Z."""
    return divergence(p, student_joint(y)[0])


def sne_gradient(p, y):
    """dC/dy_i = 2 sum_j (p(j|i) - q(j|i) + p(i|j) - q(i|j)) (y_i - y_j), C = sum_i D_KL(p(.|i)
    || q(.|i))."""
    off = p - gaussian_conditional(y)
    return _pull(2 * (off + off.T), y)


def symmetric_sne_gradient(p, y):
    """dC/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j), C = D_KL(p || q) over pairs."""
    return _pull(4 * (p - gaussian_joint(y)), y)


@fast_form
def tsne_gradient(p, y):
    """dC/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2), for a symmetric p.

    The last factor is the heavy tail at work: pairs that are far apart in the map hardly push.
    """
    q, weight = student_joint(y)
    return _pull(4 * (p - q) * weight, y)


def _pull(force, y):
    """sum_j force_ij (y_i - y_j): of springs between all pairs."""
    return force.sum(axis=1).reshape(-1, 1) * y - xp_of(y).matmul(force, y)

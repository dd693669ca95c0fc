"""Energy-based densities: p(x) = exp(-f(x)) / Z for any function f.

Z, the partition function, makes the density integrate to 1. It is a sum over the whole space, so it
can be had only on a grid in low dimension; the score, grad log p = -grad f, does without it, which
is why diffusion models learn scores. Source: ub-slides.
"""

from ..functional import grad
from ..ops import log, logsumexp, sum


def log_partition(energies, weights):
    """log Z = log sum_i w_i exp(-f(x_i)): f at the nodes x_i of a quadrature with weights w_i
    > 0."""
    return logsumexp(log(weights) - energies)


def log_density(energy, log_z):
    """log p(x) = -f(x) - log Z. The energy alone is -log p only up to the constant log Z."""
    return -energy - log_z


def score(f):
    """The function x (N, ...) -> grad log p(x) = -grad f(x), for f of Tensors, row by row; needs
    no Z."""
    slope = grad(lambda x: sum(f(x)))
    return lambda x: -slope(x)

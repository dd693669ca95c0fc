"""Walks in an energy landscape: Langevin's, the same with a test, and what they say about Z.

Densities exp(-f(x)) on arrays (N, d) of either library, given by `potential(x) -> (f, grad f)`,
(N,) and (N, d). Noise is an argument: noise(shape) -> N(0, 1) array, uniform(shape) -> (0, 1].
Sources: Roberts and Tweedie 1996; Neal 2001.
"""

import math
from itertools import pairwise

from ..backend import xp_of


def langevin(slope, x, step, n, noise):
    """x <- x + step s(x) + sqrt(2 step) eps, n times, s = slope(x) the score; yields each x.

    As step -> 0 these are draws of the diffusion dx = s dt + sqrt(2) dW, whose stationary density
    is p: there the drift s p and the spreading grad p cancel. With a finite step the walk settles
    elsewhere: on N(0, 1), s = -x, its variance is 1 / (1 - step / 2).
    """
    for _ in range(n):
        x = x + step * slope(x) + math.sqrt(2 * step) * noise(x.shape)
        yield x


def adjusted_step(potential, x, here, step, noise, uniform, at=lambda x, here: here):
    """One step of Langevin's walk, then Metropolis's test: exp(-f) is left exactly as it is.

    y ~ r(y | x) = N(x - step grad f(x), 2 step I) is taken with probability min(1, e^-f(y) r(x|y) /
    (e^-f(x) r(y|x))), which makes the flow of mass from x to y equal to that from y to x. here:
    potential(x). at(x, here): (f, grad f) of the density to walk in, if it is made of potential(x)
    and is not potential itself. Returns the new x and here, and which rows moved, (N,) bool.
    """
    xp = xp_of(x)
    f, slope = at(x, here)
    eps = noise(x.shape)
    y = x - step * slope + math.sqrt(2 * step) * eps
    there = potential(y)
    f_y, slope_y = at(y, there)
    back = x - y + step * slope_y  # sqrt(2 step) times the noise that the way back takes
    log_ratio = f - f_y + (eps * eps).sum(axis=-1) / 2 - (back * back).sum(axis=-1) / (4 * step)
    moved = xp.log(uniform(f.shape)) < log_ratio
    row = moved.reshape(-1, 1)
    new = xp.where(moved, there[0], here[0]), xp.where(row, there[1], here[1])
    return xp.where(row, y, x), new, moved


def annealed_log_weights(potential, width, x, betas, step, noise, uniform):
    """log weights (N,) of walks from N(0, width^2 I) to exp(-f), whose mean weight is Z.

    x: (N, d) draws of N(0, width^2 I) = exp(-f_0). On the way stand the densities exp(-f_b), f_b =
    (1 - b) f_0 + b f, 0 = b_0 < ... < b_K = 1. A walk at b gets the factor exp(f_b(x) - f_b'(x))
    for the next b', then makes a step that leaves exp(-f_b') as it is. With one factor this is
    importance sampling, E_0 e^(f_0 - f) = Z; a step between leaves that mean as it is, and brings
    the walk to where the next factor is more even. step(b): its length.
    Returns (log weights, x), the latter roughly draws of exp(-f).
    """
    constant = x.shape[-1] / 2 * math.log(2 * math.pi * width**2)  # exp(-f_0) integrates to 1
    here, log_w = potential(x), 0.0
    for before, b in pairwise(betas):
        log_w = log_w - (b - before) * (here[0] - _bowl(x, width) - constant)

        def mixed(x, here, b=b):
            f, slope = here
            return (1 - b) * _bowl(x, width) + b * f, (1 - b) / width**2 * x + b * slope

        x, here, _ = adjusted_step(potential, x, here, step(b), noise, uniform, mixed)
    return log_w, x


def _bowl(x, width):
    """|x|^2 / 2 width^2 of each row."""
    return (x * x).sum(axis=-1) / (2 * width**2)

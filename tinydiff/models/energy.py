"""Energy-based densities: p(x) = exp(-f(x)) / Z for any function f.

Z, the partition function, makes the density integrate to 1. It is a sum over the whole space, so it
can be had only on a grid in low dimension, or by walking there (`annealing.py`); the score, grad
log p = -grad f, does without it, which is why diffusion models learn scores, and why the losses
below train f by its score alone.
Sources: ub-slides; Hyvarinen 2005; Vincent 2011; Song et al. 2019.
"""

from ..backend import xp_of
from ..functional import grad, vjp
from ..nn import Module
from ..ops import log, logsumexp, mean, square, sum
from ..tensor import Tensor
from .mlp import mlp


def log_partition(energies, weights):
    """log Z = log sum_i w_i exp(-f(x_i)): f at the nodes x_i of a quadrature, weights w_i > 0."""
    return logsumexp(log(weights) - energies)


def log_density(energy, log_z):
    """log p(x) = -f(x) - log Z. The energy alone is -log p only up to the constant log Z."""
    return -energy - log_z


def score(f):
    """The function x (N, ...) -> grad log p(x) = -grad f(x), for f of Tensors, row by row; needs
    no Z."""
    slope = grad(lambda x: sum(f(x)))
    return lambda x: -slope(x)


def potential(f):
    """The function x (N, d) -> (f (N,), grad f (N, d)) of arrays, for f of Tensors, row by row."""

    def both(x):
        energies, pull = vjp(f, x)
        return energies.data, pull(xp_of(x).ones_like(energies.data))[0]

    return both


class Energy(Module):
    """f(x) = MLP(x / unit) + |x|^2 / 2 width^2         x: (N, d) -> (N,)

    The network grows at most linearly far out (silu does), so the parabola makes Z finite whatever
    the weights are. unit: the length on which f is to bend; width: how far p may reach at most.
    """

    def __init__(self, d=2, hidden=(128, 128), unit=0.3, width=1.0, *, rng):
        self.net, self.unit, self.width = mlp(d, *hidden, 1, rng=rng), unit, width

    def forward(self, x):
        bowl = sum(square(x), axis=-1) * (0.5 / self.width**2)
        return self.net(x * (1 / self.unit))[..., 0] + bowl


def denoising_loss(f, x, eps, sigma):
    """E |sigma s(x + sigma eps) + eps|^2 / d, s = -grad f: the fit to the noised data's score.

    The noised density is q(y) = E_x N(y; x, sigma^2 I), and its score an average of those of its
    parts, grad log q(y) = E[(x - y) / sigma^2 | y] = E[-eps / sigma | y]. Least squares finds a
    conditional mean, so the s that fits -eps / sigma best is grad log q, without knowing q. The
    factor sigma^2 / d makes the loss of s = 0 equal to 1. x, eps: (N, d) arrays.
    """
    return mean(square(score(f)(_tensor(x + sigma * eps)) * sigma + eps))


def explicit_loss(f, x):
    """E [1/2 |s|^2 + div s], s = -grad f: the fit to the data's own score, up to a constant.

    1/2 E |s - grad log p|^2 = E [1/2 |s|^2 - s . grad log p] + const, and by parts E s . grad log p
    = integral s . grad p = -E div s, which knows p only through its draws. div s = sum_i ds_i/dx_i
    is taken coordinate by coordinate: d more gradients. x: (N, d) array.
    """
    x, s = _tensor(x), score(f)
    slope = s(x)
    trace = 0.0
    for i in range(x.shape[-1]):
        trace = trace + grad(lambda x, i=i: sum(s(x)[:, i]))(x)[:, i]
    return mean(sum(square(slope), axis=-1) * 0.5 + trace)


def sliced_loss(f, x, v):
    """E [1/2 |s|^2 + v^T (ds/dx) v], s = -grad f, v ~ N(0, I): one gradient more instead of d.

    E v v^T = I, so the mean of v^T J v over v is tr J = div s; and v^T J v = v . grad (v . s).
    x, v: (N, d) arrays, a direction for each row.
    """
    x, s = _tensor(x), score(f)
    slope = s(x)
    along = grad(lambda x: sum(s(x) * v))(x)
    return mean(sum(square(slope) * 0.5 + along * v, axis=-1))


def _tensor(x):
    """x as a Tensor, so that derivatives by it are recorded, and can be differentiated again."""
    return x if isinstance(x, Tensor) else Tensor(x)

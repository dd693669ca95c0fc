"""The least loss that any network can reach on the first lab's curves, by quadrature.

A curve is a function of two numbers, x0 = c(mu1, mu2), so that E[x0 | x_t] and Var[x0 | x_t] are
integrals over a square: mixture.Points on a grid of (mu1, mu2) with quadrature weights. What is
left of x0 when x_t is known, E Var[x0 | x_t], is the least mean squared error at t; times SNR(t) it
is the least error of eps.

Of what grid, depends on the noise. x_t / s is x0 + nu eps with nu = sqrt((1 - alpha_bar) /
alpha_bar), and a bump of height 2 that moves by dmu changes the curve by

    |dx0 / dmu|^2 = 4 integral u^2 exp(-u^2) du / dx = 2 sqrt(pi) / dx = 8.77     (dx = 40 / 99),

so mu is known up to a standard deviation of nu / 2.96. With much noise a grid over the whole square
resolves that, one for all draws. With little noise (nu < 1/2) each draw gets a grid of its own,
around its true mu1 and mu2: other places are improbable by exp(-|x0 - x0'|^2 / (8 nu^2)), with
|x0 - x0'|^2 near 17 or more once a bump has moved by its own width or further. Gauss-Legendre nodes
do not mind that the square has an edge.
"""

import math
from typing import NamedTuple

import numpy as np

from ..data import curves
from ..diffusion.mixture import Points
from ..diffusion.weights import rows, x0_weight

SQUARE = ((-15.0, -5.0), (5.0, 15.0))  # where mu1 and mu2 are uniform
LITTLE_NOISE = 0.5  # nu below which every draw gets a grid of its own
REACH = 8  # standard deviations of mu on either side of it
NODES = 32  # of it along each axis: in the middle 0.8 of a standard deviation apart


class Floor(NamedTuple):
    """The least loss of each t = 1 ... T, (T,), and the standard errors of these estimates."""

    at: np.ndarray
    errors: np.ndarray

    @property
    def mean(self):
        """The least loss for t uniform on 1 ... T."""
        return float(self.at.mean())

    @property
    def stderr(self):
        """Its standard error: the draws at different t are independent."""
        return float(np.sqrt((self.errors**2).sum()) / len(self.at))


def floor(process, draws, rng, n=100, weight="snr", predicts="x0"):
    """The Floor of curves of n points: `draws` draws of x_t at each t.

    weight, predicts: of the loss, as in `bound.loss`. The default, SNR times the squared error of
    x0, is the mean squared error of eps, whatever a network predicts.
    """
    at, errors = np.zeros((2, process.T))
    for t in range(1, process.T + 1):
        left = residuals(process, t, draws, rng, n)
        factor = loss_of_x0(process, t, weight, predicts)
        at[t - 1] = factor * left.mean()
        errors[t - 1] = factor * standard_error(left)
    return Floor(at, errors)


def standard_error(draws):
    """Of the mean of draws (n,); NaN for a single one, which cannot tell."""
    return draws.std(ddof=1) / math.sqrt(len(draws)) if len(draws) > 1 else math.nan


def loss_of_x0(process, t, weight, predicts):
    """The loss at t for each unit of (x0 - x0_hat)^2: weight / gain^2, see diffusion/weights.py."""
    row = rows(process, t, np.zeros(1), weight, predicts)
    return float(row.weight) * x0_weight(process, t, "vlb") / row.bound


def residuals(process, t, draws, rng, n=100):
    """Var[x0 | x_t], averaged over the n points, of each of `draws` draws of x_t: (draws,)."""
    mu = np.stack([rng.uniform(*side, draws) for side in SQUARE], axis=1)
    x0 = curves(*mu.T, n)
    xt = process.q_sample(x0, t, rng.standard_normal(x0.shape))
    nu = float(process.snr[t]) ** -0.5
    std = nu / math.sqrt(2 * math.sqrt(math.pi) * (n - 1) / 40)
    if nu >= LITTLE_NOISE:
        grids = [(xt, grid(SQUARE, math.ceil(10 / (std / 2)), n))]
    else:
        grids = [(x[None], grid(around(m, REACH * std), NODES, n)) for x, m in zip(xt, mu)]
    left = [points.var_x0(process, x, t).mean(axis=(1, 2)) for x, points in grids]
    return np.concatenate(left)


def around(mu, reach):
    """The sides of the square that lie within `reach` of (mu1, mu2)."""
    return [(max(a, m - reach), min(b, m + reach)) for m, (a, b) in zip(mu, SQUARE)]


def grid(sides, nodes, n):
    """Points: the curves at Gauss-Legendre nodes of a rectangle, with the weights of its integral.

    nodes: along each axis. A uniform density leaves the weights as they are, scaled to sum 1.
    """
    u, w = np.polynomial.legendre.leggauss(nodes)
    mu1, mu2 = ((a + b) / 2 + (b - a) / 2 * u for a, b in sides)
    weights = np.outer(w, w).ravel() / 4
    return Points(curves(mu1[:, None], mu2, n).reshape(-1, n, 1), weights / weights.sum())

"""What many checks share: tolerances, parameters, schedules, the mixture, nodes for integrals.

How far two sides of an identity may differ. u = 1.1e-16 is the unit roundoff of float64; errors are
relative to the largest entry of the right side (see `entry.distance`).
"""

import numpy as np

from ..diffusion import schedules
from ..diffusion.mixture import GaussianMixture
from ..diffusion.process import Process
from .entry import Param

ROUNDING = (
    1e-12  # up to some thousand operations without cancellation: 1e4 u, or sums over T <= 1000
)
QUADRATURE = 1e-9  # integrals by nodes that resolve the integrand; logs of densities down to 1e-30
SOLVER = 1e-6  # minimisers and ODE solvers run to 1e-8 or better

SEED = Param(0, 0, 10**6)
SIZE = Param(3, 1, 6)
STEPS = Param(1000, 1, 1000)
TIME = Param(500, 1, "T")
STEPS_2 = Param(1000, 2, 1000)  # for what needs an x_{t-1} that is not the data
TIME_2 = Param(500, 2, "T")
POINT = Param(0.7, -3.0, 3.0)
SCHEDULES = ("linear", "cosine", "sigmoid", "quadratic", "random")
SCHEDULE = Param("linear", choices=SCHEDULES)

DDPM = Process(schedules.linear(1000))  # the schedule of Ho et al. 2020: 1e-4 ... 0.02
MIXTURE = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])  # 1/2 N(-2, .3^2) + 1/2 N(2, .3^2)


def process_of(schedule, T):
    """The Process of one of SCHEDULES with T steps."""
    return Process(betas_of(schedule, T))


def betas_of(schedule, T):
    if schedule != "random":
        return getattr(schedules, schedule)(T)
    # any betas will do: here spread over three decades, with about exp(-3) of the signal left
    rng = np.random.default_rng(T)
    return np.append(0.0, np.minimum(20 / T, 0.9) * 10 ** rng.uniform(-3, 0, T))


def normals(seed, *shapes):
    """An array of standard normal numbers for each shape."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def noised(process, t, seed, n=4):
    """(x_0, eps, x_t), each (n,): random data, random noise and what they make of x_t."""
    x0, eps = normals(seed, n, n)
    c2, n2 = process.alphas_bar[t], process.one_minus_alphas_bar[t]
    return x0, eps, np.sqrt(c2) * x0 + np.sqrt(n2) * eps


def covariance(rng, d):
    """A random (d, d) covariance matrix with eigenvalues between 0.3 and 3 (condition number
    10)."""
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return (axes * 10 ** rng.uniform(-0.5, 0.5, d)) @ axes.T


def hermite(n=64):
    """(z, w) with sum w f(z) = E f(z), z ~ N(0, 1): exact for polynomials up to degree 2n - 1."""
    z, w = np.polynomial.hermite_e.hermegauss(n)
    return z, w / w.sum()


def grid(mean, std, reach=12, nodes=4001):
    """(x, dx): nodes for integrals of a density that is Gaussian around `mean`, `reach` std each
    way.

    For a smooth integrand that vanishes at both ends the plain sum f(x) dx has no error to speak of
    once dx is below about half a standard deviation; here it is 0.006 of one.
    """
    x = np.linspace(mean - reach * std, mean + reach * std, nodes)
    return x, x[1] - x[0]


def normal_pdf(x, mean, variance):
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def normal_logpdf(x, mean, variance):
    return -((x - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2

"""Errata of ub-lecture and ub-slides: lines, Gaussians, limits, interpolation, reverse
conditionals."""

import math

import numpy as np
from scipy.special import gammaln, ndtr

from .. import ops
from ..diffusion.process import Process
from ..diffusion.schedules import linear
from ..gaussian import Gaussian
from ..models import energy
from .entry import erratum
from .errata_nus import DIGITS
from .settings import DDPM, MIXTURE, normal_logpdf, normal_pdf
from .variance import unexplained


@erratum(
    "E-A1", "The points do not lie on the line they are said to lie on.", verdict="INCONSISTENT",
    printed=r"(1,2),\ (1.5,3),\ (-0.5,-1):\ f(x) = 2x + 1", correct=r"f(x) = 2x",
    source="ub-lecture L18, L35", implements="tinydiff.ops:mse", tolerance=DIGITS,
)  # fmt: skip
def a1():
    """Mean squared error of 2x + 1 at the points: 1; of 2x: 0. Right: the residuals, and least
    squares."""
    x, y = np.array([1.0, 1.5, -0.5]), np.array([2.0, 3.0, -1.0])
    slope, intercept = np.linalg.lstsq(np.column_stack([x, np.ones(3)]), y, rcond=None)[0]
    printed, correct = ops.mse(2 * x + 1, y), ops.mse(2 * x, y)
    return (printed, (slope, 1 + intercept, 1 + correct)), (1.0, (2.0, 1.0, 1.0))


@erratum(
    "E-A10", "The product of two densities is given without its factor.", verdict="WRONG",
    printed=r"\mathcal{N}(\mu_1,\sigma_1^2)\,\mathcal{N}(\mu_2,\sigma_2^2) ="
    r" \mathcal{N}(\mu',\sigma'^2)",
    correct=r"= \mathcal{N}(\mu_1;\mu_2,\sigma_1^2+\sigma_2^2)\;\mathcal{N}(\mu',\sigma'^2)",
    source="ub-lecture L126, L128, L134; ub-slides L124", tolerance=DIGITS,
    implements="tinydiff.gaussian:Gaussian.product",
)  # fmt: skip
def a10():
    """N(2, 1) and N(-1, 2.25). Left: the largest error of the printed density, 0.4529 (its
    integral is 1, the product's 0.0554); factor, mean and variance. Right: recorded; the product
    integrated."""
    first, second = Gaussian(2.0, 1.0), Gaussian(-1.0, 2.25)
    law, log_scale = first.product(second)
    x = np.linspace(-8, 10, 180001)
    product = normal_pdf(x, 2, 1) * normal_pdf(x, -1, 2.25)
    mass = product * (x[1] - x[0])
    mean = mass @ x / mass.sum()
    printed = np.abs(law.pdf(x) - product).max()
    right = mass.sum(), mean, mass @ (x - mean) ** 2 / mass.sum()
    return (printed, (np.exp(log_scale), law.mean, law.cov)), (0.452898552, right)


@erratum(
    "E-A11", "The central limit theorem needs a finite variance.", verdict="MISLEADING",
    printed=r"\text{regardless of their original distribution}", correct=r"\sigma^2 < \infty",
    source="ub-lecture L98", implements="tinydiff.ops:mean", tolerance=DIGITS,
)  # fmt: skip
def a11():
    """Means of two draws: the distance between quartiles should shrink by about sqrt(1/2) =
    0.707. Left: of Cauchy draws it does not shrink at all (1.004, 1 but for the grid of 400
    quantiles); of uniform ones it is 0.586. Right: recorded; the quartiles of a triangle, 2 -
    sqrt(2), on the same grid."""
    u = (np.arange(400) + 0.5) / 400

    def shrinks(x):
        pairs = np.stack(np.broadcast_arrays(x[:, None], x[None])).reshape(2, -1)
        spread = [np.subtract(*np.percentile(v, [75, 25])) for v in (ops.mean(pairs, axis=0), x)]
        return spread[0] / spread[1]

    triangle = 0.2925 / 0.49875  # both quartiles fall on points of the grids
    return (shrinks(np.tan(np.pi * (u - 0.5))), shrinks(u)), (1.00391098, triangle)


@erratum(
    "E-A13", "Half-way points are not data.", verdict="MISLEADING",
    printed=r"x_{new} = \tfrac12 x_1 + \tfrac12 x_2\ \text{``fills gaps''}",
    correct=r"\text{in latent space: } \sqrt{\tfrac12}\,z_1 + \sqrt{\tfrac12}\,z_2",
    source="ub-lecture L206, L208, L210, L214", implements="tinydiff.gaussian:Gaussian.affine",
    tolerance=DIGITS,
)  # fmt: skip
def a13():
    """d = 512: the mean length of N(0, I) is 22.616, that of midpoints 15.992; weights sqrt(1/2)
    keep it. On two modes the share of |x| < 1 is 4.3e-4 in the data and 0.500 among midpoints."""
    length = math.sqrt(2) * math.exp(gammaln(513 / 2) - gammaln(512 / 2))
    draw = Gaussian(np.zeros(512), 1.0)

    def mixed(weight):
        law = draw.affine(weight) + draw.affine(weight)
        return length * math.sqrt(law.cov)

    s = math.sqrt(0.045)  # a midpoint lies at -2, 0 or 2, with half the variance
    middle = (2 * ndtr(1 / s) - 1 + ndtr(-1 / s) - ndtr(-3 / s)) / 2
    data = ndtr(-1 / 0.3) - ndtr(-3 / 0.3)
    printed = mixed(0.5), middle
    return (printed, (mixed(math.sqrt(0.5)), data)), (
        (15.9921894, 0.499999393),
        (length, 4.29060333e-4),
    )


def reverse_divergence(betas, t):
    """KL of q(x_{t-1} | x_t = 0) of the mixture from the Gaussian with its mean and variance."""
    process = Process(betas)
    r, beta = math.sqrt(process.alphas[t]), process.betas[t]
    x = np.linspace(-6, 6, 12001)
    dx = x[1] - x[0]
    log_p = MIXTURE.noised(process, t - 1).logpdf(x) - (r * x) ** 2 / (2 * beta)
    log_p -= np.log(np.exp(log_p).sum() * dx)
    mass = np.exp(log_p) * dx
    return mass @ (log_p - normal_logpdf(x, 0.0, mass @ x**2))


@erratum(
    "E-A15", "The reverse conditionals are Gaussian only in the limit of small steps.",
    verdict="MISLEADING", printed=r"q(x_{t-1}\mid x_t)\ \text{is Gaussian}",
    correct=r"\text{as } \beta_t \to 0", source="ub-lecture L562", tolerance=DIGITS,
    implements="tinydiff.diffusion.mixture:GaussianMixture.logpdf",
)  # fmt: skip
def a15():
    """The mixture at x_t = 0, the worst t: nats from the Gaussian with the same mean and
    variance, 0.876 in 10 steps (0.01 ... 0.9), 0.115 in 100 (0.001 ... 0.2), 3.1e-4 in 1000 (at t =
    52; 2.9e-4, which can be read elsewhere, is below the worst).
    Left: the first two; the last. Right: recorded; the last with the marginal written out."""
    few = reverse_divergence(linear(10, 0.01, 0.9), 2)
    more = reverse_divergence(linear(100, 0.001, 0.2), 6)
    many = reverse_divergence(DDPM.betas, 52)
    c, spread = (
        math.sqrt(DDPM.alphas_bar[51]),
        0.09 * DDPM.alphas_bar[51] + DDPM.one_minus_alphas_bar[51],
    )
    x = np.linspace(-6, 6, 12001)
    p = normal_pdf(x, 2 * c, spread) + normal_pdf(x, -2 * c, spread)
    p = p * np.exp(-DDPM.alphas[52] * x**2 / (2 * DDPM.betas[52])) + 1e-300
    p /= p.sum()
    right = p @ np.log(p / (x[1] - x[0])) + (1 + np.log(2 * np.pi * (p @ x**2))) / 2
    return ((few, more), 1 + many), ((0.876013451, 0.115145672), 1 + right)


@erratum(
    "E-A17", "A denoiser's x_0 is a posterior mean, and blurred wherever x_0 is uncertain.",
    verdict="MISLEADING", printed=r"\text{diffusion models avoid blurry reconstructions}",
    correct=r"\tilde x_0(x_t) = \mathbb{E}[x_0 \mid x_t]", source="ub-lecture L588", tolerance=1e-5,
    implements="tinydiff.diffusion.mixture:GaussianMixture.mean_x0",
)  # fmt: skip
def a17():
    """The mixture under DDPM, whose standard deviation is 2.022: that of the best x0_hat is
    0.026 at t = 1000, 0.338 at 700 (and not 0.335), 1.489 at 400. Right: Var x_0 - E Var(x_0 |
    x_t), by responsibilities."""
    left, right = [], []
    for t in (1000, 700, 400):
        c2, noise = DDPM.alphas_bar[t], DDPM.one_minus_alphas_bar[t]
        x = np.linspace(-9, 9, 9001)
        modes = 2 * math.sqrt(c2) * np.array([[1.0], [-1.0]])
        mass = normal_pdf(x, modes, 0.09 * c2 + noise).mean(axis=0) * (x[1] - x[0])
        left.append(math.sqrt(mass @ MIXTURE.mean_x0(DDPM, x, t) ** 2))
        right.append(math.sqrt(4.09 - unexplained(c2, noise)))
    return (math.sqrt(4.09), tuple(left)), (2.02237484, tuple(right))


@erratum(
    "E-C1", "The energy is called the negative log probability; it lacks log Z.", verdict="WRONG",
    printed=r"f_\theta = -\log p_\theta", correct=r"f_\theta + \log Z_\theta = -\log p_\theta",
    source="ub-slides L85", implements="tinydiff.models.energy:log_partition", tolerance=DIGITS,
)  # fmt: skip
def c1():
    """f = x^2 / 2. Printed: exp(-f) would be a density, but integrates to 2.5066. Left: log Z, the
    difference, on a grid. Right: log(2 pi) / 2 = 0.918939."""
    x = np.linspace(-20, 20, 20001)
    dx = np.full(x.shape, x[1] - x[0])
    printed = np.exp(-(x**2) / 2) @ dx
    return (printed, energy.log_partition(x**2 / 2, dx)), (2.50662827, math.log(2 * math.pi) / 2)


@erratum(
    "E-C2", "Variances add for independent variables only.", verdict="MISLEADING",
    printed=r"x_1 + x_2 \sim \mathcal{N}(0, (\sigma_1^2+\sigma_2^2) I)",
    correct=r"\text{for independent } \epsilon_1, \epsilon_2;\ (\sigma_1+\sigma_2)^2 \text{ if"
    r" they are one}",
    source="ub-slides L116-121", implements="tinydiff.gaussian:Gaussian.__add__", tolerance=DIGITS,
)  # fmt: skip
def c2():
    """sigma = 1 and 2. Printed: variance 5 in any case. With one draw in both it is 9, with
    independent ones 5. Right: E (x_1 + x_2)^2 over signs of eps_1 and eps_2, the two where they
    agree, and all four."""
    total = Gaussian(0.0, 1.0) + Gaussian(0.0, 4.0)
    same = Gaussian(0.0, 1.0).affine(1.0 + 2.0)
    alike = np.mean([(a + 2 * a) ** 2 for a in (1, -1)])
    four = np.mean([(a + 2 * b) ** 2 for a in (1, -1) for b in (1, -1)])
    return (total.cov, (same.cov, total.cov)), (5.0, (alike, four))

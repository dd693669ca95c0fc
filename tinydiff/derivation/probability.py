"""Probability before Gaussians: expectations, laws of large numbers, Bayes, energies,
interpolation."""

import itertools

import numpy as np
from scipy.integrate import quad

from .. import ops
from ..diffusion import process as forward
from ..diffusion.mixture import GaussianMixture
from ..gaussian import Gaussian
from ..models import energy
from .entry import Param, equation
from .gaussians import random_gaussian
from .settings import POINT, QUADRATURE, ROUNDING, SEED, SIZE, normal_pdf, normals, process_of

MIX = "tinydiff.diffusion.mixture:GaussianMixture"
SIDES = Param(6, 2, 8)
DICE = Param(3, 1, 4)


def rolls(sides, n):
    """All sides^n equally likely outcomes of n dice, as (outcomes, n)."""
    return np.array(list(itertools.product(range(1, sides + 1), repeat=n)), dtype=float)


def three_modes(seed):
    """(weights, means, variances, the mixture): a density with something to integrate."""
    mean, log_weight, log_var = normals(seed, 3, 3, 3)
    weights = np.exp(log_weight) / np.exp(log_weight).sum()
    variances = np.exp(log_var / 2)
    return weights, 2 * mean, variances, GaussianMixture(weights, 2 * mean, variances)


@equation(
    "probability.discrete",
    "A discrete distribution: non-negative numbers that add up to 1.",
    r"P(X = x) = \frac{w_x}{\sum_{x'} w_{x'}},\qquad \sum_x P(X = x) = 1",
    source="ub-lecture L74; ub-slides L80",
    implements="tinydiff.ops:softmax", tolerance=ROUNDING,
    sides=SIDES, n=DICE,
)  # fmt: skip
def discrete(sides, n):
    """X is the sum of n dice. Left: softmax of the logarithms of the counts, and its sum. Right:
    the share of outcomes with that sum, among all of them."""
    totals = rolls(sides, n).sum(axis=1).astype(int)
    counts = np.bincount(totals)[n:]
    left = ops.softmax(np.log(counts))
    return (left, left.sum()), (counts / sides**n, 1.0)


@equation(
    "probability.expectation-discrete",
    "The expected value weighs each outcome with its probability.",
    r"\mathbb{E}[X] = \sum_i x_i\, P(X = x_i)",
    source="ub-lecture L194; ub-slides L152-155",
    implements="tinydiff.ops:sum", tolerance=ROUNDING,
    sides=SIDES, n=DICE,
)  # fmt: skip
def expectation_discrete(sides, n):
    """Left: over the values of the sum of n dice. Right: n times the middle of one die, (sides +
    1) / 2."""
    values, counts = np.unique(rolls(sides, n).sum(axis=1), return_counts=True)
    return ops.sum(values * (counts / sides**n)), n * (sides + 1) / 2


@equation(
    "probability.expectation-continuous",
    "The expected value of a density is an integral.",
    r"\mathbb{E}[X] = \int_{-\infty}^{\infty} x\, p(x)\, dx",
    source="ub-lecture L190; ub-slides L152-155",
    implements=f"{MIX}.logpdf", tolerance=QUADRATURE,
    seed=SEED,
)  # fmt: skip
def expectation_continuous(seed):
    """Left: 1, E X and E X^2 of a mixture's density, by quadrature. Right: by its components."""
    weights, means, variances, data = three_modes(seed)
    x = np.linspace(-30, 30, 6001)
    mass = np.exp(data.logpdf(x)) * (x[1] - x[0])
    left = np.array([mass.sum(), mass @ x, mass @ x**2])
    return left, np.array([1.0, weights @ means, weights @ (variances + means**2)])


@equation(
    "probability.sample-mean",
    "The mean of a sample estimates the expected value, without bias.",
    r"\hat\mu = \frac{1}{n}\sum_{i=1}^n x_i,\qquad \mathbb{E}[\hat\mu] = \mu",
    source="ub-lecture L198; ub-slides L62",
    implements="tinydiff.ops:mean", tolerance=ROUNDING,
    sides=SIDES, n=DICE,
)  # fmt: skip
def sample_mean(sides, n):
    """Left: the mean of every possible sample of n dice, and its average over all samples.
    Right: sums over n; and the mean of one die."""
    samples = rolls(sides, n)
    means = ops.mean(samples, axis=1)
    return (means, means.sum() / len(means)), (samples @ np.full(n, 1 / n), (sides + 1) / 2)


@equation(
    "probability.large-numbers",
    "The law of large numbers: the mean's variance falls as 1 / n.",
    r"\mathrm{Var}(\bar X_n) = \frac{\sigma^2}{n},\qquad"
    r" P(|\bar X_n - \mu| \ge a) \le \frac{\sigma^2}{n a^2} \to 0",
    source="ub-slides L60, L61, L62, L63",
    implements="tinydiff.ops:mean", tolerance=ROUNDING,
    sides=SIDES, n=DICE, a=Param(1.0, 0.1, 3.0),
)  # fmt: skip
def large_numbers(sides, n, a):
    """Left: the variance of the mean over every possible sample, and whether Chebyshev's bound
    holds. Right: that of one die, (sides^2 - 1) / 12, over n. The bound goes to 0 with n for any
    a."""
    means = ops.mean(rolls(sides, n), axis=1)
    off = means - (sides + 1) / 2
    variance = (sides**2 - 1) / 12 / n
    holds = (np.abs(off) >= a).mean() <= variance / a**2
    return ((off**2).mean(), float(holds)), (variance, 1.0)


@equation(
    "probability.central-limit",
    "The central limit theorem: means become Gaussian.",
    r"\frac{1}{n}\sum_{i=1}^n X_i \approx \mathcal{N}\left(\mu, \frac{\sigma^2}{n}\right)",
    source="ub-lecture L100",
    implements="tinydiff.gaussian:Gaussian.pdf",
    tolerance=4e-4,  # the expansion's next term is (3/24) 1.2 / n of the density: 3.75e-4 at 400
    n=Param(1000, 400, 3000),
)  # fmt: skip
def central_limit(n):
    """X uniform on [0, 1]: mean 1/2, variance 1/12. Left: the Gaussian's density at the mean and
    up to 2.5 standard deviations off. Right: the exact density of the mean, by inverting the
    characteristic function (sin(k/2n) / (k/2n))^n."""
    std = np.sqrt(1 / 12 / n)
    z = np.linspace(0, 2.5, 6)
    k = np.linspace(1e-9, 10, 4001)  # per standard deviation; the integrand is e^-k^2/2, nearly
    angle = k / std / (2 * n)
    spectrum = (np.sin(angle) / angle) ** n
    right = np.trapezoid(spectrum * np.cos(np.outer(z, k)), k, axis=1) / np.pi / std
    return Gaussian(0.5, std**2).pdf(0.5 + std * z), right


@equation(
    "probability.conditional",
    "Conditional probability: the joint, divided by what is known.",
    r"p(x \mid y) = \frac{p(x, y)}{p(y)}",
    source="ub-slides L136-138",
    implements="tinydiff.gaussian:Gaussian.condition", tolerance=1e-10,
    seed=SEED, y=POINT,
)  # fmt: skip
def conditional(seed, y):
    """Left: the conditional law of one coordinate of a Gaussian pair. Right: a ratio of two
    densities, both written out by determinants."""
    pair = random_gaussian(seed, 2)
    law = pair.condition(1, y)
    (x,) = normals(seed + 1, 4)
    (a, b), (_, d) = pair.cov
    dx, dy = x - pair.mean[0], y - pair.mean[1]
    det = a * d - b * b
    joint = np.exp(-(d * dx**2 - 2 * b * dx * dy + a * dy**2) / (2 * det)) / (
        2 * np.pi * np.sqrt(det)
    )
    return law.pdf(x[:, None]), joint / normal_pdf(dy, 0, d)


@equation(
    "probability.marginalisation",
    "Marginalisation sums over what is not asked.",
    r"p(x) = \sum_y p(x, y) = \sum_y p(x \mid y)\, p(y)",
    source="ub-slides L140, L141, L142, L143",
    implements=f"{MIX}.logpdf", tolerance=ROUNDING,
    seed=SEED, x=POINT,
)  # fmt: skip
def marginalisation(seed, x):
    """y is the component of a mixture. Left: log p(x), by log-sum-exp. Right: the sum of
    products."""
    weights, means, variances, data = three_modes(seed)
    x = x + np.array([0.0, 1.0])
    right = sum(w * normal_pdf(x, m, v) for w, m, v in zip(weights, means, variances))
    return np.exp(data.logpdf(x)), right


@equation(
    "probability.bayes",
    "Bayes' theorem: posterior = likelihood times prior over evidence.",
    r"p(y \mid x) = \frac{p(x \mid y)\, p(y)}{p(x)}",
    source="ub-slides L145, L146, L147, L148, L149, L150; nus-l8 L157, L344",
    implements=f"{MIX}.log_posterior", tolerance=1e-11,
    seed=SEED, x=POINT, T=Param(100, 1, 200), t=Param(20, 1, "T"),
)  # fmt: skip
def bayes(seed, x, T, t):
    """Left: which component x_t came from, of a noised mixture. Right: likelihood, prior and
    evidence as plain numbers."""
    weights, means, variances, data = three_modes(seed)
    process = process_of("linear", T)
    xt = x + np.array([0.0, 1.0])
    c2, noise = process.alphas_bar[t], process.one_minus_alphas_bar[t]
    likelihood = normal_pdf(xt[:, None], np.sqrt(c2) * means, c2 * variances + noise)
    joint = likelihood * weights
    return np.exp(data.log_posterior(process, xt, t)), joint / joint.sum(axis=1, keepdims=True)


def quartic(x, a, b):
    """An energy with two valleys."""
    return a * x * x * x * x - b * x * x


@equation(
    "energy.partition",
    "The partition function makes exp(-f) a density.",
    r"Z_\theta = \int e^{-f_\theta(x)}\, dx",
    source="ub-slides L84, L86",
    implements="tinydiff.models.energy:log_partition", tolerance=QUADRATURE,
    a=Param(0.5, 0.2, 2.0), b=Param(1.0, 0.0, 2.0), v=Param(1.5, 0.2, 5.0, log=True),
)  # fmt: skip
def partition(a, b, v):
    """Left: of a quartic, and of x^2 / 2 v. Right: adaptive quadrature; and sqrt(2 pi v)."""
    x = np.linspace(-40, 40, 40001)
    dx = np.full(x.shape, x[1] - x[0])
    left = [energy.log_partition(f, dx) for f in (quartic(x, a, b), x**2 / (2 * v))]
    area = 2 * quad(lambda x: np.exp(-quartic(x, a, b)), 0, 9, epsabs=0, epsrel=1e-12, limit=200)[0]
    return np.exp(left), np.array([area, np.sqrt(2 * np.pi * v)])


@equation(
    "energy.density",
    "An energy and its partition function are a density.",
    r"p_\theta(x) = \frac{e^{-f_\theta(x)}}{Z_\theta},\qquad"
    r" -\log p_\theta(x) = f_\theta(x) + \log Z_\theta",
    source="ub-slides L84, L85, L86",
    implements="tinydiff.models.energy:log_density", tolerance=QUADRATURE,
    v=Param(1.5, 0.2, 5.0, log=True), x=POINT,
)  # fmt: skip
def energy_density(v, x):
    """f = x^2 / 2 v. Left: p, from the energy and log Z by a sum on a grid. Right: the bell
    curve."""
    nodes = np.linspace(-40, 40, 40001)
    log_z = energy.log_partition(nodes**2 / (2 * v), np.full(nodes.shape, nodes[1] - nodes[0]))
    x = x + np.array([0.0, 1.0])
    return np.exp(energy.log_density(x**2 / (2 * v), log_z)), normal_pdf(x, 0, v)


@equation(
    "energy.score",
    "The score needs no partition function.",
    r"\nabla_x \log p_\theta(x) = -\nabla_x f_\theta(x)",
    source="ub-slides L85, L86; Song et al. 2021, section 2",
    implements="tinydiff.models.energy:score", tolerance=1e-6,  # central differences, step 1e-4
    a=Param(0.5, 0.2, 2.0), b=Param(1.0, 0.0, 2.0), x=POINT,
)  # fmt: skip
def energy_score(a, b, x):
    """Left: by the tape. Right: the slope of log p, with Z, by a difference of fourth order."""
    log_z = np.log(2 * quad(lambda x: np.exp(-quartic(x, a, b)), 0, 9, limit=200)[0])
    x = x + np.array([0.0, 1.3, 2.1])
    log_p = lambda x: -quartic(x, a, b) - log_z  # noqa: E731
    h = 1e-3
    slope = (8 * (log_p(x + h) - log_p(x - h)) - log_p(x + 2 * h) + log_p(x - 2 * h)) / (12 * h)
    return energy.score(lambda x: quartic(x, a, b))(x), slope


@equation(
    "probability.interpolation",
    "Linear interpolation between two data points.",
    r"x_{new} = (1-\alpha)\, x_1 + \alpha\, x_2,\qquad \alpha \in [0, 1]",
    source="ub-lecture L206; ub-slides L71, L72",
    implements="tinydiff.diffusion.process:combine", tolerance=ROUNDING,
    alpha=Param(0.3, 0.0, 1.0), d=SIZE, seed=SEED,
)  # fmt: skip
def interpolation(alpha, d, seed):
    """Right: from x_1 towards x_2 by the share alpha. At alpha = 0 and 1 the points themselves."""
    x1, x2 = normals(seed, d, d)
    at = lambda a: forward.combine(1 - a, x1, a, x2)  # noqa: E731
    return (at(alpha), at(0.0), at(1.0)), (x1 + alpha * (x2 - x1), x1, x2)

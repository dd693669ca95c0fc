"""The algebra of Gaussians: densities, sums, products, maps, marginals, conditionals, Bayes."""

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr

from ..gaussian import Gaussian, compose, noising
from .entry import Param, equation
from .settings import POINT, QUADRATURE, ROUNDING, SEED, SIZE, covariance, grid, normal_pdf, normals

GAUSSIAN = "tinydiff.gaussian:Gaussian"
SPREAD = Param(1.5, 0.05, 20.0, log=True)
OTHER = Param(0.4, 0.05, 20.0, log=True)
TWO_OR_MORE = Param(3, 2, 6)
LINEAR_ALGEBRA = 1e-11  # solves with covariances of condition up to 100, in up to 6 dimensions


def random_gaussian(seed, d):
    rng = np.random.default_rng(seed)
    return Gaussian(rng.standard_normal(d), covariance(rng, d))


@equation(
    "gaussian.density",
    "The bell curve.",
    r"p(x) = \frac{1}{\sqrt{2\pi\sigma^2}} \exp\left(-\frac{(x-\mu)^2}{2\sigma^2}\right)",
    source="ub-lecture L86; ub-slides L92-112",
    implements=f"{GAUSSIAN}.pdf", tolerance=QUADRATURE,
    mean=POINT, variance=SPREAD,
)  # fmt: skip
def density(mean, variance):
    """Left: the density at 5 points; its integral, mean and variance by quadrature. Right: the
    formula in plain arithmetic; 1, mu and sigma^2."""
    gaussian = Gaussian(mean, variance)
    points = mean + np.sqrt(variance) * np.linspace(-2, 2, 5)
    x, dx = grid(mean, np.sqrt(variance))
    mass = gaussian.pdf(x) * dx
    left = gaussian.pdf(points), np.array([mass.sum(), mass @ x, mass @ (x - mean) ** 2])
    formula = np.exp(-((points - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return left, (formula, np.array([1, mean, variance]))


@equation(
    "gaussian.probability",
    "The density gives the probability of an interval as an area.",
    r"P(a \le X \le b) = \int_a^b p(x)\, dx",
    source="ub-lecture L78; ub-slides L81",
    implements=f"{GAUSSIAN}.pdf", tolerance=QUADRATURE,
    mean=POINT, variance=SPREAD, a=Param(-1.0, -3.0, 0.5), b=Param(2.0, 1.0, 4.0),
)  # fmt: skip
def probability(mean, variance, a, b):
    """Left: the area under the density, a and b in standard deviations. Right: a difference of the
    distribution function."""
    std = np.sqrt(variance)
    area = quad(
        Gaussian(mean, variance).pdf, mean + a * std, mean + b * std, epsabs=0, epsrel=1e-11
    )
    return area[0], ndtr(b) - ndtr(a)


@equation(
    "gaussian.multivariate",
    "The density of a Gaussian vector.",
    r"p(x) = \frac{1}{(2\pi)^{d/2} |\Sigma|^{1/2}}"
    r" \exp\left(-\tfrac{1}{2} (x-\mu)^T \Sigma^{-1} (x-\mu)\right)",
    source="ub-lecture L255; ub-slides L127, L129",
    implements=f"{GAUSSIAN}.logpdf", tolerance=LINEAR_ALGEBRA,
    d=SIZE, seed=SEED,
)  # fmt: skip
def multivariate(d, seed):
    """Left: by Cholesky. Right: in the axes of the covariance the coordinates are independent,
    so the density is a product of d bell curves; a rotation changes no volume."""
    gaussian = random_gaussian(seed, d)
    spread, axes = np.linalg.eigh(gaussian.cov)
    z = normals(seed + 1, (4, d))[0] * np.sqrt(spread)
    right = np.log(normal_pdf(z, 0, spread)).sum(axis=1)
    return gaussian.logpdf(gaussian.mean + z @ axes.T), right


@equation(
    "gaussian.sample",
    "A draw is the mean plus a scaled draw of N(0, I).",
    r"x = \mu + L\epsilon,\quad \epsilon \sim \mathcal{N}(0, I),\ LL^T = \Sigma",
    source="ub-slides L113, L191",
    implements=f"{GAUSSIAN}.sample", tolerance=LINEAR_ALGEBRA,
    d=SIZE, seed=SEED,
)  # fmt: skip
def sample(d, seed):
    """No statistics: the generator is replaced by one that returns 0 and the unit vectors, so
    the draws are mu and the columns of L. Left: mu and L L^T. Right: mean and covariance."""
    gaussian = random_gaussian(seed, d)

    class Units:
        def standard_normal(self, shape):
            return np.eye(shape[0], shape[1], k=-1)

    draws = gaussian.sample(d + 1, Units())
    L = draws[1:] - draws[0]
    return (draws[0], L.T @ L), (gaussian.mean, gaussian.cov)


@equation(
    "gaussian.sum",
    "Independent Gaussians add: means and variances add.",
    r"X + Y \sim \mathcal{N}(\mu_X + \mu_Y,\ \sigma_X^2 + \sigma_Y^2)",
    source="ub-lecture L112, L114, L116; ub-slides L116-121",
    implements=f"{GAUSSIAN}.__add__", tolerance=QUADRATURE,
    mean=POINT, variance=SPREAD, other_mean=Param(-0.5, -3.0, 3.0), other_variance=OTHER,
)  # fmt: skip
def sum_of_independent(mean, variance, other_mean, other_variance):
    """Right: the density of X + Y is a convolution, int p_X(u) p_Y(x - u) du, by quadrature."""
    total = Gaussian(mean, variance) + Gaussian(other_mean, other_variance)
    points = total.mean + np.sqrt(total.cov) * np.linspace(-2, 2, 5)
    s2 = variance * other_variance / (variance + other_variance)  # width of the integrand
    right = []
    for x in points:
        centre = s2 * (mean / variance + (x - other_mean) / other_variance)
        u, du = grid(centre, np.sqrt(s2))
        right.append(
            normal_pdf(u, mean, variance) @ normal_pdf(x - u, other_mean, other_variance) * du
        )
    return total.pdf(points), np.array(right)


@equation(
    "gaussian.product",
    "The product of two densities: a Gaussian, times a factor.",
    r"\mathcal{N}(x; \mu_1, \sigma_1^2)\, \mathcal{N}(x; \mu_2, \sigma_2^2) ="
    r" \mathcal{N}(\mu_1; \mu_2, \sigma_1^2 + \sigma_2^2)\, \mathcal{N}(x; \mu', \sigma'^2),\quad"
    r" \sigma'^2 = \left(\tfrac{1}{\sigma_1^2} + \tfrac{1}{\sigma_2^2}\right)^{-1},"
    r"\ \mu' = \sigma'^2 \left(\tfrac{\mu_1}{\sigma_1^2} + \tfrac{\mu_2}{\sigma_2^2}\right)",
    source="ub-lecture L124, L128, L132; ub-slides L124",
    implements=f"{GAUSSIAN}.product", tolerance=QUADRATURE,
    mean=POINT, variance=SPREAD, other_mean=Param(-0.5, -3.0, 3.0), other_variance=OTHER,
)  # fmt: skip
def product(mean, variance, other_mean, other_variance):
    """Left: mean and variance of the result, the factor, and factor times density at 3 points.
    Right: the mean and variance by precisions, the factor by quadrature, the densities
    multiplied."""
    law, log_scale = Gaussian(mean, variance).product(Gaussian(other_mean, other_variance))
    precision = 1 / variance + 1 / other_variance
    centre = (mean / variance + other_mean / other_variance) / precision

    def multiplied(x):
        return normal_pdf(x, mean, variance) * normal_pdf(x, other_mean, other_variance)

    x, dx = grid(centre, precision**-0.5)
    points = centre + precision**-0.5 * np.linspace(-1, 1, 3)
    left = np.array([law.mean, law.cov]), np.exp(log_scale), np.exp(log_scale) * law.pdf(points)
    right = np.array([centre, 1 / precision]), multiplied(x).sum() * dx, multiplied(points)
    return left, right


@equation(
    "gaussian.affine",
    "A linear map of a Gaussian vector is a Gaussian vector.",
    r"Ax + b \sim \mathcal{N}(A\mu + b,\ A \Sigma A^T)",
    source="nus-l8 L283; ub-slides L119; Bishop 2006, exercise 2.43",
    implements=f"{GAUSSIAN}.affine", tolerance=LINEAR_ALGEBRA,
    d=SIZE, seed=SEED,
)  # fmt: skip
def affine(d, seed):
    """Right: E and Cov of A x + b over the 2 d points mu +- sqrt(d) columns of L, which have the
    mean and the covariance of x exactly. A is square, so the image has a density."""
    gaussian = random_gaussian(seed, d)
    A, b = normals(seed + 1, (d, d), d)
    L = np.sqrt(d) * np.linalg.cholesky(gaussian.cov).T
    images = (gaussian.mean + np.concatenate([L, -L])) @ A.T + b
    off = images - images.mean(axis=0)
    law = gaussian.affine(A, b)
    return (law.mean, law.cov), (images.mean(axis=0), off.T @ off / (2 * d))


@equation(
    "gaussian.marginal",
    "Integrating coordinates out of a Gaussian crosses them out.",
    r"p(x_a) = \int p(x_a, x_b)\, dx_b = \mathcal{N}(\mu_a, \Sigma_{aa})",
    source="ub-slides L140-143; Bishop 2006, equation 2.98",
    implements=f"{GAUSSIAN}.marginal", tolerance=QUADRATURE,
    seed=SEED, i=Param(0, 0, 1),
)  # fmt: skip
def marginal(seed, i):
    """Two coordinates. Left: the density of x_i. Right: the other one integrated out, on a grid
    around its conditional mean."""
    gaussian = random_gaussian(seed, 2)
    law = gaussian.marginal(i)
    points = gaussian.mean[i] + np.sqrt(gaussian.cov[i, i]) * np.linspace(-2, 2, 5)
    j = 1 - i
    slope = gaussian.cov[i, j] / gaussian.cov[i, i]
    width = np.sqrt(gaussian.cov[j, j] - slope * gaussian.cov[i, j])
    right = []
    for point in points:
        y, dy = grid(gaussian.mean[j] + slope * (point - gaussian.mean[i]), width)
        pairs = np.empty((len(y), 2))
        pairs[:, i], pairs[:, j] = point, y
        right.append(gaussian.pdf(pairs).sum() * dy)
    return law.pdf(points), np.array(right)


@equation(
    "gaussian.conditional",
    "Knowing some coordinates moves the mean and shrinks the covariance.",
    r"x_a \mid x_b \sim \mathcal{N}\left(\mu_a + \Sigma_{ab}\Sigma_{bb}^{-1}(x_b - \mu_b),"
    r"\ \Sigma_{aa} - \Sigma_{ab}\Sigma_{bb}^{-1}\Sigma_{ba}\right)",
    source="ub-slides L136-138; Bishop 2006, equations 2.81 and 2.82",
    implements=f"{GAUSSIAN}.condition", tolerance=LINEAR_ALGEBRA,
    d=TWO_OR_MORE, known=Param(1, 1, "d-1"), seed=SEED,
)  # fmt: skip
def conditional(d, known, seed):
    """Right: in the exponent of the joint density x_b is a constant, so the block of the
    precision matrix that belongs to x_a is the precision of the conditional: another inverse
    altogether."""
    gaussian = random_gaussian(seed, d)
    idx = np.random.default_rng(seed).permutation(d)[:known]
    rest = np.setdiff1d(np.arange(d), idx)
    (value,) = normals(seed + 1, known)
    law = gaussian.condition(idx, value)
    precision = np.linalg.inv(gaussian.cov)
    cov = np.linalg.inv(precision[np.ix_(rest, rest)])
    shift = precision[np.ix_(rest, idx)] @ (value - gaussian.mean[idx])
    return (law.mean, law.cov), (gaussian.mean[rest] - cov @ shift, cov)


@equation(
    "gaussian.bayes",
    "Bayes' theorem for a linear observation with Gaussian noise.",
    r"p(x \mid y) \propto p(y \mid x)\, p(x),\quad y = Ax + \eta:\quad"
    r" \Sigma' = \left(\Sigma^{-1} + A^T R^{-1} A\right)^{-1},"
    r"\ \mu' = \Sigma'\left(\Sigma^{-1}\mu + A^T R^{-1} y\right)",
    source="ub-slides L145-150; ub-lecture L122; nus-l8 L344",
    implements=f"{GAUSSIAN}.bayes", tolerance=LINEAR_ALGEBRA,
    d=SIZE, m=Param(2, 1, 4), seed=SEED,
)  # fmt: skip
def bayes(d, m, seed):
    """Left: by the gain matrix. Right: precisions add up, as on the right of the equation."""
    gaussian = random_gaussian(seed, d)
    rng = np.random.default_rng(seed + 1)
    A, R, y = rng.standard_normal((m, d)), covariance(rng, m), rng.standard_normal(m)
    law = gaussian.bayes(A, R, y)
    precision = np.linalg.inv(gaussian.cov) + A.T @ np.linalg.inv(R) @ A
    pull = np.linalg.inv(gaussian.cov) @ gaussian.mean + A.T @ np.linalg.inv(R) @ y
    cov = np.linalg.inv(precision)
    return (law.mean, law.cov), (cov @ pull, cov)


@equation(
    "gaussian.noising-steps",
    "Steps compose: scales multiply, earlier noise is scaled down.",
    r"\mathcal{N}(b\,x, w) \circ \mathcal{N}(a\,x, v) = \mathcal{N}(ba\,x,\ b^2 v + w),\qquad"
    r" n\ \text{steps}:\ \mathcal{N}\left(\sqrt{\bar\alpha}\,x,\ 1 - \bar\alpha\right)",
    source="nus-l8 L281, L283, L285, L287, L291",
    implements="tinydiff.gaussian:Step.then", tolerance=ROUNDING,
    n=Param(100, 1, 1000), seed=SEED,
)  # fmt: skip
def noising_steps(n, seed):
    """Left: n random noising steps composed from the left. Right: the product of the alphas, and
    the sum of betas times later alphas; then the same steps composed in pairs from the middle
    out."""
    betas = 10 ** np.random.default_rng(seed).uniform(-4, -0.5, n) * min(1, 20 / n)
    steps = [noising(beta) for beta in betas]
    left = compose(steps)
    middle = compose(steps[: n // 2]), compose(steps[n // 2 :])
    other = (
        middle[1].scale * middle[0].scale,
        middle[1].scale ** 2 * middle[0].variance + middle[1].variance,
    )
    later = np.append(np.cumprod((1 - betas)[::-1])[::-1][1:], 1.0)
    return (*left, *left), (np.sqrt(np.prod(1 - betas)), betas @ later, *other)

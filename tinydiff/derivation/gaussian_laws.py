"""What is measured of Gaussians (divergence, entropy), and two models made of them."""

import numpy as np
from scipy.stats import multivariate_normal

from .. import gaussian
from ..gaussian import Gaussian
from .entry import Param, equation
from .gaussians import LINEAR_ALGEBRA, OTHER, SPREAD, random_gaussian
from .settings import POINT, QUADRATURE, SEED, SIZE, grid, normals

GAUSSIAN = "tinydiff.gaussian:Gaussian"


@equation(
    "gaussian.kl",
    "The divergence of two Gaussians on the line.",
    r"D_{KL} = \frac{1}{2}\left[\log\frac{\sigma_2^2}{\sigma_1^2} +"
    r" \frac{\sigma_1^2}{\sigma_2^2} - 1"
    r" + \frac{(\mu_2-\mu_1)^2}{\sigma_2^2}\right]",
    source="nus-l8 L203, L237 (right for d = 1)",
    implements=f"{GAUSSIAN}.kl", tolerance=QUADRATURE,
    mean=POINT, variance=SPREAD, other_mean=Param(-0.5, -3.0, 3.0), other_variance=OTHER,
)  # fmt: skip
def kl(mean, variance, other_mean, other_variance):
    """Right: int p1 log(p1 / p2) by quadrature, in standard deviations of p1. It may be 0, so 1
    is added to both sides."""
    left = Gaussian(mean, variance).kl(Gaussian(other_mean, other_variance))
    z, dz = grid(0.0, 1.0)
    off = mean + np.sqrt(variance) * z - other_mean
    log_ratio = -(z**2) / 2 + off**2 / (2 * other_variance) + np.log(other_variance / variance) / 2
    return 1 + left, 1 + np.exp(-(z**2) / 2) @ log_ratio * dz / np.sqrt(2 * np.pi)


@equation(
    "gaussian.kl-isotropic",
    "In d dimensions every one of them counts.",
    r"D_{KL} = \frac{1}{2}\left[d\log\frac{\sigma_2^2}{\sigma_1^2} +"
    r" d\,\frac{\sigma_1^2}{\sigma_2^2}"
    r" - d + \frac{\|\mu_2-\mu_1\|^2}{\sigma_2^2}\right]",
    source="nus-l8 L237, L239 (where the factor d is missing)",
    implements=f"{GAUSSIAN}.kl", tolerance=LINEAR_ALGEBRA,
    d=SIZE, seed=SEED, variance=SPREAD, other_variance=OTHER,
)  # fmt: skip
def kl_isotropic(d, seed, variance, other_variance):
    """Right: E_1[log p1 - log p2] over the 2 d points mu_1 +- sqrt(d) sigma_1 e_i: exact for a
    quadratic, since they have the mean and the covariance of p1."""
    m1, m2 = normals(seed, d, d)
    left = Gaussian(m1, variance).kl(Gaussian(m2, other_variance))
    points = m1 + np.sqrt(d * variance) * np.concatenate([np.eye(d), -np.eye(d)])
    first = multivariate_normal(m1, variance * np.eye(d)).logpdf(points)
    second = multivariate_normal(m2, other_variance * np.eye(d)).logpdf(points)
    return 1 + left, 1 + (first - second).mean()


@equation(
    "gaussian.kl-diagonal",
    "Independent coordinates: their divergences add.",
    r"D_{KL} = \frac{1}{2}\sum_i\left[\log\frac{b_i}{a_i} + \frac{a_i}{b_i} - 1"
    r" + \frac{(m_i-n_i)^2}{b_i}\right]",
    source="nus-l8 L237; Kingma and Welling 2014, appendix B",
    implements=f"{GAUSSIAN}.kl", tolerance=LINEAR_ALGEBRA,
    d=SIZE, seed=SEED,
)  # fmt: skip
def kl_diagonal(d, seed):
    """As above, with a variance for each coordinate."""
    m1, m2, s1, s2 = normals(seed, d, d, d, d)
    a, b = np.exp(s1), np.exp(s2)
    points = m1 + np.sqrt(d) * np.concatenate([np.diag(np.sqrt(a)), -np.diag(np.sqrt(a))])
    first = multivariate_normal(m1, np.diag(a)).logpdf(points)
    second = multivariate_normal(m2, np.diag(b)).logpdf(points)
    return 1 + Gaussian(m1, a).kl(Gaussian(m2, b)), 1 + (first - second).mean()


@equation(
    "gaussian.kl-full",
    "The divergence for any two covariance matrices.",
    r"D_{KL} = \frac{1}{2}\left[\mathrm{tr}(\Sigma_2^{-1}\Sigma_1) - d"
    r" - \log\frac{|\Sigma_1|}{|\Sigma_2|} + (\mu_1-\mu_2)^T \Sigma_2^{-1} (\mu_1-\mu_2)\right]",
    source="nus-l8 L203, L237",
    implements=f"{GAUSSIAN}.kl", tolerance=LINEAR_ALGEBRA,
    d=SIZE, seed=SEED,
)  # fmt: skip
def kl_full(d, seed):
    """As above, with the columns of sqrt(d) L for the points."""
    p, q = random_gaussian(seed, d), random_gaussian(seed + 1, d)
    L = np.sqrt(d) * np.linalg.cholesky(p.cov).T
    points = p.mean + np.concatenate([L, -L])
    first = multivariate_normal(p.mean, p.cov).logpdf(points)
    second = multivariate_normal(q.mean, q.cov).logpdf(points)
    return 1 + p.kl(q), 1 + (first - second).mean()


@equation(
    "gaussian.entropy",
    "The entropy of a Gaussian vector.",
    r"H = -\mathbb{E}\log p(x) = \frac{1}{2}\log\det(2\pi e\,\Sigma)",
    source="ub-lecture L255; Bishop 2006, equation 2.283",
    implements=f"{GAUSSIAN}.entropy", tolerance=LINEAR_ALGEBRA,
    d=SIZE, seed=SEED,
)  # fmt: skip
def entropy(d, seed):
    """Right: -E log p over the same 2 d points. It may be 0, so exponentials are compared: the
    volume e^H."""
    gaussian = random_gaussian(seed, d)
    L = np.sqrt(d) * np.linalg.cholesky(gaussian.cov).T
    points = gaussian.mean + np.concatenate([L, -L])
    right = -multivariate_normal(gaussian.mean, gaussian.cov).logpdf(points).mean()
    return np.exp(gaussian.entropy()), np.exp(right)


@equation(
    "gaussian.kalman",
    "The Kalman filter multiplies densities, one observation at a time.",
    r"p(x_k \mid y_{1:k}) \propto \mathcal{N}(y_k; x_k, r)"
    r" \int p(x_k \mid x_{k-1})\, p(x_{k-1} \mid y_{1:k-1})\, dx_{k-1}",
    source="ub-lecture L136; Bishop 2006, section 13.3",
    implements="tinydiff.gaussian:kalman", tolerance=LINEAR_ALGEBRA,
    n=Param(5, 1, 12), seed=SEED, scale=Param(0.9, 0.3, 1.2),
    variance=Param(0.3, 0.05, 2.0, log=True),
    noise=Param(0.5, 0.05, 2.0, log=True),
)  # fmt: skip
def kalman_filter(n, seed, scale, variance, noise):
    """Left: mean and variance of the last state, and log p of all observations. Right: all
    states and observations at once, as one Gaussian vector x = R e with independent e,
    conditioned by precision."""
    (y,) = normals(seed, n)
    laws, log_p = gaussian.kalman(Gaussian(0.5, 2.0), y, gaussian.Step(scale, variance), noise)
    k = np.arange(n)
    reach = np.tril(scale ** np.maximum(np.subtract.outer(k, k), 0))  # x_k from the noise of step j
    states = np.column_stack([scale ** (k + 1), reach])
    cov = states @ np.diag([2.0] + [variance] * n) @ states.T
    mean, seen = 0.5 * scale ** (k + 1), cov + noise * np.eye(n)
    last = cov[-1] @ np.linalg.solve(seen, y - mean)
    left = np.array([laws[-1].mean, laws[-1].cov]), np.array(log_p)
    variance_last = cov[-1, -1] - cov[-1] @ np.linalg.solve(seen, cov[-1])
    log_density = multivariate_normal(mean, seen).logpdf(y)
    return left, (np.array([mean[-1] + last, variance_last]), np.array(log_density))


@equation(
    "gaussian.ppca",
    "Probabilistic PCA: the likelihood is stationary at the closed form.",
    r"W = U_q (\Lambda_q - \sigma^2 I)^{1/2},\quad \sigma^2 = \frac{1}{d-q}\sum_{i>q}\lambda_i",
    source="ub-lecture L278; Tipping and Bishop 1999, equations 7 and 8",
    implements="tinydiff.gaussian:ppca", tolerance=1e-6,  # central differences of step 1e-4: step^2
    d=Param(4, 2, 6), q=Param(2, 1, "d-1"), seed=SEED,
)  # fmt: skip
def probabilistic_pca(d, q, seed):
    """Left: the slopes of the mean log-likelihood in W and in log noise, at the solution, by
    differences, and 1 plus them, so that an error shows against 1. Right: 0. Then the likelihood
    itself, of which the maximum has a closed form in the eigenvalues."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, q)) @ rng.standard_normal((q, d)) * 2 + rng.standard_normal(
        (40, d)
    )
    model = gaussian.ppca(X, q)

    def log_likelihood(W, log_noise, mean):
        law = multivariate_normal(mean, W @ W.T + np.exp(log_noise) * np.eye(d))
        return law.logpdf(X).mean()

    at, h = (model.W, np.log(model.noise), model.mean), 1e-4
    (dW,) = normals(seed + 1, (d, q))
    ways = (dW, 0, 0), (0, 1, 0), (0, 0, np.ones(d))
    moved = [
        [log_likelihood(*(a + sign * h * w for a, w in zip(at, way))) for sign in (1, -1)]
        for way in ways
    ]
    slopes = [(up - down) / (2 * h) for up, down in moved]
    spread = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    log_det = np.log(spread[:q]).sum() + (d - q) * np.log(spread[q:].mean())
    left = np.append(1 + np.array(slopes), log_likelihood(*at))
    return left, np.append(np.ones(3), -(log_det + d * np.log(2 * np.pi) + d) / 2)

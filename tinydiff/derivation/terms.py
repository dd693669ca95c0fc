"""The terms of the bound for Gaussian steps: L_{t-1} in five forms, L_T, L_0, and their sum."""

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr

from ..diffusion import bound, decoder, forms
from .dense import dense_chain
from .entry import Param, equation
from .posterior import by_precision
from .settings import (
    QUADRATURE,
    ROUNDING,
    SCHEDULE,
    SEED,
    SIZE,
    STEPS,
    STEPS_2,
    TIME_2,
    grid,
    hermite,
    noised,
    normal_logpdf,
    normals,
    process_of,
)

BOUND, FORMS = "tinydiff.diffusion.bound", "tinydiff.diffusion.forms"
SPREAD = Param(1.5, 0.2, 5.0, log=True)


def kl_by_quadrature(mean_1, var_1, mean_2, var_2):
    """int p1 log(p1 / p2) of two Gaussians on the line, on a grid around p1."""
    x, dx = grid(mean_1, np.sqrt(var_1))
    log_p1 = normal_logpdf(x, mean_1, var_1)
    return np.exp(log_p1) @ (log_p1 - normal_logpdf(x, mean_2, var_2)) * dx


def step_divergence(schedule, T, t, x0, x0_hat, xt):
    """KL of q(x_{t-1} | x_t, x_0) from the step with x0_hat and the same variance, by quadrature.

    In units of the step's standard deviation, so that the grid never has to resolve a narrow peak
    far from 0. Summed over the dimensions."""
    mean, variance = by_precision(schedule, T, t, x0, xt)
    shift = (by_precision(schedule, T, t, x0_hat, xt)[0] - mean) / np.sqrt(variance)
    return sum(kl_by_quadrature(0.0, 1.0, difference, 1.0) for difference in shift)


@equation(
    "bound.kl-equal-variance",
    "Gaussians of one covariance: half the squared distance over the variance.",
    r"D_{KL}\left(\mathcal{N}(\mu_1, \sigma^2 I) \,\|\, \mathcal{N}(\mu_2, \sigma^2 I)\right)"
    r" = \frac{1}{2\sigma^2} \|\mu_1 - \mu_2\|^2",
    source="nus-l8 L235, L243, L390, L511",
    implements=f"{FORMS}:kl_form",
    tolerance=QUADRATURE,
    d=SIZE, seed=SEED, variance=SPREAD,
)  # fmt: skip
def kl_equal_variance(d, seed, variance):
    """Coordinates are independent, so the divergence is the sum of theirs: right, by quadrature.
    It may be 0, so 1 is added to both sides."""
    m1, m2 = normals(seed, d, d)
    left = forms.kl_form(m1[None], variance, m2[None], variance)[0]
    return 1 + left, 1 + sum(kl_by_quadrature(a, variance, b, variance) for a, b in zip(m1, m2))


@equation(
    "bound.kl-isotropic",
    "Isotropic Gaussians: the variances count d times.",
    r"D_{KL} = \frac{1}{2}\left[d \log\frac{\sigma_2^2}{\sigma_1^2} +"
    r" d\,\frac{\sigma_1^2}{\sigma_2^2}"
    r" - d + \frac{\|\mu_2-\mu_1\|^2}{\sigma_2^2}\right]",
    source="nus-l8 L237, L239 (where the factor d is missing)",
    implements=f"{FORMS}:kl_form",
    tolerance=QUADRATURE,
    d=SIZE, seed=SEED, var_1=Param(0.5, 0.2, 5.0, log=True), var_2=SPREAD,
)  # fmt: skip
def kl_isotropic(d, seed, var_1, var_2):
    """As above with two variances."""
    m1, m2 = normals(seed, d, d)
    left = forms.kl_form(m1[None], var_1, m2[None], var_2)[0]
    return 1 + left, 1 + sum(kl_by_quadrature(a, var_1, b, var_2) for a, b in zip(m1, m2))


@equation(
    "bound.x0-form",
    "A step's divergence is a weight times the squared error of x_0.",
    r"D_{KL} = \frac{1}{2\sigma^2(t)} \frac{(1-\alpha_t)^2\,\bar\alpha_{t-1}}{(1-\bar\alpha_t)^2}"
    r" \|\tilde x_0(x_t) - x_0\|^2 = \frac{\mathrm{SNR}(t-1) - \mathrm{SNR}(t)}{2}"
    r" \|\tilde x_0 - x_0\|^2",
    source="nus-l8 L398, L407, L435, L441, L455, L477; Kingma et al. 2021, equation 13",
    implements=f"{FORMS}:x0_form",
    tolerance=1e-8,  # the difference of SNR's loses 1 / (1 - alpha_t): 1e5 u; and quadrature
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def x0_form(schedule, T, t, seed):
    """The two means differ by the weight of x_0 in them; squared and divided by 2 beta-tilde it
    is half the fall of the signal-to-noise ratio. x0_hat is taken a few standard deviations of
    x_{t-1} from x_0, where the quadrature on the right resolves both densities."""
    process = process_of(schedule, T)
    x0, _, xt = noised(process, t, seed)
    x0_hat = x0 + normals(seed + 1, 4)[0] / np.sqrt(process.snr[t - 1] - process.snr[t])
    left = forms.x0_form(process, t, x0[None], x0_hat[None])[0]
    return left, step_divergence(schedule, T, t, x0, x0_hat, xt)


@equation(
    "bound.eps-form",
    "The same divergence as a weight times the squared error of the noise.",
    r"D_{KL} = \frac{1}{2\sigma^2(t)} \frac{(1-\alpha_t)^2}{\alpha_t (1-\bar\alpha_t)}"
    r" \|\epsilon_\theta(x_t, t) - \epsilon\|^2",
    source="nus-l8 L511, L519, L527 (where the weight is that of x_0); Ho et al. 2020, equation 12",
    implements=f"{FORMS}:eps_form",
    tolerance=1e-8,  # as above
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def eps_form(schedule, T, t, seed):
    """x_0 - x0_hat = -sqrt((1 - alpha_bar_t) / alpha_bar_t) (eps - eps_hat): another factor 1 /
    SNR(t)."""
    process = process_of(schedule, T)
    x0, eps, xt = noised(process, t, seed)
    fall = process.snr[t - 1] - process.snr[t]
    eps_hat = eps + np.sqrt(process.snr[t] / fall) * normals(seed + 1, 4)[0]
    left = forms.eps_form(process, t, eps[None], eps_hat[None])[0]
    x0_hat = x0 - (eps_hat - eps) / np.sqrt(process.snr[t])
    return left, step_divergence(schedule, T, t, x0, x0_hat, xt)


@equation(
    "bound.snr-form",
    "The weight on the noise is the relative fall of the SNR.",
    r"D_{KL} = \frac{1}{2}\left(e^{\gamma_t - \gamma_{t-1}} - 1\right) \|\epsilon_\theta -"
    r" \epsilon\|^2,"
    r"\qquad \gamma_t = -\log \mathrm{SNR}(t)",
    source="Kingma et al. 2021, equation 16",
    implements=f"{FORMS}:snr_form",
    tolerance=1e-8,  # as above
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def snr_form(schedule, T, t, seed):
    """SNR(t-1) / SNR(t) - 1, from the x_0 form divided by SNR(t)."""
    process = process_of(schedule, T)
    x0, eps, xt = noised(process, t, seed)
    fall = process.snr[t - 1] - process.snr[t]
    eps_hat = eps + np.sqrt(process.snr[t] / fall) * normals(seed + 1, 4)[0]
    left = forms.snr_form(process, t, eps[None], eps_hat[None])[0]
    x0_hat = x0 - (eps_hat - eps) / np.sqrt(process.snr[t])
    return left, step_divergence(schedule, T, t, x0, x0_hat, xt)


@equation(
    "bound.continuous-form",
    "In continuous time the bound is an integral over log SNR.",
    r"\frac{1}{2} \int_s^t \gamma'(\tau)\, \|\epsilon_\theta - \epsilon\|^2 d\tau"
    r" = \frac{\mathrm{SNR}(s) - \mathrm{SNR}(t)}{2} \|\tilde x_0 - x_0\|^2",
    source="Kingma et al. 2021, equation 17",
    implements=f"{FORMS}:continuous_form",
    tolerance=QUADRATURE,
    seed=SEED, start=Param(-2.0, -6.0, 2.0), rise=Param(1.5, 0.1, 5.0, log=True),
)  # fmt: skip
def continuous_form(seed, start, rise):
    """Left: gamma rises from `start` by `rise` with the square of time; x0_hat is held, so the
    error of the noise is SNR |x0 - x0_hat|^2. Right: SNR gamma' = -SNR', integrated."""
    x0, x0_hat, eps = (v[None] for v in normals(seed, 4, 4, 4))

    def integrand(time):
        eps_hat = eps + np.exp(-(start + rise * time**2) / 2) * (x0 - x0_hat)
        return forms.continuous_form(2 * rise * time, eps, eps_hat)[0]

    fall = np.exp(-start) - np.exp(-start - rise)
    return quad(integrand, 0, 1, epsabs=0, epsrel=1e-11)[0], fall / 2 * ((x0 - x0_hat) ** 2).sum()


@equation(
    "bound.prior",
    "L_T: how far x_T still is from the noise that sampling starts with.",
    r"D_{KL}\left(q(x_T \mid x_0)\,\|\,\mathcal{N}(0, I)\right)"
    r" = \frac{1}{2}\left[\bar\alpha_T \left(\|x_0\|^2 - d\right) - d \log(1-\bar\alpha_T)\right]",
    source="nus-l8 L201, L308, L449, L451 (where it is set to 0)",
    implements=f"{BOUND}:prior",
    tolerance=1e-7,  # it falls to 1e-9 (cosine), and the right side errs by 1e-16
    schedule=SCHEDULE, T=STEPS, seed=SEED,
)  # fmt: skip
def prior(schedule, T, seed):
    """Right: quadrature. While x_T still holds a signal, of p log(p/q); later of p log(p/q) - p
    + q, which has the same integral and no negative values, so that a small divergence keeps its
    digits."""
    (x0,) = normals(seed, 3)
    process = process_of(schedule, T)
    mean, noise = np.sqrt(process.alphas_bar[T]) * x0, process.one_minus_alphas_bar[T]
    left = bound.prior(process, x0[None])[0]
    if noise < 0.5:
        return left, sum(kl_by_quadrature(m, noise, 0.0, 1.0) for m in mean)
    right = 0.0
    for m in mean:
        x, dx = grid(0.0, 1.0, reach=16)
        ratio = normal_logpdf(x, 0, 1) - normal_logpdf(x, m, noise)  # log(q / p)
        right += np.exp(normal_logpdf(x, m, noise)) @ (np.expm1(ratio) - ratio) * dx
    return left, right


@equation(
    "bound.reconstruction",
    "L_0: the last step as a density, of variance beta_1.",
    r"-\mathbb{E}_{q(x_1 \mid x_0)} \log p(x_0 \mid x_1) = \frac{d}{2} \log 2\pi\sigma_1^2"
    r" + \frac{1}{2\sigma_1^2}\, \mathbb{E} \|\tilde x_0(x_1) - x_0\|^2,\qquad \sigma_1^2 ="
    r" \beta_1",
    source="nus-l8 L421, L425, L429, L431 (where sigma_1 is 0)",
    implements=f"{BOUND}:terms",
    tolerance=QUADRATURE,
    schedule=SCHEDULE, T=STEPS, x=Param(0.7, -2.0, 2.0),
)  # fmt: skip
def reconstruction(schedule, T, x):
    """Left: the column of L_0, averaged over noise at the nodes of Gauss and Hermite. Right:
    -log of the decoder's density, on a grid of x_1. The model predicts x_0 = tanh(x_1)."""
    process = process_of(schedule, T)
    z, w = hermite(100)
    x0 = np.full((len(z), 1), x)
    model = lambda xt, t: np.tanh(xt)  # noqa: E731
    found = bound.terms(
        model, process, x0, noise=lambda t, shape: z[:, None], ts=[1], predicts="x0"
    )
    nodes, dx = grid(0.0, 1.0)
    x1 = np.sqrt(process.alphas[1]) * x + np.sqrt(process.betas[1]) * nodes
    log_p = normal_logpdf(x, np.tanh(x1), process.betas[1])
    return w @ found.L[:, 1], -np.exp(normal_logpdf(nodes, 0, 1)) @ log_p * dx


@equation(
    "bound.decoder",
    "L_0 for pixels: the Gaussian's mass in the bin of a level.",
    r"p(x_0 \mid x_1) = \int_{x_0 - h}^{x_0 + h} \mathcal{N}(u; \mu, \sigma^2)\, du,\quad"
    r" h = \tfrac{1}{255},\ \text{the outer bins open}",
    source="nus-l8 L421; Ho et al. 2020, equation 13",
    implements="tinydiff.diffusion.decoder:discretized",
    tolerance=QUADRATURE,
    levels=Param(256, 2, 256), mean=Param(0.1, -1.2, 1.2), std=Param(0.05, 0.003, 2.0, log=True),
)  # fmt: skip
def discretized(levels, mean, std):
    """Left: probabilities of all levels, and their sum. Right: differences of scipy's ndtr."""
    x = np.linspace(-1, 1, levels)
    left = np.exp(decoder.discretized(x, mean, 2 * np.log(std), levels))
    edges = (x[:-1] + x[1:]) / 2
    right = np.diff(np.concatenate([[0.0], ndtr((edges - mean) / std), [1.0]]))
    return (left, left.sum()), (right, 1.0)


@equation(
    "bound.total",
    "The terms add up to -log p(x_0) and Jensen's gap.",
    r"L_T + \sum_{t=2}^T L_{t-1} + L_0 = -\log p_\theta(x_0)"
    r" + D_{KL}\left(q(x_{1:T} \mid x_0)\,\|\,p_\theta(x_{1:T} \mid x_0)\right)",
    source="nus-l8 L249, L407, L441, L455; Ho et al. 2020, equation 5",
    implements=f"{BOUND}:terms",
    tolerance=QUADRATURE,  # dense matrices of condition up to 1e4
    schedule=SCHEDULE, T=Param(8, 1, 12), mean=Param(1.0, -2.0, 2.0),
    spread=SPREAD, x=Param(0.7, -2.0, 2.0), variance=Param("beta", choices=("beta", "posterior")),
)  # fmt: skip
def total(schedule, T, mean, spread, x, variance):
    """The model is the exact one for data N(mean, spread), so each step is linear and whole
    paths are Gaussian vectors of T numbers. Left: the sum of the terms, by Gauss and Hermite.
    Right: both quantities from the dense mean and covariance of the model's path."""
    process = process_of(schedule, T)
    z, w = hermite(8)  # exact: the terms are quadratic in the noise
    model, log_evidence, gap = dense_chain(process, mean, spread, x, variance)
    x0 = np.full((len(z), 1), x)
    found = bound.terms(
        model, process, x0, noise=lambda t, shape: z[:, None], predicts="x0", variance=variance
    )
    return w @ found.total, gap - log_evidence


@equation(
    "bound.bits",
    "Nats become bits per dimension.",
    r"\mathrm{bits/dim} = \frac{\mathrm{nats}}{d \log 2}",
    source="Ho et al. 2020, section 4",
    implements="tinydiff.diffusion.estimate:Bound.bits_per_dim",
    tolerance=ROUNDING,
    d=SIZE, seed=SEED,
)  # fmt: skip
def bits(d, seed):
    """A code of `nats` nats for d numbers, in base 2. Right: the mean code length, log2 of 1
    / p."""
    nats, prior_nats = map(np.abs, normals(seed, (5, 3), 5))
    p = np.exp(-(nats.sum(axis=1) + prior_nats))
    return bound.Bound(L_T=prior_nats, L=nats, dims=d).bits_per_dim, -np.log2(p).mean() / d

"""The other generative models: the autoencoder's bound, the adversary's game, the diffusion
loss."""

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from .. import functional
from ..gaussian import PPCA
from ..models import gan, vae
from .entry import Param, equation
from .settings import (
    POINT,
    QUADRATURE,
    ROUNDING,
    SEED,
    SIZE,
    grid,
    hermite,
    normal_logpdf,
    normal_pdf,
    normals,
)

SPREAD = Param(0.4, 0.1, 3.0, log=True)


@equation(
    "vae.bound",
    "The autoencoder's bound misses log p(x) by the encoder's error.",
    r"\log p(x) = \underbrace{\mathbb{E}_{q(z|x)} \log p(x \mid z) - D_{KL}\left(q(z \mid"
    r" x)\,\|\,p(z)"
    r"\right)}_{ELBO} + D_{KL}\left(q(z \mid x)\,\|\,p(z \mid x)\right)",
    source="ub-slides L194, L197, L198; ub-lecture L583; Kingma and Welling 2014, equation 1",
    implements="tinydiff.models.vae:elbo", tolerance=QUADRATURE,
    x=POINT, slope=Param(1.3, 0.2, 3.0), noise=SPREAD, mean=Param(0.2, -2.0, 2.0), variance=SPREAD,
)  # fmt: skip
def vae_bound(x, slope, noise, mean, variance):
    """p(z) = N(0, 1) and p(x | z) = N(slope z, noise): everything is Gaussian, and q = N(mean,
    variance) is any encoder. Left: the bound, its likelihood averaged over draws at Hermite's
    nodes, plus the encoder's divergence by quadrature. Right: log p(x) = log N(x; 0, slope^2 +
    noise)."""
    z, w = hermite(20)
    draws = mean + np.sqrt(variance) * z
    rows = np.full((len(z), 1), mean), np.full((len(z), 1), np.log(variance))
    bound = w @ vae.elbo(normal_logpdf(x, slope * draws, noise), *rows)
    posterior = PPCA(np.zeros(1), np.array([[slope]]), noise).posterior(np.array([x]))
    nodes, dz = grid(mean, np.sqrt(variance))
    log_q = normal_logpdf(nodes, mean, variance)
    gap = np.exp(log_q) @ (log_q - posterior.logpdf(nodes[:, None])) * dz
    return bound + gap, normal_logpdf(x, 0.0, slope**2 + noise)


@equation(
    "vae.divergence",
    "The encoder's divergence from the prior, in closed form.",
    r"D_{KL}\left(\mathcal{N}(\mu, \sigma^2)\,\|\,\mathcal{N}(0, I)\right) ="
    r" \frac{1}{2}\sum_j\left(\mu_j^2 + \sigma_j^2 - 1 - \log\sigma_j^2\right)",
    source="ub-lecture L583; Kingma and Welling 2014, appendix B",
    implements="tinydiff.models.vae:gaussian_kl", tolerance=QUADRATURE,
    d=SIZE, seed=SEED,
)  # fmt: skip
def vae_divergence(d, seed):
    """Right: by quadrature, coordinate by coordinate."""
    mean, log_var = normals(seed, (1, d), (1, d))
    right = 0.0
    for m, v in zip(mean[0], np.exp(log_var[0])):
        z, dz = grid(0.0, 1.0)
        log_ratio = -(z**2) / 2 - np.log(v) / 2 + (m + np.sqrt(v) * z) ** 2 / 2
        right += normal_pdf(z, 0, 1) @ log_ratio * dz
    return vae.gaussian_kl(mean, log_var), np.array([right])


@equation(
    "vae.loss",
    "The autoencoder's loss: reconstruction and divergence.",
    r"\mathcal{L}_{VAE} = -\mathbb{E}_{q}\log p(x \mid z) + D_{KL}\left(q(z \mid"
    r" x)\,\|\,p(z)\right)",
    source="ub-lecture L583",
    implements="tinydiff.models.vae:elbo", tolerance=ROUNDING,
    d=SIZE, seed=SEED,
)  # fmt: skip
def vae_loss(d, seed):
    """A decoder of variance 1. Left: minus the bound at one draw. Right: half the squared error,
    its constant, and the divergence term by term."""
    x, decoded, mean, log_var = normals(seed, (1, d), (1, d), (1, d), (1, d))
    log_likelihood = normal_logpdf(x, decoded, 1.0).sum(axis=1)
    reconstruction = ((x - decoded) ** 2).sum() / 2 + d / 2 * np.log(2 * np.pi)
    divergence = sum(m * m + np.exp(v) - 1 - v for m, v in zip(mean[0], log_var[0])) / 2
    return -vae.elbo(log_likelihood, mean, log_var), np.array([reconstruction + divergence])


@equation(
    "vae.reparametrisation",
    "A draw written as mean plus scaled noise can be differentiated.",
    r"z = \mu + \sigma\epsilon:\quad"
    r" \nabla_{\mu,\sigma}\,\mathbb{E}_{\mathcal{N}(\mu,\sigma^2)} f(z) ="
    r" \mathbb{E}_{\epsilon}\,\nabla_{\mu,\sigma} f(\mu + \sigma\epsilon)",
    source="ub-slides L113, L191; Kingma and Welling 2014, section 2.4",
    implements="tinydiff.models.vae:reparametrise", tolerance=1e-10,
    mean=Param(0.7, 0.2, 2.0), log_var=Param(-0.5, -2.0, 1.0),
)  # fmt: skip
def reparametrisation(mean, log_var):
    """f(z) = z^3 - z^2, so E f = mean^3 + 3 mean v - mean^2 - v. Left: the gradient of the
    average over draws at Hermite's nodes, by the tape. Right: the gradient of E f."""
    z, w = hermite(8)

    def average(mean, log_var):
        draw = vae.reparametrise(mean, log_var, z)
        return (draw * draw * (draw - 1) * w).sum()

    left = functional.grad(average, (0, 1))(np.array(mean), np.array(log_var))
    v = np.exp(log_var)
    return np.array(left), np.array([3 * mean**2 + 3 * v - 2 * mean, v * (3 * mean - 1)])


def two_densities(x, shift, variance):
    """(log p_data, log p_model) at x."""
    return normal_logpdf(x, 0.0, 1.0), normal_logpdf(x, shift, variance)


@equation(
    "gan.optimal-discriminator",
    "The best discriminator: the share of the data in both densities.",
    r"D^*(x) = \frac{p_{data}(x)}{p_{data}(x) + p_{model}(x)}",
    source="ub-lecture L516; ch327 L73; Goodfellow et al. 2014, proposition 1",
    implements="tinydiff.models.gan:optimal_discriminator", tolerance=QUADRATURE,
    x=POINT, shift=Param(1.0, -2.0, 2.0), variance=SPREAD,
)  # fmt: skip
def optimal_discriminator(x, shift, variance):
    """At one x the game is p_data log D + p_model log(1 - D). Its slope in the logit of D falls
    from p_data to -p_model. Right: D where it is 0, found by scipy."""
    log_data, log_model = two_densities(x, shift, variance)
    share = np.exp(log_data - np.logaddexp(log_data, log_model))  # both divided by their sum
    D = lambda logit: 1 / (1 + np.exp(-logit))  # noqa: E731
    slope = lambda logit: share * (1 - D(logit)) - (1 - share) * D(logit)  # noqa: E731
    return gan.optimal_discriminator(log_data, log_model), D(brentq(slope, -700, 700, xtol=1e-13))


@equation(
    "gan.value",
    "Against the best discriminator the game is a Jensen-Shannon divergence.",
    r"\max_D\ \mathbb{E}_{data}\log D + \mathbb{E}_{model}\log(1-D) = 2\,JS(p_{data},"
    r" p_{model}) - \log 4",
    source="Goodfellow et al. 2014, theorem 1",
    implements="tinydiff.models.gan:value", tolerance=QUADRATURE,
    shift=Param(1.0, -2.0, 2.0), variance=SPREAD,
)  # fmt: skip
def gan_value(shift, variance):
    """Left: the value at one pair of draws, averaged over both densities by weights on a grid.
    Right: 2 JS = KL(p || m) + KL(q || m), m the mean of both densities, by adaptive quadrature."""
    z, dz = grid(0.0, 1.0, reach=9, nodes=301)
    logit = lambda x: np.subtract(*two_densities(x, shift, variance))  # noqa: E731
    at_data, at_model = logit(z), logit(shift + np.sqrt(variance) * z)
    values = [gan.value(a[None], b[None]) for a, b in zip(at_data, at_model)]
    left = normal_pdf(z, 0, 1) @ values * dz

    def integrand(x):
        log_p, log_q = two_densities(x, shift, variance)
        log_m = np.logaddexp(log_p, log_q) - np.log(2)
        return np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)

    js2 = quad(integrand, -20, 20, epsabs=1e-12, limit=400, points=[0, shift])[0]
    return left, js2 - np.log(4)

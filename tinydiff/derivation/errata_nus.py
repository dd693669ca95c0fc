"""Errata of nus-l8 in its derivation of the bound: divergences, weights, constants, inequalities.

Wrong numbers are recorded to six digits at the settings named in each entry; DDPM is the linear
schedule 1e-4 ... 0.02 with T = 1000.
"""

import math

import numpy as np

from ..diffusion import bound, forms
from ..diffusion.mixture import GaussianMixture
from ..diffusion.process import Process
from ..diffusion.schedules import linear
from ..gaussian import Gaussian
from .chain import DiscreteChain
from .elbo import expect, paths
from .entry import erratum
from .posterior import by_precision
from .settings import DDPM, MIXTURE, grid, normal_logpdf, normal_pdf
from .terms import kl_by_quadrature, step_divergence
from .variance import unexplained

DIGITS = 2e-6  # numbers are recorded to six digits or more


@erratum(
    "E-B3", "The loss on the noise carries the weight of the loss on x_0.", verdict="WRONG",
    printed=r"\frac{1}{2\sigma^2(t)}\frac{(1-\alpha_t)^2\bar\alpha_{t-1}}{(1-\bar\alpha_t)^2}"
    r"\|\epsilon_\theta-\epsilon\|^2",
    correct=r"\frac{1}{2\sigma^2(t)}\frac{(1-\alpha_t)^2}{\alpha_t(1-\bar\alpha_t)}"
    r"\|\epsilon_\theta-\epsilon\|^2",
    source="nus-l8 L519, L527", implements="tinydiff.diffusion.forms:eps_form", tolerance=DIGITS,
)  # fmt: skip
def b3():
    """DDPM, |x_0 - x0_hat| = 1/2. Printed: too large by exactly SNR(t), 4546 at t = 2, 8.7 at t
    = 100 and 4e-5 at t = 1000. Right: the KL at t = 2 is 681.58 by quadrature, and the ratios
    are SNR(t)."""
    process, t = DDPM, np.array([2, 100, 1000])
    tilde, noise = process.posterior_variance[t], process.one_minus_alphas_bar[t]
    error = 0.25 * process.snr[t]  # of the noise, for that error of x_0
    weight = process.betas[t] ** 2 * process.alphas_bar[t - 1] / (2 * tilde * noise**2)
    true = [forms.eps_form(process, int(i), np.zeros((1, 1)), np.sqrt(np.full((1, 1), e)))[0]
            for i, e in zip(t, error)]  # fmt: skip
    one = step_divergence("linear", 1000, 2, np.array([0.0]), np.array([0.5]), np.array([0.3]))
    left = (weight[0] * error[0], *(weight * error / true)), true[0]
    return left, ((3098707.78, 4546.35766, 8.71044857, 4.03599265e-5), one)


@erratum(
    "E-B4", "The divergence of two Gaussians has lost its factor 1/2.", verdict="WRONG",
    printed=r"D_{KL} = \frac{1}{\sigma^2(t)}\|\mu_1-\mu_2\|^2",
    correct=r"D_{KL} = \frac{1}{2\sigma^2(t)}\|\mu_1-\mu_2\|^2",
    source="nus-l8 L390", implements="tinydiff.diffusion.forms:kl_form", tolerance=DIGITS,
)  # fmt: skip
def b4():
    """DDPM at t = 2, |x_0 - x0_hat| = 1/2: 1363.16 instead of 681.58, by quadrature."""
    mean, variance = DDPM.q_posterior(np.array([[0.0]]), np.array([[0.3]]), 2)
    other, _ = DDPM.q_posterior(np.array([[0.5]]), np.array([[0.3]]), 2)
    left = ((mean - other) ** 2).sum() / variance, forms.kl_form(mean, variance, other, variance)[0]
    one = step_divergence("linear", 1000, 2, np.array([0.0]), np.array([0.5]), np.array([0.3]))
    return left, (1363.16059, one)


@erratum(
    "E-B5", "The divergence has the wrong sign where it is spelt out.", verdict="WRONG",
    printed=r"D_{KL} = \int p_1 \log\frac{p_2}{p_1}",
    correct=r"D_{KL} = \int p_1 \log\frac{p_1}{p_2}",
    source="nus-l8 L219", implements="tinydiff.gaussian:Gaussian.kl", tolerance=DIGITS,
)  # fmt: skip
def b5():
    """N(0, 1) from N(1, 2): -0.346574 for a divergence of 0.346574 = log(2) / 2. With that sign
    the three terms are no bound any more: on a chain of 4 states and 3 steps they come to
    -0.299, above log p(x_0) = -1.478."""
    x, dx = grid(0.0, 1.0)
    printed = normal_pdf(x, 0, 1) @ (normal_logpdf(x, 1, 2) - normal_logpdf(x, 0, 1)) * dx
    chain = DiscreteChain.random(4, 3, np.random.default_rng(0))
    steps = sum(chain.step_divergence(0, t) for t in (2, 3))
    no_bound = chain.reconstruction(0) + chain.prior_divergence(0) + steps
    left = (printed, no_bound, chain.log_evidence(0)), Gaussian(0.0, 1.0).kl(Gaussian(1.0, 2.0))
    return left, ((-0.346573590, -0.299037453, -1.47766205), kl_by_quadrature(0.0, 1.0, 1.0, 2.0))


@erratum(
    "E-B6", "The divergence of Gaussians in d dimensions counts one dimension only.",
    verdict="WRONG",
    printed=r"\tfrac12\left[\log\tfrac{\sigma_2^2}{\sigma_1^2}+\tfrac{\sigma_1^2}{\sigma_2^2}-1"
    r"+\tfrac{\|\mu_2-\mu_1\|^2}{\sigma_2^2}\right]",
    correct=r"\tfrac12\left[d\log\tfrac{\sigma_2^2}{\sigma_1^2}+d\tfrac{\sigma_1^2}{\sigma_2^2}-d"
    r"+\tfrac{\|\mu_2-\mu_1\|^2}{\sigma_2^2}\right]",
    source="nus-l8 L237", implements="tinydiff.gaussian:Gaussian.kl", tolerance=DIGITS,
)  # fmt: skip
def b6():
    """Variances 1 and 4, means 1/2 apart in every coordinate; d = 1 (right as printed), 3 and
    10."""
    d = np.array([1, 3, 10])
    printed = (np.log(4) + 1 / 4 - 1 + d * 0.25 / 4) / 2
    true = [Gaussian(np.zeros(n), 1.0).kl(Gaussian(np.full(n, 0.5), 4.0)) for n in d]
    recorded = np.array([0.349397181, 0.411897181, 0.630647181])
    return (printed, np.array(true)), (recorded, d * kl_by_quadrature(0.0, 1.0, 0.5, 4.0))


@erratum(
    "E-B7", "The posterior's exponent is written in x_t; it is a density of x_{t-1}.",
    verdict="WRONG",
    printed=r"\exp\left(-\frac{(x_t-\mu)^2}{2\sigma^2(t)}\right)",
    correct=r"\exp\left(-\frac{(x_{t-1}-\mu)^2}{2\sigma^2(t)}\right)",
    source="nus-l8 L360", implements="tinydiff.diffusion.process:Process.q_posterior",
    tolerance=DIGITS,
)  # fmt: skip
def b7():
    """DDPM, t = 500, x_0 = 1.7, x_t = -0.4, at x_{t-1} one standard deviation above its mean:
    the exponent is -1/2, which as printed would be -0.0028612 there and everywhere. Also mean
    and variance, which L364 has right: -0.392423547 and 0.010031355, by adding precisions."""
    mean, variance = DDPM.q_posterior(np.array([1.7]), np.array([-0.4]), 500)
    printed = -((-0.4 - mean[0]) ** 2) / (2 * variance)
    center, var = by_precision("linear", 1000, 500, 1.7, -0.4)
    at = center + math.sqrt(var)
    exponent = -((at - mean[0]) ** 2) / (2 * variance)
    return (printed, (exponent, mean[0], variance)), (-2.86116057e-3, (-0.5, center, var))


@erratum(
    "E-B9", "The last step is given a variance of 0, so the bound is infinite.", verdict="WRONG",
    printed=r"\log p(x_0 \mid x_1) = \log\mathcal{N}(\mu,\ \sigma^2(1)),\ \sigma^2(1)=0",
    correct=r"\sigma_1^2 = \beta_1,\ \text{or a decoder for discrete data}",
    source="nus-l8 L423, L429, L431", implements="tinydiff.diffusion.bound:variances",
    tolerance=DIGITS,
)  # fmt: skip
def b9():
    """sigma^2(1) = (1 - alpha_1)(1 - alpha_bar_0) / (1 - alpha_bar_1) = 0 exactly, as
    alpha_bar_0 = 1. The best value is near beta_1: on the mixture E Var(x_0 | x_1) is 0.99899 of
    it."""
    alpha_bar_0, alpha_1 = 1.0, 1 - DDPM.betas[1]
    printed = (1 - alpha_1) * (1 - alpha_bar_0) / (1 - alpha_1)
    best = unexplained(DDPM.alphas_bar[1], DDPM.one_minus_alphas_bar[1])
    table = bound.variances(DDPM)
    return (printed, (table[1], best / table[1])), (0.0, (1e-4, 0.99899))


@erratum(
    "E-B13", "L_T is not 0: it is small only if the schedule ends in noise.", verdict="MISLEADING",
    printed=r"D_{KL}\left(p(x_T \mid x_0), p(x_T)\right) = 0",
    correct=r"\tfrac12\left(\bar\alpha_T x_0^2 - \bar\alpha_T - \log(1-\bar\alpha_T)\right)",
    source="nus-l8 L308, L449, L451", implements="tinydiff.diffusion.bound:prior", tolerance=DIGITS,
)  # fmt: skip
def b13():
    """Nats per dimension at x_0^2 = 1 for T = 1000, 200 and 100 steps from 1e-4 to 0.02, and at
    x_0^2 = 4.09 for T = 100: 2.0e-5, 0.0709, 0.2259 and 0.7876. Right: quadrature."""
    cases = [(1000, 1.0), (200, 1.0), (100, 1.0), (100, 4.09)]
    left, right = [], []
    for T, square in cases:
        process = Process(linear(T))
        left.append(bound.prior(process, np.array([[math.sqrt(square)]]))[0])
        mean = math.sqrt(process.alphas_bar[T] * square)
        right.append(kl_by_quadrature(mean, process.one_minus_alphas_bar[T], 0.0, 1.0))
    return ((0.0,) * 4, tuple(left)), ((0.0,) * 4, tuple(right))


def gaussian_bound(process):
    """(claim, ELBO) for data N(0, 1), the exact model and sigma^2 = beta-tilde, beta_1 at t = 1."""
    betas, ab, noise = process.betas[1:], process.alphas_bar, process.one_minus_alphas_bar
    sigma2 = np.append(betas[0], (betas * noise[:-1] / noise[1:])[1:])
    squares = ab[:-1] * betas**2 / (2 * sigma2 * noise[1:])  # E |x0 - x0_hat|^2 = 1 - alpha_bar
    constants = np.log(2 * np.pi * betas[0]) / 2 - np.log(noise[-1]) / 2  # of L_0, and L_T
    return -squares.sum(), -squares.sum() - constants


@erratum(
    "E-B14", "Without its constants the sum of squares is no bound on log p(x).", verdict="WRONG",
    printed=r"\log p(x) \ge -\sum_t \frac{1}{2\sigma^2(t)} \cdots \|\tilde x_0 - x_0\|^2",
    correct=r"\cdots - \tfrac{d}{2}\log 2\pi\sigma_1^2 - L_T",
    source="nus-l8 L441, L455, L477", tolerance=DIGITS,
    implements="tinydiff.diffusion.mixture:GaussianMixture.bound",
)  # fmt: skip
def b14():
    """Data N(0, 1), where E log p = -1.41894, and the exact model. Claimed for T = 1 (beta =
    0.9), T = 4 (0.5 ... 0.9) and DDPM: -0.5 and -0.92 lie above the truth; -5.57 is valid, but
    3.69 nats below the bound with its constants. Corrected: the bound, which is E log p itself
    at T = 1."""
    chains = [Process([0, 0.9]), Process([0, *np.linspace(0.5, 0.9, 4)]), DDPM]
    data = GaussianMixture([1.0], [0.0], [1.0])
    left = [-data.bound(process).total[0] for process in chains]
    claims, bounds = np.transpose([gaussian_bound(process) for process in chains])
    return (tuple(claims), tuple(left)), ((-0.5, -0.922831361, -5.57004233), tuple(bounds))


@erratum(
    "E-B16", "'>=' stands before every line; only Jensen's is an inequality.", verdict="MISLEADING",
    printed=r"\log p(x) \ge \cdots \ge \cdots \ge \cdots",
    correct=r"\log p(x) \ge \cdots = \cdots = \cdots",
    source="nus-l8 L149, L177-187", implements="tinydiff.derivation.chain:DiscreteChain.bound",
    tolerance=DIGITS,
)  # fmt: skip
def b16():
    """A chain of 4 states and 3 steps. Left: what the first '>=' loses, by the bound; then the
    lines after it, which lose nothing. Right: the recorded loss; the same expectation over all
    paths each time."""
    chain = DiscreteChain.random(4, 3, np.random.default_rng(0))
    steps = sum(chain.step_divergence(0, t) for t in (2, 3))
    lines = [
        chain.first_term(0) + chain.second_term(0),
        chain.first_term(0) + chain.telescoped(0) - steps,
        chain.bound(0),
    ]
    jensen = expect(chain, 0, lambda path: math.log(path.p / path.q))
    return (chain.log_evidence(0) - lines[-1], np.array(lines)), (1.21695474, np.full(3, jensen))


@erratum(
    "E-B17", "One letter p for two processes: then the bound bounds nothing.", verdict="MISLEADING",
    printed=r"p(x_{1:T}\mid x_0)\ \text{and}\ p(x_{0:T})",
    correct=r"q(x_{1:T}\mid x_0)\ \text{and}\ p_\theta(x_{0:T})",
    source="nus-l8 L131-217", implements="tinydiff.derivation.chain:DiscreteChain.bound",
    tolerance=DIGITS,
)  # fmt: skip
def b17():
    """The same chain. If the reverse is q's own, the bound is log p(x_0) = log 0.1 exactly; with
    a model's reverse it lies below. Right: the data's probability; paths summed one by one."""
    chain = DiscreteChain.random(4, 3, np.random.default_rng(0))
    own = chain.reversed_exactly(np.array([0.1, 0.2, 0.3, 0.4])).bound(0)
    jensen = math.fsum(path.q * math.log(path.p / path.q) for path in paths(chain, 0))
    return (own, chain.bound(0)), (math.log(0.1), jensen)


@erratum(
    "E-B22", "The variance chosen 'by analogy' costs 0.45 nats on two modes.", verdict="MISLEADING",
    printed=r"\sigma^2(t) = \tilde\beta_t",
    correct=r"\sigma^{*2}_t = \tilde\beta_t + a_t^2\,\mathbb{E}\,\mathrm{Var}(x_0\mid x_t)",
    source="nus-l8 L368, L374, L501", tolerance=DIGITS,
    implements="tinydiff.diffusion.mixture:GaussianMixture.residual",
)  # fmt: skip
def b22():
    """DDPM and the mixture with a perfect network: the bound less the entropy is 0.44925 nats
    for beta-tilde, 0.00564 for beta and 0.00229 for the best variance. sigma^2 / beta at t = 2
    is 0.45474 for beta-tilde and 0.99879 for the best. Right: E Var(x_0 | x_t) from the modes'
    responsibilities."""
    c2, noise = DDPM.alphas_bar, DDPM.one_minus_alphas_bar
    left = mixture_costs(np.array([MIXTURE.residual(DDPM, t) for t in range(1, 1001)]))
    right = mixture_costs(np.array([unexplained(c2[t], noise[t]) for t in range(1, 1001)]))
    return (left[0], left[1:]), ((0.449250263, 0.454735766), right[1:])


def mixture_costs(error):
    """((nats, sigma_2^2 / beta_2) of beta-tilde, then of beta, then of the best), given E
    Var(x_0 | x_t)."""
    c2, noise, betas = DDPM.alphas_bar, DDPM.one_minus_alphas_bar, DDPM.betas[2:]
    tilde = betas * noise[1:-1] / noise[2:]
    best = tilde + c2[1:-1] * (betas / noise[2:]) ** 2 * error[1:]
    L_T = (c2[-1] * (4.09 - 1) - np.log(noise[-1])) / 2
    x, dx = grid(0.0, 0.3, reach=20, nodes=8001)
    log_p = np.logaddexp(normal_logpdf(x, -2, 0.09), normal_logpdf(x, 2, 0.09)) - np.log(2)
    costs = []
    for sigma2, first in ((tilde, 1e-4), (betas, 1e-4), (best, error[0])):
        steps = (np.log(sigma2 / tilde) + best / sigma2 - 1).sum() / 2
        L_0 = (np.log(2 * np.pi * first) + error[0] / first) / 2
        costs.append((L_T + steps + L_0 + np.exp(log_p) @ log_p * dx, sigma2[0] / betas[0]))
    return tuple(costs)


@erratum(
    "E-B31", "The weights dropped from the loss are far from equal.", verdict="MISLEADING",
    printed=r"L(\theta) = \sum_t \mathbb{E}\|\epsilon_\theta-\epsilon\|^2",
    correct=r"\text{a reweighting of the bound, not the bound}",
    source="nus-l8 L481, L531", implements="tinydiff.diffusion.forms:eps_form", tolerance=DIGITS,
)  # fmt: skip
def b31():
    """DDPM. Printed: weight 1 for every t. Left: the bound's weights at t = 2, 100, 1000; the
    largest over the smallest of t >= 2. Right: from the betas alone."""
    one, none = np.ones((1, 1)), np.zeros((1, 1))
    left = np.array([forms.eps_form(DDPM, t, none, one)[0] for t in range(2, 1001)])
    noise, betas = DDPM.one_minus_alphas_bar, DDPM.betas
    right = betas[2:] / (2 * (1 - betas[2:]) * noise[1:-1])
    picked = np.array([2, 100, 1000]) - 2
    recorded = 0.599671512, 0.0102669534, 0.0102045019, 120.366831
    return ((*left[picked], left.max() / left.min()), left), (recorded, right)

"""The variance of the reverse step: what is best, what is exact when, and what is lost
otherwise."""

import numpy as np
from scipy.optimize import minimize_scalar

from ..diffusion import ancestral, bound
from ..diffusion.mixture import GaussianMixture
from .entry import Param, equation
from .posterior import mixture_at
from .settings import (
    MIXTURE,
    POINT,
    ROUNDING,
    SCHEDULE,
    SEED,
    STEPS_2,
    TIME_2,
    grid,
    normal_logpdf,
    normal_pdf,
    normals,
    process_of,
)

STEP_VARIANCE = "tinydiff.diffusion.ancestral:variance_of_step"


def reverse_variance(log_before, process, t, xt):
    """Var(x_{t-1} | x_t) by Bayes on a grid, given log q(x_{t-1}), around where q(x_t | .)
    lives."""
    beta = process.betas[t]
    r = np.sqrt(1 - beta)
    x, _ = grid(xt / r, np.sqrt(beta) / r, reach=40, nodes=20001)
    log_weight = log_before(x) + normal_logpdf(xt, r * x, beta)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight @ (x - weight @ x) ** 2


@equation(
    "variance.of-the-reverse",
    "The true reverse step is as uncertain as x_0 still is, and a little more.",
    r"\mathrm{Var}(x_{t-1} \mid x_t) = \tilde\beta_t + a_t^2\, \mathrm{Var}(x_0 \mid x_t),\qquad"
    r" a_t = \frac{(1-\alpha_t)\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_t}",
    source="nus-l8 L368 (where it is chosen by analogy); Bao et al. 2022, theorem 1",
    implements="tinydiff.diffusion.mixture:GaussianMixture.var_x0",
    tolerance=1e-8,  # a_t^2 Var may be 1e-5 of the whole, which the grid gives to 1e-14
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, x=POINT,
)  # fmt: skip
def of_the_reverse(schedule, T, t, x):
    """The law of total variance: x_{t-1} given x_t and x_0 has variance beta-tilde and a mean
    that moves with a_t x_0. Left: Var(x_0 | x_t) in closed form. Right: Var(x_{t-1} | x_t) by
    Bayes on a grid, solved for it. At x_t where both modes are possible."""
    process = process_of(schedule, T)
    beta, noise, before = process.betas[t], *process.one_minus_alphas_bar[[t, t - 1]]
    a, tilde = np.sqrt(process.alphas_bar[t - 1]) * beta / noise, beta * before / noise
    xt = np.sqrt(process.alphas_bar[t]) * (x + np.array([0.0, 1.0]))
    at = mixture_at(process, t - 1)
    right = [(reverse_variance(at.logpdf, process, t, point) - tilde) / a**2 for point in xt]
    return MIXTURE.var_x0(process, xt, t), np.array(right)


@equation(
    "variance.posterior-is-exact-for-a-point",
    "Where the data is one point, beta-tilde is the reverse variance.",
    r"q(x_0) = \delta(x_0 - p):\quad \mathrm{Var}(x_{t-1} \mid x_t) = \tilde\beta_t",
    source="nus-l8 L364, L384, L647; Ho et al. 2020, section 3.2",
    implements=STEP_VARIANCE, tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2,
)  # fmt: skip
def exact_for_a_point(schedule, T, t):
    """Right: precisions add up: alpha_t / beta_t of the step and 1 / (1 - alpha_bar_{t-1}) of
    x_{t-1}."""
    process = process_of(schedule, T)
    left = ancestral.variance_of_step("ddpm", process, "posterior")(t, t - 1)
    beta, before = process.betas[t], process.one_minus_alphas_bar[t - 1]
    return left, 1 / ((1 - beta) / beta + 1 / before)


@equation(
    "variance.beta-is-exact-for-noise",
    "Where the data is N(0, 1), beta is the reverse variance.",
    r"q(x_0) = \mathcal{N}(0, I):\quad \mathrm{Var}(x_{t-1} \mid x_t) = \beta_t",
    source="Ho et al. 2020, section 3.2",
    implements=STEP_VARIANCE, tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2,
)  # fmt: skip
def exact_for_noise(schedule, T, t):
    """Every x_t is N(0, 1), so the pair has correlation sqrt(alpha_t): right, 1 - correlation^2,
    by way of the product of the betas' complements."""
    process = process_of(schedule, T)
    left = ancestral.variance_of_step("ddpm", process, "beta")(t, t - 1)
    precision = (1 - process.betas[t]) / process.betas[t] + 1  # of the step, and of N(0, 1)
    return left, 1 / precision


@equation(
    "variance.optimal",
    "The best variance is beta-tilde and what the mean gets wrong.",
    r"\sigma_t^{*2} = \tilde\beta_t + a_t^2\, \mathbb{E}\left[\mathrm{Var}(x_0 \mid x_t)\right]",
    source="nus-l8 L368, L501; Bao et al. 2022, theorem 1",
    implements="tinydiff.diffusion.bound:variances",
    tolerance=1e-6,  # a minimum is found to the square root of the rounding of its value
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, error=Param(0.3, 1e-4, 3.0, log=True),
)  # fmt: skip
def optimal(schedule, T, t, error):
    """Left: the formula for E (x_0 - x0_hat)^2 = error. Right: the minimum over log sigma^2 of E
    L_{t-1} = (log(sigma^2 / beta-tilde) + (beta-tilde + a^2 error) / sigma^2 - 1) / 2, found by
    its derivative's root: scipy's minimiser on the square of the derivative."""
    process = process_of(schedule, T)
    left = bound.variances(process, "optimal", np.full(T + 1, error))[t]
    beta, noise, before = process.betas[t], *process.one_minus_alphas_bar[[t, t - 1]]
    tilde, a2 = beta * before / noise, process.alphas_bar[t - 1] * (beta / noise) ** 2
    ratio = a2 * error / tilde
    slope = lambda log_r: (1 - (1 + ratio) * np.exp(-log_r)) ** 2  # noqa: E731 (r = sigma^2 / tilde)
    best = minimize_scalar(slope, bounds=(-1.0, np.log1p(ratio) + 1), method="bounded",
                           options={"xatol": 1e-12}).x  # fmt: skip
    return left, tilde * np.exp(best)


@equation(
    "variance.between",
    "The best variance lies between the two fixed ones, for data of variance at most 1.",
    r"\tilde\beta_t \le \sigma_t^{*2} \le \beta_t",
    source="Ho et al. 2020, section 3.2",
    implements="tinydiff.diffusion.bound:variances", tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, v=Param(0.5, 1e-6, 1.0, log=True),
)  # fmt: skip
def between(schedule, T, t, v):
    """Data N(m, v): E Var(x_0 | x_t) = v (1 - alpha_bar) / (alpha_bar v + 1 - alpha_bar). Left:
    the formula, and whether it lies between. Right: precisions of the step and of x_{t-1} added
    up."""
    process = process_of(schedule, T)
    c2, noise = process.alphas_bar, process.one_minus_alphas_bar
    best = bound.variances(process, "optimal", v * noise / (c2 * v + noise))[t]
    beta, before = process.betas[t], process.one_minus_alphas_bar[t - 1]
    tilde = beta * before / noise[t]
    ordered = tilde * (1 - ROUNDING) <= best <= beta * (1 + ROUNDING)
    return (best, float(ordered)), (1 / ((1 - beta) / beta + 1 / (c2[t - 1] * v + before)), 1.0)


@equation(
    "variance.learned",
    "A learned variance interpolates in the logarithm.",
    r"\sigma_\theta^2 = \exp\left(f \log\beta_t + (1-f) \log\tilde\beta_t\right)",
    source="Nichol and Dhariwal 2021, equation 15",
    implements="tinydiff.diffusion.ancestral:learned_variance", tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def learned(schedule, T, t, seed):
    """Right: a weighted geometric mean, by powers."""
    f = np.append(normals(seed, 3)[0], [0.0, 1.0])
    process = process_of(schedule, T)
    left = ancestral.learned_variance(process, f, t, t - 1)
    beta, before = process.betas[t], process.one_minus_alphas_bar[t - 1]
    return left, beta**f * (1 / ((1 - beta) / beta + 1 / before)) ** (1 - f)


@equation(
    "variance.cost-on-the-mixture",
    "What each variance costs on the mixture, with a perfect network.",
    r"\mathbb{E}[\mathrm{bound}] - H(x_0),\quad q(x_0) ="
    r" \tfrac12\mathcal{N}(-2, .3^2) + \tfrac12\mathcal{N}(2, .3^2)",
    source="nus-l8 L368, L501 (the choice of sigma); Ho et al. 2020, section 3.2",
    implements="tinydiff.diffusion.mixture:GaussianMixture.bound", tolerance=1e-8,
    schedule=SCHEDULE, T=Param(60, 2, 100),
    variance=Param("optimal", choices=("posterior", "beta", "optimal")),
)  # fmt: skip
def cost_on_the_mixture(schedule, T, variance):
    """Right: every term by quadrature over x_t, with E[x_0 | x_t] and Var(x_0 | x_t) from the
    two modes' responsibilities, and the entropy on a grid. At T = 1000 of the linear schedule it
    is 0.449 nats for beta-tilde, 0.0056 for beta and 0.0023 for the optimum."""
    process = process_of(schedule, T)
    left = MIXTURE.bound(process, variance).total[0] - MIXTURE.entropy()
    betas, c2, noise = process.betas, process.alphas_bar, process.one_minus_alphas_bar
    nats = (c2[T] * (4.09 - 1) - np.log(noise[T])) / 2
    for t in range(1, T + 1):
        error = unexplained(c2[t], noise[t])
        if t == 1:
            sigma2 = error if variance == "optimal" else betas[1]
            nats += (np.log(2 * np.pi * sigma2) + error / sigma2) / 2
            continue
        tilde = betas[t] * noise[t - 1] / noise[t]
        needed = tilde + c2[t - 1] * (betas[t] / noise[t]) ** 2 * error
        sigma2 = {"posterior": tilde, "beta": betas[t], "optimal": needed}[variance]
        nats += (np.log(sigma2 / tilde) + needed / sigma2 - 1) / 2
    x, dx = grid(0.0, 0.3, reach=20, nodes=8001)
    log_p = np.logaddexp(normal_logpdf(x, -2, 0.09), normal_logpdf(x, 2, 0.09)) - np.log(2)
    return left, nats + np.exp(log_p) @ log_p * dx


def unexplained(c2, noise):
    """E Var(x_0 | x_t) of the mixture: within a mode, and between the two where both are
    possible."""
    c, spread = np.sqrt(c2), 0.09 * c2 + noise
    within = 0.09 * noise / spread
    x, dx = grid(2 * c, np.sqrt(spread), nodes=2001)  # the modes meet over 0.07 of a spread or more
    near = 1 / (1 + np.exp(-np.minimum(4 * c * x / spread, 700)))
    apart = 4 * noise / spread  # distance of the modes' E[x_0 | x_t]: 4 - 4 c^2 .09 / spread
    return within + normal_pdf(x, 2 * c, spread) @ (near * (1 - near)) * dx * apart**2


@equation(
    "variance.gaussian-gap-vanishes",
    "For Gaussian data and the optimal variance only L_T and L_0 cost anything.",
    r"q(x_0) = \mathcal{N}(m, v):\quad \mathbb{E}[\mathrm{bound}] - H(x_0) ="
    r" D_{KL}\left(q(x_T) \,\|\, \mathcal{N}(0, 1)\right)",
    source="Sohl-Dickstein et al. 2015, section 2.4",
    implements="tinydiff.diffusion.mixture:GaussianMixture.bound", tolerance=1e-8,
    schedule=SCHEDULE, T=Param(60, 1, 100), m=Param(1.0, -2.0, 2.0),
    v=Param(0.3, 0.05, 3.0, log=True),
)  # fmt: skip
def gaussian_gap(schedule, T, m, v):
    """With sigma*^2 every reverse step of Gaussian data is the true one, the last too: what is
    left is the prior's distance from q(x_T), whose divergence is written out on the right. L_T
    itself is larger, by what x_T still tells of x_0; L_{t-1} and L_0 pay that back."""
    process = process_of(schedule, T)
    data = GaussianMixture([1.0], [m], [v])
    left = data.bound(process, "optimal").total[0]
    c2, noise = process.alphas_bar[T], process.one_minus_alphas_bar[T]
    mean2, spread = c2 * m**2, c2 * v + noise
    gap = (mean2 + spread - 1 - np.log(spread)) / 2
    return left, gap + (1 + np.log(2 * np.pi * v)) / 2

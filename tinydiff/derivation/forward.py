"""The forward process: one step, many steps, their composition, signal and noise."""

from decimal import Decimal, localcontext

import numpy as np

from .entry import Param, equation
from .settings import (
    MIXTURE,
    ROUNDING,
    SCHEDULE,
    SEED,
    STEPS,
    STEPS_2,
    TIME,
    TIME_2,
    betas_of,
    normals,
    process_of,
)

PROCESS = "tinydiff.diffusion.process:Process"


def moments(step, x):
    """(mean, std) of the affine map eps -> step(x, eps), read off at eps = 0 and eps = 1."""
    mean = step(x, np.zeros_like(x))
    return mean, step(x, np.ones_like(x)) - mean


@equation(
    "forward.single-step",
    "One step of noise keeps sqrt(alpha) of x and adds variance beta.",
    r"q(x_t \mid x_{t-1}) = \mathcal{N}\left(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I\right)",
    source="nus-l8 L273, L279, L320, L322, L348; ub-lecture L541; ch327 L3",
    implements=f"{PROCESS}.q_step",
    tolerance=1e-10,  # x + std minus x: cancellation at most |x| / std = 3e3, times u
    schedule=SCHEDULE, T=STEPS, t=TIME, seed=SEED,
)  # fmt: skip
def single_step(schedule, T, t, seed):
    """The definition. Right: sqrt(1 - beta_t) x and sqrt(beta_t), from the table of betas alone."""
    (x,) = normals(seed, 4)
    beta = betas_of(schedule, T)[t]
    process = process_of(schedule, T)
    left = moments(lambda x, eps: process.q_step(x, t, eps), x)
    return left, ((1 - beta) ** 0.5 * x, np.full(4, beta**0.5))


@equation(
    "forward.two-steps",
    "Two steps are one: the noises add up to 1 - alpha_t alpha_{t-1}.",
    r"\mathbb{E}[zz^T] = \left[\alpha_t(1-\alpha_{t-1}) + (1-\alpha_t)\right] I"
    r" = \left[1 - \alpha_t\alpha_{t-1}\right] I",
    source="nus-l8 L281, L283, L285, L287",
    implements=f"{PROCESS}.q_between",
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2,
)  # fmt: skip
def two_steps(schedule, T, t):
    """Put x_{t-1} = sqrt(alpha_{t-1}) x_{t-2} + sqrt(1 - alpha_{t-1}) eps' into x_t.

    z = sqrt(alpha_t (1 - alpha_{t-1})) eps' + sqrt(1 - alpha_t) eps is a sum of independent
    Gaussians."""
    b, a = betas_of(schedule, T)[t - 1 : t + 1]  # beta_{t-1}, beta_t
    left = process_of(schedule, T).q_between(t - 2, t)
    return left, (np.sqrt((1 - a) * (1 - b)), (1 - a) * b + a)


@equation(
    "forward.closed-form",
    "x_t given x_0 is Gaussian: t steps of noise at once.",
    r"q(x_t \mid x_0) = \mathcal{N}\left(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t) I\right)",
    source="nus-l8 L271, L291, L297, L299, L324, L326, L352, L411, L415, L445, L483, L489, L547, "
    "L633; ub-lecture L547, L555; ch327 L4",
    implements=f"{PROCESS}.q_sample",
    tolerance=1e-10,  # as for one step
    schedule=SCHEDULE, T=STEPS, t=TIME, seed=SEED,
)  # fmt: skip
def closed_form(schedule, T, t, seed):
    """Right: t steps one after the other. Each multiplies the mean and the standard deviation by
    sqrt(alpha_i) and adds beta_i to the variance."""
    (x0,) = normals(seed, 4)
    mean, variance = x0, 0.0
    for beta in betas_of(schedule, T)[1 : t + 1]:
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    process = process_of(schedule, T)
    left = moments(lambda x, eps: process.q_sample(x, t, eps), x0)
    return left, (mean, np.full(4, np.sqrt(variance)))


@equation(
    "forward.induction",
    "If the closed form holds at t-1, one more step makes it hold at t.",
    r"\sqrt{\alpha_t}\sqrt{\bar\alpha_{t-1}} = \sqrt{\bar\alpha_t},\quad"
    r" \alpha_t (1-\bar\alpha_{t-1}) + 1 - \alpha_t = 1 - \bar\alpha_t",
    source="nus-l8 L271, L287, L350",
    implements=f"{PROCESS}.q_sample",
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def induction(schedule, T, t, seed):
    """Left: q_sample to t with the noise that the two noises make. Right: q_sample to t - 1,
    written out, then the step. Equal for every x_0 and both noises, hence in distribution."""
    x0, first, second = normals(seed, 4, 4, 4)
    process = process_of(schedule, T)
    beta, before = process.betas[t], process.one_minus_alphas_bar[t - 1]
    sum_of_noise = np.sqrt((1 - beta) * before) * first + np.sqrt(beta) * second
    eps = sum_of_noise / np.sqrt((1 - beta) * before + beta)
    x_prev = np.sqrt(1 - before) * x0 + np.sqrt(before) * first
    return process.q_sample(x0, t, eps), np.sqrt(1 - beta) * x_prev + np.sqrt(beta) * second


@equation(
    "forward.composition",
    "From r to s and then to t is from r to t, for any r < s < t.",
    r"q(x_t \mid x_r) = \int q(x_t \mid x_s)\, q(x_s \mid x_r)\, dx_s",
    source="nus-l8 L289; ub-lecture L551",
    implements=f"{PROCESS}.q_between",
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, s=Param(200, 1, "t-1"), r=Param(50, 0, "s-1"),
)  # fmt: skip
def composition(schedule, T, t, s, r):
    """N(c x, v) after N(c' x, v') is N(c c' x, c^2 v' + v). Associative, so the order in which
    steps are put together is irrelevant."""
    between = process_of(schedule, T).q_between
    (c, v), (c_first, v_first) = between(s, t), between(r, s)
    return between(r, t), (c * c_first, c**2 * v_first + v)


@equation(
    "forward.alphas-bar",
    "The signal left after t steps is the product of the alphas.",
    r"\alpha_t = 1 - \beta_t,\qquad \bar\alpha_t = \prod_{s=1}^t \alpha_s,\qquad \bar\alpha_0 = 1",
    source="nus-l8 L291, L305, L326; ub-lecture L551; ch327 L5",
    implements=f"{PROCESS}.__init__",
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS,
)  # fmt: skip
def alphas_bar(schedule, T):
    """Right: the product of 1 - beta in 40 decimal digits, and 1 minus it, from the same betas.

    Each part is judged entry by entry, in its logarithm, so that the small ones count as much.
    """
    process = process_of(schedule, T)
    with localcontext(prec=40):
        product, products = Decimal(1), []
        for beta in process.betas[1:]:
            product *= 1 - Decimal(float(beta))
            products.append(product)
        noise = np.array([float(1 - p) for p in products])
    left = process.alphas_bar[1:], np.log(process.one_minus_alphas_bar[1:])
    return (*left, process.alphas_bar[:1]), (np.array(products, float), np.log(noise), np.ones(1))


@equation(
    "forward.snr",
    "The signal-to-noise ratio, and its logarithm.",
    r"\mathrm{SNR}(t) = \frac{\bar\alpha_t}{1 - \bar\alpha_t}",
    source="Kingma et al. 2021, equation 3",
    implements=f"{PROCESS}.__init__",
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, t=TIME,
)  # fmt: skip
def snr(schedule, T, t):
    """Right: alpha_bar_t = prod (1 - beta) and 1 - alpha_bar_t = sum of beta_i prod_{j>i}
    alpha_j, a sum of positive terms. log SNR falls strictly, since alpha_bar does."""
    process = process_of(schedule, T)
    betas = betas_of(schedule, T)
    signal = np.prod(1 - betas[1 : t + 1])
    noise = 0.0
    for beta in betas[1 : t + 1]:
        noise = (1 - beta) * noise + beta
    left = (
        process.snr[t],
        np.exp(process.log_snr[t]),
        float((np.diff(process.log_snr[1:]) < 0).all()),
    )
    return left, (signal / noise, signal / noise, 1.0)


@equation(
    "forward.marginal-variance",
    "The variance of x_t moves from that of the data to 1.",
    r"\mathrm{Var}(x_t) = \bar\alpha_t \mathrm{Var}(x_0) + 1 - \bar\alpha_t",
    source="ch327 L55-57; nus-l8 L308",
    implements="tinydiff.diffusion.mixture:GaussianMixture.noised",
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, t=TIME,
)  # fmt: skip
def marginal_variance(schedule, T, t):
    """Data 1/2 N(-2, .09) + 1/2 N(2, .09), of variance 4.09. Left: the variance of the noised
    mixture from its components. Right: Var <- alpha Var + beta, step by step."""
    qt = MIXTURE.noised(process_of(schedule, T), t)
    left = qt.weights @ (qt.covs + qt.means**2)
    right = 4.09
    for beta in betas_of(schedule, T)[1 : t + 1]:
        right = (1 - beta) * right + beta
    return left, right


@equation(
    "forward.covariance",
    "Two moments of one path share the noise up to the earlier one.",
    r"\mathrm{Cov}(x_s, x_t \mid x_0) = \sqrt{\alpha_{s+1} \cdots \alpha_t}\,(1 - \bar\alpha_s) I",
    source="nus-l8 L279, L147",
    implements=f"{PROCESS}.q_step",
    tolerance=1e-10,  # moments are read off as differences: see forward.single-step
    schedule=SCHEDULE, T=Param(40, 2, 60), t=Param(30, 2, "T"), s=Param(12, 1, "t-1"),
)  # fmt: skip
def covariance_of_path(schedule, T, t, s):
    """Left: the chain run from 0 with each single noise set to 1 in turn; Cov = sum of products of
    the two responses. Right: x_t = scale x_s + independent noise."""
    process = process_of(schedule, T)
    x, responses = np.zeros(t), {}
    for i in range(1, t + 1):
        x = process.q_step(x, i, np.eye(t)[i - 1])
        responses[i] = x
    scale = np.sqrt(np.prod(1 - process.betas[s + 1 : t + 1]))
    return responses[s] @ responses[t], scale * (1 - np.prod(1 - process.betas[1 : s + 1]))


@equation(
    "forward.total-noise",
    "The eps of the closed form is not the noise of the last step.",
    r"\mathrm{corr}(\epsilon,\ \epsilon^{step}_t) = \sqrt{\beta_t / (1 - \bar\alpha_t)}",
    source="ch327 L6; ub-lecture L566",
    implements=f"{PROCESS}.q_step",
    tolerance=1e-10,  # as above
    schedule=SCHEDULE, T=Param(40, 1, 60), t=Param(30, 1, "T"),
)  # fmt: skip
def total_noise(schedule, T, t):
    """eps = (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t) is a mix of all t step noises.
    Left: the last one's share, by running the chain with every noise set to 1 in turn."""
    process = process_of(schedule, T)
    x = np.zeros(t)
    for i in range(1, t + 1):
        x = process.q_step(x, i, np.eye(t)[i - 1])
    left = x / np.sqrt(x @ x)
    betas = process.betas[1 : t + 1]
    later = np.append(np.cumprod((1 - betas)[::-1])[::-1][1:], 1.0)  # alpha_{i+1} ... alpha_t
    return (left[-1], x), (np.sqrt(betas[-1] / (1 - np.prod(1 - betas))), np.sqrt(betas * later))

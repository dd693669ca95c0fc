"""The reverse of one step when x_0 is known, and the reverse step that is designed after it."""

import numpy as np

from ..diffusion.mixture import GaussianMixture
from .entry import Param, equation
from .settings import (
    MIXTURE,
    POINT,
    QUADRATURE,
    ROUNDING,
    SCHEDULE,
    SEED,
    STEPS,
    STEPS_2,
    TIME_2,
    betas_of,
    grid,
    noised,
    normal_logpdf,
    normal_pdf,
    normals,
    process_of,
)

POSTERIOR = "tinydiff.diffusion.process:Process.q_posterior"


def by_precision(schedule, T, t, x0, xt):
    """(mean, variance) of q(x_{t-1} | x_t, x_0) by completing the square.

    The exponent is -1/2 [(x_t - sqrt(alpha) x)^2 / beta + (x - sqrt(alpha_bar') x_0)^2 / v'], so
    x has precision alpha / beta + 1 / v' and precision times mean sqrt(alpha) x_t / beta +
    sqrt(alpha_bar') x_0 / v', with alpha_bar' and v' those of t - 1, by recursion."""
    betas = betas_of(schedule, T)
    signal, v = 1.0, 0.0
    for beta in betas[1:t]:
        signal, v = np.sqrt(1 - beta) * signal, (1 - beta) * v + beta
    alpha, beta = 1 - betas[t], betas[t]
    precision = alpha / beta + 1 / v
    return (np.sqrt(alpha) * xt / beta + signal * x0 / v) / precision, 1 / precision


@equation(
    "posterior.bayes",
    "Bayes' theorem reverses one step, given x_0.",
    r"q(x_{t-1} \mid x_t, x_0) = \frac{q(x_t \mid x_{t-1})\, q(x_{t-1} \mid x_0)}{q(x_t \mid x_0)}",
    source="nus-l8 L344, L348, L350, L352",
    implements=POSTERIOR,
    tolerance=QUADRATURE,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def bayes(schedule, T, t, seed):
    """Left: the Gaussian density with the implementation's mean and variance, at 5 points within 3
    standard deviations. Right: the ratio of the three densities; the evidence by quadrature."""
    process = process_of(schedule, T)
    x0, _, xt = noised(process, t, seed, 1)
    mean, variance = process.q_posterior(x0, xt, t)
    step, before = process.q_between(t - 1, t), process.q_between(0, t - 1)

    def joint(x):
        return normal_pdf(xt, step[0] * x, step[1]) * normal_pdf(x, before[0] * x0, before[1])

    center, var = by_precision(schedule, T, t, x0, xt)
    x, dx = grid(center[0], np.sqrt(var))
    points = center + np.sqrt(var) * np.linspace(-3, 3, 5)
    return normal_pdf(points, mean, variance), joint(points) / (joint(x).sum() * dx)


@equation(
    "posterior.evidence",
    "The evidence of Bayes' theorem is the closed form at t.",
    r"\int q(x_t \mid x_{t-1})\, q(x_{t-1} \mid x_0)\, dx_{t-1} = q(x_t \mid x_0)",
    source="nus-l8 L344, L352",
    implements="tinydiff.diffusion.process:Process.q_between",
    tolerance=QUADRATURE,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def evidence(schedule, T, t, seed):
    """Left: the density of x_t given x_0 in one jump. Right: x_{t-1} integrated out on a grid. The
    grid follows the integrand, whose place and width are those of the posterior."""
    process = process_of(schedule, T)
    x0, _, xt = noised(process, t, seed, 1)
    scale, variance = process.q_between(0, t)
    betas = betas_of(schedule, T)
    before = np.sqrt(np.prod(1 - betas[1:t])), process.one_minus_alphas_bar[t - 1]
    mean, var = by_precision(schedule, T, t, x0, xt)
    x, dx = grid(mean[0], np.sqrt(var))
    step = normal_pdf(xt, np.sqrt(1 - betas[t]) * x, betas[t])
    right = (step * normal_pdf(x, before[0] * x0, before[1])).sum() * dx
    return normal_pdf(xt, scale * x0, variance), np.array([right])


@equation(
    "posterior.exponent",
    "The three exponents add up to one square in x_{t-1}.",
    r"-\frac{(x_t-\sqrt{\alpha_t}x_{t-1})^2}{2(1-\alpha_t)}"
    r" - \frac{(x_{t-1}-\sqrt{\bar\alpha_{t-1}}x_0)^2}{2(1-\bar\alpha_{t-1})}"
    r" + \frac{(x_t-\sqrt{\bar\alpha_t}x_0)^2}{2(1-\bar\alpha_t)}"
    r" = -\frac{(x_{t-1}-\mu)^2}{2\sigma^2(t)}",
    source="nus-l8 L360",
    implements=POSTERIOR,
    tolerance=1e-9,  # the exponents reach 1e4 and cancel: 1e4 u, with a margin for small betas
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def exponent(schedule, T, t, seed):
    """There is no constant left: the square on the right is the whole sum, at any x_{t-1}.
    Evaluated 1 to 3 standard deviations from mu, where it is of order 1."""
    process = process_of(schedule, T)
    x0, _, xt = noised(process, t, seed, 1)
    mean, variance = process.q_posterior(x0, xt, t)
    center, var = by_precision(schedule, T, t, x0, xt)
    x = center + np.sqrt(var) * np.array([-3.0, -1, 1, 2])
    betas = betas_of(schedule, T)
    signal = np.sqrt(np.prod(1 - betas[1:t]))
    r, noise = np.sqrt(1 - betas[t]), process.one_minus_alphas_bar
    right = (
        -((xt - r * x) ** 2) / (2 * betas[t])
        - (x - signal * x0) ** 2 / (2 * noise[t - 1])
        + (xt - r * signal * x0) ** 2 / (2 * noise[t])
    )
    return -((x - mean) ** 2) / (2 * variance), right


@equation(
    "posterior.moments",
    "Mean and variance of the posterior.",
    r"\mu = \frac{(1-\bar\alpha_{t-1})\sqrt{\alpha_t}}{1-\bar\alpha_t} x_t"
    r" + \frac{(1-\alpha_t)\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_t} x_0,\qquad"
    r" \sigma^2(t) = \frac{(1-\alpha_t)(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}",
    source="nus-l8 L229, L253, L364, L378, L382, L384, L392, L495, L647",
    implements=POSTERIOR,
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def posterior_moments(schedule, T, t, seed):
    """Right: precisions add up, as in `by_precision`."""
    x0, xt = normals(seed, 4, 4)
    left = process_of(schedule, T).q_posterior(x0, xt, t)
    return left, by_precision(schedule, T, t, x0, xt)


@equation(
    "posterior.first-step",
    "At t = 1 the posterior is the data itself: mean x_0, variance 0.",
    r"q(x_0 \mid x_1, x_0) = \delta(x_0):\quad \mu = x_0,\ \sigma^2(1) = 0,"
    r"\quad \bar\alpha_0 = 1",
    source="nus-l8 L425",
    implements=POSTERIOR,
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, seed=SEED,
)  # fmt: skip
def first_step(schedule, T, seed):
    """The coefficients are 0 and 1 for any alpha_1, as 1 - alpha_bar_0 = 0 and 1 - alpha_bar_1 =
    beta_1.

    Everything here is exact: Process sets 1 - alpha_bar_1 to beta_1 itself."""
    x0, x1 = normals(seed, 4, 4)
    return process_of(schedule, T).q_posterior(x0, x1, 1), (x0, 0.0)


@equation(
    "posterior.strided",
    "The posterior over several steps at once.",
    r"q(x_s \mid x_t, x_0) \propto q(x_t \mid x_s)\, q(x_s \mid x_0),\quad 0 < s < t",
    source="Song, Meng and Ermon 2021, equation 7 (with their sigma of DDPM)",
    implements=POSTERIOR,
    tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, s=Param(200, 1, "t-1"), seed=SEED,
)  # fmt: skip
def strided(schedule, T, t, s, seed):
    """Right: t - s single steps back, composed. One step back is an affine map of x and x_0 plus
    noise; its coefficients and variances are multiplied through from t down to s."""
    x0, xt = normals(seed, 4, 4)
    left = process_of(schedule, T).q_posterior(x0, xt, t, s)
    process = process_of(schedule, T)
    of_x0, of_xt, variance = 0.0, 1.0, 0.0
    for i in range(t, s, -1):
        noise, noise_before = process.one_minus_alphas_bar[i], process.one_minus_alphas_bar[i - 1]
        beta, alpha_bar = process.betas[i], process.alphas_bar[i - 1]
        a, b = np.sqrt(alpha_bar) * beta / noise, np.sqrt(1 - beta) * noise_before / noise
        of_x0, of_xt, variance = (
            a + b * of_x0,
            b * of_xt,
            b * b * variance + beta * noise_before / noise,
        )
    return left, (of_x0 * x0 + of_xt * xt, variance)


@equation(
    "posterior.markov",
    "Knowing x_0 as well says nothing more about the next step.",
    r"q(x_t \mid x_{t-1}, x_0) = q(x_t \mid x_{t-1})",
    source="nus-l8 L348, L147",
    implements="tinydiff.diffusion.process:Process.q_between",
    tolerance=1e-9,  # the conditional variance is a difference of nearly equal numbers: u / beta_t
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def markov(schedule, T, t, seed):
    """Left: mean and variance of the step. Right: (x_{t-1}, x_t) given x_0 is jointly Gaussian
    with the covariances of the closed form; its conditional regresses x_t on x_{t-1}."""
    x0, x_prev = normals(seed, 4, 4)
    process = process_of(schedule, T)
    scale, variance = process.q_between(t - 1, t)
    v, w = process.one_minus_alphas_bar[t - 1 : t + 1]
    c, d = np.sqrt(process.alphas_bar[t - 1 : t + 1])
    cov = np.sqrt(process.alphas[t]) * v
    right = d * x0 + cov / v * (x_prev - c * x0), w - cov**2 / v
    return (scale * x_prev, variance), right


@equation(
    "posterior.mean-of-noise",
    "The posterior mean, written with the noise instead of x_0.",
    r"\mu(x_t, x_0) = \frac{1}{\sqrt{\alpha_t}} x_t"
    r" - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}\sqrt{\alpha_t}}\,\epsilon",
    source="nus-l8 L499, L503, L513, L515; Ho et al. 2020, equations 9 and 10",
    implements="tinydiff.diffusion.process:Process.convert",
    tolerance=1e-10,  # x_0 from x_t and eps divides by sqrt(alpha_bar), 1e-5 at worst: 1e5 u
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def mean_of_noise(schedule, T, t, seed):
    """Substitute x_0 = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t) into the posterior
    mean.

    Left: `convert` from eps to mu. Right: that substitution, carried out in numbers."""
    process = process_of(schedule, T)
    _, eps, xt = noised(process, t, seed)
    left = process.convert(eps, xt, t, "eps", "mu")
    x0 = (xt - np.sqrt(process.one_minus_alphas_bar[t]) * eps) / np.sqrt(process.alphas_bar[t])
    return left, by_precision(schedule, T, t, x0, xt)[0]


@equation(
    "posterior.model-mean",
    "The model's mean is the posterior mean with its own x_0.",
    r"\mu_\theta(x_t) = \frac{(1-\bar\alpha_{t-1})\sqrt{\alpha_t}}{1-\bar\alpha_t} x_t"
    r" + \frac{(1-\alpha_t)\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_t}\, \tilde x_0(x_t)"
    r" = \mathbb{E}[x_{t-1} \mid x_t]",
    source="nus-l8 L231, L255, L370, L374, L394, L567; ub-lecture L561",
    implements="tinydiff.diffusion.mixture:GaussianMixture.model",
    tolerance=1e-8,  # by quadrature over x_{t-1}, whose integrand has width sqrt(beta_t)
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, x=POINT,
)  # fmt: skip
def model_mean(schedule, T, t, x):
    """With x~_0 = E[x_0 | x_t] this is no analogy: it is the mean of the true reverse q(x_{t-1} |
    x_t).

    Left: the exact model of the mixture, which predicts mu. Right: E[x_{t-1} | x_t] by Bayes on a
    grid, from q(x_t | x_{t-1}) and the marginal q(x_{t-1})."""
    process = process_of(schedule, T)
    xt = x + np.array([0.0, 1.0])
    left = MIXTURE.model(process, predicts="mu")(xt, t)
    before, beta = mixture_at(process, t - 1), process.betas[t]
    r = np.sqrt(1 - beta)
    right = []
    for point in xt:
        nodes, _ = grid(point / r, np.sqrt(beta) / r, reach=40, nodes=20001)
        log_weight = before.logpdf(nodes) + normal_logpdf(point, r * nodes, beta)
        weight = np.exp(log_weight - log_weight.max())
        right.append(weight @ nodes / weight.sum())
    return left, np.array(right)


def mixture_at(process, t):
    """q(x_t) of the mixture, written out."""
    signal = np.sqrt(process.alphas_bar[t])
    noise = process.one_minus_alphas_bar[t]
    return GaussianMixture([0.5, 0.5], [-2 * signal, 2 * signal], [0.09 * signal**2 + noise] * 2)

"""Five names for one prediction: eps, x0, v, the score and mu; and what the score knows."""

import numpy as np

from ..diffusion.conversions import NAMES
from ..diffusion.mixture import GaussianMixture
from .entry import Param, equation
from .settings import (
    MIXTURE,
    POINT,
    QUADRATURE,
    SCHEDULE,
    SEED,
    STEPS,
    STEPS_2,
    TIME,
    TIME_2,
    covariance,
    noised,
    process_of,
)

CONVERT = "tinydiff.diffusion.process:Process.convert"
MIX = "tinydiff.diffusion.mixture:GaussianMixture"
DIVIDES = 1e-10  # a division by sqrt(alpha_bar) or sqrt(1 - alpha_bar), 1e-5 at worst: 1e5 u


@equation(
    "prediction.x0-from-eps",
    "Knowing the noise is knowing the data.",
    r"x_0 = \frac{1}{\sqrt{\bar\alpha_t}}\left(x_t - \sqrt{1-\bar\alpha_t}\,\epsilon\right)",
    source="nus-l8 L489, L491",
    implements=CONVERT, tolerance=DIVIDES,
    schedule=SCHEDULE, T=STEPS, t=TIME, seed=SEED,
)  # fmt: skip
def x0_from_eps(schedule, T, t, seed):
    """The closed form, solved for x_0. Right: the x_0 that x_t was made of."""
    process = process_of(schedule, T)
    x0, eps, xt = noised(process, t, seed)
    return process.convert(eps, xt, t, "eps", "x0"), x0


@equation(
    "prediction.eps-from-x0",
    "Knowing the data is knowing the noise.",
    r"\epsilon = \frac{x_t - \sqrt{\bar\alpha_t}\,x_0}{\sqrt{1-\bar\alpha_t}}",
    source="nus-l8 L487-489",
    implements=CONVERT, tolerance=DIVIDES,
    schedule=SCHEDULE, T=STEPS, t=TIME, seed=SEED,
)  # fmt: skip
def eps_from_x0(schedule, T, t, seed):
    """Right: the eps that x_t was made of."""
    process = process_of(schedule, T)
    x0, eps, xt = noised(process, t, seed)
    return process.convert(x0, xt, t, "x0", "eps"), eps


@equation(
    "prediction.v",
    "v is x_t's velocity along the circle from data to noise.",
    r"v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0,\qquad"
    r" \begin{pmatrix} x_t \\ v \end{pmatrix} = R(\phi) \begin{pmatrix} x_0 \\ \epsilon"
    r" \end{pmatrix}",
    source="Salimans and Ho 2022, section 4 and appendix D",
    implements=CONVERT, tolerance=DIVIDES,
    schedule=SCHEDULE, T=STEPS, t=TIME, seed=SEED,
)  # fmt: skip
def v(schedule, T, t, seed):
    """With tan phi = sqrt(1 - alpha_bar) / sqrt(alpha_bar), x_t = cos phi x_0 + sin phi eps and
    v = d x_t / d phi. Left: v from eps. Right: the derivative by a difference of the exact
    rotation, in closed form (x_t(phi + h) - x_t(phi - h)) / (2 sin h)."""
    process = process_of(schedule, T)
    x0, eps, xt = noised(process, t, seed)
    phi = np.arctan2(np.sqrt(process.one_minus_alphas_bar[t]), np.sqrt(process.alphas_bar[t]))
    on_circle = lambda phi: np.cos(phi) * x0 + np.sin(phi) * eps  # noqa: E731
    right = (on_circle(phi + 1) - on_circle(phi - 1)) / (2 * np.sin(1))
    return process.convert(eps, xt, t, "eps", "v"), right


@equation(
    "prediction.score",
    "The score of q(x_t | x_0) is the noise, turned round.",
    r"\nabla_{x_t} \log q(x_t \mid x_0) = -\frac{\epsilon}{\sqrt{1-\bar\alpha_t}}",
    source="Song et al. 2021, equation 7; Vincent 2011",
    implements=CONVERT, tolerance=1e-7,  # differences of a quadratic: u / step
    schedule=SCHEDULE, T=STEPS, t=TIME, seed=SEED,
)  # fmt: skip
def score_of_noise(schedule, T, t, seed):
    """Right: the slope of log q by a central difference, exact for a quadratic; step one standard
    deviation, in whose units the exponent is of order 1."""
    process = process_of(schedule, T)
    x0, eps, xt = noised(process, t, seed)
    c, n = np.sqrt(process.alphas_bar[t]), np.sqrt(process.one_minus_alphas_bar[t])
    log_q = lambda x: -(((x - c * x0) / n) ** 2) / 2  # noqa: E731
    right = (log_q(xt + n) - log_q(xt - n)) / (2 * n)
    return process.convert(eps, xt, t, "eps", "score"), right


@equation(
    "prediction.all-pairs",
    "Every conversion agrees with every other.",
    r"\mathrm{source} \to \mathrm{target}:\quad (\epsilon,\ x_0,\ v,\ \nabla\log q,\ \mu)",
    source="nus-l8 L487-503; Salimans and Ho 2022, section 4",
    implements=CONVERT, tolerance=1e-8,  # from mu: a difference of x_t and mu, 1e-4 of them: 1e8 u
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def all_pairs(schedule, T, t, seed):
    """Left: all 20 conversions, of the true quantities. Right: the true quantities by their
    definitions. Each is judged in the units of its target."""
    process = process_of(schedule, T)
    x0, eps, xt = noised(process, t, seed)
    c, n = np.sqrt(process.alphas_bar[t]), np.sqrt(process.one_minus_alphas_bar[t])
    mean, _ = process.q_posterior(x0, xt, t)
    true = {"eps": eps, "x0": x0, "v": c * eps - n * x0, "score": -eps / n, "mu": mean}
    pairs = [(source, target) for source in NAMES for target in NAMES if source != target]
    left = tuple(process.convert(true[source], xt, t, source, target) for source, target in pairs)
    return left, tuple(true[target] for _, target in pairs)


@equation(
    "prediction.tweedie",
    "Tweedie's formula: the score of q(x_t) gives the mean of x_0.",
    r"\mathbb{E}[x_0 \mid x_t] = \frac{x_t + (1-\bar\alpha_t)\, \nabla\log"
    r" q(x_t)}{\sqrt{\bar\alpha_t}}",
    source="Robbins 1956; Efron 2011, equation 2.8",
    implements="tinydiff.diffusion.process:Process.tweedie", tolerance=DIVIDES,
    schedule=SCHEDULE, T=STEPS, t=TIME, x=POINT,
)  # fmt: skip
def tweedie(schedule, T, t, x):
    """Differentiate q(x_t) = int N(x_t; c x_0, n^2) q(x_0) dx_0 under the integral. Left: from
    the score of the mixture of two modes, written out. Right: the mean of x_0, mode by mode,
    weighted. Both measured from the mode at -2, since far out in time they tend to 0."""
    process = process_of(schedule, T)
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    spread = 0.09 * c**2 + noise
    xt = c * (x + np.array([0.0, 1.0]))
    near = 1 / (1 + np.exp(-4 * c * xt / spread))  # p(mode at +2 | x_t)
    score = (near * (2 * c - xt) + (1 - near) * (-2 * c - xt)) / spread
    means = [m + 0.09 * c / spread * (xt - c * m) for m in (2, -2)]
    return 2 + process.tweedie(xt, t, score), 2 + near * means[0] + (1 - near) * means[1]


@equation(
    "prediction.mixture-score",
    "The score of a mixture of Gaussians, in any dimension.",
    r"\nabla\log q(x_t) = \sum_k p(k \mid x_t)\, \Sigma_{k,t}^{-1} (\mu_{k,t} - x_t)",
    source="Song et al. 2021, section 2",
    implements=f"{MIX}.score", tolerance=1e-9,  # covariances of condition up to 1e5
    schedule=SCHEDULE, T=STEPS, t=TIME, d=Param(2, 1, 4), seed=SEED,
)  # fmt: skip
def mixture_score(schedule, T, t, d, seed):
    """Left: by way of E[x_0 | x_t]. Right: each component's precision matrix times its distance."""
    process = process_of(schedule, T)
    data, xt, weights = random_mixture(process, t, d, seed)
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    log_p, slopes = [], []
    for w, mean, cov in zip(weights, data.means, data.covs):
        cov_t = c**2 * cov + noise * np.eye(d)
        off = np.linalg.solve(cov_t, (c * mean - xt).T).T
        log_p.append(
            np.log(w) - ((c * mean - xt) * off).sum(axis=1) / 2 - np.linalg.slogdet(cov_t)[1] / 2
        )
        slopes.append(off)
    p = np.exp(log_p - np.max(log_p, axis=0))
    p /= p.sum(axis=0)
    return data.score(process, xt, t), np.einsum("kn,knd->nd", p, slopes)


def random_mixture(process, t, d, seed):
    """(a mixture of two Gaussians in d dimensions, two typical x_t, the weights)."""
    rng = np.random.default_rng(seed)
    weights = np.array([0.3, 0.7])
    data = GaussianMixture(
        weights, rng.standard_normal((2, d)), [covariance(rng, d), covariance(rng, d)]
    )
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    return (
        data,
        c * rng.standard_normal((2, d)) + np.sqrt(noise) * rng.standard_normal((2, d)),
        weights,
    )


@equation(
    "prediction.second-tweedie",
    "The slope of the denoiser is the variance it leaves.",
    r"\frac{d}{dx_t}\mathbb{E}[x_0 \mid x_t] = \frac{\sqrt{\bar\alpha_t}}{1-\bar\alpha_t}"
    r"\mathrm{Var}(x_0 \mid x_t)",
    source="Efron 2011, equation 2.8; Dytso et al. 2021, proposition 3",
    implements=f"{MIX}.var_x0", tolerance=1e-6,  # differences: u / step, and step^4
    schedule=SCHEDULE, T=STEPS, t=TIME, x=POINT,
)  # fmt: skip
def second_tweedie(schedule, T, t, x):
    """Right: the slope by a difference of fourth order, with a step small against both the noise
    and the place where the modes meet."""
    process = process_of(schedule, T)
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    spread = 0.09 * c**2 + noise
    xt = c * (x + np.array([0.0, 1.0]))
    h = 1e-3 * min(np.sqrt(spread), spread / (4 * c))

    def mean(xt):
        near = 1 / (1 + np.exp(-4 * c * xt / spread))
        return 0.09 * c * xt / spread + (4 * near - 2) * noise / spread

    slope = (8 * (mean(xt + h) - mean(xt - h)) - (mean(xt + 2 * h) - mean(xt - 2 * h))) / (12 * h)
    return MIXTURE.var_x0(process, xt, t), noise / c * slope


@equation(
    "prediction.divergence-of-score",
    "The divergence of the score, from the variance of x_0.",
    r"\nabla\cdot\nabla\log q(x_t) = \frac{1}{1-\bar\alpha_t}"
    r"\left(\frac{\bar\alpha_t}{1-\bar\alpha_t}\,\mathrm{tr}\,\mathrm{Cov}(x_0 \mid x_t) -"
    r" d\right)",
    source="Song et al. 2021, appendix D.2; Efron 2011",
    implements=f"{MIX}.score_divergence", tolerance=QUADRATURE,
    schedule=SCHEDULE, T=STEPS, t=TIME, d=Param(2, 1, 4), seed=SEED,
)  # fmt: skip
def divergence_of_score(schedule, T, t, d, seed):
    """Right: for a mixture, sum_k p_k (|s_k|^2 - tr P_k) - |sum_k p_k s_k|^2 with s_k = P_k
    (mu_k - x) the score of component k and P_k its precision: the second derivatives of log q,
    written out."""
    process = process_of(schedule, T)
    data, xt, weights = random_mixture(process, t, d, seed)
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    log_p, slopes, traces = [], [], []
    for w, mean, cov in zip(weights, data.means, data.covs):
        precision = np.linalg.inv(c**2 * cov + noise * np.eye(d))
        off = (c * mean - xt) @ precision
        log_p.append(np.log(w) - ((c * mean - xt) * off).sum(axis=1) / 2)
        log_p[-1] += np.linalg.slogdet(precision)[1] / 2
        slopes.append(off)
        traces.append(np.trace(precision))
    p = np.exp(log_p - np.max(log_p, axis=0))
    p /= p.sum(axis=0)
    squares = (np.square(slopes).sum(axis=2) - np.array(traces)[:, None]) * p
    mean_slope = np.einsum("kn,knd->nd", p, slopes)
    return data.score_divergence(process, xt, t), squares.sum(axis=0) - (mean_slope**2).sum(axis=1)

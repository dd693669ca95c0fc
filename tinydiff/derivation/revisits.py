"""Corrections and conditions: Langevin steps, inpainting, guidance, clipping, the times to
visit."""

from fractions import Fraction

import numpy as np

from ..diffusion import guidance, likelihood, samplers
from ..diffusion.mixture import GaussianMixture
from ..diffusion.process import Process
from ..ops import getitem
from .entry import Param, equation
from .sampling import SAMPLERS, answer, first
from .settings import (
    POINT,
    ROUNDING,
    SCHEDULE,
    SEED,
    SIZE,
    STEPS,
    STEPS_2,
    TIME,
    TIME_2,
    normals,
    process_of,
)

GUIDANCE = "tinydiff.diffusion.guidance"
SCALE = Param(3.0, -1.0, 10.0)


@equation(
    "sampler.langevin",
    "Langevin steps at one noise level leave its density nearly as it is.",
    r"x \leftarrow x + e\,\nabla\log q(x) + \sqrt{2e}\,z,\qquad e = 2\alpha_s (r\sigma_s)^2",
    source="Song et al. 2021, algorithm 5",
    implements=f"{SAMPLERS}:predictor_corrector", tolerance=1e-9,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, snr=Param(0.16, 0.01, 0.9), n=Param(2, 0, 4),
)  # fmt: skip
def langevin(schedule, T, t, snr, n):
    """Data N(0, 1), where the score is -x. Left: the variance that one predicted and n corrected
    steps make of 1, with noise 1 in one of the n + 1 places in turn. Right: each Langevin step
    maps a variance V to (1 - e)^2 V + 2 e, which keeps 1 up to e^2."""
    process = process_of(schedule, T)
    model = lambda xt, i: xt * np.sqrt(process.one_minus_alphas_bar[i]).reshape(-1, 1)  # noqa: E731
    calls = iter(range(n + 1))
    start = np.append(np.zeros(n + 1), 1.0)[:, None]  # the last row starts at 1, without noise
    noise = lambda i, shape: np.eye(n + 2)[next(calls)][:, None]  # noqa: E731
    ends = first(samplers.predictor_corrector(
        model, process, start, noise=noise, snr=snr, n_corrector=n, ts=[t, t - 1], variance="beta"
    ))  # fmt: skip
    e = 2 * process.alphas[t - 1] * snr**2 * process.one_minus_alphas_bar[t - 1]
    variance = 1.0
    for _ in range(n):
        variance = (1 - e) ** 2 * variance + 2 * e
    return (ends**2).sum(), variance


@equation(
    "sampler.inpainting",
    "Inpainting: the known part is noised data, the rest is sampled.",
    r"x_s = m \odot \left(\sqrt{\bar\alpha_s}\,x_0 + \sqrt{1-\bar\alpha_s}\,\epsilon\right)"
    r" + (1-m) \odot x_s^{sampled}",
    source="Lugmayr et al. 2022, algorithm 1",
    implements=f"{SAMPLERS}:inpaint", tolerance=1e-10,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def inpainting(schedule, T, t, seed):
    """One step, visited twice: down, up again by q(x_t | x_s), and down. Right: the same by
    formulas, with the noises in the order drawn: reverse, known, up, reverse, known."""
    process = process_of(schedule, T)
    xt, x0, *z = normals(seed, *[(2, 3)] * 7)
    mask = np.array([True, False, True])
    draws = iter(z)
    left = first(samplers.inpaint(
        answer, process, xt, x0=x0, mask=mask, noise=lambda i, shape: next(draws), resample=2,
        ts=[t, t - 1],
    ))  # fmt: skip
    beta, noise = process.betas[t], process.one_minus_alphas_bar

    def down(x, z_reverse, z_known):
        mean = (x - beta / np.sqrt(noise[t]) * answer(x, np.full(2, t))) / np.sqrt(1 - beta)
        sampled = mean + np.sqrt(beta * noise[t - 1] / noise[t]) * z_reverse
        known = np.sqrt(process.alphas_bar[t - 1]) * x0 + np.sqrt(noise[t - 1]) * z_known
        return np.where(mask, known, sampled)

    up = np.sqrt(1 - beta) * down(xt, z[0], z[1]) + np.sqrt(beta) * z[2]
    return left, down(up, z[3], z[4])


@equation(
    "sampler.dynamic-threshold",
    "Dynamic thresholding: clip x_0 at a quantile of its size, and rescale.",
    r"\tilde x_0 \leftarrow \mathrm{clip}(\tilde x_0, -q, q) / q,\qquad"
    r" q = \max\left(1,\ \mathrm{quantile}_p |\tilde x_0|\right)",
    source="Saharia et al. 2022, section 2.3",
    implements=f"{SAMPLERS}:ddim", tolerance=1e-9,
    T=STEPS, t=TIME, p=Param(0.8, 0.05, 1.0), seed=SEED,
)  # fmt: skip
def dynamic_threshold(T, t, p, seed):
    """Left: a sampler whose only step ends at x_0. Right: NumPy's quantile, row by row. Schedule
    linear."""
    process = process_of("linear", T)
    x0 = 2 * normals(seed, (3, 10))[0]
    left = samplers.last(
        samplers.ddim(lambda xt, i: x0, process, x0, ts=[t], predicts="x0", clip=("dynamic", p))
    )
    q = np.maximum(np.quantile(np.abs(x0), p, axis=1, keepdims=True), 1)
    return left, np.clip(x0, -q, q) / q


@equation(
    "sampler.timesteps",
    "Which times to visit when there are fewer steps than T.",
    r"\mathrm{linspace}:\ T - \tfrac{(T-1)k}{n-1},\quad \mathrm{trailing}:\ T - \tfrac{Tk}{n},\quad"
    r" \mathrm{leading}:\ 1 + \lfloor T/n \rfloor (n-1-k)",
    source="Lin et al. 2023, table 2; ch327 L72",
    implements=f"{SAMPLERS}:timesteps", tolerance=ROUNDING,
    T=Param(1000, 1, 1000), n=Param(50, 1, "T"),
    spacing=Param("linspace", choices=("linspace", "trailing", "leading")),
)  # fmt: skip
def timesteps(T, n, spacing):
    """Right: in exact fractions, halves rounded up."""
    exact = {
        "linspace": lambda k: T - Fraction((T - 1) * k, max(n - 1, 1)),
        "trailing": lambda k: T - Fraction(T * k, n),
        "leading": lambda k: Fraction(1 + (T // n) * (n - 1 - k)),
    }[spacing]
    right = [int((exact(k) + Fraction(1, 2)) // 1) for k in range(n)]
    return samplers.timesteps(T, n, spacing), right


def two_classes(v):
    """Data with a class y: 1/2 N(-1, v) and 1/2 N(1, v), on one axis."""
    return GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[v], [v]])


@equation(
    "guidance.bayes",
    "The score of p(x | y) is the score of p(x) and a classifier's slope.",
    r"\nabla\log q(x_t \mid y) = \nabla\log q(x_t) + \nabla\log p(y \mid x_t)",
    source="Dhariwal and Nichol 2021, section 4; Song et al. 2021, equation 14",
    implements=f"{GUIDANCE}:classifier", tolerance=1e-9,
    schedule=SCHEDULE, T=STEPS, t=TIME, v=Param(0.3, 0.05, 2.0, log=True), x=POINT,
)  # fmt: skip
def guidance_by_bayes(schedule, T, t, v, x):
    """Left: the exact model of both classes, guided by the exact classifier at scale 1. Right:
    the exact eps of one class alone."""
    process = process_of(schedule, T)
    data = two_classes(v)
    guided = guidance.classifier(
        data.model(process), process,
        lambda x, i: getitem(data.log_posterior(process, x, i), (slice(None), 1)), 1,
    )  # fmt: skip
    xt = x + np.array([[0.0], [1.0]])
    c2, noise = process.alphas_bar[t], process.one_minus_alphas_bar[t]
    right = np.sqrt(noise) * (xt - np.sqrt(c2)) / (c2 * v + noise)
    return guided(xt, np.full(2, t)), right


@equation(
    "guidance.classifier-free",
    "Without a classifier: step from the unconditional beyond the conditional.",
    r"\tilde\epsilon = \epsilon_\theta(x_t) + s\left(\epsilon_\theta(x_t, y) -"
    r" \epsilon_\theta(x_t)\right)",
    source="Ho and Salimans 2022, equation 6",
    implements=f"{GUIDANCE}:classifier_free", tolerance=1e-9,
    schedule=SCHEDULE, T=STEPS, t=TIME, scale=SCALE, v=Param(0.3, 0.05, 2.0, log=True), x=POINT,
)  # fmt: skip
def classifier_free(schedule, T, t, scale, v, x):
    """Left: from the exact models of both classes and of one. Right: what it stands for, the
    score of q(x_t) p(y | x_t)^s, its slope written out: log p(y | x_t) = -log(1 + exp(-2 c x /
    V))."""
    process = process_of(schedule, T)
    both, one = two_classes(v).model(process), GaussianMixture([1.0], [[1.0]], [[v]]).model(process)
    model = lambda xt, i, y: both(xt, i) if y is None else one(xt, i)  # noqa: E731
    xt = x + np.array([[0.0], [1.0]])
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    spread = c**2 * v + noise
    near = 1 / (1 + np.exp(-2 * c * xt / spread))
    score = (c * (2 * near - 1) - xt) / spread + scale * (1 - near) * 2 * c / spread
    return guidance.classifier_free(model, 1, scale)(xt, np.full(2, t)), -np.sqrt(noise) * score


@equation(
    "guidance.conventions",
    "A weight w in (1 + w) c - w u is a scale of 1 + w.",
    r"(1+w)\,\epsilon_c - w\,\epsilon_u = \epsilon_u + s\,(\epsilon_c - \epsilon_u),\qquad s ="
    r" 1 + w",
    source="Ho and Salimans 2022, equation 6",
    implements=f"{GUIDANCE}:scale_from_weight", tolerance=ROUNDING,
    w=Param(2.0, -1.0, 10.0), d=SIZE, seed=SEED,
)  # fmt: skip
def conventions(w, d, seed):
    """Left: guided with the scale that the weight stands for. Right: with the weight."""
    xt, with_y, without = normals(seed, (1, d), (1, d), (1, d))
    model = lambda xt, t, y: without if y is None else with_y  # noqa: E731
    left = guidance.classifier_free(model, 1, guidance.scale_from_weight(w))(xt, np.ones(1, int))
    return left, (1 + w) * with_y - w * without


@equation(
    "guidance.gap",
    "Guidance does not sample p(x) p(y | x)^s: noising and powers do not commute.",
    r"\nabla\log\int q(x_t \mid x_0)\, p(x_0)\, p(y \mid x_0)^s dx_0 \ne"
    r" \nabla\log q(x_t) + s\,\nabla\log p(y \mid x_t)",
    source="Ho and Salimans 2022, section 3; Bradley and Nakkiran 2024, theorem 1",
    implements=f"{GUIDANCE}:classifier", tolerance=1e-9,
    r=Param(0.5, 0.1, 3.0, log=True), scale=Param(4.0, 1.5, 10.0),
    ab=Param(0.5, 0.05, 0.95), y=Param(1.0, 0.5, 2.0),
)  # fmt: skip
def gap(r, scale, ab, y):
    """p(x_0) = N(0, 1) and y | x_0 ~ N(x_0, r): all is Gaussian. Left: the score of the tilted
    density, noised, less the guided score, at x_t = 0 and 1. Right: the difference in closed
    form. It is 0 for s = 1 only."""
    process = Process([0.0, 1 - ab])
    c, noise = np.sqrt(ab), 1 - ab
    spread = 1 - ab + r  # of y given x_t, whose mean is c x_t
    log_prob = lambda x, t: (getitem(x, (slice(None), 0)) * c - y) ** 2 * (-0.5 / spread)  # noqa: E731
    guided = guidance.classifier(lambda xt, t: -xt, process, log_prob, scale, predicts="score")
    xt = np.array([[0.0], [1.0]])
    tilted = 1 / (1 + scale / r)  # the variance of p(x_0) p(y | x_0)^s; its mean is s y tilted / r
    exact = (c * scale * y * tilted / r - xt) / (ab * tilted + noise)
    right = c * scale * y / (ab * r + noise * (r + scale)) - scale * c * y / spread
    slope = scale * ab / spread + 1 - (r + scale) / (ab * r + noise * (r + scale))
    return exact - guided(xt, np.ones(2, int)), right + slope * xt


@equation(
    "likelihood.bits",
    "From a log density of dequantised pixels to bits per dimension.",
    r"\mathrm{bits/dim} = -\frac{1}{\log 2}\left(\frac{\log p(x)}{d} + \log\frac{2}{L-1}\right)",
    source="Theis et al. 2016, section 3.1; ub-lecture L78",
    implements="tinydiff.diffusion.likelihood:bits_per_dim", tolerance=ROUNDING,
    levels=Param(256, 2, 256), d=SIZE,
)  # fmt: skip
def bits_of_pixels(levels, d):
    """Left: for the uniform density on the L bins of width 2 / (L - 1). Right: log2 of L per
    pixel, what any code needs for L equally likely levels. The levels dequantised lie in that
    range."""
    width = 2 / (levels - 1)
    k = np.arange(levels)
    x = likelihood.dequantize(k, levels, np.random.default_rng(levels))
    inside = (np.abs(x - (-1 + width * k)) <= width / 2).all()
    log_p = -d * np.log(levels * width)
    return (likelihood.bits_per_dim(log_p, (d,), levels), float(inside)), (np.log2(levels), 1.0)

"""What a network is trained on: one squared error under different weights, and which t to draw."""

import numpy as np

from ..diffusion import bound, timesampling
from .entry import Param, equation
from .settings import (
    MIXTURE,
    POINT,
    QUADRATURE,
    ROUNDING,
    SCHEDULE,
    SEED,
    STEPS,
    TIME,
    TIME_2,
    noised,
    normal_pdf,
    normals,
    process_of,
)

LOSS = "tinydiff.diffusion.bound:loss"
SHORT = Param(50, 2, 200)


def answer(xt, t):
    """Some model: any function of x_t and t will do."""
    return np.tanh(xt) * (1 + 0.1 * np.cos(t)).reshape(-1, 1)


def batch(process, seed, n=6, d=3):
    """(x_0, t, eps, x_t) of n rows of d numbers, each row with its own t; x_t written out."""
    x0, eps = normals(seed, (n, d), (n, d))
    t = np.random.default_rng(seed).integers(1, process.T + 1, n)
    signal, noise = process.alphas_bar[t][:, None], process.one_minus_alphas_bar[t][:, None]
    return x0, t, eps, np.sqrt(signal) * x0 + np.sqrt(noise) * eps


@equation(
    "loss.x0",
    "The network that restores the data, trained without weights.",
    r"L(\theta) = \mathbb{E}_{t,\, q(x_t \mid x_0)} \|x_\theta(x_t, t) - x_0\|^2",
    source="nus-l8 L481",
    implements=LOSS, tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, seed=SEED,
)  # fmt: skip
def loss_x0(schedule, T, seed):
    """Left: the loss of a batch. Right: the mean of squares, row by row; a mean over elements
    where the text sums, which is a constant factor."""
    process = process_of(schedule, T)
    x0, t, eps, xt = batch(process, seed)
    right = np.mean([np.mean((answer(xt[i : i + 1], t[i]) - x0[i]) ** 2) for i in range(len(t))])
    return bound.loss(answer, process, x0, t, eps, predicts="x0").item(), right


@equation(
    "loss.simple",
    "The network that finds the noise: L_simple.",
    r"L(\theta) = \mathbb{E}_{t, x_0, \epsilon} \left\|"
    r" \epsilon_\theta\left(\sqrt{\bar\alpha_t}\,x_0"
    r" + \sqrt{1-\bar\alpha_t}\,\epsilon,\ t\right) - \epsilon \right\|^2",
    source="nus-l8 L531, L551, L553; ub-lecture L572, L586; ch327 L6; Ho et al. 2020, equation 14",
    implements=LOSS, tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, seed=SEED,
)  # fmt: skip
def loss_simple(schedule, T, seed):
    """As above, with the noise as the target."""
    process = process_of(schedule, T)
    x0, t, eps, xt = batch(process, seed)
    right = np.mean([np.mean((answer(xt[i : i + 1], t[i]) - eps[i]) ** 2) for i in range(len(t))])
    return bound.loss(answer, process, x0, t, eps).item(), right


@equation(
    "loss.bound-weights",
    "Put the weights back, sum over t, and L_simple is the bound again.",
    r"T\, \mathbb{E}_t\left[w_t \|\epsilon - \epsilon_\theta\|^2\right] = \sum_{t=1}^T"
    r" \frac{1}{2\sigma^2(t)} \frac{(1-\alpha_t)^2}{\alpha_t(1-\bar\alpha_t)}"
    r" \|\epsilon - \epsilon_\theta\|^2",
    source="nus-l8 L477, L527, L543",
    implements=LOSS, tolerance=ROUNDING,
    schedule=SCHEDULE, T=SHORT, seed=SEED,
)  # fmt: skip
def bound_weights(schedule, T, seed):
    """Left: T times the mean over all t of the loss with weight "vlb". Right: the sum, with
    sigma^2(t) the posterior variance, and beta_1 at t = 1 where that is 0."""
    process = process_of(schedule, T)
    t = np.arange(1, T + 1)
    x0, eps = normals(seed, (T, 2), (T, 2))
    noise, before = process.one_minus_alphas_bar[1:, None], process.one_minus_alphas_bar[:-1, None]
    xt = np.sqrt(process.alphas_bar[1:, None]) * x0 + np.sqrt(noise) * eps
    beta = process.betas[1:, None]
    sigma2 = beta * before / noise
    sigma2[0] = beta[0]
    weight = beta**2 / (2 * sigma2 * (1 - beta) * noise)
    right = (weight * (eps - answer(xt, t)) ** 2).sum() / 2  # per dimension, of two
    return T * bound.loss(answer, process, x0, t, eps, weight="vlb").item(), right


@equation(
    "loss.one-target-for-another",
    "Every loss is a weight on the error of x_0; SNR on x_0 is 1 on eps.",
    r"\|\epsilon - \epsilon_\theta\|^2 = \mathrm{SNR}(t)\, \|x_0 - x_\theta\|^2,\qquad"
    r" \|v - v_\theta\|^2 = (1 + \mathrm{SNR}(t))\, \|x_0 - x_\theta\|^2",
    source="nus-l8 L491; Salimans and Ho 2022, section 4",
    implements=LOSS, tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, t=TIME, seed=SEED,
)  # fmt: skip
def one_target_for_another(schedule, T, t, seed):
    """Left: the plain losses of a model of eps and one of v. Right: the error of the x_0 that
    each of them stands for, times its weight."""
    process = process_of(schedule, T)
    x0, eps, xt = (a[:, None] for a in noised(process, t, seed))
    out = np.tanh(xt)
    signal, noise = np.sqrt(process.alphas_bar[t]), np.sqrt(process.one_minus_alphas_bar[t])
    snr = (signal / noise) ** 2
    left = [
        bound.loss(lambda xt, t: out, process, x0, t, eps, predicts=name).item()
        for name in ("eps", "v")
    ]
    from_eps = (signal * x0 + noise * (eps - out)) / signal
    from_v = signal * xt - noise * out
    right = snr * np.mean((x0 - from_eps) ** 2), (1 + snr) * np.mean((x0 - from_v) ** 2)
    return tuple(left), right


@equation(
    "loss.weights",
    "Published weightings, all as weights on the error of x_0.",
    r"w_{\mathrm{snr}} = \mathrm{SNR},\quad w_{\mathrm{min}} = \min(\mathrm{SNR}, 5),\quad"
    r" w_{\mathrm{P2}} = \frac{\mathrm{SNR}}{1 + \mathrm{SNR}} = \bar\alpha_t",
    source="Hang et al. 2023, section 3.4; Choi et al. 2022, equation 9",
    implements="tinydiff.diffusion.weights:x0_weight", tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, t=TIME,
)  # fmt: skip
def published_weights(schedule, T, t):
    """The weights as the loss of an x_0 model uses them. Right: from alpha_bar alone."""
    process = process_of(schedule, T)
    x0, out = np.zeros((1, 1)), np.ones((1, 1))  # an error of 1, so the loss is the weight
    left = [
        bound.loss(lambda xt, t: out, process, x0, t, x0, weight=w, predicts="x0").item()
        for w in ("snr", "min_snr", "p2")
    ]
    ab, noise = process.alphas_bar[t], process.one_minus_alphas_bar[t]
    return tuple(left), (ab / noise, min(ab / noise, 5.0), ab)


@equation(
    "loss.best-denoiser",
    "The best guess of x_0 in mean square is the posterior mean.",
    r"\arg\min_f \mathbb{E}\|x_0 - f(x_t)\|^2 = \mathbb{E}[x_0 \mid x_t]"
    r" = \frac{\int x_0\, q(x_t \mid x_0)\, q(x_0)\, dx_0}{\int q(x_t \mid x_0)\, q(x_0)\, dx_0}",
    source="nus-l8 L400, L533; ub-lecture L588",
    implements="tinydiff.diffusion.mixture:GaussianMixture.mean_x0", tolerance=QUADRATURE,
    schedule=SCHEDULE, T=STEPS, t=TIME, x=POINT,
)  # fmt: skip
def best_denoiser(schedule, T, t, x):
    """Left: the closed form for the mixture. Right: Bayes by quadrature over x_0, on a grid that
    resolves both the prior's modes and the likelihood, whichever is narrower."""
    process = process_of(schedule, T)
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    xt = c * (x + np.array([0.0, 1.0]))  # where x_t may be: near its mean for data near x
    right = []
    for point in xt:
        width = min(0.3, np.sqrt(noise) / c)
        low, high = max(-6.0, point / c - 40 * width * 4), min(6.0, point / c + 40 * width * 4)
        x0 = np.arange(low, high, width / 8)
        log_weight = -((point - c * x0) ** 2) / (2 * noise)
        log_weight += np.log(normal_pdf(x0, -2, 0.09) + normal_pdf(x0, 2, 0.09) + 1e-300)
        weight = np.exp(log_weight - log_weight.max())
        right.append(weight @ x0 / weight.sum())
    return MIXTURE.mean_x0(process, xt, t), np.array(right)


@equation(
    "loss.floor",
    "No model of the noise gets below this loss at t.",
    r"\min_f \mathbb{E}\|\epsilon - f(x_t)\|^2 = \mathrm{SNR}(t)\,"
    r" \mathbb{E}\left[\mathrm{Var}(x_0 \mid x_t)\right]",
    source="nus-l8 L531-533",
    implements="tinydiff.diffusion.mixture:GaussianMixture.mse", tolerance=1e-8,
    schedule=SCHEDULE, T=STEPS, t=TIME,
)  # fmt: skip
def floor(schedule, T, t):
    """Left: from the closed variance. Right: the loss itself with the exact eps, E (eps - E[eps
    | x_t])^2, over x_t given each mode, where x_t and eps are jointly Gaussian. The tolerance is
    what 200 nodes leave where the modes begin to separate."""
    process = process_of(schedule, T)
    c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    spread = 0.09 * c**2 + noise
    z = np.linspace(-12, 12, 6001)
    w = normal_pdf(z, 0, 1) * (z[1] - z[0])
    slope, rest = np.sqrt(noise) / spread, 1 - noise / spread  # eps | x_t in one mode
    xt = 2 * c + np.sqrt(spread) * z  # in the mode at +2; the other is its mirror image
    near = 1 / (1 + np.exp(-4 * c * xt / spread))  # p(this mode | x_t)
    means = slope * (xt - 2 * c), slope * (xt + 2 * c)
    exact = near * means[0] + (1 - near) * means[1]
    return MIXTURE.mse(process, t), rest + w @ (means[0] - exact) ** 2


@equation(
    "loss.learned-variance",
    "The hybrid loss: L_simple for the mean, a little of the bound for the variance.",
    r"L_{hybrid} = L_{simple} + \lambda L_{vlb},\qquad \lambda = 0.001",
    source="Nichol and Dhariwal 2021, equation 16",
    implements="tinydiff.diffusion.bound:hybrid_loss", tolerance=ROUNDING,
    schedule=SCHEDULE, T=Param(1000, 3, 1000), t=TIME_2, seed=SEED, scale=Param(0.001, 0.0, 1.0),
)  # fmt: skip
def learned_variance_loss(schedule, T, t, seed, scale):
    """Right: the two losses written out, with log sigma^2 = f log beta + (1 - f) log beta-tilde
    and the divergence in its general form."""
    process = process_of(schedule, T)
    x0, eps, xt = (a[:, None] for a in noised(process, t, seed))
    f = 1 / (1 + np.exp(-xt))
    left = bound.hybrid_loss(
        lambda xt, t: np.concatenate([np.tanh(xt), f], axis=1), process, x0, t, eps, scale=scale
    )
    beta, noise = process.betas[t], process.one_minus_alphas_bar[t]
    tilde = beta * process.one_minus_alphas_bar[t - 1] / noise
    sigma2 = beta**f * tilde ** (1 - f)
    error = (eps - np.tanh(xt)) ** 2
    shift2 = beta**2 / ((1 - beta) * noise) * error  # of the two means
    nats = (np.log(sigma2 / tilde) + tilde / sigma2 - 1 + shift2 / sigma2) / 2
    return left.item(), error.mean() + scale * T * nats.mean()


@equation(
    "loss.uniform-time",
    "t uniform on 1 ... T makes the loss an unbiased estimate of the sum.",
    r"t \sim \mathrm{Uniform}(\{1, \dots, T\})",
    source="nus-l8 L543",
    implements="tinydiff.diffusion.timesampling:UniformT.sample",
    tolerance=0.1,  # a frequency out of 4e5 draws errs by sqrt(T / 4e5) = 0.01: ten sigma
    T=Param(10, 1, 40), seed=SEED,
)  # fmt: skip
def uniform_time(T, seed):
    """Left: how often each t is drawn, times T / n. Right: 1 each; what lies outside counts as
    wrong."""
    n = 400_000
    t, weight = timesampling.UniformT(T).sample(n, np.random.default_rng(seed))
    outside = ((t < 1) | (t > T)).sum()
    counts = np.bincount(t, minlength=T + 1)[1 : T + 1] * (T / n)
    return (counts, 1.0 + outside, weight[:1]), (np.ones(T), 1.0, np.ones(1))


@equation(
    "loss.importance-time",
    "Draw t by its second moment and divide by its probability: unbiased.",
    r"p_t \propto \sqrt{\mathbb{E}[L_t^2]},\qquad"
    r" \mathbb{E}_{t \sim p}\left[\frac{L_t}{T p_t}\right] = \frac{1}{T} \sum_t L_t",
    source="Nichol and Dhariwal 2021, equation 18",
    implements="tinydiff.diffusion.timesampling:ImportanceT.sample", tolerance=ROUNDING,
    T=Param(10, 2, 40), seed=SEED,
)  # fmt: skip
def importance_time(T, seed):
    """Left: p_t times the weight that a draw of t carries. Right: 1 / T; p_t is computed here
    from the losses shown to the sampler, with the share 0.001 that is kept uniform."""
    sampler = timesampling.ImportanceT(T)
    losses = np.exp(normals(seed, (T, 10))[0])
    for column in losses.T:
        sampler.update(np.arange(1, T + 1), column)
    t, weight = sampler.sample(500, np.random.default_rng(seed))
    p = np.sqrt((losses**2).mean(axis=1))
    p = 0.999 * p / p.sum() + 0.001 / T
    return weight * p[t - 1], np.full(500, 1 / T)


@equation(
    "loss.stratified-time",
    "One t from each of T strata: every t once.",
    r"t_i = 1 + \left\lfloor T\,\frac{i + u}{n} \right\rfloor,\quad i = 0, \dots, n-1",
    source="Kingma et al. 2021, appendix I.1",
    implements="tinydiff.diffusion.timesampling:StratifiedT.sample", tolerance=ROUNDING,
    T=Param(10, 1, 200), n=Param(10, 1, 200), seed=SEED,
)  # fmt: skip
def stratified_time(T, n, seed):
    """Left: draws for n rows, and the mean of all draws for T rows. Right: the same formula with
    the u that the generator gives, in whole numbers where that is exact."""
    t, _ = timesampling.StratifiedT(T).sample(n, np.random.default_rng(seed))
    u = np.random.default_rng(seed).random(n)
    every, _ = timesampling.StratifiedT(T).sample(T, np.random.default_rng(seed))
    right = 1 + np.floor(T * (np.arange(n) + u) / n)
    return (t, np.sort(every)), (np.minimum(right, T), np.arange(1, T + 1))

"""Errata of nus-l8 in the processes: sampling steps, means, schedules, indices, what the network
sees, and how many numbers that is.

DDPM is the linear schedule 1e-4 ... 0.02 with T = 1000.
"""

import math

import numpy as np

from .. import ops
from ..diffusion import likelihood, samplers, schedules
from ..diffusion.process import Process
from .entry import erratum
from .errata_nus import DIGITS
from .forward import moments
from .posterior import by_precision
from .sampling import always, first
from .settings import DDPM, MIXTURE, normal_pdf
from .variance import unexplained


@erratum(
    "E-B1", "The sampling step adds sigma^2(t) z instead of sigma(t) z.", verdict="WRONG",
    printed=r"x_{t-1} = \cdots + \sigma^2(t)\,z", correct=r"x_{t-1} = \cdots + \sigma(t)\,z",
    source="nus-l8 L569", implements="tinydiff.diffusion.samplers:ddpm", tolerance=DIGITS,
)  # fmt: skip
def b1():
    """DDPM, data N(0, 1) with the exact model: the variance of x_0 is 0.0056 instead of 0.991 (1
    but for the posterior variance, a little small). Left: the sampler with variance sigma^4, and
    sigma^2; each step's slope and noise are read off and multiplied through. Right: recorded;
    and by recursion."""
    tilde, root = DDPM.posterior_variance, np.sqrt(DDPM.one_minus_alphas_bar)
    model = lambda xt, t: xt * root[t[0]]  # noqa: E731 (E[eps | x_t] for N(0, 1))
    start, z = np.array([[0.0], [1.0], [0.0]]), np.array([[0.0], [0.0], [1.0]])
    left = []
    for variance in (tilde**2, tilde):
        left.append(1.0)
        for t in range(1000, 0, -1):
            ts = [t, t - 1] if t > 1 else [1]
            step = samplers.ddpm(model, DDPM, start, noise=always(z), ts=ts, variance=variance)
            offset, slope, noise = first(step)[:, 0]
            left[-1] = (slope - offset) ** 2 * left[-1] + (noise - offset) ** 2
    right = 1.0
    for t in range(
        1000, 0, -1
    ):  # x_{t-1} = sqrt(alpha_t) x_t + sigma(t) z, as eps = sqrt(1 - ab) x_t
        right = DDPM.alphas[t] * right + tilde[t]
    return tuple(left), (0.00557681153, right)


@erratum(
    "E-B2", "The lab's mean divides by the root of alpha_bar_t instead of alpha_t.",
    verdict="WRONG",
    printed=r"\mu_t = \tfrac{1}{\sqrt{\bar\alpha_t}}\left(x_t -"
    r" \tfrac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}"
    r"\epsilon_\theta\right)",
    correct=r"\mu_t = \tfrac{1}{\sqrt{\alpha_t}}\left(x_t -"
    r" \tfrac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}"
    r"\epsilon_\theta\right)",
    source="nus-l8 L645, L649", implements="tinydiff.diffusion.process:Process.convert",
    tolerance=DIGITS,
)  # fmt: skip
def b2():
    """DDPM, t = 500, x_0 = 1.7, x_t = -0.4: -1.3928 instead of -0.3924, by adding precisions.
    log10 of the product of all the factors is 735.5 instead of 2.197; samples pass 1e100 after
    the step from t = 953."""
    xt, x0 = np.array([-0.4]), np.array([1.7])
    eps = DDPM.convert(x0, xt, 500, "x0", "eps")
    beta, noise, ab = DDPM.betas[500], DDPM.one_minus_alphas_bar[500], DDPM.alphas_bar
    printed = (xt - beta / math.sqrt(noise) * eps) / math.sqrt(ab[500])
    growth = -np.log10(ab[1:]) / 2
    passes = 1000 - int(np.argmax(np.cumsum(growth[::-1]) > 100))
    left = (printed[0], growth.sum(), passes), DDPM.convert(eps, xt, 500, "eps", "mu")[0]
    return left, ((-1.39279711, 735.485898, 953), by_precision("linear", 1000, 500, 1.7, -0.4)[0])


@erratum(
    "E-B8", "The closed form is given the posterior's variance.", verdict="WRONG",
    printed=r"p(x_t\mid x_0) = \mathcal{N}(\sqrt{\bar\alpha_t}x_0,\ \sigma^2(t) I)",
    correct=r"p(x_t\mid x_0) = \mathcal{N}(\sqrt{\bar\alpha_t}x_0,\ (1-\bar\alpha_t) I)",
    source="nus-l8 L411, L415, L445", implements="tinydiff.diffusion.process:Process.q_sample",
    tolerance=DIGITS,
)  # fmt: skip
def b8():
    """DDPM at t = 1, 500, 1000: variance 0, 0.0100, 0.0200 instead of 1e-4, 0.9214, 0.99996.
    Right: the variance of the chain, step by step."""
    chain, right = 0.0, []
    for t in range(1, 1001):
        chain = (1 - DDPM.betas[t]) * chain + DDPM.betas[t]
        if t in (1, 500, 1000):
            right.append(chain)
    x = np.zeros(1)
    std = [moments(lambda x, eps, t=t: DDPM.q_sample(x, t, eps), x)[1][0] for t in (1, 500, 1000)]
    printed = tuple(DDPM.posterior_variance[[1, 500, 1000]])
    return (printed, tuple(np.square(std))), ((0.0, 0.0100313554, 0.0199999835), tuple(right))


@erratum(
    "E-B10", "alpha_1 is said to be delta; by the schedule's own line it is 1 - delta.",
    verdict="WRONG",
    printed=r"\alpha_1 = \bar\alpha_1 = \delta", correct=r"\alpha_1 = \bar\alpha_1 = 1 - \delta",
    source="nus-l8 L426", implements="tinydiff.diffusion.process:Process.__init__",
    tolerance=DIGITS,
)  # fmt: skip
def b10():
    """T = 1000 steps, delta = 1 / T, alpha_t = 1 - t delta: 0.999, not 0.001. The conclusion
    that mu(x_1) is x0_hat(x_1) holds for any alpha_1 (posterior.first-step)."""
    delta = 1 / 1000
    process = Process(np.arange(1000) * delta)  # one step short of alpha_T = 0
    return (delta, (process.alphas[1], process.alphas_bar[1])), (0.001, (1 - delta, 1 - delta))


@erratum(
    "E-B11", "The step of the schedule is upside down.", verdict="INCONSISTENT",
    printed=r"\alpha_t = 1 - t\delta,\ \delta = T / N_t", correct=r"\delta = 1 / T",
    source="nus-l8 L312", implements="tinydiff.diffusion.process:Process.__init__",
    tolerance=DIGITS,
)  # fmt: skip
def b11():
    """N_t = T steps make delta = 1, and alpha = 1, 0, -1, ... With delta = 1 / T, T = 4: 1, 3/4,
    1/2, 1/4, 0."""
    printed = 1 - np.arange(3) * (4 / 4)
    alphas = Process(np.arange(5) / 4).alphas
    return (printed, alphas), (np.array([1.0, 0.0, -1.0]), np.array([1, 0.75, 0.5, 0.25, 0]))


@erratum(
    "E-B12", "Alphas that fall on a line to 0 lose the signal within a tenth of the steps.",
    verdict="MISLEADING", printed=r"\alpha_t = 1 - t/T",
    correct=r"\text{choose } \bar\alpha_t\ (\text{here } 1 - t/T),\ \alpha_t ="
    r" \bar\alpha_t/\bar\alpha_{t-1}",
    source="nus-l8 L312", implements="tinydiff.diffusion.schedules:from_alphas_bar",
    tolerance=DIGITS,
)  # fmt: skip
def b12():
    """T = 1000. Printed: half of alpha_bar is gone at t = 37 (500 where alpha_bar itself is the
    line), alpha_bar is 5.4e-3 at 100 and 1.6e-67 at 500, below 1e-300 from t = 909 on, and 0 at
    T."""
    line = 1 - np.arange(1001) / 1000
    with np.errstate(under="ignore"):
        ab = np.cumprod(line)
    printed = np.argmax(ab < 0.5), ab[100], math.log10(ab[500]), np.argmax(ab < 1e-300)
    better = np.cumprod(1 - schedules.from_alphas_bar(line))
    recorded = 37, 0.00536303397, -66.7827943, 909
    return (printed, (better[100], better[500])), (recorded, (0.9, 0.5))


@erratum(
    "E-B26", "The network is written without t; it cannot do without.", verdict="INCONSISTENT",
    printed=r"\epsilon_\theta(x_t)", correct=r"\epsilon_\theta(x_t, t)",
    source="nus-l8 L503, L551, L553", implements="tinydiff.diffusion.mixture:GaussianMixture.mse",
    tolerance=DIGITS,
)  # fmt: skip
def b26():
    """DDPM and the mixture, t uniform: the best loss of any function of x_t alone is 0.6182, of
    x_t and t 0.2453 (and not 0.2474). Left: by quadrature of E[eps | x] over all t; and the
    exact floor, averaged over t."""
    x = np.linspace(-7, 7, 1401)
    dx = x[1] - x[0]
    explained, density = np.zeros_like(x), np.zeros_like(x)
    right = []
    for t in range(1, 1001):
        c, noise = math.sqrt(DDPM.alphas_bar[t]), DDPM.one_minus_alphas_bar[t]
        spread = 0.09 * c**2 + noise
        for mode in (2 * c, -2 * c):
            q = normal_pdf(x, mode, spread) / 2
            density += q
            explained += q * math.sqrt(noise) * (x - mode) / spread
        right.append(c**2 / noise * unexplained(c**2, noise))
    alone = 1 - (explained**2 / np.maximum(density, 1e-300)).sum() * dx / 1000
    floor = np.mean([MIXTURE.mse(DDPM, t) for t in range(1, 1001)])
    return (alone, floor), (0.618233125, np.mean(right))


@erratum(
    "E-B27", "Tables of length T put t = 1 at index 0, and t - 1 = 0 at the end.",
    verdict="MISLEADING",
    printed=r"\text{lists of length } T",
    correct=r"\text{tables of length } T+1,\ \bar\alpha_0 = 1",
    source="nus-l8 L627", implements="tinydiff.diffusion.process:Process.__init__",
    tolerance=DIGITS,
)  # fmt: skip
def b27():
    """sigma^2(1) needs alpha_bar_0 = 1; a list of length T returns its last entry for the index
    -1, 4.04e-5 for DDPM, and so a variance of 0.99996 beta_1 / beta_1 instead of 0."""
    table = np.cumprod(1 - DDPM.betas[1:])  # alpha_bar_1 ... alpha_bar_T
    beta = DDPM.betas[1]
    printed = table[0 - 1], beta * (1 - table[0 - 1]) / (1 - table[0])
    process = Process(DDPM.betas)
    return (printed, (process.alphas_bar[0], process.posterior_variance[1])), (
        (4.03582977e-5, 0.999959642), (1.0, 0.0),
    )  # fmt: skip


@erratum(
    "E-B29", "MNIST's pixels have one value, not three.", verdict="WRONG",
    printed=r"d_x = N_x \times N_y \times 3", correct=r"d_x = 28 \times 28 \times 1 = 784",
    source="nus-l8 L61", implements="tinydiff.diffusion.likelihood:bits_per_dim", tolerance=DIGITS,
)  # fmt: skip
def b29():
    """Printed: 2352 numbers an image. Where all images of 256 levels are equally likely, that makes
    7.33 bits a dimension of what are 8. Left: the density of pixels spread over their bins, per
    dimension. Right: the size of MNIST's file, 47,040,016 bytes with its head of 16, for 60,000
    images; log2 of the levels."""
    logp = np.array([-784 * math.log(512 / 255)])
    printed, correct = [
        (math.prod(shape), likelihood.bits_per_dim(logp, shape, 256)[0])
        for shape in [(28, 28, 3), (28, 28, 1)]
    ]
    return (printed, correct), ((2352, 7.32956896), ((47_040_016 - 16) / 60_000, 8.0))


@erratum(
    "E-B32", "The first lab's attention weights sum to 1 over the queries, not the keys.",
    verdict="WRONG",
    printed=r"w_{ij} = e^{s_{ij}} / \textstyle\sum_i e^{s_{ij}},\ s_{ij} = q_i \cdot k_j/\sqrt{D}",
    correct=r"w_{ij} = e^{s_{ij}} / \textstyle\sum_j e^{s_{ij}}",
    source="nus-l8 L553 (the Transformer: first lab's notebook)",
    implements="tinydiff.ops:attention", tolerance=DIGITS,
)  # fmt: skip
def b32():
    """Two points with s = (0, 0; 0, log 3) and values (1, 0), (1, 1). The first value of each
    result is the sum of its weights: 3/4 and 5/4 as printed, so that one point is told too little
    and the other too much, and 1 over the keys. Right: by hand, e^s = (1, 1; 1, 3)."""
    q, k = np.array([[0.0], [math.log(3)]]), np.array([[0.0], [1.0]])
    values = np.array([[1.0, 0.0], [1.0, 1.0]])
    printed = ops.softmax(q @ k.T, 0) @ values
    hand = ([[3 / 4, 1 / 4], [5 / 4, 3 / 4]], [[1, 1 / 2], [1, 3 / 4]])
    return (printed, ops.attention(q, k, values)), hand

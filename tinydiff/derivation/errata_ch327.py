"""Errata of ch327, whose DDPM1D has T = 100 by default and T = 200 in its pictures."""

import math

import numpy as np
from scipy.special import erfinv

from ..diffusion import samplers, schedules
from ..diffusion.grid import push_density
from ..diffusion.process import Process
from .entry import erratum
from .errata_nus import DIGITS
from .forward import moments
from .settings import DDPM, MIXTURE, normal_logpdf, normal_pdf


def one_step_at_a_time(betas):
    """The variance that steps with these betas make of 0."""
    variance = 0.0
    for beta in betas:
        variance = (1 - beta) * variance + beta
    return variance


@erratum(
    "E-D1", "Index t of the tables is time t + 1.", verdict="WRONG",
    printed=r"\texttt{alpha\_bars[t]},\ t = 0, \dots, T-1",
    correct=r"T+1 \text{ entries},\ \bar\alpha_0 = 1",
    source="ch327 L22, L23, L28, L34", implements="tinydiff.diffusion.process:Process.q_sample",
    tolerance=DIGITS,
)  # fmt: skip
def d1():
    """T = 100. "t = 0" has noise 0.01 already; "t = 50" has the variance of 51 steps, 0.23071,
    where 50 make 0.22282. The index -1 returns the last entry, alpha_bar_T = 0.3636."""
    table = np.cumprod(1 - np.linspace(1e-4, 0.02, 100))
    printed = math.sqrt(1 - table[0]), 1 - table[50], table[-1]
    process, x = Process(schedules.linear(100)), np.zeros(1)
    std = moments(lambda x, eps: process.q_sample(x, 50, eps), x)[1][0]
    return (printed, std**2), (
        (0.01, 0.230708688, 0.363563248), one_step_at_a_time(np.linspace(1e-4, 0.02, 100)[:50]),
    )  # fmt: skip


@erratum(
    "E-D2", "100 or 200 steps of these betas do not reach pure noise.", verdict="WRONG",
    printed=r"\beta_T = 0.02,\ T = 100, 200:\ \text{becomes pure noise}",
    correct=r"\beta_t \cdot 1000 / T",
    source="ch327 L15, L30, L45", implements="tinydiff.diffusion.schedules:linear",
    tolerance=DIGITS,
)  # fmt: skip
def d2():
    """For T = 200 and 100: alpha_bar_T 0.132 and 0.364; on its data the modes still at 0.727 and
    1.206, the variance 1.41 and 2.12, 0.0354 and 0.2435 nats from N(0, 1). Scaled betas end at
    3.0e-5, 2.0e-5."""
    printed, correct, right = [], [], []
    x = np.linspace(-9, 9, 18001)
    for T in (200, 100):
        ab = np.prod(1 - np.linspace(1e-4, 0.02, T))
        spread = 0.09 * ab + 1 - ab
        p = normal_pdf(x, [[2 * math.sqrt(ab)], [-2 * math.sqrt(ab)]], spread).mean(axis=0)
        nats = p @ (np.log(p) - normal_logpdf(x, 0, 1)) * (x[1] - x[0])
        printed += [ab, 2 * math.sqrt(ab), 4.09 * ab + 1 - ab, nats]
        correct.append(np.prod(1 - schedules.linear(T, rescale=True)))
        scaled = np.linspace(1e-4, 0.02, T) * 1000 / T
        right.append(math.exp(np.log1p(-scaled).sum()))
    recorded = 0.132182754, 0.727138926, 1.40844471, 0.0353756272
    recorded += 0.363563248, 1.20592412, 2.12341044, 0.243549516
    return (tuple(printed), tuple(correct)), (recorded, tuple(right))


@erratum(
    "E-D3", "alpha_bar is the signal's share of the variance only if the data has variance 1.",
    verdict="MISLEADING", printed=r"\bar\alpha_t = \text{signal fraction}",
    correct=r"\frac{\bar\alpha_t v}{\bar\alpha_t v + 1 - \bar\alpha_t}",
    source="ch327 L55, L56, L57",
    implements="tinydiff.diffusion.mixture:GaussianMixture.noised", tolerance=DIGITS,
)  # fmt: skip
def d3():
    """T = 200 and its data, v = 4.09. Where alpha_bar is 1/2 (t = 117) the signal is still 80.4
    % of the variance; it is half at alpha_bar = 1 / 5.09 = 0.1965 (t = 179)."""
    process = Process(schedules.linear(200))
    signal, share = process.alphas_bar, np.ones(201)
    for t in range(1, 201):
        qt = MIXTURE.noised(process, t)
        share[t] = signal[t] * 4.09 / (qt.weights @ (qt.covs + qt.means**2))
    times = [int(np.abs(a - 0.5).argmin()) for a in (signal, share)]
    left = (times[0], signal[117]), (times[1], share[117])
    return left, ((117, 0.500063759), (179, 1 / (1 + (1 / signal[117] - 1) / 4.09)))


@erratum(
    "E-D5", "The network does not predict the noise of one step.", verdict="WRONG",
    printed=r"\text{predicts the noise added at each step}",
    correct=r"\epsilon \text{ of } x_t = \sqrt{\bar\alpha_t}x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon",
    source="ch327 L6, L64", implements="tinydiff.diffusion.process:Process.q_between",
    tolerance=DIGITS,
)  # fmt: skip
def d5():
    """DDPM. Printed: one and the same, correlation 1. It is 1 at t = 1, 0.384 at 10, 0.142 at
    100 and 0.104 at 500. Left: sqrt(beta_t / (1 - alpha_bar_t)). Right: step by step, for the
    variance."""
    times = 1, 10, 100, 500
    noise = DDPM.one_minus_alphas_bar
    left = [math.sqrt(DDPM.q_between(t - 1, t)[1] / noise[t]) for t in times]
    betas = np.linspace(1e-4, 0.02, 1000)
    right = [math.sqrt(betas[t - 1] / one_step_at_a_time(betas[:t])) for t in times]
    return ((1.0,) * 4, tuple(left)), ((1.0,) * 4, tuple(right))


@erratum(
    "E-D6", "What makes few steps possible is skipping, not being deterministic.",
    verdict="MISLEADING",
    printed=r"\text{DDIM: 10-50 steps by making the reverse deterministic}",
    correct=r"\text{one network for a whole family, run on a sub-sequence; DDPM can stride as"
    r" well}",
    source="ch327 L72", implements="tinydiff.diffusion.samplers:ddim", tolerance=1e-5,
)  # fmt: skip
def d6():
    """The mixture, DDPM's schedule, 20 of its 1000 steps, evenly from 1000 to 1: width of a mode
    (0.3 in the data) by strided DDPM with beta-tilde, 0.230, and by DDIM, 0.274 (trailing
    times: 0.231 and 0.271). Both land on the modes; DDIM narrows them less. Left: the density moved
    through the kernels; quantiles of x_T moved by DDIM. Right: recorded; a loop of the formula over
    the same quantiles."""
    ts = samplers.timesteps(1000, 20)
    model = MIXTURE.model(DDPM)
    x = np.linspace(-7, 7, 1401)
    density = push_density(samplers.ddpm, DDPM, model, x, normal_pdf(x, 0, 1), ts=ts)
    mass = np.where(x > 0, density, 0)
    mass /= mass.sum()
    strided = math.sqrt(mass @ x**2 - (mass @ x) ** 2)
    from_quantiles = np.sqrt(2) * erfinv(np.arange(0.5, 4000) / 4000)  # of |x_T|: one mode
    deterministic = samplers.last(samplers.ddim(model, DDPM, from_quantiles, ts=ts)).std()
    y = from_quantiles
    for t, s in zip(ts, [*ts[1:], 0]):
        c, noise = math.sqrt(DDPM.alphas_bar[t]), DDPM.one_minus_alphas_bar[t]
        spread = 0.09 * c**2 + noise
        x0 = (0.09 * c * y + 2 * noise * np.tanh(2 * c * y / spread)) / spread
        eps = (y - c * x0) / math.sqrt(noise)
        y = math.sqrt(DDPM.alphas_bar[s]) * x0 + math.sqrt(DDPM.one_minus_alphas_bar[s]) * eps
    return (strided, deterministic), (0.230313596, y.std())


PRINTED = (  # the first lines, shortened, each with the depth of indentation that it has lost
    (0, "class DDPM1D:"),
    (1, "def __init__(self, T):"),
    (2, "self.betas = np.linspace(1e-4, 0.02, T)"),
    (2, "self.alpha_bars = np.cumprod(1.0 - self.betas)"),
    (1, "def q_sample(self, x0, t, eps):"),
    (2, "return np.sqrt(self.alpha_bars[t]) * x0 + np.sqrt(1 - self.alpha_bars[t]) * eps"),
)


@erratum(
    "E-D9", "The class is printed without indentation, and does not compile.", verdict="WRONG",
    printed=r"\texttt{class DDPM1D:} \ \texttt{def \_\_init\_\_(self, ...):}",
    correct=r"\text{four spaces for each level}", source="ch327 L10-36",
    implements="tinydiff.diffusion.process:Process.q_sample", tolerance=DIGITS,
)  # fmt: skip
def d9():
    """The compiler stops at line 2. Left: that line; x_50 by `Process`. Right: the
    class as it was meant, whose index 49 is time 50."""
    try:
        compile("\n".join(line for _, line in PRINTED), "ch327", "exec")
        stops = 0
    except IndentationError as problem:
        stops = problem.lineno
    names = {"np": np}
    exec("\n".join("    " * depth + line for depth, line in PRINTED), names)
    x0, eps = np.array([-2.0, 0.3, 2.0]), np.array([0.7, -1.1, 0.2])
    correct = Process(schedules.linear(200)).q_sample(x0, 50, eps)
    return (stops, correct), (2, names["DDPM1D"](200).q_sample(x0, 49, eps))

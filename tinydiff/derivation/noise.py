"""Noise schedules: where the betas come from."""

import numpy as np

from ..diffusion import schedules
from .entry import Param, equation
from .settings import ROUNDING, SCHEDULE, STEPS, betas_of

SCHEDULES = "tinydiff.diffusion.schedules"


@equation(
    "schedule.linear",
    "The linear schedule: betas on a straight line, scaled to the number of steps.",
    r"\beta_t = \beta_1 + \frac{t-1}{T-1}(\beta_T - \beta_1)",
    source="ch327 L17; nus-l8 L310; Ho et al. 2020, section 4",
    implements=f"{SCHEDULES}:linear", tolerance=ROUNDING,
    T=Param(1000, 2, 1000), first=Param(1e-4, 1e-6, 1e-2, log=True),
    last=Param(0.02, 1e-4, 0.9, log=True),
)  # fmt: skip
def linear(T, first, last):
    """Left: as it is; then with `rescale`, its sum, which keeps the end of the chain where T =
    1000 has it. Right: the line; and 1000 times the mean of both ends."""
    left = schedules.linear(T, first, last)
    line = [0.0] + [first + (t - 1) / (T - 1) * (last - first) for t in range(1, T + 1)]
    small = min(first, T / 2000), min(last, T / 2000)  # so that none exceeds 1 / 2
    scaled = schedules.linear(T, *small, rescale=True).sum()
    return (left, scaled), (np.array(line), 1000 * sum(small) / 2)


@equation(
    "schedule.quadratic",
    "The quadratic schedule: square roots of betas on a straight line.",
    r"\sqrt{\beta_t} = \sqrt{\beta_1} + \frac{t-1}{T-1}\left(\sqrt{\beta_T} -"
    r" \sqrt{\beta_1}\right)",
    source="Song, Meng and Ermon 2021, appendix D.2",
    implements=f"{SCHEDULES}:quadratic", tolerance=ROUNDING,
    T=Param(1000, 2, 1000), first=Param(1e-4, 1e-6, 1e-2, log=True),
    last=Param(0.02, 1e-4, 0.9, log=True),
)  # fmt: skip
def quadratic(T, first, last):
    """Right: the line, squared."""
    roots = [first**0.5 + (t - 1) / (T - 1) * (last**0.5 - first**0.5) for t in range(1, T + 1)]
    return schedules.quadratic(T, first, last), np.append(0.0, np.square(roots))


@equation(
    "schedule.cosine",
    "The cosine schedule: alpha_bar falls like a squared cosine.",
    r"\bar\alpha_t = \frac{f(t)}{f(0)},\qquad"
    r" f(t) = \cos^2\left(\frac{\pi}{2}\,\frac{t/T + s}{1 + s}\right)",
    source="Nichol and Dhariwal 2021, equation 17",
    implements=f"{SCHEDULES}:cosine", tolerance=1e-10,
    T=STEPS, s=Param(0.008, 0.0, 0.1),
)  # fmt: skip
def cosine(T, s):
    """Left: the products of 1 - beta, but for the last, which the cap holds above 0. Right: the
    definition."""
    betas = schedules.cosine(T, s, cap=1.0)
    f = np.cos(np.pi / 2 * (np.arange(T + 1) / T + s) / (1 + s)) ** 2
    f[-1] = 0.0
    return np.cumprod(1 - betas), f / f[0]


@equation(
    "schedule.sigmoid",
    "The sigmoid schedule: alpha_bar falls like a logistic curve.",
    r"\bar\alpha_t = \frac{S(u_T) - S(u_t)}{S(u_T) - S(u_0)},\qquad"
    r" u_t = \frac{1}{\tau}\left(u_a + \frac{t}{T}(u_b - u_a)\right)",
    source="Jabri et al. 2022, appendix",
    implements=f"{SCHEDULES}:sigmoid", tolerance=1e-10,
    T=STEPS, start=Param(-3.0, -4.0, 0.0), end=Param(3.0, 1.0, 4.0), tau=Param(1.0, 0.4, 1.5),
)  # fmt: skip
def sigmoid(T, start, end, tau):
    """As for the cosine. Right: the definition, by tanh."""
    betas = schedules.sigmoid(T, start, end, tau, cap=1.0)
    S = np.tanh((start + np.arange(T + 1) / T * (end - start)) / tau / 2)
    return np.cumprod(1 - betas), (S[-1] - S) / (S[-1] - S[0])


@equation(
    "schedule.from-alphas-bar",
    "Any falling signal is a schedule.",
    r"\beta_t = 1 - \frac{\bar\alpha_t}{\bar\alpha_{t-1}}",
    source="nus-l8 L310, L312; ub-lecture L551",
    implements=f"{SCHEDULES}:from_alphas_bar", tolerance=1e-8,  # u over the smallest beta, 1e-7
    schedule=SCHEDULE, T=STEPS,
)  # fmt: skip
def from_alphas_bar(schedule, T):
    """Right: the betas whose product of complements the signal was."""
    betas = betas_of(schedule, T)
    return schedules.from_alphas_bar(np.cumprod(1 - betas)), betas


@equation(
    "schedule.from-log-snr",
    "A schedule may be given by the log of its signal-to-noise ratio.",
    r"\bar\alpha_t = \frac{1}{1 + e^{-\lambda_t}},\qquad \lambda_t = \log\mathrm{SNR}(t)",
    source="Kingma et al. 2021, section 3.2",
    implements=f"{SCHEDULES}:from_log_snr", tolerance=1e-10,
    T=STEPS, high=Param(10.0, 2.0, 20.0), low=Param(-8.0, -20.0, 0.0),
)  # fmt: skip
def from_log_snr(T, high, low):
    """Left: the products of 1 - beta. Right: the logistic function."""
    lam = np.append(np.inf, np.linspace(high, low, T))
    return np.cumprod(1 - schedules.from_log_snr(lam)), 1 / (1 + np.exp(-lam))


@equation(
    "schedule.zero-terminal-snr",
    "Zero terminal SNR: shift and scale the signal's root so that it ends at 0.",
    r"\sqrt{\bar\alpha'_t} = \sqrt{\bar\alpha_1}\,"
    r"\frac{\sqrt{\bar\alpha_t} - \sqrt{\bar\alpha_T}}{\sqrt{\bar\alpha_1} - \sqrt{\bar\alpha_T}}",
    source="Lin et al. 2023, algorithm 1; nus-l8 L308",
    implements=f"{SCHEDULES}:zero_terminal_snr", tolerance=1e-10,
    schedule=SCHEDULE, T=Param(1000, 2, 1000),
)  # fmt: skip
def zero_terminal_snr(schedule, T):
    """Left: the products of 1 - beta'. Right: the definition; 1 before the first step."""
    betas = betas_of(schedule, T)
    root = np.sqrt(np.cumprod(1 - betas))
    right = root[1] * (root - root[-1]) / (root[1] - root[-1])
    right[0] = 1.0
    return np.cumprod(1 - schedules.zero_terminal_snr(betas)), right**2

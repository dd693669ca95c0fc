"""How do I know that my sampler, or my model, is right? Checks that do not look at samples.

A wrong sampler can make better-looking samples: with eps_hat taken at t - 1 instead of t, the
density that `samplers.ddpm` reaches on two modes in 100 steps comes closer to the data, not less
close. So a sampler's steps are measured and compared with the formulas they should be, with the
exact model of data so simple that the formulas are known.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..tensor import Tensor, no_grad
from .grid import measure_kernel, push_density, total_variation
from .process import Process
from .schedules import linear


class Row(NamedTuple):
    """One check: `value` is to be at most `tolerance`."""

    name: str
    value: float
    tolerance: float

    @property
    def ok(self):
        return bool(self.value <= self.tolerance)  # False for NaN


@dataclass(frozen=True)
class Report:
    """The checks that were made, as rows; `ok` if all of them passed."""

    rows: tuple

    @property
    def ok(self):
        return all(row.ok for row in self.rows)

    def __str__(self):
        lines = [f"{'check':58}{'value':>12}{'tolerance':>12}"]
        for name, value, tolerance in self.rows:
            verdict = "ok" if value <= tolerance else "FAIL"
            lines.append(f"{name:58}{value:12.2e}{tolerance:12.2e}  {verdict}")
        return "\n".join(lines)


class _TwoModes:
    """The data 1/2 N(-m, r^2) + 1/2 N(m, r^2), one Gaussian if m = 0, under `process`.

    q(x_t) has modes at -+ c m of variance V = c^2 r^2 + n^2, with c = sqrt(alpha_bar_t) and n =
    sqrt(1 - alpha_bar_t). Given x_t the mean of the mode's sign is tanh(c m x_t / V), hence
        E[x_0 | x_t] = (c r^2 x_t + n^2 m tanh(c m x_t / V)) / V.
    """

    def __init__(self, process, m, r):
        self.m, self.r = m, r
        self.c, self.n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)

    def x0(self, x, t):
        c, n = self.c[t], self.n[t]
        V = (c * self.r) ** 2 + n**2
        return (c * self.r**2 * x + n**2 * self.m * np.tanh(c * self.m * x / V)) / V

    def eps(self, x, t):
        """The exact model."""
        return (x - self.c[t] * self.x0(x, t)) / self.n[t]

    def density(self, x):
        z = np.stack([x - self.m, x + self.m]) / self.r
        return np.exp(-(z**2) / 2).mean(axis=0) / (self.r * np.sqrt(2 * np.pi))

    def ddim(self, x, t, s, std=0.0):
        """Where DDIM with noise `std` takes x_t in the mean; NaN if x_s has less noise."""
        kept = self.n[s] ** 2 - std**2
        return self.c[s] * self.x0(x, t) + np.sqrt(kept if kept >= 0 else np.nan) * self.eps(x, t)

    def flow(self, x, t, s):
        """Where the probability-flow ODE takes x_t, for m = 0: it keeps x_t / sqrt(V_t)."""
        V = (self.c * self.r) ** 2 + self.n**2
        return x * np.sqrt(V[s] / V[t])


PROCESS = Process(linear(100, 1e-3, 0.2))
STEPS = [(100, 99), (60, 59), (20, 19), (2, 1), (1, 0), (50, 48), (20, 18), (8, 5), (3, 0)]
STARTS = np.linspace(-2.5, 3.5, 7)


def verify_sampler(sampler, *, kernel=1e-9, path=1.05, density=0.05):
    """A Report on sampler(model, process, x, noise=, ts=), a generator of (s, x_s); see `samplers`.

    times     the steps go through T - 1, ..., 0
    kernel    every step, long or short, has the mean of a known kernel; see `_distance`
    path      a sampler without noise ends at most `path` times as far from the ODE as DDIM does
    density   the total variation between what becomes of N(0, 1) and the data, two modes, T = 100

    Bind other arguments first: verify_sampler(functools.partial(samplers.ddim, eta=0.5)).
    """
    gaussian, modes = _TwoModes(PROCESS, 0.0, 0.5), _TwoModes(PROCESS, 2.0, 0.3)
    every = list(range(PROCESS.T, 0, -1))
    run = list(sampler(gaussian.eps, PROCESS, STARTS, noise=_no_noise, ts=every))
    wrong = [s for s, _ in run] != every[1:] + [0]
    rows = [Row("times: T - 1, ..., 0", float(wrong), 0.0)]
    quiet = True
    for t, s in STEPS:
        ts = [t, s] if s else [t]
        measured = measure_kernel(sampler, PROCESS, gaussian.eps, STARTS, ts)
        quiet = quiet and not measured[1].any()
        distance = _distance(gaussian, t, s, *measured)
        rows.append(Row(f"kernel: from t = {t} to {s}", distance, kernel))
    if quiet:
        x = STARTS
        for t, s in pairwise([*every, 0]):
            x = gaussian.ddim(x, t, s)
        exact = gaussian.flow(STARTS, PROCESS.T, 0)
        errors = [np.abs(end - exact).max() for end in (run[-1][1], x)]
        rows.append(Row("path: error against that of DDIM", errors[0] / errors[1], path))
    grid = np.linspace(-8, 8, 801)
    start = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    end = push_density(sampler, PROCESS, modes.eps, grid, start)
    apart = total_variation(grid, end, modes.density(grid))
    rows.append(Row("density: total variation to the data", apart, density))
    return Report(tuple(rows))


def _no_noise(t, shape):
    return np.zeros(shape)


def _distance(data, t, s, mean, std, reached):
    """How far the step x_t -> x_s, measured as (mean, std), is from the nearest right one.

    Right are, with the exact x0_hat and eps_hat of Gaussian data,
        c_s x0_hat + sqrt(n_s^2 - std^2) eps_hat               DDIM; DDPM with beta-tilde
        E q(x_s | x_t, x0_hat) if beta-tilde <= std^2 <= beta  DDPM with a larger variance
    where std = 0 if s = 0; and a step without noise that is at least four times as close to the
    probability-flow ODE as DDIM's, since it is of higher order.
    """
    if reached != s or np.ptp(std) > 1e-9:
        return np.inf
    std = float(std[0])
    right = [data.ddim(STARTS, t, s, std)]
    beta = PROCESS.q_between(s, t)[1] if s else 0.0
    posterior, tilde = PROCESS.q_posterior(data.x0(STARTS, t), STARTS, t, s)
    if tilde * (1 - 1e-9) <= std**2 <= beta * (1 + 1e-9):
        right.append(posterior)
    flow = data.flow(STARTS, t, s)
    if std == 0 and np.abs(mean - flow).max() <= np.abs(right[0] - flow).max() / 4:
        return 0.0
    return float(np.nanmin([np.abs(mean - r).max() for r in right] + [np.inf]))


def verify_model(
    model, process, data, *, predicts="eps", n=2000, tol=0.05, dtype=np.float32, rng=None
):
    """A Report on how far `model` is from the best model there is, at 8 times from 1 to T.

    data: a GaussianMixture or Points of `mixture`. The eps-loss of any model exceeds the least
    possible by exactly E |eps_hat - E[eps | x_t]|^2 (a conditional mean is a projection, so
    Pythagoras holds). That excess, per coordinate and over n draws of x_t, is to be at most `tol`.
    """
    rng = rng or np.random.default_rng(0)
    rows = []
    for t in np.unique(np.rint(np.geomspace(1, process.T, 8)).astype(int)).tolist():
        x0 = data.sample(n, rng)
        xt = process.q_sample(x0, t, rng.standard_normal(x0.shape)).astype(dtype)
        with no_grad():
            out = model(xt, np.full(n, t))
        out = out.data if isinstance(out, Tensor) else out
        if out.shape != xt.shape:
            raise ValueError(f"the model returned shape {out.shape} for x of {xt.shape}")
        xt = xt.astype(np.float64)
        eps = process.convert(out.astype(np.float64), xt, t, predicts, "eps")
        excess = np.mean((eps - data.model(process)(xt, t)) ** 2)
        name = f"t = {t}: eps-loss above the least, {data.mse(process, t):.4f}"
        rows.append(Row(name, float(excess), tol))
    return Report(tuple(rows))

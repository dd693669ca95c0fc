"""The report on generated curves of two bumps, beside the same figures of fresh data.

The data is a family of two numbers, so a generated curve can be asked for its own: where its bumps
are, how wide and how high, and whether the curve that belongs to them is the one that was made.
And the least possible loss is known (floor.py), so the loss is judged by it: on the lab's process,
whatever process and prediction a run was trained with.
"""

import math

import numpy as np

from .. import viz
from ..backend import to_device_of, to_host
from ..data import curves, load
from ..data.labcurves import FIRST, LAST
from ..diffusion import schedules
from ..diffusion.process import Process
from ..tensor import no_grad
from .config import LAB_T
from .floor import SQUARE, floor
from .metrics import columns
from .report import Figure
from .shards import blas_threads, one_thread_each

GROUP = 125  # curves that are evaluated together
FRESH_SEED = 1  # of curves that no run is trained on: its own are drawn with seed 0
WINDOW = 3.0  # how far from its peak a bump is measured
OFF = 0.1  # root mean square distance, on the scale [-1, 1], above which a curve is not one of two
MARGIN = 0.2  # half a step of the grid: how far outside of its range a position may be measured
PICTURED, ANIMATED, COLUMNS, FRAMES = 60, 40, 10, 25

PROTOCOL = (
    "eps-MSE: mean squared error of eps on 4000 curves drawn with another seed than the training "
    "curves, one t each, uniform over the 150 steps of the lab's process (linear, 1e-4 to 0.02), "
    "by the averaged weights; what the network predicts is turned into eps by the identities of "
    "that process, and it is told the t of its own process whose SNR is nearest. Floor: the "
    "same error of the exact E[x0 | x_t] (train/floor.py). Bumps: in each half of the curve, with "
    "u = (x + 1) / 2, the peak, and mean and standard deviation of u within 3 of it. Valid: both "
    "means lie in their ranges, and the curve of the data at these means is within 0.1 (root mean "
    "square). KS: largest distance between the distribution of the means and the uniform one."
)


def report(run, clock, threads, show):
    """(Figures, protocol) of a Run, and its pictures."""
    config, process = run.config, run.process
    fresh = load(config.data, seed=FRESH_SEED).x
    lab, points = Process(schedules.linear(LAB_T)), fresh.shape[1]
    rng = np.random.default_rng(config.seed)
    with clock("error"), blas_threads(threads):
        error = eps_error(config, run.model, process, lab, fresh, rng, show)
    with clock("floor"), one_thread_each():
        least = floor(lab, config.floor_draws, rng, points)
        trained = config.weight, config.predicts
        own = floor(process, config.floor_draws, rng, points, *trained)
    found = [
        Figure("eps-MSE on fresh curves, the lab's process", error.mean()),
        Figure("eps-MSE: standard error", error.std(ddof=1) / math.sqrt(len(error))),
        Figure("floor of eps-MSE, the lab's process", least.mean),
        Figure("floor of eps-MSE: standard error", least.stderr),
        Figure("eps-MSE / floor", error.mean() / least.mean),
        Figure("floor of the training loss", own.mean),
        Figure("floor of the training loss: standard error", own.stderr),
        *bump_figures("samples", run.samples),
        *bump_figures("fresh data", fresh[: len(run.samples)]),
    ]
    with clock("pictures"):
        save_pictures(run, own.mean)
    return found, PROTOCOL


def eps_error(config, model, process, lab, x0, rng, show=lambda *_: None):
    """Mean squared error of eps of each curve x0 (N, L, 1) at a t of its own, on `lab`: (N,)."""
    told = np.abs(process.log_snr[1:] - lab.log_snr[1:, None]).argmin(axis=1) + 1
    t = rng.integers(1, lab.T + 1, size=len(x0))
    eps = rng.standard_normal(x0.shape, dtype=np.float32)
    errors = []
    for first in range(0, len(x0), GROUP):
        part = slice(first, first + GROUP)
        xt = to_device_of(lab.q_sample(x0[part], t[part], eps[part]), model.flat.data)
        with no_grad():
            out = model(xt, told[t[part] - 1]).data[..., :1]
        eps_hat = to_host(lab.convert(out, xt, t[part], config.predicts, "eps"))
        errors.append(((eps_hat.astype(np.float64) - eps[part]) ** 2).mean(axis=(1, 2)))
        show("error", min(first + GROUP, len(x0)), len(x0), None)
    return np.concatenate(errors)


def bumps(x):
    """(places, widths, heights) of the bumps of curves x (N, L, 1), (N, 2) each, left and right.

    Weighted by u = (x + 1) / 2, never below 0, of the points within WINDOW of the highest one in
    its half: the mean is the place, the standard deviation the width, the highest u the height. A
    half without any u > 0 has place NaN.
    """
    u = np.maximum((x[..., 0].astype(np.float64) + 1) / 2, 0)
    at = np.linspace(FIRST, LAST, u.shape[1])
    found = []
    for half in (at < 0, at > 0):
        v, place = u[:, half], at[half]
        near = np.abs(place - place[v.argmax(axis=1)][:, None]) <= WINDOW
        with np.errstate(invalid="ignore"):
            share = v * near / (v * near).sum(axis=1, keepdims=True)
        mean = share @ place
        width = np.sqrt((share * (place - mean[:, None]) ** 2).sum(axis=1))
        found.append((mean, width, v.max(axis=1)))
    return tuple(np.stack(pair, axis=1) for pair in zip(*found))


def valid(x, places):
    """Which curves x (N, L, 1) are those of two bumps at `places` (N, 2), in their ranges: bool."""
    inside = np.ones(len(x), dtype=bool)
    for place, (low, high) in zip(places.T, SQUARE):
        inside &= (place >= low - MARGIN) & (place <= high + MARGIN)
    nearest = np.where(inside[:, None], places, [side[0] for side in SQUARE])
    off = x[..., 0] - curves(*nearest.T, x.shape[1])[..., 0]
    return inside & (np.sqrt((off**2).mean(axis=1)) <= OFF)


def bump_figures(who, x):
    """The Figures of the bumps of curves x; what cannot be measured (NaN) counts as not valid."""
    places, widths, heights = bumps(x)
    good = valid(x, places)
    places, widths, heights = (a[good] for a in (places, widths, heights))
    found = [Figure(f"{who}: share of valid curves", good.mean())]
    if not good.any():
        return found
    for side, place, (low, high) in zip(("left", "right"), places.T, SQUARE):
        found.append(Figure(f"{who}: {side} bump, mean place", place.mean()))
        found.append(Figure(f"{who}: {side} bump, KS", uniform_distance(place, low, high)))
    return found + [
        Figure(f"{who}: width of a bump, mean", widths.mean()),
        Figure(f"{who}: width of a bump, spread", widths.std()),
        Figure(f"{who}: height of a bump, mean", heights.mean()),
        Figure(f"{who}: height of a bump, spread", heights.std()),
    ]


def uniform_distance(places, low, high):
    """Kolmogorov and Smirnov's distance of numbers (n,) to U(low, high): sup |F_n - F|."""
    F = np.clip((np.sort(places) - low) / (high - low), 0, 1)
    steps = np.arange(len(F) + 1) / len(F)
    return float(max((steps[1:] - F).max(), (F - steps[:-1]).max()))


def save_pictures(run, least):
    """The three pictures and the animation of a Run. least: the floor of its training loss."""
    folder, config, _, process, data, _, frames = run
    metrics = columns(folder / "metrics.csv")
    what = f"{config.weight} loss: mean squared error of {config.predicts}"
    line = least, f"the least possible: {least:.4f}"
    viz.save(viz.loss_curve(metrics["step"], metrics["loss"], what, line), folder / "loss.png")
    times = np.unique(np.linspace(0, process.T, 7).astype(int))
    rng = np.random.default_rng(config.seed)
    viz.save(viz.noising_curves(data.x[:5], process, times, rng), folder / "forward.png")
    samples = frames[-1][1]
    title = f"The first {min(PICTURED, len(samples))} samples, unselected"
    viz.save(viz.curve_grid(samples[:PICTURED], COLUMNS, title), folder / "samples.png")
    shown = frames[:: -(-len(frames) // FRAMES)] + frames[-1:]
    shown = [(t, x[:ANIMATED]) for t, x in shown]
    viz.animate_curves(folder / "reverse.gif", shown, COLUMNS)

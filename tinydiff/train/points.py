"""The report on generated points, held against the exact law that they should have.

For the toy sets that law is a Gaussian mixture (laws.py), so all is known: the least possible loss,
and the density that the samples and the model's own should have.
"""

import math

import numpy as np

from .. import viz
from ..backend import to_device_of, to_host
from ..diffusion import bound
from ..diffusion.grid import line, total_variation
from ..diffusion.likelihood import ode_logp
from ..models.ddpm1d import DDPM1D
from ..tensor import no_grad
from .curves import uniform_distance
from .distances import energy_distance
from .floor import Floor, loss_of_x0, standard_error
from .laws import law
from .metrics import columns
from .report import Figure
from .shards import one_thread_each

LOSSES = 10000  # fresh draws whose loss is measured
BINS = np.linspace(-4.0, 4.0, 81)  # on the line
THINNED = 4  # of the grid's nodes one in so many is enough: 4 for each standard deviation
REPEATS = 20  # of what chance alone does
JUDGED = 200  # rows in the plane whose log density is integrated
TOLERANCE = 3e-4  # of the integral, in float32: total variations come out within 0.002
PATHS = 60  # in the pictures
PANELS = 6
CHAPTER = 5  # times t in the histograms of ch327

PROTOCOL = (
    f"Exact: the law of the data as a Gaussian mixture. Loss: of {LOSSES} fresh draws of it, t "
    "uniform, averaged weights; its floor is that of the exact denoiser, by quadrature on the line "
    "and over floor_draws draws at each t in the plane; its excess is the weighted mean square "
    "distance of the network's answers from the exact denoiser's. Density of the model: the prior "
    "carried along its probability-flow ODE, so that no samples are in it. On the line: total "
    f"variation of samples in {len(BINS) + 1} bins, and the mean of it over {REPEATS} sets of as "
    "many exact draws; Kolmogorov and Smirnov's distance, 1.36 / sqrt(n) of which chance exceeds "
    "in 1 of 20 cases. In the plane: unbiased energy distance x 1000 of the samples to as many "
    f"fresh draws, and its spread over {REPEATS} pairs of such draws; typical: where the exact log "
    "density is above its 1 % quantile under the data; divergence: mean of log p_exact - log "
    f"p_model over {JUDGED} fresh draws (of the exact denoiser: 0.001 at T = 100)."
)


def report(run, clock, threads, show):
    """(Figures, protocol) of a Run, and its pictures."""
    exact, rng = law(run.data.name), np.random.default_rng(run.config.seed)
    with clock("loss"), one_thread_each():
        least = floor(exact, run.process, run.config, rng)
        found = loss_figures(run, exact, least, rng)
    judge = on_the_line if exact.D == 1 else in_the_plane
    with clock("density"), one_thread_each():
        figures, pictures = judge(run, exact, rng)
    with clock("pictures"):
        if run.data.name == "two_gaussians":
            pictures |= chapters(run, rng)
        metrics = columns(run.folder / "metrics.csv")
        what = f"{run.config.weight} loss: mean squared error of {run.config.predicts}"
        mark = least.mean, f"the least possible: {least.mean:.4f}"
        pictures["loss.png"] = viz.loss_curve(metrics["step"], metrics["loss"], what, mark)
        for name, picture in pictures.items():
            viz.save(picture, run.folder / name)
    return found + figures, PROTOCOL


def chapters(run, rng):
    """ch327's two figures, by its DDPM1D with the run's process, which the preset has mended."""
    ddpm, x0 = DDPM1D(run.process.T), run.data.x[:, 0]
    ddpm.process = run.process
    times = np.unique(np.linspace(0, ddpm.T, CHAPTER).astype(int)).tolist()
    return {
        "noising.png": viz.noising_numbers(ddpm, x0, times, rng),
        "schedule.png": viz.schedule(ddpm),
    }


def floor(exact, process, config, rng):
    """The Floor of a mixture: by quadrature on the line, over draws of x_t in the plane."""
    at, errors = np.zeros((2, process.T))
    for t in range(1, process.T + 1):
        factor = loss_of_x0(process, t, config.weight, config.predicts)
        if exact.D == 1:
            at[t - 1] = factor * exact.residual(process, t)
            continue
        x0 = exact.sample(config.floor_draws, rng)
        xt = process.q_sample(x0, t, rng.standard_normal(x0.shape))
        left = exact.var_x0(process, xt, t).mean(axis=1)
        at[t - 1] = factor * left.mean()
        errors[t - 1] = factor * standard_error(left)
    return Floor(at, errors)


def loss_figures(run, exact, least, rng):
    """The Figures of the training loss, on fresh draws of the law."""
    config, process, like = run.config, run.process, run.model.flat.data
    x0 = exact.sample(LOSSES, rng).astype(np.float32)
    t, eps = rng.integers(1, process.T + 1, LOSSES), rng.standard_normal(x0.shape, np.float32)
    rows = bound.rows(process, t, x0, config.weight, config.predicts)
    xt = rows.noised(x0, eps)
    with no_grad():
        out = to_host(run.model(to_device_of(xt, like), t).data)[:, : exact.D]
    best = in_parts(exact.model(process, config.predicts), xt.astype(np.float64), t)
    losses = (rows.weight * (out - rows.target(x0, eps)) ** 2).mean(axis=1)
    excess = (rows.weight * (out - best) ** 2).mean()
    return [
        Figure("loss on fresh draws", losses.mean()),
        Figure("loss on fresh draws: standard error", losses.std(ddof=1) / math.sqrt(LOSSES)),
        Figure("floor of the loss", least.mean),
        Figure("floor of the loss: standard error", least.stderr),
        Figure("excess of the loss / floor", excess / least.mean, ("<=", 0.1)),
    ]


def in_parts(f, x, t=None, rows=500):
    """f(x, t) or f(x), so many rows at once: each meets all the Gaussians of a law."""
    args = [a for a in (x, t) if a is not None]
    cuts = range(0, len(x), rows)
    return np.concatenate([f(*(a[i : i + rows] for a in args)) for i in cuts])


def log_density(run, x):
    """log p of the model's own density at host places x (N, d): (N,), in nats."""
    config = run.config

    def predict(xt, t):
        return run.model(xt, t)[:, : x.shape[1]]

    x = to_device_of(np.float32(x), run.model.flat.data)
    return ode_logp(
        predict, run.process, x, predicts=config.predicts, rtol=TOLERANCE, atol=TOLERANCE
    )[0]


def on_the_line(run, exact, rng):
    """(Figures, pictures) of samples (n, 1) and of the model's own density, beside exact ones."""
    grid, dx = line(exact.means.ravel(), np.sqrt(exact.covs))
    grid, dx = grid[::THINNED], dx * THINNED
    known = np.exp(exact.logpdf(grid[:, None]))
    own = np.exp(log_density(run, grid[:, None]))
    distance = total_variation(grid, known, own)
    found = [
        Figure("model's density: total variation to the exact one", distance, ("<=", 0.1)),
        Figure("model's density: integral", own.sum() * dx),
    ]
    found += line_figures(run.samples[:, 0].astype(np.float64), run.data.x[:, 0], exact, rng)
    near = np.abs(grid) <= BINS[-1]
    lines = {"exact": known[near], "of the model, by its ODE": own[near]}
    title = f"{len(run.samples)} samples, exact density, density of the model"
    times, paths = zip(*((t, frame[:PATHS, 0]) for t, frame in run.frames))
    noised = [exact if t == 0 else exact.noised(run.process, t) for t in times]
    shade = np.stack([np.exp(q.logpdf(BINS[:, None])) for q in noised])
    return found, {
        "samples.png": viz.against_densities(run.samples[:, 0], grid[near], lines, title),
        "reverse.png": viz.paths(np.array(times), np.stack(paths), BINS, shade),
    }


def line_figures(x, rows, exact, rng):
    """The Figures of samples x (n,), beside those of the training rows and of exact draws."""
    fresh = exact.sample(len(x), rng)[:, 0]
    chance = [binned_distance(exact.sample(len(x), rng)[:, 0], exact) for _ in range(REPEATS)]
    return [
        Figure("samples: total variation in bins", binned_distance(x, exact), ("<=", 0.1)),
        Figure("exact draws: total variation in bins", np.mean(chance)),
        Figure("training rows: total variation in bins", binned_distance(rows, exact)),
        Figure("samples: KS distance", ks_distance(x, exact), ("<=", 0.05)),
        Figure("training rows: KS distance", ks_distance(rows, exact)),
        Figure("KS distance that chance exceeds in 1 of 20", 1.36 / math.sqrt(len(x))),
        *moments("samples", x),
        *moments("exact draws", fresh),
    ]


def moments(who, x):
    """Figures of numbers (n,) of two modes, one on either side of 0."""
    return [
        Figure(f"{who}: mean", x.mean()),
        Figure(f"{who}: standard deviation", x.std()),
        Figure(f"{who}: weight of the mode above 0", (x > 0).mean()),
        Figure(f"{who}: place of the mode above 0", x[x > 0].mean() if (x > 0).any() else np.nan),
        Figure(f"{who}: spread within it", x[x > 0].std() if (x > 0).any() else np.nan),
    ]


def below(exact, x):
    """P(X <= x) of a mixture on the line, at numbers x (n,)."""
    from scipy.special import ndtr  # 0.1 s to import, so only when asked for

    return ndtr((x[:, None] - exact.means.ravel()) / np.sqrt(exact.covs)) @ exact.weights


def binned_distance(x, exact):
    """Total variation between numbers x (n,) and a law, in BINS and beyond them on both sides."""
    known = np.diff(below(exact, BINS), prepend=0, append=1)
    found = np.bincount(np.searchsorted(BINS, x), minlength=len(known)) / len(x)
    return float(np.abs(found - known).sum() / 2)


def ks_distance(x, exact):
    """Kolmogorov and Smirnov's distance, the largest that is between distribution functions."""
    return uniform_distance(below(exact, x), 0, 1)


def in_the_plane(run, exact, rng):
    """(Figures, pictures) of samples (n, 2) and of the model's own density."""
    judged = exact.sample(JUDGED, rng)
    gap = in_parts(exact.logpdf, judged) - log_density(run, judged)
    found = plane_figures(run.samples.astype(np.float64), exact, rng) + [
        Figure("divergence of the model's density, nats", gap.mean(), ("<=", 0.2)),
        Figure("divergence: standard error", gap.std(ddof=1) / math.sqrt(JUDGED)),
    ]
    frames, data = run.frames, run.held_out.x
    picked = np.unique(np.linspace(0, len(frames) - 1, PANELS).astype(int))
    panels = {f"$t={frames[i][0]}$": frames[i][1] for i in picked}
    ways = np.stack([frame[:PATHS] for _, frame in frames])
    return found, {
        "samples.png": viz.over(data, run.samples, f"{len(run.samples)} samples, held-out data"),
        "reverse.png": viz.side_by_side(data, panels),
        "trajectories.png": viz.trails(data, ways, f"{PATHS} samples on their way"),
    }


def plane_figures(x, exact, rng):
    """The Figures of samples x (n, 2): how far from the exact law, and where."""
    fresh = exact.sample(len(x), rng)
    pairs = [[exact.sample(len(x), rng) for _ in range(2)] for _ in range(REPEATS)]
    chance = [1000 * energy_distance(*pair) for pair in pairs]
    known, of_samples = in_parts(exact.logpdf, fresh), in_parts(exact.logpdf, x)
    typical = (of_samples > np.quantile(known, 0.01)).mean()
    return [
        Figure("samples: energy distance x 1000", 1000 * energy_distance(x, fresh)),
        Figure("two sets of exact draws: its spread", np.std(chance, ddof=1)),
        Figure("samples: share in the typical region", typical, (">=", 0.9)),
        Figure("samples: mean exact log density", of_samples.mean()),
        Figure("exact draws: mean exact log density", known.mean()),
    ]

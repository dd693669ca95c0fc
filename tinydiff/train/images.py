"""The report on generated images: a judge trained for it, figures of evaluate.py, pictures."""

import numpy as np

from .. import viz
from ..backend.errors import ConfigError
from . import evaluate
from .build import some_labels
from .judge import train_judge
from .metrics import columns
from .shards import one_thread_each

PICTURED = 100  # samples in the grid
ANIMATED, COLUMNS, FRAMES = 40, 10, 25  # images in an animation, in a row of it; frames at most
SMALL = 16  # pixels across, up to which a row of the grid has twice as many


def image_shape(data):
    """(H, W, C) of the Dataset's images. Raises ConfigError if it has none."""
    if data.x.ndim != 4:
        raise ConfigError(
            f"data = {data.name!r} has rows of shape {data.x.shape[1:]}: this model is for images"
        )
    return data.x.shape[1:]


def check_judged(data):
    """Raise ConfigError if the Dataset's images are to be judged, and too small to be."""
    sides = data.x.shape[1:3]
    if min(sides) < 4 and len(np.unique(data.y)) > 1:
        raise ConfigError(
            f"data = {data.name!r} has classes, and images of {sides}: the classifier that judges "
            "samples needs at least 4 x 4 pixels; give larger images, or no labels"
        )


def report(run, clock, threads, show):
    """(Figures, protocol) of a Run, and its pictures. Rows of a single class have no judge."""
    config, data, held_out, judge = run.config, run.data, run.held_out, None
    if len(np.unique(data.y)) > 1:
        with clock("judge"), one_thread_each():
            judge = train_judge(data, config.judge_steps, config.seed, threads, show)
    with clock("judging"):
        rng = np.random.default_rng(config.seed)
        if judge is None:
            found = [evaluate.copies(run.samples, data, held_out, rng)]
        else:
            found = evaluate.figures(judge, run.samples, data, held_out, rng)
        if judge is not None and config.classes:
            labels = some_labels(config, len(run.samples))
            found.append(evaluate.obedience(judge, run.samples, labels))
    with clock("pictures"):
        save_pictures(run)
    return found, evaluate.protocol(config, run.samples, data, held_out, judge)


def save_pictures(run):
    """The three pictures and the two animations of a Run."""
    folder, config, _, process, data, _, frames = run
    metrics = columns(folder / "metrics.csv")
    what = f"{config.weight} loss: mean squared error of {config.predicts}"
    viz.save(viz.loss_curve(metrics["step"], metrics["loss"], what), folder / "loss.png")
    firsts = np.unique(data.y, return_index=True)[1]  # of each class one
    rows = np.append(firsts, np.setdiff1d(np.arange(min(ANIMATED, len(data.x))), firsts))
    times = np.unique(np.linspace(0, process.T, 9).astype(int))
    rng = np.random.default_rng(config.seed)
    viz.save(viz.noising(data.x[rows[:5]], process, times, rng), folder / "forward.png")
    samples = frames[-1][1]
    title = f"The first {min(PICTURED, len(samples))} samples, unselected"
    across = COLUMNS * (1 + (samples.shape[2] <= SMALL))
    viz.save(viz.grid(samples[:PICTURED], across, title), folder / "samples.png")
    x0 = data.x[rows[:ANIMATED]]
    eps = rng.standard_normal(x0.shape, dtype=np.float32)
    times = np.unique(np.linspace(0, process.T, FRAMES).astype(int)).tolist()
    noised = [(t, process.q_sample(x0, t, eps) if t else x0) for t in times]
    viz.animate(folder / "forward.gif", noised, COLUMNS, "the forward process")
    shown = frames[:: -(-len(frames) // FRAMES)] + frames[-1:]
    viz.animate(folder / "reverse.gif", [(t, x[:ANIMATED]) for t, x in shown], COLUMNS)

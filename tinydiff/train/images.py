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
ANIMATED, COLUMNS, FRAMES = 40, 10, 25  # samples in the animation, in a row of it; frames at most


def image_shape(data):
    """(H, W, C) of the Dataset's images. Raises ConfigError if it has none."""
    if data.x.ndim != 4:
        raise ConfigError(
            f"data = {data.name!r} has rows of shape {data.x.shape[1:]}: this model is for images"
        )
    return data.x.shape[1:]


def report(run, clock, threads, show):
    """(Figures, protocol) of a Run, and its pictures."""
    config = run.config
    with clock("judge"), one_thread_each():
        judge = train_judge(run.data, config.judge_steps, config.seed, threads, show)
    with clock("judging"):
        rng = np.random.default_rng(config.seed)
        found = evaluate.figures(judge, run.samples, run.data, run.held_out, rng)
        if config.classes:
            found.append(
                evaluate.obedience(judge, run.samples, some_labels(config, len(run.samples)))
            )
    with clock("pictures"):
        save_pictures(run)
    return found, evaluate.PROTOCOL


def save_pictures(run):
    """The three pictures and the animation of a Run."""
    folder, config, _, process, data, _, frames = run
    metrics = columns(folder / "metrics.csv")
    what = f"{config.weight} loss: mean squared error of {config.predicts}"
    viz.save(viz.loss_curve(metrics["step"], metrics["loss"], what), folder / "loss.png")
    classes = [np.flatnonzero(data.y == k)[0] for k in np.unique(data.y)[:5]]
    times = np.unique(np.linspace(0, process.T, 9).astype(int))
    rng = np.random.default_rng(config.seed)
    viz.save(viz.noising(data.x[classes], process, times, rng), folder / "forward.png")
    samples = frames[-1][1]
    title = f"The first {min(PICTURED, len(samples))} samples, unselected"
    viz.save(viz.grid(samples[:PICTURED], 2 * COLUMNS, title), folder / "samples.png")
    shown = frames[:: -(-len(frames) // FRAMES)] + frames[-1:]
    viz.animate(folder / "reverse.gif", [(t, x[:ANIMATED]) for t, x in shown], COLUMNS)

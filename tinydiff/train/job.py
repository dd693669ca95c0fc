"""The whole job: train, sample, judge, report, draw. One folder holds the result.

config.json has the resolved configuration and the versions of what it ran on; metrics.csv a row for
each step: step, epoch, loss, lr, grad_norm, seconds; checkpoint.npz all that training needs to go
on; report.json the figures of evaluate.py and the seconds that each part took. The pictures are
loss.png, forward.png, samples.png and reverse.gif.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np

from .. import viz
from ..backend import to_host
from ..data import load
from . import evaluate
from .build import open_run, sampling
from .folder import Clock, write_config, write_json
from .judge import train_judge
from .loop import interruptible, train
from .metrics import columns
from .report import as_dict
from .shards import one_thread_each
from .trainer import Trainer

GROUP = 125  # samples that are drawn together: more would not stay in a CPU's cache
PICTURED = 100  # samples in the grid
ANIMATED, COLUMNS, FRAMES = 40, 10, 25  # samples in the animation, in a row of it; frames at most


def run(config, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
    """Train, from the checkpoint `saved` on if given, evaluate and draw.

    Returns the report: a list of report.Figure; or None if training was interrupted, with a
    checkpoint. versions: a dict for config.json. show(phase, done, steps, row): called now and
    then, with the latest row of the metrics while training.
    """
    data, held_out = load(config.data), load(config.data, "test")
    clock = Clock()
    write_config(folder, config, versions)
    with one_thread_each():
        trainer = Trainer(config, data.x, threads)
        if saved:
            trainer.load(saved)
        with clock("training"), interruptible() as stop:
            complete = train(trainer, folder, show, stop)
        trainer.close()
        if not complete:
            return None
        with clock("judge"):
            judge = train_judge(data, config.judge_steps, config.seed, threads, show)
    with clock("sampling"):
        frames = draw_samples(folder, config.n_judged, config.seed, threads, show)
    with clock("judging"):
        rng = np.random.default_rng(config.seed)
        report = evaluate.figures(judge, frames[-1][1], data, held_out, rng)
    with clock("pictures"):
        save_pictures(folder, config, data, trainer.process, frames)
    found = as_dict(report, evaluate.PROTOCOL) | {"seconds": clock.seconds}
    write_json(folder / "report.json", found)
    return report


def draw_samples(folder, n, seed, threads=1, show=lambda *_: None):
    """n samples of the run in `folder` as they come about: [(t, x)] on the host, t falling to 0.

    They are drawn in groups of GROUP, each with a generator of its own, side by side on `threads`
    threads; how many threads there are does not change them.
    """
    config, model, process = open_run(folder)
    shape = load(config.data, limit=1).x.shape[1:]
    sizes = [min(GROUP, n - first) for first in range(0, n, GROUP)]
    done, lock = [], threading.Lock()

    def group(size, rng):
        frames = []
        for t, x in sampling(config, model, process, size, shape, rng):
            frames.append((t, to_host(x)))
            with lock:
                done.append(t)
                show("sampling", len(done), config.sample_steps * len(sizes), None)
        return frames

    rngs = np.random.default_rng(seed).spawn(len(sizes))
    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(copy_context().run, group, size, rng) for size, rng in zip(sizes, rngs)]
        groups = [job.result() for job in jobs]
    return [(frames[0][0], np.concatenate([x for _, x in frames])) for frames in zip(*groups)]


def save_pictures(folder, config, data, process, frames):
    """The three pictures and the animation of a run."""
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

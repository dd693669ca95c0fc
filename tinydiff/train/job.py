"""The whole job: train, sample, judge, report, draw. One folder holds the result.

config.json has the resolved configuration and the versions of what it ran on; metrics.csv a row for
each step: step, epoch, loss, lr, grad_norm, seconds; checkpoint.npz all that training needs to go
on; report.json the figures of evaluate.py and the seconds that each part took. The pictures are
loss.png, forward.png, samples.png and reverse.gif.
"""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

import numpy as np

from .. import viz
from ..backend import to_host
from ..backend.errors import ConfigError
from ..data import load
from . import checkpoint, evaluate
from .build import config_of, open_run, sampling
from .judge import train_judge
from .loop import Trainer, interruptible, train
from .metrics import columns
from .shards import one_thread_each

GROUP = 125  # samples that are drawn together: more would not stay in a CPU's cache
PICTURED = 100  # samples in the grid
ANIMATED, COLUMNS, FRAMES = 40, 10, 25  # samples in the animation, in a row of it; frames at most


def start(folder):
    """Make the folder of a new run. Raises ConfigError if it holds a run already."""
    if (folder / "checkpoint.npz").exists() or (folder / "config.json").exists():
        raise ConfigError(
            f"{folder} already holds a run: go on with it by --resume, choose another folder by "
            "--out, or remove it"
        )
    folder.mkdir(parents=True, exist_ok=True)


def resume(folder, given):
    """(Config, checkpoint) of the run in `folder`. given: settings that must be those of the run.

    Raises CheckpointError if there is none, ConfigError if it has other settings.
    """
    saved = checkpoint.load(folder / "checkpoint.npz")
    config = config_of(saved)
    wanted = config.changed(given)
    differing = [
        f"{name} is {getattr(config, name)!r}, not {getattr(wanted, name)!r}"
        for name in given
        if getattr(config, name) != getattr(wanted, name)
    ]
    if differing:
        raise ConfigError(
            f"the run in {folder} has its own settings ({'; '.join(differing)}): --resume goes on "
            "with those; leave these flags out, or start another run with --out"
        )
    return config, saved


def run(config, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
    """Train, from the checkpoint `saved` on if given, evaluate and draw.

    Returns the report: a list of evaluate.Figure; or None if training was interrupted, with a
    checkpoint. versions: a dict for config.json. show(phase, done, steps, row): called now and
    then, with the latest row of the metrics while training.
    """
    data, held_out = load(config.data), load(config.data, "test")
    clock = Clock()
    write_json(folder / "config.json", {"config": config.to_dict(), "versions": versions})
    with one_thread_each():
        trainer = Trainer(config, data.x, threads)
        if saved:
            trainer.load(saved)
        with clock("training"), interruptible() as stop:
            complete = train(trainer, folder, show, stop)
        trainer.shards.close()
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
    write_json(folder / "report.json", evaluate.as_dict(report) | {"seconds": clock.seconds})
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


def write_json(path, value):
    """Write JSON for people to read, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(temporary, path)


class Clock:
    """Seconds by name: `with clock("training"): ...`"""

    def __init__(self):
        self.seconds = {}

    @contextmanager
    def __call__(self, name):
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - begin, 2)

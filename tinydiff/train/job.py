"""The whole job: train, sample, report, draw. One folder holds the result.

config.json has the resolved configuration and the versions of what it ran on; metrics.csv a row for
each step: step, epoch, loss, lr, grad_norm, seconds; checkpoint.npz all that training needs to go
on; report.json the figures and the seconds that each part took. The pictures are loss.png,
forward.png, samples.png and reverse.gif, of images forward.gif too. What the figures and pictures
are, depends on the data: images.py reports on images, curves.py on curves, points.py on points.
"""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np

from .. import viz
from ..backend import to_host
from ..backend.errors import ConfigError, Error
from ..data import load
from . import curves, images, points
from .build import open_run, sampling, some_labels, try_one
from .folder import Clock, write_config, write_json
from .laws import law
from .look import picture
from .loop import interruptible, train
from .report import Run, as_dict
from .shards import blas_threads, one_thread_each
from .trainer import Trainer

GROUP = 125  # samples that are drawn together: more would not stay in a CPU's cache


def run(config, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
    """Train, from the checkpoint `saved` on if given, evaluate and draw.

    Returns the report: a list of report.Figure; or None if training was interrupted, with a
    checkpoint. versions: a dict for config.json. show(phase, done, steps, row): called now and
    then, with the latest row of the metrics while training.
    """
    data, held_out = load(config.data), load(config.data, "test")
    report = report_of(data)
    clock = Clock()
    trainer = Trainer(config, data, held_out, threads=threads)
    config = trainer.settings
    write_config(folder, config, versions)
    with blas_threads(threads // len(trainer.shards.replicas)):
        if saved:
            trainer.load(saved)
        with clock("training"), interruptible() as stop:
            complete = train(trainer, folder, show, stop)
        trainer.close()
        if not complete:
            return None
    with clock("sampling"):
        frames = draw_samples(folder, config.n_judged, config.seed, threads, show)
    if (looks := picture(folder)) is not None:
        viz.save(looks, folder / "validation.png")
    _, model, process = open_run(folder)
    made = Run(folder, config, model, process, data, held_out, frames)
    found, protocol = report(made, clock, threads, show)
    write_json(folder / "report.json", as_dict(found, protocol) | {"seconds": clock.seconds})
    return found


def report_of(data):
    """The function that reports on a Run with such data. Raises ConfigError if none can."""
    if data.name == "gmm":
        return curves.report
    if data.x.ndim == 4:
        images.check_judged(data)
        return images.report
    if law(data.name):
        return points.report
    raise ConfigError(
        f"there is no report on {data.name}, rows of shape {data.x.shape[1:]}: train on gmm, on "
        "points that tinydiff draws, or on images"
    )


def draw_samples(folder, n, seed, threads=1, show=lambda *_: None, *, labels=None, guidance=None):
    """n samples of the run in `folder` as they come about: [(t, x)] on the host, t falling to 0.

    They are drawn in groups of GROUP, each with a generator of its own, side by side on `threads`
    threads; how many threads there are does not change them. Of a model that is told labels:
    labels of the samples, (n,), by default each class in turn; guidance: another scale than the
    run's own. Raises CheckpointError; ConfigError for labels that the run does not know, or for
    data that no longer fits it; Error where the model, or too much guidance, makes NaN or infinity.
    """
    config, model, process = open_run(folder)
    if not config.classes and not (labels is None and guidance is None):
        raise ConfigError(f"the model in {folder} was not told labels: sample without them")
    if labels is not None and not 0 <= min(labels) <= max(labels) < config.classes:
        wrong = next(label for label in labels if not 0 <= label < config.classes)
        raise ConfigError(f"labels of {folder} are 0 to {config.classes - 1}, got {wrong}")
    if guidance is not None and not math.isfinite(guidance):
        raise ConfigError(f"guidance must be a finite number, got {guidance}")
    if guidance not in (None, 1) and not config.drop_labels:
        raise ConfigError(
            f"the model in {folder} was told every label (drop_labels = 0): guidance is 1, as it "
            f"needs one that has learned to do without them too; got {guidance:g}"
        )
    labels = some_labels(config, n) if labels is None else np.asarray(labels)
    one = load(config.data, limit=1)
    try_one(config, model, one)  # a file of one's own may have changed
    shape = one.x.shape[1:]
    starts = range(0, n, GROUP)
    done, lock = [], threading.Lock()

    def group(first, rng):
        frames, size = [], min(GROUP, n - first)
        told = None if labels is None else labels[first : first + size]
        for t, x in sampling(config, model, process, size, shape, rng, told, guidance):
            frames.append((t, to_host(x)))
            with lock:
                done.append(t)
                show("sampling", len(done), config.sample_steps * len(starts), None)
        return frames

    rngs = np.random.default_rng(seed).spawn(len(starts))
    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(copy_context().run, group, *pair) for pair in zip(starts, rngs)]
        try:
            groups = [job.result() for job in jobs]
        except ValueError as error:  # of the sampler, which names the step
            raise Error(f"cannot sample from {folder}: {error}") from error
    return [(frames[0][0], np.concatenate([x for _, x in frames])) for frames in zip(*groups)]

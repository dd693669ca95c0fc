"""The training loop: draw, upload, step; look at the loss every few steps; save; stop cleanly.

The host looks at losses only every `log_every` steps, so that a step waits for nothing. Training
that was stopped at any step goes on as if it had not been: which rows a step sees is a function of
(seed, step) alone, and everything else random comes from one generator, whose state a checkpoint
holds.
"""

import signal
import threading
import time
from contextlib import contextmanager

import numpy as np

from ..backend.errors import Error
from . import checkpoint
from .metrics import Metrics


class Learner:
    """All that changes while something is learned: models, optimisers, averages, generator, step.

    settings: Settings with steps, batch, seed; rows: how many rows the data has. A subclass makes
    `owners`, {part of the checkpoint: what has state_dict and load_state_dict}, and defines
    `batch()`, the arguments of `update(...)`, which makes one step and returns (loss, gradient
    norm), left where they were computed.
    """

    def __init__(self, settings, rows):
        self.settings, self.size, self.step, self.owners = settings, rows, 0, {}
        self.rng = np.random.default_rng(settings.seed)

    @property
    def epoch(self):
        """How often the data has been seen."""
        return self.step * self.settings.batch / self.size

    def rows(self, step):
        """Which rows of the data step number `step` sees: every epoch is another permutation."""
        n, size = self.size, self.settings.batch
        epochs, places = np.divmod(np.arange(step * size, (step + 1) * size), n)
        return np.concatenate(
            [
                np.random.default_rng([self.settings.seed, epoch]).permutation(n)[
                    places[epochs == epoch]
                ]
                for epoch in np.unique(epochs)
            ]
        )

    def save(self, path):
        """Write a checkpoint. Raises CheckpointError, or Error if what it would hold is NaN."""
        states = {part: owner.state_dict() for part, owner in self.owners.items()}
        if lost := checkpoint.lost(states):
            raise Error(
                f"training diverged: after step {self.step} {lost} holds NaN. Try a smaller lr, or "
                "a longer warmup; a checkpoint saved before that step, if there is one, is kept"
            )
        checkpoint.save(
            path, config=self.settings.to_dict(), step=self.step, rng=self.rng, states=states
        )

    def load(self, saved):
        """Take over what `checkpoint.load` returned. Raises CheckpointError.

        The generator is set, not replaced: a Dropout of the model may draw from it too.
        """
        for part, owner in self.owners.items():
            checkpoint.restore(owner, saved["states"].get(part, {}))
        self.rng.bit_generator.state = saved["rng"]
        self.step = saved["step"]

    def begin(self, folder):
        """Called before the first step: the place to tidy up what an older training has left."""

    def due(self):
        """Whether to look, after this step, at what has been learned so far."""
        return False

    def look(self, folder):
        """Look at it, where that is `due`."""

    def close(self):
        """End what runs beside the loop, such as threads."""


def train(learner, folder, show=lambda *_: None, stop=lambda: False):
    """Train up to settings.steps, with metrics.csv and checkpoint.npz in `folder` (a Path).

    show("training", step, steps, row): called with the last row of the metrics whenever they have
    been fetched. stop(): asked before each step; when it says True, training saves a checkpoint and
    returns. Returns whether training is complete. Raises Error if the loss is no longer finite (a
    checkpoint of before is kept), CheckpointError or OSError if the disk refuses.
    """
    settings, metrics = learner.settings, Metrics(folder / "metrics.csv")
    learner.begin(folder)
    began = time.perf_counter() - metrics.start(learner.step)
    while learner.step < settings.steps and not stop():
        epoch = learner.epoch
        loss, norm = learner.update(*learner.batch())
        metrics.add(
            step=learner.step, epoch=epoch, loss=loss, lr=learner.optimizer.lr, grad_norm=norm,
            seconds=time.perf_counter() - began,
        )  # fmt: skip
        if learner.due():
            metrics.flush()  # which says so if training has diverged: a look could not
            learner.look(folder)
        if learner.step % settings.log_every == 0:
            metrics.flush()
            show("training", learner.step, settings.steps, metrics.last)
        if learner.step % settings.save_every == 0:
            metrics.flush()
            learner.save(folder / "checkpoint.npz")
    metrics.flush()
    learner.save(folder / "checkpoint.npz")
    return learner.step >= settings.steps


@contextmanager
def interruptible():
    """A context that yields a function: has Ctrl-C been pressed (or SIGTERM come)?

    The first one only sets that answer, so that a step is not torn apart; a second one interrupts
    at once. Outside the main thread signals stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = threading.Event()
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def ask(number, frame):
        asked.set()
        for s, handler in before.items():
            signal.signal(s, handler)

    for s in before:
        signal.signal(s, ask)
    try:
        yield asked.is_set
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)

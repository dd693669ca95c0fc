"""The training loop: draw, upload, step; look at the loss every few steps; save; stop cleanly.

All that a step needs from the host (rows of data, times t, the coefficients that belong to them)
is drawn there and uploaded together; the noise is drawn on the device. So a step itself moves
nothing and waits for nothing, and the host looks at losses only every `log_every` steps.

Which rows a step sees is a function of (seed, step) alone, and everything else random comes from
one generator, whose state a checkpoint holds: training that was stopped at any step goes on as if
it had not been.
"""

import signal
import threading
import time
from contextlib import contextmanager

import numpy as np

from ..backend import device_of, standard_normal, to_device_of
from ..diffusion import bound
from ..optim import EMA, Adam, clip_grad_norm, cosine
from . import checkpoint
from .build import build
from .metrics import Metrics
from .shards import Shards


class Trainer:
    """All that changes while a model learns: weights, optimiser, average, generator, step.

    config: Config; x: (N, ...) float32 rows of data on the host; threads: how many parts of a batch
    are computed side by side. Parameters are made on the current device.
    """

    def __init__(self, config, x, threads=1):
        self.config, self.x, self.step = config, x, 0
        self.rng = np.random.default_rng(config.seed)
        self.model, self.process = build(config, self.rng)
        self.optimizer = Adam(self.model, config.lr, betas=(0.9, config.beta2))
        self.average = EMA(self.model, config.ema)
        self.lr = cosine(config.lr, max(config.steps, config.warmup + 1), config.warmup)
        self.times = bound.StratifiedT(config.T)
        self.shards = Shards(self.model, threads)

    def rows(self, step):
        """Which rows of x step number `step` sees: each epoch is a permutation of its own."""
        n, size = len(self.x), self.config.batch
        epochs, places = np.divmod(np.arange(step * size, (step + 1) * size), n)
        return np.concatenate(
            [
                np.random.default_rng([self.config.seed, epoch]).permutation(n)[
                    places[epochs == epoch]
                ]
                for epoch in np.unique(epochs)
            ]
        )

    def batch(self):
        """The next batch, uploaded: x0, t and the bound's Rows of t."""
        like = self.model.flat.data
        x0 = to_device_of(self.x[self.rows(self.step)], like)
        t, _ = self.times.sample(len(x0), self.rng)
        settings = self.config.weight, self.config.predicts
        return x0, to_device_of(t, like), bound.rows(self.process, t, x0, *settings)

    def update(self, x0, t, rows):
        """One step on a batch. Returns loss and gradient norm, left where they were computed."""
        eps = standard_normal(self.rng, x0.shape, x0.dtype, device_of(x0))
        self.optimizer.zero_grad()
        loss = self.shards.gradient(self.loss, x0, t, eps, *rows)
        norm = clip_grad_norm(self.model, self.config.grad_clip)
        self.optimizer.lr = self.lr(self.step)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return loss, norm

    def loss(self, model, x0, t, eps, *rows):
        """The mean loss over (part of) a batch, a scalar Tensor."""
        settings = self.config.weight, self.config.predicts
        return bound.loss(model, self.process, x0, t, eps, *settings, rows=bound.Rows(*rows))

    def save(self, path):
        """Write a checkpoint. Raises CheckpointError."""
        checkpoint.save(
            path, config=self.config.to_dict(), step=self.step, rng=self.rng, model=self.model,
            ema=self.average, optim=self.optimizer,
        )  # fmt: skip

    def load(self, saved):
        """Take over what `checkpoint.load` returned. Raises CheckpointError."""
        checkpoint.restore(self.model, saved["model"])
        checkpoint.restore(self.optimizer, saved["optim"])
        checkpoint.restore(self.average, saved["ema"])
        self.rng, self.step = saved["rng"], saved["step"]


def train(trainer, folder, show=lambda *_: None, stop=lambda: False):
    """Train up to config.steps, with metrics.csv and checkpoint.npz in `folder` (a Path).

    show("training", step, steps, row): called with the last row of the metrics whenever they have
    been fetched. stop(): asked before each step; when it says True, training saves a checkpoint and
    returns. Returns whether training is complete. Raises Error if the loss is no longer finite (a
    checkpoint of before is kept), CheckpointError or OSError if the disk refuses.
    """
    config, metrics = trainer.config, Metrics(folder / "metrics.csv")
    began = time.perf_counter() - metrics.start(trainer.step)
    while trainer.step < config.steps and not stop():
        epoch = trainer.step * config.batch / len(trainer.x)
        loss, norm = trainer.update(*trainer.batch())
        metrics.add(
            step=trainer.step, epoch=epoch, loss=loss, lr=trainer.optimizer.lr, grad_norm=norm,
            seconds=time.perf_counter() - began,
        )  # fmt: skip
        if trainer.step % config.log_every == 0:
            show("training", trainer.step, config.steps, metrics.flush()[-1])
        if trainer.step % config.save_every == 0:
            metrics.flush()
            trainer.save(folder / "checkpoint.npz")
    metrics.flush()
    trainer.save(folder / "checkpoint.npz")
    return trainer.step >= config.steps


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

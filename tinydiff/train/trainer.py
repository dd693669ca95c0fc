"""The Trainer: one step of a diffusion model's training.

All that a step needs from the host (rows of data, times t, the coefficients that belong to them)
is drawn there and uploaded together; the noise is drawn on the device. So a step itself moves
nothing and waits for nothing.
"""

from functools import partial

import numpy as np

from ..backend import device_of, standard_normal, to_device_of
from ..backend.errors import ConfigError, Error
from ..diffusion import bound
from ..optim import EMA, AdamW, clip_grad_norm, cosine
from .build import build, fitted, try_one
from .look import forget, look
from .loop import Learner
from .plateau import Plateau
from .shards import Shards


class Trainer(Learner):
    """A diffusion model and what trains it.

    config: Config; data: Dataset; held_out: another, to look at; threads: how many parts of a batch
    are computed side by side. Parameters are made on the current device. `settings` is the Config
    with what the data decides. Raises ConfigError where model and data do not fit.
    """

    def __init__(self, config, data, held_out=None, *, threads=1):
        config = fitted(config, data)
        super().__init__(config, len(data.x))
        self.x, self.y, self.held_out = data.x, data.y, held_out
        if config.classes and self.y.max() >= config.classes:
            raise ConfigError(
                f"the data has labels up to {self.y.max()}: classes in net must be at least "
                f"{self.y.max() + 1}, got {config.classes}"
            )
        self.model, self.process = build(config, self.rng)
        try_one(config, self.model, data)
        self.optimizer = AdamW(
            self.model, config.lr, betas=(0.9, config.beta2), weight_decay=config.weight_decay
        )
        self.average = EMA(self.model, config.ema)
        self.owners = {"model": self.model, "ema": self.average, "optim": self.optimizer}
        if config.decay == "plateau":
            self.plateau = Plateau(self.optimizer, -(-self.size // config.batch))
            self.owners["plateau"] = self.plateau
        else:
            self.lr = cosine(config.lr, max(config.steps, config.warmup + 1), config.warmup)
        times = bound.StratifiedT if config.times == "stratified" else bound.UniformT
        self.times = times(config.T)
        self.shards = Shards(self.model, threads)

    def batch(self):
        """The next batch, uploaded: x0, t, the bound's Rows of t; and labels y, if they are told.

        A part of these is -1, "unknown", so that one model learns both distributions that guidance
        needs (Ho and Salimans 2022, algorithm 1).
        """
        like, config = self.model.flat.data, self.settings
        chosen = self.rows(self.step)
        x0 = to_device_of(self.x[chosen], like)
        t, _ = self.times.sample(len(x0), self.rng)
        rows = bound.rows(self.process, t, x0, config.weight, config.predicts)
        batch = x0, to_device_of(t, like), rows
        if not config.classes:
            return batch
        dropped = self.rng.random(len(chosen)) < config.drop_labels
        return *batch, to_device_of(np.where(dropped, -1, self.y[chosen]), like)

    def update(self, x0, t, rows, y=None):
        """One step on a batch. Returns loss and gradient norm, left where they were computed."""
        eps = standard_normal(self.rng, x0.shape, x0.dtype, device_of(x0))
        self.optimizer.zero_grad()
        labels = () if y is None else (y,)
        loss = self.shards.gradient(self.loss, x0, t, eps, *rows, *labels)
        norm = clip_grad_norm(self.model, self.settings.grad_clip)
        if self.settings.decay == "cosine":
            self.optimizer.lr = self.lr(self.step)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        if self.settings.decay == "plateau":
            self.plateau.note(loss)
        return loss, norm

    def loss(self, model, x0, t, eps, *rest):
        """The mean loss over (part of) a batch, a scalar Tensor. rest: Rows, and labels if any."""
        n = len(bound.Rows._fields)
        rows, labels = bound.Rows(*rest[:n]), rest[n:]
        predict = partial(model, y=labels[0]) if labels else model
        settings = self.settings.weight, self.settings.predicts
        loss = bound.hybrid_loss if self.settings.variance == "learned" else bound.loss
        return loss(predict, self.process, x0, t, eps, *settings, rows=rows)

    def begin(self, folder):
        forget(folder, self.step)

    def due(self):
        every = self.settings.look_every
        return every > 0 and self.step % every == 0

    def look(self, folder):
        try:
            look(self, folder)
        except ValueError as error:  # the loss is of the weights before the step, and was finite
            raise Error(
                f"training diverged: after step {self.step} {error}. Try a smaller lr, or a longer "
                "warmup; a checkpoint saved before that step, if there is one, is kept"
            ) from error

    def close(self):
        self.shards.close()

"""What models with one loss share: rows of data, a step down the loss, averaged weights."""

import math

from ..backend import to_device_of
from ..optim import EMA, Adam, clip_grad_norm, cosine
from .loop import Learner


class Descent(Learner):
    """One model on its way down one loss, on rows of the host arrays `data`, (N, ...) each.

    settings: Settings with lr, warmup and ema as well. A subclass defines `build()`, which returns
    the model, its weights drawn from self.rng, and `loss(*batch)`, the scalar Tensor of a batch:
    the same rows of all arrays.
    """

    betas, max_norm = (0.9, 0.999), math.inf  # of Adam; of a step's gradient

    def __init__(self, settings, *data):
        super().__init__(settings, len(data[0]))
        self.data, self.model = data, self.build()
        self.optimizer, self.lr = self.descent()
        self.average = EMA(self.model, settings.ema)
        self.owners = {"model": self.model, "ema": self.average, "optim": self.optimizer}

    def descent(self):
        """The optimiser, and its rate as a function of the step: Adam, and a cosine."""
        settings = self.settings
        steps = max(settings.steps, settings.warmup + 1)
        adam = Adam(self.model, settings.lr, betas=self.betas)
        return adam, cosine(settings.lr, steps, settings.warmup)

    def batch(self):
        """The next rows, uploaded."""
        rows, like = self.rows(self.step), self.model.flat.data
        return tuple(to_device_of(a[rows], like) for a in self.data)

    def update(self, *batch):
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        norm = clip_grad_norm(self.model, self.max_norm)
        self.optimizer.lr = self.lr(self.step)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return loss.data, norm

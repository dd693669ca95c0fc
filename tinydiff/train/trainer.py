"""The Trainer: one step of a diffusion model's training.

All that a step needs from the host (rows of data, times t, the coefficients that belong to them)
is drawn there and uploaded together; the noise is drawn on the device. So a step itself moves
nothing and waits for nothing.
"""

from ..backend import device_of, standard_normal, to_device_of
from ..diffusion import bound
from ..optim import EMA, AdamW, clip_grad_norm, cosine
from .build import build
from .loop import Learner
from .plateau import Plateau
from .shards import Shards


class Trainer(Learner):
    """A diffusion model and what trains it.

    config: Config; x: (N, ...) float32 rows of data on the host; threads: how many parts of a batch
    are computed side by side. Parameters are made on the current device.
    """

    def __init__(self, config, x, threads=1):
        super().__init__(config, len(x))
        self.x = x
        self.model, self.process = build(config, self.rng)
        self.optimizer = AdamW(
            self.model, config.lr, betas=(0.9, config.beta2), weight_decay=config.weight_decay
        )
        self.average = EMA(self.model, config.ema)
        self.owners = {"model": self.model, "ema": self.average, "optim": self.optimizer}
        if config.decay == "plateau":
            self.plateau = Plateau(self.optimizer, -(-len(x) // config.batch))
            self.owners["plateau"] = self.plateau
        else:
            self.lr = cosine(config.lr, max(config.steps, config.warmup + 1), config.warmup)
        times = bound.StratifiedT if config.times == "stratified" else bound.UniformT
        self.times = times(config.T)
        self.shards = Shards(self.model, threads)

    def batch(self):
        """The next batch, uploaded: x0, t and the bound's Rows of t."""
        like, config = self.model.flat.data, self.settings
        x0 = to_device_of(self.x[self.rows(self.step)], like)
        t, _ = self.times.sample(len(x0), self.rng)
        rows = bound.rows(self.process, t, x0, config.weight, config.predicts)
        return x0, to_device_of(t, like), rows

    def update(self, x0, t, rows):
        """One step on a batch. Returns loss and gradient norm, left where they were computed."""
        eps = standard_normal(self.rng, x0.shape, x0.dtype, device_of(x0))
        self.optimizer.zero_grad()
        loss = self.shards.gradient(self.loss, x0, t, eps, *rows)
        norm = clip_grad_norm(self.model, self.settings.grad_clip)
        if self.settings.decay == "cosine":
            self.optimizer.lr = self.lr(self.step)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        if self.settings.decay == "plateau":
            self.plateau.note(loss)
        return loss, norm

    def loss(self, model, x0, t, eps, *rows):
        """The mean loss over (part of) a batch, a scalar Tensor."""
        settings = self.settings.weight, self.settings.predicts
        loss = bound.hybrid_loss if self.settings.variance == "learned" else bound.loss
        return loss(model, self.process, x0, t, eps, *settings, rows=bound.Rows(*rows))

    def close(self):
        self.shards.close()

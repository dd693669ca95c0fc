"""`tinydiff train gan`: two networks in a game, on a ring of eight Gaussians."""

import math
from dataclasses import dataclass

import numpy as np

from .. import viz
from ..backend import device_of, standard_normal, to_device_of, to_host, uniform
from ..backend.errors import ConfigError
from ..data import load
from ..data.points import BLOBS, NOISE, REACH
from ..models import gan
from ..ops import mean
from ..optim import EMA, Adam, clip_grad_norm, cosine
from ..tensor import Tensor, no_grad
from . import plain
from .loop import Learner
from .report import Figure
from .settings import Settings

SAMPLES = 2500
NEAR, SHARE = 3, 0.02  # a mode: SHARE of the samples within NEAR standard deviations of its centre
SHOWN = 1.2  # half the side of the picture
PROTOCOL = (
    f"{SAMPLES} samples of the generator with averaged weights. A mode counts as covered if at "
    f"least {SHARE:.0%} of all samples lie within {NEAR} standard deviations ({NEAR * NOISE:g}) of "
    "its centre; in modes: the share of samples that lie so near to any centre, covered or not."
)


@dataclass(frozen=True)
class Gan(Settings, kind="gan"):
    """The settings of a generative adversarial network of points in the plane."""

    objective: str = "wasserstein"
    penalty: float = 0.1  # the weight of the critic's slope; of the Wasserstein game only
    critic_steps: int = 3  # for one of the generator
    latent: int = 2
    hidden: int = 64
    layers: int = 3
    batch: int = 768  # rows that all the critic's steps share
    lr: float = 2e-3
    ema: float = 0.99

    choices = {"objective": ("wasserstein", "non-saturating")}
    at_least = {"critic_steps": 1, "latent": 1, "hidden": 1, "layers": 1, "batch": 1}
    positive = ("lr", "penalty")
    fractions = ("ema",)

    def check(self):
        super().check()
        if self.batch % self.critic_steps:
            raise ConfigError(
                f"batch = {self.batch} cannot be cut into critic_steps = {self.critic_steps} equal "
                "parts"
            )

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        learner = GanLearner(self, load("blobs"))
        return plain.run(
            learner, folder, saved, measure=lambda: report(learner, load("blobs", "test")),
            what="the critic's loss", protocol=PROTOCOL, versions=versions, show=show,
        )  # fmt: skip


class GanLearner(Learner):
    """A generator, its critic, and what trains them on the Dataset `data`.

    The metrics follow the critic: its last loss in the step, and the norm of its gradient.
    """

    def __init__(self, settings, data):
        super().__init__(settings, len(data))
        self.data = data
        hidden = [settings.hidden] * settings.layers
        self.generator = gan.Generator(settings.latent, hidden, rng=self.rng)
        self.critic = gan.Critic(hidden, rng=self.rng)
        self.optimizer = Adam(self.generator, settings.lr, betas=(0.5, 0.9))
        self.critic_optimizer = Adam(self.critic, settings.lr, betas=(0.5, 0.9))
        self.average = EMA(self.generator, settings.ema)
        self.owners = {
            "generator": self.generator, "critic": self.critic, "ema": self.average,
            "optim": self.optimizer, "critic_optim": self.critic_optimizer,
        }  # fmt: skip
        self.lr = cosine(settings.lr, max(settings.steps, 1))

    def batch(self):
        """The rows of all the critic's steps, uploaded."""
        return (to_device_of(self.data.x[self.rows(self.step)], self.generator.flat.data),)

    def update(self, x):
        """Some steps of the critic, each on rows of its own, then one of the generator."""
        lr = self.lr(self.step)
        size = len(x) // self.settings.critic_steps
        for first in range(0, len(x), size):
            part = x[first : first + size]
            loss = self.critic_loss(part, self.made(size))
            norm = _descend(self.critic, self.critic_optimizer, loss, lr)
        scores = self.critic(self.generator(self.noise(size)))
        wasserstein = self.settings.objective == "wasserstein"
        _descend(
            self.generator, self.optimizer,
            -mean(scores) if wasserstein else gan.generator_loss(scores), lr,
        )  # fmt: skip
        self.average.update()
        self.step += 1
        return loss.data, norm

    def critic_loss(self, x, y):
        """What the critic descends, of rows x of the data and y of the generator."""
        if self.settings.objective == "non-saturating":
            return -gan.value(self.critic(x), self.critic(y))
        u = uniform(self.rng, (len(x), 1), x.dtype, device_of(x))
        slope = mean(gan.gradient_penalty(self.critic, Tensor(gan.between(x, y, u))))
        return slope * self.settings.penalty - gan.critic_gap(self.critic(x), self.critic(y))

    def noise(self, n):
        """n draws of z, where the generator is."""
        like = self.generator.flat.data
        return standard_normal(self.rng, (n, self.generator.latent), like.dtype, device_of(like))

    def made(self, n):
        """n points of the generator as it is, an array."""
        with no_grad():
            return self.generator(self.noise(n)).data


def _descend(model, optimizer, loss, lr):
    """One step of the optimizer down the loss; returns the norm of the gradient."""
    optimizer.zero_grad()
    loss.backward()
    norm = clip_grad_norm(model, math.inf)
    optimizer.lr = lr
    optimizer.step()
    return norm


def coverage(samples):
    """(modes, inside, least): how many of the ring's modes are covered, the share of samples in
    modes, and the share that the rarest mode has, of host samples (N, 2).

    Draws of the data itself have inside = 1 - e^(-NEAR^2 / 2) = 0.989, and an eighth of that each.
    """
    angles = 2 * np.pi * np.arange(BLOBS) / BLOBS
    centres = REACH * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    apart = np.linalg.norm(samples[:, None] - centres, axis=-1)
    share = (apart < NEAR * NOISE).mean(axis=0)  # no point is near to two centres
    return int((share >= SHARE).sum()), float(share.sum()), float(share.min())


def report(learner, test):
    """The Figures of a trained generator, and its picture."""
    with learner.average.applied():
        samples = to_host(learner.made(SAMPLES))
    modes, inside, least = coverage(samples)
    bars = learner.settings.objective == "wasserstein"
    found = [
        Figure("modes covered, of 8", modes, (">=", 8) if bars else None),
        Figure("share of the samples in modes", inside, (">=", 0.8) if bars else None),
        Figure("share of the rarest mode", least),
        Figure("the same of held-out data: in modes", coverage(test.x)[1]),
        Figure("the same of held-out data: rarest mode", coverage(test.x)[2]),
    ]
    return found, {"samples.png": picture(learner, test, samples)}


def picture(learner, test, samples):
    """Samples over held-out data, and the level lines of the critic."""
    grid = np.linspace(-SHOWN, SHOWN, 101)
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    with no_grad():
        places = to_device_of(np.float32(places), learner.critic.flat.data)
        height = to_host(learner.critic(places).data).reshape(101, 101)
    return viz.over_lines(
        test.x, samples, height, SHOWN, f"{len(samples)} samples, {learner.settings.objective}",
        "the critic f(x)",
    )  # fmt: skip

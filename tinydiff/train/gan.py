"""`tinydiff train gan`: two networks in a game, on a ring of eight Gaussians or on images."""

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
from . import evaluate, plain
from .judge import train_judge
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
JUDGED, PICTURED = 500, 100  # images: samples in the report, in the picture
TOP = 0.9  # images: mean top probability; a game played by chance is not held to diffusion's bar


@dataclass(frozen=True)
class Gan(Settings, kind="gan"):
    """The settings of a generative adversarial network of the ring of Gaussians, or of images."""

    data: str = "blobs"
    objective: str = "wasserstein"
    penalty: float = 0.1  # the weight of the critic's slope; of the Wasserstein game only
    critic_steps: int = 3  # for one of the generator
    latent: int = 2
    hidden: int = 64
    layers: int = 3
    batch: int = 768  # rows that all the critic's steps share
    lr: float = 2e-3
    ema: float = 0.99
    judge_steps: int = 600  # training steps of the classifier that judges images

    choices = {"objective": ("wasserstein", "non-saturating")}
    at_least = dict.fromkeys(
        ("critic_steps", "latent", "hidden", "layers", "batch", "judge_steps"), 1
    )
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
        learner = GanLearner(self, load(self.data))
        test = load(self.data, "test")
        if learner.data.x.ndim == 4:
            measure, protocol = lambda: judged(learner, test, threads, show), evaluate.PROTOCOL
        else:
            measure, protocol = lambda: report(learner, test), PROTOCOL
        return plain.run(
            learner, folder, saved, measure=measure, what="the critic's loss", protocol=protocol,
            versions=versions, show=show,
        )  # fmt: skip


class GanLearner(Learner):
    """A generator, its critic, and what trains them on the Dataset `data`.

    The metrics follow the critic: its last loss in the step, and the norm of its gradient.
    """

    def __init__(self, settings, data):
        super().__init__(settings, len(data))
        self.data, self.x = data, data.x.reshape(len(data), -1)
        hidden, d = [settings.hidden] * settings.layers, self.x.shape[1]
        if data.x.ndim == 4:
            self.generator = gan.ImageGenerator(settings.latent, hidden, d, rng=self.rng)
            self.critic = gan.Critic(hidden, d, 1.0, rng=self.rng)
        elif settings.data == "blobs":
            self.generator = gan.Generator(settings.latent, hidden, rng=self.rng)
            self.critic = gan.Critic(hidden, rng=self.rng)
        else:
            raise ConfigError(
                f"data = {settings.data!r}: there is a report on blobs and on images only"
            )
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
        return (to_device_of(self.x[self.rows(self.step)], self.generator.flat.data),)

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
    """The Figures of a trained generator of points, and its picture."""
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
    wasserstein = learner.settings.objective == "wasserstein"
    grid = np.linspace(-SHOWN, SHOWN, 101)
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    with no_grad():
        places = to_device_of(np.float32(places), learner.critic.flat.data)
        height = to_host(learner.critic(places).data).reshape(101, 101)
    return viz.over_lines(
        test.x, samples, height, SHOWN,
        f"{len(samples)} samples, {learner.settings.objective.capitalize()}",
        "the critic f(x)" if wasserstein else "the discriminator's logit l(x)",
    )  # fmt: skip


def judged(learner, test, threads, show):
    """The Figures of a trained generator of images, as of a diffusion model's, and its picture."""
    data, settings = learner.data, learner.settings
    with learner.average.applied():
        samples = to_host(learner.made(JUDGED)).reshape(-1, *data.x.shape[1:])
    judge = train_judge(data, settings.judge_steps, settings.seed, threads, show)
    rng = np.random.default_rng(settings.seed)
    found = [
        f._replace(bar=(">=", TOP)) if f.what == "samples: mean top probability" else f
        for f in evaluate.figures(judge, samples, data, test, rng)
    ]
    title = f"{PICTURED} samples, unselected"
    return found, {"samples.png": viz.grid(samples[:PICTURED], 20, title)}

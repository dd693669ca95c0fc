"""`tinydiff train vae`: a variational autoencoder of images, and the figures of its bound."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import viz
from ..backend import device_of, standard_normal, to_device_of, to_host
from ..backend.errors import ConfigError
from ..data import load
from ..diffusion import decoder
from ..models.coders import convolutional, dense
from ..models.latent import lerp, slerp
from ..models.vae import (
    VAE,
    gaussian_kl,
    gaussian_log_likelihood,
    importance_bound,
    reparametrise,
    sampled_kl,
)
from ..ops import mean
from ..tensor import no_grad
from . import linear_vae, plain
from .descent import Descent
from .floor import standard_error
from .images import image_shape
from .linear_vae import LinearVaeLearner
from .report import Figure
from .settings import Settings

DRAWS = 200  # of z for each held-out row
PICTURED, COLUMNS = 100, 20  # samples in the grid, and in a row of it
BARS = {8: -105, 2: -112}  # nats on digits, by the size of z, that the presets are known to reach
PROTOCOL = (
    f"Held-out rows, averaged weights, {DRAWS} draws of z for each row. Bound: log p(x | z) of the "
    "draws minus the divergence in closed form, averaged; by Monte Carlo: with log q(z | x) - "
    "log p(z) of the same draws instead. Their difference is measured in standard errors of its "
    "mean over rows and draws. Importance bound: log of the mean weight of a row's draws (Burda et "
    "al. 2016). Bits per dimension: nats / (d log 2), of a probability where the likelihood is "
    "discretized; a Gaussian density is multiplied by the width of a level, and compares with no "
    "probability: it may stand on the levels like spikes."
)


@dataclass(frozen=True)
class Vae(Settings, kind="vae"):
    """The settings of a variational autoencoder."""

    data: str = "digits"
    latent: int = 8
    network: str = "mlp"
    hidden: int = 256  # the width of both hidden layers; channels at full size, if convolutional
    likelihood: str = "discretized"
    batch: int = 128
    lr: float = 2e-3
    warmup: int = 50
    ema: float = 0.99
    grad_clip: float = 100.0  # of a loss in nats per image, not per pixel

    choices = {"likelihood": ("discretized", "gaussian"), "network": ("mlp", "conv", "linear")}
    at_least = {"batch": 1, "latent": 1, "hidden": 1, "warmup": 0}
    positive = ("lr", "grad_clip")
    fractions = ("ema",)

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        data = load(self.data)
        image_shape(data)  # the report is on images
        learner = learner_of(self, data)
        measure, protocol = report, PROTOCOL
        if self.network == "linear":
            measure, protocol = linear_vae.report, linear_vae.PROTOCOL
        return plain.run(
            learner, folder, saved, measure=lambda: measure(learner, load(self.data, "test")),
            what="minus the bound, nats per image", protocol=protocol, versions=versions, show=show,
        )  # fmt: skip

    def check(self):
        super().check()
        if self.network == "linear" and self.likelihood != "gaussian":
            raise ConfigError("network = 'linear' is a model of densities: likelihood = 'gaussian'")

    def bar(self):
        """What the bound must reach, a Figure's bar; None where there is no experience."""
        known = self.data == "digits" and self.likelihood == "discretized" and self.latent in BARS
        return (">=", BARS[self.latent]) if known else None


def learner_of(settings, data):
    """What is trained, on the Dataset `data`."""
    return (LinearVaeLearner if settings.network == "linear" else VaeLearner)(settings, data)


class VaeLearner(Descent):
    """A VAE and what trains it on the Dataset `data`."""

    def __init__(self, settings, data):
        self.shape, self.max_norm = data.x.shape[1:], settings.grad_clip
        super().__init__(settings, data.x)
        self.element = gaussian_log_likelihood
        if settings.likelihood == "discretized":
            if not data.levels:
                raise ConfigError(
                    f"data = {settings.data!r} has no levels to have probabilities: choose "
                    "likelihood = 'gaussian'"
                )
            decoder.check_levels(data.x, data.levels)
            self.element = partial(decoder.discretized, levels=data.levels)

    def build(self):
        width = self.settings.hidden
        if self.settings.network == "mlp":
            coders, widths = dense, (width, width)
        else:
            coders, widths = convolutional, (width, 2 * width)
        try:
            return VAE(self.shape, self.settings.latent, widths, coders, rng=self.rng)
        except ValueError as error:
            raise ConfigError(f"data = {self.settings.data!r} does not fit: {error}") from error

    def loss(self, x):
        """Minus the bound, each row with one draw of z."""
        eps = standard_normal(self.rng, (len(x), self.model.latent), x.dtype, device_of(x))
        return -mean(self.model(x, eps, self.element))


def bounds(model, x, element, eps):
    """(likelihood, closed, sampled): log p(x | z) and the divergence at each draw, (K, N) float64
    on the host, the latter in closed form (N,) and by the draws (K, N). x: host rows; eps: (K, N,
    latent)."""
    with no_grad():
        like = model.flat.data
        x = to_device_of(x, like)
        mean_z, log_var = (v.data for v in model.encode(x))
        closed = gaussian_kl(mean_z, log_var)
        rows = []
        for noise in eps:
            noise = to_device_of(noise, like)
            z = reparametrise(mean_z, log_var, noise)
            rows.append((model.log_likelihood(x, z, element).data, sampled_kl(noise, z, log_var)))
    fetched = [to_host(a).astype(np.float64) for pair in rows for a in pair]
    return np.stack(fetched[::2]), to_host(closed).astype(np.float64), np.stack(fetched[1::2])


def report(learner, test):
    """The Figures of a trained VAE on the held-out Dataset `test`, and its pictures."""
    model, settings = learner.model, learner.settings
    rng = np.random.default_rng(settings.seed)
    with learner.average.applied():
        eps = rng.standard_normal((DRAWS, len(test), settings.latent), dtype=np.float32)
        parts = bounds(model, test.x, learner.element, eps)
        found = figures(*parts, test, settings.likelihood, settings.bar())
        return found, pictures(model, test, rng)


def figures(likelihood, closed, sampled, test, kind, bar=None):
    """The Figures of held-out rows: the bound by two routes, and how far they are apart."""
    d = math.prod(test.x.shape[1:])
    per_row = likelihood.mean(axis=0) - closed
    bound = per_row.mean()
    apart = sampled - closed  # of mean 0 in every row, whatever the rows are
    error = np.sqrt((apart.var(axis=0, ddof=1) / len(apart)).sum()) / apart.shape[1]
    width = 0.0
    if kind == "gaussian" and test.levels:
        width = d * math.log(2 / (test.levels - 1))
    tight = importance_bound(likelihood - sampled)
    return [
        Figure("bound on log p(x), nats per image", bound, bar),
        Figure("its standard error over the images", standard_error(per_row)),
        Figure("bound by Monte Carlo alone", (likelihood - sampled).mean()),
        Figure("their difference / its standard error", abs(apart.mean()) / error, ("<=", 3)),
        Figure("bits per dimension", -(bound + width) / (d * math.log(2))),
        Figure("divergence from the prior, nats", closed.mean()),
        Figure(f"importance bound of {DRAWS} draws", tight.mean()),
        Figure("what it gains on the bound", tight.mean() - bound, (">=", 0)),
    ]


def pictures(model, test, rng):
    """Reconstructions, samples, interpolations, and the held-out images in the latent plane."""

    def decoded(z):
        with no_grad():
            return to_host(model.decode(to_device_of(np.float32(z), model.flat.data)).data)

    with no_grad():
        means = to_host(model.encode(to_device_of(test.x, model.flat.data))[0].data)
    pairs = above_copies(test.x[:PICTURED], decoded(means[:PICTURED]))
    prior = rng.standard_normal((PICTURED, model.latent))
    ends = np.resize(rng.permutation(len(means)), 10)  # of fewer images some serve again
    a, b = means[ends].reshape(2, 5, 1, -1).astype(np.float64)
    u = np.linspace(0, 1, 11)[:, None]
    ways = np.stack([lerp(a, b, u), slerp(a, b, u)], axis=1).reshape(-1, model.latent)
    return {
        "reconstructions.png": viz.grid(pairs, COLUMNS, "Held-out images, each row above its copy"),
        "samples.png": viz.grid(decoded(prior), COLUMNS, f"{PICTURED} samples, unselected"),
        "interpolation.png": viz.grid(
            decoded(ways), len(u), "Between held-out images: odd rows by lines, even rows by arcs"
        ),
        "latent.png": latent(means, test.y),
    }


def above_copies(x, copies):
    """Rows of COLUMNS images of x, each followed by its row of copies; a short row is filled up
    with frames (NaN)."""
    n = -(-len(x) // COLUMNS) * COLUMNS
    filled = np.full((2, n, *x.shape[1:]), np.nan, np.float32)
    filled[0, : len(x)], filled[1, : len(x)] = x, copies
    rows = filled.reshape(2, -1, COLUMNS, *x.shape[1:])
    return rows.swapaxes(0, 1).reshape(-1, *x.shape[1:])


def latent(z, labels):
    """The picture of held-out images in the latent space, z (N, d)."""
    if z.shape[1] == 2:
        return viz.scatter(z, labels, "Held-out images in the latent space")
    title = "Held-out images in the latent space, where their classes differ most"
    return viz.embedding(plane(z, labels), labels, title)


def plane(z, labels):
    """z (N, d) in the plane in which the means of the classes differ most: (N, 2).

    By all z together no direction is better than another: their law is close to the prior's, which
    is N(0, I).
    """
    means = np.stack([z[labels == k].mean(axis=0) for k in np.unique(labels)])
    axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)[2][:2]
    found = z @ axes.T
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))

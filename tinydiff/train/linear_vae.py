"""The linear VAE: the one whose best bound is known, as it is probabilistic PCA's likelihood.

With the covariance of the training rows that optimum has a closed form (gaussian.ppca), so training
is judged by it: nothing lies above it, and what is missing is the optimiser's, not the bound's.
"""

import numpy as np

from .. import viz
from ..backend import to_device_of, to_host
from ..backend.errors import ConfigError
from ..gaussian import ppca
from ..models.vae import LinearVAE
from ..ops import mean
from ..tensor import no_grad
from .descent import Descent
from .report import Figure

PROTOCOL = (
    "Averaged weights. The bound is exact, without draws of z. Closed form: the mean log-likelihood"
    " of rows under probabilistic PCA, fitted to the training rows by their covariance (Tipping "
    "and Bishop 1999; Lucas et al. 2019): no linear VAE has a larger bound on these. Densities of "
    "pixels in [-1, 1], which compare with no probability."
)


class LinearVaeLearner(Descent):
    """A LinearVAE and what trains it on the rows of the Dataset `data`, flat."""

    betas = (0.9, 0.99)  # forgets the steep first steps soon

    def __init__(self, settings, data):
        self.shape, self.max_norm = data.x.shape[1:], settings.grad_clip
        rows, q = data.x.reshape(len(data), -1), settings.latent
        self.best = ppca(rows, q) if q < rows.shape[1] else None
        if self.best is None or self.best.noise < 1e-9:
            raise ConfigError(
                f"data = {settings.data!r} leaves nothing beside latent = {q} numbers, and a "
                "density needs noise: choose a smaller latent"
            )
        super().__init__(settings, rows)

    def build(self):
        return LinearVAE(int(np.prod(self.shape)), self.settings.latent, rng=self.rng)

    def loss(self, x):
        """Minus the bound, exactly."""
        return -mean(self.model(x))


def report(learner, test):
    """The Figures of a trained linear VAE beside the closed form, and the picture of its axes."""
    model, q, (train,) = learner.model, learner.settings.latent, learner.data
    best = learner.best
    sets = (train, test.x.reshape(len(test), -1))
    with learner.average.applied(), no_grad():
        found = [to_host(model(to_device_of(x, model.flat.data)).data) for x in sets]
        W, noise = to_host(model.W.W.data).T, np.exp(to_host(model.log_noise.data))
    reached, held_out = (rows.astype(np.float64).mean() for rows in found)
    law = best.law()
    least, beyond = (law.logpdf(x.astype(np.float64)).mean() for x in sets)
    figures = [
        Figure("bound on log p(x), nats per training image", reached),
        Figure("its largest value, in closed form", least),
        Figure("distance between the two, nats", abs(least - reached), ("<=", 0.05)),
        Figure("noise / that of the closed form - 1", abs(noise / best.noise - 1), ("<=", 0.01)),
        Figure("bound on log p(x), nats per held-out image", held_out),
        Figure("held-out: log p(x) of the closed form", beyond),
    ]
    title = "What each latent number adds to an image: learned, and in closed form"
    axes = pairs(W, best.W).reshape(-1, *learner.shape)
    return figures, {"axes.png": viz.grid(axes / np.abs(axes).max(), q, title)}


def pairs(W, known):
    """Columns of W (d, q), then those of `known`, as rows, the longest first. No likelihood tells
    the sign of a column: those of W get the signs of `known`."""
    rows, others = (a.T[np.argsort(-np.linalg.norm(a, axis=0))] for a in (W, known))
    signs = np.sign((rows * others).sum(axis=1, keepdims=True))
    return np.concatenate([rows * signs, others])

"""`tinydiff train energy`: an energy learned by score matching on two moons, in three ways.

All three fit the score of the noised data, so one report judges them: denoising knows the noise,
explicit and sliced score matching (models/energy.py) only see the noised rows.
"""

from dataclasses import dataclass

import numpy as np

from .. import viz
from ..backend import device_of, standard_normal, to_device_of, to_host, uniform
from ..data import load
from ..data.points import NOISE, moons, spots
from ..models.annealing import annealed_log_weights, langevin
from ..models.energy import (
    Energy,
    denoising_loss,
    explicit_loss,
    log_density,
    log_partition,
    potential,
    score,
    sliced_loss,
)
from . import plain
from .descent import Descent
from .report import Figure
from .settings import Settings

LOSSES = {  # how the loss is called in its picture
    "denoising": "denoising loss, per coordinate",
    "explicit": "explicit score matching",
    "sliced": "sliced score matching",
}
EDGE, NODES = 4.0, 401  # the grid of the quadrature: exp(-x^2 / 2) is 3e-4 of its height at 4
WALKS, TEMPERATURES = 2000, 1000  # of annealed importance sampling
DRAWN, WALK_STEPS = 1000, 500  # samples by Langevin's walk
SHOWN = 1.3  # half the side of the picture
PROTOCOL = (
    "Averaged weights. Exact density and score of the noised data: Gauss-Legendre quadrature along "
    f"the two arcs, 200 nodes each. Relative score error: root of E |s - exact|^2 / E |exact|^2 "
    "over the held-out rows, noised. log Z by quadrature: the trapezoidal rule on "
    f"{NODES} x {NODES} nodes in [-{EDGE:g}, {EDGE:g}]^2; by annealing: {WALKS} walks from N(0, I) "
    f"through {TEMPERATURES} temperatures, each with a Metropolis-adjusted Langevin step. "
    "Divergence: the exact density against the model's, on that grid."
)


@dataclass(frozen=True)
class EnergyModel(Settings, kind="energy"):
    """The settings of an energy-based model of points in the plane."""

    loss: str = "denoising"
    hidden: int = 128
    sigma: float = 0.1  # of the noise on the rows
    batch: int = 256
    lr: float = 2e-3
    warmup: int = 50
    ema: float = 0.99

    choices = {"loss": tuple(LOSSES)}
    at_least = {"batch": 1, "hidden": 1, "warmup": 0}
    positive = ("lr", "sigma")
    fractions = ("ema",)

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        learner = EnergyLearner(self, load("moons"))
        return plain.run(
            learner, folder, saved, measure=lambda: report(learner, load("moons", "test")),
            what=LOSSES[self.loss], protocol=PROTOCOL, versions=versions, show=show,
        )  # fmt: skip


class EnergyLearner(Descent):
    """An Energy and what trains it on the Dataset `data`."""

    betas, max_norm = (0.9, 0.99), 1.0

    def __init__(self, settings, data):
        super().__init__(settings, data.x)

    def build(self):
        return Energy(hidden=(self.settings.hidden, self.settings.hidden), rng=self.rng)

    def loss(self, x):
        """The loss, with one draw of noise for each row, and one direction if it is sliced."""
        kind, sigma = self.settings.loss, self.settings.sigma
        eps = self.noise(x)
        if kind == "denoising":
            return denoising_loss(self.model, x, eps, sigma)
        noised = x + sigma * eps
        if kind == "explicit":
            return explicit_loss(self.model, noised)
        return sliced_loss(self.model, noised, self.noise(x))

    def noise(self, x):
        return standard_normal(self.rng, x.shape, x.dtype, device_of(x))


def noised_moons(x, sigma, nodes=200):
    """(log density, score) of the moons' rows plus sigma N(0, I), at x (N, 2): (N,) and (N, 2).

    A row is a(k, u) + NOISE eps, k = 0 or 1, u uniform in [0, 1] and a(k, u) a point of an arc (the
    cut at 5 NOISE, which one coordinate in two million needs, is left out). So with v = NOISE^2 +
    sigma^2 the density is 1/2 sum_k of the integral of N(x; a(k, u), v I) over u, taken by
    Gauss-Legendre, and its score is the mean of (a - x) / v, each place a weighted by how much of
    the density at x it makes.
    """
    arcs, weight = spots(moons, nodes)
    v, x = NOISE**2 + sigma**2, np.asarray(x, np.float64)
    apart = arcs.reshape(-1, 2) - x[:, None]
    terms = np.log(np.tile(weight, 2) / (4 * np.pi * v)) - (apart**2).sum(axis=-1) / (2 * v)
    highest = terms.max(axis=1, keepdims=True)
    parts = np.exp(terms - highest)
    total = parts.sum(axis=1, keepdims=True)
    return np.log(total[:, 0]) + highest[:, 0], ((parts / total / v)[:, None] @ apart)[:, 0]


def report(learner, test):
    """The Figures of a trained energy, judged by the exact density, and its picture."""
    model, sigma = learner.model, learner.settings.sigma
    rng = np.random.default_rng(learner.settings.seed)
    with learner.average.applied():
        noised = test.x + sigma * rng.standard_normal(test.x.shape)
        exact_log_p, exact = noised_moons(noised, sigma)
        made = at(model, noised)
        off = ((-made[1] - exact) ** 2).sum() / (exact**2).sum()
        cell = (2 * EDGE / (NODES - 1)) ** 2  # the half weights of the ends do not matter
        energies = at(model, square(EDGE, NODES))[0]
        by_grid = float(log_partition(energies, np.full(len(energies), cell)))
        by_walks, error = annealed(model, rng)
        walked = walk(model, rng, NOISE**2 + sigma**2)
        divergence = (exact_log_p - log_density(made[0], by_grid)).mean()
        found = [
            Figure("relative error of the score", np.sqrt(off), ("<=", 0.2)),
            Figure("log Z by quadrature", by_grid),
            Figure("log Z by annealing", by_walks),
            Figure("standard error of the latter", error),
            Figure("their difference", abs(by_walks - by_grid), ("<=", 0.05)),
            Figure("divergence from the exact density, nats", divergence),
            Figure("mean exact log density, noised data", exact_log_p.mean()),
            Figure("mean exact log density, samples", noised_moons(walked, sigma)[0].mean()),
        ]
        return found, {"density.png": picture(model, by_grid, walked)}


def square(reach, n):
    """The places (n^2, 2) of a grid on [-reach, reach]^2, row by row."""
    grid = np.linspace(-reach, reach, n)
    return np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)


def at(model, x, rows=4096):
    """(f, grad f) at host places x (N, 2), in float64 on the host."""
    like, f = model.flat.data, potential(model)
    parts = [f(to_device_of(a, like)) for a in np.array_split(np.float32(x), -(-len(x) // rows))]
    energies, slopes = zip(*parts)
    return tuple(
        np.concatenate([to_host(a) for a in part]).astype(np.float64) for part in (energies, slopes)
    )


def annealed(model, rng):
    """(log Z, its standard error) by annealed importance sampling from N(0, I)."""
    x, noise, evenly = draws(model, rng)
    betas = np.linspace(0, 1, TEMPERATURES + 1) ** 2
    log_w, _ = annealed_log_weights(
        potential(model), 1.0, x(WALKS), betas.tolist(), lambda b: 0.05 / (1 + 20 * b), noise,
        evenly,
    )  # fmt: skip
    log_w = to_host(log_w).astype(np.float64)
    w = np.exp(log_w - log_w.max())
    log_z = np.log(w.mean()) + log_w.max()
    return float(log_z), float(w.std(ddof=1) / w.mean() / np.sqrt(len(w)))


def walk(model, rng, variance):
    """Samples (DRAWN, 2) on the host: Langevin's walk from N(0, I), with steps that shrink.

    variance: that of the noise, the narrowest that p is. Steps of h variance leave 1 / (1 - h / 2)
    times the variance across; h falls from 1 to 0.05, where that is 3 % too much.
    """
    x, noise, _ = draws(model, rng)
    x = x(DRAWN)
    for h in np.geomspace(1, 0.05, WALK_STEPS):
        (x,) = langevin(score(model), x, float(h) * variance, 1, noise)
    return to_host(x)


def draws(model, rng):
    """(x(n), noise(shape), uniform(shape)) on the device of the model."""
    like = model.flat.data
    device = device_of(like)

    def noise(shape):
        return standard_normal(rng, shape, like.dtype, device)

    def evenly(shape):
        return 1 - uniform(rng, shape, like.dtype, device)  # (0, 1], whose logarithm is finite

    return lambda n: noise((n, 2)), noise, evenly


def picture(model, log_z, samples):
    """The learned density as a shade, its score as arrows, samples as dots."""
    density = np.exp(log_density(at(model, square(SHOWN, 161))[0], log_z)).reshape(161, 161)
    arrows = -at(model, square(SHOWN, 27))[1].reshape(27, 27, 2)
    return viz.field(density, arrows, samples, SHOWN, "The learned density and its score")

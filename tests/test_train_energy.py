"""`tinydiff train energy`: the exact density it is judged by, and three losses of one score."""

import numpy as np
import pytest

from tinydiff.data import load
from tinydiff.models.energy import explicit_loss
from tinydiff.train.energy import EnergyLearner, noised_moons
from tinydiff.train.presets import find


def test_the_exact_density_integrates_to_one():
    grid = np.linspace(-1.8, 1.8, 91)
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    log_p, _ = noised_moons(places, 0.1, nodes=60)
    assert np.exp(log_p).sum() * (grid[1] - grid[0]) ** 2 == pytest.approx(1, abs=1e-9)


def test_the_exact_score_is_the_slope_of_the_density(rng):
    x, h = rng.uniform(-1, 1, (7, 2)), 1e-5
    _, score = noised_moons(x, 0.1)
    for i, step in enumerate(h * np.eye(2)):
        slope = (noised_moons(x + step, 0.1)[0] - noised_moons(x - step, 0.1)[0]) / (2 * h)
        np.testing.assert_allclose(score[:, i], slope, rtol=1e-6, atol=1e-6)


def test_the_exact_density_is_that_of_the_noised_rows(rng):
    """Means of 1, x, y, x^2, xy, y^2 over the density and over noised draws of the data."""
    x = load("moons").x + 0.2 * rng.standard_normal((8000, 2))
    grid = np.linspace(-2.2, 2.2, 111)
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    p = np.exp(noised_moons(places, 0.2)[0]) * (grid[1] - grid[0]) ** 2
    for moment in (lambda x: x.T, lambda x: (x**2).T, lambda x: x[:, 0] * x[:, 1]):
        drawn = moment(x)
        error = drawn.std(axis=-1) / np.sqrt(len(x))
        assert (np.abs(drawn.mean(axis=-1) - (moment(places) * p).sum(axis=-1)) < 4 * error).all()


def test_the_three_losses_fit_the_score_of_the_same_noised_rows():
    """E |sigma s + eps|^2 / d = 1 + (2 sigma^2 / d) E [1/2 |s|^2 + div s] over noised rows, for any
    s: by parts, E s . eps = sigma E div s. Here d = 2, and s is that of a fresh network."""
    sigma, values = 0.5, {}
    x = load("moons").x
    for loss in ("denoising", "explicit", "sliced"):
        settings = find("energy").changed({"loss": loss, "sigma": sigma})
        trained = EnergyLearner(settings, load("moons"))
        trained.model.flat.data[...] *= 3  # its score matters beside the parabola's
        trained.model.flat.changed()
        drawn = np.array([trained.loss(x).item() for _ in range(10)])
        if loss == "denoising":
            drawn = (drawn - 1) / sigma**2
        values[loss] = drawn.mean(), drawn.std(ddof=1) / np.sqrt(10)
    expected, spread = values.pop("explicit")
    for mean, error in values.values():
        assert abs(mean - expected) < 5 * np.hypot(error, spread)
    clean = explicit_loss(trained.model, x).item()
    assert abs(clean - expected) > 10 * spread, "of rows without noise it is another"

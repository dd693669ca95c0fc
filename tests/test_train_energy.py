"""The exact density that `tinydiff train energy` is judged by."""

import numpy as np
import pytest

from tinydiff.data import load
from tinydiff.train.energy import noised_moons


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

"""The density that a sampler makes of N(0, 1), followed on a grid: no Monte-Carlo noise."""

import math

import numpy as np
import pytest

from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.mixture import GaussianMixture, push_density
from tinydiff.diffusion.process import Process

TWO = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])
GRID = np.linspace(-6, 6, 1201)
NORMAL = np.exp(-(GRID**2) / 2) / math.sqrt(2 * math.pi)


def total_variation(p, q):
    return np.abs(p - q).sum() * (GRID[1] - GRID[0]) / 2


@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_ddpm_carries_the_density_that_its_formula_says(variance):
    """Against the kernels written out from the tables, integrated as matrices."""
    process = Process(schedules.linear(40, 2.5e-3, 0.5))
    pushed = push_density(
        samplers.ddpm, process, TWO.model(process), GRID, NORMAL, variance=variance
    )
    density, dx = NORMAL, GRID[1] - GRID[0]
    tilde, n = process.posterior_variance, np.sqrt(process.one_minus_alphas_bar)
    for t in range(40, 1, -1):
        eps = TWO.model(process)(GRID, t)
        mean = (GRID - process.betas[t] / n[t] * eps) / math.sqrt(process.alphas[t])
        std = math.sqrt((tilde if variance == "posterior" else process.betas)[t])
        away = (GRID[:, None] - mean) / std
        density = np.exp(-(away**2) / 2) @ density * dx / (std * math.sqrt(2 * math.pi))
    last = TWO.mean_x0(process, GRID, 1)  # without noise: a change of variables
    carried = density / np.gradient(last, GRID)
    np.testing.assert_allclose(np.interp(last, GRID, pushed), carried, atol=2e-3)


@pytest.mark.parametrize(
    "sampler, options, errors",
    [
        (samplers.ddpm, {"variance": "posterior"}, (0.0446, 0.0249)),
        (samplers.ddpm, {"variance": "beta"}, (0.0174, 0.0086)),
        (samplers.ddim, {}, (0.0153, 0.0080)),
        (samplers.heun, {}, (0.0007, 0.0002)),
    ],
)
def test_density_comes_to_the_data_as_steps_are_added(sampler, options, errors):
    """Total variation to the data for T = 100 and 200: half as much, for Heun a quarter.

    The numbers belong to the kernels above, which are exact: where they change, a sampler did.
    """
    data = np.exp(TWO.logpdf(GRID))
    for T, expected in zip((100, 200), errors):
        process = Process(schedules.linear(T, rescale=True))
        pushed = push_density(sampler, process, TWO.model(process), GRID, NORMAL, **options)
        assert abs(total_variation(pushed, data) - expected) < 1e-4

"""grid.py: densities pushed through a sampler's kernels, without one random number."""

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr

from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.grid import line, measure_kernel, push_density, total_variation
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process
from tinydiff.gaussian import Gaussian, Step

TWO_MODES = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])
GRID = np.linspace(-8, 8, 1001)
NORMAL = Gaussian(0.0, 1.0).pdf(GRID)
DATA = np.exp(TWO_MODES.logpdf(GRID))
SHORT = Process(schedules.linear(100, 1e-3, 0.2))


def distance(sampler, process, **options):
    """The total variation between the data and what the sampler makes of N(0, 1)."""
    model = TWO_MODES.model(process)
    end = push_density(sampler, process, model, GRID, NORMAL, **options)
    assert end.sum() * (GRID[1] - GRID[0]) == pytest.approx(1, abs=1e-5)
    return total_variation(GRID, end, DATA)


def ancestral(model, process, x, *, noise, ts, variance, shift=0):
    """DDPM by hand, with eps_hat of an earlier time if shift > 0."""
    for t, s in zip(ts, [*ts[1:], 0]):
        mean = process.convert(model(x, max(t - shift, 1)), x, t, "eps", "mu")
        x = mean + np.sqrt(variance[t]) * noise(s, x.shape) if s else mean
        yield s, x


def one_step(step):
    """A sampler of a single step x_0 = step(x, noise)."""

    def sampler(model, process, x, *, noise, ts):
        yield 0, step(x, lambda: noise(0, x.shape))

    return sampler


def test_total_variation_of_two_normals():
    right = 2 * ndtr(0.35) - 1  # N(0, 1) against N(0.7, 1)
    left = total_variation(GRID, NORMAL, Gaussian(0.7, 1.0).pdf(GRID))
    assert left == pytest.approx(right, rel=1e-4)  # |p - q| has a corner, which costs dx^2


def test_line_covers_what_it_integrates():
    x, dx = line(np.array([-1.0, 2.0]), np.array([0.5, 0.1]))
    assert x[0] == -6
    assert x[-1] >= 3
    assert dx == 0.1 / 16
    mass = Gaussian(2.0, 0.01).pdf(x)
    assert mass.sum() * dx == pytest.approx(1, rel=1e-13)
    assert mass @ x * dx == pytest.approx(2, rel=1e-13)


def test_a_grid_has_a_largest_size():
    """A million steps, whatever the units: 1,000,000 of 1 here, then one more."""
    x, dx = line(np.array([0.0, 999680.0]), np.array([16.0, 16.0]))
    assert (x[0], x[-1], dx) == (-160, 999840, 1)
    for scale in (1.0, 1e-9, 1e9):
        with pytest.raises(ValueError, match="is too large"):
            line(np.array([0.0, 999681.0]) * scale, np.array([16.0, 16.0]) * scale)
        assert len(line(np.array([0.0, 9.0]) * scale, np.array([16.0, 1.0]) * scale)[0]) > 5000


def test_a_jump_is_looked_at_four_times():
    """Each time with 15 further starts in the interval that holds it, and then it is taken.

    What the density is inside the gap is left open: no ODE's map leaps in truth.
    """
    starts, at = [], 0.00123

    def sampler(model, process, x, *, noise, ts):
        starts.append(x)
        yield 0, x + 3.0 * (x > at)

    end = push_density(sampler, SHORT, None, GRID, NORMAL)
    assert [len(x) for x in starts] == [1001, 1001, 15, 15, 15, 15]
    for k, x in enumerate(starts[2:], start=1):
        np.testing.assert_allclose(np.diff(x), 0.016 / 16**k, rtol=1e-6)
        assert x[0] - 0.016 / 16**k < at < x[-1] + 0.016 / 16**k
    left, right = GRID < -0.02, GRID > 3.02
    np.testing.assert_allclose(end[left], NORMAL[left], atol=1e-4)
    np.testing.assert_allclose(end[right], Gaussian(3.0, 1.0).pdf(GRID[right]), atol=1e-4)


def test_affine_steps_turn_gaussians_into_gaussians():
    process = Process(schedules.linear(20, 0.01, 0.3))
    data = GaussianMixture(None, [0.5], [0.36])
    end = push_density(samplers.ddpm, process, data.model(process), GRID, NORMAL)
    law = Gaussian(0.0, 1.0)
    for t in range(20, 0, -1):  # mean a x0_hat + b x, x0_hat linear in x
        at_0, at_1 = (
            process.q_posterior(data.mean_x0(process, x, t), x, t)[0] for x in (0.0, 1.0)
        )
        law = Step(at_1 - at_0, process.posterior_variance[t]).push(law).affine(1.0, at_0)
    np.testing.assert_allclose(end, law.pdf(GRID), atol=1e-8)


def test_pushing_is_the_chapman_kolmogorov_integral():
    """Against the kernel matrix: p(x_s) = sum over x_t of p(x_t) N(x_s; mean(x_t), variance) dx."""
    process = Process(schedules.linear(8, 0.02, 0.6))
    model, density = TWO_MODES.model(process), NORMAL
    for t in range(8, 1, -1):
        mean = process.convert(model(GRID, t), GRID, t, "eps", "mu")
        kernel = Gaussian(0.0, process.betas[t]).pdf(GRID[:, None] - mean)
        density = kernel @ density * (GRID[1] - GRID[0])
    # the last step has no noise: p(x_0) dx_0 = p(x_1) dx_1, compared without inverting the map
    end = push_density(samplers.ddpm, process, model, GRID, NORMAL, variance="beta")
    x0, h = TWO_MODES.mean_x0(process, GRID, 1), 1e-5
    slope = (x0 - TWO_MODES.mean_x0(process, GRID - h, 1)) / h
    slope = (TWO_MODES.mean_x0(process, GRID + h, 1) - x0 + slope * h) / (2 * h)
    at_x0 = np.interp(x0, GRID, end)
    np.testing.assert_allclose(at_x0 * slope, density, atol=2e-4)  # linear interpolation


# Total variation to the data. Computed a second time with the kernel matrix on 1601 points and an
# analytic last step: 0.04465, 0.01737 and, shifted, 0.03152. The grid's own error is below 1e-5.
# Rounding the noiseless last step to grid points instead of following the density raises these
# numbers to 0.047 and 0.035.
FIGURES = [
    ((100, 1e-3, 0.2), "posterior", 0.04465),
    ((100, 1e-3, 0.2), "beta", 0.01737),
    ((200, 1e-4, 0.02), "posterior", 0.01534),
    ((200, 1e-4, 0.02), "beta", 0.00988),
    pytest.param((1000, 1e-4, 0.02), "posterior", 0.00589, marks=pytest.mark.slow),
    pytest.param((1000, 1e-4, 0.02), "beta", 0.00170, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("schedule", "variance", "figure"), FIGURES)
def test_distance_of_ddpm_from_two_modes(schedule, variance, figure):
    process = Process(schedules.linear(*schedule))
    assert distance(samplers.ddpm, process, variance=variance) == pytest.approx(figure, abs=1.5e-5)


def test_a_wrong_time_makes_the_samples_better():
    tilde = SHORT.posterior_variance
    right, off = (distance(ancestral, SHORT, variance=tilde, shift=k) for k in (0, 1))
    assert right == pytest.approx(0.04465, abs=1.5e-5)
    assert off == pytest.approx(0.03152, abs=1.5e-5)


@pytest.mark.parametrize(
    ("sampler", "figure"),
    # deterministic samplers, in one piece; the first is also 0.015255 step by step
    [(samplers.ddim, 0.01525), (samplers.heun, 0.00074), (samplers.dpmpp_2m, 0.00608)],
)
def test_distance_of_deterministic_samplers(sampler, figure):
    assert distance(sampler, SHORT) == pytest.approx(figure, abs=2e-5)


def test_a_steep_map_is_followed():
    """The map from N(0, 1) to the data that keeps the distribution function leaps between modes."""
    x = np.linspace(-6, 6, 24001)
    spread = 0.3
    below = (ndtr((x + 2) / spread) + ndtr((x - 2) / spread)) / 2
    inside = np.flatnonzero((below > 1e-15) & (below < 1 - 1e-15))
    _, first = np.unique(below[inside], return_index=True)
    quantile = PchipInterpolator(below[inside][first], x[inside][first])
    sampler = one_step(lambda x, noise: quantile(np.clip(ndtr(x), 1e-14, 1 - 1e-14)) + 1e-9 * x)
    end = push_density(sampler, SHORT, None, GRID, NORMAL)
    assert total_variation(GRID, end, DATA) < 1e-3


def test_noise_that_depends_on_x():
    mean, std = np.cos, lambda x: 0.5 + 0.1 * np.sin(x)  # neither rising nor constant
    sampler = one_step(lambda x, noise: mean(x) + std(x) * noise())
    left = push_density(sampler, SHORT, None, GRID, NORMAL, ts=[1])
    at = GRID[[450, 500, 600]]
    x = np.linspace(-9, 9, 20001)
    kernel = np.exp(-(((at[:, None] - mean(x)) / std(x)) ** 2) / 2) / std(x) / np.sqrt(2 * np.pi)
    right = kernel @ Gaussian(0.0, 1.0).pdf(x) * (x[1] - x[0])
    np.testing.assert_allclose(left[[450, 500, 600]], right, rtol=1e-9)


def test_a_kernel_is_measured_by_two_runs():
    sampler = one_step(lambda x, noise: 0.3 * x + 1 + (2 + x) * noise())
    mean, std, s = measure_kernel(sampler, SHORT, None, np.array([0.0, 1.0]), [3])
    np.testing.assert_allclose((mean, std), [(1.0, 1.3), (2.0, 3.0)], rtol=1e-15)
    assert s == 0


TWICE = one_step(lambda x, noise: x + noise() + noise())
FOLD = one_step(lambda x, noise: x**2)
THIN = one_step(lambda x, noise: np.cos(x) + 1e-4 * noise())
REFUSED = [
    (TWICE, GRID, NORMAL, "draws noise 2 times"),
    (FOLD, GRID, NORMAL, "folds the density"),
    (THIN, GRID, NORMAL, r"at least the grid spacing 0\.016"),
    (FOLD, GRID**3, NORMAL, "uniform rising"),
    (FOLD, GRID[::-1], NORMAL, "uniform rising"),
    (FOLD, GRID[:3], NORMAL[:3], "4 or more"),
    (FOLD, GRID[:, None], NORMAL, "uniform rising"),
    (FOLD, GRID, NORMAL[:-1], r"one value per grid point, got \(1000,\)"),
    (FOLD, GRID, NORMAL * np.nan, "density must be finite"),
]


@pytest.mark.parametrize(("sampler", "grid", "density", "message"), REFUSED)
def test_what_cannot_be_followed_is_refused(sampler, grid, density, message):
    with pytest.raises(ValueError, match=message):
        push_density(sampler, SHORT, None, grid, density)

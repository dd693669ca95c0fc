"""The least loss on the first lab's curves: against sums on a dense grid, and against losses."""

import math

import numpy as np
import pytest

from tinydiff.data import curves
from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.process import Process
from tinydiff.train import floor as floors
from tinydiff.train.floor import floor, loss_of_x0, residuals

LAB = Process(schedules.linear(150))
POINTS = 100


def dense(process, t, xt, side):
    """Var[x0 | x_t] of one curve, by the midpoint rule on a grid of `side` x `side`; as written."""
    middle = (np.arange(side) + 0.5) / side * 10
    family = curves((-15 + middle)[:, None], 5 + middle, POINTS).reshape(-1, POINTS)
    s, v = math.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    log_p = -((xt[:, 0] - s * family) ** 2).sum(axis=1) / (2 * v)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    return (p @ family**2 - (p @ family) ** 2).mean()


@pytest.mark.parametrize("t, side", [(40, 200), (57, 160), (58, 160), (150, 100)])
def test_residuals_are_those_of_a_dense_grid(t, side):
    """t = 57 and 58 lie on both sides of the change of grids; 150 has the most noise.

    At t = 40, nu = 0.34, the standard deviation of mu is 0.11 and the midpoints stand 0.05 apart.
    """
    found = residuals(LAB, t, 3, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    mu = np.stack([rng.uniform(*sides, 3) for sides in floors.SQUARE], axis=1)
    xt = LAB.q_sample(curves(*mu.T), t, rng.standard_normal((3, POINTS, 1)))
    expected = [dense(LAB, t, x, side) for x in xt]
    # the peak's height has kinks in mu: both rules are of second order there
    np.testing.assert_allclose(found, expected, rtol=5e-3)


def test_the_grids_change_where_the_noise_says(rng, monkeypatch):
    seen = []
    monkeypatch.setattr(floors, "grid", lambda sides, nodes, n: seen.append(nodes) or Line())
    for t in (57, 58):
        residuals(LAB, t, 2, rng)
    assert LAB.snr[57] ** -0.5 < floors.LITTLE_NOISE < LAB.snr[58] ** -0.5
    assert seen == [floors.NODES, floors.NODES, 118], "one for each draw, then one for all"


class Line:
    """Stands for Points whose variance is 1."""

    def var_x0(self, process, xt, t):
        return np.ones_like(xt)


def test_a_grid_near_the_edge_of_the_square_ends_there():
    assert floors.around((-14.9, 10.0), 0.5) == [(-15.0, -14.4), (9.5, 10.5)]


def test_the_weights_of_a_grid_integrate_polynomials():
    points = floors.grid(((-15.0, -13.0), (5.0, 6.0)), 4, POINTS)
    assert points.weights.sum() == pytest.approx(1, rel=1e-12)
    mean = points.weights @ points.means[..., 0]
    u = np.linspace(0, 1, 200, endpoint=False) + 1 / 400
    expected = curves((-15 + 2 * u)[:, None], 5 + u, POINTS)[..., 0].mean(axis=(0, 1))
    np.testing.assert_allclose(mean, expected, atol=0.02)


def test_the_floor_of_the_lab_is_that_of_two_numbers_in_a_hundred():
    """And somewhat more where the noise hides a bump: 0.0224 on average over all t.

    That is floor(LAB, 134, default_rng(0)): 0.02241 +- 0.00007. Every fifth t lies 2 t later on
    average, where the floor is higher by about 1e-4.
    """
    every_fifth = Process(schedules.from_alphas_bar(LAB.alphas_bar[::5]))
    found = floor(every_fifth, 4, np.random.default_rng(0))
    assert found.at.shape == (30,)
    assert abs(found.mean - 0.0225) < 4 * found.stderr
    assert 0 < found.stderr < 0.003
    # with little noise only mu1 and mu2 are unknown: 2 / 100 of the noise, as in linear regression
    assert found.at[0] == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("weight", ["simple", "vlb", "snr", "min_snr", "p2"])
@pytest.mark.parametrize("predicts", ["eps", "x0", "v", "score"])
def test_no_loss_of_the_exact_denoiser_is_lower(weight, predicts, rng):
    """bound.loss of an x0_hat that is off by a known amount, in every prediction and weight."""
    x0, eps = rng.standard_normal((2, 5, 4, 1))
    t, off = 30, 0.3
    xt = LAB.q_sample(x0, t, eps)

    def model(xt, t):
        return LAB.convert(x0 + off, xt, t, "x0", predicts)

    expected = bound.loss(model, LAB, x0, t, eps, weight, predicts).item()
    assert loss_of_x0(LAB, t, weight, predicts) * off**2 == pytest.approx(expected, rel=1e-9)
    assert xt.shape == x0.shape


def test_the_floor_is_the_error_of_the_exact_denoiser():
    """E Var[x0 | x_t] = E (x0 - E[x0 | x_t])^2, here as the eps-error of 200 draws at t = 100."""
    t, n = 100, 200
    rng = np.random.default_rng(2)
    points = floors.grid(floors.SQUARE, 60, POINTS)
    x0 = curves(rng.uniform(-15, -5, n), rng.uniform(5, 15, n))
    eps = rng.standard_normal(x0.shape)
    xt = LAB.q_sample(x0, t, eps)
    errors = ((points.model(LAB)(xt, t) - eps) ** 2).mean(axis=(1, 2))
    left = LAB.snr[t] * residuals(LAB, t, n, rng)
    spread = math.hypot(errors.std(), left.std()) / math.sqrt(n)
    assert abs(errors.mean() - left.mean()) < 4 * spread

"""ch327's DDPM1D: the chapter's numbers, its off-by-one and its schedule, and its two figures."""

import numpy as np
import pytest

from tinydiff import viz
from tinydiff.data import load
from tinydiff.models.ddpm1d import DDPM1D


def chapter(T):
    """The chapter's alpha_bars, as printed."""
    return np.cumprod(1 - np.linspace(1e-4, 0.02, T))


@pytest.mark.parametrize("T", [100, 200])
def test_the_chapters_table_is_one_step_ahead(T):
    """D1: its entry t is our t + 1; clean data is not in it."""
    ours = DDPM1D(T).alpha_bars
    np.testing.assert_allclose(ours[1:], chapter(T), rtol=1e-12)
    assert ours[0] == 1
    assert DDPM1D(T).betas[0] == 0


def test_noise_is_left_out_at_0_and_signal_left_over_at_T():
    """D2: 0.1322 of the variance at T = 200 and 0.3636 at T = 100 is still signal."""
    for T, left in ((200, 0.1322), (100, 0.3636)):
        assert DDPM1D(T).alpha_bars[-1] == pytest.approx(left, abs=5e-5)
        assert DDPM1D(T, rescale=True).alpha_bars[-1] < 1e-4
        assert DDPM1D(T).noise_level_at(T) == pytest.approx(np.sqrt(1 - left), abs=5e-5)
    assert DDPM1D().noise_level_at(0) == 0


def test_q_sample_is_the_closed_form(rng):
    x0, ddpm = rng.standard_normal(7), DDPM1D(50)
    xt, eps = ddpm.q_sample(x0, 20, np.random.default_rng(3))
    np.testing.assert_array_equal(eps, np.random.default_rng(3).standard_normal(7))
    ab = chapter(50)[19]
    np.testing.assert_allclose(xt, np.sqrt(ab) * x0 + np.sqrt(1 - ab) * eps, rtol=1e-12)
    clean, _ = ddpm.q_sample(x0, 0, rng)
    np.testing.assert_array_equal(clean, x0)
    assert clean is not x0


@pytest.mark.parametrize("t", [-1, 51, 1.5])
def test_a_time_outside_is_refused(t, rng):
    """The chapter's list answers t = -1 with its noisiest entry."""
    with pytest.raises(ValueError, match="t must be an int from 0 to T = 50"):
        DDPM1D(50).noise_level_at(t)
    with pytest.raises((ValueError, TypeError)):
        DDPM1D(50).q_sample(np.zeros(3), t, rng)


def test_the_two_figures_show_what_they_say(rng):
    ddpm, x0 = DDPM1D(200), load("two_gaussians").x[:, 0]
    fig = viz.noising_numbers(ddpm, x0, [0, 200], rng)
    clean, noisy = fig.axes
    assert "noise level 0.000" in clean.get_title()
    # the bars are a density, so they add up to what lies within the axis: all of it
    width = clean.patches[0].get_width()
    for ax in (clean, noisy):
        assert sum(p.get_height() for p in ax.patches) * width == pytest.approx(1, abs=1e-3)
    middle = [p.get_height() for p in clean.patches if abs(p.get_x()) < 0.5]
    assert max(middle) == 0, "two separate bumps"
    left, right = viz.schedule(ddpm).axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), ddpm.betas)
    signal, noise = (line.get_ydata() for line in right.lines)
    np.testing.assert_allclose(signal + noise, 1, rtol=1e-15)
    assert len(signal) == 201

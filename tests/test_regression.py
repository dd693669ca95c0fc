"""A function of one number learned from noisy values: what least squares says of it."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff import viz
from tinydiff.train import regression
from tinydiff.train.loop import train
from tinydiff.train.presets import find
from tinydiff.train.regression import (
    DEGREE,
    REACH,
    TRUTHS,
    RegressionLearner,
    draw,
    least_squares,
    report,
)


def preset(name, **changes):
    return find("regression", name).changed(changes)


def test_gradient_descent_ends_at_the_normal_equations():
    """(X^T X) (w, b) = X^T y, solved here, by a route that is not lstsq's."""
    learner = RegressionLearner(preset("regression-linear"))
    for _ in range(learner.settings.steps):
        learner.update(*learner.batch())
    X = np.concatenate([learner.x, np.ones_like(learner.x)], axis=1)
    best = np.linalg.solve(X.T @ X, X.T @ learner.y)[:, 0]
    np.testing.assert_allclose(learner.model.flat.data, best, rtol=1e-6)
    np.testing.assert_allclose(least_squares(learner.x, learner.y, 1), best[::-1], rtol=1e-12)


def test_each_step_shrinks_the_distance_as_the_docstring_says():
    """By 0.4 along the slower of two directions, once the faster is gone; the rows are not quite
    uniform, so h is not quite 2."""
    learner, distance = RegressionLearner(preset("regression-linear")), []
    learner.model.astype(np.float64)
    best = least_squares(learner.x, learner.y, 1)[::-1]
    for _ in range(14):
        learner.update(learner.x, learner.y)
        distance.append(np.linalg.norm(learner.model.flat.data - best))
    ratio = distance[-1] / distance[-2]
    X = np.concatenate([learner.x, np.ones_like(learner.x)], axis=1)
    slowest = 1 - 0.3 * np.linalg.eigvalsh(2 * X.T @ X / len(X))[0]
    assert ratio == pytest.approx(slowest, rel=1e-3)
    assert ratio == pytest.approx(0.4, abs=0.03)


def test_the_lectures_three_points_lie_on_a_line():
    """(1, 2), (1.5, 3), (-0.5, -1): on y = 2 x, and not on the 2 x + 1 that is drawn with them."""
    x, y = np.array([[1.0], [1.5], [-0.5]]), np.array([[2.0], [3.0], [-1.0]])
    np.testing.assert_allclose(least_squares(x, y, 1), [0, 2], atol=1e-14)


def test_least_squares_costs_one_share_of_the_noise_for_each_coefficient(rng):
    """E |fit - f|^2 over the training places is sigma^2 (degree + 1) / N if f is of that degree."""
    settings, degree, costs = preset("regression-linear", rows=40), 3, []
    for _ in range(400):
        x, y = draw(settings, 40, rng)
        fit = np.polynomial.polynomial.polyval(x, least_squares(x, y, degree))
        costs.append(np.square(fit - TRUTHS["line"](x)).mean())
    error = np.std(costs) / np.sqrt(len(costs))
    assert abs(np.mean(costs) - 0.2**2 * (degree + 1) / 40) < 4 * error


def test_rows_are_those_that_are_promised(rng):
    x, y = draw(preset("regression", noise=0.5), 4000, rng)
    assert np.abs(x).max() <= REACH and x.std() == pytest.approx(REACH / np.sqrt(3), rel=0.03)
    noise = y - TRUTHS["wave"](x)
    assert noise.std() == pytest.approx(0.5, rel=0.05)
    assert abs(np.corrcoef(noise[:, 0], x[:, 0])[0, 1]) < 0.06


def test_the_report_measures_what_it_says(tmp_path):
    """Of a line that is known, w = 1 and b = 0: the distance from 2 x + 1 is |x + 1|^2."""
    learner = RegressionLearner(preset("regression-linear", steps=0))
    assert train(learner, tmp_path)
    learner.average.average[...] = [1, 0]  # the weights themselves are still those of the start
    figures = {f.what: f for f in report(learner)[0]}
    excess = REACH**2 / 3 + 1  # the mean of (x + 1)^2
    assert figures["excess over it"].value == pytest.approx(excess, rel=1e-3)
    assert figures["error on held-out rows"].value == pytest.approx(excess + 0.04, rel=0.05)
    assert figures["excess of the line of least squares"].value < 1e-3
    assert figures[f"excess of the polynomial of degree {DEGREE}"].value < 1e-2
    off = figures["distance from the least squares, relative"]
    assert off.value == pytest.approx(np.sqrt(2 / 5), rel=0.02)
    assert off.ok is False


def test_held_out_rows_are_drawn_afresh(monkeypatch):
    states = []

    def noted(settings, n, rng):
        states.append(str(rng.bit_generator.state))
        return draw(settings, n, rng)

    monkeypatch.setattr(regression, "draw", noted)
    for seed in (0, 1):
        report(RegressionLearner(preset("regression-linear", seed=seed)))
    assert len(set(states)) == len(states) == 4


def test_the_picture_has_the_data_and_the_curves(rng):
    x, y = rng.standard_normal((2, 6, 1))
    grid = np.linspace(-1, 1, 5)[:, None]
    ax = viz.fits(x, y, grid, {"f": grid, "learned": 2 * grid}, "title").axes[0]
    np.testing.assert_allclose(ax.collections[0].get_offsets(), np.concatenate([x, y], axis=1))
    assert [line.get_label() for line in ax.lines] == ["f", "learned"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 2 * grid[:, 0])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"truth": "step"}, "truth = 'step' is unknown; choose line, wave"),
        ({"rows": 9}, "rows must be at least 10, got 9"),
        ({"noise": 0.0}, "noise must be positive"),
        ({"model": "cubic"}, "choose linear, mlp"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(td.ConfigError, match=message):
        preset("regression", **changes)

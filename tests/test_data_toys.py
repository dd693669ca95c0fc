"""Data that is drawn: lab 1's curves by their definition, shapes by their geometry."""

import numpy as np
import pytest
from scipy import stats
from sklearn import datasets

import tinydiff as td
from tinydiff.data import curves, load, points

PLANE = ["moons", "circles", "swiss_roll", "spiral", "blobs"]
DRAWN = [*PLANE, "gmm", "two_gaussians"]


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_sets_follow_the_seed_and_test_rows_are_fresh(name):
    recipe = td.data.recipe(name)
    train, again, test, other = (
        load(name, split, seed=seed)
        for split, seed in (("train", 3), ("train", 3), ("test", 3), ("train", 4))
    )
    np.testing.assert_array_equal(train.x, again.x)
    assert (len(train), len(test)) == recipe.rows
    assert train.x.shape[1:] == test.x.shape[1:] == recipe.shape
    assert train.x.dtype == np.float32
    assert train.y.dtype == np.int64
    assert train.levels == 0
    rows = {row.tobytes() for row in train.x}
    for some in (test, other):
        assert not rows & {row.tobytes() for row in some.x}


def test_a_curve_is_the_labs_formula():
    """One value of one curve, with numbers put in by hand.

    With bumps at -10 and at x_75 = 10.303... the maximum is at x_75, since -10 is not on the grid.
    Amid the bumps, at x_50 = 0.202..., both are below 1e-21 of their height, as the minimum is.
    """
    x = np.linspace(-20, 20, 100)
    curve = curves(-10, x[75])[:, 0]
    assert curve.shape == (100,)
    assert curve[75] == 1
    np.testing.assert_allclose(curve[50], -1, atol=1e-15)
    np.testing.assert_allclose(curve[78], 2 * np.exp(-((120 / 99) ** 2) / 2) - 1, atol=1e-14)


def test_curves_by_the_lab_step_by_step(rng):
    mu1, mu2 = rng.uniform(-15, -5, 7), rng.uniform(5, 15, 7)
    found = curves(mu1, mu2, 64)
    assert found.shape == (7, 64, 1)
    assert found.dtype == np.float64
    x = np.linspace(-20, 20, 64)
    for row, a, b in zip(found[..., 0], mu1, mu2):
        total = stats.norm.pdf(x, a) + stats.norm.pdf(x, b)
        total /= total.sum()
        unit = (total - total.min()) / (total.max() - total.min())
        # the rescaling divides rounding errors of 1e-16 by a maximum of about 0.4
        np.testing.assert_allclose(row, 2 * unit - 1, atol=1e-14)


def test_curves_of_a_grid_of_centres():
    grid = curves(np.array([[-15.0], [-5.0]]), np.array([5.0, 10.0, 15.0]))
    assert grid.shape == (2, 3, 100, 1)
    np.testing.assert_array_equal(grid[1, 2], curves(-5.0, 15.0))


def test_a_curve_without_a_bump_on_the_grid_is_refused():
    with pytest.raises(ValueError, match="must lie on the grid from -20 to 20"):
        curves(-900.0, 900.0)


def test_the_labs_curves():
    """4000 of them with the lab's mean of -0.751, and bumps where it puts them, uniformly.

    The standard error of the mean over curves is below 1e-4: the lab prints three digits.
    """
    data = load("gmm")
    assert data.x.shape == (4000, 100, 1)
    assert abs(data.x.mean(dtype=np.float64) + 0.751) < 5e-4
    np.testing.assert_array_equal(data.x.max(axis=1), 1)
    np.testing.assert_array_equal(data.x.min(axis=1), -1)
    weight = (data.x[..., 0].astype(np.float64) + 1) / 2
    x = np.linspace(-20, 20, 100)
    for half, low in ((slice(50), -15), (slice(50, None), 5)):
        centre = weight[:, half] @ x[half] / weight[:, half].sum(axis=1)
        assert stats.kstest(centre, stats.uniform(low, 10).cdf).pvalue > 1e-3
    assert (data.y == 0).all()


@pytest.mark.parametrize("name", PLANE)
def test_points_stay_in_the_square_by_construction(name):
    """The shape reaches to REACH, the noise to CUT * NOISE, together to 1."""
    k = np.repeat(np.arange(points.BLOBS), 2001)
    k = k[k < points.SHAPES[getattr(points, name)]]
    u = np.resize(np.linspace(0, 1, 2001), len(k))
    clean = np.array(getattr(points, name)(k, u))
    np.testing.assert_allclose(np.abs(clean).max(), 1, atol=1e-12)
    assert pytest.approx(1) == points.REACH + points.CUT * points.NOISE
    assert np.abs(load(name).x).max() <= 1


def shape_points(name):
    """The noise-free shape by another route: (points (M, 2) dense on it, their labels)."""
    if name == "moons":
        x, y = datasets.make_moons(4000, noise=None)
        return (x - [0.5, 0.25]) / 1.5, y
    if name == "circles":
        return datasets.make_circles(4000, noise=None, factor=0.5)
    if name == "swiss_roll":
        x, _ = datasets.make_swiss_roll(20000, noise=0.0, random_state=0)
        return x[:, [0, 2]] / (4.5 * np.pi), np.zeros(20000)
    if name == "spiral":
        r = np.linspace(0, 1, 4000)
        z = r * np.exp(3j * np.pi * r)
        return np.concatenate([np.stack([s * z.real, s * z.imag], 1) for s in (1, -1)]), np.repeat(
            [0, 1], 4000
        )
    z = np.exp(2j * np.pi * np.arange(8) / 8)
    return np.stack([z.real, z.imag], 1), np.arange(8)


@pytest.mark.parametrize("name", PLANE)
def test_points_are_their_shape_and_noise(name):
    """Row by row: the nearest point of its class's shape is within the noise, and noise there is.

    A distance to a curve is at most that to the point itself, |noise|; across the curve it is
    Gaussian, so its root mean square is NOISE where the curve is straight, sqrt(2) NOISE at a
    point. The tolerance of 15 % leaves room for curvature and ends.
    """
    data, (shape, labels) = load(name, limit=1000), shape_points(name)
    squares = np.empty(len(data))
    for i, (row, label) in enumerate(zip(data.x.astype(np.float64), data.y)):
        own = shape[labels == label] * points.REACH
        squares[i] = ((row - own) ** 2).sum(axis=1).min()
    expected = points.NOISE * (np.sqrt(2) if name == "blobs" else 1)
    assert np.sqrt(squares.mean()) == pytest.approx(expected, rel=0.15)
    assert np.bincount(data.y).tolist() == [1000 // len(set(labels))] * len(set(labels))


@pytest.mark.parametrize("name", PLANE)
def test_points_cover_their_shape(name):
    """And the other way round: near every point of the shape lies a row of its class.

    8000 rows on curves of length at most about 12 lie 0.003 apart on average; the density of the
    spiral falls like the root of the radius, hence 0.1 for all.
    """
    data, (shape, labels) = load(name), shape_points(name)
    for place, label in zip(shape[::97], labels[::97]):
        rows = data.x[data.y == label]
        assert ((rows - place * points.REACH) ** 2).sum(axis=1).min() < 0.1**2


def test_circles_are_uniform_in_the_angle_and_the_swiss_roll_in_its():
    """Densities that other tools assume of these sets."""
    circles = load("circles")
    for k in (0, 1):
        rows = circles.x[circles.y == k]
        angle = np.arctan2(rows[:, 1], rows[:, 0])
        assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    radius = np.linalg.norm(load("swiss_roll").x, axis=1) / points.REACH
    # radius = angle / (4.5 pi), uniform in 1/3 ... 1, blurred by noise of 0.035: compare the mean,
    # whose standard error is 0.002, and the deviation
    assert radius.mean() == pytest.approx(2 / 3, abs=0.01)
    assert radius.std() == pytest.approx(np.hypot(2 / 3 / np.sqrt(12), 0.03 / 0.85), abs=0.005)


def test_the_chapters_numbers():
    """With seed 0, the very numbers of ch327 L29-L32, on their own scale."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(-2, 0.3, 200), rng.normal(2, 0.3, 200)
    data = load("two_gaussians")
    np.testing.assert_array_equal(data.x[data.y == 0, 0], left.astype(np.float32))
    np.testing.assert_array_equal(data.x[data.y == 1, 0], right.astype(np.float32))
    assert load("two_gaussians", limit=10).y.tolist() == [0, 1] * 5
    test = load("two_gaussians", "test")
    assert stats.kstest(test.x[test.y == 1, 0], stats.norm(2, 0.3).cdf).pvalue > 1e-3

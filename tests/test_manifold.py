"""Neighbours of the data and costs of a map: exact perplexities, gradients, hard distances."""

import numpy as np
import pytest
from double import xp as double_xp
from scipy.special import entr, rel_entr

import tinydiff as td
from tinydiff import manifold
from tinydiff.manifold import neighbours


def reached(p):
    """Perplexities, by scipy."""
    return np.exp(entr(p).sum(axis=1))


def distances(x):
    """Squared distances pair by pair, in extended precision."""
    x = x.astype(np.longdouble)
    return ((x[:, None] - x[None]) ** 2).sum(axis=2).astype(float)


def random_p(rng, n, rows=False):
    weight = rng.random((n, n)) * (1 - np.eye(n))
    if rows:
        return weight / weight.sum(axis=1, keepdims=True)
    return (weight + weight.T) / (2 * weight.sum())


# --- gradients

LOGARITHMS = {  # of unnormalised q, as operations on a Tensor of squared distances
    "sne_gradient": lambda D: -D,
    "symmetric_sne_gradient": lambda D: -D,
    "tsne_gradient": lambda D: -td.log1p(D),
}


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("name", LOGARITHMS)
def test_a_gradient_is_that_of_its_cost(rng, name, d):
    """By the tape: cost = sum p (log p - log w) + sum p log Z, distances as differences squared."""
    n, rows = 9, name == "sne_gradient"
    p, y = random_p(rng, n, rows), rng.standard_normal((n, d))

    def cost(y):
        off = td.reshape(y, (n, 1, d)) - td.reshape(y, (1, n, d))
        log_w = LOGARITHMS[name](td.sum(off * off, axis=2))
        log_w = td.where(np.eye(n, dtype=bool), -1e9, log_w)
        log_q = log_w - td.logsumexp(log_w, axis=1 if rows else None, keepdims=True)
        return -td.sum(td.where(p > 0, p * log_q, 0.0))

    td.gradcheck(cost, y)
    expected = td.grad(cost)(y)
    gradient = getattr(manifold, name)(p, y)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12)
    way, h = rng.standard_normal((n, d)), 1e-5  # error h^2 / 6 times a third derivative of order 10
    slope = (cost(y + h * way) - cost(y - h * way)) / (2 * h)
    assert (gradient * way).sum() == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_the_cost_is_the_divergence(rng):
    p, y = random_p(rng, 12), rng.standard_normal((12, 2))
    p[0, 1] = p[1, 0] = 0  # 0 log 0 is 0; and p need not add up to 1
    w = (1 - np.eye(12)) / (1 + distances(y))
    expected = rel_entr(p, w / w.sum()).sum()
    assert manifold.tsne_cost(p, y) == pytest.approx(expected, rel=1e-13)
    assert manifold.tsne_cost.plain(p, y) == pytest.approx(expected, rel=1e-13)


def test_the_same_on_a_device(rng):
    """On the device double: nothing but the library's own names, and the same numbers."""
    y = rng.standard_normal((9, 2))
    for name in LOGARITHMS:
        p = random_p(rng, 9, name == "sne_gradient")
        f = getattr(manifold, name)
        there = f(double_xp.asarray(p), double_xp.asarray(y))
        np.testing.assert_allclose(td.to_host(there), f(p, y), rtol=0, atol=1e-14)
    D = manifold.squared_distances(y)
    np.testing.assert_array_equal(
        td.to_host(manifold.squared_distances(double_xp.asarray(y))), D
    )
    for here, there in zip(
        manifold.conditional(D, 3.0), manifold.conditional(double_xp.asarray(D), 3.0)
    ):
        np.testing.assert_allclose(td.to_host(there), here, rtol=1e-12)


# --- perplexity


@pytest.mark.parametrize("target", [1.0, 1.0001, 1.5, 2, 7, 30, 77, 98.9, 98.9999])
@pytest.mark.parametrize("entries", [99, 2**17])  # one row at a time, and all at once
def test_every_row_has_the_perplexity_asked_for(rng, monkeypatch, target, entries):
    monkeypatch.setattr(neighbours, "ENTRIES", entries)
    D = manifold.squared_distances(rng.standard_normal((100, 4)))
    p, sigmas = manifold.conditional(D, target)
    np.testing.assert_allclose(reached(p), target, rtol=1e-10)  # entropies to 1e-12
    np.testing.assert_allclose(manifold.perplexity(p), reached(p), rtol=1e-13)
    assert (p.diagonal() == 0).all()
    far = D + np.diag([np.inf] * 100)
    weight = np.exp((far.min(axis=1, keepdims=True) - far) / (2 * sigmas[:, None] ** 2))
    np.testing.assert_allclose(p, weight / weight.sum(axis=1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("target", [1.2, 3, 20, 38])
def test_distances_of_very_different_size(target):
    """Points at 1e-6 ... 1e6: widths differ by as much, and each is found."""
    x = np.logspace(-6, 6, 40)[:, None]
    p, sigmas = manifold.conditional(distances(x), target)
    np.testing.assert_allclose(reached(p), target, rtol=1e-10)
    assert sigmas.max() / sigmas.min() > (1e6 if target < 20 else 1)


def test_few_steps_are_enough(rng, monkeypatch):
    """Newton's method: 60 halvings of the interval would do as well, in many times the time."""
    monkeypatch.setattr(neighbours, "NEWTON", 20)
    D = manifold.squared_distances(rng.standard_normal((200, 10)))
    for target in (2, 30, 150):
        np.testing.assert_allclose(reached(manifold.conditional(D, target)[0]), target, rtol=1e-10)


def test_duplicates_keep_what_they_cannot_lose(rng):
    """Five copies of one point have 4 neighbours at distance 0 each: 4 is the least they reach."""
    x = rng.standard_normal((25, 3))
    x[:5] = x[0]
    D = distances(x)
    close = (D + np.diag([np.inf] * 25)).argmin(axis=1)[5:] < 5  # to all five copies alike
    assert close.any()
    for target in (3.0, 4.0, 4.5, 6.0):
        p, _ = manifold.conditional(D, target)
        if target <= 4:
            np.testing.assert_allclose(p[:5, :5], (1 - np.eye(5)) / 4, atol=1e-15)
        np.testing.assert_allclose(reached(p)[:5], max(target, 4), rtol=1e-10)
        expected = np.where(close, max(target, 5), target)
        np.testing.assert_allclose(reached(p)[5:], expected, rtol=1e-10)
    p, sigmas = manifold.conditional(np.zeros((6, 6)), 2.0)  # nothing but copies
    np.testing.assert_allclose(p, (1 - np.eye(6)) / 5, rtol=1e-15)
    assert np.isfinite(sigmas).all()


@pytest.mark.parametrize("scale", [1e-8, 1e3, 1e9])
def test_the_scale_of_the_data_does_not_matter(rng, scale):
    x = rng.standard_normal((60, 5))
    x[7] = x[8]
    p, sigmas = manifold.conditional(manifold.squared_distances(x), 10)
    scaled, widths = manifold.conditional(manifold.squared_distances(x * scale), 10)
    np.testing.assert_allclose(scaled, p, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(widths, sigmas * scale, rtol=1e-9)


def test_an_offset_costs_no_digits(rng):
    """A coordinate near 1e5 is rounded by 7e-12, which a distance of about 3 feels as 1e-10."""
    x = rng.standard_normal((60, 5))
    D = manifold.squared_distances(x + 1e5)
    np.testing.assert_allclose(D, distances(x), rtol=0, atol=1e-9)
    assert (D.diagonal() == 0).all() and (D >= 0).all()


def test_nan_is_not_taken_for_a_duplicate(rng):
    x = rng.standard_normal((5, 2))
    x[2, 1] = np.nan
    assert np.isnan(manifold.squared_distances(x)[2, 3])


def test_duplicates_are_at_distance_0(rng):
    """Sums in another order would leave 1e-16 of |x|^2 between them; a near pair keeps its own."""
    x = 100 * rng.standard_normal((40, 17))
    x[20:] = x[:20]
    D = manifold.squared_distances(x)
    assert (np.diagonal(D, 20) == 0).all() and (D > 0).sum() == 40 * 38
    x[20:, 0] += 1e-3
    near = np.diagonal(manifold.squared_distances(x), 20)
    np.testing.assert_allclose(near, 1e-6, rtol=1e-2)  # |x|^2 is 2e5: 1e-11 of rounding each


def test_one_point_far_away_leaves_the_others_alone(rng):
    x = rng.standard_normal((50, 4))
    p, _ = manifold.conditional(distances(x), 10)
    far = np.concatenate([x, np.full((1, 4), 1e6)])
    p_far, _ = manifold.conditional(manifold.squared_distances(far), 10)
    np.testing.assert_allclose(p_far[:50, :50], p, rtol=0, atol=1e-4)  # D is right to 1e-4
    np.testing.assert_allclose(reached(p_far)[:50], 10, rtol=1e-10)


@pytest.mark.parametrize(
    "D, target, message",
    [
        (np.zeros((4, 3)), 2, r"\(N, N\), got shape \(4, 3\)"),
        (np.zeros(4), 2, r"got shape \(4,\)"),
        (np.zeros((4, 4)), 3, "at least 1 and less than 3"),
        (np.zeros((4, 4)), 7.5, "got 7.5"),
        (np.zeros((4, 4)), 0.9, "got 0.9"),
        (np.zeros((4, 4)), np.nan, "got nan"),
    ],
)
def test_what_cannot_be_is_refused(D, target, message):
    with pytest.raises(ValueError, match=message):
        manifold.conditional(D, target)

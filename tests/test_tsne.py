"""t-SNE and SNE from data to map: the descent, its start, and what it says about bad data."""

import csv
import math
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from double import xp as double_xp
from scipy.special import rel_entr
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

import tinydiff as td
from benchmarks import tsne
from tinydiff import manifold
from tinydiff.backend import fast

DIGITS, CLASSES = load_digits(return_X_y=True)
RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "tsne" / "tsne.csv"


def kl_of(embedding):
    """D_KL(p || q) of a t-SNE map, written out."""
    y = embedding.y
    w = 1 / (1 + ((y[:, None] - y[None]) ** 2).sum(axis=2)) - np.eye(len(y))
    return rel_entr(embedding.p, w / w.sum()).sum()


def test_as_good_as_the_exact_method_of_scikit_learn():
    """From the same start. Both are chaotic: 1000 steps make 1e-7 of rounding visible."""
    x = DIGITS[:150]
    start = 1e-4 * np.random.default_rng(0).standard_normal((150, 2))
    peer = TSNE(method="exact", init=start, perplexity=20, learning_rate="auto").fit(x)
    ours = manifold.tsne(x, 20, init=start)
    assert ours.kl / peer.kl_divergence_ <= 1.02
    assert ours.kl == pytest.approx(kl_of(ours), rel=1e-9)
    assert trustworthiness(x, ours.y) > 0.97


@pytest.mark.slow
def test_all_digits():
    """The time is not asserted: `python -m benchmarks.tsne` does, and has left the peer's KL."""
    ours = manifold.tsne(DIGITS)
    with open(RESULTS, newline="") as file:
        kl = {row["method"]: float(row["kl"]) for row in csv.DictReader(file)}
    assert ours.kl <= 1.01 * kl["scikit-learn exact"]
    assert ours.kl == pytest.approx(kl_of(ours), rel=1e-9)
    assert trustworthiness(DIGITS, ours.y, n_neighbors=5) >= 0.99
    assert np.abs(ours.perplexity - 30).max() < 1e-6


@pytest.mark.parametrize(
    "changes, off, bars",
    [
        ({}, 1e-9, 0),
        ({"kl": 0.72}, 1e-9, 1),
        ({"trustworthiness": 0.98}, 1e-9, 1),
        ({"seconds": 4.0}, 1e-9, 1),
        ({}, 2e-6, 1),
        ({"kl": math.nan}, math.nan, 2),
    ],
)
def test_the_benchmark_fails_what_ought_to_fail(changes, off, bars, capsys):
    exact = {"method": "exact", "seconds": 10.0, "kl": 0.7, "trustworthiness": 0.995}
    ours = exact | {"method": "tinydiff", "seconds": 1.0} | changes
    assert len(tsne.missed([ours, exact], off, quick=False)) == bars
    assert capsys.readouterr().out.count("FAIL") == bars


# --- the descent


def steps_of(gradient, p, y, steps, lr, exaggeration, momentum):
    """The descent, coordinate by coordinate, and the map centred."""
    y, early = y.copy(), min(250, steps // 2)
    for step in range(steps):
        if step in (0, early):
            move, gain = np.zeros_like(y), np.ones_like(y)
        slope = gradient(exaggeration * p if step < early else p, y)
        for i in np.ndindex(*y.shape):
            same_way = move[i] * slope[i] < 0
            gain[i] = max(0.01, gain[i] + 0.2 if same_way else gain[i] * 0.8)
            move[i] = momentum[int(step >= early)] * move[i] - lr * gain[i] * slope[i]
        y += move
    return y - y.mean(axis=0)


@pytest.mark.parametrize("steps", [1, 2, 21, 520])
def test_momentum_gains_and_exaggeration(rng, steps):
    x, start = rng.standard_normal((20, 5)), rng.standard_normal((20, 2))
    options = {"lr": 0.1, "exaggeration": 3.0, "momentum": (0.3, 0.6)}
    ours = manifold.tsne(x, 5, steps, init=start, **options)
    expected = steps_of(manifold.tsne_gradient.plain, ours.p, start, steps, *options.values())
    # float32 sums are right to 1e-7, and at this rate the descent spreads that little
    np.testing.assert_allclose(ours.y, expected, rtol=0, atol=1e-6 if steps < 100 else 1e-4)


@pytest.mark.parametrize("symmetric", [True, False])
def test_sne_goes_down_its_own_gradient(rng, symmetric):
    x, start = rng.standard_normal((20, 5)), rng.standard_normal((20, 2))
    options = {"lr": 0.05, "exaggeration": 3.0, "momentum": (0.3, 0.6)}
    ours = manifold.sne(x, 5, 21, init=start, symmetric=symmetric, **options)
    gradient = manifold.symmetric_sne_gradient if symmetric else manifold.sne_gradient
    np.testing.assert_allclose(
        ours.y, steps_of(gradient, ours.p, start, 21, *options.values()), rtol=0, atol=1e-6
    )
    q = (manifold.gaussian_joint if symmetric else manifold.gaussian_conditional)(ours.y)
    assert ours.kl == pytest.approx(rel_entr(ours.p, q).sum(), rel=1e-12)
    total = ours.p.sum(axis=None if symmetric else 1)
    np.testing.assert_allclose(total, 1, rtol=1e-12)


@pytest.mark.parametrize("n", [20, 300])
@pytest.mark.parametrize("exaggeration", [1.0, 4.0])
def test_the_automatic_rates(rng, n, exaggeration):
    x = rng.standard_normal((n, 3))
    options = {"perplexity": 5, "steps": 2, "exaggeration": exaggeration}

    def same(method, lr, **more):
        chosen, given = (method(x, **options, lr=v, **more) for v in ("auto", lr))
        np.testing.assert_array_equal(chosen.y, given.y)

    same(manifold.tsne, max(n / exaggeration / 4, 50))
    same(manifold.sne, n / exaggeration / 16)
    same(manifold.sne, 1 / exaggeration / 16, symmetric=False)


@pytest.mark.parametrize(
    "method, options",
    [(manifold.tsne, {}), (manifold.sne, {}), (manifold.sne, {"symmetric": False})],
    ids=["t-SNE", "symmetric SNE", "conditional SNE"],
)
def test_the_cost_falls(method, options):
    """And is recorded after every 50th step and the last; classes end up apart."""
    x, classes = DIGITS[CLASSES < 3][:90], CLASSES[CLASSES < 3][:90]
    ours = method(x, 10, 410, **options)
    steps, kl = zip(*ours.history)
    assert steps == (50, 100, 150, 200, 250, 300, 350, 400, 410)
    assert ours.kl == kl[-1]
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(kl[4:])), kl  # 205 steps on, p is as it is
    assert kl[-1] < 0.7 * kl[0]
    D = manifold.squared_distances(ours.y) + np.diag([np.inf] * 90)
    assert (classes[D.argmin(axis=1)] == classes).mean() > 0.95


SMOOTH = {"perplexity": 10, "steps": 60, "lr": 2.0}  # "auto" is chaotic from the first steps on


def test_the_order_of_the_rows_does_not_matter(rng):
    x = DIGITS[:80].astype(float)
    order = rng.permutation(80)
    plain, shuffled = (manifold.tsne(rows, **SMOOTH) for rows in (x, x[order]))
    np.testing.assert_allclose(shuffled.p, plain.p[order][:, order], rtol=1e-9, atol=1e-18)
    extent = np.abs(plain.y).max()
    np.testing.assert_allclose(shuffled.y, plain.y[order], rtol=0, atol=1e-3 * extent)


@pytest.mark.parametrize("scale, offset", [(1e3, 0), (1, 1e5), (2.0**-600, 0), (1e200, 0)])
def test_units_and_origin_do_not_matter(scale, offset):
    x = DIGITS[:80].astype(float)
    plain, other = (manifold.tsne(rows, **SMOOTH) for rows in (x, x * scale + offset))
    np.testing.assert_allclose(other.p, plain.p, rtol=1e-8, atol=1e-18)
    np.testing.assert_allclose(other.sigmas, plain.sigmas * scale, rtol=1e-9)
    np.testing.assert_allclose(other.y, plain.y, rtol=0, atol=1e-3 * np.abs(plain.y).max())


@pytest.mark.parametrize("method", [manifold.tsne, manifold.sne])
def test_a_map_is_centred_wherever_it_starts(method):
    x = DIGITS[:80]
    start = manifold.principal_axes(x) * 1e-3
    plain, other = (method(x, 10, 300, init=start + offset) for offset in (0, 100))
    for found in (plain, other):
        np.testing.assert_allclose(found.y.mean(axis=0), 0, atol=1e-12 * np.abs(found.y).max())
    one, far = (method(x, **SMOOTH, init=start + offset).y for offset in (0, 100))
    np.testing.assert_allclose(far, one, rtol=0, atol=1e-3 * np.abs(one).max())


def test_without_fast_forms(monkeypatch):
    """The readable twins, all in float64, lead to the same map."""
    x = DIGITS[:80]
    quick = manifold.tsne(x, **SMOOTH)
    monkeypatch.setattr(fast, "enabled", False)
    slow = manifold.tsne(x, **SMOOTH)
    np.testing.assert_allclose(quick.y, slow.y, rtol=0, atol=1e-3 * np.abs(slow.y).max())
    assert quick.kl == pytest.approx(slow.kl, rel=1e-4)


@pytest.mark.parametrize("method", [manifold.tsne, manifold.sne])
def test_on_a_device(method):
    """On the device double: arrays of the device come out, the same map."""
    x = DIGITS[:40]
    here, there = (method(rows, 5, 20, lr=1.0) for rows in (x, double_xp.asarray(x)))
    for name in ("y", "p", "sigmas", "perplexity"):
        value = getattr(there, name)
        assert type(value) is type(double_xp.asarray(x))
        np.testing.assert_allclose(
            td.to_host(value), getattr(here, name), rtol=0,
            atol=1e-3 * np.abs(getattr(here, name)).max(),
        )  # fmt: skip
    assert there.kl == pytest.approx(here.kl, rel=1e-4)
    assert type(there.kl) is float


def test_what_comes_out():
    x = DIGITS[:30].astype(np.float32)
    ours = manifold.tsne(x, 5, 10)
    for a, shape in ((ours.y, (30, 2)), (ours.p, (30, 30)), (ours.sigmas, (30,))):
        assert a.dtype == np.float64 and a.shape == shape
    np.testing.assert_allclose(ours.perplexity, 5, rtol=1e-9)
    np.testing.assert_array_equal(ours.p, ours.p.T)
    assert repr(ours) == f"Embedding(30 points in 2-D, kl={ours.kl:.4f})"
    listed = manifold.tsne(x.tolist(), 5, 10)
    np.testing.assert_array_equal(listed.y, ours.y)


# --- the start


@pytest.mark.parametrize("d", [5, 200])
def test_the_principal_axes_are_scikit_learns(rng, d):
    x = rng.standard_normal((50, d)) * np.linspace(1, 3, d) + 7
    ours, peer = manifold.principal_axes(x), PCA(2).fit_transform(x)
    for a, b in zip(ours.T, peer.T):
        np.testing.assert_allclose(a, b * np.sign(a @ b), atol=1e-10 * np.abs(b).max())
    there = manifold.principal_axes(double_xp.asarray(x))
    np.testing.assert_allclose(there, ours, atol=1e-12 * np.abs(ours).max())
    shuffled = manifold.principal_axes(x[::-1])
    np.testing.assert_allclose(shuffled[::-1], ours, atol=1e-10 * np.abs(ours).max())


def start_of(x, **options):
    """Where the descent begins: a step of rate 0 goes nowhere."""
    return manifold.tsne(x, 5, 1, lr=0.0, **options).y


def test_the_start(rng):
    x = rng.standard_normal((40, 6))
    y = start_of(x)
    axes = manifold.principal_axes(x)
    assert y[:, 0].std() == pytest.approx(1e-4)
    np.testing.assert_allclose(y, axes * 1e-4 / axes[:, 0].std(), rtol=1e-9)
    drawn = start_of(x, init="random", rng=np.random.default_rng(3))
    expected = 1e-4 * np.random.default_rng(3).standard_normal((40, 2))
    np.testing.assert_allclose(drawn, expected - expected.mean(axis=0), rtol=0, atol=1e-18)
    given = drawn.astype(np.float32)
    np.testing.assert_allclose(start_of(x, init=given), given - given.mean(axis=0), atol=1e-11)


@pytest.mark.parametrize("d", [1, 3, 60])
def test_data_on_a_line_leave_it(rng, d):
    """Their second axis is empty, and forces along a line stay on it: the start adds noise."""
    x = rng.standard_normal((40, 1)) * np.linspace(1, 2, d)
    axes = manifold.principal_axes(x)
    assert axes.shape == (40, 2) and axes[:, 0].any() and not axes[:, 1].any()
    y = start_of(x)
    assert 0.5e-4 < y[:, 1].std() < 2e-4
    np.testing.assert_array_equal(start_of(x), y)
    other = start_of(x, rng=np.random.default_rng(9))
    np.testing.assert_array_equal(other[:, 0], y[:, 0])
    assert (other[:, 1] != y[:, 1]).all()


# --- bad data


def test_a_warning_says_how_many_rows_missed(rng):
    x = rng.standard_normal((40, 3))
    x[:12] = x[0]
    with pytest.warns(UserWarning, match=r"of 40 rows miss the perplexity 5 by up to \d") as found:
        ours = manifold.tsne(x, 5, 60, lr=1.0)
    missed = np.abs(ours.perplexity - 5) > 1e-6
    assert missed[:12].all() and str(found[0].message).startswith(f"{missed.sum()} of 40")
    np.testing.assert_allclose(ours.perplexity[:12], 11, rtol=1e-12)
    assert np.ptp(ours.y[:12], axis=0).max() < 1e-2 * np.ptp(ours.y)  # rounding, grown
    assert found[0].filename == __file__


def test_nothing_but_duplicates():
    with pytest.warns(UserWarning, match="20 of 20 rows"):
        ours = manifold.tsne(np.ones((20, 3)), 5, 60)
    assert np.isfinite(ours.y).all() and np.isfinite(ours.sigmas).all() and ours.kl >= 0


@pytest.mark.parametrize(
    "x, options, error, message",
    [
        ([[0.0, np.nan]] * 9, {}, ValueError, "NaN or infinity"),
        ([[0.0, -np.inf]] * 9, {}, ValueError, "NaN or infinity"),
        (np.zeros((9, 2, 2)), {}, ValueError, r"\(N, d\), got shape \(9, 2, 2\)"),
        (np.zeros((9, 0)), {}, ValueError, r"got shape \(9, 0\)"),
        (np.eye(9), {"perplexity": 9}, ValueError, "less than 8"),
        (np.eye(9), {"perplexity": np.nan}, ValueError, "got nan"),
        (np.eye(9), {"init": "random"}, TypeError, "needs rng"),
        (np.eye(9), {"init": "random", "rng": 3}, TypeError, "needs rng"),
        (np.eye(9), {"init": "pca"}, ValueError, "got 'pca'"),
        (np.eye(9), {"init": np.zeros((8, 2))}, ValueError, r"\(9, 2\), got shape \(8, 2\)"),
        (np.eye(9), {"init": np.full((9, 2), np.nan)}, ValueError, "finite"),
        (np.eye(9), {"steps": 0}, ValueError, "at least 1 step, got 0"),
    ],
)
@pytest.mark.parametrize("method", [manifold.tsne, manifold.sne])
def test_what_cannot_be_is_refused(method, x, options, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each corner of a simplex has 8 neighbours alike
        with pytest.raises(error, match=message):
            method(x, **{"perplexity": 5} | options)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_map_that_diverges_is_an_error():
    with pytest.raises(ValueError, match=r"diverged with lr=1e\+300; choose a smaller lr"):
        manifold.tsne(DIGITS[:20], 5, 60, lr=1e300)

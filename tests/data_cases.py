"""Small sets in the formats of the large ones, and a machine that has none of them."""

import hashlib

import numpy as np
import pytest

from tinydiff.data import fingerprint, write_idx

TINY = {"train": 90, "test": 20}


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """tmp_path, on a machine without data: our cache and scikit-learn's are empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    monkeypatch.delenv("TINYDIFF_DATA", raising=False)
    return tmp_path


@pytest.fixture
def tiny(bare, monkeypatch):
    """{name: {split: (pixels, labels)}} of sets of 90 + 20 images that pass for the real ones.

    The fingerprint is told that the first of them is MNIST. The second is balanced and has
    Fashion-MNIST's mean and deviation: a share p of the pixels is a, the rest 0, where
    p a = 0.286 and p (1 - p) a^2 = 0.353^2, so p = 0.396 and a = 0.722 = 184 / 255.
    """
    rng = np.random.default_rng(0)
    sets = {"mnist": {}, "fashion_mnist": {}}
    for split, n in TINY.items():
        digits = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        clothes = np.uint8(184) * (rng.random((n, 28, 28)) < 0.396)
        sets["mnist"][split] = digits, rng.integers(0, 10, n, dtype=np.uint8)
        sets["fashion_mnist"][split] = clothes, np.arange(n, dtype=np.uint8) % 10
        hashes = tuple(hashlib.sha256(a.tobytes()).hexdigest() for a in sets["mnist"][split])
        monkeypatch.setitem(fingerprint.ROWS, split, n)
        monkeypatch.setitem(fingerprint.MNIST_SHA256, split, hashes)
    return sets


def put(folder, parts, dot="-", suffix=""):
    """The four IDX files of a set in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (pixels, labels) in zip(("train", "t10k"), (parts["train"], parts["test"])):
        write_idx(folder / f"{stem}-images{dot}idx3-ubyte{suffix}", pixels)
        write_idx(folder / f"{stem}-labels{dot}idx1-ubyte{suffix}", labels)
    return folder


def put_npz(path, parts):
    """The set in Keras's form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{k}_{s}": a for s, part in parts.items() for k, a in zip("xy", part)}
    np.savez_compressed(path, **arrays)
    return path

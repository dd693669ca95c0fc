"""Data of one's own: a folder of images, a folder of MNIST's file names, or an .npz file."""

import math

import numpy as np

from ..backend.errors import DataError
from .dataset import Recipe
from .idx import MAX_BYTES
from .mnist import idx_files, read_pair
from .npz import read_npz
from .split import held_out, interleaved

SUFFIXES = (".png", ".jpg", ".jpeg")
WHOLE = ("x", "y")
PARTS = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")}


def recipe(path):
    """The Recipe of a path, its data already read.

    .npz    x (N, ...), and labels y (N,) if there are any; or, with a split of one's own, x_train,
            y_train, x_test, y_test. x is uint8, 0 ... 255, or floats in [-1, 1]. Images of uint8
            may lack the last axis: (N, H, W) are grey.
    folder  of .png and .jpg images of one size, grey or colour, 8 bits; those in folders below it
            are classes, numbered in the order of the folders' names, and the rows take turns
    folder  with train-images-idx3-ubyte and the other three names of MNIST, of any shape

    Labels are whole numbers from 0, less than the number of rows, since models have as many classes
    as the largest says; test rows of their own have none that the rows to train on lack. Without a
    split of its own, a fifth of every class is held out. Raises DataError.
    """
    if path.is_dir():
        parts = _idx(path) if any(idx_files(path, "train")) else {None: _images(path)}
    elif path.suffix == ".npz":
        parts = _npz(path)
    else:
        raise DataError(f"{path} is neither a folder of images nor an .npz file")
    parts = {split: _checked(path, split, *part) for split, part in parts.items()}
    if "test" in parts:
        _check_known(path, parts["train"][1], parts["test"][1])

    def read(split, root, seed):
        if split in parts:
            return parts[split]
        x, y = parts[None]
        rows = held_out(y, split, seed)
        if not len(rows):
            raise DataError(f"{path} has no {split} rows: there are too few in every class")
        return x[rows], y[rows]

    values = next(iter(parts.values()))[0]
    if len({(x.dtype.kind == "u", x.shape[1:]) for x, _ in parts.values()}) > 1:
        raise DataError(f"{path}: train and test rows differ in shape or type")
    return Recipe(
        name=str(path),  # not its last part, which may be that of a known set
        about="data of your own",
        rows=tuple(len(read(split, None, 0)[0]) for split in PARTS),
        shape=values.shape[1:],
        levels=256 if values.dtype.kind == "u" else 0,
        source=str(path.resolve()),
        licence="yours to know",
        read=read,
        where=lambda: str(path),
    )


def _checked(path, split, x, y):
    """(x, labels) of a part if they can be data; what is wrong with them in a DataError."""
    name, labels = PARTS.get(split, WHOLE)
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(
            f"{path}: {name} has the type {x.dtype}; "
            "expected uint8, 0 ... 255, or floats in [-1, 1]"
        )
    if x.ndim < 2 or not x.size:
        raise DataError(f"{path}: {name} must hold rows, (N, ...), got the shape {x.shape}")
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            raise DataError(f"{path}: {name} has {(~np.isfinite(x)).sum()} values NaN or infinite")
        if np.abs(x).max() > 1:
            raise DataError(
                f"{path}: {name} reaches from {x.min():g} to {x.max():g}; scale it into [-1, 1]"
            )
    elif x.ndim == 3:
        x = x[..., None]
    y = np.zeros(len(x), dtype=np.int64) if y is None else y
    if y.dtype.kind not in "iu" or y.shape != (len(x),) or y.min() < 0:
        raise DataError(
            f"{path}: {labels} must hold {len(x)} labels 0, 1, 2, ..., one for each row of {name}, "
            f"got {y.dtype} of the shape {y.shape}"
        )
    if split != "test" and y.max() >= len(x):
        raise DataError(
            f"{path}: {labels} has a label {y.max()}, and {name} only {len(x)} rows; number the "
            "classes 0, 1, 2, ..."
        )
    return x, y


def _check_known(path, y, test):
    """Raise DataError if the labels of test rows are not all among the labels y."""
    strange = np.setdiff1d(test, y)
    if len(strange):
        raise DataError(
            f"{path}: test rows have the label {strange[0]}, no row to train on has; give both "
            "splits the same classes, or neither any labels"
        )


def _npz(path):
    """{split: (x, y or None)} of an .npz file; the split is None if all rows are together."""
    found = read_npz(path, WHOLE + PARTS["train"] + PARTS["test"])
    if "x_train" in found and "x_test" in found:
        return {s: (found[x], found.get(y)) for s, (x, y) in PARTS.items()}
    if "x" not in found:
        raise DataError(f"{path} must hold an array x, or x_train and x_test")
    return {None: (found["x"], found.get("y"))}


def _idx(path):
    return {split: read_pair(*idx_files(path, split), split) for split in PARTS}


def _images(path):
    """(pixels (N, H, W, C) uint8, labels) of all images in a folder and in the folders below."""
    files = [p for p in (*path.glob("*"), *path.glob("*/*")) if p.suffix.lower() in SUFFIXES]
    if not files:
        raise DataError(f"{path} holds no images ({', '.join(SUFFIXES)}), nor do folders below it")
    files = sorted(files)
    folders = sorted({file.parent for file in files})
    y = np.array([folders.index(file.parent) for file in files])
    order = interleaved(y)
    first = _pixels(files[0])
    if len(files) * math.prod(first.shape) > MAX_BYTES:
        raise DataError(
            f"{path}: {len(files)} images of {first.shape} are more than {MAX_BYTES} bytes"
        )
    x = np.empty((len(files), *first.shape), dtype=np.uint8)
    for row, file in zip(x, (files[i] for i in order)):
        pixels = _pixels(file)
        if pixels.shape != first.shape:
            raise DataError(
                f"{file} has the shape {pixels.shape} and {files[0].name} has {first.shape}; all "
                f"images of a folder must be of one size, all grey or all in colour"
            )
        row[...] = pixels
    return x, y[order]


def _pixels(file):
    """An image as (H, W, 1) or (H, W, 3) uint8."""
    from PIL import Image  # comes with matplotlib

    try:
        with Image.open(file) as image:
            if image.mode not in ("1", "L", "P", "RGB") or "transparency" in image.info:
                raise DataError(
                    f"{file} has the pixels {image.mode}, or transparency; expected grey (L) or "
                    f"colour (RGB) of 8 bits: convert it"
                )
            pixels = np.asarray(image.convert("L" if image.mode in "1L" else "RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} cannot be read as an image: {error}") from error
    return pixels.reshape(*pixels.shape[:2], -1)

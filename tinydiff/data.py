"""Data sets: arrays in [-1, 1], channels last, with their levels, source and licence."""

from dataclasses import dataclass, replace

import numpy as np

from .backend.errors import DatasetNotFound


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of data on the host.

    x: (N, ...) float32 in [-1, 1]; y: (N,) int64 labels; levels: how many values a number of x can
    take (0: a continuum), which is what bits per dimension of a density must be judged by.
    """

    x: np.ndarray
    y: np.ndarray
    name: str
    levels: int
    source: str
    licence: str

    def __len__(self):
        return len(self.x)

    def __repr__(self):
        return f"Dataset({self.name}: {len(self)} rows of {self.x.shape[1:]}, {self.levels} levels)"


def load(name="digits", split="train", *, root=None, limit=None, seed=0):
    """The Dataset `name`, its "train" or its "test" rows.

    A data set without a split of its own is split at random into 80 % and 20 %, in every class
    alike, by `seed`: the same seed gives the same rows. limit: keep the first rows only. root: a
    folder for data that does not come with tinydiff. Raises DatasetNotFound.
    """
    if name not in LOADERS:
        raise DatasetNotFound(
            f"no data set is called {name!r}; known: {', '.join(sorted(LOADERS))}"
        )
    if split not in ("train", "test"):
        raise ValueError(f'split is "train" or "test", got {split!r}')
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 row, got {limit}")
    data = LOADERS[name](split, root, seed)
    return replace(data, x=data.x[:limit], y=data.y[:limit])


def stratified(y, fraction, rng):
    """Sorted rows of a random split that treats all classes alike: (rest, chosen).

    `fraction` of the rows of every class, rounded, are chosen.
    """
    chosen = [np.arange(0)]
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        chosen.append(rows[: round(fraction * len(rows))])
    chosen = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(y)), chosen), chosen


def digits(split, root, seed):
    """1797 handwritten digits of 8 x 8 pixels: counts 0 ... 16 of ink in blocks of 4 x 4."""
    from sklearn.datasets import load_digits  # takes a second, so only when asked for

    images, labels = load_digits(return_X_y=True)
    rows = dict(zip(("train", "test"), stratified(labels, 0.2, np.random.default_rng(seed))))[split]
    return Dataset(
        x=(images[rows].reshape(-1, 8, 8, 1) / 8 - 1).astype(np.float32),
        y=labels[rows].astype(np.int64),
        name="digits",
        levels=17,
        source="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine "
        "Learning Repository, 1998 (its test set, as shipped with scikit-learn)",
        licence="CC BY 4.0",
    )


LOADERS = {"digits": digits}

"""What a data set is, and what tinydiff knows of one before it is loaded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of data on the host.

    x: (N, ...) float32 in [-1, 1], channels last: images (N, H, W, C), curves (N, L, 1), points
    (N, 2). y: (N,) int64 labels, all 0 where there are no classes. levels: how many values a number
    of x can take (0: a continuum), which is what bits per dimension of a density must be judged by.

    One set is not squeezed into [-1, 1]: two_gaussians keeps the scale of the chapter it is from.
    And characters have no scale: x of a text is (N, L) int64, places in its `alphabet`.
    """

    x: np.ndarray
    y: np.ndarray
    name: str
    levels: int
    source: str
    licence: str
    alphabet: str = ""  # of a text: its characters, the k-th of which is id k

    def __len__(self):
        return len(self.x)

    def __repr__(self):
        return f"Dataset({self.name}: {len(self)} rows of {self.x.shape[1:]}, {self.levels} levels)"


@dataclass(frozen=True)
class Recipe:
    """What is known of a data set without loading it, and how to load it.

    rows: how many there are to train and to test. shape: of one of them. read(split, root, seed)
    returns its values (N, *shape), as levels 0 ... levels - 1 or, if levels is 0, as the numbers of
    x themselves, and its labels (N,). where() says in a few words where the data is on this
    machine, None if it is not. fetch() gets it, and returns where it lies now; None: it is always
    here. searched() names the places where files of it are looked for.
    get: the command line that gets it, where that is not `tinydiff data fetch NAME`. alphabet: of a
    text, as in Dataset; its values are ids then, and stay so.
    """

    name: str
    about: str
    rows: tuple[int, int]
    shape: tuple[int, ...]
    levels: int
    source: str
    licence: str
    read: Callable
    where: Callable
    fetch: Callable | None = None
    searched: Callable = tuple
    get: str = ""
    alphabet: str = ""


def scaled(values, levels):
    """Level k as -1 + 2k / (levels - 1), so that the ends are -1 and 1; numbers as they are.

    In float32: 2k - (levels - 1) is exact, so the division rounds once.
    """
    x = values.astype(np.float32)
    if levels:
        x *= 2
        x -= levels - 1
        x /= levels - 1
    return x

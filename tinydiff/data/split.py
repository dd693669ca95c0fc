"""Rows to train on and rows to test with, and an order in which a few rows show every class."""

import numpy as np


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


def held_out(y, split, seed):
    """The rows of `split`, "train" or "test", if a fifth of every class is held out."""
    rest, chosen = stratified(y, 0.2, np.random.default_rng(seed))
    return rest if split == "train" else chosen


def interleaved(y):
    """The rows in turns: the first of every class, the second of every class, and so on.

    For data that is sorted by class, of which `limit` rows would otherwise show one class only.
    """
    turn = np.zeros(len(y), dtype=int)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        turn[rows] = np.arange(len(rows))
    return np.lexsort((y, turn))

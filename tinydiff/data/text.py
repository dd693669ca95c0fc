"""Characters of this project's own documentation, in windows; see `corpus.py` for their origin.

A row is LENGTH consecutive characters as ids, places in the alphabet. The corpus is cut into blocks
of BLOCK characters, every HELD_OUT-th of which is held out whole. Test rows lie side by side in
those, train rows begin every STRIDE characters in the stretches between, and no row reaches over
the edge of a stretch: no test row shares a place of the corpus with a train row.
"""

import hashlib
from pathlib import Path

import numpy as np

from ..backend.errors import DataError
from .dataset import Recipe

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz0123456789.,:;'()-=+/_"
PATH = Path(__file__).with_name("corpus.txt")
SHA256 = "8064ce8885765c5ab9bf51af421eeaa8369a1bfddb0a7988c1d9af7bdc33d7f5"
LENGTH, STRIDE, BLOCK, HELD_OUT = 64, 16, 1024, 10


def encode(text):
    """The ids (L,) of a text, int64. Raises ValueError for a character that has none."""
    places = {c: k for k, c in enumerate(ALPHABET)}
    if strange := sorted(set(text) - set(ALPHABET)):
        raise ValueError(
            f"the characters {strange} are not in the alphabet {ALPHABET!r}; drop or replace them"
        )
    return np.array([places[c] for c in text], dtype=np.int64)


def decode(ids):
    """The text of ids (L,)."""
    return "".join(ALPHABET[k] for k in ids)


def corpus():
    """The shipped text, without its first line. Raises DataError if it is not the one known."""
    raw = PATH.read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256:
        raise DataError(
            f"{PATH} is not the corpus that tinydiff ships; install tinydiff again, or restore it "
            "with git"
        )
    return raw.decode("ascii").partition("\n")[2]


def stretches(size, split):
    """(first, end) of the places in a corpus of `size` characters that a split is made of."""
    edges = np.arange(0, size, BLOCK)
    held_out = np.arange(len(edges)) % HELD_OUT == HELD_OUT - 1
    wanted = held_out if split == "test" else ~held_out
    found = []
    for first in edges[wanted].tolist():
        end = min(first + BLOCK, size)
        if found and found[-1][1] == first:
            first = found.pop()[0]
        found.append((first, end))
    return found


def windows(ids, split):
    """The rows (N, LENGTH) of a split of the ids of a corpus."""
    stride = LENGTH if split == "test" else STRIDE
    starts = [np.arange(a, b - LENGTH + 1, stride) for a, b in stretches(len(ids), split)]
    return ids[np.concatenate(starts)[:, None] + np.arange(LENGTH)]


def read(split, root, seed):
    rows = windows(encode(corpus()), split)
    return rows, np.zeros(len(rows), dtype=np.int64)


RECIPES = (
    Recipe(
        name="text",
        about="windows of 64 characters of tinydiff's own documentation",
        rows=(8491, 224),
        shape=(LENGTH,),
        levels=len(ALPHABET),
        source="the docstrings and Markdown files of tinydiff, by python -m tinydiff.data.corpus",
        licence="MIT, as tinydiff",
        read=read,
        where=lambda: "in tinydiff",
        alphabet=ALPHABET,
    ),
)

"""What is asked of the samples of an image data set, and of the judge that they are judged by.

A bar needs experience with the data, so only sets that have been trained on here have any; those of
another set are figures to look at.
"""

from typing import NamedTuple


class Standard(NamedTuple):
    """The bars of one data set; None: there is none."""

    rows: str = "images"  # what its rows are called
    accuracy: float | None = None  # of the judge on held-out rows, at least
    sure: float | None = None  # its mean top probability on held-out rows, at least
    unsure: float | None = None  # the same on noise and on shuffled pixels, at most
    top: float | None = None  # the same on samples, at least
    rarest: float | None = None  # share of samples of the rarest class, at least
    commonest: float | None = None  # and of the most frequent one, at most
    apart: float | None = 0.8  # nearest-training distance of samples / of held-out rows, at least


DIGITS = Standard("digits", 0.985, 0.97, 0.7, 0.93, 0.04, 0.18)
MNIST5K = Standard("digits", 0.97, 0.95, 0.7, 0.8, 0.04, 0.18)
STANDARDS = {
    "digits": DIGITS,
    "mnist5k": MNIST5K,
    "mnist": MNIST5K._replace(accuracy=0.98),
}


def standard(name):
    """The Standard of the data set called `name`."""
    return STANDARDS.get(name, Standard())


def at_least(number):
    """A Figure's bar, or None."""
    return None if number is None else (">=", number)


def at_most(number):
    """A Figure's bar, or None."""
    return None if number is None else ("<=", number)

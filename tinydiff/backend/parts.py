"""A batch that is computed in parts, side by side: what one part must know of the whole.

Most of a network treats every sample by itself, and the parts never notice each other. Two things
do look at the whole batch: statistics over it, and random numbers that are drawn in the order of
its samples. With `mean_of_parts` and `drawn_for_all` both come out as if the batch were whole.
"""

from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_part = ContextVar("part", default=None)


@dataclass(frozen=True)
class Part:
    """Rows first ... end - 1 of a batch of `size` rows."""

    first: int
    end: int
    size: int
    gather: Callable  # waits for all parts: array -> [this and the other parts' arrays, in order]

    @property
    def share(self):
        """How much of the batch this part is."""
        return (self.end - self.first) / self.size


@contextmanager
def working_on(part):
    """A context of this thread in which what is computed is `part` of a batch."""
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)


def share():
    """How much of the batch is computed here: 1.0 if it is not computed in parts."""
    part = _part.get()
    return 1.0 if part is None else part.share


def mean_of_parts(mean):
    """The mean over the batch, of an array that is the mean over the part computed here."""
    part = _part.get()
    if part is None:
        return mean
    total, *others = part.gather(mean * part.share)
    for other in others:  # in a fixed order: all parts get the same bits
        total = total + other
    return total


def drawn_for_all(draw, shape):
    """draw(shape); of a part, its rows of what the whole batch would draw.

    An array has the samples of the part as its rows if its first axis is as long as the part. So
    however many parts there are, sample k gets the same numbers, and a generator is left in the
    same state; the price is that each part draws what all of them need.
    """
    part = _part.get()
    if part is None or not shape or shape[0] != part.end - part.first:
        return draw(shape)
    return draw((part.size, *shape[1:]))[part.first : part.end]

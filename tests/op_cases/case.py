"""What a row of the table of operations is, and how its arguments are drawn."""

import math
from dataclasses import dataclass

import numpy as np

import tinydiff as td


def normal(rng, shape):
    return rng.standard_normal(shape)


def positive(rng, shape):
    return 0.5 + np.abs(rng.standard_normal(shape))


def apart(rng, shape):
    """Values at least 0.1 from each other and from 0: no difference steps over a kink or a tie."""
    n = math.prod(shape)
    places = rng.permutation(2 * n)[:n] - n + 0.5
    return (0.3 * places + rng.uniform(-0.1, 0.1, n)).reshape(shape)


def first_positive(rng, shape):
    """Scores of a mask `scores > 0` that leaves every row at least its first entry."""
    scores = apart(rng, shape)
    scores[..., :1] = np.abs(scores[..., :1])
    return scores


@dataclass(frozen=True)
class Case:
    """One use of an operation: a function, an independent formula of it, and shapes to try.

    `f` is called on Tensors or arrays; `reference`, on NumPy arrays, computes the same from the
    definition, never by way of tinydiff.
    """

    op: str  # the name in tinydiff
    reference: object
    shapes: tuple  # tuples of argument shapes, the ordinary one first
    f: object = None  # default: the operation itself
    note: str = ""  # which use of the operation this is
    draw: object = normal  # or a tuple, one for each argument
    uploads: bool = False  # takes indices from the host
    waits: bool = False  # the shape of the result depends on values
    fused: bool = False  # has a fast form on the CPU, equal up to rounding
    device_noise: bool = False  # draws numbers of its own on each device

    def __str__(self):
        return f"{self.op} {self.note}".strip()

    def __call__(self, *xs):
        return (self.f or getattr(td, self.op))(*xs)

    def arrays(self, rng, shapes, dtype=np.float64):
        draws = self.draw if isinstance(self.draw, tuple) else (self.draw,) * len(shapes)
        return [np.asarray(draw(rng, shape), dtype) for draw, shape in zip(draws, shapes)]


def table():
    """An empty list of rows, and the function that adds one to it."""
    rows = []

    def row(op, reference, *shapes, **options):
        rows.append(Case(op, reference, shapes, **options))

    return rows, row

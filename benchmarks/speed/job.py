"""What a library hands to the stopwatch."""

from collections.abc import Callable
from typing import NamedTuple


class Job(NamedTuple):
    """step(): what is timed. parameters: how many numbers the model has.

    traced: a function whose result has one forward pass on its tape, for tinydiff alone; passes:
    how many such passes a step makes, each followed by `backward` if `trains`.
    """

    step: Callable
    parameters: int = 0
    traced: Callable | None = None
    passes: int = 1
    trains: bool = True

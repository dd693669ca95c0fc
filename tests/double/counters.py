"""What passes between host and device, counted; and regions in which it may not."""

import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

KINDS = ("h2d", "d2h", "sync")
counts = Counter()  # everything since the start
_regions = []  # (forbidden kinds, Counter) of each `forbid` that we are inside of
_here = str(Path(__file__).parent)


class Forbidden(AssertionError):
    """A transfer or a wait happened where the test says that there is none."""


@contextmanager
def forbid(*kinds):
    """Raise Forbidden at the line that causes an event of these kinds; yields the counts inside.

    kinds: "h2d" (upload), "d2h" (download), "sync" (the host waits). `forbid()` only counts.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise ValueError(f"forbid() knows {KINDS}, not {sorted(unknown)}")
    region = (frozenset(kinds), Counter())
    _regions.append(region)
    try:
        yield region[1]
    finally:
        _regions.remove(region)


def hit(kind, what):
    """Count one event; `what` says in words what caused it."""
    counts[kind] += 1
    for kinds, seen in _regions:
        seen[kind] += 1
        if kind in kinds:
            raise Forbidden(f"{kind} at {caller()} by {what}, in a region that forbids it")


def wait(what):
    """Count a wait for the device: the host fetches a value, or a size that decides a shape."""
    hit("d2h", what)
    hit("sync", what)


def caller():
    """file:line of the nearest frame outside the double."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_here):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"

"""The report on what was learned: what it is made of; figures, bars, and the table of both."""

import math
from pathlib import Path
from typing import Any, NamedTuple


class Run(NamedTuple):
    """A finished run of a diffusion model: what a report on it is made of.

    model: with averaged weights; frames: [(t, x)], the samples as they came about, t falling to 0.
    """

    folder: Path
    config: Any
    model: Any
    process: Any
    data: Any
    held_out: Any
    frames: list

    @property
    def samples(self):
        return self.frames[-1][1]


class Figure(NamedTuple):
    """One line of the report. bar: (">=" or "<=", number), or None for a figure to compare with."""

    what: str
    value: float
    bar: tuple | None = None

    @property
    def ok(self):
        """Whether the bar is met; NaN and infinity meet none. None without a bar."""
        if self.bar is None:
            return None
        relation, number = self.bar
        met = self.value >= number if relation == ">=" else self.value <= number
        return bool(met and math.isfinite(self.value))


def as_dict(found, protocol):
    """The report as JSON values; protocol: how the figures were measured, for people.

    A value that is not finite is null: JSON knows no such numbers.
    """
    rows = [
        f._asdict()
        | {"value": round(float(f.value), 6) if math.isfinite(f.value) else None, "ok": f.ok}
        for f in found
    ]
    ok = all(f.ok is not False for f in found)
    return {"ok": ok, "figures": rows, "protocol": protocol}


def as_table(found):
    """The report as a table with pass or FAIL in each line that has a bar."""
    width = max(len(f.what) for f in found)
    lines = [f"{'':{width}}  {'value':>8}  {'bar':>9}"]
    for f in found:
        bar = f"{f.bar[0]} {f.bar[1]:g}" if f.bar else ""
        verdict = "" if f.ok is None else "pass" if f.ok else "FAIL"
        lines.append(f"{f.what:{width}}  {f.value:8.4f}  {bar:>9}  {verdict}".rstrip())
    return "\n".join(lines)

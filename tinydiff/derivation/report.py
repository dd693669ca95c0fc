"""The ledger in print: tables, JSON, and the explanation of one entry."""

import inspect
import json
import math
import textwrap

import numpy as np

from .entry import Erratum

LINES_OF_CODE = 40  # of an implementation, before the rest is left out


def parts(side):
    """All numbers of one side, flat and in order."""
    if isinstance(side, tuple):
        return np.concatenate([parts(part) for part in side])
    return np.ravel(np.asarray(side, dtype=float))


def short(side):
    """One side in a column: a number, or the first of several and how many there are."""
    if side is None:
        return "-"
    numbers = parts(side)
    more = f" (1 of {numbers.size})" if numbers.size > 1 else ""
    return f"{numbers[0]:.9g}{more}"


def table(rows, heads):
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in [heads, *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)


def verdict(result):
    return "ok" if result.ok else "FAIL"


def results_table(results):
    """One line an entry, and below it why a check failed, where it raised."""
    heads = ("id", "statement", "left", "right", "error", "tolerance", "code", "verdict")
    rows = [
        (
            r.entry.id, r.entry.text, short(r.left), short(r.right), f"{r.error:.1e}",
            f"{r.entry.tolerance:.0e}", r.entry.code, verdict(r),
        )
        for r in results
    ]  # fmt: skip
    return "\n".join([table(rows, heads), *raised(results)])


def raised(results):
    """Why checks raised, one line each."""
    return [f"{r.entry.id}: {r.message}" for r in results if r.message]


def errata_text(results):
    """What is printed, what is correct and what was measured, for each erratum."""
    blocks = []
    for r in results:
        e = r.entry
        wrong, right = (None, None) if r.left is None else r.left
        measured = f"{numbers(wrong)}  instead of  {numbers(right)}"
        blocks.append(
            f"{e.id}  {e.verdict}: {e.text}\n"
            f"    source    {e.source}\n"
            f"    printed   {e.printed}\n"
            f"    correct   {e.correct}\n"
            f"    measured  {measured}   [{verdict(r)}: error {r.error:.1e}, {e.code}]"
        )
    return "\n".join([*blocks, *raised(results)])


def numbers(side):
    """Up to six numbers of one side."""
    if side is None:
        return "-"
    flat = parts(side)
    return ", ".join(f"{v:.6g}" for v in flat[:6]) + (", ..." if flat.size > 6 else "")


def summary(results):
    failed = [r.entry.id for r in results if not r.ok]
    seconds = sum(r.seconds for r in results)
    found = f"{len(failed)} failed: {', '.join(failed)}" if failed else "all hold"
    entries = "entry" if len(results) == 1 else "entries"
    return f"{len(results)} {entries} in {seconds:.1f} s, {found}"


def listing(entries):
    """The ids and statements, without any check."""
    return table([(e.id, e.text, e.source) for e in entries], ("id", "statement", "source"))


def plain(value):
    """Numbers, lists and None: what JSON can hold. What is not finite becomes None."""
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    value = np.asarray(value).tolist() if value is not None else None
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(results):
    """A list of objects; those of errata have three keys more."""
    rows = []
    for r in results:
        e = r.entry
        row = {
            **described(e),
            "params": {name: plain(value) for name, value in r.params.items()},
            "left": plain(r.left),
            "right": plain(r.right),
            "error": plain(r.error),
            "tolerance": e.tolerance,
            "ok": r.ok,
            "seconds": r.seconds,
        }
        if isinstance(e, Erratum):
            row |= {"verdict": e.verdict, "printed": e.printed, "correct": e.correct}
        rows.append(row)
    return json.dumps(rows, indent=2, allow_nan=False)


def described(e):
    """What an entry is, before it is checked."""
    return {"id": e.id, "text": e.text, "latex": e.latex, "source": e.source, "code": e.code}


def listing_json(entries):
    """The listing as JSON."""
    return json.dumps([described(e) for e in entries], indent=2)


def explanation(result):
    """The equation, its step of the derivation, its code, and the two numbers."""
    e = result.entry
    settings = ", ".join(f"{name} = {value}" for name, value in result.params.items()) or "none"
    ranges = [f"\n    --{n}  {p.range(result.params)}" for n, p in e.params.items()]
    sections = [
        f"{e.id}: {e.text}",
        f"    {e.latex}",
        f"Source: {e.source}",
        e.derivation,
        f"Implemented by {e.implements} ({e.code}):",
        textwrap.indent(source_of(e), "    "),
        f"Parameters: {settings}" + "".join(ranges),
        f"    left   {numbers(result.left)}\n"
        f"    right  {numbers(result.right)}\n"
        f"    error  {result.error:.2e}, tolerance {e.tolerance:.0e}: {verdict(result)}",
        *raised([result]),
    ]
    if isinstance(e, Erratum):
        sections.insert(2, f"Printed ({e.verdict}):\n    {e.printed}")
    return "\n\n".join(sections)


def source_of(entry):
    """The implementation's own lines."""
    target = entry.implementation()
    target = inspect.unwrap(target.fget if isinstance(target, property) else target)
    lines = textwrap.dedent(inspect.getsource(target)).rstrip().split("\n")
    if len(lines) > LINES_OF_CODE:
        lines = [*lines[:LINES_OF_CODE], f"... ({len(lines) - LINES_OF_CODE} lines more)"]
    return "\n".join(lines)

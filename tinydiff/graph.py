"""The tape made visible, as a table."""

from typing import NamedTuple

from .backend.errors import GraphError
from .tape import order
from .tensor import Tensor


class Trace(NamedTuple):
    """The operations behind a tensor, first to last. `rows` are dicts:

    id: number of the result; op: the operation; inputs: ids of what feeds it, "leaf" for a tensor
    that requires a gradient and has no history, "const" for anything else; shapes, dtypes: of the
    inputs, then of the result; forward, backward: the formulas, from the operation's docstring.
    """

    rows: list

    def __str__(self):
        table = [("id", "op", "inputs", "shapes", "forward", "backward")]
        for row in self.rows:
            *inputs, out = (str(s).replace(" ", "") for s in row["shapes"])
            fed_by = ", ".join(map(str, row["inputs"]))
            what = (str(row["id"]), row["op"], fed_by, f"{' '.join(inputs)} -> {out}")
            table.append((*what, row["forward"], row["backward"]))
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]) - 1)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths)) + "  " + line[-1]
            for line in table
        )


def formulas(function):
    """(forward, backward): the first and the last line of an operation's docstring."""
    lines = [line.strip() for line in (function.__doc__ or "").strip().splitlines()]
    if len(lines) < 2:
        raise GraphError(f"the docstring of {function.__name__} needs y = ... and dL/dx = ...")
    return lines[0], lines[-1]


def trace(loss):
    """The Trace of a tensor: every operation behind it. Raises GraphError if it has no tape."""
    if not isinstance(loss, Tensor) or loss.creator is None:
        raise GraphError("trace() needs a Tensor computed from one that requires a gradient")
    rows, ids = [], {}
    for t in reversed(order(loss)):
        if t.creator is None:
            ids[id(t)] = "leaf"
            continue
        ids[id(t)] = len(rows)
        forward, backward = formulas(type(t.creator))
        arrays = [*t.creator.inputs, t]
        rows.append({
            "id": len(rows),
            "op": type(t.creator).__name__,
            "inputs": [ids.get(id(x), "const") for x in t.creator.inputs],
            "shapes": [getattr(x, "shape", ()) for x in arrays],
            "dtypes": [str(getattr(x, "dtype", type(x).__name__)) for x in arrays],
            "forward": forward,
            "backward": backward,
        })
    return Trace(rows)

"""metrics.csv: one row per step, fetched from the device many steps at a time."""

import csv
import math
import os
from pathlib import Path

import numpy as np

from ..backend import to_host, xp_of
from ..backend.errors import Error

COLUMNS = ("step", "epoch", "loss", "lr", "grad_norm", "seconds")


class Metrics:
    """Collects the steps' figures and appends them to a file, one row per step, in order.

    `add` keeps loss and gradient norm where they were computed; `flush` fetches all of them at once
    and writes. Raises Error where a figure is not finite, before it is written.
    """

    def __init__(self, path):
        self.path, self.pending, self.last = Path(path), [], None

    def start(self, step):
        """Keep the rows of the first `step` steps, if the file has them, and drop later ones.

        Returns the seconds that these steps took. Raises Error if the file is damaged; of a new
        training it is not asked.
        """
        kept = [row for row in read(self.path) if row["step"] <= step] if step else []
        temporary = self.path.with_name(self.path.name + ".tmp")
        with open(temporary, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_texts(row) for row in kept)
        os.replace(temporary, self.path)
        self.last = kept[-1] if kept else None
        return kept[-1]["seconds"] if kept else 0.0

    def add(self, **row):
        """Note one step: the COLUMNS, with loss and grad_norm as arrays of one number."""
        self.pending.append(row)

    def flush(self):
        """Fetch and write what was added since. Returns the rows."""
        rows, self.pending = self.pending, []
        if not rows:
            return rows
        for name in ("loss", "grad_norm"):
            values = [row[name] for row in rows]
            fetched = to_host(xp_of(*values).stack(values))
            for row, value in zip(rows, fetched.tolist()):
                row[name] = value
        with open(self.path, "a", newline="") as file:
            writer = csv.writer(file)
            for row in rows:
                if not (math.isfinite(row["loss"]) and math.isfinite(row["grad_norm"])):
                    raise Error(
                        f"training diverged: at step {row['step']} the loss is {row['loss']:g}, "
                        f"the gradient norm {row['grad_norm']:g}. Try a smaller lr, or a longer "
                        "warmup; a checkpoint saved before that step, if there is one, is kept"
                    )
                writer.writerow(_texts(row))
        self.last = rows[-1]
        return rows


def read(path):
    """The whole rows of a metrics.csv as dicts of numbers; [] if there is no file."""
    return [row | {"step": int(row["step"])} for row in table(path, COLUMNS)]


def table(path, names):
    """The rows of a CSV file of numbers with the columns `names`, step among them, as dicts of
    floats; [] if there is no file.

    What follows the last line's end is a row that a crash cut short, and left out. Any other damage
    is an Error that names the line: nothing that might still be read by people is thrown away.
    """
    if not Path(path).is_file():
        return []
    text = Path(path).read_bytes().decode("ascii", errors="replace")
    lines, rows = text.split("\n")[:-1], []
    for number, line in enumerate(lines, start=1):
        entries = line.rstrip("\r").split(",")
        if number == 1:
            good = tuple(entries) == names
        else:
            try:
                rows.append(dict(zip(names, map(float, entries), strict=True)))
                good = rows[-1]["step"].is_integer()
            except ValueError:
                good = False
        if not good:
            what = f"the header {','.join(names)}" if number == 1 else f"{len(names)} numbers"
            raise Error(
                f"{path} is damaged: line {number} is not {what}, but {line[:40]!r}; mend that "
                "line or remove it, or move the file away to go on without its rows"
            )
    return rows


def columns(path):
    """The figures of a metrics.csv as arrays, by name."""
    rows = read(path)
    return {name: np.array([row[name] for row in rows]) for name in COLUMNS}


def _texts(row):
    """float32 figures with 9 digits, which determine them."""
    return [f"{row[k]:d}" if k == "step" else f"{row[k]:.9g}" for k in COLUMNS]

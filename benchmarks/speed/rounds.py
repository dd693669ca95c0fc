"""Children in alternation, and what their figures come to.

The speed of a machine drifts over minutes. Libraries take turns, a process each, so that it drifts
for all alike; a ratio is the median of the ratios within each round.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from . import physics
from .works import LIBRARIES, Work

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1800  # seconds that a child may take
MACHINE = {
    "gemm": Work("gemm", physics.GEMM, physics.GEMM | {"n": 128}, (), warm=1),
    "copy": Work("copy", physics.COPY, physics.COPY | {"n": 4096}, (), warm=1),
}


class Failed(Exception):
    """A child that came to a bad end; the text is the last thing it said."""


def spec(library, work, arguments, threads, *, quick=False, count=False):
    """What a child is told, see child.py."""
    return {
        "code": LIBRARIES[library].code, "maker": work.maker, "arguments": arguments,
        "threads": threads, "shards": threads if work.shards else 1,
        "compile": library == "torch.compile", "count": count,
        "warm": min(work.warm, 1) if quick else work.warm,
        "steps": 1 if quick else work.steps, "seconds": 0 if quick else work.seconds,
        "spawned": time.time(),
    }  # fmt: skip


def environment(library, threads):
    """The environment of a child: how many threads its arithmetic may take."""
    n = "1" if LIBRARIES[library].alone else str(threads)
    names = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
    return os.environ | dict.fromkeys(names, n)


def run(library, given):
    """What a child found. Raises Failed."""
    command = [sys.executable, "-m", "benchmarks.speed.child"]
    given = given | {"spawned": time.time()}
    try:
        done = subprocess.run(
            [*command, json.dumps(given)], cwd=ROOT, capture_output=True, text=True,
            env=environment(library, given["threads"]), timeout=LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"took more than {LIMIT} s") from None
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def alternate(work, libraries, threads, *, quick=False, rounds=None):
    """{library: [what its child found in each round]}, or {library: Failed} for one that cannot.

    A library that fails is not asked again.
    """
    arguments, found = work.quick if quick else work.full, {name: [] for name in libraries}
    for turn in range(1 if quick else rounds or work.rounds):
        for name in libraries:
            if isinstance(found[name], Failed):
                continue
            count = turn == 0 and name == "tinydiff"
            try:
                asked = spec(name, work, arguments, threads, quick=quick, count=count)
                found[name].append(run(name, asked))
            except Failed as failure:
                found[name] = failure
    return found


def machine(threads, quick=False):
    """(operations, bytes) a second at most: the fastest of all steps of two children."""
    fastest = []
    for work in MACHINE.values():
        found = alternate(work, ["NumPy"], threads, quick=quick, rounds=1)["NumPy"]
        if isinstance(found, Failed):
            raise found
        fastest.append(min(found[0]["times"]))
    arguments = (work.quick if quick else work.full for work in MACHINE.values())
    return physics.rates(*fastest, *arguments)


def quartiles(values):
    """(first quartile, median, third quartile)."""
    if len(values) == 1:
        return (values[0],) * 3
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, median, third


def figures(results, figure):
    """All values of a works.Row's figure, a list for each round."""
    return [r["times"] if figure == "seconds" else [r[figure]] for r in results]


def ratio(ours, theirs):
    """The median over rounds of (median of ours) / (median of theirs)."""
    pairs = zip(ours, theirs)
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)


def lines(key, row, found, peaks, judged=True):
    """The lines of a row of the table: a dict for each library that was run.

    found: what `alternate` returned; peaks: what `machine` returned; judged: whether the
    sizes are those that the bars are about.
    """
    ours = found["tinydiff"]
    made = []
    for library, results in found.items():
        line = {"row": key, "what": row.words, "figure": row.figure, "library": library}
        made.append(line)
        if isinstance(results, Failed):
            line["failed"] = str(results)
            continue
        values = figures(results, row.figure)
        line["first_quartile"], line["median"], line["third_quartile"] = quartiles(
            [v for one in values for v in one]
        )
        line["rounds"], line["parameters"] = len(results), results[0]["parameters"]
        if library != "tinydiff" and not isinstance(ours, Failed):
            line["ratio"] = ratio(figures(ours, row.figure), values)
        if judged and library in row.bars and "ratio" in line:
            line["goal"], line["bar"] = row.bars[library]
            line["verdict"] = verdict(line["ratio"], *row.bars[library])
        counted = {} if isinstance(ours, Failed) else ours[0]
        if judged and row.figure == "seconds" and counted.get("flops"):
            flops, size = counted["flops"], counted["bytes"]
            line["gflops"] = flops / line["median"] / 1e9
            line["of_peak"] = flops / line["median"] / peaks[0]
            line["of_limit"] = max(flops / peaks[0], size / peaks[1]) / line["median"]
    return made


def verdict(ratio, goal, bar):
    """Where a ratio lies: at the goal or below it, up to the bar, or above."""
    return "goal" if ratio <= goal else "pass" if ratio <= bar else "FALLS SHORT"

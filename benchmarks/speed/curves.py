"""How seconds and memory of tinydiff grow: with batch, width, depth, side, length, samples.

Seconds ~ x^a are a straight line in logarithms; a is its slope by least squares. Batch and depth
have to come out at a = 1: a step that did more than its share for each sample, or for each layer,
would show there. Width lies between 1 (passes over arrays) and 2 (products), length between 1 and 2
(attention), side and the points of t-SNE come to 2. Memory has a part that does not grow, code and
whatever is loaded once, and often the larger: there the exponent is that of b in c + b x^a.
"""

import statistics
from typing import NamedTuple

import numpy as np

from .rounds import Failed, run, spec
from .works import Work, drawing, preset

ROUNDS = 3
IMAGES = {"widths": (32, 64), "heads": (0, 0), "blocks": 1, "patch": 1, "d": 64}
TOKENS = {"d": 64, "blocks": 2}


class Curve(NamedTuple):
    """maker: of the work; points: {x: arguments}; bars: least and largest exponent of seconds."""

    words: str
    maker: str
    points: dict
    bars: tuple | None = None


def images(side=16, batch=32, **net):
    return preset("digits", (side, side, 1), batch=batch, net=IMAGES | net)


def tokens(n=64, batch=16, **net):
    return preset("lab1", (n, 1), batch=batch, net=TOKENS | {"n": n} | net)


CURVES = {
    "batch": Curve(
        "U-Net, samples in a batch", "training",
        {n: images(batch=n) for n in (16, 32, 64, 128, 256)}, (0.9, 1.1),
    ),
    "width": Curve(
        "U-Net, channels", "training",
        {c: images(widths=(c, 2 * c)) for c in (16, 32, 64, 128)},
    ),
    "depth": Curve(
        "Transformer, blocks", "training",
        {k: tokens(blocks=k) for k in (2, 4, 8, 16)}, (0.9, 1.1),
    ),
    "side": Curve(
        "U-Net, pixels along a side", "training", {s: images(s, 16) for s in (8, 16, 32, 64)}
    ),
    "length": Curve(
        "Transformer, tokens of a sequence", "training",
        {n: tokens(n, 8) for n in (64, 128, 256, 512)},
    ),
    "samples": Curve(
        "images drawn by 10 steps of DDIM", "drawing",
        {n: drawing("digits", (8, 8, 1), n, 10) for n in (32, 64, 128, 256)},
    ),
    "points": Curve(
        "points of a map by t-SNE, 250 steps", "tsne",
        {n: {"n": n, "steps": 250} for n in (200, 400, 800, 1600)},
    ),
}  # fmt: skip


def exponent(xs, ys):
    """The slope a of log y = a log x + b by least squares."""
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def exponent_above(xs, ys):
    """The a of y = c + b x^a, among multiples of 0.01: that of the least relative errors."""
    xs, ys = np.asarray(xs, float) / xs[0], np.asarray(ys, float)

    def error(a):
        basis = np.stack([1 / ys, xs**a / ys], axis=1)
        return np.linalg.norm(basis @ np.linalg.lstsq(basis, np.ones_like(ys))[0] - 1)

    return float(min(np.arange(10, 301) / 100, key=error))


def measured(curve, threads, quick=False):
    """[{x, seconds, memory}] of a curve, medians of rounds in which all points take turns.

    quick: its two first points, one step each. Raises Failed.
    """
    points = dict(list(curve.points.items())[:2]) if quick else curve.points
    single = curve.maker == "tsne"
    work = Work(curve.maker, {}, {}, (), shards=not single, warm=0 if single else 1, seconds=0.5)
    found = {x: [] for x in points}
    for _ in range(1 if quick else ROUNDS):
        for x, arguments in points.items():
            asked = spec("tinydiff", work, arguments, threads, quick=quick)
            found[x].append(run("tinydiff", asked))
    return [
        {
            "x": x,
            "seconds": statistics.median(statistics.median(r["times"]) for r in results),
            "memory": statistics.median(r["memory"] for r in results),
        }
        for x, results in found.items()
    ]


def summary(key, curve, points, judged=True):
    """The points of a curve with its exponents, and a verdict if judged: a dict for JSON."""
    xs, seconds, memory = zip(*((p["x"], p["seconds"], p["memory"]) for p in points))
    made = {
        "curve": key, "what": curve.words, "points": points,
        "exponent_seconds": exponent(xs, seconds),
        "exponent_memory": exponent_above(xs, memory),
    }  # fmt: skip
    if curve.bars and judged:
        low, high = curve.bars
        made["verdict"] = "pass" if low <= made["exponent_seconds"] <= high else "FALLS SHORT"
    return made


def all_curves(threads, quick, show):
    """The summaries of all curves; show(summary) is called with each. A failed one says why."""
    made = []
    for key, curve in CURVES.items():
        try:
            made.append(summary(key, curve, measured(curve, threads, quick), not quick))
        except Failed as failure:
            made.append({"curve": key, "what": curve.words, "failed": str(failure)})
        show(made[-1])
    return made

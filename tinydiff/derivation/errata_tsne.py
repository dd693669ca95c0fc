"""Errata of ub-lecture's t-SNE code, on the data it runs on: the first 200 digits of
scikit-learn."""

import functools
import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import entr, rel_entr
from sklearn.datasets import load_digits

from .. import manifold
from .entry import erratum
from .errata_nus import DIGITS
from .neighbours import distances, normalised

N = 200


@functools.cache
def digits():
    """(pixels (200, 64), squared distances)."""
    X = load_digits().data[:N].astype(float)
    return X, distances(X)


def printed_rows(D, sigmas):
    """Rows of probabilities as printed: entry 0 is left out of every row, and 1e-8 added to all."""
    weight = np.exp(-D / (2 * sigmas[:, None] ** 2))
    weight[:, 0] = 0
    weight += 1e-8
    return weight / weight.sum(axis=1, keepdims=True)


@functools.cache
def printed_sigmas(target, scale=1.0):
    """The printed bisection: sigma between 1e-20 and 1000, all rows at once."""
    D = digits()[1] * scale**2
    low, high = np.full(N, 1e-20), np.full(N, 1000.0)
    for _ in range(80):
        middle = (low + high) / 2
        p = printed_rows(D, middle)
        wide = entr(p).sum(axis=1) > math.log(target)
        low, high = np.where(wide, low, middle), np.where(wide, middle, high)
    return middle


def true_rows(D, sigmas):
    """Rows of probabilities with point i itself left out, by the place it stands at."""
    far = D + np.diag(np.full(N, np.inf))
    weight = np.exp((far.min(axis=1, keepdims=True) - far) / (2 * sigmas[:, None] ** 2))
    return weight / weight.sum(axis=1, keepdims=True)


@erratum(
    "E-A2", "The width is searched with point i among its own neighbours.", verdict="WRONG",
    printed=r"\texttt{distances[i:i+1]}, \texttt{fill\_diagonal}: \text{ entry 0 is left out}",
    correct=r"\text{leave out entry } i", source="ub-lecture L353-356, L387-393", tolerance=DIGITS,
    implements="tinydiff.manifold:conditional",
)  # fmt: skip
def a2():
    """Asked for perplexity 20, 5, 2, its widths give 31.8, 13.1 and 7.4 on average, 78.8 at most
    for 20; its joint P is off by 0.105 in total variation. Right: the widths solved for one by
    one by scipy."""
    D = digits()[1]
    printed, worst = [], 0.0
    for target in (20, 5, 2):
        found = np.exp(entr(true_rows(D, printed_sigmas(target))).sum(axis=1))
        printed.append(found.mean())
        worst = max(worst, found.max() if target == 20 else 0.0)
    p, sigmas = manifold.conditional(D, 20)
    as_printed = np.exp(-D / (2 * printed_sigmas(20)[:, None] ** 2)) * (1 - np.eye(N)) + 1e-8
    as_printed /= as_printed.sum(axis=1, keepdims=True)
    off = np.abs(manifold.joint(as_printed) - manifold.joint(p)).sum() / 2
    one = lambda s, i: entr(true_rows(D, np.full(N, s))[i]).sum() - math.log(20)  # noqa: E731
    right = [brentq(one, 1, 50, args=(i,), xtol=1e-12) for i in (0, 1, 100, 199)]
    return ((*printed, worst, off), sigmas[[0, 1, 100, 199]]), (
        (31.8019346, 13.0969014, 7.35266676, 78.8473852, 0.105103432), np.array(right),
    )  # fmt: skip


@erratum(
    "E-A3", "The perplexity does not match its target.", verdict="WRONG",
    printed=r"\text{perplexity matches the target value}",
    correct=r"\text{in row 0 only, because of E-A2}",
    source="ub-lecture L307", implements="tinydiff.manifold:conditional", tolerance=DIGITS,
)  # fmt: skip
def a3():
    """Rows of 200 within 0.01 of perplexity 20: 1 as printed, 200 if point i is left out."""
    D = digits()[1]
    rows = true_rows(D, printed_sigmas(20)), manifold.conditional(D, 20)[0]
    hits = [(np.abs(np.exp(entr(p).sum(axis=1)) - 20) < 0.01).sum() for p in rows]
    return tuple(hits), (1, 200)


@erratum(
    "E-A4", "A floor of 1e-8 is added after the diagonal is cleared.", verdict="MISLEADING",
    printed=r"\texttt{fill\_diagonal(e\_x, 0); e\_x + 1e-8}",
    correct=r"\text{log-sum-exp, and no floor}",
    source="ub-lecture L355, L357", implements="tinydiff.manifold:conditional", tolerance=DIGITS,
)  # fmt: skip
def a4():
    """p(i | i) is up to 8.9e-9 instead of 0. As sigma goes to 0 a row of 4 neighbours, none at
    distance 0, has perplexity 4 instead of 1: it first falls, then rises, and bisection may
    follow it down. Left: at sigma = 1e-3; and the perplexity that `conditional` reaches when
    asked for 1."""
    D = digits()[1]
    floor = 1e-8 / (np.exp(-D / (2 * printed_sigmas(20)[:, None] ** 2)).sum(axis=1) - 1 + N * 1e-8)
    row = np.array([1.0, 2.0, 3.0, 4.0]) ** 2
    weight = np.exp(-row / (2 * 1e-6)) + 1e-8
    rises = np.exp(entr(weight / weight.sum()).sum())
    p, _ = manifold.conditional(D, 1.0)
    narrow = manifold.perplexity(p).max()
    return ((floor.max(), rises), (narrow, 1 + p.diagonal().max())), (
        (8.93924044e-9, 4.0),
        (1.0, 1.0),
    )


@erratum(
    "E-A5", "The search for the width is tied to one scale.", verdict="MISLEADING",
    printed=r"\sigma \in [10^{-20}, 1000]", correct=r"\text{bounds from the distances themselves}",
    source="ub-lecture L367", implements="tinydiff.manifold:conditional", tolerance=DIGITS,
)  # fmt: skip
def a5():
    """All pixels times 1000: widths up to 15246 are needed, and 1000 is found. Left: the largest
    width found; the largest needed. Right: a row solved for by scipy, scaled up."""
    D = digits()[1]
    sigmas = manifold.conditional(D * 1e6, 20)[1]
    row = int(sigmas.argmax())
    one = lambda s: entr(true_rows(D, np.full(N, s))[row]).sum() - math.log(20)  # noqa: E731
    return (printed_sigmas(20, 1000.0).max(), sigmas.max()), (
        1000.0,
        1000 * brentq(one, 1, 50, xtol=1e-12),
    )


@erratum(
    "E-A6", "Squared distances by a product may come out negative.", verdict="MISLEADING",
    printed=r"-2XX^T + \|x\|^2 + \|y\|^2", correct=r"\text{around the mean, and at least } 0",
    source="ub-lecture L348-351", implements="tinydiff.manifold:squared_distances",
    tolerance=DIGITS,
)  # fmt: skip
def a6():
    """Two numbers near 1e5, 0.001 apart: -1.9e-6 instead of 1e-6. Right: their difference,
    squared."""
    x, y = 100077.7, 100077.701
    printed = (-2 * (x * y) + x * x) + y * y
    correct = manifold.squared_distances(np.array([[x], [y]]))[0, 1]
    return (printed, correct), (-1.9073486328125e-06, (x - y) ** 2)


def descend(gradient, y, steps, rate=10.0, momentum=0.9):
    """The printed loop: a gradient step, then `momentum` times the last move."""
    before = last = y
    for _ in range(steps):
        y = y - rate * gradient(y) + momentum * (last - before)
        before, last = last, y
    return y


@functools.cache
def printed_joint():
    """The printed P, and its starting map."""
    weight = np.exp(-digits()[1] / (2 * printed_sigmas(20)[:, None] ** 2)) * (1 - np.eye(N)) + 1e-8
    p = weight / weight.sum(axis=1, keepdims=True)
    return (p + p.T) / (2 * N), np.random.RandomState(42).normal(0.0, 1e-4, (N, 2))


@erratum(
    "E-A7", "Under the heading t-SNE the code runs symmetric SNE.", verdict="INCONSISTENT",
    printed=r"\texttt{TSNE = False}", correct=r"\texttt{TSNE = True}",
    source="ub-lecture L280, L474", implements="tinydiff.manifold:divergence", tolerance=1e-5,
)  # fmt: skip
def a7():
    """500 steps of the printed loop with the printed P: the divergence left is 0.7165 by
    symmetric SNE, whose map is shown, and 0.2180 by t-SNE. Right: recorded; scipy's relative
    entropy of the second map."""
    P, start = printed_joint()
    off = P * (1 - np.eye(N))
    sne = descend(lambda y: manifold.symmetric_sne_gradient(P, y), start, 500)
    tsne = descend(lambda y: manifold.tsne_gradient(P, y), start, 500)
    q, _ = manifold.student_joint(tsne)
    left = manifold.divergence(off, manifold.gaussian_joint(sne)), manifold.divergence(off, q)
    return left, (0.716546930, rel_entr(off, normalised(1 / (1 + distances(tsne)))).sum())


def heavy_ball(gradient, y, steps, rate=10.0, momentum=0.9):
    """v <- momentum v - rate gradient, y <- y + v: as textbooks have it."""
    v = np.zeros_like(y)
    for _ in range(steps):
        v = momentum * v - rate * gradient(y)
        y = y + v
    return y


@erratum(
    "E-A8", "The momentum of the loop is the textbook's heavy ball.", verdict="CORRECT",
    printed=r"y \leftarrow y - \eta g + \mu (y_{-1} - y_{-2})",
    correct=r"v \leftarrow \mu v - \eta g,\ y \leftarrow y + v",
    source="ub-lecture L434-447", implements="tinydiff.manifold:tsne_gradient", tolerance=1e-9,
)  # fmt: skip
def a8():
    """50 steps of t-SNE on the digits. Left: both loops with the gradient of `manifold`. Right:
    the heavy ball with the gradient written out."""
    P, start = printed_joint()

    def gradient(y):
        off = y[:, None] - y[None]
        weight = 1 / (1 + (off**2).sum(axis=2)) - np.eye(N)
        force = (P - weight / weight.sum()) * weight
        return 4 * (force[:, :, None] * off).sum(axis=1)

    ours = lambda y: manifold.tsne_gradient(P, y)  # noqa: E731
    right = heavy_ball(gradient, start, 50)
    return (descend(ours, start, 50), heavy_ball(ours, start, 50)), (right, right)


@erratum(
    "E-A9", "The joint P and both gradients are right.", verdict="CORRECT",
    printed=r"4\sum_j (p_{ij}-q_{ij})(y_i-y_j)\,[\cdot\,(1+\|y_i-y_j\|^2)^{-1}]",
    correct=r"\text{the same}",
    source="ub-lecture L395-432", implements="tinydiff.manifold:tsne_gradient", tolerance=1e-7,
)  # fmt: skip
def a9():
    """At a random map of the 200 digits, along a random direction. Left: slopes by the printed
    gradient of symmetric SNE; by `manifold`'s of t-SNE; the sum of P. Right: differences of the
    cost."""
    P, _ = printed_joint()
    y, way = np.random.default_rng(0).standard_normal((2, N, 2))
    off = y[:, None] - y[None]
    q = normalised(np.exp(-distances(y)))
    printed = (4 * ((P - q)[:, :, None] * off).sum(axis=1) * way).sum()
    h = 1e-4

    def slope(q_of):
        log_q = [np.log(normalised(q_of(distances(y + s * h * way))) + np.eye(N)) for s in (1, -1)]
        return -(P * (1 - np.eye(N)) * (log_q[0] - log_q[1])).sum() / (2 * h)

    left = (printed, P.sum()), (manifold.tsne_gradient(P, y) * way).sum()
    return left, ((slope(lambda D: np.exp(-D)), 1.0), slope(lambda D: 1 / (1 + D)))

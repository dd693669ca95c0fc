"""The curves of the lecture's first lab: two Gaussian bumps each, a family of two parameters."""

import numpy as np

from .dataset import Recipe

FIRST, LAST = -20.0, 20.0  # of the grid
ROWS = (4000, 1000)


def curves(mu1, mu2, n=100):
    """The curves with bumps at mu1 and mu2, (..., n, 1) float64 in [-1, 1].

        s(x) = N(x; mu1, 1) + N(x; mu2, 1),  x on n points from -20 to 20

    rescaled to [0, 1] by its own minimum and maximum, then to [-1, 1]. The lab first divides s by
    its sum over the grid; the rescaling undoes that, and the 1 / sqrt(2 pi) of N as well, so
    neither is computed. mu1 and mu2 are arrays that broadcast. Each row of load("gmm") is such a
    curve, so curves on a grid of (mu1, mu2) make quadratures over the whole data distribution.
    """
    mu1, mu2 = (np.asarray(mu, dtype=np.float64)[..., None] for mu in (mu1, mu2))
    x = np.linspace(FIRST, LAST, n)
    s = np.exp(-((x - mu1) ** 2) / 2) + np.exp(-((x - mu2) ** 2) / 2)
    low, high = s.min(axis=-1, keepdims=True), s.max(axis=-1, keepdims=True)
    if not (high > low).all():
        raise ValueError(f"curves: a bump must lie on the grid from {FIRST:g} to {LAST:g}")
    return (2 * (s - low) / (high - low) - 1)[..., None]


def _read(split, root, seed):
    """mu1 ~ U(-15, -5) and mu2 ~ U(5, 15), drawn afresh for the test rows."""
    rng = np.random.default_rng(seed)
    n = ROWS[0]
    if split == "test":
        rng, n = rng.spawn(1)[0], ROWS[1]
    x = curves(rng.uniform(-15, -5, n), rng.uniform(5, 15, n))
    return x, np.zeros(n, dtype=np.int64)


RECIPES = (
    Recipe(
        name="gmm",
        about="curves of two Gaussian bumps at random places, on 100 points",
        rows=ROWS,
        shape=(100, 1),
        levels=0,
        source="the first lab of nus-l8, drawn by tinydiff from its description",
        licence="MIT, as tinydiff",
        read=_read,
        where=lambda: "drawn on request",
    ),
)

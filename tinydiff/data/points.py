"""Points in the plane and on the line, drawn on request.

A set in the plane is a shape whose largest coordinate is 1, scaled by REACH, plus Gaussian noise of
standard deviation NOISE in both coordinates, cut off at CUT standard deviations (one number in two
million is). REACH + CUT * NOISE = 1, so that all points are in [-1, 1], without a scale that
depends on the draw: train, test and every seed share one distribution.
"""

import numpy as np

from .dataset import Recipe

NOISE, CUT = 0.03, 5
REACH = 1 - CUT * NOISE
ROWS = (8000, 2000)
BLOBS = 8


def moons(k, u):
    """Two half circles, one opening down and one up, each reaching into the other."""
    angle = np.pi * u
    x = np.where(k == 0, np.cos(angle), 1 - np.cos(angle))  # -1 ... 2
    y = np.where(k == 0, np.sin(angle), 0.5 - np.sin(angle))  # -0.5 ... 1
    return (x - 0.5) / 1.5, (y - 0.25) / 1.5


def circles(k, u):
    """A circle of radius 1, and one of radius 1/2 inside it."""
    return _polar(np.where(k == 0, 1.0, 0.5), 2 * np.pi * u)


def swiss_roll(k, u):
    """One spiral of one and a half turns, uniform in the angle, its radius growing with it."""
    angle = 1.5 * np.pi * (1 + 2 * u)
    return _polar(angle / (4.5 * np.pi), angle)


def spiral(k, u):
    """Two arms of one and a half turns, from the centre, with a point's radius the root of u."""
    radius = np.sqrt(u)
    return _polar(radius, 3 * np.pi * radius + np.pi * k)


def blobs(k, u):
    """Eight Gaussians on a circle: exactly a mixture, apart from the cut."""
    return _polar(1.0, 2 * np.pi * k / BLOBS)


def _polar(radius, angle):
    return radius * np.cos(angle), radius * np.sin(angle)


SHAPES = {moons: 2, circles: 2, swiss_roll: 1, spiral: 2, blobs: BLOBS}  # how many classes


def spots(shape, n):
    """(places (K, n, 2), weights (n,)): where the rows of each of a shape's K classes come from.

    A row of class k is REACH shape(k, u) + NOISE eps with u uniform in [0, 1], so a mean over the
    rows is one over u, by Gauss-Legendre with n nodes, and over eps.
    """
    u, weight = np.polynomial.legendre.leggauss(n)
    u, weight = (u + 1) / 2, weight / 2
    k = range(SHAPES[shape])
    return REACH * np.stack([np.stack(shape(np.full(n, i), u), axis=-1) for i in k]), weight


def _draw(shape, split, seed):
    """Rows of a shape: the classes in turns, each point at a random place of its class."""
    rng = np.random.default_rng(seed)
    n = ROWS[0]
    if split == "test":
        rng, n = rng.spawn(1)[0], ROWS[1]
    k = np.arange(n) % SHAPES[shape]
    clean = np.stack(shape(k, rng.random(n)), axis=-1)
    noise = np.clip(rng.standard_normal((n, 2)), -CUT, CUT)
    return REACH * clean + NOISE * noise, k


def two_gaussians(split, root, seed):
    """Half the rows around -2, half around 2, with standard deviation 0.3; not in [-1, 1].

    With seed 0 the train rows are the 400 numbers that ch327 draws (L29-L32), the two halves in
    turns. Their scale is kept, since the chapter's noise levels and pictures belong to it.
    """
    rng = np.random.default_rng(seed)
    if split == "test":
        rng = rng.spawn(1)[0]
    halves = rng.normal(-2, 0.3, 200), rng.normal(2, 0.3, 200)
    return np.stack(halves, axis=1).reshape(-1, 1), np.arange(400) % 2


def _recipe(read, name, about, rows, shape, source):
    return Recipe(
        name=name,
        about=about,
        rows=rows,
        shape=shape,
        levels=0,
        source=source,
        licence="MIT, as tinydiff",
        read=read,
        where=lambda: "drawn on request",
    )


RECIPES = tuple(
    _recipe(
        lambda split, root, seed, shape=shape: _draw(shape, split, seed),
        shape.__name__,
        shape.__doc__.rstrip("."),
        ROWS,
        (2,),
        "drawn by tinydiff",
    )
    for shape in SHAPES
) + (
    _recipe(
        two_gaussians,
        "two_gaussians",
        "numbers around -2 and around 2, standard deviation 0.3; not scaled into [-1, 1]",
        (400, 400),
        (1,),
        "the toy data of ch327 (L32); seed 0 draws the chapter's own numbers",
    ),
)

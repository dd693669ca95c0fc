"""The exact law of the points that data/points.py draws, as a Gaussian mixture."""

import numpy as np

from ..data import points
from ..diffusion.mixture import GaussianMixture

NODES = 400  # on each line of a shape: at most 0.8 NOISE apart, so that the line is without gaps


def law(name):
    """The GaussianMixture of a toy set (the cut at 5 standard deviations left out), or None.

    A set in the plane is a shape plus noise: points a(k, u) with u uniform in [0, 1]. The integral
    over u by Gauss and Legendre is a mixture of a Gaussian at every node; for `blobs`, where u
    means nothing, of eight in all.
    """
    if name == "two_gaussians":
        return GaussianMixture([0.5, 0.5], [[-2.0], [2.0]], [0.09, 0.09])
    shape = {shape.__name__: shape for shape in points.SHAPES}.get(name)
    if shape is None:
        return None
    nodes = 1 if shape is points.blobs else NODES
    u, weights = np.polynomial.legendre.leggauss(nodes)
    k = np.repeat(np.arange(points.SHAPES[shape]), nodes)
    u, weights = (np.resize(a, len(k)) for a in ((u + 1) / 2, weights))
    places = points.REACH * np.stack(shape(k, u), axis=-1)
    return GaussianMixture(weights / weights.sum(), places, np.full(len(k), points.NOISE**2))

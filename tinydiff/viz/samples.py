"""Samples, whatever they are.

Images (N, H, W, C), curves (N, L, 1), points (N, 2), numbers (N, 1): the shape says which.
"""

import numpy as np

from .curves import animate_curves, curve_grid
from .pictures import animate, grid
from .plane import animate_points, dots
from .style import SKY, figure


def samples(x, columns, title=""):
    """A picture of samples x; images and curves in rows of `columns`."""
    kind = _kind(x)
    if kind == "numbers":
        fig = figure(7, 4)
        ax = fig.add_subplot()
        ax.hist(x[:, 0], bins=np.linspace(x.min(), x.max(), 61), density=True, color=SKY)
        ax.set(xlabel="$x$", ylabel="density", title=title)
        return fig
    if kind == "points":
        return dots(x, title)
    return (grid if kind == "images" else curve_grid)(x, columns, title)


def animate_samples(path, frames, columns):
    """Write a GIF of (t, x) frames. Raises ValueError for numbers, which have no animation."""
    kind = _kind(frames[0][1])
    if kind == "numbers":
        raise ValueError("there is no animation of numbers: write a .png or a .npy file")
    if kind == "points":
        return animate_points(path, frames)
    return (animate if kind == "images" else animate_curves)(path, frames, columns)


def _kind(x):
    kinds = {4: "images", 3: "curves", 2: {1: "numbers", 2: "points"}.get(x.shape[-1])}
    if kinds.get(x.ndim) is None:
        raise ValueError(f"there is no picture of samples of shape {x.shape}")
    return kinds[x.ndim]

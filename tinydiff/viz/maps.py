"""A map of data: points in the plane, coloured and named by their class."""

import numpy as np

from .style import figure


def embedding(y, labels, title=""):
    """Points y (N, 2) of a neighbour embedding, coloured by `labels` (N,).

    Every class is named at the point of its own that is nearest to the median of its points, so the
    name stands in the class even if that is bent or in pieces. Axes have no ticks: directions and
    units of such a map mean nothing, only who is near whom; both have the same scale.
    """
    from matplotlib import colormaps

    y, labels = np.asarray(y), np.asarray(labels)
    if y.ndim != 2 or y.shape[1] != 2 or labels.shape != y.shape[:1]:
        raise ValueError(f"expected y (N, 2) and labels (N,), got {y.shape} and {labels.shape}")
    classes = np.unique(labels)
    palette = colormaps["tab10" if len(classes) <= 10 else "turbo"]
    fig = figure(7, 7)
    ax = fig.add_subplot()
    for i, label in enumerate(classes):
        points = y[labels == label]
        colour = palette(i if len(classes) <= 10 else i / (len(classes) - 1))
        ax.scatter(*points.T, s=9, color=colour, alpha=0.7, lw=0, label=str(label))
        centre = points[((points - np.median(points, axis=0)) ** 2).sum(axis=1).argmin()]
        ax.text(
            *centre, str(label), fontsize=12, weight="bold", ha="center", va="center",
            bbox={"fc": "white", "ec": colour, "alpha": 0.8, "boxstyle": "round,pad=0.2"},
        )  # fmt: skip
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.set_title(title, fontsize=11)
    ax.spines[:].set_visible(False)
    return fig

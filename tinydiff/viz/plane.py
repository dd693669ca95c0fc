"""Points, level lines and arrows in the plane."""

import numpy as np

from .style import BLUE, GREY, ORANGE, figure


def _plane(title, axes="x"):
    fig = figure(6, 6)
    ax = fig.add_subplot()
    ax.set_title(title, fontsize=11)
    ax.set(xlabel=f"${axes}_1$", ylabel=f"${axes}_2$")
    ax.set_aspect("equal", "datalim")
    ax.spines[["top", "right"]].set_visible(False)
    return fig, ax


def scatter(points, labels, title):
    """Points z (N, 2) in the colours of their labels (N,), each label amid its points."""
    fig, ax = _plane(title, "z")
    ax.scatter(*points.T, c=labels, cmap="tab10", s=12, alpha=0.7, lw=0)
    for label in np.unique(labels):
        ax.text(
            *np.median(points[labels == label], axis=0), str(label), fontsize=12, ha="center",
            va="center", bbox={"fc": "white", "alpha": 0.7, "lw": 0, "boxstyle": "round,pad=0.15"},
        )  # fmt: skip
    return fig


def over_lines(data, samples, height, reach, title, label):
    """Samples (N, 2) over data (M, 2), and level lines of `height` (n, n), which `label` names.

    height[i, j] belongs to x = grid[j], y = grid[i] of n numbers from -reach to reach.
    """
    fig, ax = _plane(title)
    grid = np.linspace(-reach, reach, len(height))
    lines = ax.contour(grid, grid, height, 14, cmap="viridis", linewidths=0.8)
    fig.colorbar(lines, ax=ax, shrink=0.7, label=label)
    _dots(ax, data, samples)
    ax.legend(frameon=False, markerscale=4)
    return fig


def field(density, arrows, samples, reach, title):
    """A density (n, n) as a shade, arrows (m, m, 2) at their places, and samples (N, 2) on it.

    density[i, j] and arrows[i, j] belong to x = grid[j], y = grid[i] of n or m numbers from -reach
    to reach. Arrows are drawn with the root of their length, so that short ones can be seen.
    """
    fig, ax = _plane(title)
    span = (-reach, reach, -reach, reach)
    ax.imshow(density, origin="lower", extent=span, cmap="Greys", interpolation="bilinear")
    ax.scatter(*samples.T, s=3, color=ORANGE, alpha=0.5, lw=0, label="Langevin samples")
    places = np.linspace(-reach, reach, len(arrows))
    length = np.linalg.norm(arrows, axis=-1, keepdims=True)
    u, v = np.moveaxis(arrows / np.sqrt(np.maximum(length, 1e-12)), -1, 0)
    ax.quiver(places, places, u, v, color=BLUE, width=0.0025)
    ax.legend(frameon=False, markerscale=4)
    return fig


def over(data, samples, title):
    """Samples (N, 2) over data (M, 2)."""
    fig, ax = _plane(title)
    _dots(ax, data, samples)
    ax.legend(frameon=False, markerscale=4)
    return fig


def dots(samples, title):
    """Samples (N, 2) alone."""
    fig, ax = _plane(title)
    ax.scatter(*samples.T, s=6, color=ORANGE, alpha=0.7, lw=0)
    return fig


def animate_points(path, frames, seconds=4.0, hold=1.5):
    """Write a GIF of (t, points (N, 2)) frames; the last one is held for `hold` seconds."""
    from matplotlib.animation import PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    fps = max(1, round(len(frames) / seconds))
    fig, ax = _plane("the reverse process")
    FigureCanvasAgg(fig)
    cloud = ax.scatter(*frames[0][1].T, s=6, color=ORANGE, alpha=0.7, lw=0)
    writer = PillowWriter(fps=fps)
    with writer.saving(fig, str(path), dpi=70):
        for t, points in [*frames, *frames[-1:] * round(hold * fps)]:
            cloud.set_offsets(points)
            ax.set_title(f"the reverse process, $t={t}$", fontsize=11)
            writer.grab_frame()


def side_by_side(data, sets, columns=3):
    """A panel for each {title: samples (N, 2)} over data (M, 2), all with the data's limits."""
    rows = -(-len(sets) // columns)
    fig = figure(3.2 * columns, 3.3 * rows)
    reach = 1.15 * np.abs(data).max()
    for i, (title, samples) in enumerate(sets.items()):
        ax = fig.add_subplot(rows, columns, i + 1)
        _dots(ax, data, samples)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        ax.set_title(title, fontsize=11)
    return fig


def _dots(ax, data, samples):
    ax.scatter(*data.T, s=3, color=GREY, alpha=0.4, lw=0, label="data")
    ax.scatter(*samples.T, s=3, color=ORANGE, alpha=0.6, lw=0, label="samples")


def trails(data, x, title):
    """The ways x (S, N, 2) of N points, over data (M, 2); a dot where each ends."""
    fig, ax = _plane(title)
    ax.scatter(*data.T, s=3, color=GREY, alpha=0.4, lw=0)
    ax.plot(x[..., 0], x[..., 1], color=BLUE, lw=0.6, alpha=0.6)
    ax.scatter(*x[-1].T, s=14, color=ORANGE, zorder=3)
    return fig

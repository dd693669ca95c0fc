"""Curves: many small ones in one picture, as they are and as they come about."""

import numpy as np

from .style import BLUE, figure


def outline(curves, columns):
    """Curves (N, L, 1) side by side as one line (x, y), broken by NaN: rows of `columns`.

    Each has a cell of size 1 x 1 less a margin: [-1, 1] fills 0.8 of its height, and what lies
    beyond [-1.2, 1.2], as noise does, is cut off.
    """
    curves = np.clip(np.asarray(curves, dtype=np.float64)[..., 0], -1.2, 1.2)
    n, length = curves.shape
    row, column = np.divmod(np.arange(n)[:, None], columns)
    x = column + np.linspace(0.06, 0.94, length)
    y = 0.4 * curves - row
    apart = np.full((n, 1), np.nan)
    return (np.concatenate([a, apart], axis=1).ravel() for a in (x, y))


def _axes(n, columns, title, height):
    """(Figure, axes) with room for n curves in rows of `columns`."""
    rows = -(-n // columns)
    fig = figure(0.9 * columns + 0.3, height * rows + 0.4)
    ax = fig.add_subplot()
    ax.set(xlim=(0, columns), ylim=(0.5 - rows, 0.5), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=11)
    return fig, ax


def curve_grid(curves, columns, title=""):
    """A grid of curves (N, L, 1) in [-1, 1]."""
    fig, ax = _axes(len(curves), columns, title, 0.6)
    ax.plot(*outline(curves, columns), color=BLUE, lw=0.9)
    return fig


def noising_curves(x0, process, ts, rng):
    """The forward process: a row for each curve x0 (N, L, 1), a column for each t in ts.

    Along a row the noise is one and the same eps, growing: x_t = sqrt(ab) x0 + sqrt(1 - ab) eps.
    """
    eps = rng.standard_normal(x0.shape)
    noised = [x0 if t == 0 else process.q_sample(x0.astype(np.float64), int(t), eps) for t in ts]
    shown = np.stack(noised, axis=1).reshape(-1, *x0.shape[1:])
    fig, ax = _axes(len(shown), len(ts), "The forward process: signal fades, noise grows", 0.75)
    ax.plot(*outline(shown, len(ts)), color=BLUE, lw=0.9)
    labels = [f"$t={t}$\n" + rf"$\barα={process.alphas_bar[t]:.3f}$" for t in ts]
    ax.set_xticks(np.arange(len(ts)) + 0.5, labels, fontsize=9)
    ax.tick_params(length=0)
    return fig


def animate_curves(path, frames, columns, seconds=4.0, hold=1.5):
    """Write a GIF of (t, curves (N, L, 1)) frames; the last one is held for `hold` seconds."""
    from matplotlib.animation import PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    fps = max(1, round(len(frames) / seconds))
    fig, ax = _axes(len(frames[0][1]), columns, "the reverse process", 0.6)
    FigureCanvasAgg(fig)
    (line,) = ax.plot(*outline(frames[0][1], columns), color=BLUE, lw=0.9)
    writer = PillowWriter(fps=fps)
    with writer.saving(fig, str(path), dpi=80):
        for t, curves in [*frames, *frames[-1:] * round(hold * fps)]:
            line.set_data(*outline(curves, columns))
            ax.set_title(f"the reverse process, $t={t}$", fontsize=11)
            writer.grab_frame()

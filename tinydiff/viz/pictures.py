"""The loss, the two directions of diffusion, and samples."""

import math

import numpy as np

from .style import BLUE, FRAME, ORANGE, SKY, figure


def loss_curve(step, loss, what, floor=None):
    """The loss of every step and its running mean; `what` names the loss, with its unit.

    floor: (value, label) of the lowest loss that is possible, drawn as a line.
    """
    fig = figure(7, 4)
    ax = fig.add_subplot()
    span = max(1, len(loss) // 50)
    ax.plot(step, loss, color=SKY, lw=0.6, alpha=0.6, label="each step")
    if len(loss) > span > 1:
        mean = np.convolve(loss, np.full(span, 1 / span), mode="valid")
        ax.plot(step[span - 1 :], mean, color=BLUE, lw=2, label=f"mean of {span} steps")
    if floor is not None:
        ax.axhline(floor[0], color=ORANGE, lw=1.5, ls="--", label=floor[1])
    if len(loss):
        low, high = np.min(loss), np.quantile(loss, 0.99)
        low = low if floor is None else min(low, floor[0])
        if low > 0:  # minus a bound, or a game's value, may have either sign
            ax.set_ylim(0.9 * low, max(1.1 * high, low + 1e-12))
            ax.set_yscale("log")
        ax.legend(frameon=False)
    ax.set(xlabel="step", ylabel=what)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, which="both")
    return fig


def over_steps(step, value, error, what):
    """A figure of held-out data at some steps of training, with its standard error."""
    fig = figure(7, 3.5)
    ax = fig.add_subplot()
    ax.errorbar(step, value, error, color=BLUE, marker="o", ms=4, capsize=3)
    ax.set(xlabel="step", ylabel=what)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    return fig


def mosaic(images, columns):
    """Images side by side in rows of `columns`, as one array, lines of NaN between.

    images: (N, H, W, 1), or of three channels in colour; the result has no last axis, or one of 3.
    """
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    tiles = np.full((rows * columns, height + 1, width + 1, channels), np.nan)
    tiles[:n, :-1, :-1] = images
    tiles = tiles.reshape(rows, columns, height + 1, width + 1, channels)
    picture = tiles.transpose(0, 2, 1, 3, 4).reshape(
        rows * (height + 1), columns * (width + 1), channels
    )[:-1, :-1]
    return picture if channels == 3 else picture[..., 0]


def _show(ax, picture):
    """A `mosaic` in an empty frame; NaN is the frame's light grey."""
    ax.set(xticks=[], yticks=[], facecolor=FRAME)
    ax.spines[:].set_color(FRAME)
    return ax.imshow(_paint(picture), cmap="gray_r", vmin=-1, vmax=1, interpolation="nearest")


def _paint(picture):
    """A mosaic as imshow takes it: grey as it is, colour within [0, 1] and opaque but for NaN."""
    if picture.ndim == 2:
        return picture
    ink = np.isfinite(picture[..., :1])
    return np.concatenate([np.where(ink, np.clip((picture + 1) / 2, 0, 1), 0), ink], axis=-1)


def grid(images, columns, title=""):
    """A grid of images (N, H, W, 1), or (N, H, W, 3) in colour, in [-1, 1]."""
    picture = mosaic(np.asarray(images), columns)
    fig = figure(7, 7 * picture.shape[0] / picture.shape[1] + 0.4 * bool(title))
    ax = fig.add_subplot()
    _show(ax, picture)
    ax.set_title(title, fontsize=11)
    return fig


def noising(x0, process, ts, rng):
    """The forward process: a row for each image x0 (N, H, W, C), a column for each t in ts.

    Along a row the noise is one and the same eps, growing: x_t = sqrt(ab) x0 + sqrt(1 - ab) eps.
    """
    eps = rng.standard_normal(x0.shape)
    noised = [x0 if t == 0 else process.q_sample(x0.astype(np.float64), int(t), eps) for t in ts]
    images = np.stack(noised, axis=1).reshape(-1, *x0.shape[1:])
    fig = figure(1.05 * len(ts), 1.05 * len(x0) + 0.75)
    ax = fig.add_subplot()
    _show(ax, mosaic(images, len(ts)))
    width = x0.shape[2] + 1
    labels = [f"$t={t}$\n" + rf"$\barα={process.alphas_bar[t]:.3f}$" for t in ts]
    ax.set_xticks(np.arange(len(ts)) * width + (width - 2) / 2, labels, fontsize=9)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    fig.suptitle("The forward process: signal fades, noise grows", fontsize=11)
    return fig


def animate(path, frames, columns, title="the reverse process", seconds=4.0, hold=1.5):
    """Write a GIF of (t, images) frames, as in a `grid`; the last is held for `hold` seconds."""
    from matplotlib.animation import PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    fps = max(1, round(len(frames) / seconds))
    pictures = [mosaic(np.asarray(images), columns) for _, images in frames]
    fig = figure(4.2, 4.2 * pictures[0].shape[0] / pictures[0].shape[1] + 0.4)
    FigureCanvasAgg(fig)
    ax = fig.add_subplot()
    image = _show(ax, pictures[0])
    ax.set_title(title, fontsize=11)
    fig.draw_without_rendering()
    fig.set_layout_engine("none")  # laid out once, not for every frame
    writer = PillowWriter(fps=fps)
    with writer.saving(fig, str(path), dpi=90):
        for (t, _), picture in zip(frames, pictures):
            image.set_data(_paint(picture))
            ax.set_title(f"{title}, $t={t}$", fontsize=11)
            writer.grab_frame()
        for _ in range(round(hold * fps)):
            writer.grab_frame()

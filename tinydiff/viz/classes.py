"""What a classifier sees: the plane in the colours of its classes, and images layer by layer."""

import numpy as np

from .pictures import mosaic
from .style import FRAME, figure


def boundary(learned, exact, points, labels, reach, title):
    """Probabilities of K classes in the plane as colours, boundaries as lines, points as dots.

    learned, exact: (n, n, K), of which [i, j] belongs to x = grid[j], y = grid[i] of n numbers from
    -reach to reach. A place has the mean of the classes' colours, each weighted by its probability,
    on white. The lines are where the two likeliest classes are equally likely: solid those of
    `learned`, dashed those of `exact`. points (N, 2), labels (N,) ints.
    """
    from matplotlib import colormaps

    palette = np.array(colormaps["tab10"].colors)
    fig = figure(6, 6)
    ax = fig.add_subplot()
    colours = palette[np.arange(learned.shape[-1]) % 10]
    ax.imshow(
        1 - 0.45 * (1 - learned @ colours), origin="lower", extent=(-reach, reach) * 2,
        interpolation="bilinear",
    )  # fmt: skip
    grid = np.linspace(-reach, reach, len(learned))
    for p, style in ((learned, "solid"), (exact, "dashed")):
        for k in range(p.shape[-1] - 1):
            rivals = np.where(np.arange(p.shape[-1]) == k, -1, p)
            lead = p[..., k] - rivals.max(axis=-1)
            lead[rivals.argmax(axis=-1) < k] = np.nan  # that line has been drawn
            ax.contour(grid, grid, lead, [0], colors="black", linewidths=1.2, linestyles=style)
    ax.scatter(*points.T, s=7, c=palette[labels % 10], lw=0.3, edgecolors="white")
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-reach, reach), ylim=(-reach, reach))
    ax.set_title(title, fontsize=11)
    return fig


def layers(images, maps):
    """Images (N, H, W, 1), a row for each, and beside it channels of what each layer makes of it.

    maps: [(N, h, w, channels)], one for each layer, of any scale, h and w at most H and W: a pixel
    of a small map covers as much of the picture as of the image that it was made from. Each channel
    has its own grey, from its least value in these images to its largest.
    """
    n, height, width = images.shape[:3]
    down, across = np.indices((height, width))
    tiles, names, middles = [], [], []
    for k, a in enumerate([images, *maps]):
        names.append(f"layer {k}: {a.shape[1]} x {a.shape[2]}" if k else "image")
        middles.append(len(tiles) + a.shape[-1] / 2)
        low, high = a.min(axis=(0, 1, 2)), a.max(axis=(0, 1, 2))
        a = ((a - low) / np.maximum(high - low, 1e-12)).transpose(3, 0, 1, 2)
        a = a[..., down * a.shape[2] // height, across * a.shape[3] // width]
        tiles += [*a, np.full(a.shape[1:], np.nan)]
    picture = mosaic(np.stack(tiles[:-1], axis=1).reshape(-1, height, width, 1), len(tiles) - 1)
    fig = figure(0.45 * len(tiles), 0.45 * n + 0.4)
    ax = fig.add_subplot()
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.set(facecolor=FRAME, yticks=[])
    ax.set_xticks(np.array(middles) * (width + 1) - 1, names, fontsize=10)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    return fig

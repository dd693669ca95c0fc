"""Functions of one number over the data that they were fitted to."""

from .style import BLUE, GREEN, GREY, ORANGE, figure


def fits(x, y, grid, curves, title):
    """Data x, y (N, 1) as dots; curves {name: values (n, 1) at the places grid (n, 1)}, at most 4.

    The first curve is the truth: wide and pale, so that a fit that lies on it can be told from it.
    """
    fig = figure(7, 4.5)
    ax = fig.add_subplot()
    ax.scatter(x, y, s=8, color=GREY, alpha=0.5, lw=0, label="data")
    looks = (
        {"color": ORANGE, "lw": 6, "alpha": 0.45}, {"color": BLUE, "lw": 2},
        {"color": GREEN, "lw": 1.3, "ls": "--"}, {"color": "black", "lw": 1.3, "ls": ":"},
    )  # fmt: skip
    for (name, values), look in zip(curves.items(), looks):
        ax.plot(grid[:, 0], values[:, 0], label=name, **look)
    ax.set(xlabel="$x$", ylabel="$y$")
    ax.set_title(title, fontsize=11)
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return fig

"""What all pictures share: colours, and an empty figure."""

# Okabe & Ito 2008: told apart by colour-blind readers too
BLUE, ORANGE, GREEN, SKY, GREY = "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#6B6B6B"
FRAME = "#D5D9DE"  # around and between images


def figure(width, height, layout="constrained"):
    """An empty matplotlib Figure, in inches. It belongs to no pyplot and to no screen."""
    from matplotlib.figure import Figure  # takes half a second, so only when asked for

    return Figure(figsize=(width, height), layout=layout)


def save(fig, path):
    """Write a Figure in the format of the path's suffix."""
    fig.savefig(path, dpi=130)

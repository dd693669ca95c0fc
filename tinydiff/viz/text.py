"""Text: how well characters are known, the noise they are under."""

from .style import BLUE, GREY, ORANGE, figure


def rounding(t, denoised, alone, commonest):
    """The shares of characters found again at each t: nearest to the predicted x_0, and to x_t.

    commonest: the share of the commonest character, which a guess finds without looking.
    """
    fig = figure(7, 4)
    ax = fig.add_subplot()
    ax.plot(t, denoised, color=BLUE, marker="o", ms=4, label=r"nearest to $\hat x_0(x_t)$")
    ax.plot(t, alone, color=ORANGE, marker="o", ms=4, label="nearest to $x_t$")
    ax.axhline(commonest, color=GREY, ls="--", lw=1.5, label="always the commonest character")
    ax.set(xlabel="$t$", ylabel="share of characters found", ylim=(0, 1.03))
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    return fig

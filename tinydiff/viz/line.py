"""ch327's two figures: numbers that turn into noise, and the schedule that does it."""

import numpy as np

from .style import BLUE, ORANGE, figure


def noising_numbers(ddpm, x0, times, rng):
    """Histograms of x_t for each t of `times`, of the numbers x0 (N,) noised by a DDPM1D."""
    fig = figure(3.2 * len(times), 3)
    for ax, t in zip(fig.subplots(1, len(times), sharey=True, squeeze=False)[0], times):
        xt, _ = ddpm.q_sample(x0, t, rng)
        ax.hist(xt, bins=np.linspace(-5, 5, 61), density=True, color=BLUE, alpha=0.75)
        ax.set_title(f"$t={t}$, noise level {ddpm.noise_level_at(t):.3f}", fontsize=10)
        ax.set_xlabel("$x_t$")
        ax.spines[["top", "right"]].set_visible(False)
    fig.axes[0].set_ylabel("density")
    return fig


def schedule(ddpm):
    """beta_t, and the shares of signal and noise (for data of variance 1), over t = 0 ... T."""
    fig = figure(9, 3.2)
    left, right = fig.subplots(1, 2)
    t = np.arange(ddpm.T + 1)
    left.plot(t, ddpm.betas, color=ORANGE)
    left.set(xlabel="$t$", ylabel=r"$\beta_t$", title="noise added in each step")
    right.plot(t, ddpm.alpha_bars, color=BLUE, label=r"$\barα_t$, signal")
    right.plot(t, 1 - ddpm.alpha_bars, color=ORANGE, label=r"$1-\barα_t$, noise")
    right.set(xlabel="$t$", ylabel="share of the variance", title="signal and noise")
    right.legend(frameon=False)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return fig

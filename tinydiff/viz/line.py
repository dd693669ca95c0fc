"""Numbers: ch327's two figures, and what a model makes of noise beside the exact densities."""

import numpy as np

from .style import BLUE, ORANGE, SKY, figure


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


def against_densities(samples, x, densities, title):
    """A histogram of samples (N,), and lines {label: density (G,)} over the places x (G,)."""
    fig = figure(7, 4)
    ax = fig.add_subplot()
    ax.hist(samples, np.linspace(x[0], x[-1], 101), density=True, color=SKY, label="samples")
    for (label, density), colour in zip(densities.items(), (ORANGE, BLUE)):
        ax.plot(x, density, color=colour, label=label)
    ax.set(xlabel="$x$", ylabel="density", title=title, xlim=(x[0], x[-1]))
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def paths(times, x, places, densities):
    """How numbers x (S, N) come about at falling times (S,), on the shade of the exact densities
    (S, G) of x_t at `places` (G,), each scaled to the same highest value."""
    fig = figure(8, 4)
    ax = fig.add_subplot()
    shade = (densities / densities.max(axis=1, keepdims=True)).T
    ax.pcolormesh(times, places, shade, cmap="Greys", vmax=1.5, shading="nearest")
    ax.plot(times, x, color=BLUE, lw=0.6, alpha=0.7)
    ax.set(xlabel="$t$", ylabel="$x_t$", xlim=(times[0], 0), ylim=(places[0], places[-1]))
    ax.set_title("the reverse process, on the exact density of $x_t$", fontsize=11)
    return fig

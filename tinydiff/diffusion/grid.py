"""Densities on a grid of the line: quadrature, and the transport of a density by a sampler.

A sampler of Markov kernels p(x_s | x_t) = N(m(x_t), sigma^2) turns the density of x_t into that of
x_s. Following the density instead of samples leaves no Monte-Carlo noise in a sampler's error.
"""

import numpy as np

# Beyond 10 standard deviations lies 1e-23 of a Gaussian. 16 nodes per standard deviation resolve
# the borders between modes of a mixture as well, where log p bends more sharply than in a mode.
REACH, NODES = 10, 16


def line(means, stds):
    """(nodes, spacing) for integrals over the line of densities made of these Gaussians.

    For a smooth density that vanishes at both ends the plain sum f(x_i) dx converges faster than
    any power of dx.
    """
    dx = stds.min() / NODES
    first, last = (means - REACH * stds).min(), (means + REACH * stds).max()
    if last - first > 1e6 * dx:
        raise ValueError(f"a grid from {first:g} to {last:g} in steps of {dx:g} is too large")
    return np.arange(first, last + dx, dx), dx


def total_variation(grid, p, q):
    """sup_A |P(A) - Q(A)| = 1/2 integral |p - q| of two densities on one uniform grid."""
    return float(np.abs(p - q).sum() * (grid[1] - grid[0]) / 2)


def push_density(sampler, process, model, grid, density, **options):
    """The density at t = 0 that `sampler` makes of `density` (G,) at T (or ts[0]), on `grid` (G,).

    sampler   called as sampler(model, process, x, noise=, ts=, **options), yields (s, x_s); each
              step must add Gaussian noise once and remember nothing of the steps before it
    grid      uniform, rising, and so wide that the density is 0 at both ends at all times

    Nothing is assumed of the sampler's formulas: its kernels are measured, see `measure_kernel`.
    """
    x = np.asarray(grid, dtype=np.float64)
    density = np.asarray(density, dtype=np.float64)
    steps = np.diff(x)
    if x.ndim != 1 or len(x) < 4 or steps[0] <= 0 or not np.allclose(steps, steps[0], rtol=1e-6):
        raise ValueError("grid must be a uniform rising (G,) array of 4 or more points")
    if density.shape != x.shape or not np.isfinite(density).all():
        raise ValueError(f"density must be finite, one value per grid point, got {density.shape}")
    ts = options.pop("ts", None)
    ts = list(range(process.T, 0, -1)) if ts is None else [int(t) for t in ts]
    noise = _Level(0.0)
    next(iter(sampler(model, process, x, noise=noise, ts=ts, **options)))
    if not noise.calls:

        def run(x):
            *_, (_, end) = sampler(model, process, x, noise=noise, ts=ts, **options)
            return end

        return _carry(x, density, run)
    for i in range(len(ts)):
        mean, std, _ = measure_kernel(sampler, process, model, x, ts[i:], **options)
        density = _transport(x, density, mean, std)
    return density


class _Level:
    """Noise that is one number everywhere, and counts how often it is asked for."""

    def __init__(self, level):
        self.level, self.calls = level, 0

    def __call__(self, t, shape):
        self.calls += 1
        return np.full(shape, self.level)


def measure_kernel(sampler, process, model, x, ts, **options):
    """(mean, std, s) of the sampler's first step from ts[0], at every start x: N(mean, std^2) at s.

    One step with noise 0 is the mean, and one with noise 1 is the mean plus the standard deviation.
    """
    ends = []
    for noise in (_Level(0.0), _Level(1.0)):
        s, end = next(iter(sampler(model, process, x, noise=noise, ts=ts, **options)))
        ends.append(end)
    if noise.calls > 1:
        raise ValueError(f"the step to t = {s} draws noise {noise.calls} times; a kernel has one")
    return ends[0], ends[1] - ends[0], s


def _carry(grid, density, run):
    """The density of u(X) for a rising map u = run, steep wherever u(X) is improbable.

    As much probability lies below u(x) as below x. Where u leaps over several grid points, further
    starts are put between, until a leap holds next to nothing.
    """
    from scipy.interpolate import CubicSpline  # 0.2 s to import, so only when asked for

    below = CubicSpline(grid, density).antiderivative()
    x, u, dx = grid, run(grid), grid[1] - grid[0]
    between = np.arange(1, 16) / 16
    for _ in range(4):
        leaps = np.flatnonzero((np.diff(u) > 2 * dx) & (np.diff(below(x)) > 1e-8))
        starts = (x[leaps, None] + np.diff(x)[leaps, None] * between).ravel()
        if len(starts):
            x, u = np.append(x, starts), np.append(u, run(starts))
            order = np.argsort(x)
            x, u = x[order], u[order]
    if not (np.diff(u) > 0).all():
        raise ValueError("this sampler's x_0 does not rise with x_T, so it folds the density")
    return np.nan_to_num(CubicSpline(u, below(x))(grid, 1, extrapolate=False))


def _transport(x, density, mean, std):
    """The density of mean(X) + std(X) Z for X with `density` on the grid x and Z normal."""
    dx = x[1] - x[0]
    if np.ptp(std) <= 1e-9 * std.max() and (np.diff(mean) > 0).all():
        return _blur(_warp(x, density, mean), std[0], dx)
    if std.min() < dx:
        raise ValueError(
            "a density is followed through steps whose mean rises and whose std is constant in x, "
            f"or whose std is at least the grid spacing {dx:g}; this step is neither"
        )
    distance = (x[:, None] - mean) / std
    return np.exp(-(distance**2) / 2) / (np.sqrt(2 * np.pi) * std) @ density * dx


def _warp(x, density, u):
    """The density of u(X), u rising: p(x) / u'(x) at the place u(x), brought back to the grid x."""
    from scipy.interpolate import CubicSpline  # 0.2 s to import, so only when asked for

    slope = CubicSpline(x, u)(x, 1)
    return np.nan_to_num(CubicSpline(u, density / slope)(x, extrapolate=False))


def _blur(density, std, dx):
    """The density of X + std Z: its Fourier transform times exp(-(std k)^2 / 2), padded with 0."""
    n = 2 << len(density).bit_length()
    k = 2 * np.pi * np.fft.rfftfreq(n, dx)
    return np.fft.irfft(np.fft.rfft(density, n) * np.exp(-((std * k) ** 2) / 2), n)[: len(density)]

"""Inpainting against the exact conditional of a Gaussian and of a mixture in the plane.

No test draws a sample. For Gaussian data a step of `inpaint` is affine in x and the noise, so
mean and covariance are followed. For a mixture the density of the unknown coordinate is followed:
after each step the known one is N(c_s k, n_s^2), independent of it, and is integrated out.

The variance is "beta" here, near the true one of these data. Beta-tilde is smaller, and going down
again and again makes the distribution too narrow: resampling repeats the errors of a step as well.
"""

import math
from itertools import pairwise

import numpy as np

from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process

PROCESS = Process(schedules.linear(50, rescale=True, last=0.018))
TIMES = list(range(50, 0, -1))
MASK = np.array([True, False])


def step(mixture, x, known, t, s, draws, resample=1):
    """x_s from x_t, with `draws` (a list of arrays) for noise; at s = 0 there is none."""
    noise = iter(draws)
    generator = samplers.inpaint(
        mixture.model(PROCESS), PROCESS, x, x0=known, mask=MASK, resample=resample,
        variance="beta", noise=lambda t, shape: next(noise), ts=[t, s] if s else [t],
    )  # fmt: skip
    return next(generator)[1]


def affine(mixture, known, t, s, resample):
    """(b, A, B): x_s = b + A x_t + B noise, by putting in unit vectors; a step draws K times 2."""
    K = 3 * resample - 1 if s else 0
    probes = np.vstack([np.zeros((1, 2 + 2 * K)), np.eye(2 + 2 * K)])
    x, draws = probes[:, :2], [probes[:, 2 + 2 * i : 4 + 2 * i] for i in range(K)]
    out = step(mixture, x, np.tile([known, 0.0], (len(x), 1)), t, s, draws, resample)
    return out[0], (out[1:3] - out[0]).T, (out[3:] - out[0]).T


def test_on_a_gaussian_the_gap_to_the_conditional_closes_with_resampling():
    """N((0.5, -1), [[1, .8], [.8, 1]]) given x_1 = 1.5 is N(-0.2, 0.36)."""
    data = GaussianMixture([1.0], [[0.5, -1.0]], [[[1.0, 0.8], [0.8, 1.0]]])
    gaps = []
    for resample in (1, 4, 16):
        mean, cov = np.zeros(2), np.eye(2)
        for t, s in pairwise([*TIMES, 0]):
            b, A, B = affine(data, 1.5, t, s, resample)
            mean, cov = b + A @ mean, A @ cov @ A.T + B @ B.T
        assert mean[0] == 1.5 and np.abs(cov[0]).max() == 0
        gaps.append([-0.2 - mean[1], cov[1, 1] - 0.36])
    np.testing.assert_allclose(
        gaps, [[0.3189, 0.1630], [0.0993, 0.0482], [0.0288, 0.0164]], atol=2e-4
    )


def conditional(data, known):
    """The exact mixture of x_2 given x_1 = known."""
    weights, means, covs = [], [], []
    for w, m, C in zip(data.weights, data.means, data.covs):
        away = known - m[0]
        weights.append(w * math.exp(-(away**2) / C[0, 0] / 2) / math.sqrt(C[0, 0]))
        means.append(m[1] + C[0, 1] / C[0, 0] * away)
        covs.append(C[1, 1] - C[0, 1] ** 2 / C[0, 0])
    return GaussianMixture(np.array(weights) / sum(weights), means, covs)


def normal(away, std):
    return np.exp(-((away / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def down(data, k, w, t, s):
    """p(u_s | u_t) on the grid, (G, G): a measured step, its known part averaged over k."""
    x = np.stack(np.broadcast_arrays(k[:, None], GRID), axis=-1).reshape(-1, 2)
    known, zero = np.full_like(x, KNOWN), np.zeros_like(x)
    means, ones = (
        step(data, x, known, t, s, [zero + z, zero])[:, 1].reshape(len(k), -1) for z in (0.0, 1.0)
    )
    kernels = (wi * normal(GRID[:, None] - mi, oi - mi) for wi, mi, oi in zip(w, means, ones))
    return sum(kernels) * SPACING


KNOWN, GRID = 0.2, np.linspace(-5.5, 5.5, 276)
SPACING = GRID[1] - GRID[0]


def test_on_a_mixture_the_density_nears_the_conditional_with_resampling():
    """Total variation at t = 1, the last time at which there is noise to make a kernel."""
    data = GaussianMixture(
        [0.5, 0.5],
        [[-0.6, -1.2], [0.6, 1.0]],
        [[[0.5, 0.2], [0.2, 0.2]], [[0.4, -0.1], [-0.1, 0.3]]],
    )
    z, w = np.polynomial.hermite_e.hermegauss(8)
    w = w / w.sum()
    densities = {1: normal(GRID, 1.0), 4: normal(GRID, 1.0), 16: normal(GRID, 1.0)}
    for t, s in pairwise(TIMES):
        # at T the known part is N(0, 1) like xT; later, and after going up, it is x0 noised to t
        noised = math.sqrt(PROCESS.alphas_bar[t]) * KNOWN
        noised = noised + math.sqrt(PROCESS.one_minus_alphas_bar[t]) * z
        later = down(data, noised, w, t, s)
        first = down(data, z, w, t, s) if t == 50 else later
        scale, spread = PROCESS.q_between(s, t)
        again = later @ (normal(GRID[:, None] - scale * GRID, math.sqrt(spread)) * SPACING)
        for resample, density in densities.items():
            density = first @ density
            for _ in range(resample - 1):
                density = again @ density
            densities[resample] = density
    exact = np.exp(conditional(data, KNOWN).noised(PROCESS, 1).logpdf(GRID))
    found = []
    for density in densities.values():
        assert abs(density.sum() * SPACING - 1) < 1e-3
        found.append(np.abs(density - exact).sum() * SPACING / 2)
    np.testing.assert_allclose(found, [0.131, 0.079, 0.032], atol=1e-3)

"""Samplers with the exact denoiser, against what is known in closed form.

Sample statistics alone accept a wrong sampler (an off-by-one in t even improves them), so a step is
compared with the exact kernel and a path with the exact flow (for densities: test_sampler_density).
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process

TWO = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])  # on the line
processes = st.sampled_from(
    [
        Process(schedules.linear(1000)),
        Process(schedules.cosine(50)),
        Process(schedules.linear(150)),
        Process(np.array([0, 0.3, 0.1, 0.9, 0.5])),
    ]
)


def gaussian(mean, variance):
    return GaussianMixture([1.0], [mean], [variance])


def c_n(process):
    return np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)


def kernel(sampler, process, model, t, s, **options):
    """(offset, slope, std) of one step t -> s that is N(offset + slope x, std^2), measured."""
    x, z = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    ts = [t, s] if s else [t]
    end, y = next(sampler(model, process, x, noise=lambda t, shape: z, ts=ts, **options))
    assert end == s
    np.testing.assert_allclose(y[2] - y[0], y[3] - y[1], atol=1e-12)
    return y[0], y[1] - y[0], y[2] - y[0]


# --- one step, for N(m, r) data, where all is Gaussian and linear

steps = st.tuples(processes, st.data(), st.floats(-3, 3), st.floats(0.01, 4))


def draw_step(data, process):
    t = data.draw(st.integers(1, process.T))
    return t, data.draw(st.sampled_from([t - 1, data.draw(st.integers(0, t - 1))]))


@given(steps)
def test_ancestral_step_is_the_exact_reverse_kernel(case):
    """q(x_s | x_t) is Gaussian conditioning of (x_s, x_t), with no step of DDPM's derivation.

    Its variance is beta-tilde + a^2 Var(x0 | x_t), given to the sampler as a table; the mean is
    that of every variance.
    """
    process, data, m, r = case
    t, s = draw_step(data, process)
    c, n = c_n(process)
    var_s, var_t = c[s] ** 2 * r + n[s] ** 2, c[t] ** 2 * r + n[t] ** 2
    slope = process.q_between(s, t)[0] * var_s / var_t  # Cov(x_s, x_t) = scale Var(x_s)
    a = process.posterior_weights(t, s)[0]
    optimal = process.posterior_weights(t, s)[2] + a**2 * r * n[t] ** 2 / var_t
    table = np.full(process.T + 1, optimal)
    model = gaussian(m, r).model(process)
    offset, measured, std = kernel(samplers.ddpm, process, model, t, s, variance=table)
    np.testing.assert_allclose(measured, slope, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(offset, m * (c[s] - slope * c[t]), rtol=1e-12, atol=1e-12)
    # Var(x_s | x_t) = Var(x_s) (1 - scale^2 Var(x_s) / Var(x_t)) = Var(x_s) beta / Var(x_t)
    expected = math.sqrt(var_s * process.q_between(s, t)[1] / var_t) if s else 0.0
    np.testing.assert_allclose(std, expected, rtol=1e-12, atol=1e-15)


@given(processes, st.data())
def test_the_fixed_variances_are_exact_where_they_are_said_to_be(process, data):
    t, s = draw_step(data, process)
    if s == 0:
        return
    point, noise = gaussian(0.7, 1e-14), gaussian(0.0, 1.0)
    var_t = process.one_minus_alphas_bar[t]
    beta = process.q_between(s, t)[1]
    _, _, std = kernel(samplers.ddpm, process, point.model(process), t, s)
    np.testing.assert_allclose(std**2, process.one_minus_alphas_bar[s] * beta / var_t, rtol=1e-12)
    _, slope, std = kernel(samplers.ddpm, process, noise.model(process), t, s, variance="beta")
    np.testing.assert_allclose([slope**2, std**2], [1 - beta, beta], rtol=1e-12, atol=1e-15)


@given(steps, st.floats(0, 1))
def test_ddim_step_on_a_gaussian(case, eta):
    """x0_hat - m = c r / V d and eps_hat = n / V d, with d = x_t - c m and V = c^2 r + n^2."""
    process, data, m, r = case
    t, s = draw_step(data, process)
    c, n = c_n(process)
    var_t, beta = c[t] ** 2 * r + n[t] ** 2, process.q_between(s, t)[1]
    std = eta * n[s] / n[t] * math.sqrt(beta)
    slope = (c[s] * c[t] * r + math.sqrt(n[s] ** 2 - std**2) * n[t]) / var_t
    model = gaussian(m, r).model(process)
    options = {"eta": eta} if eta else {}
    offset, measured, got = kernel(samplers.ddim, process, model, t, s, **options)
    # n_s^2 - std^2 above is a difference: where eta ~ 1 and beta ~ n_t^2 half its digits are lost
    np.testing.assert_allclose(measured, slope, rtol=1e-12, atol=1e-8 if eta else 0)
    np.testing.assert_allclose(offset, m * (c[s] - measured * c[t]), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(got, std, rtol=1e-12, atol=1e-15)


@given(steps)
def test_heun_step_on_a_gaussian(case):
    """dy/dsigma = sigma / (sigma^2 + r) (y - m): Heun's factor is written down at once."""
    process, data, m, r = case
    t, s = draw_step(data, process)
    c, n = c_n(process)
    sigma = n / c
    rate, h = sigma / (sigma**2 + r), sigma[s] - sigma[t]
    factor = 1 + h / 2 * (rate[t] + rate[s] * (1 + h * rate[t]))
    offset, slope, std = kernel(samplers.heun, process, gaussian(m, r).model(process), t, s)
    # h rate reaches sigma_t^2 / r = 2e6 and cancels to a factor of order 1
    tolerance = 1e-15 * (1 + abs(h * rate[t])) * (1 + abs(h * rate[s])) * c[s] / c[t]
    np.testing.assert_allclose(slope, factor * c[s] / c[t], rtol=1e-12, atol=10 * tolerance)
    np.testing.assert_allclose(offset, m * (c[s] - slope * c[t]), rtol=1e-12, atol=1e-12)
    assert std == 0


@given(processes, st.data(), st.floats(-3, 3), st.floats(0.01, 4), st.floats(0.01, 0.9))
def test_corrector_leaves_a_gaussian_nearly_alone(process, data, m, r, snr):
    """x <- x + e score + sqrt(2e) z on V = Var(x_s): V (1 - e / V)^2 + 2e = V + e^2 / V."""
    t, s = draw_step(data, process)
    if s == 0:
        return
    c, n = c_n(process)
    var_s = c[s] ** 2 * r + n[s] ** 2
    e = 2 * process.alphas[s] * (snr * n[s]) ** 2
    model = gaussian(m, r).model(process)
    plain = kernel(samplers.ddpm, process, model, t, s)
    # the predictor's noise is at t, the corrector's at s: one at a time
    ends = {}
    for at in (t, s, None):
        noise = lambda time, shape, at=at: np.full(shape, float(time == at))  # noqa: E731
        path = samplers.predictor_corrector(
            model, process, np.array([0.0, 1.0]), noise=noise, ts=[t, s], snr=snr, n_corrector=1
        )
        ends[at] = next(path)[1]
    shrink = 1 - e / var_s
    offset = plain[0] * shrink + e / var_s * c[s] * m
    np.testing.assert_allclose(ends[None][0], offset, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(ends[None][1] - ends[None][0], plain[1] * shrink, atol=1e-11)
    np.testing.assert_allclose(ends[t] - ends[None], plain[2] * shrink, atol=1e-11)
    np.testing.assert_allclose(ends[s] - ends[None], math.sqrt(2 * e), rtol=1e-11, atol=1e-11)


# --- whole chains


@pytest.mark.parametrize("variance, printed", [("posterior", 0.2461), ("beta", None)])
def test_mean_and_variance_of_a_whole_chain(variance, printed):
    """N(1.5, 0.25), T = 1000: the moments follow an affine recursion, without samples.

    The fixed variance beta-tilde is too small by a^2 Var(x0 | x_t) at each step, so the exact
    denoiser ends with 0.2461 instead of 0.25. The recursion below is from the data's moments alone.
    """
    process, m, r = Process(schedules.linear(1000)), 1.5, 0.25
    c, n = c_n(process)
    model, ts = gaussian(m, r).model(process), list(range(1000, 0, -1))
    mean, var = mean_k, var_k = 0.0, 1.0
    for t, s in pairwise([*ts, 0]):
        offset, slope, std = kernel(samplers.ddpm, process, model, t, s, variance=variance)
        mean, var = offset + slope * mean, slope**2 * var + std**2
        var_s, var_t = c[s] ** 2 * r + n[s] ** 2, c[t] ** 2 * r + n[t] ** 2
        k = math.sqrt(process.alphas[t]) * var_s / var_t
        added = {"posterior": process.posterior_variance, "beta": process.betas}[variance][t]
        mean_k = m * c[s] + k * (mean_k - m * c[t])
        var_k = k**2 * var_k + (added if s else 0)
    np.testing.assert_allclose([mean, var], [mean_k, var_k], rtol=1e-11)
    assert abs(mean - 1.5) < 5e-5
    if printed:
        assert abs(var - printed) < 5e-5


def cdf(mixture, x):
    return sum(
        w * ndtr((x - m) / math.sqrt(v))
        for w, m, v in zip(mixture.weights, mixture.means, mixture.covs)
    )


def quantile(mixture, u):
    """Bisection down to the last bit."""
    low, high = np.full(u.shape, -20.0), np.full(u.shape, 20.0)
    for _ in range(70):
        middle = (low + high) / 2
        below = cdf(mixture, middle) < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


def flow_error(sampler, process, counts, **options):
    """Root mean square error of x_0 against the exact flow, for each number of steps.

    On the line the flow of an ODE keeps the order of points, and so their quantiles: x_0 is the
    quantile of q(x_0) that x_T is of q(x_T).
    """
    u = (np.arange(41) + 0.5) / 41
    xT, x0 = quantile(TWO.noised(process, process.T), u), quantile(TWO, u)
    ends = [
        samplers.last(
            sampler(TWO.model(process), process, xT, ts=samplers.timesteps(process.T, k), **options)
        )
        for k in counts
    ]
    return np.array([math.sqrt(((end - x0) ** 2).mean()) for end in ends])


@pytest.mark.parametrize(
    "sampler, order, tolerance",
    [
        (samplers.euler, 1, 0.05),
        (samplers.ddim, 1, 0.05),
        (samplers.heun, 2, 0.1),
        (samplers.dpmpp_2m, 2, 0.2),
    ],
)
def test_order_of_convergence(sampler, order, tolerance):
    errors = flow_error(sampler, Process(schedules.linear(1000)), (64, 128, 256))
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), order, atol=tolerance)


def test_heun_keeps_its_order_as_T_grows_and_loses_it_by_ending_in_x0():
    """With T steps of a linear schedule sigma_1^2 ~ 1 / T: a last full step is of first order."""
    errors = {"ode": [], "x0": []}
    for T in (64, 128, 256):
        process = Process(schedules.linear(T, rescale=True))
        for end, found in errors.items():
            found.extend(flow_error(samplers.heun, process, [T], end=end))
    orders = {end: np.log2(np.divide(e[:-1], e[1:])) for end, e in errors.items()}
    np.testing.assert_allclose(orders["ode"], 2, atol=0.1)
    assert orders["x0"][-1] < 1.2


def test_off_by_one_in_t_is_seen_by_the_flow():
    process = Process(schedules.linear(1000))
    exact = TWO.model(process)
    early = lambda x, t: exact(x, np.maximum(t - 1, 1))  # noqa: E731
    u = (np.arange(41) + 0.5) / 41
    xT, x0 = quantile(TWO.noised(process, 1000), u), quantile(TWO, u)
    wrong = samplers.last(samplers.heun(early, process, xT, ts=samplers.timesteps(1000, 256)))
    right = flow_error(samplers.heun, process, [256])[0]
    assert math.sqrt(((wrong - x0) ** 2).mean()) > 10 * right


def test_ddim_invert_finds_the_noise():
    """Forth and back: exactly with the fixed point, to first order with one explicit step."""
    process = Process(schedules.linear(1000))
    model, x0 = TWO.model(process), np.array([-2.6, -2.0, -1.4, 1.4, 1.9, 2.6])
    gaps = []
    for k, refine in ((50, 0), (100, 0), (200, 0), (100, 20)):
        ts = samplers.timesteps(1000, k)
        path = list(samplers.ddim_invert(model, process, x0, ts=ts, refine=refine))
        assert [t for t, _ in path] == ts[::-1].tolist()
        back = samplers.last(samplers.ddim(model, process, path[-1][1], ts=ts))
        gaps.append(np.abs(back - x0).max())
    assert gaps[3] < 1e-12
    np.testing.assert_allclose(np.divide(gaps[:2], gaps[1:3]), 2, rtol=0.1)

"""Samplers with their noise given, against loops written by hand: bit by bit where the same algebra
is used, and to rounding where the published formula is written another way.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from sampler_cases import MIX, PROCESS, STRIDED

from tinydiff.diffusion import samplers


@pytest.fixture
def x(rng):
    return rng.standard_normal((5, 2))


def steps(ts=STRIDED):
    return pairwise([*ts, 0])


def c(t):
    return math.sqrt(PROCESS.alphas_bar[t])


def n(t):
    return math.sqrt(PROCESS.one_minus_alphas_bar[t])


@pytest.mark.parametrize("ts", [STRIDED, list(range(10, 0, -1))])
@pytest.mark.parametrize("variance", ["posterior", "beta", "table"])
def test_ddpm_is_the_loop_written_by_hand(variance, ts, x, rng):
    model, z = MIX.model(PROCESS), rng.standard_normal((11, *x.shape))
    table = np.append(np.nan, rng.random(10))  # entry 0 is never read
    given = table if variance == "table" else variance
    path = samplers.ddpm(model, PROCESS, x, noise=lambda t, _: z[t], ts=ts, variance=given)
    for (t, s), (_, y) in zip(steps(ts), path, strict=True):
        eps = model(x, t)
        mean, tilde = PROCESS.q_posterior(PROCESS.convert(eps, x, t, "eps", "x0"), x, t, s)
        scale, beta = PROCESS.q_between(s, t)
        printed = (
            x - beta / n(t) * eps
        ) / scale  # the paper's mean, with the step's own alpha, beta
        np.testing.assert_allclose(mean, printed, rtol=1e-9, atol=1e-9)
        sigma2 = {"posterior": tilde, "beta": beta, "table": table[t]}[variance]
        x = mean + float(np.sqrt(sigma2)) * z[t] if s else mean
        np.testing.assert_array_equal(y, x)


def test_ddpm_with_a_learned_variance_is_the_loop_written_by_hand(x, rng):
    z = rng.standard_normal((11, *x.shape))

    def model(xt, t):
        return np.concatenate([MIX.model(PROCESS)(xt, t), 0.5 + 0.4 * np.sin(xt)], axis=-1)

    path = samplers.ddpm(model, PROCESS, x, noise=lambda t, _: z[t], ts=STRIDED, variance="learned")
    for (t, s), (_, y) in zip(steps(), path, strict=True):
        eps, f = np.split(model(x, np.full(5, t)), 2, axis=-1)
        mean, tilde = PROCESS.q_posterior(PROCESS.convert(eps, x, t, "eps", "x0"), x, t, s)
        sigma2 = PROCESS.q_between(s, t)[1] ** f * tilde ** (1 - f)
        x = mean + np.sqrt(sigma2) * z[t] if s else mean
        # a power here, a logarithm there: equal to rounding, not bitwise
        np.testing.assert_allclose(y, x, rtol=1e-13, atol=1e-13)
        x = y


def test_a_table_of_zeros_is_no_noise_at_all(x, rng):
    model = MIX.model(PROCESS)
    still = samplers.ddpm(model, PROCESS, x, noise=lambda t, s: np.zeros(s))
    zeros = samplers.ddpm(model, PROCESS, x, noise=rng, variance=np.zeros(11))
    np.testing.assert_array_equal(samplers.last(still), samplers.last(zeros))


@pytest.mark.parametrize("f, expected", [(0.0, "posterior"), (1.0, "beta")])
def test_a_learned_variance_lies_between_the_two_fixed_ones(f, expected, x):
    def model(xt, t):
        return np.concatenate([MIX.model(PROCESS)(xt, t), np.full(xt.shape, f)], axis=-1)

    ends = [
        samplers.last(samplers.ddpm(m, PROCESS, x, noise=lambda t, s: np.ones(s), variance=v))
        for m, v in ((model, "learned"), (MIX.model(PROCESS), expected))
    ]
    np.testing.assert_allclose(*ends, rtol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim_is_equation_12_written_by_hand(eta, x, rng):
    model, z = MIX.model(PROCESS), rng.standard_normal((11, *x.shape))
    path = samplers.ddim(model, PROCESS, x, noise=lambda t, _: z[t], ts=STRIDED, eta=eta)
    for (t, s), (_, y) in zip(steps(), path, strict=True):
        eps = model(x, t)
        # printed as sigma = eta sqrt((1 - ab_s) / (1 - ab_t)) sqrt(1 - ab_t / ab_s)
        sigma = eta * n(s) / n(t) * math.sqrt(1 - c(t) ** 2 / c(s) ** 2)
        x0 = (x - n(t) * eps) / c(t)
        x = c(s) * x0 + math.sqrt(n(s) ** 2 - sigma**2) * eps + sigma * z[t]
        np.testing.assert_allclose(y, x, rtol=1e-12, atol=1e-12)
        x = y


@pytest.mark.parametrize("ts", [STRIDED, None])
def test_ddim_with_eta_1_is_ddpm(ts, x, rng):
    z = rng.standard_normal((11, *x.shape))
    options = {"noise": lambda t, _: z[t], "ts": ts}
    ddim = samplers.ddim(MIX.model(PROCESS), PROCESS, x, eta=1.0, **options)
    ddpm = samplers.ddpm(MIX.model(PROCESS), PROCESS, x, variance="posterior", **options)
    for (_, a), (_, b) in zip(ddim, ddpm, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


def test_euler_heun_and_2m_are_their_formulas_in_sigma_and_lambda(x):
    model = MIX.model(PROCESS)
    sigma = [n(t) / c(t) for t in range(11)]
    lam = [math.inf] + [-math.log(u) for u in sigma[1:]]
    paths = [
        list(sampler(model, PROCESS, x, ts=STRIDED))
        for sampler in (samplers.euler, samplers.heun, samplers.dpmpp_2m)
    ]
    y_euler = y_heun = x / c(10)
    multi, before = x, None
    for i, (t, s) in enumerate(steps()):
        h = sigma[s] - sigma[t]
        y_euler = y_euler + h * model(c(t) * y_euler, t)
        np.testing.assert_allclose(paths[0][i][1], c(s) * y_euler, rtol=1e-10, atol=1e-10)
        d = model(c(t) * y_heun, t)
        d_s = model(c(s) * (y_heun + h * d), s) if s else 0.0
        y_heun = y_heun + h * (d + d_s) / 2
        np.testing.assert_allclose(paths[1][i][1], c(s) * y_heun, rtol=1e-10, atol=1e-10)
        x0 = (multi - n(t) * model(multi, t)) / c(t)
        if s:
            h = lam[s] - lam[t]
            D = x0 if before is None else x0 + (x0 - before[0]) * h / (2 * before[1])
            multi, before = n(s) / n(t) * multi - c(s) * math.expm1(-h) * D, (x0, h)
        else:
            multi = (multi / c(t) + x0) / 2
        np.testing.assert_allclose(paths[2][i][1], multi, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sampler", [samplers.heun, samplers.dpmpp_2m])
def test_end_x0_returns_the_denoised_mean(sampler, x):
    path = list(sampler(MIX.model(PROCESS), PROCESS, x, ts=STRIDED, end="x0"))
    x0 = MIX.mean_x0(PROCESS, path[-2][1], STRIDED[-1])
    np.testing.assert_allclose(path[-1][1], x0, rtol=1e-12)


def test_the_corrector_is_langevin_dynamics_written_by_hand(x):
    model, snr = MIX.model(PROCESS, "score"), 0.3
    path = samplers.predictor_corrector(
        model, PROCESS, x, noise=np.random.default_rng(4), snr=snr, n_corrector=2, ts=STRIDED,
        variance="beta", predicts="score",
    )  # fmt: skip
    rng = np.random.default_rng(4)
    for (t, s), (_, y) in zip(steps(), path, strict=True):
        x0 = PROCESS.convert(model(x, t), x, t, "score", "x0")
        x = PROCESS.q_posterior(x0, x, t, s)[0]
        if s:
            x = x + math.sqrt(PROCESS.q_between(s, t)[1]) * rng.standard_normal(x.shape)
            e = float(2 * PROCESS.alphas[s] * snr**2 * PROCESS.one_minus_alphas_bar[s])
            for _ in range(2):
                x = x + e * model(x, s) + math.sqrt(2 * e) * rng.standard_normal(x.shape)
        np.testing.assert_array_equal(y, x)


def test_inpaint_is_the_loop_written_by_hand(x):
    model, known = MIX.model(PROCESS), np.tile([0.7, -0.4], (5, 1))
    mask = np.array([True, False])
    path = samplers.inpaint(
        model,
        PROCESS,
        x,
        x0=known,
        mask=mask,
        noise=np.random.default_rng(4),
        resample=3,
        ts=STRIDED,
    )
    rng = np.random.default_rng(4)
    for (t, s), (_, y) in zip(steps(), path, strict=True):
        scale, spread = PROCESS.q_between(s, t)
        for visit in range(3 if s else 1):
            if visit:
                x = scale * x + math.sqrt(spread) * rng.standard_normal(x.shape)
            x0 = PROCESS.convert(model(x, t), x, t, "eps", "x0")
            x, variance = PROCESS.q_posterior(x0, x, t, s)
            if s:
                x = x + math.sqrt(variance) * rng.standard_normal(x.shape)
            noised = known if not s else PROCESS.q_sample(known, s, rng.standard_normal(x.shape))
            x = np.where(mask, noised, x)
        np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(x[:, 0], 0.7)


@pytest.mark.parametrize("options", [{}, {"refine": 0}, {"refine": 1}, {"refine": 3}])
def test_ddim_invert_is_the_fixed_point_iteration_written_by_hand(options, x):
    model = MIX.model(PROCESS)
    path = samplers.ddim_invert(model, PROCESS, x, ts=STRIDED, **options)
    for (s, t), (at, y) in zip(pairwise([0, *STRIDED[::-1]]), path, strict=True):
        x_t = x
        for _ in range(1 + options.get("refine", 0)):
            x_t = c(t) * (x / c(s) + (n(t) / c(t) - n(s) / c(s)) * model(x_t, t))
        assert at == t
        np.testing.assert_allclose(y, x_t, rtol=1e-12, atol=1e-12)
        x = x_t


def test_what_is_done_unless_asked_otherwise(x):
    """One corrector step, one visit, no noise in ddim, the middle of the last ODE step."""
    model = MIX.model(PROCESS)
    known = {"x0": x * 0 + 0.25, "mask": np.array([True, False])}
    for sampler, needed, default in (
        (samplers.predictor_corrector, {"snr": 0.2}, {"n_corrector": 1}),
        (samplers.inpaint, known, {"resample": 1}),
        (samplers.ddim, {}, {"eta": 0.0}),
        (samplers.heun, {}, {"end": "ode"}),
        (samplers.dpmpp_2m, {}, {"end": "ode"}),
    ):
        given, left_out = (
            samplers.last(
                sampler(model, PROCESS, x, noise=np.random.default_rng(2), ts=STRIDED, **options)
            )
            for options in (needed | default, needed)
        )
        np.testing.assert_array_equal(given, left_out)


@pytest.mark.parametrize("name", ["ddpm", "predictor_corrector", "inpaint"])
def test_a_learned_variance_is_the_second_half_of_the_last_axis(name, rng):
    """With f = 1 it is beta, whatever the other axes: all of them differ in size here."""
    x = rng.standard_normal((5, 3, 2))

    def both(xt, t):
        return np.concatenate([xt * 0.5, np.ones_like(xt)], axis=-1)

    options = {
        "ddpm": {},
        "predictor_corrector": {"snr": 0.2},
        "inpaint": {"x0": x * 0 + 0.25, "mask": np.array([True, False])},
    }[name]
    ends = [
        samplers.last(
            getattr(samplers, name)(
                model, PROCESS, x, noise=np.random.default_rng(7), variance=variance, **options
            )
        )
        for model, variance in ((both, "learned"), (lambda xt, t: xt * 0.5, "beta"))
    ]
    np.testing.assert_allclose(*ends, rtol=1e-11, atol=1e-11)

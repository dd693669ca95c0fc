"""L_0 for discrete data: exact bins against mpmath, and what the tanh approximation costs."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

import tinydiff as td
from tinydiff.backend import to_host
from tinydiff.diffusion import bound, decoder, schedules
from tinydiff.diffusion.process import Process


def log_bin(k, mean, sigma, levels):
    """log of the bin's mass with 60 digits; mpmath's erfc has no cancellation to hide."""
    with mpmath.workdps(60):
        mean, sigma = mpmath.mpf(mean), mpmath.mpf(sigma)
        x, h = -1 + mpmath.mpf(2 * k) / (levels - 1), mpmath.mpf(1) / (levels - 1)
        z = [(x + s * h - mean) / (sigma * mpmath.sqrt(2)) for s in (-1, 1)]
        if z[0] + z[1] < 0:  # the mirror image, so that the tail is the upper one
            z = [-z[1], -z[0]]
            low, high = k == levels - 1, k == 0
        else:
            low, high = k == 0, k == levels - 1
        mass = (2 if low else mpmath.erfc(z[0])) - (0 if high else mpmath.erfc(z[1]))
        return float(mpmath.log(mass / 2))


@given(
    levels=st.sampled_from([2, 3, 17, 256, 65536]),
    at=st.floats(0, 1),
    mean=st.floats(-1.5, 1.5),
    log_sigma=st.floats(-12, 1),
)
def test_bins_to_the_last_digits(levels, at, mean, log_sigma):
    k = round(at * (levels - 1))
    x = np.array([-1 + 2 * k / (levels - 1)])
    left = decoder.discretized(x, np.array([mean]), np.array([2 * log_sigma]), levels)
    right = log_bin(k, mean, np.exp(log_sigma), levels)
    # d log p / d log sigma <= z^2 ~ 2 |log p|, and u = 1e-16 in z (x +- h - mean cancels once);
    # a bin much narrower than sigma is a difference of logs, log p off by u / (h / sigma)
    slope = 1e-16 * (levels * np.exp(log_sigma) + 4 / np.exp(log_sigma))
    np.testing.assert_allclose(left[0], right, rtol=1e-12, atol=1e-12 + 40 * slope)


@pytest.mark.parametrize("name", ["discretized", "tanh"])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_probabilities_of_the_levels_add_up_to_one(name, levels, rng):
    x = np.linspace(-1, 1, levels)
    mean, log_var = rng.uniform(-1.2, 1.2, (5, 1)), rng.uniform(-9, 1, (5, 1))
    p = np.exp(getattr(decoder, name)(x + 0 * mean, mean + 0 * x, log_var + 0 * x, levels))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-13)


def test_what_the_tanh_approximation_costs():
    """The figures of its docstring."""
    z = np.linspace(-6, 6, 4001)
    approximation = (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))) / 2
    assert np.abs(approximation - norm.cdf(z)).max() == pytest.approx(1.8e-4, abs=0.05e-4)
    x = np.linspace(-1, 1, 256)
    narrow = [(1 / 255, 2, -0.107), (1 / 255, 3, -1.83), (1 / 255, 5, -22.8)]
    wide = [(0.05, 19, -0.0348), (0.05, 26, -0.467), (0.05, 32, -1.555)]  # 3, 4 and 5 sigma
    for sigma, bins, cost in narrow + wide:
        args = x[128 + bins : 129 + bins], x[128:129], np.array([2 * np.log(sigma)])
        error = decoder.tanh(*args) - decoder.discretized(*args)
        assert error[0] == pytest.approx(cost, rel=6e-3)


@pytest.mark.parametrize("name", ["discretized", "tanh"])
def test_gradients(name, rng):
    levels = 9
    x = np.linspace(-1, 1, levels)
    mean, log_var = x + rng.uniform(-0.4, 0.4, levels), rng.uniform(-4, 0, levels)

    def f(mean, log_var):
        return getattr(decoder, name)(x, mean, log_var, levels)

    td.gradcheck(f, mean, log_var, rng=rng)


def test_gradients_stay_finite_far_out_in_the_tails():
    x, mean = np.linspace(-1, 1, 17), td.Tensor(np.full(17, 0.1), requires_grad=True)
    log_var = td.Tensor(np.full(17, -30.0), requires_grad=True)
    td.sum(decoder.discretized(x, mean, log_var, 17)).backward()
    assert np.isfinite(mean.grad).all() and np.isfinite(log_var.grad).all()


@pytest.mark.parametrize("name", ["discretized", "tanh"])
def test_terms_decodes_the_last_step(name, rng, xp):
    process, levels = Process(schedules.linear(3, 0.02, 0.3)), 17
    x0 = (rng.integers(0, levels, (4, 3)) / 8.0 - 1).astype(np.float32)
    eps = rng.standard_normal((4, *x0.shape)).astype(np.float32)
    table = np.array([0, 0.03, 0.05, 0.2])

    def model(xt, t):
        return xt * 0.5

    def evaluate(x0, **more):
        return bound.terms(
            model, process, x0, noise=lambda t, s: xp.asarray(eps[np.max(t)]), predicts="x0",
            variance=table, **more,
        )  # fmt: skip

    b = evaluate(xp.asarray(x0), decoder=name, levels=levels)
    x1 = process.q_sample(x0.astype(float), 1, eps[1].astype(float))
    x0_hat = (x1.astype(np.float32) * 0.5).astype(float)
    log_var = np.full(x0.shape, np.log(0.03))
    right = -getattr(decoder, name)(x0.astype(float), x0_hat, log_var, levels).sum(axis=1)
    np.testing.assert_allclose(b.L[:, 1], right, rtol=1e-6)  # the model sees x1 in float32
    gaussian = evaluate(xp.asarray(x0))
    np.testing.assert_allclose(b.L[:, 2:], gaussian.L[:, 2:], rtol=1e-14)
    assert (np.abs(b.L[:, 1] - gaussian.L[:, 1]) > 0.1).all()
    # a t of each row: only the rows at t = 1 are decoded
    draws = np.array([1, 2, 3, 1]), np.ones(4)
    mixed = bound.terms(
        model, process, xp.asarray(x0), predicts="x0", variance=table, decoder=name, levels=levels,
        noise=lambda t, s: xp.asarray(np.stack([eps[k, i] for i, k in enumerate(t)])), ts=draws,
    )  # fmt: skip
    np.testing.assert_allclose(mixed.L[[0, 3], 1], b.L[[0, 3], 1], rtol=1e-12)
    np.testing.assert_allclose(mixed.L[1, 2], b.L[1, 2], rtol=1e-12)
    np.testing.assert_allclose(mixed.L[2, 3], b.L[2, 3], rtol=1e-12)


def test_fine_levels_approach_the_density():
    """With h << sigma the mass is 2h times the density: L_0 - L_0(Gaussian) = -log 2h."""
    levels = 2**14 + 1
    process = Process(schedules.linear(1, 0.1, 0.1))
    x0, eps = np.array([[0.25, -0.5]]), np.array([[0.3, -1.1]])

    def evaluate(**more):
        return bound.terms(
            lambda xt, t: xt * 0.9, process, x0, noise=lambda t, s: eps, predicts="x0", **more
        ).total[0]

    exact, density = evaluate(decoder="discretized", levels=levels), evaluate()
    # the next term of the mid-point rule is h^2 (z^2 - 1) / (6 sigma^2) ~ 1e-7 for each pixel
    assert exact - density == pytest.approx(-2 * np.log(2 / (levels - 1)), abs=1e-6)


def test_bad_data_and_names_are_refused():
    process, noise = Process(schedules.linear(2, 0.1, 0.2)), np.random.default_rng(0)

    def evaluate(x0, **more):
        return bound.terms(lambda xt, t: xt, process, np.array([x0]), noise=noise, **more)

    for x0, levels in (([0.3, 1.0], 17), ([2.0, -1.0], 17), ([0.0625, 1.0], 17),
                       ([-1.001, 1.0], 2), ([-1.0, 1.001], 2), ([0.0, 255.0], 256)):
        with pytest.raises(ValueError, match=f"data on {levels} equally spaced values from -1"):
            evaluate(x0, decoder="discretized", levels=levels)
    for levels in (2, np.int64(2)):
        decoder.check_levels(np.array([-1.0, 1.0, 1.0]), levels)
    decoder.check_levels(np.array([-1.0009, 1.0009]), 2)  # rounded pixels are pixels
    decoder.check_levels((np.arange(16) + 0.009) / 8 - 1, 17)
    with pytest.raises(ValueError, match="steps away from them"):
        decoder.check_levels((np.arange(16) + 0.011) / 8 - 1, 17)
    for levels in (1, 16.0, True):
        with pytest.raises(ValueError, match="levels must be an int >= 2"):
            evaluate([0.0, 1.0], decoder="tanh", levels=levels)
    with pytest.raises(ValueError, match="unknown decoder 'logistic': expected gaussian, "):
        evaluate([0.0, 1.0], decoder="logistic")


def test_float32_on_each_device(xp, rng):
    x = np.linspace(-1, 1, 17)
    mean, log_var = rng.uniform(-1, 1, 17), rng.uniform(-8, 0, 17)
    single = (xp.asarray(a.astype(np.float32)) for a in (x, mean, log_var))
    single, double = decoder.discretized(*single, 17), decoder.discretized(x, mean, log_var, 17)
    assert single.dtype == np.float32
    # log p ~ -z^2 / 2, and z = (x - mean) / sigma is off by some u / sigma = 4e-6 with u = 6e-8
    np.testing.assert_allclose(to_host(single), double, rtol=2e-5)

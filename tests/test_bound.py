"""The bound: its terms against an exact chain, five forms of one term, and three variances."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process

SCHEDULES = [
    schedules.linear(1000),
    schedules.linear(20, 1e-3, 0.5),
    schedules.cosine(50),
    schedules.sigmoid(7),
    schedules.linear(1, 0.3, 0.3),
]
PREDICTIONS = ["eps", "x0", "v", "score", "mu"]


def linear_denoiser(process, gain, predicts="eps"):
    """The model x0_hat = gain[t] x_t, as a model that predicts anything."""

    def model(xt, t):
        x0_hat = xt * gain[t].reshape((-1,) + (1,) * (xt.ndim - 1))
        return process.convert(x0_hat, xt, t, "x0", predicts)

    return model


def signs(t, shape):
    """eps = +1, -1 in turn: the mean over such rows of a quadratic in eps is its expectation."""
    return np.broadcast_to(np.resize([1.0, -1.0], shape[0])[:, None], shape)


def chain_bound(process, x0, gain, variance):
    """-E log p(x_0 ... x_T) / q(x_1 ... x_T | x_0) for x0_hat = gain[t] x_t, one number x0.

    Before any rearrangement: the chain x_1 ... x_T given x0 has a mean and a covariance, by the
    recursion of its steps, and log p - log q is a sum of squares of linear functions of it.
    """
    T, alphas, betas = process.T, process.alphas, process.betas
    mean, cov = np.zeros(T + 1), np.zeros((T + 1, T + 1))
    mean[0] = x0
    for t in range(1, T + 1):
        mean[t] = math.sqrt(alphas[t]) * mean[t - 1]
        cov[t, :t] = cov[:t, t] = math.sqrt(alphas[t]) * cov[t - 1, :t]
        cov[t, t] = alphas[t] * cov[t - 1, t - 1] + betas[t]

    def surprise(row, var):
        """E of -log N(row . x; 0, var)."""
        square = (row @ mean) ** 2 + row @ cov @ row
        return 0.5 * (math.log(2 * math.pi * var) + square / var)

    unit = np.eye(T + 1)
    total = surprise(unit[T], 1.0)
    for t in range(1, T + 1):
        a = math.sqrt(process.alphas_bar[t - 1]) * betas[t] / process.one_minus_alphas_bar[t]
        b = (
            math.sqrt(alphas[t]) * process.one_minus_alphas_bar[t - 1]
            / process.one_minus_alphas_bar[t]
        )  # fmt: skip
        total += surprise(unit[t - 1] - (a * gain[t] + b) * unit[t], variance[t])
        total -= surprise(unit[t] - math.sqrt(alphas[t]) * unit[t - 1], betas[t])
    return total


@pytest.mark.parametrize("predicts", PREDICTIONS)
@pytest.mark.parametrize("T", [1, 2, 5, 12])
def test_terms_add_up_to_the_bound_before_any_rearrangement(T, predicts, rng):
    process = Process(schedules.linear(T, 0.05, 0.4))
    gain = rng.uniform(-0.5, 1.5, T + 1)
    variance = np.append(0, rng.uniform(0.01, 2.0, T))
    x0 = np.array([[1.3], [1.3]])
    b = bound.terms(
        linear_denoiser(process, gain, predicts), process, x0,
        noise=signs, variance=variance, predicts=predicts,
    )  # fmt: skip
    # two rows with eps = 1 and -1 are the exact expectation; only rounding is left
    assert b.total.mean() == pytest.approx(chain_bound(process, 1.3, gain, variance), rel=1e-11)


@pytest.mark.parametrize("betas", SCHEDULES)
def test_the_bound_of_gaussian_data_is_tight_with_the_optimal_variance(betas):
    """The reverse of a Gaussian chain is Gaussian: only q(x_T) differs from N(0, I)."""
    process, var = Process(betas), 0.6
    ab, noise = process.alphas_bar, process.one_minus_alphas_bar
    marginal = ab * var + noise
    gain, var_x0 = np.sqrt(ab) * var / marginal, var * noise / marginal
    x0 = np.sqrt(var) * np.array([[1.0], [1.0], [-1.0], [-1.0]])  # E x0^2 = var, and with eps
    model = linear_denoiser(process, gain)  # = 1, -1, 1, -1: E x0 eps = 0
    b = bound.terms(model, process, x0, noise=signs, variance="optimal", var_x0=var_x0)
    entropy = 0.5 * np.log(2 * np.pi * np.e * var)
    kl_T = 0.5 * (marginal[-1] - 1 - np.log(marginal[-1]))
    # 1000 terms of about 1e-3, and logarithms of beta-tilde ~ 1e-4: some 1e-12 of rounding
    assert b.total.mean() == pytest.approx(entropy + kl_T, abs=1e-11)
    for other in ("posterior", "beta"):
        worse = bound.terms(model, process, x0, noise=signs, variance=other)
        assert worse.total.mean() > b.total.mean() - 1e-11


def test_terms_by_hand(rng):
    """Each entry of L against SciPy's densities, for data of several dimensions."""
    process = Process(schedules.linear(6, 0.01, 0.4))
    x0 = rng.standard_normal((3, 2, 4))
    eps = rng.standard_normal((7, *x0.shape))
    gain = rng.uniform(0, 1, 7)
    table = np.append(0, rng.uniform(0.01, 0.5, 6))
    b = bound.terms(
        linear_denoiser(process, gain), process, x0, noise=lambda t, shape: eps[t], variance=table
    )
    assert b.L.shape == (3, 7) and b.L_T.shape == b.total.shape == (3,) and (b.L[:, 0] == 0).all()
    for t in range(1, 7):
        xt = process.q_sample(x0, t, eps[t])
        mean, _ = process.q_posterior(gain[t] * xt, xt, t)
        if t == 1:
            right = -norm.logpdf(x0, mean, np.sqrt(table[1]))
        else:
            true_mean, var = process.q_posterior(x0, xt, t)
            right = -norm.entropy(scale=np.sqrt(var)) + 0.5 * (
                np.log(2 * np.pi * table[t]) + (var + (mean - true_mean) ** 2) / table[t]
            )
        np.testing.assert_allclose(b.L[:, t], right.sum(axis=(1, 2)), rtol=1e-11, atol=1e-11)
    scale, sigma = np.sqrt(process.alphas_bar[6]), np.sqrt(process.one_minus_alphas_bar[6])
    kl = 0.5 * (sigma**2 + scale**2 * x0**2 - 1 - np.log(sigma**2))
    np.testing.assert_allclose(b.L_T, kl.sum(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(b.total, b.L_T + b.L.sum(axis=1), rtol=1e-14)
    assert b.bits_per_dim == pytest.approx(b.total.mean() / (8 * np.log(2)), rel=1e-14)
    assert b.stderr == pytest.approx(b.total.std(ddof=1) / 3**0.5, rel=1e-12)


@given(
    which=st.integers(0, 3), at=st.floats(0, 1), x0=st.floats(-3, 3), eps=st.floats(-3, 3),
    error=st.floats(0.01, 2), ratio=st.floats(0.3, 3),
)  # fmt: skip
def test_forms_of_a_term_agree(which, at, x0, eps, error, ratio):
    process = Process(SCHEDULES[which])
    t = 2 + int(at * (process.T - 2))
    x0, eps = np.full((1, 3), x0), np.full((1, 3), eps)
    xt = process.q_sample(x0, t, eps)
    eps_hat = eps + error
    x0_hat = process.convert(eps_hat, xt, t, "eps", "x0")
    mean_q, var = process.q_posterior(x0, xt, t)
    mean_p, _ = process.q_posterior(x0_hat, xt, t)
    left = bound.snr_form(process, t, eps, eps_hat)
    # the means differ by a (x0 - x0_hat), some 1e-4 of themselves: 1e-12 of that, squared
    np.testing.assert_allclose(bound.kl_form(mean_q, var, mean_p, var), left, rtol=1e-8)
    np.testing.assert_allclose(bound.x0_form(process, t, x0, x0_hat), left, rtol=1e-8)
    np.testing.assert_allclose(bound.eps_form(process, t, eps, eps_hat), left, rtol=1e-8)

    def rate(gamma):
        """Per unit of gamma with x0_hat held fixed: |eps - eps_hat|^2 = SNR |x0 - x0_hat|^2."""
        error = np.exp(-gamma / 2) * (x0_hat - x0)
        return bound.continuous_form(1.0, np.zeros_like(x0), error)[0]

    integral, _ = quad(rate, -process.log_snr[t - 1], -process.log_snr[t], epsrel=1e-11)
    assert integral == pytest.approx(left[0], rel=1e-8)
    # another variance: the eps form and the constant that it leaves out
    table = process.posterior_variance * ratio
    table[:2] = 1.0
    constant = 3 * (np.log(ratio) + 1 / ratio - 1) / 2
    left = bound.kl_form(mean_q, var, mean_p, var * ratio)
    right = bound.eps_form(process, t, eps, eps_hat, variance=table) + constant
    np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-13)
    b = bound.terms(
        lambda xt, t: eps_hat, process, x0, noise=lambda t, s: eps, ts=[t], variance=table
    )
    np.testing.assert_allclose(b.L[:, t], left, rtol=1e-8, atol=1e-13)


def test_the_kl_form_is_the_integral():
    mean_q, var_q, mean_p, var_p = 0.3, 0.8, -0.4, 1.7

    def integrand(x):
        q, p = norm(mean_q, var_q**0.5), norm(mean_p, var_p**0.5)
        return q.pdf(x) * (q.logpdf(x) - p.logpdf(x))

    left = bound.kl_form(np.array([mean_q]), var_q, np.array([mean_p]), var_p)[0]
    assert left == pytest.approx(quad(integrand, -12, 12, epsabs=1e-13)[0], rel=1e-10)


def test_a_t_of_each_row_is_as_good_as_one_t(rng):
    process = Process(SCHEDULES[1])
    t = np.array([2, 9, 20])
    a, b = rng.standard_normal((2, 3, 2))
    for form in (bound.x0_form, bound.eps_form, bound.snr_form):
        rows = [form(process, int(s), a[i : i + 1], b[i : i + 1])[0] for i, s in enumerate(t)]
        np.testing.assert_allclose(form(process, t, a, b), rows, rtol=1e-14)
        with pytest.raises(ValueError, match="t must lie in 2"):
            form(process, 1, a, b)


# --- the mixture 1/2 N(-2, .3^2) + 1/2 N(2, .3^2) with its exact denoiser

MIXTURE = GaussianMixture([0.5, 0.5], [[-2.0], [2.0]], [0.09, 0.09])


def least_errors(process):
    """E Var(x0 | x_t) of the mixture for t = 0 ... T, by the trapezoidal rule.

    Given its component, x_t ~ N(+-2s, V) with V = s^2 0.09 + n^2, x0 has variance 0.09 n^2 / V and
    mean +-2 n^2 / V + const; the components' probabilities differ by tanh(2 s x_t / V).
    """
    s, noise = np.sqrt(process.alphas_bar), process.one_minus_alphas_bar
    V = s**2 * 0.09 + noise
    z = np.linspace(-9, 9, 721)[:, None]
    between = np.tanh(2 * s * (2 * s + np.sqrt(V) * z) / V)
    mean = (norm.pdf(z) * (1 - between**2)).sum(axis=0) * (z[1] - z[0])
    return 0.09 * noise / V + (2 * noise / V) ** 2 * mean


def exact_gap(process, variance):
    """The bound of the exact denoiser less the entropy: Rows.nats at the mean squared error."""
    every, errors = np.arange(1, process.T + 1), least_errors(process)
    row = bound.rows(process, every, np.zeros(process.T), predicts="x0")
    table = bound.variances(process, variance, errors)
    log_ratio = np.log(table[1:] / bound.variances(process)[1:])
    ab = process.alphas_bar[-1]
    L_T = 0.5 * (ab * (4.09 - 1) - np.log1p(-ab))
    return row.nats(errors[1:], log_ratio).sum() + L_T - MIXTURE.entropy()


GAPS = {
    (50, 2e-3, 0.4): {"posterior": 1.763, "beta": 0.1137, "optimal": 0.0494},
    (100, 1e-3, 0.2): {"posterior": 1.167, "beta": 0.0566, "optimal": 0.0237},
    (200, 5e-4, 0.1): {"posterior": 0.814, "beta": 0.0282, "optimal": 0.0116},
    (1000, 1e-4, 0.02): {"posterior": 0.449, "beta": 0.0056, "optimal": 0.0023},
}


@pytest.mark.parametrize("betas", GAPS)
def test_what_each_variance_costs(betas):
    process = Process(schedules.linear(*betas))
    for variance, gap in GAPS[betas].items():
        last_digit = 1e-4 if gap < 0.2 else 1e-3
        assert exact_gap(process, variance) == pytest.approx(gap, abs=0.51 * last_digit)


@pytest.mark.parametrize(
    ("betas", "n"), [(betas, 4000) for betas in list(GAPS)[:2]]
    + [pytest.param((1000, 1e-4, 0.02), 2000, marks=pytest.mark.slow)],
)  # fmt: skip
def test_terms_estimates_the_bound_of_the_mixture(betas, n, rng):
    process = Process(schedules.linear(*betas))
    model = MIXTURE.model(process, "v")
    for variance in ("posterior", "beta", "optimal"):
        args = {"noise": rng, "variance": variance, "predicts": "v"}
        b = bound.terms(model, process, MIXTURE.sample(n, rng), **args)
        exact = exact_gap(process, variance) + MIXTURE.entropy()
        assert abs(b.total.mean() - exact) < 4 * b.stderr  # fails by chance once in 15,000
        assert b.stderr < 0.06  # of 0.9 ... 2.7 nats
        assert MIXTURE.bound(process, variance).total[0] == pytest.approx(exact, abs=1e-9)


def test_optimal_variance_from_the_other_rows(rng):
    process = Process(schedules.linear(5, 0.05, 0.4))
    x0 = rng.standard_normal((6, 2))
    eps = rng.standard_normal((6, *x0.shape))
    gain = rng.uniform(0, 1, 6)
    model = linear_denoiser(process, gain, "v")
    b = bound.terms(
        model, process, x0, noise=lambda t, s: eps[t], variance="optimal", predicts="v"
    )
    for t in range(1, 6):
        xt = process.q_sample(x0, t, eps[t])
        errors = ((x0 - gain[t] * xt) ** 2).mean(axis=1)
        for i in range(6):
            a = math.sqrt(process.alphas_bar[t - 1]) * process.betas[t]
            a /= process.one_minus_alphas_bar[t]
            table = np.full(6, a**2 * np.delete(errors, i).mean() + process.posterior_variance[t])
            one = bound.terms(
                model, process, x0[i : i + 1], noise=lambda t, s, i=i: eps[t][i : i + 1],
                ts=[t], variance=table, predicts="v",
            )  # fmt: skip
            assert b.L[i, t] == pytest.approx(one.L[0, t], rel=1e-10)


def test_two_rows_are_enough_for_the_optimal_variance():
    process, x0 = Process(schedules.linear(1, 0.2, 0.2)), np.array([[1.0], [3.0]])
    args = {"noise": lambda t, s: 0 * x0, "variance": "optimal", "predicts": "x0"}
    b = bound.terms(lambda xt, t: 0 * xt, process, x0, **args)
    for i, (own, other) in enumerate([(1.0, 9.0), (9.0, 1.0)]):
        assert b.L[i, 1] == pytest.approx(0.5 * np.log(2 * np.pi * other) + own / (2 * other))


def test_the_constant_that_a_fixed_larger_variance_costs():
    """With sigma^2 = beta the weighted squared errors alone miss this much at T = 1000."""
    process = Process(schedules.linear(1000))
    t = np.arange(2, 1001)
    row = bound.rows(process, t, np.zeros(999))
    ratio = process.betas[t] / process.posterior_variance[t]
    dropped = row.nats(0.0 * ratio, np.log(ratio)).sum()
    np.testing.assert_allclose(dropped, ((np.log(ratio) + 1 / ratio - 1) / 2).sum(), rtol=1e-12)
    assert dropped == pytest.approx(0.33716, abs=1e-5)
    assert dropped / np.log(2) == pytest.approx(0.486, abs=5e-4)  # bits per dimension

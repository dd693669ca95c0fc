"""Steps of noise composed, and what the Gaussian algebra gives at once: Kalman filter and PPCA."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from tinydiff.diffusion import schedules
from tinydiff.diffusion.process import Process
from tinydiff.gaussian import Gaussian, Step, compose, kalman, noising, ppca

U = np.finfo(float).eps / 2

betas_of = st.lists(st.floats(1e-6, 0.999), min_size=1, max_size=40)


def test_two_steps_are_the_integral_over_the_point_between(rng):
    first, second = noising(0.3), Step(0.6, 0.5)
    x, z = 0.4, -0.8

    def path(y):
        a = Gaussian(first.scale * x, first.variance).pdf(y)
        return a * Gaussian(second.scale * y, second.variance).pdf(z)

    both = first.then(second)
    direct = Gaussian(both.scale * x, both.variance).pdf(z)
    np.testing.assert_allclose(direct, quad(path, -20, 20, epsabs=1e-14)[0], rtol=1e-10)
    law = first.push(Gaussian([1.0, 2.0], [0.5, 0.0]))
    np.testing.assert_allclose(law.mean, np.sqrt(0.7) * np.array([1.0, 2.0]), rtol=1e-15)
    np.testing.assert_allclose(law.cov, [0.7 * 0.5 + 0.3, 0.3], rtol=1e-15)


@given(betas_of, st.data())
def test_the_order_of_composition_does_not_matter(betas, data):
    steps = [noising(beta) for beta in betas]
    straight = compose(steps)
    while len(steps) > 1:  # join any two neighbours until one step is left
        i = data.draw(st.integers(0, len(steps) - 2))
        steps[i : i + 2] = [steps[i].then(steps[i + 1])]
    # each `then` rounds the scale once and the variance three times (a square, a product, a sum of
    # positive terms), whose square carries the scale's error twice: below 5 u a step and side
    bound = 2 * 5 * len(betas) * U
    np.testing.assert_allclose(steps[0], straight, rtol=bound)
    # a noising step keeps scale^2 + variance = 1
    assert abs(straight.scale**2 + straight.variance - 1) <= bound


@pytest.mark.parametrize("T", [1, 2, 7, 150, 1000])
@pytest.mark.parametrize("make", [schedules.linear, schedules.cosine, schedules.sigmoid])
def test_T_steps_composed_are_the_closed_form_at_every_t(make, T):
    process = Process(make(T))
    step = Step(1.0, 0.0)
    for t in range(1, T + 1):
        step = step.then(noising(process.betas[t]))
        closed = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
        # 5 T u for the composition (above) and 2 T u for the tables: 7.8e-13 at T = 1000
        np.testing.assert_allclose(step, closed, rtol=1e-12)


def test_kalman_filter_is_conditioning_of_the_joint_law(rng):
    prior, step, noise = Gaussian(0.3, 2.0), Step(0.9, 0.4), 0.7
    ys = rng.normal(size=4)
    # x_1 ... x_4 jointly, as a matrix times the independent x_0, eps_1, ..., eps_4
    A = np.array(
        [[0.9**k, *(0.9 ** (k - j) if j <= k else 0.0 for j in range(1, 5))] for k in range(1, 5)]
    )
    source = Gaussian([0.3, 0, 0, 0, 0], [2.0, 0.4, 0.4, 0.4, 0.4])
    laws, log_p = kalman(prior, ys, step, noise)
    for k in range(1, 5):
        x = source.affine(A[:k])
        exact = x.bayes(np.eye(k), noise, ys[:k]).marginal(k - 1)
        np.testing.assert_allclose(laws[k - 1].mean, exact.mean, rtol=1e-12)
        np.testing.assert_allclose(laws[k - 1].cov, exact.cov, rtol=1e-12)
    y = source.affine(A) + Gaussian(np.zeros(4), noise)
    assert log_p == pytest.approx(y.logpdf(ys), rel=1e-12)


def test_ppca_is_the_likeliest_of_its_family(rng):
    X = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(60, 5)) + 1.0
    fit = ppca(X, 2)
    best = fit.law().logpdf(X).sum()
    # the likelihood is stationary: to first order no change of mean, W or noise raises it
    for _ in range(20):
        mean, W, noise = rng.normal(size=5), rng.normal(size=(5, 2)), rng.normal()
        for h in (1e-3, -1e-3):
            other = type(fit)(fit.mean + h * mean, fit.W + h * W, fit.noise + h * noise * 0.1)
            assert other.law().logpdf(X).sum() < best
    # the two largest eigenvalues are kept, the others averaged
    spread = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    left = np.linalg.eigvalsh(fit.law().cov)
    np.testing.assert_allclose(left, [*[spread[:3].mean()] * 3, *spread[3:]], rtol=1e-10)
    # z given x: (W^T W + noise I)^-1 W^T (x - mean)
    M = fit.W.T @ fit.W + fit.noise * np.eye(2)
    z = fit.posterior(X[0])
    np.testing.assert_allclose(z.mean, np.linalg.solve(M, fit.W.T @ (X[0] - fit.mean)), rtol=1e-9)
    np.testing.assert_allclose(z.cov, fit.noise * np.linalg.inv(M), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("X", "q"),
    [(np.zeros((5, 3)), 0), (np.zeros((5, 3)), 3), (np.zeros((5, 3)), 1.5)]
    + [(np.zeros((0, 3)), 1), (np.full((5, 3), np.nan), 1), (np.zeros(5), 1)],
)
def test_ppca_needs_data_and_fewer_directions_than_there_are(X, q):
    with pytest.raises(ValueError, match=r"finite X \(n, d\) and an int 0 < q < d"):
        ppca(X, q)


@pytest.mark.parametrize("beta", [-1e-9, 1.5, np.nan])
def test_a_step_of_noise_has_a_variance_of_at_most_one(beta):
    with pytest.raises(ValueError, match="from 0 to 1, got"):
        noising(beta)
    assert noising(0.0) == (1, 0) and noising(1.0) == (0, 1)

"""exact.py: entropy, least losses and the bound that an exact denoiser reaches."""

import inspect

import numpy as np
import pytest
from scipy.integrate import quad

from tinydiff.diffusion import schedules
from tinydiff.diffusion.mixture import GaussianMixture, Points
from tinydiff.diffusion.process import Process
from tinydiff.gaussian import Gaussian

TWO_MODES = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])
ENTROPY = 0.90811290939860  # by scipy's quad, below


def normal(d, variance=1.0, mean=0.0):
    """N(mean, variance I) in d dimensions, as a mixture of one."""
    return GaussianMixture(None, np.full((1, d), mean), [variance])


def test_entropy_on_the_line_is_the_integral():
    def integrand(x):
        log_p = TWO_MODES.logpdf(x)
        return -np.exp(log_p) * log_p

    right = 2 * quad(integrand, 0, 6, points=[1, 2, 3], epsabs=1e-13, limit=200)[0]
    assert TWO_MODES.entropy() == pytest.approx(right, abs=1e-12)
    assert pytest.approx(right, abs=1e-12) == ENTROPY
    narrow = GaussianMixture([0.1, 0.9], [-3.0, 4.0], [1e-4, 2.0])  # nothing overlaps
    parts = 0.1 * Gaussian(0, 1e-4).entropy() + 0.9 * Gaussian(0, 2.0).entropy()
    mixing = -0.1 * np.log(0.1) - 0.9 * np.log(0.9)
    # where the density of one at the other's centre is up to e^-12
    assert narrow.entropy() == pytest.approx(parts + mixing, abs=1e-4)
    with pytest.raises(ValueError, match="too large"):
        GaussianMixture([0.5, 0.5], [-3.0, 4.0], [1e-12, 2.0]).entropy()


def test_entropy_in_the_plane_is_a_mean_over_draws(rng):
    data = normal(3, 0.5)
    exact = Gaussian(np.zeros(3), 0.5).entropy()
    # -log p has variance d/2 = 1.5 here; 4 standard errors of 65536 draws
    assert data.entropy() == pytest.approx(exact, abs=4 * np.sqrt(1.5 / 65536))
    assert data.entropy() == data.entropy()
    assert data.entropy(n=500, rng=rng) != data.entropy(n=500, rng=rng)
    assert Points([0.0, 1.0, 2.0, 3.0]).entropy() == pytest.approx(np.log(4))


@pytest.mark.parametrize("t", [1, 2, 30, 100])
def test_residual_is_the_mean_posterior_variance(t, rng):
    process = Process(schedules.linear(100, 1e-3, 0.2))
    c, n2 = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
    for d in (1, 3):  # one Gaussian: the posterior variance does not depend on x_t
        right = 0.3 * n2 / (c**2 * 0.3 + n2)
        assert normal(d, 0.3, 1.0).residual(process, t) == pytest.approx(right, rel=1e-12)
    # the same data with a second coordinate that is known: half the residual, but by draws
    line = GaussianMixture([0.3, 0.7], [-2.0, 1.0], [0.04, 0.25])
    means = np.array([[-2.0, 5.0], [1.0, 5.0]])
    plane = GaussianMixture([0.3, 0.7], means, [[0.04, 1e-12], [0.25, 1e-12]])
    left, exact = plane.residual(process, t, n=20000, rng=rng), line.residual(process, t) / 2
    assert left == pytest.approx(exact, rel=0.05)  # the variance itself varies; 20000 draws
    exact = process.snr[t] * line.residual(process, t)
    assert line.mse(process, t) == pytest.approx(exact, rel=1e-14)
    assert line.mse(process, np.array([t, 5])).tolist() == [line.mse(process, i) for i in (t, 5)]


def test_least_eps_loss_is_what_the_exact_model_scores(rng):
    process = Process(schedules.linear(100, 1e-3, 0.2))
    x0 = TWO_MODES.sample(20000, rng)
    eps = rng.standard_normal(20000)
    for t in (1, 20, 60):
        xt = process.q_sample(x0, t, eps)
        squares = (eps - TWO_MODES.model(process)(xt, t)) ** 2
        spread = squares.std() / np.sqrt(20000)
        assert abs(squares.mean() - TWO_MODES.mse(process, t)) < 4 * spread


# The price of each variance with a perfect denoiser, in nats above the entropy: posterior (beta-
# tilde), beta, optimal. The choice "by analogy" of nus-l8 is the first.
GAPS = {
    (1000, 1e-4, 0.02): (0.449, 0.0056, 0.0023),
    (200, 5e-4, 0.1): (0.814, 0.0282, 0.0116),
    (100, 1e-3, 0.2): (1.167, 0.0566, 0.0237),
    (50, 2e-3, 0.4): (1.763, 0.1137, 0.0494),
}


@pytest.mark.parametrize("schedule", GAPS)
def test_gaps_of_the_bound_on_two_modes(schedule, monkeypatch):
    process = Process(schedules.linear(*schedule))
    left = {t: TWO_MODES.residual(process, t) for t in range(1, process.T + 1)}
    monkeypatch.setattr(TWO_MODES, "residual", lambda process, t, n, rng: left[t])
    for variance, gap in zip(("posterior", "beta", "optimal"), GAPS[schedule]):
        total = TWO_MODES.bound(process, variance).total
        assert total.shape == (1,)
        # to half a unit of the last digit above
        assert total[0] - ENTROPY == pytest.approx(gap, abs=5.1e-4 if gap > 0.2 else 5.1e-5)


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("variance", [0.2, 1.0, 3.0])
def test_the_optimal_bound_of_a_gaussian_lacks_only_the_prior(d, variance):
    """For Gaussian data the optimal step is the true one: the gap is KL(q(x_T) || N(0, I))."""
    process = Process(schedules.linear(40, 0.01, 0.2))
    data = normal(d, variance, mean=0.7)
    law = Gaussian(np.full(d, 0.7), variance)
    scale, noise = process.q_between(0, 40)
    end = law.affine(scale) + Gaussian(np.zeros(d), noise)
    right = law.entropy() + end.kl(Gaussian(np.zeros(d), 1.0))
    bound = data.bound(process, "optimal")
    np.testing.assert_allclose(bound.total, right, rtol=1e-12)
    np.testing.assert_allclose(bound.bits_per_dim, right / d / np.log(2), rtol=1e-12)
    # and no other variance does better, at any t
    for factor in (0.9, 1.1):
        table = np.append(0.0, [data.residual(process, t) for t in range(1, 41)])
        a = np.append(0.0, process.posterior_weights(np.arange(1, 41))[0])
        other = data.bound(process, factor * (process.posterior_variance + a**2 * table))
        assert (other.L[0, 1:] > bound.L[0, 1:]).all()


def test_the_bound_of_a_known_point_is_the_decoder_and_the_prior():
    process = Process(schedules.linear(30, 0.01, 0.2))
    bound = Points([[0.5, -1.0]]).bound(process)
    # x0_hat = x0, so no KL at t > 1; L_0 has only its constant, with variance beta_1
    np.testing.assert_allclose(bound.L[0, 2:], 0, atol=1e-12)
    assert bound.L[0, 1] == pytest.approx(np.log(2 * np.pi * 0.01), rel=1e-12)
    ab = process.alphas_bar[30]
    L_T = Gaussian(np.sqrt(ab) * np.array([0.5, -1.0]), 1 - ab).kl(Gaussian([0.0, 0.0], 1.0))
    assert bound.L_T[0] == pytest.approx(L_T, rel=1e-12)
    assert bound.L[0, 0] == 0


def test_the_bound_says_whether_it_is_a_formula():
    process = Process(schedules.linear(3))
    assert TWO_MODES.bound(process).stderr == 0
    assert np.isnan(Points(np.eye(2)).bound(process, n=10).stderr)
    with pytest.raises(ValueError, match="variance='tilde'"):
        TWO_MODES.bound(process, "tilde")


def test_the_draws_that_are_taken_unless_asked_otherwise():
    """As many as documented, and the same ones every time."""
    process, data = Process(schedules.linear(3)), GaussianMixture(None, np.eye(3), [0.1, 0.2, 0.3])
    for name, n in (("residual", 4096), ("mse", 4096), ("bound", 4096), ("entropy", 65536)):
        assert inspect.signature(getattr(GaussianMixture, name)).parameters["n"].default == n
    rng = np.random.default_rng(0)
    assert data.residual(process, 2, n=50) == data.residual(process, 2, n=50, rng=rng)
    rng = np.random.default_rng(0)
    assert data.entropy(n=50) == data.entropy(n=50, rng=rng)


def test_the_bound_of_data_of_several_axes_is_that_of_its_numbers(rng):
    """Each mode is an image, flat or not."""
    process, means = Process(schedules.linear(5, 0.05, 0.3)), rng.standard_normal((2, 3, 4))
    flat = GaussianMixture([0.3, 0.7], means.reshape(2, 12), [0.1, 0.4])
    data = GaussianMixture([0.3, 0.7], means, [0.1, 0.4])
    assert data.second_moment() == pytest.approx(flat.second_moment(), rel=1e-14)
    right = 0.3 * ((means[0] ** 2).mean() + 0.1) + 0.7 * ((means[1] ** 2).mean() + 0.4)
    assert data.second_moment() == pytest.approx(right, rel=1e-13)
    left, right = data.bound(process, n=20), flat.bound(process, n=20)
    np.testing.assert_allclose(left.total, right.total, rtol=1e-12)
    assert left.dims == right.dims == 12

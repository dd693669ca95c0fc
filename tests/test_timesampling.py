"""Samplers of t: no bias, and the variance that each one leaves in an estimate of the bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.bound import ImportanceT, StratifiedT, UniformT
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process


def warmed(T, rng, **more):
    """An ImportanceT that has seen losses of very different size."""
    sampler = ImportanceT(T, **more)
    t = np.tile(np.arange(1, T + 1), 10)
    sampler.update(t, rng.standard_normal(t.size) * np.exp(-5 * t / T))
    return sampler


@given(T=st.integers(1, 40), n=st.integers(1, 50), seed=st.integers(0, 99))
def test_samples_are_times_with_weights(T, n, seed):
    rng = np.random.default_rng(seed)
    for sampler in (UniformT(T), StratifiedT(T), StratifiedT(T, antithetic=True), warmed(T, rng)):
        t, weight = sampler.sample(n, rng)
        assert t.shape == weight.shape == (n,)
        assert t.dtype == np.int64 and weight.dtype == np.float64
        assert t.min() >= 1 and t.max() <= T and (weight > 0).all()


@pytest.mark.parametrize("make", [UniformT, StratifiedT, lambda T: StratifiedT(T, antithetic=True)])
def test_every_t_is_equally_likely(make, rng):
    """Counts of 1 ... T, 7 at a time, which divides neither T nor the strata."""
    T, n = 10, 7
    t = np.stack([make(T).sample(n, rng)[0] for _ in range(4000)])
    counts = np.bincount(t.ravel(), minlength=T + 1)[1:]
    # uniform draws: standard deviation sqrt(2800 * 0.9) = 50; strata only lower it
    assert np.abs(counts - 2800).max() < 4.5 * 50


@given(st.integers(1, 30), st.integers(1, 60), st.booleans(), st.integers(0, 99))
def test_each_stratum_gets_one(T, n, antithetic, seed):
    t, weight = StratifiedT(T, antithetic).sample(n, np.random.default_rng(seed))
    i = np.arange(n)
    assert (t >= 1 + T * i // n).all() and (t - 1 <= T * (i + 1) / n).all() and (weight == 1).all()
    if antithetic and n % T == 0:
        assert (np.bincount(t, minlength=T + 1)[1:] == n // T).all()


def test_importance_weights_remove_the_bias_exactly(rng):
    """sum_t p_t weight_t f(t) is the mean of f, for the p that the sampler states ..."""
    sampler = warmed(20, rng)
    p, f = sampler.probabilities(), rng.standard_normal(21)
    t, weight = sampler.sample(4000, rng)
    table = np.zeros(21)
    table[t] = weight
    assert set(t.tolist()) == set(range(1, 21))
    np.testing.assert_allclose((p * table[1:] * f[1:]).sum(), f[1:].mean(), rtol=1e-12)
    # ... and t is drawn with this p: chi^2 with 19 degrees of freedom has mean 19, deviation 6.2
    counts = np.bincount(sampler.sample(100_000, rng)[0], minlength=21)[1:]
    assert ((counts - 1e5 * p) ** 2 / (1e5 * p)).sum() < 19 + 5 * 6.2


def test_importance_follows_the_root_of_the_second_moment(rng):
    sampler = ImportanceT(3, history=2, warmup=2, uniform=0.01)
    assert not sampler.warm
    sampler.update(np.array([1, 1, 2, 2, 3]), np.array([3.0, -4.0, 1.0, 1.0, 5.0]))
    np.testing.assert_array_equal(sampler.probabilities(), np.full(3, 1 / 3))  # 3 was seen once
    assert (sampler.sample(50, rng)[1] == 1).all()
    sampler.update(np.array([3]), np.array([0.0]))
    assert sampler.warm
    root = np.sqrt([12.5, 1.0, 12.5])
    right = 0.99 * root / root.sum() + 0.01 / 3
    np.testing.assert_allclose(sampler.probabilities(), right, rtol=1e-14)
    # of each t the last two losses count: here 7 and 8 replace 3 and -4, then 7 gives way to 0
    sampler.update(np.array([1, 1, 1]), np.array([7.0, 8.0, 0.0]))
    root = np.sqrt([32.0, 1.0, 12.5])
    right = 0.99 * root / root.sum() + 0.01 / 3
    np.testing.assert_allclose(sampler.probabilities(), right, rtol=1e-14)


def test_moments_are_means_however_often_a_t_was_seen():
    sampler = ImportanceT(2, history=3, warmup=1, uniform=1e-9)
    sampler.update(np.array([1, 2, 2, 2, 2]), np.array([2.0, 9.0, 1.0, 1.0, 1.0]))
    np.testing.assert_allclose(sampler.probabilities(), [2 / 3, 1 / 3], rtol=1e-8)


def test_importance_without_losses_is_uniform():
    sampler = ImportanceT(4, history=1, warmup=1)
    sampler.update(np.arange(1, 5), np.zeros(4))
    np.testing.assert_allclose(sampler.probabilities(), 0.25, rtol=1e-14)


def test_no_weight_exceeds_the_inverse_of_the_uniform_share():
    sampler = ImportanceT(5, warmup=1, uniform=0.1)
    sampler.update(np.arange(1, 6), np.array([1e9, 0, 0, 0, 0]))
    p = sampler.probabilities()
    assert p.sum() == pytest.approx(1, rel=1e-14) and (1 / (5 * p)).max() == pytest.approx(10)


class Almost:
    """A generator that draws the largest number below 1."""

    def random(self, n):
        return np.full(n, np.nextafter(1, 0))


def test_a_draw_that_rounds_up_to_1_is_still_T():
    # (n - 1 + u) / n is 1 in floating point here, and so T + 1 before it is bounded
    assert StratifiedT(10).sample(3, Almost())[0].tolist() == [4, 7, 10]
    assert StratifiedT(10, antithetic=True).sample(3, Almost())[0].tolist() == [4, 7, 10]
    # ten tenths add up to 1 - u
    assert ImportanceT(10).sample(2, Almost())[0].tolist() == [10, 10]


def test_the_documented_choices_of_importance():
    sampler = ImportanceT(5)
    assert (sampler.squares.shape, sampler.warmup, sampler.uniform) == ((5, 100), 10, 0.001)
    for _ in range(9):
        sampler.update(np.arange(1, 6), np.ones(5))
    assert not sampler.warm
    sampler.update(np.arange(1, 6), np.ones(5))
    assert sampler.warm


def test_bad_arguments_are_refused():
    for T in (0, -3, 2.5, True, "10"):
        with pytest.raises(ValueError, match="T must be an int >= 1"):
            StratifiedT(T)
    for more in ({"warmup": 0}, {"history": 9}, {"uniform": 0}, {"uniform": 1.5}):
        with pytest.raises(ValueError, match="1 <= warmup <= history and 0 < uniform <= 1"):
            ImportanceT(5, **more)
    sampler = ImportanceT(5)
    with pytest.raises(ValueError, match="one loss for each t"):
        sampler.update(np.array([1, 2]), np.array([1.0]))
    with pytest.raises(ValueError, match=r"for each t, an int, is expected, .* float64"):
        sampler.update(np.array([1.5]), np.array([1.0]))
    for t in (0, 6):
        with pytest.raises(ValueError, match="t must lie in 1"):
            sampler.update(np.array([t]), np.array([1.0]))
    with pytest.raises(ValueError, match="losses must be finite; at t = 4"):
        sampler.update(np.array([3, 4]), np.array([1.0, np.nan]))
    assert UniformT(5).update(np.array([1]), np.array([np.nan])) is None


def test_the_variance_that_each_sampler_leaves(rng):
    """The sum of the KL terms of the mixture from 64 draws of (row, t), with the exact denoiser."""
    T, n = 1000, 64
    process = Process(schedules.linear(T))
    mixture = GaussianMixture([0.5, 0.5], [[-2.0], [2.0]], [0.09, 0.09])
    s = np.sqrt(process.alphas_bar)
    V = s**2 * 0.09 + process.one_minus_alphas_bar

    def model(xt, t):
        """The mixture's x0_hat, written out for its two components."""
        scale, shrink, tilt = ((c[t])[:, None] for c in (s, s * 0.09 / V, 2 * s / V))
        return shrink * xt + 2 * (1 - scale * shrink) * np.tanh(tilt * xt)

    args = {"noise": rng, "variance": "beta", "predicts": "x0"}
    L = bound.terms(model, process, mixture.sample(1100, rng), **args).L
    L[:, 1] = 0  # L_0 is no KL term, and larger than all
    importance = ImportanceT(T)
    importance.update(np.tile(np.arange(1, T + 1), 100), L[:100, 1:].ravel())
    L = L[100:]

    def measure(sampler):
        """(mean, variance) of weight T L at one t: n times the variance of a mean over n draws."""
        estimates = []
        for _ in range(2000):
            t, weight = sampler.sample(n, rng)
            estimates.append((T * weight * L[rng.integers(0, len(L), n), t]).mean())
        mean, variance = np.mean(estimates), n * np.var(estimates)
        assert mean == pytest.approx(L.sum(axis=1).mean(), abs=4.5 * (variance / (2000 * n)) ** 0.5)
        return variance

    uniform, weighted = measure(UniformT(T)), measure(importance)
    # q(L^2) from 1000 rows and a variance from 2000 estimates: some 5 % in a standard deviation
    assert uniform**0.5 == pytest.approx(29.1, rel=0.15)
    assert weighted**0.5 == pytest.approx(6.2 * (22 / 19) ** 0.5, rel=0.15)
    assert uniform / weighted > 15
    # strata remove only what differs between them: most of it lies at t = 2 ... 10, in the first
    assert measure(StratifiedT(T)) < 0.95 * uniform
    assert measure(StratifiedT(T, antithetic=True)) < 0.95 * uniform

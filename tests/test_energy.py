"""Energy-based models: three losses that know their optimum, walks, and Z by a walk."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff.models.annealing import adjusted_step, annealed_log_weights, langevin
from tinydiff.models.energy import (
    Energy,
    denoising_loss,
    explicit_loss,
    log_partition,
    score,
    sliced_loss,
)


def quadratic(A):
    """f(x) = x^T A x / 2, whose score is -A x."""
    return lambda x: td.sum(td.matmul(x, A) * x, axis=-1) * 0.5


def correlated(rng, n=400):
    return rng.standard_normal((n, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])


def potential(A):
    return lambda x: (((x @ A) * x).sum(axis=-1) / 2, x @ A)


# --- losses on a Gaussian, where all is known


def test_the_score_is_minus_the_slope(rng):
    A, x = np.array([[2.0, 0.5], [0.5, 1.0]]), rng.standard_normal((5, 2))
    np.testing.assert_allclose(score(quadratic(A))(x), -x @ A, rtol=1e-12)


def test_explicit_score_matching_finds_the_inverse_covariance(rng):
    """J(A) = tr(A C A) / 2 - tr A for symmetric A: its value, and slope 0 at A = C^-1."""
    x = correlated(rng)
    C = x.T @ x / len(x)
    A = np.array([[2.0, 0.5], [0.5, 1.0]])
    value = explicit_loss(quadratic(A), x).item()
    assert value == pytest.approx(np.trace(A @ C @ A) / 2 - np.trace(A), rel=1e-12)
    best = td.Tensor(np.linalg.inv(C), requires_grad=True)
    explicit_loss(quadratic(best), x).backward()
    np.testing.assert_allclose(best.grad, 0, atol=1e-12)


def test_sliced_score_matching_is_the_explicit_one_in_the_mean_of_directions(rng):
    """With v = sqrt(2) e_1 for half of the rows and sqrt(2) e_2 for the same rows again, the mean
    of v v^T is I exactly, and so is the loss."""
    x, A = correlated(rng, 50), np.array([[2.0, 0.5], [0.5, 1.0]])
    twice = np.concatenate([x, x])
    v = 2**0.5 * np.repeat(np.eye(2), len(x), axis=0)
    explicit = explicit_loss(quadratic(A), x).item()
    assert sliced_loss(quadratic(A), twice, v).item() == pytest.approx(explicit, rel=1e-12)
    one = sliced_loss(quadratic(A), x, rng.standard_normal(x.shape)).item()
    assert abs(one - explicit) > 1e-6, "one direction each is an estimate"


def test_denoising_score_matching_finds_the_noised_inverse_covariance(rng):
    """Its best A is that of least squares, sigma A E y y^T = E eps y^T, which for many draws is
    (C + sigma^2 I)^-1."""
    x, sigma = correlated(rng, 100_000), 0.5
    eps = rng.standard_normal(x.shape)
    exact = np.linalg.inv(x.T @ x / len(x) + sigma**2 * np.eye(2))
    A = td.Tensor(exact, requires_grad=True)
    at_best = denoising_loss(quadratic(A), x, eps, sigma)
    at_best.backward()
    assert np.abs(A.grad).max() < 5 / np.sqrt(len(x)), "5 standard errors of terms of size 1"
    for other in (exact * 1.1, exact + 0.1):
        assert denoising_loss(quadratic(other), x, eps, sigma).item() > at_best.item()
    nothing = denoising_loss(quadratic(np.zeros((2, 2))), x, eps, sigma)
    assert nothing.item() == pytest.approx((eps**2).mean()), "the loss of a score of 0"


def test_the_losses_can_be_differentiated_by_parameters(rng):
    """Each loss holds derivatives of f by x; their own gradient by the weights agrees with
    differences."""
    f = Energy(hidden=(5,), unit=1.0, rng=rng).astype(np.float64)
    x, eps = rng.standard_normal((2, 3, 2))
    direction = rng.standard_normal(f.flat.data.shape)
    for loss in (
        lambda: denoising_loss(f, x, eps, 0.3),
        lambda: explicit_loss(f, x),
        lambda: sliced_loss(f, x, eps),
    ):
        f.flat.grad[...] = 0
        for p in f.parameters():
            p.grad = None
        loss().backward()
        found = f.flat.grad @ direction
        start, values = f.flat.data.copy(), []
        for sign in (1, -1):
            f.flat.data[...] = start + sign * 1e-5 * direction
            f.flat.changed()
            values.append(loss().item())
        f.flat.data[...] = start
        f.flat.changed()
        assert found == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


# --- walks


def test_langevin_settles_where_its_step_says(rng):
    """On N(0, 1) the variance v solves v = (1 - h)^2 v + 2 h: 1 / (1 - h / 2)."""
    x = rng.standard_normal((40_000, 1))
    *_, last = langevin(lambda x: -x, x, 0.5, 30, rng.standard_normal)
    assert last.var() == pytest.approx(1 / (1 - 0.25), rel=4 * np.sqrt(2 / 40_000))
    *_, small = langevin(lambda x: 2 - x, x, 0.02, 300, rng.standard_normal)
    assert small.mean() == pytest.approx(2, abs=0.03)
    assert small.var() == pytest.approx(1 / (1 - 0.01), rel=4 * np.sqrt(2 / 40_000))


def test_the_test_of_metropolis_removes_the_error_of_the_step(rng):
    """The same step of 0.5, and the variance is 1."""
    x = 3 * rng.standard_normal((40_000, 1))
    walk, here = potential(np.eye(1)), potential(np.eye(1))(x)
    for _ in range(30):
        x, here, moved = adjusted_step(walk, x, here, 0.5, rng.standard_normal, open_uniform(rng))
    assert x.var() == pytest.approx(1, rel=4 * np.sqrt(2 / 40_000))
    np.testing.assert_allclose(here[1], x, err_msg="here belongs to x")
    assert 0.5 < moved.mean() < 1


def open_uniform(rng):
    return lambda shape: 1 - rng.random(shape)


def test_annealing_finds_the_partition_function(rng):
    """Z of exp(-x^T A x / 2) is 2 pi / sqrt(det A), here from walks that start far too wide."""
    A = np.array([[40.0, 10.0], [10.0, 20.0]])
    exact = np.log(2 * np.pi) - np.log(np.linalg.det(A)) / 2
    x, betas = 2 * rng.standard_normal((2000, 2)), np.linspace(0, 1, 301) ** 3
    log_w, last = annealed_log_weights(
        potential(A), 2.0, x, betas, lambda b: 0.3 / (b * 40 + 1), rng.standard_normal,
        open_uniform(rng),
    )  # fmt: skip
    found = log_partition(-log_w, np.full(len(x), 1 / len(x)))
    w = np.exp(log_w - log_w.max())
    error = w.std() / w.mean() / np.sqrt(len(w))
    assert error < 0.02
    assert abs(found - exact) < 4 * error
    np.testing.assert_allclose(np.cov(last.T), np.linalg.inv(A), atol=0.01)


def test_annealing_in_one_step_is_importance_sampling(rng):
    x, A = 1.5 * rng.standard_normal((6, 2)), np.eye(2)
    log_w, _ = annealed_log_weights(
        potential(A), 1.5, x, [0.0, 1.0], lambda b: 0.1, rng.standard_normal, open_uniform(rng)
    )
    base = -(x**2).sum(axis=1) / (2 * 2.25) - np.log(2 * np.pi * 2.25)
    np.testing.assert_allclose(log_w, -(x**2).sum(axis=1) / 2 - base, rtol=1e-12)


def test_walks_run_on_a_device(device, xp, rng):
    f = Energy(hidden=(5,), rng=rng).to(device)
    x = xp.asarray(rng.standard_normal((4, 2), dtype=np.float32))
    noise = lambda shape: xp.asarray(rng.standard_normal(shape, dtype=np.float32))  # noqa: E731
    denoising_loss(f, x, noise(x.shape), 0.1).backward()
    *_, last = langevin(lambda x: score(f)(x), x, 0.01, 2, noise)
    assert last.shape == x.shape
    assert np.isfinite(td.to_host(last)).all()

"""The variational autoencoder: its bound by two routes, its linear form, ways between latents."""

import numpy as np
import pytest
from scipy.stats import norm

import tinydiff as td
from tinydiff.gaussian import ppca
from tinydiff.models.latent import lerp, slerp
from tinydiff.models.vae import (
    VAE,
    LinearVAE,
    gaussian_kl,
    gaussian_log_likelihood,
    importance_bound,
    reparametrise,
    sampled_kl,
)
from tinydiff.optim import Adam, cosine


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


# --- the bound


def test_the_sampled_divergence_is_log_q_minus_log_p(rng):
    mean, log_var, eps = rng.standard_normal((3, 5, 4))
    z = reparametrise(mean, log_var, eps)
    q = norm(mean, np.exp(log_var / 2)).logpdf(z) - norm.logpdf(z)
    np.testing.assert_allclose(sampled_kl(eps, z, log_var), q.sum(axis=-1), rtol=1e-12)


def test_both_divergences_have_the_same_mean(rng):
    mean, log_var = rng.standard_normal((2, 6))
    eps = rng.standard_normal((20000, 6))
    draws = sampled_kl(eps, reparametrise(mean, log_var, eps), log_var)
    error = draws.std(ddof=1) / np.sqrt(len(draws))
    assert abs(draws.mean() - gaussian_kl(mean, log_var)) < 4 * error


def test_the_gaussian_likelihood_is_that_of_scipy(rng):
    x, mean, log_var = rng.standard_normal((3, 7))
    expected = norm(mean, np.exp(log_var / 2)).logpdf(x)
    np.testing.assert_allclose(gaussian_log_likelihood(x, mean, log_var), expected, rtol=1e-12)


def test_more_draws_raise_the_bound_up_to_the_likelihood(rng):
    """z ~ N(0, 1), x | z ~ N(z, 1), q the prior: log p(x) is that of N(0, 2)."""
    x, z = 1.5, rng.standard_normal((2000, 200))
    log_w = norm(z).logpdf(x)
    exact = norm(0, np.sqrt(2)).logpdf(x)
    one, ten, many = (importance_bound(log_w[:k]).mean() for k in (1, 10, 2000))
    assert one < ten < many
    assert many == pytest.approx(exact, abs=5e-3)
    np.testing.assert_allclose(importance_bound(log_w[:1]), log_w[0])


def test_the_network_gives_the_bound_that_its_parts_make(rng):
    model = VAE((2, 3, 1), latent=2, hidden=(8,), rng=rng).astype(np.float64)
    x, eps = np.tanh(rng.standard_normal((5, 2, 3, 1))), rng.standard_normal((5, 2))
    mean, log_var = (v.numpy() for v in model.encode(x))
    z = mean + np.exp(log_var / 2) * eps
    decoded = model.decode(z).numpy()
    assert decoded.shape == x.shape
    p = norm(decoded, np.exp(model.log_var_x.numpy() / 2).reshape(2, 3, 1)).logpdf(x)
    expected = p.sum(axis=(1, 2, 3)) - gaussian_kl(mean, log_var)
    np.testing.assert_allclose(model(x, eps).numpy(), expected, rtol=1e-12)


def test_every_parameter_is_reached(rng):
    model = VAE((2, 2, 1), latent=2, hidden=(8,), rng=rng)
    x = rng.uniform(-1, 1, (5, 2, 2, 1)).astype(np.float32)
    td.mean(model(x, rng.standard_normal((5, 2), dtype=np.float32))).backward()
    for name, p in model.named_parameters().items():
        assert np.abs(p.grad).max() > 0, name


# --- the linear form, whose optimum is known


def test_the_exact_bound_is_the_mean_of_its_draws(rng):
    model = LinearVAE(4, 2, rng=rng).astype(np.float64)
    model.flat.data[...] = 0.5 * rng.standard_normal(model.flat.data.shape)
    model.flat.changed()
    x, eps = rng.standard_normal((1, 4)), rng.standard_normal((40000, 2))
    mean, log_var = ((x - model.b.data) @ model.V.W.data), model.log_var.data
    z = mean + np.exp(log_var / 2) * eps
    decoded = z @ model.W.W.data + model.b.data
    p = norm(decoded, np.exp(model.log_noise.data / 2)).logpdf(x).sum(axis=-1)
    draws = p - gaussian_kl(mean, log_var)
    error = draws.std(ddof=1) / np.sqrt(len(draws))
    assert abs(model(x).numpy()[0] - draws.mean()) < 4 * error


def test_a_trained_linear_vae_is_probabilistic_pca(rng):
    """No bound exceeds the likelihood, and none of its parameters that of pPCA: the gap closes
    from below. (A wrong term of the bound would overshoot, or stay away.)"""
    X = rng.standard_normal((120, 3)) @ rng.standard_normal((3, 5)) * 0.7
    X += 1.0 + 0.3 * rng.standard_normal(X.shape)
    model = LinearVAE(5, 2, rng=rng).astype(np.float64)
    optimizer, lr, steps = Adam(model, betas=(0.9, 0.99)), cosine(0.05, 1000), 1000
    for step in range(steps):
        optimizer.zero_grad()
        loss = -td.mean(model(X))
        loss.backward()
        optimizer.lr = lr(step)
        optimizer.step()
    best = ppca(X, 2)
    gap = best.law().logpdf(X).mean() + loss.item()
    assert -1e-9 < gap < 1e-6
    assert np.exp(model.log_noise.item()) == pytest.approx(best.noise, rel=1e-2)
    W = model.W.W.data
    np.testing.assert_allclose(W.T @ W, best.W @ best.W.T, atol=0.02 * np.abs(best.W).max() ** 2)


# --- ways between two latents


def test_slerp_goes_along_the_great_circle_at_constant_speed(rng):
    a, b = 3 * unit(rng.standard_normal((2, 7)))
    path = np.stack([slerp(a, b, u) for u in np.linspace(0, 1, 6)])
    np.testing.assert_allclose(path[[0, -1]], [a, b], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 3, rtol=1e-12)
    angles = np.arccos((path[1:] * path[:-1]).sum(axis=1) / 9)
    np.testing.assert_allclose(angles, np.arccos(a @ b / 9) / 5, rtol=1e-9)
    middle = 3 * unit(a + b)
    np.testing.assert_allclose(slerp(a, b, 0.5), middle, rtol=1e-12)


def test_slerp_at_its_edges(rng):
    a = rng.standard_normal(4)
    near = a + 1e-9 * rng.standard_normal(4)
    np.testing.assert_array_equal(slerp(a, a, 0.3), lerp(a, a, 0.3))
    np.testing.assert_allclose(slerp(a, near, 0.3), lerp(a, near, 0.3), rtol=1e-12)
    np.testing.assert_allclose(slerp(a, -a, 0.25), 0.5 * a)
    many = slerp(np.eye(4)[:2], np.eye(4)[2:], np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(many, np.eye(4)[[0, 3]], atol=1e-15)
    np.testing.assert_allclose(slerp(2 * a, 5 * a, 0.5), 3.5 * a, err_msg="lengths mix linearly")


def test_ways_run_on_a_device(device, xp, rng):
    a, b = xp.asarray(np.eye(3)[0]), xp.asarray(np.eye(3)[1])
    found = td.to_host(slerp(a, b, 0.5))
    np.testing.assert_allclose(found, [0.5**0.5, 0.5**0.5, 0], atol=1e-12)

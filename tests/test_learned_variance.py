"""A learned variance: the hybrid loss, and what it finds on a mixture."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

import tinydiff as td
from tinydiff import optim
from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process
from tinydiff.nn import Parameter

SCHEDULES = [schedules.linear(1000), schedules.cosine(50), schedules.linear(1, 0.3, 0.3)]


def setting(seed, process, n=5, shape=(2, 3)):
    """(t, x0, eps, prediction of eps) for n rows."""
    rng = np.random.default_rng(seed)
    x0, eps, eps_hat = rng.standard_normal((3, n, *shape))
    return rng.integers(1, process.T + 1, n), x0, eps, eps_hat


def two_headed(process, eps_hat, f):
    """A model of constant answers, with the fraction f in the second half of its channels."""
    return lambda xt, t: td.concatenate([td.Tensor(eps_hat + 0 * xt), f + 0 * xt], axis=-1)


@settings(max_examples=40)
@given(which=st.integers(0, 2), seed=st.integers(0, 999), scale=st.floats(0, 2))
def test_the_hybrid_loss_is_its_two_parts(which, seed, scale):
    process = Process(SCHEDULES[which])
    t, x0, eps, eps_hat = setting(seed, process)
    f = np.random.default_rng(seed + 1).uniform(-0.2, 1.2, x0.shape)
    model = two_headed(process, eps_hat, f)
    left = bound.hybrid_loss(model, process, x0, t, eps, scale=scale).item()
    simple = ((eps - eps_hat) ** 2).mean()
    vlb = 0
    for i, step in enumerate(t.tolist()):
        row = slice(i, i + 1)
        b = bound.terms(
            lambda xt, t, row=row: model(xt, t)[row] if len(xt) > 1 else
            np.concatenate([eps_hat[row], f[row]], axis=-1),
            process, x0[row], noise=lambda t, s, row=row: eps[row], ts=[step], variance="learned",
        )  # fmt: skip
        vlb += b.L[0, step] / (6 * len(t))
    assert left == pytest.approx(simple + scale * process.T * vlb, rel=1e-10)


def test_a_learned_variance_is_the_table_that_it_says(rng):
    """f interpolates log beta and log beta-tilde: with all f equal it is a fixed table."""
    x0 = rng.standard_normal((3, 2))
    eps = rng.standard_normal((7, *x0.shape))
    eps_hat = rng.standard_normal(x0.shape)
    for T, f in itertools.product((1, 2, 6), (0.0, 1.0, 0.3, -0.5)):
        process = Process(schedules.linear(T, 0.02, 0.4))
        low = process.posterior_variance.copy()
        low[:2] = low[2] if T > 1 else process.betas[1]  # beta-tilde_1 is 0
        table = np.where(process.betas > 0, process.betas, 1.0) ** f * low ** (1 - f)
        both = {"noise": lambda t, s: eps[t]}
        fixed = bound.terms(lambda xt, t: eps_hat, process, x0, variance=table, **both)
        model = two_headed(process, eps_hat, f)
        learned = bound.terms(model, process, x0, variance="learned", **both)
        np.testing.assert_allclose(learned.L, fixed.L, rtol=1e-12, atol=1e-13)


def test_the_bound_trains_the_variance_alone(rng):
    process = Process(schedules.linear(6, 0.02, 0.4))
    t, x0, eps, _ = setting(0, process)
    W = td.Tensor(rng.standard_normal((3, 3)), requires_grad=True)
    f = td.Tensor(rng.uniform(0, 1, x0.shape), requires_grad=True)

    def model(xt, t):
        return td.concatenate([td.matmul(xt, W), f + 0 * xt], axis=-1)

    bound.hybrid_loss(model, process, x0, t, eps, scale=0.7).backward()
    simple = td.grad(lambda W: bound.loss(lambda xt, t: xt @ W, process, x0, t, eps))(W.data)
    np.testing.assert_allclose(W.grad, simple, rtol=1e-12)

    def vlb(f):
        def constant(xt, t):
            return td.concatenate([td.Tensor(xt @ W.data), f + 0 * xt], axis=-1)

        return bound.hybrid_loss(constant, process, x0, t, eps, scale=0.7)

    td.gradcheck(vlb, f.data, rng=rng)
    np.testing.assert_allclose(f.grad, td.grad(vlb)(f.data), rtol=1e-12)
    assert (np.abs(f.grad) > 0).all() or process.T == 1


@pytest.mark.parametrize(
    ("betas", "steps"),
    [((100, 1e-3, 0.2), 150), pytest.param((1000, 1e-4, 0.02), 200, marks=pytest.mark.slow)],
)
def test_training_finds_the_optimal_variance(betas, steps, rng):
    """One fraction f_t for each t, under the exact denoiser of 1/2 N(-2, .3^2) + 1/2 N(2, .3^2).

    Every step shows each t the same 128 points of a lattice on (x0, eps), shifted at random, which
    averages a smooth function far better than as many independent draws.
    """
    T, n = betas[0], 128
    process = Process(schedules.linear(*betas))
    s = np.sqrt(process.alphas_bar)
    V = s**2 * 0.09 + process.one_minus_alphas_bar
    f = Parameter(np.zeros(T + 1), dtype=np.float64)  # from beta-tilde
    t = np.repeat(np.arange(1, T + 1), n)
    rows = bound.rows(process, t, np.zeros((T * n, 1)), predicts="x0")

    def model(xt, t):
        scale, shrink, tilt = (c[t][:, None] for c in (s, s * 0.09 / V, 2 * s / V))
        x0_hat = shrink * xt + 2 * (1 - scale * shrink) * np.tanh(tilt * xt)
        return td.concatenate([td.Tensor(x0_hat), td.reshape(f[t], (-1, 1))], axis=1)

    adam = optim.Adam([f])
    for step in range(steps):
        u = (np.arange(n)[:, None] * [1 / n, 89 / 233] + rng.random(2)) % 1
        side = np.where(u[:, 0] < 0.5, -2.0, 2.0)
        x0 = np.tile(side + 0.3 * ndtri(2 * u[:, 0] % 1), T)[:, None]
        eps = np.tile(ndtri(u[:, 1]), T)[:, None]
        adam.lr = 0.1 * (1 - step / steps)
        adam.zero_grad()
        bound.hybrid_loss(model, process, x0, t, eps, predicts="x0", rows=rows).backward()
        adam.step()

    high, low = process.betas[1:], bound.variances(process)[1:]
    low[0] = low[1]
    learned = np.append(0, high ** f.data[1:] * low ** (1 - f.data[1:]))
    mixture = GaussianMixture([0.5, 0.5], [-2, 2], [0.09, 0.09])
    errors = np.append(0, [mixture.residual(process, i) for i in range(1, T + 1)])
    optimal = bound.variances(process, "optimal", errors)
    np.testing.assert_allclose(learned[1:], optimal[1:], rtol=0.02)
    reached, best = (mixture.bound(process, v).total[0] for v in (learned, "optimal"))
    assert 0 <= reached - best < 1e-3

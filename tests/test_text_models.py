"""Diffusion of text and its twin: the bound beside exact probabilities, what depends on what."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

import tinydiff as td
from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.mixture import Points
from tinydiff.diffusion.process import Process
from tinydiff.models import autoregressive, text
from tinydiff.models.autoregressive import Autoregressive
from tinydiff.models.text import TextDenoiser

SMALL = {"d": 8, "heads": 2, "blocks": 1}


def denoiser(rng, V=3, T=20, n=4, channels=2, awake=True):
    """A tiny one in float64; awake: with a last layer that is not 0."""
    process = Process(schedules.from_log_snr(np.append(np.inf, np.linspace(3, -7, T))))
    model = TextDenoiser(V, process, n, channels, **SMALL, rng=rng).astype(np.float64)
    if awake:
        model.network.last.W.data[...] = rng.standard_normal(model.network.last.W.shape)
    return model, process


def twin(rng, V=3, n=4):
    model = Autoregressive(V, n, **SMALL, rng=rng).astype(np.float64)
    model.last.W.data[...] = rng.standard_normal(model.last.W.shape)
    return model


# --- vectors and rounding


def test_vectors_have_mean_square_1_and_come_back(rng):
    model, _ = denoiser(rng, V=7, channels=3)
    model.vectors.W.data[...] *= np.arange(1, 8)[:, None]
    table = model.table().numpy()
    np.testing.assert_allclose((table**2).mean(axis=1), 1, rtol=1e-12)
    ids = rng.integers(0, 7, (5, 4))
    x0 = model.embed(ids).numpy()
    np.testing.assert_array_equal(x0, table[ids])
    x = x0 + rng.standard_normal(x0.shape)
    distance = ((x[..., None, :] - table) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(model.nearest(x), distance.argmin(axis=-1))
    np.testing.assert_array_equal(model.nearest(x0), ids)


def test_rounding_is_bayes_theorem(rng):
    """p(k | x_1) with equal priors, from the densities of q(x_1 | k)."""
    model, process = denoiser(rng)
    ids, x1 = rng.integers(0, 3, (6, 4)), rng.standard_normal((6, 4, 2))
    scale, sigma = process.alphas_bar[1] ** 0.5, process.betas[1] ** 0.5
    log_q = norm(scale * model.table().numpy(), sigma).logpdf(x1[..., None, :]).sum(axis=-1)
    log_p = log_q - np.logaddexp.reduce(log_q, axis=-1, keepdims=True)
    expected = -np.take_along_axis(log_p, ids[..., None], axis=-1)[..., 0]
    found = text.rounding(model, ids, x1).numpy()
    # pull is a float32 buffer, of relative error 6e-8, times products of some 100
    np.testing.assert_allclose(found, expected, atol=3e-5)
    assert (found >= 0).all(), "whatever the rounding"


@pytest.mark.parametrize("t", [1, 7, 20])
def test_a_fresh_model_is_exact_for_characters_that_are_all_alike(t, rng):
    """The oracle: E[x_0 | x_t] of a point drawn from the vectors, each as often."""
    model, process = denoiser(rng, V=5, awake=False)
    xt = rng.standard_normal((6, 4, 2))
    exact = Points(model.table().numpy()).mean_x0(process, xt.reshape(-1, 2), t)
    found = model(xt, t).numpy()
    np.testing.assert_allclose(found.reshape(-1, 2), exact, atol=1e-4)


# --- the bound


def chain(model, process):
    """-log p(w) of each one-character text, (V,): x_t on a grid, step by step from N(0, 1)."""
    grid, dx = np.linspace(-6, 6, 601, retstep=True)  # the narrowest step is 0.1 wide
    density = norm.pdf(grid)
    for t in range(process.T, 1, -1):
        x0 = model(grid.reshape(-1, 1, 1), t).numpy().reshape(-1, 1)
        mean, variance = process.q_posterior(x0, grid.reshape(-1, 1), t)
        density = norm.pdf(grid, mean, variance**0.5).T @ density * dx
    x1 = grid.reshape(-1, 1, 1)
    log_p = [
        -text.rounding(model, np.full((len(grid), 1), w), x1).numpy()[:, 0] for w in (0, 1)
    ]
    return -np.log(np.exp(log_p) @ density * dx)


@pytest.mark.parametrize("awake", [False, True])
def test_the_bound_is_above_the_exact_value(awake, rng):
    """V = 2, one character, one number: p(w) by quadrature over the whole chain. It adds up to 1,
    and the bound is above; closely for a fresh model of many steps, which is exact."""
    T = 10 if awake else 60
    model, process = denoiser(rng, V=2, T=T, n=1, channels=1, awake=awake)
    model.vectors.W.data[...] = [[1.0], [-1.0]]
    exact = chain(model, process)
    assert np.exp(-exact).sum() == pytest.approx(1, abs=1e-6)
    for w in (0, 1):
        found = text.terms(model, process, np.full((2000, 1), w), rng)
        assert found.total.mean() > exact[w] - 4 * found.stderr
        if awake:
            assert found.total.mean() > exact[w] + 4 * found.stderr, "and is not the value itself"
        else:
            assert exact[w] == pytest.approx(np.log(2), abs=1e-6)
            assert found.total.mean() == pytest.approx(np.log(2), abs=0.05 + 4 * found.stderr)


def test_the_bound_of_a_longer_text_is_above_the_exact_value(rng):
    """V = 2, two characters that the network couples. p(w) = E p(w | x_1) over the model's own
    chain, whose x_1 is drawn; the 4 texts' probabilities add up to 1 by themselves."""
    model, process = denoiser(rng, V=2, T=10, n=2, channels=1)
    model.vectors.W.data[...] = [[1.0], [-1.0]]
    x = rng.standard_normal((20000, 2, 1))
    for t in range(process.T, 1, -1):
        mean, variance = process.q_posterior(model(x, t).numpy(), x, t)
        x = mean + variance**0.5 * rng.standard_normal(x.shape)
    for w in product((0, 1), repeat=2):
        p = np.exp(-text.rounding(model, np.tile(w, (len(x), 1)), x).numpy().sum(axis=1))
        exact, error = -np.log(p.mean()), p.std() / p.mean() / np.sqrt(len(p))
        found = text.terms(model, process, np.tile(w, (2000, 1)), rng)
        assert found.total.mean() > exact - 4 * np.hypot(found.stderr, error)


def test_the_parts_of_the_bound_are_those_of_the_bound_of_any_data(rng):
    """L_T and the divergences are bound.terms' own of x_0 = E[w]; L_0 is the rounding's."""
    model, process = denoiser(rng)
    ids = rng.integers(0, 3, (5, 4))
    found = text.terms(model, process, ids, np.random.default_rng(1))
    noise = np.random.default_rng(1)
    x0 = model.embed(ids).numpy()
    other = bound.terms(model, process, x0, noise=noise, predicts="x0")
    np.testing.assert_array_equal(found.L_T, other.L_T)
    np.testing.assert_array_equal(found.L[:, 2:], other.L[:, 2:])
    x1 = process.q_sample(x0, 1, noise.standard_normal(x0.shape))
    last = text.rounding(model, ids, x1).numpy().sum(axis=1)
    np.testing.assert_allclose(found.L[:, 1], last, rtol=1e-12)
    assert found.dims == 4
    assert found.bits_per_dim == pytest.approx(found.total.mean() / (4 * np.log(2)))


def test_few_times_estimate_the_same_bound(rng):
    model, process = denoiser(rng)
    ids = np.tile(rng.integers(0, 3, 4), (4000, 1))
    whole = text.terms(model, process, ids[:1000], rng)
    few = text.terms(model, process, ids, rng, bound.StratifiedT(20).sample(2 * len(ids), rng))
    assert (few.share[:, 1] == 1).all(), "L_0 is there for every row"
    error = np.hypot(whole.stderr, few.stderr)
    assert few.total.mean() == pytest.approx(whole.total.mean(), abs=4 * error)


def test_the_loss_estimates_the_bound(rng):
    model, process = denoiser(rng)
    ids = np.tile(rng.integers(0, 3, 4), (20000, 1))
    t = bound.StratifiedT(19).sample(len(ids), rng)[0] + 1
    like = np.zeros((len(ids), 1, 1))
    rows = bound.rows(process, t, like, "vlb", "x0")
    eps = rng.standard_normal((len(ids), 4, 2))
    value = text.loss(model, process, ids, t, eps, rows).item()
    found = text.terms(model, process, ids[:2000], rng)
    per_character = (found.total - found.L_T).mean() / 4
    assert value == pytest.approx(per_character, rel=0.03)


def test_every_parameter_is_reached_and_the_gradient_is_right(rng):
    model, process = denoiser(rng, n=3)
    ids, t = rng.integers(0, 3, (2, 3)), np.array([5, 16])
    rows = bound.rows(process, t, np.zeros((2, 1, 1)), "vlb", "x0")
    eps = rng.standard_normal((2, 3, 2))

    def loss(W):
        model.vectors.W = W
        return text.loss(model, process, ids, t, eps, rows)

    W = model.vectors.W
    td.gradcheck(loss, W.data.copy(), rng=rng)
    loss(W).backward()
    for name, p in model.named_parameters().items():
        assert np.abs(p.grad).max() > 0, name


# --- the twin


def test_the_twin_does_not_look_ahead(rng):
    model = twin(rng, V=5, n=6)
    ids = rng.integers(0, 5, (2, 6))
    before = model(ids).numpy()
    for i in range(6):
        changed = ids.copy()
        changed[:, i] = (ids[:, i] + 1) % 5
        after = model(changed).numpy()
        np.testing.assert_array_equal(after[:, : i + 1], before[:, : i + 1])
        if i < 5:
            assert np.abs(after[:, i + 1 :] - before[:, i + 1 :]).max(axis=(0, 2)).min() > 1e-6
    np.testing.assert_allclose(model(ids[:, :4]).numpy(), before[:, :4], rtol=1e-9, atol=1e-9)


def test_the_twins_probabilities_add_up_to_1(rng):
    model = twin(rng)
    ids = np.array(list(product(range(3), repeat=4)))
    nats = autoregressive.nats(model, ids)
    assert np.exp(-nats.sum(axis=1)).sum() == pytest.approx(1, rel=1e-12)
    assert autoregressive.loss(model, ids).item() == pytest.approx(nats.mean(), rel=1e-12)


def test_the_twin_is_sampled_from_its_probabilities(rng):
    """Of 9 texts of two characters; a frequency errs by sqrt(p / n) at most."""
    model, n = twin(rng), 4000
    texts = np.array(list(product(range(3), repeat=2)))
    p = np.exp(-autoregressive.nats(model, texts).sum(axis=1))
    drawn = autoregressive.sample(model, n, 2, rng)
    share = np.bincount(drawn @ [3, 1], minlength=9) / n
    assert (np.abs(share - p) < 4 * np.sqrt(p / n)).all()


def test_a_text_that_is_too_long_is_refused(rng):
    with pytest.raises(ValueError, match="at most 4 characters, got 5"):
        twin(rng)(np.zeros((1, 5), dtype=int))
    with pytest.raises(ValueError, match=r"curves \(N, 4, 2\), got \(1, 5, 2\)"):
        denoiser(rng)[0](np.zeros((1, 5, 2)), 3)


def test_both_compute_on_a_device(device, xp, rng):
    process = Process(schedules.cosine(20))
    model = TextDenoiser(3, process, 4, 2, **SMALL, rng=rng)
    other = Autoregressive(3, 4, **SMALL, rng=rng)
    ids = xp.asarray(rng.integers(0, 3, (5, 4)))
    found = text.terms(model, process, ids, rng)
    assert found.total.shape == (5,)
    assert td.to_host(autoregressive.sample(other, 5, 4, rng)).shape == (5, 4)
    assert np.allclose(td.to_host(autoregressive.nats(other, ids)), np.log(3))
    assert td.to_host(model.nearest(model.embed(ids).data)).tolist() == td.to_host(ids).tolist()

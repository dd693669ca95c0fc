"""The adversarial games: values, and slopes that are known in closed form."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff.models.gan import between, critic_gap, generator_loss, gradient_penalty, value
from tinydiff.models.mlp import mlp


def test_the_penalty_of_a_linear_critic_is_that_of_its_slope(rng):
    """f(x) = w x has the slope |w| everywhere."""
    w, x = np.array([3.0, 4.0]), rng.standard_normal((6, 2))
    found = gradient_penalty(lambda x: td.matmul(x, w), td.Tensor(x))
    np.testing.assert_allclose(found.numpy(), 16.0, rtol=1e-12)


def test_the_penalty_differs_from_row_to_row(rng):
    """f(x) = |x|^2 / 2 has the slope |x|: the penalty is (|x| - 1)^2."""
    x = rng.standard_normal((6, 3))
    found = gradient_penalty(lambda x: td.sum(x * x, axis=-1) * 0.5, td.Tensor(x)).numpy()
    np.testing.assert_allclose(found, (np.linalg.norm(x, axis=1) - 1) ** 2, rtol=1e-10)


def test_the_penalty_can_be_differentiated_by_the_critic(rng):
    """Second order: d/dw of (|w| - 1)^2 is 2 (|w| - 1) w / |w|; and by differences for an MLP."""
    w, x = td.Tensor([0.3, 0.4], requires_grad=True, dtype=np.float64), rng.standard_normal((4, 2))
    td.mean(gradient_penalty(lambda x: td.matmul(x, w), td.Tensor(x))).backward()
    np.testing.assert_allclose(w.grad, 2 * (0.5 - 1) * w.data / 0.5, rtol=1e-9)
    f = mlp(2, 5, 5, 1, rng=rng).astype(np.float64)
    td.mean(gradient_penalty(f, td.Tensor(x))).backward()
    grad, start = f.flat.grad.copy(), f.flat.data.copy()
    direction, found = rng.standard_normal(start.shape), []
    for sign in (1, -1):
        f.flat.data[...] = start + sign * 1e-5 * direction
        f.flat.changed()
        found.append(td.mean(gradient_penalty(f, td.Tensor(x))).item())
    assert grad @ direction == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-6)


def test_a_flat_critic_has_a_finite_gradient():
    w = td.Tensor(np.zeros(2), requires_grad=True)
    td.mean(gradient_penalty(lambda x: td.matmul(x, w), td.Tensor(np.ones((3, 2))))).backward()
    assert np.isfinite(w.grad).all()


def test_the_gap_of_the_best_critic_is_the_way_that_mass_goes(rng):
    """Two laws a shift of (3, 4) apart: f(x) = x . (3, 4) / 5 earns the whole distance, 5."""
    data, shift = rng.standard_normal((50, 2)), np.array([3.0, 4.0])
    assert critic_gap(data @ shift / 5, (data - shift) @ shift / 5) == pytest.approx(5)
    assert critic_gap(data[:, 0], (data - shift)[:, 0]) < 5


def test_between_runs_from_the_model_to_the_data():
    data, model = np.ones((3, 2)), np.full((3, 2), 3.0)
    found = between(data, model, np.array([[0], [0.5], [1]]))
    np.testing.assert_array_equal(found[:, 0], [3, 2, 1])


def test_where_one_game_is_flat_the_other_is_not():
    """A generator that the discriminator sees through, l = -20: the slope of log(1 - D) is
    sigmoid(l), about 0, that of -log D is 1 - sigmoid(l), about 1."""
    logit = td.Tensor([-20.0], requires_grad=True)
    value(td.Tensor([0.0]), logit).backward()
    flat, logit.grad = logit.grad, None
    generator_loss(logit).backward()
    assert abs(flat[0]) < 1e-8
    assert logit.grad[0] == pytest.approx(-1)

"""Layers that behave differently in training and in evaluation."""

import math

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def test_batch_norm_keeps_running_statistics(rng):
    layer = nn.BatchNorm(3, momentum=0.3).astype(np.float64)
    mean, var = np.zeros(3), np.ones(3)
    for _ in range(3):
        x = rng.normal(2, 3, (4, 5, 3))
        layer(x)
        mean = 0.7 * mean + 0.3 * x.mean((0, 1))
        var = 0.7 * var + 0.3 * x.var((0, 1), ddof=1)
    np.testing.assert_allclose(layer.running_mean, mean, **EXACT)
    np.testing.assert_allclose(layer.running_var, var, **EXACT)
    before = layer.state_dict()
    layer.eval().flat.data[...] = rng.standard_normal(6)
    x = rng.standard_normal((1, 3))  # in eval one value per channel is enough
    expected = (x - mean) / np.sqrt(var + 1e-5) * layer.gamma.data + layer.beta.data
    np.testing.assert_allclose(layer(x).numpy(), expected, **EXACT)
    np.testing.assert_array_equal(layer.running_mean, before["running_mean"])
    np.testing.assert_array_equal(layer.running_var, before["running_var"])


def test_a_batch_that_batch_norm_refuses_leaves_no_trace(rng):
    layer = nn.BatchNorm(1)
    for shape in [(4, 3), (1, 1), (0, 1)]:
        with pytest.raises(ValueError, match=r"batch_norm|BatchNorm"):
            layer(np.ones(shape, np.float32))
    np.testing.assert_array_equal([layer.running_mean[0], layer.running_var[0]], [0, 1])
    layer(rng.standard_normal((4, 1)))  # float64 data does not change the buffers' type
    assert layer.running_mean.dtype == layer.running_var.dtype == np.float32


def test_dropout_keeps_the_mean_and_draws_from_its_generator(rng, device):
    p, n = 0.3, 40_000
    x = td.Tensor(np.ones(n, np.float32))
    layer = nn.Dropout(p, rng=np.random.default_rng(5))
    y = layer(x).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / (1 - p))}
    # the mean of n values 1/(1-p) with probability 1-p has standard deviation sqrt(p/(1-p)/n)
    assert abs(y.mean(dtype=float) - 1) < 5 * math.sqrt(p / (1 - p) / n)
    assert (layer(x).numpy() != y).any(), "each call draws a new mask"
    again = nn.Dropout(p, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(again(x).numpy(), y)
    for unchanged in (again.eval(), nn.Dropout(0, rng=rng)):
        np.testing.assert_array_equal(unchanged(x).numpy(), 1)


def test_dropout_gradient_goes_where_the_values_went(rng):
    x = td.Tensor(rng.uniform(1, 2, 100), requires_grad=True)
    y = nn.Dropout(0.5, rng=rng)(x)
    g = rng.standard_normal(100)
    y.backward(g)
    np.testing.assert_allclose(x.grad, g * y.numpy() / x.numpy(), rtol=1e-12)

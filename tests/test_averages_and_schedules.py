"""What goes with an optimiser: averages of weights, clipping, learning-rate schedules."""

import math

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn, optim
from tinydiff.nn import Parameter


def test_ema_forgets_faster_while_it_is_young(rng):
    p = Parameter(np.zeros(3), dtype=np.float64)
    ema = optim.EMA([p], decay=0.5)
    expected = np.zeros(3)
    # (1 + n) / (10 + n) for n = 0, 1, ...; at n = 8 it reaches the decay
    for d in [1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 0.5, 0.5, 0.5]:
        p.data[...] = rng.standard_normal(3)
        ema.update()
        expected = d * expected + (1 - d) * p.data
        np.testing.assert_allclose(ema.average, expected, rtol=1e-12)


def test_ema_starts_at_the_parameters_and_never_moves_them(rng):
    p = Parameter(rng.standard_normal(3))
    ema = optim.EMA([p], decay=0.99)
    own = p.data.copy()
    np.testing.assert_array_equal(ema.average, own)
    ema.update()
    np.testing.assert_array_equal(p.data, own)
    assert not np.shares_memory(ema.average, p.flat.data)


def test_the_average_is_applied_and_taken_off_again(rng):
    layer = nn.Linear(2, 3, rng=rng)
    ema, own = optim.EMA(layer, 0.9), layer.W.data.copy()
    layer.W.data[...] += 1
    for fails in (False, True):
        try:
            with ema.applied():
                np.testing.assert_array_equal(layer.W.data, own)
                if fails:
                    raise KeyError
        except KeyError:
            assert fails
        np.testing.assert_array_equal(layer.W.data, own + 1)
        np.testing.assert_array_equal(ema.average[:6].reshape(2, 3), own)


def test_a_restored_average_goes_on_bit_by_bit(rng):
    p = Parameter(rng.standard_normal(5))
    ema, twin = optim.EMA([p], 0.9), optim.EMA([p], 0.9)
    for n in range(10):
        p.data[...] = rng.standard_normal(5)
        if n == 5:
            twin.load_state_dict(ema.state_dict())
        ema.update()
        twin.update()
    np.testing.assert_array_equal(ema.average, twin.average)
    assert ema.updates == twin.updates == 10


# --- clipping


@pytest.mark.parametrize("max_norm", [0.5, 3.0, 1e9, math.inf])
def test_clipping_limits_the_joint_norm(max_norm, rng, device):
    params = [Parameter(np.zeros(s)) for s in [(3, 4), (4,), (), (2, 1, 3)]]
    flat = optim.SGD(params, lr=1).flat
    g = rng.standard_normal(flat.data.shape).astype(np.float32)
    flat.grad[...] = td.to_device(g)
    norm = np.linalg.norm(g.astype(float))
    assert 3 < norm < 100, "one limit below, one above"
    assert float(optim.clip_grad_norm(params, max_norm)) == pytest.approx(norm, rel=1e-6)
    clipped = td.to_host(flat.grad)
    assert clipped.dtype == np.float32
    np.testing.assert_allclose(clipped, g * min(1, max_norm / norm), rtol=1e-6)
    if max_norm > norm:
        np.testing.assert_array_equal(clipped, g)


def test_clipping_leaves_zeros_and_refuses_nonsense():
    p = Parameter(np.ones(3))
    assert float(optim.clip_grad_norm([p], 1e-30)) == 0
    np.testing.assert_array_equal(p.flat.grad, 0)
    for max_norm in (0, -1, math.nan):
        with pytest.raises(ValueError, match="needs max_norm > 0"):
            optim.clip_grad_norm([p], max_norm)


# --- schedules


def test_schedules_at_their_ends():
    assert [optim.constant(0.3)(step) for step in (0, 10**6)] == [0.3, 0.3]
    lr = optim.cosine(0.2, steps=100, warmup=20)
    assert [lr(0), lr(9), lr(19)] == pytest.approx([0.2 / 20, 0.1, 0.2])
    assert [lr(20), lr(60), lr(100), lr(10**6)] == pytest.approx([0.2, 0.1, 0, 0], abs=1e-16)
    assert optim.cosine(0.2, steps=10)(0) == 0.2, "no warm-up"
    rates = [lr(step) for step in range(101)]
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    # a quarter of the way down, cos(pi/4)
    assert lr(40) == pytest.approx(0.1 * (1 + math.sqrt(0.5)))


def test_a_plateau_reduces_the_learning_rate():
    optimizer = optim.SGD([Parameter(1.0)], lr=1.0)
    plateau = optim.ReduceOnPlateau(optimizer, factor=0.5, patience=2)
    rates = []
    for loss in [3, 2, 2, 2.5, 1, 1.5, math.nan, 1, 0.5, 0.4]:
        plateau.step(loss)
        rates.append(optimizer.lr)
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    again = optim.ReduceOnPlateau(optimizer, factor=0.5, patience=2)
    plateau.step(9)
    again.load_state_dict(plateau.state_dict())
    again.step(0.4)
    assert optimizer.lr == 0.125, "an equal loss is not a smaller one"

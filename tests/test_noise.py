"""Noise on every device is driven by the host generator, whose state can be saved."""

import numpy as np
import pytest
from double import forbid

from tinydiff.backend import device_of, standard_normal, to_host, uniform


@pytest.mark.parametrize("draw", [standard_normal, uniform])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_follows_the_host_generator(draw, dtype, device):
    rng = np.random.default_rng(7)
    rng.random()
    state = rng.bit_generator.state
    with forbid("h2d", "d2h", "sync"):
        first, second = draw(rng, (40, 3), dtype), draw(rng, (40, 3), dtype)
        rng.bit_generator.state = state
        again = draw(rng, (40, 3), dtype), draw(rng, (40, 3), dtype)
    assert (first.shape, first.dtype, device_of(first)) == ((40, 3), dtype, device)
    for value, repeated in zip((first, second), again):
        np.testing.assert_array_equal(to_host(value), to_host(repeated))
    values = np.concatenate([to_host(first), to_host(second)])
    assert np.unique(values).size == values.size  # the second draw goes on where the first ended
    low, high = values.min(), values.max()
    assert (low < 0 and high > 1) if draw is standard_normal else (low >= 0 and high < 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_on_the_cpu_is_the_generators_own(dtype):
    ours, plain = np.random.default_rng(3), np.random.default_rng(3)
    assert (standard_normal(ours, (4,), dtype, "cpu") == plain.standard_normal(4, dtype)).all()
    assert (uniform(ours, 4, dtype, "cpu") == plain.random(4, dtype)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex128])
def test_noise_has_two_dtypes(dtype, device):
    with pytest.raises(TypeError, match=f"drawn as float32 or float64, not {np.dtype(dtype)}"):
        standard_normal(np.random.default_rng(0), 3, dtype)


@pytest.mark.parametrize("rng", [np.random, np.random.RandomState(0), None, 0])
def test_noise_needs_a_generator(rng):
    message = rf"np.random.default_rng\(0\), not {type(rng).__name__}$"
    with pytest.raises(TypeError, match=message):
        uniform(rng, 3, np.float32)

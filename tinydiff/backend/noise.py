"""Random numbers: one host generator drives the noise on every device."""

import numpy as np

from .devices import get_device, resolve
from .parts import drawn_for_all


def standard_normal(rng, shape, dtype, device=None):
    """N(0, 1) noise of `shape` on `device` (default: the current one), float32 or float64.

    rng: np.random.Generator. On the CPU the numbers come from `rng` itself; a GPU draws its own,
    seeded by one integer from `rng`, so the two streams differ and nothing is uploaded. A part of a
    batch gets its rows of the whole batch's noise (parts.py).
    """
    return _noise("standard_normal", rng, shape, dtype, device)


def uniform(rng, shape, dtype, device=None):
    """U[0, 1) noise, drawn like `standard_normal`."""
    return _noise("random_sample", rng, shape, dtype, device)


def _noise(kind, rng, shape, dtype, device):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"noise needs a np.random.Generator, such as np.random.default_rng(0), "
            f"not {type(rng).__name__}"
        )
    dtype = np.dtype(dtype)
    if dtype.char not in "fd":
        raise TypeError(
            f"noise is drawn as float32 or float64, not {dtype}; draw it so and cast it"
        )
    backend, device = resolve(device or get_device())
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    return drawn_for_all(lambda shape: backend.noise(kind, rng, shape, dtype, device), shape)

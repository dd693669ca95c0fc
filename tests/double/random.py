"""cupy.random: the legacy RandomState and what CuPy has of Generator, over NumPy's Generator."""

import numpy as np

from .array import wrap
from .counters import wait
from .table import TABLE


class Source:
    """A random number generator on the device; a subclass models some methods of the table."""

    section = None

    def __init__(self, seed=None):
        self.seed(seed)

    def __getattr__(self, name):
        if name in TABLE[self.section]:
            raise NotImplementedError(f"the double does not model {self.section}.{name}")
        raise AttributeError(f"{self.section!r} has no attribute {name!r}")


class RandomState(Source):
    """cupy.random.RandomState: float64 unless told otherwise, float32 and float64 only."""

    section = "cupy.random.RandomState"

    def seed(self, seed=None):
        if seed is not None and not 0 <= seed < 2**64:
            raise ValueError("Seed must be an integer between 0 and 2**64 - 1")
        self.generator = np.random.default_rng(seed)

    def standard_normal(self, size=None, dtype=float):
        return wrap(self.generator.standard_normal(size, dtype=_float(dtype)))

    def random_sample(self, size=None, dtype=float):
        return wrap(self.generator.random(size, dtype=_float(dtype)))

    def normal(self, loc=0.0, scale=1.0, size=None, dtype=float):
        return self.standard_normal(size, dtype) * scale + loc

    def uniform(self, low=0.0, high=1.0, size=None, dtype=float):
        return self.random_sample(size, dtype) * (high - low) + low

    def randint(self, low, high=None, size=None, dtype=int):
        wait("randint(), which draws until all are in range")
        return wrap(self.generator.integers(low, high, size, dtype=dtype))


class Generator(Source):
    """cupy.random.Generator, which lacks normal, choice, permutation and more."""

    section = "cupy.random.Generator"

    def __init__(self, seed=None):
        self._generator = np.random.default_rng(seed)

    def standard_normal(self, size=None, dtype=float, out=None):
        return self._draw(self._generator.standard_normal, size, dtype, out)

    def random(self, size=None, dtype=float, out=None):
        return self._draw(self._generator.random, size, dtype, out)

    def _draw(self, draw, size, dtype, out):
        values = draw(size, dtype=_float(dtype))
        if out is None:
            return wrap(values)
        out._host[...] = values
        return out


def _float(dtype):
    dtype = np.dtype(dtype)
    if dtype.char not in "fd":
        raise TypeError("cupy.random only supports float32 and float64")
    return dtype


MODELLED = {"RandomState": RandomState, "Generator": Generator, "default_rng": Generator}

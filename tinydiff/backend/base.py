"""What a backend is, and the first of them: NumPy."""

import numpy as np

from . import fast_numpy


class Backend:
    """One array library: its namespace `xp`, its array type, and its ways to and from the host.

    `xp` follows CuPy's surface: `xp.asarray(host)` uploads and `array.get()` downloads. `special`
    is the library's counterpart of scipy.special, if it has one.
    """

    fast = None  # the module of its fast forms: see fast.py

    def __init__(self, name, xp, array_type, special=None):
        self.name, self.xp, self.array_type = name, xp, array_type
        self._special = special

    def device_of(self, a):
        """The name of the device that the array `a` lives on."""
        return self.name

    def check(self, device):
        """Raise DeviceError unless `device` exists and can compute."""

    def select(self, device):
        """Let `device` be where this thread's new arrays go."""

    def upload(self, a, device):
        """The host array, list or number `a` as an array on `device`."""
        return self.xp.asarray(a)

    def noise(self, kind, rng, shape, dtype, device):
        """Noise drawn on `device`; kind is "standard_normal" or "random_sample" (uniform).

        One integer from the host generator `rng` seeds the device's, so nothing is uploaded, and
        the state of `rng`, which a checkpoint can hold, decides all the noise that follows.
        """
        state = self.xp.random.RandomState(seed_from(rng))
        return getattr(state, kind)(shape, dtype=dtype)

    def special(self, name, x):
        """scipy.special's function `name`; by way of the host if the library has no such module."""
        if self._special is None:
            import scipy.special

            return self.xp.asarray(getattr(scipy.special, name)(x.get()))
        return getattr(self._special, name)(x)


class NumpyBackend(Backend):
    """NumPy on the CPU: the reference. Numbers and NumPy scalars belong to it too."""

    fast = fast_numpy

    def __init__(self):
        super().__init__("cpu", np, np.ndarray)

    def upload(self, a, device):
        return np.asarray(a)

    def noise(self, kind, rng, shape, dtype, device):
        draw = rng.standard_normal if kind == "standard_normal" else rng.random
        return draw(shape, dtype=dtype)

    def special(self, name, x):
        import scipy.special  # takes 0.2 s, so only when asked for

        return getattr(scipy.special, name)(x)


def seed_from(rng):
    """A seed for a device's generator, drawn from the host generator `rng`."""
    return int(rng.integers(2**63))

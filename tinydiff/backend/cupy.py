"""The GPU backend: the only file that imports CuPy, and only when a GPU is asked for."""

import threading

from .base import Backend, seed_from
from .errors import DeviceError

REMEDY = "pip install 'cupy-cuda13x[ctk]>=14.2,<15' (or 'cupy-cuda12x[ctk]>=14.2,<15' for CUDA 12)"


class CupyBackend(Backend):
    """CuPy on one or several GPUs, which are called cuda:0, cuda:1, ..."""

    def __init__(self):
        super().__init__("cuda", *import_cupy())
        self._checked = set()
        self._local = threading.local()

    def check(self, device):
        if device in self._checked:
            return
        index, count = int(device.partition(":")[2]), self.xp.cuda.runtime.getDeviceCount()
        if index >= count:
            raise DeviceError(
                f"there is no device {device!r}: this machine's GPUs are cuda:0 to cuda:{count - 1}"
            )
        try:
            with self._device(device):
                one = self.xp.ones((2, 2), dtype=self.xp.float32) + 1  # needs the kernel compiler
                (one @ one).get()  # needs cuBLAS
        except Exception as error:  # CuPy raises a dozen types here, and all mean the same
            raise DeviceError(
                f"CuPy found a GPU but cannot compute on it ({first_line(error)}), most often "
                f"because CUDA libraries are missing: {REMEDY}"
            ) from error
        self._checked.add(device)

    def device_of(self, a):
        return f"cuda:{a.device.id}"

    def select(self, device):
        self._device(device).use()

    def upload(self, a, device):
        with self._device(device):
            return self.xp.asarray(a)

    def noise(self, kind, rng, shape, dtype, device):
        with self._device(device):
            state = self._random_state(device)
            state.seed(seed_from(rng))
            return getattr(state, kind)(shape, dtype=dtype)

    def special(self, name, x):
        import cupyx.scipy.special

        return getattr(cupyx.scipy.special, name)(x)

    def _device(self, device):
        return self.xp.cuda.Device(int(device.partition(":")[2]))

    def _random_state(self, device):
        """This thread's generator on `device`: making one allocates, seeding it again does not.

        Philox computes its state from the seed as it goes; cuRAND's default generator would first
        run a set-up kernel after every seeding.
        """
        states = self._local.__dict__
        if device not in states:
            from cupy_backends.cuda.libs.curand import CURAND_RNG_PSEUDO_PHILOX4_32_10 as philox

            states[device] = self.xp.random.RandomState(method=philox)
        return states[device]


def import_cupy():
    """CuPy and its array type; DeviceError with the remedy when there is no CuPy or no GPU."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise DeviceError(f"CuPy lacks a module ({first_line(error)}): {REMEDY}") from error
        raise DeviceError(f"device 'cuda' needs CuPy, which is not installed: {REMEDY}") from error
    except ImportError as error:
        raise DeviceError(
            f"CuPy is installed but cannot be imported ({first_line(error)}): {REMEDY}"
        ) from error
    if not cupy.is_available():
        raise DeviceError(
            "device 'cuda' needs an NVIDIA GPU with its driver, and none was found; use "
            f"td.set_device('cpu'), or install the driver and a CuPy that fits it: {REMEDY}"
        )
    return cupy, cupy.ndarray


def first_line(error):
    """The kind of an error and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])

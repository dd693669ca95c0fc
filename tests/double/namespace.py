"""`xp`: the module cupy as the table lists it, each name bound to NumPy's work on first use."""

import importlib
from numbers import Number

import numpy as np

from . import methods  # noqa: F401 (lends DeviceArray its methods)
from .array import DeviceArray
from .functions import UPLOADS, Ufunc, device_function, upload
from .random import MODELLED
from .table import TABLE, VERSION


class Namespace:
    """One module of CuPy (a section of the table) over the NumPy or SciPy module of that role."""

    def __init__(self, section, host, **extra):
        self.__name__, self._host = section, host
        self.__dict__.update(extra)

    def __repr__(self):
        return f"<the double of {self.__name__} {VERSION}>"

    def __getattr__(self, name):
        entry = TABLE[self.__name__].get(name)
        if entry is None:
            raise AttributeError(
                f"module {self.__name__!r} has no attribute {name!r} "
                f"(CuPy {VERSION}); NumPy may have it"
            )
        value = self._bind(name, entry)
        setattr(self, name, value)  # found without this detour from now on
        return value

    def _bind(self, name, entry):
        full = f"{self.__name__}.{name}"
        host = importlib.import_module(self._host)
        if not hasattr(host, name) or self.__name__ == "cupy.random":
            raise NotImplementedError(f"the double does not model {full}")
        thing = getattr(host, name)
        if entry == "ufunc" and isinstance(thing, np.ufunc):
            return Ufunc(full, thing)
        if entry == "constant" and (thing is None or isinstance(thing, Number)):
            return thing
        if entry == "type" and (thing in (np.dtype, np.finfo, np.iinfo) or is_dtype(thing)):
            return thing
        if isinstance(entry, list) and full.startswith("cupy.") and name in UPLOADS:
            return upload(full, thing, entry)
        if isinstance(entry, list):
            return device_function(full, thing, entry)
        raise NotImplementedError(f"the double does not model {full}")


def is_dtype(thing):
    return isinstance(thing, type) and issubclass(thing, np.generic)


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    """cupy.asnumpy: the values as a NumPy array."""
    return a.get(order=order, out=out) if isinstance(a, DeviceArray) else np.asarray(a)


def get_array_module(*args):
    """cupy.get_array_module: the module that computes with these arrays."""
    return xp if any(isinstance(a, DeviceArray) for a in args) else np


_stride_tricks = Namespace("cupy.lib.stride_tricks", "numpy.lib.stride_tricks")

xp = Namespace(
    "cupy",
    "numpy",
    ndarray=DeviceArray,
    asnumpy=asnumpy,
    get_array_module=get_array_module,
    fft=Namespace("cupy.fft", "numpy.fft"),
    lib=type("lib", (), {"stride_tricks": _stride_tricks}),
    linalg=Namespace("cupy.linalg", "numpy.linalg"),
    random=Namespace("cupy.random", "numpy.random", **MODELLED),
)
special = Namespace("cupyx.scipy.special", "scipy.special")

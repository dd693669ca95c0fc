"""Which library an array belongs to: the array decides, not a global switch."""

import sys

import numpy as np

from .base import Backend, NumpyBackend
from .errors import DeviceError

SCALARS = (bool, int, float)

_numpy = NumpyBackend()
_by_name = {"cpu": _numpy}
_by_type = {np.ndarray: _numpy}


def register(name, xp, array_type, special=None):
    """Make device `name` known: arrays of `array_type` compute with the namespace `xp`.

    `xp` follows CuPy's surface: `xp.asarray(host)` uploads, `array.get()` downloads; `special`
    holds its erf and log_ndtr. This is how tests plug in a double of the GPU. A name that is
    registered again gets the new library. Raises ValueError for the names "cpu" and "cuda", and
    for an array type that belongs to another device.
    """
    if name in ("cpu", "cuda") or ":" in name:
        raise ValueError(f"device name {name!r} is taken; choose another, without a colon")
    owner = _by_type.get(array_type)
    if owner is not None and owner.name != name:
        raise ValueError(f"{array_type.__qualname__} already belongs to device {owner.name!r}")
    if name in _by_name:
        del _by_type[_by_name[name].array_type]
    return _add(Backend(name, xp, array_type, special))


def _add(backend):
    _by_name[backend.name] = _by_type[backend.array_type] = backend
    return backend


def backend_named(name):
    """The backend of that name; "cuda" imports CuPy. None if there is no such name."""
    if name == "cuda" and name not in _by_name:
        from .cupy import CupyBackend

        _add(CupyBackend())
    return _by_name.get(name)


def known_devices():
    """The names that `backend_named` accepts."""
    return sorted({*_by_name, "cuda"})


def backend_of(a):
    """The Backend of one array. Python numbers and NumPy scalars count as NumPy."""
    backend = _by_type.get(type(a)) or _of_subclass(a)
    if backend is None and isinstance(a, (np.generic, *SCALARS)):
        return _numpy
    if backend is None:
        known = ", ".join(f"{t.__module__}.{t.__qualname__}" for t in _by_type)
        given = f"{type(a).__module__}.{type(a).__qualname__}"
        raise TypeError(f"expected an array ({known}) or a number, got {given}")
    return backend


def fast_forms_of(a):
    """The module of fast forms for the array a: None for other backends, and for a Tensor."""
    backend = _by_type.get(type(a))
    return None if backend is None else backend.fast


def _of_subclass(a):
    """The backend of an array whose own type has not been met yet, or None."""
    if isinstance(a, np.ndarray):
        return _numpy
    cupy = sys.modules.get("cupy")  # an array of CuPy's can only exist where CuPy is loaded
    if cupy is not None and isinstance(a, cupy.ndarray):
        return backend_named("cuda")
    return None


def xp_of(*arrays):
    """The namespace (numpy or cupy) that computes with these arrays.

    Numbers may stand among the arrays. Raises DeviceError if two arrays are on different devices.
    """
    backend = _by_type.get(type(arrays[0])) or backend_of(arrays[0])
    for a in arrays[1:]:
        if type(a) is not backend.array_type:
            check_devices(arrays)
            return next((b.xp for b in map(backend_of, arrays) if b is not _numpy), np)
    return backend.xp


def is_array(a):
    """True for an array of any backend; False for numbers, lists and Tensors."""
    return type(a) in _by_type or _of_subclass(a) is not None


def device_of(a):
    """The device name of an array: "cpu", "cuda:0", ..."""
    return backend_of(a).device_of(a)


def check_devices(arrays):
    """Raise DeviceError naming both devices unless all these arrays share one.

    Numbers and None may stand among them.
    """
    first = None
    for a in arrays:
        if a is None or isinstance(a, (np.generic, *SCALARS)):
            continue
        device = device_of(a)
        if first is None:
            first = device
        elif device != first:
            raise DeviceError(
                f"arrays on {first} and on {device} meet in one operation; move one of them "
                f"with x.to({first!r}) or td.to_device(array, {first!r})"
            )


def scatter_add(target, index, values):
    """target[index] += values, in place, where an index may repeat; returns target."""
    xp_of(target).add.at(target, index, values)
    return target


def special(name, x):
    """A function of scipy.special ("erf", "log_ndtr") or its CuPy twin, imported on first use."""
    return backend_of(x).special(name, x)

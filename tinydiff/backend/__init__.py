"""NumPy or CuPy: the one place that knows which.

Everything above this package asks `xp_of(array)` for the array library and uses only the names
listed in `names.py`, which both libraries have. The array decides: a NumPy array computes on the
CPU, a CuPy array on its GPU. `set_device` only says where *new* tensors go. CuPy is imported when
it is first asked for, never before.
"""

from . import memory
from .arrays import (
    SCALARS,
    backend_of,
    check_devices,
    device_of,
    is_array,
    register,
    scatter_add,
    special,
    xp_of,
)
from .devices import get_device, set_device, to_device, to_device_of, to_host
from .fast import fast_form, in_pieces
from .noise import standard_normal, uniform
from .parts import mean_of_parts, share

__all__ = [
    "SCALARS",
    "backend_of",
    "check_devices",
    "device_of",
    "fast_form",
    "get_device",
    "in_pieces",
    "is_array",
    "mean_of_parts",
    "register",
    "scatter_add",
    "set_device",
    "share",
    "special",
    "standard_normal",
    "to_device",
    "to_device_of",
    "to_host",
    "uniform",
    "xp_of",
]

memory_is_kept = memory.keep()

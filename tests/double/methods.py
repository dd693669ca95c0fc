"""The methods and attributes of cupy.ndarray, lent to DeviceArray as the table lists them."""

import numpy as np

from .array import DeviceArray, wrap
from .counters import hit
from .functions import device_function, words
from .table import TABLE

FLAGS = ("c_contiguous", "f_contiguous", "owndata")  # there is no `writeable` in CuPy
NOT_MODELLED = words(
    "cstruct data device dump dumps flat mdspan reduced_view scatter_add scatter_max scatter_min "
    "toDlpack tofile"
)


def method(name, parameters):
    """The method `name` with CuPy's parameters: the checks of device_function, then NumPy's."""
    checked = device_function(f"cupy.ndarray.{name}", getattr(np.ndarray, name), ["a", *parameters])
    checked.__name__ = name
    return checked


def attribute(name):
    def read(self):
        value = getattr(self._host, name)
        return wrap(value) if isinstance(value, np.ndarray) else value

    return property(read)


class Flags:
    """cupy.ndarray.flags: by attribute or by key, in either case."""

    def __init__(self, flags):
        for name in FLAGS:
            setattr(self, name, flags[name.upper()])

    def __getitem__(self, key):
        return getattr(self, key.lower())


def set_values(self, arr, stream=None):
    """cupy.ndarray.set: upload into this array."""
    hit("h2d", "set()")
    self._host[...] = arr


def _lend():
    for name, parameters in TABLE["cupy.ndarray"].items():
        if name in NOT_MODELLED or name in vars(DeviceArray):
            continue
        if parameters == "attribute":
            setattr(DeviceArray, name, attribute(name))
        elif hasattr(np.ndarray, name):
            setattr(DeviceArray, name, method(name, parameters))
    DeviceArray.flags = property(lambda self: Flags(self._host.flags))
    DeviceArray.set = set_values


_lend()

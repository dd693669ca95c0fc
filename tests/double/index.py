"""Indexing as CuPy does it: silent uploads and waits counted, out of bounds wrapped."""

import math

import numpy as np

from .counters import hit, wait

_PLAIN = (int, slice, type(None), type(Ellipsis))


def host_index(index, shape):
    """An index of a device array as an index of its host memory, and whether it gathers.

    To gather is to select by arrays. The host index ends with an Ellipsis, so that selecting one
    element gives a 0-d view, as it does in CuPy, and not a NumPy scalar.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if all(type(part) in _PLAIN for part in parts):
        return (parts if Ellipsis in parts else (*parts, Ellipsis)), False
    parts = [_uploaded(part) for part in parts]
    axis, gathers = 0, False
    spare = len(shape) - sum(map(_axes_used, parts))  # the axes that an Ellipsis stands for
    for i, part in enumerate(parts):
        used = spare if part is Ellipsis else _axes_used(part)
        if isinstance(part, np.ndarray):
            gathers = True
            if part.dtype == bool:
                wait("a boolean mask as index (its number of ones is a size)")
            elif shape[axis] if axis < len(shape) else 0:
                parts[i] = part % shape[axis]
        axis += used
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    return tuple(parts), gathers


def _uploaded(part):
    """One part of an index as NumPy wants it; host arrays and lists travel to the device first."""
    host = getattr(part, "_host", None)
    if host is None:
        if isinstance(part, (np.ndarray, list)):
            host = np.asarray(part)
            if host.ndim:
                hit("h2d", "a host array or list as index")
        elif isinstance(part, (bool, np.bool_)):
            host = np.asarray(part)
        else:
            return part
    if host.dtype.kind not in "biu":
        raise IndexError("arrays used as indices must be of integer or boolean type")
    return host


def _axes_used(part):
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1


def check_assignment(index, shape):
    """Refuse x[index] = array where index names a place twice: on a GPU either value may win."""
    places = np.arange(math.prod(shape)).reshape(shape)[index]
    if np.unique(places).size < places.size:
        raise AssertionError(
            "x[index] = array with a repeated index: undefined on a GPU, where any of the values "
            "may win; use xp.add.at, or make the index unique"
        )

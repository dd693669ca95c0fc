"""Where new arrays go, and how arrays move between devices: always said, never silent."""

import os
import re
from contextvars import ContextVar

import numpy as np

from .arrays import backend_named, device_of, is_array, known_devices
from .errors import DeviceError

_device = ContextVar("device", default=None)  # None: TINYDIFF_DEVICE, else "cpu"


def set_device(device):
    """Choose where new tensors and parameters go: "cpu", "cuda", "cuda:1", or a registered name.

    The choice belongs to the current context (thread or task); for a GPU it is also made in CUDA,
    for the current thread. Raises DeviceError, in one sentence with the remedy, when the device
    cannot be used.
    """
    backend, device = resolve(device)
    backend.select(device)
    _device.set(device)


def get_device():
    """The device of new tensors: the last `set_device`, else TINYDIFF_DEVICE, else "cpu"."""
    device = _device.get()
    if device is None:
        device = os.environ.get("TINYDIFF_DEVICE") or "cpu"
        try:
            set_device(device)
        except DeviceError as error:
            raise DeviceError(f"TINYDIFF_DEVICE={device}: {error}") from error
        device = _device.get()
    return device


def resolve(device):
    """The backend and the full name of a device; "cuda" is "cuda:0".

    Raises DeviceError for an unknown name, and for a GPU that does not compute.
    """
    if device == "cuda":
        device = "cuda:0"
    name = "cuda" if re.fullmatch(r"cuda:(0|[1-9]\d*)", str(device)) else device
    backend = backend_named(name) if isinstance(name, str) else None
    if backend is None:
        raise DeviceError(
            f"unknown device {device!r}: expected one of {', '.join(known_devices())}, cuda:1, ..."
        )
    backend.check(device)
    return backend, device


def to_device(a, device=None):
    """`a` (array, number, list) as an array on `device` (default: `get_device()`).

    Nothing is copied when it is there already. Moving between two devices goes through the host.
    """
    backend, device = resolve(device or get_device())
    if is_array(a):
        if device_of(a) == device:
            return a
        a = to_host(a)
    return backend.upload(a, device)


def to_device_of(a, like):
    """The array `a` where the array `like` is."""
    if type(a) is np.ndarray and type(like) is np.ndarray:
        return a
    return to_device(a, device_of(like))


def to_host(a):
    """`a` as a NumPy array; a device array is downloaded (and the device waited for)."""
    if isinstance(a, np.ndarray):
        return a
    return a.get() if is_array(a) else np.asarray(a)

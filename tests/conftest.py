"""What all tests share: random numbers, the device double, and a watch over global state."""

import zlib

import numpy as np
import pytest
from data_cases import bare, tiny  # noqa: F401
from double import DeviceArray, special
from double import xp as double_xp
from hypothesis import settings

from tinydiff.backend import arrays, get_device, register, set_device
from tinydiff.tensor import _mode

register("double", double_xp, DeviceArray, special)

# pytest --hypothesis-profile=deep looks further, and elsewhere each time
settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("ci", settings.get_profile("default"), max_examples=200)
settings.register_profile(
    "deep", deadline=None, derandomize=False, print_blob=True, max_examples=2000
)
settings.load_profile("default")


@pytest.fixture
def rng(request):
    """A generator of its own for each test, the same in every run."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(params=["cpu", "double"])
def device(request):
    """Each device in turn, set as the one of new tensors while the test runs."""
    before = get_device()
    set_device(request.param)
    yield request.param
    set_device(before)


@pytest.fixture
def xp(device):
    """The array library of each device in turn: NumPy, and the double of CuPy."""
    return {"cpu": np, "double": double_xp}[device]


@pytest.fixture
def registry(monkeypatch):
    """A register of devices that this test may change."""
    monkeypatch.setattr(arrays, "_by_name", dict(arrays._by_name))
    monkeypatch.setattr(arrays, "_by_type", dict(arrays._by_type))


@pytest.fixture(autouse=True)
def no_global_state_leaks():
    """Fail a test that leaves another device or gradient mode behind, and put them back."""
    device, mode = get_device(), _mode.get()
    yield
    device_after, mode_after = get_device(), _mode.get()
    set_device(device)
    _mode.set(mode)
    assert device_after == device, f"the test left the device at {device_after!r}"
    assert mode_after == mode, f"the test left the mode at {mode_after}"

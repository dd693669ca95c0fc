"""CUDA that is not there, and CUDA as a fake module: which GPU is chosen, and when."""

import configparser
import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from rules.source import ROOT

from tinydiff.backend import (
    arrays,
    check_devices,
    device_of,
    get_device,
    is_array,
    set_device,
    special,
    standard_normal,
    to_device,
    to_device_of,
    to_host,
    xp_of,
)
from tinydiff.backend.cupy import REMEDY
from tinydiff.backend.errors import DeviceError


def test_no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(arrays, "_by_name", {})
    with pytest.raises(DeviceError) as caught:
        set_device("cuda")
    assert str(caught.value) == f"device 'cuda' needs CuPy, which is not installed: {REMEDY}"


@pytest.mark.parametrize(
    "error, message",
    [
        (ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock"), "CuPy lacks a mod"),
        (ImportError("libcuda.so.1: cannot open\nmore"), "CuPy is installed but cannot be imp"),
    ],
)
def test_broken_cupy(monkeypatch, registry, error, message):
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "cupy":
                raise error

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(DeviceError) as caught:
        set_device("cuda")
    first = str(error).splitlines()[0]
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(f"({type(error).__name__}: {first}): {REMEDY}")
    assert "\n" not in str(caught.value)


def test_the_remedy_is_what_setup_cfg_offers():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    for extra in ("gpu12", "gpu13"):
        assert f"'{extras[extra].strip()}'" in REMEDY


# --- CUDA as a fake module: which device is chosen, when, and how it is checked


class FakeArray:
    """An array of the fake cupy: host memory and the number of its GPU."""

    def __init__(self, host, gpu):
        self.host, self.device = host, SimpleNamespace(id=gpu)

    def __add__(self, other):
        return self

    __matmul__ = __add__

    def get(self):
        return self.host


class FakeCupy(ModuleType):
    """Two GPUs; records on which of them what was called."""

    ndarray = FakeArray
    float32 = np.float32

    def __init__(self, libraries=True):
        super().__init__("cupy")
        self.current, self.calls, self.libraries = 0, [], libraries
        self.cuda = SimpleNamespace(
            Device=self.device, runtime=SimpleNamespace(getDeviceCount=lambda: 2)
        )
        self.random = SimpleNamespace(RandomState=self.random_state)

    def is_available(self):
        return True

    def device(self, gpu):
        @contextmanager
        def current():
            before, self.current = self.current, gpu
            yield
            self.current = before

        device = current()
        device.use = lambda: setattr(self, "current", gpu)
        return device

    def asarray(self, a):
        return FakeArray(np.asarray(a), self.current)

    def ones(self, shape, dtype):
        self.calls.append(("probe", self.current))
        if not self.libraries:
            raise RuntimeError("Failed to find CUDA headers.\nPlease install them")
        return FakeArray(np.ones(shape, dtype), self.current)

    def random_state(self, method):
        self.calls.append((method, self.current))
        generator = np.random.RandomState(0)

        def standard_normal(shape, dtype):
            return FakeArray(generator.standard_normal(shape).astype(dtype), self.current)

        seed = generator.seed
        generator = SimpleNamespace(standard_normal=generator.standard_normal, seed=seed)
        return SimpleNamespace(
            seed=lambda s: (self.calls.append(("seed", self.current)), seed(s % 2**32)),
            standard_normal=standard_normal,
        )


@pytest.fixture
def cupy(monkeypatch, registry):
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    curand = SimpleNamespace(CURAND_RNG_PSEUDO_PHILOX4_32_10="philox")
    monkeypatch.setitem(sys.modules, "cupy_backends", ModuleType("cupy_backends"))
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs.curand", curand)
    for package in ("cupy_backends.cuda", "cupy_backends.cuda.libs"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    before = get_device()
    yield fake
    set_device(before)


def test_cuda_means_the_first_gpu(cupy):
    set_device("cuda")
    assert get_device() == "cuda:0"
    a = to_device([1.0])
    assert device_of(a) == "cuda:0"
    assert xp_of(a, 2.0) is cupy
    assert to_device(a, "cuda") is a
    assert to_device(np.array([1.0]), "cuda:0").host.tolist() == [1]


def test_a_gpu_is_tried_once_and_on_itself(cupy):
    set_device("cuda:1")
    set_device("cuda:1")
    to_device([1.0], "cuda:1")
    assert cupy.calls == [("probe", 1)]


def test_only_set_device_changes_the_current_gpu(cupy):
    set_device("cuda:1")
    assert cupy.current == 1
    a, b = to_device([1.0], "cuda:0"), to_device([1.0])
    assert (device_of(a), device_of(b), cupy.current) == ("cuda:0", "cuda:1", 1)
    assert device_of(to_device_of(a, b)) == "cuda:1"
    with pytest.raises(DeviceError, match="arrays on cuda:0 and on cuda:1 meet"):
        check_devices((a, b))


def test_noise_is_drawn_on_its_gpu_by_one_generator(cupy):
    draws = []
    for seed in (5, 5):
        rng = np.random.default_rng(seed)
        draws.append([standard_normal(rng, 3, np.float32, "cuda:1") for _ in range(2)])
    assert {device_of(x) for pair in draws for x in pair} == {"cuda:1"}
    np.testing.assert_array_equal(draws[0][1].host, draws[1][1].host)
    assert (draws[0][0].host != draws[0][1].host).all()
    assert cupy.calls == [("probe", 1), ("philox", 1), *[("seed", 1)] * 4]
    assert cupy.current == 0


def test_special_functions_of_a_gpu_are_cupyx(cupy, monkeypatch):
    for name in ("cupyx", "cupyx.scipy", "cupyx.scipy.special"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["cupyx"].scipy = sys.modules["cupyx.scipy"]
    sys.modules["cupyx.scipy"].special = SimpleNamespace(erf=lambda x: ("erf of", x))
    a = to_device([1.0], "cuda:0")
    assert special("erf", a) == ("erf of", a)


def test_a_gpu_that_is_not_there(cupy):
    with pytest.raises(DeviceError) as caught:
        set_device("cuda:2")
    assert str(caught.value) == (
        "there is no device 'cuda:2': this machine's GPUs are cuda:0 to cuda:1"
    )
    assert get_device() == "cpu"


def test_arrays_made_elsewhere_are_recognised(cupy):
    class Sub(FakeArray):
        pass

    a = Sub(np.ones(2), 1)
    assert is_array(a) and xp_of(a) is cupy and device_of(a) == "cuda:1"
    assert to_host(a) is a.host


def test_cuda_libraries_are_missing(cupy):
    cupy.libraries = False
    with pytest.raises(DeviceError) as caught:
        set_device("cuda")
    assert str(caught.value) == (
        "CuPy found a GPU but cannot compute on it (RuntimeError: Failed to find CUDA headers.), "
        f"most often because CUDA libraries are missing: {REMEDY}"
    )
    cupy.libraries = True
    set_device("cuda")  # after installing them, without a restart


def test_no_driver(cupy):
    cupy.is_available = lambda: False
    with pytest.raises(DeviceError) as caught:
        set_device("cuda:1")
    assert str(caught.value) == (
        "device 'cuda' needs an NVIDIA GPU with its driver, and none was found; use "
        f"td.set_device('cpu'), or install the driver and a CuPy that fits it: {REMEDY}"
    )

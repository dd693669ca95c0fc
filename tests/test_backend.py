"""Which library computes, where arrays live, how they move, and what a refused device says."""

import configparser
import json
import math
import os
import subprocess
import sys
from contextlib import contextmanager
from contextvars import Context, copy_context
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from double import DeviceArray, forbid
from double import xp as double_xp

from tinydiff import backend
from tinydiff.backend import (
    arrays,
    backend_of,
    check_devices,
    device_of,
    errors,
    get_device,
    is_array,
    register,
    scatter_add,
    set_device,
    special,
    standard_normal,
    to_device,
    to_device_of,
    to_host,
    uniform,
    xp_of,
)
from tinydiff.backend.cupy import REMEDY
from tinydiff.backend.errors import DeviceError

ROOT = Path(__file__).parents[1]


def on_host(*values):
    return np.array(values, dtype=np.float32)


def on_double(*values):
    return double_xp.array(values, dtype=np.float32)


@pytest.fixture
def registry(monkeypatch):
    """A register of devices that this test may change."""
    monkeypatch.setattr(arrays, "_by_name", dict(arrays._by_name))
    monkeypatch.setattr(arrays, "_by_type", dict(arrays._by_type))


# --- the array decides


def test_xp_of_asks_the_array():
    a, b = on_host(1), on_double(1)
    assert xp_of(a) is xp_of(1.5) is xp_of(np.float32(1), 2, True) is np
    assert xp_of(b) is xp_of(b, b) is xp_of(b, 2.0) is xp_of(2, b) is xp_of(np.float64(1), b)
    assert xp_of(b) is double_xp
    assert xp_of(a.view(type("Sub", (np.ndarray,), {}))) is np


def test_xp_of_ignores_the_current_device(device):
    assert xp_of(on_host(1)) is np
    assert xp_of(on_double(1)) is double_xp


@pytest.mark.parametrize("thing", ["text", [1.0], None, {}])
def test_xp_of_refuses_what_is_no_array(thing):
    name = f"builtins.{type(thing).__name__}"
    with pytest.raises(TypeError, match=rf"expected an array \(numpy.ndarray.*\) .* got {name}$"):
        xp_of(thing)


def test_is_array():
    assert is_array(on_host(1)) and is_array(on_double(1)) and is_array(np.array(1.0))
    assert is_array(on_host(1).view(type("Sub", (np.ndarray,), {})))
    for thing in (1, 1.0, True, np.float32(1), [1], None, "a", np.dtype("f4"), DeviceArray):
        assert not is_array(thing)


def test_device_of():
    assert device_of(on_host(1)) == device_of(2.0) == device_of(np.float64(2)) == "cpu"
    assert device_of(on_double(1)) == "double"


@pytest.mark.parametrize("first, second", [("cpu", "double"), ("double", "cpu")])
def test_mixed_devices_are_refused_and_both_named(first, second):
    a, b = to_device([1.0], first), to_device([1.0], second)
    message = (
        f"arrays on {first} and on {second} meet in one operation; move one of them "
        f"with x.to('{first}') or td.to_device(array, '{first}')"
    )
    for mix in (lambda: xp_of(a, b), lambda: xp_of(1.0, a, b), lambda: check_devices((None, a, b))):
        with pytest.raises(DeviceError) as caught:
            mix()
        assert str(caught.value) == message


def test_check_devices_passes_numbers_and_none():
    check_devices((on_double(1), None, 2.0, np.float64(3), on_double(2)))
    check_devices(())


# --- register


def test_registering_again_replaces_the_library(registry):
    class Other:
        pass

    first = register("double", double_xp, DeviceArray)
    assert backend_of(on_double(1)) is first
    second = register("double", SimpleNamespace(), Other)
    assert backend_of(Other()) is second and is_array(Other())
    assert not is_array(on_double(1))


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "double:1"])
def test_reserved_names_are_refused(name):
    with pytest.raises(ValueError, match=f"device name '{name}' is taken; choose another"):
        register(name, double_xp, DeviceArray)


def test_an_array_type_has_one_device():
    with pytest.raises(ValueError, match="DeviceArray already belongs to device 'double'"):
        register("other", double_xp, DeviceArray)
    with pytest.raises(ValueError, match="ndarray already belongs to device 'cpu'"):
        register("other", np, np.ndarray)


# --- the current device


def test_set_device_says_where_new_arrays_go(device):
    assert get_device() == device
    assert device_of(to_device([1.0, 2.0])) == device
    assert device_of(standard_normal(np.random.default_rng(0), 3, np.float32)) == device


def test_the_choice_belongs_to_the_context():
    context = copy_context()
    context.run(set_device, "double")
    assert context.run(get_device) == "double"
    assert get_device() == "cpu"


@pytest.mark.parametrize("value, device", [(None, "cpu"), ("", "cpu"), ("double", "double")])
def test_environment_gives_the_default(monkeypatch, value, device):
    monkeypatch.delenv("TINYDIFF_DEVICE", raising=False)
    if value is not None:
        monkeypatch.setenv("TINYDIFF_DEVICE", value)
    fresh = Context()
    assert fresh.run(get_device) == device
    monkeypatch.setenv("TINYDIFF_DEVICE", "changed later")
    assert fresh.run(get_device) == device


def test_environment_with_an_unknown_device(monkeypatch):
    monkeypatch.setenv("TINYDIFF_DEVICE", "gpu")
    with pytest.raises(DeviceError, match=r"^TINYDIFF_DEVICE=gpu: unknown device 'gpu': expected"):
        Context().run(get_device)


@pytest.mark.parametrize("name", ["gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:01", "", 0])
def test_unknown_device(name):
    message = f"unknown device {name!r}: expected one of cpu, cuda, double, cuda:1, ..."
    for use in (set_device, lambda n: to_device([1.0], n) if n else set_device(n)):
        with pytest.raises(DeviceError) as caught:
            use(name)
        assert str(caught.value) == message
    assert get_device() == "cpu"


# --- moving


def test_nothing_is_copied_that_is_there_already():
    a, b = on_host(1), on_double(1)
    with forbid("h2d", "d2h", "sync"):
        assert to_device(a, "cpu") is a and to_host(a) is a
        assert to_device(b, "double") is b
        assert to_device_of(a, a) is a and to_device_of(b, b) is b


def test_moving_there_and_back():
    a = on_host(1, 2)
    with forbid() as seen:
        b = to_device(a, "double")
        assert seen == {"h2d": 1}
        back = to_device(b, "cpu")
        assert seen == {"h2d": 1, "d2h": 1, "sync": 1}
    assert (device_of(b), device_of(back)) == ("double", "cpu")
    assert b.dtype == back.dtype == a.dtype
    np.testing.assert_array_equal(back, a)
    assert device_of(to_device_of(a, b)) == "double"
    assert device_of(to_device_of(b, a)) == "cpu"
    assert type(to_host(b)) is type(to_host([1, 2])) is np.ndarray


def test_lists_and_numbers_become_arrays(device):
    assert to_host(to_device([[1, 2]], device)).tolist() == [[1, 2]]
    assert to_device(2.5, device).shape == ()


def test_a_bad_target_is_found_before_anything_is_downloaded():
    b = on_double(1)
    with forbid("d2h"), pytest.raises(DeviceError, match="unknown device 'gpu'"):
        to_device(b, "gpu")


# --- scatter_add


def test_scatter_add_counts_repeated_indices(device, rng):
    target, values = rng.standard_normal((5, 3)), rng.standard_normal((4, 2, 3))
    index = np.array([[0, 4], [4, 4], [1, 0], [-1, 2]])
    expected = target.copy()
    for place in np.ndindex(index.shape):
        expected[index[place]] += values[place]
    moved = to_device(target.copy())
    index, values = to_device(index), to_device(values)
    with forbid("h2d", "d2h", "sync"):
        result = scatter_add(moved, index, values)
    assert result is moved
    # three additions to a row, in whatever order: three roundings of numbers below 10
    np.testing.assert_allclose(to_host(result), expected, rtol=0, atol=3 * 10 * 2**-53)


def test_scatter_add_by_index_pairs(device):
    target = to_device(np.zeros((2, 3)))
    rows, columns = to_device(np.array([0, 1, 0])), to_device(np.array([2, 0, 2]))
    scatter_add(target, (rows, columns), 1.0)
    assert to_host(target).tolist() == [[0, 0, 2], [1, 0, 0]]


# --- noise


@pytest.mark.parametrize("draw", [standard_normal, uniform])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_follows_the_host_generator(draw, dtype, device):
    rng = np.random.default_rng(7)
    rng.random()
    state = rng.bit_generator.state
    with forbid("h2d", "d2h", "sync"):
        first, second = draw(rng, (40, 3), dtype), draw(rng, (40, 3), dtype)
        rng.bit_generator.state = state
        again = draw(rng, (40, 3), dtype), draw(rng, (40, 3), dtype)
    assert (first.shape, first.dtype, device_of(first)) == ((40, 3), dtype, device)
    for value, repeated in zip((first, second), again):
        np.testing.assert_array_equal(to_host(value), to_host(repeated))
    values = np.concatenate([to_host(first), to_host(second)])
    assert np.unique(values).size == values.size  # the second draw goes on where the first ended
    low, high = values.min(), values.max()
    assert (low < 0 and high > 1) if draw is standard_normal else (low >= 0 and high < 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_on_the_cpu_is_the_generators_own(dtype):
    ours, plain = np.random.default_rng(3), np.random.default_rng(3)
    assert (standard_normal(ours, (4,), dtype, "cpu") == plain.standard_normal(4, dtype)).all()
    assert (uniform(ours, 4, dtype, "cpu") == plain.random(4, dtype)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex128])
def test_noise_has_two_dtypes(dtype, device):
    with pytest.raises(TypeError, match=f"drawn as float32 or float64, not {np.dtype(dtype)}"):
        standard_normal(np.random.default_rng(0), 3, dtype)


@pytest.mark.parametrize("rng", [np.random, np.random.RandomState(0), None, 0])
def test_noise_needs_a_generator(rng):
    message = rf"np.random.default_rng\(0\), not {type(rng).__name__}$"
    with pytest.raises(TypeError, match=message):
        uniform(rng, 3, np.float32)


# --- special functions


def test_erf_against_the_c_library(device):
    x = np.linspace(-4, 4, 41)
    moved = to_device(x)
    with forbid("h2d", "d2h", "sync"):
        y = special("erf", moved)
    # two implementations, each good to about one unit in the last place
    np.testing.assert_allclose(to_host(y), [math.erf(v) for v in x], rtol=4e-16, atol=4e-16)
    assert special("erf", to_device(x.astype(np.float32))).dtype == np.float32
    assert device_of(y) == device


def test_log_ndtr_against_closed_forms(device):
    x = np.array([-5.0, -1.0, 0.0, 2.0])
    by_erfc = [math.log(math.erfc(-v / math.sqrt(2)) / 2) for v in x]
    with forbid() as seen:
        y = special("log_ndtr", to_device(x))
    assert set(seen) <= {"h2d"}
    np.testing.assert_allclose(to_host(y), by_erfc, rtol=2e-15)
    # log Phi(x) = -x^2/2 - log(-x sqrt(2 pi)) + log(1 - x^-2 + 3 x^-4 - 15 x^-6 + ...), an
    # alternating series: the error is below the first term left out, 105 x^-8
    far = -40.0
    series = 1 - far**-2 + 3 * far**-4 - 15 * far**-6
    expected = -(far**2) / 2 - math.log(-far * math.sqrt(2 * math.pi)) + math.log(series)
    y = to_host(special("log_ndtr", to_device(np.array([far]))))
    assert abs(y[0] - expected) < 105 * far**-8 + 800 * 2**-51


def test_special_without_a_library_goes_through_the_host(registry):
    register("double", double_xp, DeviceArray)
    x = on_double(0.5)
    with forbid() as seen:
        y = special("erf", x)
    assert seen == {"h2d": 1, "d2h": 1, "sync": 1}
    assert float(y[0]) == pytest.approx(math.erf(0.5), rel=1e-7)


# --- CUDA that is not there


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


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_cuda_for_real():
    """On this machine as it is: without a GPU, one sentence and no traceback of CuPy's."""
    code = (
        "import tinydiff as td\n"
        "try: td.set_device('cuda')\n"
        "except td.DeviceError as error: print(error)\n"
        "else: print('usable')"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    said = result.stdout.strip()
    if said == "usable":
        pytest.skip("this machine has a usable GPU, so nothing is refused")
    assert said.endswith(REMEDY)
    assert "\n" not in said and "needs" in said


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
    assert to_device(on_host(1), "cuda:0").host.tolist() == [1]


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


# --- the package


def test_errors_are_one_family():
    for name, error in vars(errors).items():
        if isinstance(error, type):
            assert issubclass(error, errors.Error), name


def test_everything_public_exists():
    for name in backend.__all__:
        assert hasattr(backend, name)


def test_import_is_light():
    """`import tinydiff` loads nothing that is slow or optional, and starts no thread."""
    code = (
        "import json, os, sys, threading, numpy\n"
        "tasks = lambda: len(os.listdir('/proc/self/task')) if os.path.isdir('/proc') else 0\n"
        "before = tasks()\n"
        "import tinydiff\n"
        "print(json.dumps([sorted(sys.modules), threading.active_count(), tasks() - before]))"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    modules, python_threads, new_threads = json.loads(result.stdout)
    heavy = {"cupy", "matplotlib", "sklearn", "scipy.special", "torch"}
    assert "tinydiff.tensor" in modules
    assert not heavy & set(modules)
    assert (python_threads, new_threads) == (1, 0)

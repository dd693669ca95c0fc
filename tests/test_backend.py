"""Which library computes, where arrays live, how they move, and what a refused device says."""

import math
from contextvars import Context, copy_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from double import DeviceArray, forbid
from double import xp as double_xp

from tinydiff import backend
from tinydiff.backend import (
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
    xp_of,
)
from tinydiff.backend.errors import DeviceError

ROOT = Path(__file__).parents[1]


def on_host(*values):
    return np.array(values, dtype=np.float32)


def on_double(*values):
    return double_xp.array(values, dtype=np.float32)


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


# --- the package


def test_errors_are_one_family():
    for name, error in vars(errors).items():
        if isinstance(error, type):
            assert issubclass(error, errors.Error), name


def test_everything_public_exists():
    for name in backend.__all__:
        assert hasattr(backend, name)

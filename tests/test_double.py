"""The device double computes what NumPy does, and shows what a GPU would leave unsaid."""

import copy
import inspect
import math

import numpy as np
import pytest
from double import VERSION, DeviceArray, forbid
from double import xp as double_xp
from double.operands import arrays, assign
from double.random import Generator, RandomState
from double.table import TABLE


@pytest.fixture
def on_double():
    return arrays(double_xp)


def windows(a):
    """The 3x3 windows of an image batch, as the convolution makes them."""
    n, h, w, c = a.image.strides
    shape = (2, 3, 3, 3, 3, 3)
    return a.xp.lib.stride_tricks.as_strided(a.image, shape, (n, h, w, h, w, c))


# What the engine does all the time: same name, same keywords, no transfer, no wait.
CLEAN = {
    "arithmetic": lambda a: (a.x * 2 + 1) / a.x - a.row**2,
    "reflected": lambda a: 1 / (2 - a.x),
    "comparison": lambda a: (a.x > 1) & (a.x <= a.row),
    "negative": lambda a: -abs(-a.x),
    "matmul": lambda a: a.x @ a.w,
    "einsum": lambda a: a.xp.einsum("ij,jk->ik", a.x, a.w, optimize=True),
    "ufunc": lambda a: a.xp.exp(a.x),
    "ufunc out": lambda a: a.xp.exp(a.x, out=a.xp.empty_like(a.x)),
    "ufunc out by position": lambda a: a.xp.multiply(a.x, 2.0, a.xp.empty_like(a.x)),
    "ufunc of a number": lambda a: a.xp.maximum(a.x, 0.0),
    "in place": lambda a: a.x.__imul__(0.5).__iadd__(a.row),
    "method": lambda a: a.x.sum(axis=1, keepdims=True),
    "reduction to 0-d": lambda a: a.x.mean(),
    "function": lambda a: a.xp.max(a.x, axis=0),
    "where": lambda a: a.xp.where(a.x > 1, a.x, 0.0),
    "concatenate": lambda a: a.xp.concatenate([a.x, a.x], axis=1),
    "split": lambda a: a.xp.split(a.x, 2, axis=1)[1],
    "pad": lambda a: a.xp.pad(a.x, ((1, 0), (2, 2)), constant_values=1.0),
    "reshape": lambda a: a.x.reshape(2, -1).T,
    "transpose": lambda a: a.image.transpose(0, 3, 1, 2),
    "broadcast_to": lambda a: a.xp.broadcast_to(a.row, (3, 4)) + 0,
    "windows": lambda a: windows(a).sum(axis=(3, 4)),
    "slices": lambda a: a.image[:, 1:, ::2, -1],
    "newaxis": lambda a: a.row[None, :, None],
    "gather": lambda a: a.x[a.ids],
    "gather pairs": lambda a: a.x[a.ids, a.order],
    "gather by a 0-d index": lambda a: a.x[a.n],
    "gather behind an Ellipsis": lambda a: a.image[..., a.ids],
    "take": lambda a: a.xp.take(a.x, a.ids, axis=1),
    "take_along_axis": lambda a: a.xp.take_along_axis(a.x, a.ids[:, None], axis=1),
    "assignment": lambda a: assign(a.x, slice(1, None), 7.0),
    "assignment of an array": lambda a: assign(a.x, Ellipsis, a.row),
    "assignment to distinct rows": lambda a: assign(a.x, a.order, a.x * 2),
    "assignment of a number twice": lambda a: assign(a.x, a.ids, 3.0),
    "0-d assignment": lambda a: assign(a.x, (0, 0), a.x.sum()),
    "scatter": lambda a: a.xp.add.at(a.x, a.ids, a.x.copy()) or a.x,
    "cumsum": lambda a: a.xp.cumsum(a.x, axis=1),
    "repeat": lambda a: a.xp.repeat(a.x, 2, axis=0),
    "astype": lambda a: a.x.astype(np.float64),
    "arange": lambda a: a.xp.arange(5, dtype=np.float32) + a.xp.zeros(5, dtype=np.float32),
    "full": lambda a: a.xp.full((2, 2), 3.0, dtype=np.float32),
    "asarray of a device array": lambda a: a.xp.asarray(a.x, dtype=np.float64),
    "asarray of device arrays": lambda a: a.xp.asarray([a.row, a.row]),
    "asarray of a number": lambda a: a.xp.asarray(3.0),
    "copy": lambda a: copy.deepcopy(a.x),
    "iteration": lambda a: list(a.x)[1],
    "prod of a shape": lambda a: a.x.reshape(math.prod(a.x.shape)),
    "flip": lambda a: a.xp.flip(a.x, 1),
    "logical": lambda a: a.xp.isfinite(a.x).all(),
    "ufunc reduce": lambda a: a.xp.add.reduce(a.x, axis=1, keepdims=True),
    "ufunc accumulate": lambda a: a.xp.multiply.accumulate(a.x, axis=1),
    "ufunc outer": lambda a: a.xp.maximum.outer(a.row, a.row),
    "full of a constant": lambda a: a.xp.full_like(a.x, a.xp.inf),
    "dtype": lambda a: a.x.astype(a.xp.float64),
    "maximum out as a tuple": lambda a: a.xp.maximum(a.x, 1.0, out=(a.xp.empty_like(a.x),)),
    "divmod by scalar": lambda a: a.x % 0.5 + a.x // 0.5,
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_code_computes_what_numpy_does_and_moves_nothing(name, on_double):
    expected = np.asarray(CLEAN[name](arrays(np)))
    with forbid("h2d", "d2h", "sync") as seen:
        result = CLEAN[name](on_double)
    assert not seen
    assert isinstance(result, DeviceArray)
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(result.get(), expected)  # the same code ran: bit for bit


# Mistakes that raise nothing on a GPU either: the values and dtypes show them.


def test_gather_out_of_bounds_wraps(on_double):
    assert on_double.xp.arange(3)[on_double.xp.asarray([1, 3, -4])].tolist() == [1, 0, 2]
    assert on_double.xp.take(on_double.xp.arange(3), on_double.ids + 2).tolist() == [1, 2, 1]
    with pytest.raises(IndexError):
        on_double.x[5]  # a Python number is checked, as in CuPy


def test_numpy_scalar_promotes(on_double):
    assert (on_double.x * np.float64(1)).dtype == np.float64
    assert (on_double.x * 1.0).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_fresh_memory_is_nan(dtype):
    assert np.isnan(double_xp.empty(3, dtype=dtype).get()).all()
    assert np.isnan(double_xp.empty_like(double_xp.zeros(3, dtype=dtype)).get()).all()


def test_fresh_integers_are_far_off():
    assert (double_xp.empty(3, dtype=np.int32).get() == np.iinfo(np.int32).max).all()


def test_reductions_and_elements_are_arrays(on_double):
    x = on_double.x
    for value in (x.sum(), x[0, 0], x.max(), double_xp.array_equal(x, x), x.argmax(), x @ x.T @ x):
        assert isinstance(value, DeviceArray)
    assert x.sum().shape == x[0, 0].shape == ()
    assert double_xp.result_type(x, np.float64) == np.float64  # types are asked on the host


def test_views_share_memory_and_copies_do_not(on_double):
    flat = double_xp.zeros(12, dtype=np.float32)
    a = flat[:8].reshape(2, 4)
    double_xp.add(a, 1.0, out=a)
    a[...] = a + on_double.row
    a.T[0] *= 2
    flat[8:][...] = 5.0
    flat[11][...] = 6.0
    expected = np.zeros(12, np.float32)
    expected[:8].reshape(2, 4)[...] = 1 + on_double.row.get()
    expected[[0, 4]] *= 2
    expected[8:] = 5, 5, 5, 6
    np.testing.assert_array_equal(flat.get(), expected)
    for copied in (flat.copy(), flat[double_xp.arange(12)], flat + 0, copy.copy(flat)):
        copied[...] = -1.0
    gathered = a[on_double.n - 2]
    gathered[...] = -1.0
    np.testing.assert_array_equal(flat.get(), expected)


def test_a_device_array_never_shares_memory_with_the_host():
    host = np.ones(3, np.float32)
    device = double_xp.asarray(host)
    host[:] = 2
    fetched = device.get()
    fetched[:] = 3
    assert device.tolist() == [1, 1, 1]
    assert double_xp.asarray(device) is device
    assert double_xp.array(device) is not device


def test_unknown_operands_get_their_turn(on_double):
    class Other:
        __array_priority__ = 200

        def __radd__(self, other):
            return "mine"

        def __eq__(self, other):
            return "equal"

        __hash__ = None

    assert on_double.x + Other() == "mine"
    assert (on_double.x == Other()) == "equal"


def test_flags_and_attributes(on_double):
    assert on_double.x.flags.c_contiguous and on_double.x.T.flags["F_CONTIGUOUS"]
    assert not on_double.x.T.flags.c_contiguous
    assert on_double.x.strides == (16, 4)
    assert (on_double.x.nbytes, on_double.x.itemsize, on_double.x.ndim) == (48, 4, 2)


# Random numbers


@pytest.mark.parametrize("kind", [RandomState, Generator])
def test_random_methods_have_cupys_parameters(kind):
    methods = [n for n in vars(kind) if not n.startswith("_") and inspect.isfunction(vars(kind)[n])]
    assert "standard_normal" in methods
    for name in methods:
        ours = list(inspect.signature(getattr(kind, name)).parameters)[1:]
        assert ours == TABLE[kind.section][name], name


def test_random_state_starts_again_from_its_seed():
    state = double_xp.random.RandomState(3)
    first = state.standard_normal((2, 3), dtype=np.float32)
    state.seed(3)
    assert (state.standard_normal((2, 3), dtype=np.float32) == first).all()
    assert first.dtype == np.float32
    assert state.random_sample(4).dtype == np.float64


def test_scaled_noise_and_the_generator_that_cupy_has():
    state, plain = double_xp.random.RandomState(3), np.random.default_rng(3)
    np.testing.assert_array_equal(
        state.normal(1.0, 2.0, size=5).get(), plain.standard_normal(5) * 2 + 1
    )
    np.testing.assert_array_equal(state.uniform(-1.0, 1.0, size=5).get(), plain.random(5) * 2 - 1)
    generator, plain = double_xp.random.default_rng(3), np.random.default_rng(3)
    out = double_xp.empty(5)
    assert generator.random(5, out=out) is out
    np.testing.assert_array_equal(out.get(), plain.random(5))
    np.testing.assert_array_equal(
        generator.standard_normal(4, dtype=np.float32).get(), plain.standard_normal(4, np.float32)
    )


def test_the_module_of_an_array(on_double):
    assert double_xp.get_array_module(np.ones(2), on_double.x) is double_xp
    assert double_xp.get_array_module(np.ones(2)) is np
    assert repr(double_xp) == f"<the double of cupy {VERSION}>"
    assert repr(double_xp.exp) == "<the double's cupy.exp>"

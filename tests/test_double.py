"""The device double refuses what CuPy refuses, counts what CuPy hides, and computes as NumPy does.

Every mistake that has been seen to pass on a CPU and to fail or crawl on a GPU is planted here.
"""

import copy
import inspect
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from double import VERSION, DeviceArray, Forbidden, counts, forbid, make_table, special
from double import xp as double_xp
from double.random import Generator, RandomState
from double.table import TABLE, Signature


def arrays(xp):
    """The operands of all snippets: the same values in each library."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, (3, 4)).astype(np.float32)
    return SimpleNamespace(
        xp=xp,
        x=xp.asarray(x),
        row=xp.array(x[0]),
        w=xp.asarray(rng.standard_normal((4, 5)).astype(np.float32)),
        ids=xp.asarray(np.array([2, 0, 2])),
        order=xp.asarray(np.array([2, 0, 1])),
        image=xp.asarray(rng.standard_normal((2, 5, 5, 3)).astype(np.float32)),
        n=xp.asarray(np.array(2)),
    )


@pytest.fixture
def on_double():
    return arrays(double_xp)


def assign(target, index, value):
    target[index] = value
    return target


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


REFUSED = {
    # host arrays in a device computation
    "host operand": (lambda a: a.x * np.linspace(0, 1, 4), TypeError, "Unsupported type"),
    "host operand first": (lambda a: np.ones(4) * a.x, TypeError, "np.multiply of a device array"),
    "host 0-d operand": (lambda a: a.x + np.array(1.0), TypeError, "Unsupported type"),
    "host scalar first": (lambda a: np.float64(0.1) * a.x, TypeError, "np.multiply of a device"),
    "host operand in place": (lambda a: a.x.__iadd__(np.ones(4)), TypeError, "Unsupported type"),
    "host operand compared": (lambda a: a.x == np.ones(4), TypeError, "Unsupported type"),
    "host operand of matmul": (lambda a: a.x @ np.ones(4), TypeError, "Unsupported type"),
    "host ufunc operand": (lambda a: a.xp.add(a.x, np.ones(4)), TypeError, "Unsupported type"),
    "host in where": (lambda a: a.xp.where(a.x > 1, a.x, np.ones(4)), TypeError, "host array"),
    "host in a list": (lambda a: a.xp.concatenate([a.x, np.ones((1, 4))]), TypeError, "host array"),
    "host array reduced": (lambda a: a.xp.sum(np.ones(4)), TypeError, "expected a device array"),
    "host out": (lambda a: a.xp.exp(a.x, out=np.empty((3, 4))), TypeError, "Unsupported type"),
    "host assigned": (lambda a: assign(a.x, Ellipsis, np.ones(4)), ValueError, "used for fill"),
    "list assigned": (lambda a: assign(a.x, 0, [1, 2, 3, 4]), ValueError, "used for fill"),
    "object assigned": (lambda a: assign(a.x, 0, object()), TypeError, "Unsupported type"),
    "list operand": (lambda a: a.row + [1, 2, 3, 4], TypeError, "Unsupported type"),
    "list in a ufunc": (lambda a: a.xp.exp([1.0, 2.0]), TypeError, "list.* in cupy.exp"),
    "list reduced": (lambda a: a.xp.sum([1, 2]), TypeError, "expected a device array"),
    "None compared": (lambda a: a.x == None, TypeError, "NoneType"),  # noqa: E711
    "scatter into a host array": (
        lambda a: a.xp.add.at(np.zeros(4), a.ids, 1.0),
        TypeError,
        "in cupy.add.at",
    ),
    # device arrays in NumPy and in Python
    "np ufunc": (lambda a: np.exp(a.x), TypeError, "np.exp of a device array"),
    "np function": (lambda a: np.concatenate([a.x, a.x]), TypeError, "np.concatenate of a device"),
    "np.add.at": (lambda a: np.add.at(a.x, a.ids, a.x), TypeError, "np.add of a device array"),
    "np.asarray": (lambda a: np.asarray(a.x), TypeError, "Implicit conversion"),
    "np.float32": (lambda a: np.float32(a.x.sum()), TypeError, "Implicit conversion"),
    "np sliding windows": (
        lambda a: np.lib.stride_tricks.sliding_window_view(a.x, 2, 0),
        TypeError,
        "np.sliding",
    ),
    "range": (lambda a: range(a.n), TypeError, "cannot be interpreted as an integer"),
    "list index": (lambda a: [1, 2, 3][a.n], TypeError, "interpreted as an integer"),
    "slice bound": (lambda a: a.x[: a.n], TypeError, "slice indices|interpreted as an integer"),
    "size": (lambda a: a.xp.zeros((a.n, 2)), TypeError, "interpreted as an integer"),
    "size by method": (lambda a: a.x.reshape(a.n, -1), TypeError, "interpreted as an integer"),
    "round": (lambda a: round(a.x), TypeError, "__round__"),
    "hash": (lambda a: {a.x}, TypeError, "unhashable"),
    "truth of many": (lambda a: bool(a.x), ValueError, "ambiguous"),
    "item of an index": (lambda a: a.x.item(0), TypeError, "positional argument"),
    "pickle": (lambda a: pickle.dumps(a.x), TypeError, "x.get()"),
    "constructor": (lambda a: a.xp.ndarray(np.ones(3)), TypeError, "xp.asarray"),
    # names and keywords that CuPy lacks
    "missing block": (lambda a: a.xp.block([[a.x]]), AttributeError, "no attribute 'block'"),
    "missing insert": (lambda a: a.xp.insert(a.x, 0, 0), AttributeError, "no attribute 'insert'"),
    "missing spacing": (lambda a: a.xp.spacing(a.x), AttributeError, "no attribute 'spacing'"),
    "missing errstate": (lambda a: a.xp.errstate(all="ignore"), AttributeError, "'errstate'"),
    "missing einsum_path": (lambda a: a.xp.einsum_path("ij", a.x), AttributeError, "'einsum_path'"),
    "missing multi_dot": (lambda a: a.xp.linalg.multi_dot([a.x]), AttributeError, "'multi_dot'"),
    "missing setflags": (lambda a: a.x.setflags(write=False), AttributeError, "'setflags'"),
    "missing resize": (lambda a: a.x.resize((1,)), AttributeError, "'resize'"),
    "missing writeable": (lambda a: a.x.flags.writeable, AttributeError, "'writeable'"),
    "missing normal": (lambda a: a.xp.random.default_rng(0).normal(), AttributeError, "'normal'"),
    "missing get_state": (
        lambda a: a.xp.random.RandomState(0).get_state(),
        AttributeError,
        "'get_state'",
    ),
    "missing Generator.permutation": (
        lambda a: a.xp.random.default_rng(0).permutation(3),
        AttributeError,
        "'permutation'",
    ),
    "unmodelled": (lambda a: a.xp.random.RandomState(0).gamma(1), NotImplementedError, "gamma"),
    "unmodelled global noise": (lambda a: a.xp.random.randn(3), NotImplementedError, "randn"),
    "unmodelled kernel": (lambda a: a.xp.RawKernel, NotImplementedError, "RawKernel"),
    "where= of sum": (lambda a: a.xp.sum(a.x, where=a.x > 0), TypeError, "'where'"),
    "where= of a ufunc": (lambda a: a.xp.divide(a.x, a.x, where=a.x > 0), TypeError, "'where'"),
    "where= of a method": (lambda a: a.x.sum(where=a.x > 0), TypeError, "'where'"),
    "initial= of max": (lambda a: a.xp.max(a.x, axis=1, initial=0), TypeError, "'initial'"),
    "initial= of a method": (lambda a: a.x.sum(initial=0), TypeError, "'initial'"),
    "out= of tensordot": (lambda a: a.xp.tensordot(a.x, a.w, 1, out=None), TypeError, "'out'"),
    "out= of einsum": (lambda a: a.xp.einsum("ij->j", a.x, out=a.row), TypeError, "'out'"),
    "mode= of take": (lambda a: a.xp.take(a.x, a.ids, mode="clip"), TypeError, "'mode'"),
    "stable= of sort": (lambda a: a.xp.sort(a.x, stable=True), TypeError, "'stable'"),
    "device= of zeros": (lambda a: a.xp.zeros(3, device="cpu"), TypeError, "'device'"),
    "correction= of var": (lambda a: a.xp.var(a.x, correction=1), TypeError, "'correction'"),
    "writeable= of as_strided": (
        lambda a: a.xp.lib.stride_tricks.as_strided(a.x, (2,), (4,), writeable=False),
        TypeError,
        "'writeable'",
    ),
    "too many arguments": (lambda a: a.xp.sum(a.x, 0, None, None, True, 1), TypeError, "6 were"),
    "multiply.at": (lambda a: a.xp.multiply.at(a.x, a.ids, 2), NotImplementedError, "multiply.at"),
    "maximum.reduce": (lambda a: a.xp.maximum.reduce(a.x), NotImplementedError, "maximum.reduce"),
    "special keyword": (lambda a: special.erf(a.x, where=a.x > 0), TypeError, "'where'"),
    "special host array": (lambda a: special.erf(np.ones(3)), TypeError, "Unsupported type"),
    # what a GPU leaves undefined, and types it has not
    "assigned twice": (lambda a: assign(a.x, a.ids, a.x * 2), AssertionError, "repeated index"),
    "assigned twice in pairs": (
        lambda a: assign(a.x, (a.ids, a.ids), a.row[:3]),
        AssertionError,
        "repeated index",
    ),
    "+= at a repeated index": (
        lambda a: assign(a.x, a.ids, a.x[a.ids] + a.x),
        AssertionError,
        "xp.add.at",
    ),
    "write to a broadcast": (
        lambda a: assign(a.xp.broadcast_to(a.row, (3, 4)), 0, 1.0),
        ValueError,
        "read-only",
    ),
    "out= to a broadcast": (
        lambda a: a.xp.exp(a.x, out=a.xp.broadcast_to(a.row, (3, 4))),
        ValueError,
        "read-only",
    ),
    "in-place cast": (lambda a: a.ids.__iadd__(0.5), TypeError, "Cannot cast"),
    "object array": (lambda a: a.xp.asarray([None, 1]), ValueError, "Unsupported dtype"),
    "text array": (lambda a: a.xp.asarray(["a"]), ValueError, "Unsupported dtype"),
    "long double": (lambda a: a.xp.asarray(np.longdouble(1)), ValueError, "Unsupported dtype"),
    "float index": (lambda a: a.x[a.row], IndexError, "integer or boolean"),
    "half noise": (
        lambda a: a.xp.random.RandomState(0).standard_normal(3, dtype="f2"),
        TypeError,
        "float32",
    ),
    "negative seed": (lambda a: a.xp.random.RandomState(-1), ValueError, "between 0 and"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_planted_mistake_is_refused(name, on_double):
    mistake, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        mistake(on_double)


# What CuPy does without a word, and what it costs.
HIDDEN = {
    "float()": (lambda a: float(a.x.sum()), "d2h sync"),
    "int()": (lambda a: int(a.n), "d2h sync"),
    "complex()": (lambda a: complex(a.n), "d2h sync"),
    "item()": (lambda a: a.x.sum().item(), "d2h sync"),
    "tolist()": (lambda a: a.x.tolist(), "d2h sync"),
    "tobytes()": (lambda a: a.x.tobytes(), "d2h sync"),
    "get()": (lambda a: a.x.get(), "d2h sync"),
    "get(out=)": (lambda a: a.x.get(out=np.empty((3, 4), np.float32)), "d2h sync"),
    "asnumpy": (lambda a: a.xp.asnumpy(a.x), "d2h sync"),
    "math function": (lambda a: math.sqrt(a.x.sum()), "d2h sync"),
    "if": (lambda a: 1 if a.xp.isnan(a.x).any() else 0, "d2h sync"),
    "assert allclose": (lambda a: bool(a.xp.allclose(a.x, a.x)), "d2h sync"),
    "min of Python": (lambda a: min(a.x.sum(), a.x.mean()), "d2h sync"),
    "f-string": (lambda a: f"{a.x.sum():.3f}", "d2h sync"),
    "print": (lambda a: str(a.x), "d2h sync"),
    "repr": (lambda a: repr(a.x), "d2h sync"),
    "upload": (lambda a: a.xp.asarray(np.ones(3)), "h2d"),
    "upload of a list": (lambda a: a.xp.array([1.0, 2.0]), "h2d"),
    "set": (lambda a: a.x.set(np.ones((3, 4), np.float32)), "h2d"),
    "host index": (lambda a: a.x[np.array([0, 1])], "h2d"),
    "list index": (lambda a: a.x[[0, 1]], "h2d"),
    "host index of a scatter": (lambda a: a.xp.add.at(a.x, np.array([0, 1]), 1.0), "h2d"),
    "list in take": (lambda a: a.xp.take(a.x, [0, 1], axis=1), "h2d"),
    "list in take method": (lambda a: a.x.take([0, 1], axis=1), "h2d"),
    "mask": (lambda a: a.x[a.x > 1], "d2h sync"),
    "mask assignment": (lambda a: assign(a.x, a.x > 1, 0.0), "d2h sync"),
    "True as index": (lambda a: a.x[True], "d2h sync"),
    "nonzero": (lambda a: a.xp.nonzero(a.x), "d2h sync"),
    "nonzero method": (lambda a: a.x.nonzero(), "d2h sync"),
    "where of one": (lambda a: a.xp.where(a.x > 1), "d2h sync"),
    "unique": (lambda a: a.xp.unique(a.ids), "d2h sync"),
    "bincount": (lambda a: a.xp.bincount(a.ids), "d2h sync"),
    "tril_indices": (lambda a: a.xp.tril_indices(3), "d2h sync"),
    "randint": (lambda a: a.xp.random.RandomState(0).randint(3), "d2h sync"),
    "repeat by a list": (lambda a: a.xp.repeat(a.x, [1, 0, 2], axis=0), "h2d d2h sync"),
    "repeat method": (lambda a: a.x.repeat([1, 0, 2], axis=0), "h2d d2h sync"),
    "sliding windows": (
        lambda a: a.xp.lib.stride_tricks.sliding_window_view(a.x, 2, 0),
        "h2d d2h sync",
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_transfer_or_wait_is_counted_and_forbidden(name, on_double):
    action, events = HIDDEN[name]
    with forbid() as seen:
        action(on_double)
    assert dict(seen) == dict.fromkeys(events.split(), 1)
    for kind in ("h2d", "d2h", "sync"):
        if kind in events.split():
            with pytest.raises(Forbidden, match=f"^{kind} at .*test_double.py:"), forbid(kind):
                action(on_double)
        else:
            with forbid(kind):
                action(on_double)


def test_forbid_names_the_guilty_line(on_double):
    line = inspect.currentframe().f_lineno + 2
    with pytest.raises(Forbidden, match=f"d2h at {__file__}:{line} by float"), forbid("d2h"):
        float(on_double.n)


def test_forbid_ends_with_its_block_and_nests(on_double):
    before = counts["d2h"]
    with forbid() as outer:
        with pytest.raises(Forbidden), forbid("sync"):
            float(on_double.n)
        assert float(on_double.n) == 2.0
    assert outer == {"d2h": 2, "sync": 2}
    assert counts["d2h"] == before + 2
    with pytest.raises(ValueError, match=r"forbid.. knows .*not .'h2D'"), forbid("h2D"):
        pass


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


# The table


def test_table_is_of_the_pinned_cupy():
    assert VERSION.startswith("14.2.")
    assert set(TABLE) == {"version", *make_table.SECTIONS}
    assert make_table.PATH.read_text() == make_table.text(TABLE)  # sorted, one name a line


@pytest.mark.parametrize(
    "section, name, entry",
    [
        ("cupy", "exp", "ufunc"),
        ("cupy", "pi", "constant"),
        ("cupy", "float32", "type"),
        ("cupy", "sum", ["a", "axis", "dtype", "out", "keepdims"]),
        ("cupy.ndarray", "shape", "attribute"),
        ("cupy.ndarray", "reshape", ["*shape", "order", "copy"]),
        ("cupy.lib.stride_tricks", "as_strided", ["x", "shape", "strides"]),
        ("cupy.random.RandomState", "standard_normal", ["size", "dtype"]),
        ("cupyx.scipy.special", "log_ndtr", "ufunc"),
    ],
)
def test_table_entry(section, name, entry):
    assert TABLE[section][name] == entry


def test_table_is_what_the_installed_cupy_says():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed, so its surface is unknown")
    if cupy.__version__ != VERSION:
        pytest.skip(f"CuPy {cupy.__version__} is installed, the table is of {VERSION}")
    assert make_table.text(make_table.table()) == make_table.PATH.read_text()


def test_generator_reads_compiled_signatures():
    class Compiled:
        __doc__ = "f(self, a, axis=(0, 1), *args, dtype=None, \\*\\*rest) -> ndarray\n\nText."

    assert make_table.documented_parameters(Compiled()) == ["a", "axis", "*args", "dtype", "**rest"]
    Compiled.__doc__ = "No signature here."
    with pytest.raises(ValueError, match="no signature"):
        make_table.documented_parameters(Compiled())


def test_signature_counts_positional_arguments():
    Signature("f", ["a", "b"]).check((1, 2), {})
    Signature("f", ["*a", "b"]).check((1, 2, 3), {"b": 1})
    Signature("f", ["a", "**rest"]).check((1,), {"c": 1})
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        Signature("f", ["a", "b"]).check((1, 2, 3), {})
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'a'.*CuPy 14\.2"):
        Signature("f", ["*a"]).check((), {"a": 1})

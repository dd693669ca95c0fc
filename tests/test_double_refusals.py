"""The device double refuses what CuPy refuses, and counts what CuPy hides.

Every mistake that has been seen to pass on a CPU and to fail, crawl or go wrong on a GPU is planted
here.
"""

import inspect
import math
import pickle

import numpy as np
import pytest
from double import Forbidden, counts, forbid, special
from double import xp as double_xp
from double.operands import arrays, assign


@pytest.fixture
def on_double():
    return arrays(double_xp)


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
    "unmodelled module function": (lambda a: a.xp.r_, AttributeError, "'r_'"),
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
            with pytest.raises(Forbidden, match=f"^{kind} at {__file__}:"), forbid(kind):
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

"""DeviceArray: an array in NumPy's memory that behaves as cupy.ndarray does."""

import operator

import numpy as np

from .counters import wait
from .index import check_assignment, host_index

SCALARS = (bool, int, float, complex, np.generic)  # what CuPy takes beside device arrays


class DeviceArray:
    """Stands for cupy.ndarray. Its methods other than these come from the table: methods.py."""

    __slots__ = ("_host",)
    __hash__ = None
    __array_priority__ = 100

    def __init__(self, *args, **keywords):
        raise TypeError("the double's arrays are made by xp.asarray, xp.empty and the like")

    # --- to the host: only when asked, and counted

    def get(self, stream=None, order="C", out=None, blocking=True):
        """The values as a NumPy array: cupy.ndarray.get."""
        if out is not None:
            np.copyto(out, self._download("get()"), casting="no")
            return out
        return np.array(self._download("get()"), order=order)

    def item(self):
        return self._download("item()").item()

    def tolist(self):
        return self._download("tolist()").tolist()

    def tobytes(self, order="C"):
        return self._download("tobytes()").tobytes(order)

    def _download(self, what):
        wait(what)
        return self._host

    def __float__(self):
        return float(self._download("float()"))

    def __int__(self):
        return int(self._download("int()"))

    def __complex__(self):
        return complex(self._download("complex()"))

    def __bool__(self):
        if self._host.size != 1:
            raise ValueError("the truth value of an array with more than one element is ambiguous")
        return bool(self._download("a truth value (if, and, assert)"))

    def __repr__(self):
        return repr(self._download("repr()"))

    def __str__(self):
        return str(self._download("str()"))

    def __format__(self, spec):
        return format(self._download("an f-string")[()], spec)

    # --- what CuPy refuses, and what the double refuses although CuPy would dispatch it

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        raise TypeError(
            f"np.{ufunc.__name__} of a device array: call it through xp, or keep "
            "NumPy arrays and NumPy scalars out of the operation"
        )

    def __array_function__(self, function, types, args, keywords):
        raise TypeError(f"np.{function.__name__} of a device array: call it through xp")

    def __index__(self):
        raise TypeError("'ndarray' object cannot be interpreted as an integer")

    def __reduce__(self):
        raise TypeError("pickling a device array downloads it behind your back; pickle x.get()")

    def __getattr__(self, name):
        raise AttributeError(f"the double's cupy.ndarray has no attribute {name!r}")

    # --- views, copies, indexing

    def __copy__(self):
        return wrap(self._host.copy())

    def __deepcopy__(self, memo):
        return wrap(self._host.copy())

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        index, gathers = host_index(index, self._host.shape)
        result = self._host[index]
        if gathers and np.may_share_memory(result, self._host):
            result = result.copy()  # NumPy takes a 0-d index array for a number and makes a view
        return wrap(result)

    def __setitem__(self, index, value):
        if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        index, gathers = host_index(index, self._host.shape)
        if isinstance(value, DeviceArray):
            value = value._host
            if gathers and value.ndim:
                check_assignment(index, self._host.shape)
        elif not isinstance(value, (np.ndarray, *SCALARS)):
            raise TypeError(f"Unsupported type {type(value)} assigned to a device array")
        self._host[index] = value


_new = object.__new__


def wrap(value):
    """Host result -> device result: arrays, and scalars as 0-d arrays; also inside a sequence."""
    if isinstance(value, (np.ndarray, np.generic, bool)):
        array = _new(DeviceArray)
        array._host = value if type(value) is np.ndarray else np.asarray(value)
        return array
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(wrap, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(wrap, value))
    return value


def unwrap(value, where):
    """Device argument -> host argument; a host array among the arguments is refused."""
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)} in {where}: a host array in a device call")
    if isinstance(value, (list, tuple)):
        return type(value)([unwrap(v, where) for v in value])
    return value


# --- operators


def _operand(other, where):
    """The right host operand, or NotImplemented for a type that may know what to do itself."""
    if isinstance(other, DeviceArray):
        return other._host
    if isinstance(other, SCALARS):
        return other
    if other is None or isinstance(other, (np.ndarray, list, tuple, str)):
        raise TypeError(f"Unsupported type {type(other)} in {where} with a device array")
    return NotImplemented


def _binary(name, swapped=False, in_place=False):
    operation = getattr(operator, name)

    def method(self, other):
        other = _operand(other, name)
        if other is NotImplemented:
            return NotImplemented
        result = operation(other, self._host) if swapped else operation(self._host, other)
        return self if in_place else wrap(result)

    return method


_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
for _name in _ARITHMETIC.split():
    _function = _name + "_" if _name in ("and", "or") else _name
    setattr(DeviceArray, f"__{_name}__", _binary(_function))
    setattr(DeviceArray, f"__r{_name}__", _binary(_function, swapped=True))
    setattr(DeviceArray, f"__i{_name}__", _binary("i" + _name, in_place=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(DeviceArray, f"__{_name}__", _binary(_name))
for _name in ("neg", "pos", "abs", "invert"):
    _operation = getattr(operator, _name)
    setattr(DeviceArray, f"__{_name}__", lambda self, f=_operation: wrap(f(self._host)))

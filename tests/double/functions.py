"""CuPy's functions and ufuncs: the call checked against the table, the work done by NumPy."""

import numpy as np

from .array import SCALARS, DeviceArray, unwrap, wrap
from .counters import hit, wait
from .index import host_index
from .table import Signature


def words(text):
    return frozenset(text.split())


# A parameter of these names, standing first, is the array that the function works on.
OPERANDS = words("a x x1 m v arr array condition ary")

# Parameters that take sizes, axes and options: numbers. A device array there would be waited for.
PLAIN = words(
    "shape newshape axis axis1 axis2 axes source destination size N M k num n repeats pad_width "
    "shift indices_or_sections start stop step order dtype copy casting keepdims"
)

# CuPy waits for the device inside these (measured), mostly because a size depends on the data.
WAITS = words(
    "nonzero flatnonzero argwhere unique bincount histogram delete unravel_index tril_indices "
    "triu_indices array_repr array_str sliding_window_view"
)

# Questions about types and shapes, answered on the host by a Python value.
HOST_ANSWERS = words("can_cast issubdtype isscalar iscomplexobj isrealobj shape ndim")

UPLOADS = words("array asarray asanyarray ascontiguousarray asfortranarray")

# The ufuncs that have `.at`.
SCATTERS = words("add subtract maximum minimum bitwise_and bitwise_or bitwise_xor")

DTYPES = "?bhilqBHILQefdFD"


def device_function(name, function, parameters):
    """A function of CuPy's with these parameters, computed by NumPy's `function`."""
    signature = Signature(name, parameters)
    plain = [signature.parameter(i) in PLAIN for i in range(len(parameters))]
    rest_is_plain = bool(plain) and plain[-1]  # of `*shape` and `*axes`
    works_on_array = bool(parameters) and parameters[0] in OPERANDS
    short = name.rpartition(".")[2]
    before = BEFORE.get(short)

    def call(*args, **keywords):
        signature.check(args, keywords)
        if works_on_array and short not in HOST_ANSWERS:
            operand = args[0] if args else keywords.get(parameters[0])
            if not isinstance(operand, DeviceArray):
                raise TypeError(f"{name}() of {type(operand)}: expected a device array")
        if short in WAITS:
            wait(f"{name}(), which waits for the device inside")
        host_args = [
            arg if (plain[i] if i < len(plain) else rest_is_plain) else unwrap(arg, name)
            for i, arg in enumerate(args)
        ]
        host_keywords = {k: v if k in PLAIN else unwrap(v, name) for k, v in keywords.items()}
        if before is not None:
            before(name, host_args, host_keywords)
        result = function(*host_args, **host_keywords)
        if short in ("empty", "empty_like"):
            poison(result)
        if keywords.get("out") is not None:
            return keywords["out"]
        return result if short in HOST_ANSWERS else wrap(result)

    return call


def poison(array):
    """Fill fresh memory with what shows: NaN, or a far integer."""
    kind = array.dtype.kind
    array[...] = np.nan if kind in "fc" else True if kind == "b" else np.iinfo(array.dtype).max


def _where(name, args, keywords):
    if len(args) == 1:
        wait("where() with one argument, which waits for the number of ones")


def _repeat(name, args, keywords):
    repeats = keywords.get("repeats", args[-1])
    if isinstance(repeats, (list, tuple)):
        hit("h2d", "repeat() with a list of counts")
        wait("repeat() with a list of counts")


def _take(name, args, keywords):
    indices = keywords["indices"] if "indices" in keywords else args[1]
    if isinstance(indices, (list, tuple)):
        hit("h2d", "take() with a list of indices")
    keywords["mode"] = "wrap"  # CuPy checks no bounds


def _einsum(name, args, keywords):
    unknown = set(keywords) - {"dtype", "optimize"}
    if unknown:
        raise TypeError(f"einsum() got an unexpected keyword argument {unknown.pop()!r}")


def _sliding_window_view(name, args, keywords):
    hit("h2d", "sliding_window_view(), which uploads its strides; use as_strided")


BEFORE = {
    "einsum": _einsum,
    "repeat": _repeat,
    "sliding_window_view": _sliding_window_view,
    "take": _take,
    "where": _where,
}


def upload(name, function, parameters):
    """xp.asarray and its kin: host data becomes a device array, which never shares its memory."""
    signature = Signature(name, parameters)

    def call(source, *args, **keywords):
        signature.check((source, *args), keywords)
        keywords.pop("blocking", None)
        on_device = isinstance(source, DeviceArray)
        if isinstance(source, (list, tuple)) and any(isinstance(s, DeviceArray) for s in source):
            on_device, source = True, wrap(np.stack([unwrap(s, name) for s in source]))
        if not on_device and not isinstance(source, SCALARS):
            hit("h2d", f"{name}() of host data")
        host = source._host if on_device else source
        result = function(host, *args, **keywords)
        if on_device and result is host:
            return source
        if not isinstance(result, np.ndarray) or result.dtype.char not in DTYPES:
            raise ValueError(f"Unsupported dtype {getattr(result, 'dtype', type(result))}")
        return wrap(result if on_device else np.array(result))

    return call


class Ufunc:
    """An element-wise function: device arrays and scalars only, and CuPy's three keywords."""

    KEYWORDS = frozenset(("out", "dtype", "casting"))

    def __init__(self, name, function):
        self.name, self.function = name, function
        self.short = name.rpartition(".")[2]

    def __repr__(self):
        return f"<the double's {self.name}>"

    def __call__(self, *args, **keywords):
        if keywords and not self.KEYWORDS.issuperset(keywords):
            unknown = sorted(set(keywords) - self.KEYWORDS)[0]
            raise TypeError(f"{self.name}() got an unexpected keyword argument {unknown!r}")
        out = keywords.get("out")
        if out is not None:
            keywords["out"] = self._hosts(out if isinstance(out, tuple) else (out,))
        elif len(args) > self.function.nin:  # out given by position
            out = args[self.function.nin]
        result = self.function(*self._hosts(args), **keywords)
        if out is None:
            return wrap(result)
        return out[0] if isinstance(out, tuple) and len(out) == 1 else out

    def _hosts(self, args):
        hosts = []
        for arg in args:
            if isinstance(arg, DeviceArray):
                hosts.append(arg._host)
            elif isinstance(arg, SCALARS):
                hosts.append(arg)
            else:
                raise TypeError(f"Unsupported type {type(arg)} in {self.name}")
        return tuple(hosts)

    def at(self, a, indices, b=None):
        """a[indices] = function(a[indices], b), each repetition of an index counted."""
        if self.short not in SCATTERS:
            raise NotImplementedError(f"`{self.name}.at` is not supported by CuPy")
        if not isinstance(a, DeviceArray):
            raise TypeError(f"Unsupported type {type(a)} in {self.name}.at")
        index, _ = host_index(indices, a.shape)
        self.function.at(a._host, index, *(() if b is None else self._hosts((b,))))

    def reduce(self, a, axis=0, dtype=None, out=None, keepdims=False):
        return self._method("reduce")(a, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def accumulate(self, a, axis=0, dtype=None, out=None):
        return self._method("accumulate")(a, axis=axis, dtype=dtype, out=out)

    def outer(self, a, b):
        return wrap(self.function.outer(*self._hosts((a, b))))

    def _method(self, method):
        if self.short not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.name}.{method}` is not supported by CuPy")
        parameters = ["array", "axis", "dtype", "out", "keepdims"]
        return device_function(f"{self.name}.{method}", getattr(self.function, method), parameters)

"""Tensor and Function: arrays that remember how they were computed. Knows no operation.

Calling an operation on Tensors leaves a record: the result's `creator` is the operation (a
`Function`), whose `inputs` are the Tensors it was called on. These records are the tape; `tape.py`
walks it and lends Tensor its `backward`. The operations live in `ops/`, whose last lines lend
Tensor its operators.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import NamedTuple

import numpy as np

from .backend import SCALARS, check_devices, device_of, is_array, to_device, to_host, xp_of
from .backend.errors import GraphError


class Mode(NamedTuple):
    """How operations behave in this context (thread or task)."""

    record: bool = True  # write the tape
    watch: object = None  # an observer of every operation and gradient: see debug.py


_mode = ContextVar("mode", default=Mode())
current_mode = _mode.get
_numbers = count()
_ON_HOST = (np.ndarray, *SCALARS)


@contextmanager
def using(**change):
    token = _mode.set(current_mode()._replace(**change))
    try:
        yield
    finally:
        _mode.reset(token)


def no_grad():
    """A context in which operations leave no tape: for sampling and evaluation."""
    return using(record=False)


def enable_grad():
    """A context in which operations are recorded, inside a `no_grad`."""
    return using(record=True)


class Tensor:
    """An array that remembers how it was computed.

    data: array of any backend, Tensor, list or number. An array keeps its dtype; Python floats
    become float32. A host array goes to `device` (default: the current device); a device array
    stays where it is. Only floating-point tensors can require a gradient.

    `.grad` is None until a `backward` reaches this leaf; then it is a bare array (a Tensor after
    `backward(create_graph=True)`). No Tensor can be written into: the tape may need the old values.

    `.number` counts tensors as they are made. `.flat` is the buffer of parameters that the array is
    a view of, or None: it counts how often it was written into.
    """

    __slots__ = ("creator", "data", "flat", "grad", "hooks", "number", "requires_grad")
    any_hooks = False  # whether any tensor was ever given a hook
    __array_priority__ = 100  # device arrays leave `array + tensor` to the Tensor
    __hash__ = object.__hash__  # `==` compares elements, so identity must be said explicitly

    def __init__(self, data, requires_grad=False, dtype=None, device=None):
        if isinstance(data, Tensor):
            data = data.data
        elif not is_array(data):
            keeps = isinstance(data, np.generic)
            data = np.asarray(data)
            if data.dtype == np.float64 and not keeps and dtype is None:
                data = data.astype(np.float32)
        if data.dtype.kind not in "biuf":
            raise TypeError(f"a Tensor holds real numbers or bools, not {data.dtype}")
        if dtype is not None:
            data = data.astype(dtype, copy=False)
        if device is not None or isinstance(data, np.ndarray):
            data = to_device(data, device)
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors have gradients, this one is {data.dtype}")
        self.data, self.requires_grad = data, requires_grad
        self.grad = self.creator = self.flat = self.hooks = None
        self.number = next(_numbers)

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    device = property(lambda self: device_of(self.data))

    def detach(self):
        """The same array as a Tensor without history."""
        t = wrap(self.data, False)
        t.flat = self.flat
        return t

    def numpy(self):
        """The values as a NumPy array; the only way to the host for a tensor on a device."""
        return to_host(self.data)

    def item(self):
        """The only element, as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item() needs a tensor of one element, this one has {self.shape}")
        return self.data.item()

    def accumulate(self, g):
        """self.grad + g, never in place: an addition hands one and the same g to both operands.

        The sum, or the first g, is copied for the same reason: a leaf's gradient is its own.
        """
        g = g if self.grad is None else self.grad + g
        self.grad = g if isinstance(g, Tensor) else xp_of(self.data).array(g)

    def hook(self, fn):
        """Call fn(gradient of this tensor) whenever a `backward` has computed it. Returns self."""
        if not self.requires_grad:
            raise GraphError("hook() on a tensor that requires no gradient would never be called")
        self.hooks = (self.hooks or ()) + (fn,)
        Tensor.any_hooks = True
        return self

    def __len__(self):
        if not self.data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.data.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self.item())

    def __repr__(self):
        name = type(self.creator).__name__ if self.creator else None
        tail = f", creator={name}" if name else ", requires_grad=True" * self.requires_grad
        where = "" if self.device == "cpu" else f", device={self.device!r}"
        values = np.array2string(self.numpy(), precision=5, threshold=50, prefix="Tensor(")
        return f"Tensor({values}, dtype={self.dtype}{where}{tail})"

    def __setitem__(self, index, value):
        raise TypeError(
            "a Tensor cannot be written into, since the tape may still need its old values; "
            "use td.where(mask, value, x), or td.concatenate of the parts"
        )

    def __array__(self, dtype=None, copy=None):
        raise TypeError("a Tensor is not converted to NumPy silently; call .numpy() for the values")

    def __reduce__(self):
        return Tensor, (self.data, self.requires_grad)  # a copy is a leaf, with a number of its own


def wrap(data, requires_grad, creator=None):
    """A Tensor around an array that is known to be good: the constructor without its checks."""
    t = Tensor.__new__(Tensor)
    t.data, t.requires_grad, t.creator = data, requires_grad, creator
    t.grad = t.flat = t.hooks = None
    t.number = next(_numbers)
    return t


class Function:
    """One operation: `forward` and `backward` side by side, on bare arrays.

    A subclass states y = f(x) in the first line of its docstring and the gradient in the last.
    `forward(*arrays, **hyper)` returns an array and calls `save(name=array)` for what `backward`
    reads as `self.name`. `backward(g)` returns one gradient per input, in the input's shape and
    dtype, and uses operators and ops functions only: then it can itself be recorded, and gives
    second derivatives. What is saved is an input or the output; a Function that saves anything
    else (a standard deviation, a permutation) names the same function composed of other operations
    as `composed`, and the second order goes through that.

    Called on arrays, a Function returns an array. With a Tensor among its inputs it returns a
    Tensor, and is recorded as its creator. `self.needs` says which inputs want a gradient.
    """

    inputs = None  # tuple of Tensors and arrays; None once the tape is freed
    saved = {}
    versions = ()
    composed = None

    def save(self, **named):
        """Keep arrays for `backward`, as attributes of these names."""
        self.saved = named
        for name, array in named.items():
            setattr(self, name, array)

    def forward(self, *arrays, **hyper):
        raise TypeError(f"{type(self).__name__} has no forward")

    def backward(self, g):
        raise GraphError(f"{type(self).__name__} has no gradient")

    def __call__(self, *inputs, **hyper):
        arrays, needs, flat, tensors, on_host = [], [], None, False, True
        for x in inputs:
            need = False
            if isinstance(x, Tensor):
                tensors, need, flat, x = True, x.requires_grad, flat or x.flat, x.data
            if type(x) not in _ON_HOST:
                on_host = False
            arrays.append(x)
            needs.append(need)
        if not on_host:
            check_devices(arrays)
        y = self.forward(*arrays, **hyper)
        if not tensors:
            return y
        if isinstance(y, np.generic):  # NumPy turns 0-d results into scalars
            scalar, y = y, np.asarray(y)
            self.save(**{name: y if a is scalar else a for name, a in self.saved.items()})
        record, watch = current_mode()
        if record and True in needs and y.dtype.kind == "f":
            if self.inputs is not None:
                raise GraphError(f"this {type(self).__name__} records a call; make another for it")
            self.inputs, self.needs, self.hyper = inputs, needs, hyper
            out = wrap(y, True, self)
        else:
            out = wrap(y, False)
        if flat is not None:
            self._follow(flat, out)
        if watch is not None:
            watch.forward(self, arrays, out)
        return out

    def _follow(self, flat, out):
        """Note how often the parameters among the inputs were changed; a view of one is one."""
        if out.data.base is not None:
            out.flat = flat
        tensors = [x for x in self.inputs or () if isinstance(x, Tensor) and x.flat is not None]
        self.versions = [(x, x.flat.version) for x in tensors]

    def tensors(self):
        """The inputs that want a gradient."""
        self.check_tape()
        return [x for x, need in zip(self.inputs, self.needs) if need]

    def check_tape(self):
        """Raise GraphError if the tape was freed, or if a saved array was written into since."""
        if self.inputs is None:
            raise GraphError(
                f"the tape behind this {type(self).__name__} was freed by an earlier backward(); "
                "compute the loss again, or keep the tape with backward(create_graph=True)"
            )
        for x, version in self.versions:
            if x.flat.version != version and any(v is x.data for v in self.saved.values()):
                raise GraphError(
                    f"an input of {type(self).__name__} was changed in place after the forward "
                    "pass (an optimiser step, EMA or load_state_dict?), so its gradient is lost"
                )

    def free(self):
        """Forget inputs and saved arrays: this operation's part of the tape."""
        self.__dict__.clear()

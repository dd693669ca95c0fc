"""What an operation accepts as an operand, and how two operands come to one shape and dtype."""

import re

import numpy as np

from ..backend import SCALARS, is_array
from ..tensor import Tensor
from .reduce import broadcast_to, common_shape
from .shape import astype


def pair(a, b):
    """Two operands in one shape and one dtype.

    Broadcasting and casting are operations of their own, recorded for Tensors, whose adjoints sum
    and cast back. Python numbers stay as they are: they take the other operand's dtype.
    """
    a, b = operand(a), operand(b)
    if type(a) in SCALARS or type(b) in SCALARS or (a.shape == b.shape and a.dtype == b.dtype):
        return a, b
    if not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        return a, b
    shape, dtype = common_shape(a.shape, b.shape), np.result_type(a.dtype, b.dtype)
    return astype(broadcast_to(a, shape), dtype), astype(broadcast_to(b, shape), dtype)


def operand(x):
    """x as an operation's input: a Tensor, an array or a Python number."""
    if isinstance(x, Tensor) or type(x) in SCALARS or is_array(x):
        return x
    if isinstance(x, np.generic):
        return x.item()  # a NumPy scalar would promote float32 to float64
    if isinstance(x, (list, tuple)):
        return Tensor(x).data
    raise TypeError(f"expected a Tensor, an array or a number, got {type(x).__name__}")


def unary(function):
    """The lowercase function of a Function with one operand."""

    def op(x):
        return function()(x if isinstance(x, np.generic) else operand(x))

    return _named_after(function, op)


def binary(function):
    """The lowercase function of a Function with two operands of one shape."""

    def op(a, b):
        return function()(*pair(a, b))

    return _named_after(function, op)


def _named_after(function, op):
    name = re.sub("(?<=.)(?=[A-Z])", "_", function.__name__).lower()
    op.__name__ = op.__qualname__ = name
    op.__doc__, op.__module__ = function.__doc__, function.__module__
    return op

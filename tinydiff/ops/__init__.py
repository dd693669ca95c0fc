"""Every differentiable operation. Arrays in, array out; any Tensor in, Tensor out.

    elementwise   arithmetic, exp, log, powers, sin     select      where, maximum, clip, abs, relu
    reduce        sum and broadcast_to, mean, max       shape       reshape, indexing, concatenate
    activations   tanh, sigmoid, silu, gelu             softmax     softmax, logsumexp, losses
    linalg        matmul, einsum                        norm        layer, group and batch norm
    windows       sliding windows, their adjoint        conv        convolutions
    pool          pooling, upsampling                   attention   attention, embedding, dropout
"""

import operator

from ..backend import check_devices
from ..tensor import Tensor
from .activations import gelu, sigmoid, silu, softplus, tanh
from .attention import attention, dropout, embedding
from .conv import conv1d, conv2d, conv_transpose2d
from .elementwise import (
    add,
    cos,
    divide,
    erf,
    exp,
    expm1,
    log,
    log1p,
    log_ndtr,
    multiply,
    negative,
    power,
    sin,
    sqrt,
    square,
    subtract,
)
from .linalg import einsum, matmul
from .norm import batch_norm, group_norm, layer_norm
from .operands import operand
from .pool import avg_pool2d, max_pool2d, upsample2d
from .reduce import broadcast_to, cumsum, max, mean, min, repeat, sum, var
from .select import abs, clip, maximum, minimum, relu, where
from .shape import (
    astype,
    concatenate,
    flip,
    getitem,
    pad,
    reshape,
    split,
    stack,
    swapaxes,
    take,
    to,
    transpose,
)
from .softmax import cross_entropy, log_softmax, logaddexp, logsumexp, mse, softmax

__all__ = [
    *("add", "subtract", "multiply", "divide", "power", "negative", "exp", "log", "log1p", "expm1"),
    *("sqrt", "square", "abs", "sin", "cos", "erf", "log_ndtr"),
    *("tanh", "sigmoid", "softplus", "relu", "silu", "gelu"),
    *("maximum", "minimum", "where", "clip", "logaddexp"),
    *("sum", "mean", "var", "max", "min", "logsumexp", "cumsum", "broadcast_to", "repeat"),
    *("reshape", "transpose", "swapaxes", "concatenate", "stack", "split", "getitem", "take"),
    *("pad", "flip", "astype", "matmul", "einsum"),
    *("softmax", "log_softmax", "mse", "cross_entropy"),
    *("conv1d", "conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "upsample2d"),
    *("embedding", "dropout", "layer_norm", "group_norm", "batch_norm", "attention"),
]


def _compare(name):
    """A comparison of data: a bool array, a constant of the tape."""

    def op(a, b):
        b = operand(b)
        b = b.data if isinstance(b, Tensor) else b
        check_devices((a.data, b))
        return getattr(operator, name)(a.data, b)

    return op


def _reshape(x, *shape):
    return reshape(x, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)


def _transpose(x, *axes):
    return transpose(x, (axes[0] if isinstance(axes[0], (tuple, list)) else axes) if axes else None)


def _ufunc(self, ufunc, method, *inputs, **kwargs):
    """np.exp(tensor) is td.exp(tensor)."""
    name = _NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
    if method != "__call__" or kwargs or name not in (*__all__, *_COMPARISONS):
        raise TypeError(f"np.{ufunc.__name__} so called has no form for Tensors; see td.ops")
    if name in __all__:
        return globals()[name](*inputs)
    a, b = inputs
    there, mirrored = _COMPARISONS[name]
    if isinstance(a, Tensor):
        return getattr(operator, there)(a, b)
    return getattr(operator, mirrored)(b, a)


def _array_function(self, function, types, args, kwargs):
    """np.sum(tensor, axis=0) is td.sum(tensor, axis=0)."""
    name = _NUMPY_NAMES.get(function.__name__, function.__name__)
    if name not in __all__:
        raise TypeError(
            f"np.{function.__name__} has no form for Tensors; see td.ops, or use .numpy()"
        )
    return globals()[name](*args, **kwargs)


_NUMPY_NAMES = {"absolute": "abs", "amax": "max", "amin": "min"}
_COMPARISONS = {  # the comparison, and its mirror image for a Tensor on the right
    "less": ("lt", "gt"),
    "less_equal": ("le", "ge"),
    "greater": ("gt", "lt"),
    "greater_equal": ("ge", "le"),
    "equal": ("eq", "eq"),
    "not_equal": ("ne", "ne"),
}

# What Tensor borrows from here.
Tensor.__add__ = add
Tensor.__radd__ = lambda a, b: add(b, a)
Tensor.__sub__ = subtract
Tensor.__rsub__ = lambda a, b: subtract(b, a)
Tensor.__mul__ = multiply
Tensor.__rmul__ = lambda a, b: multiply(b, a)
Tensor.__truediv__ = divide
Tensor.__rtruediv__ = lambda a, b: divide(b, a)
Tensor.__pow__ = power
Tensor.__rpow__ = lambda a, b: power(b, a)
Tensor.__matmul__ = matmul
Tensor.__rmatmul__ = lambda a, b: matmul(b, a)
Tensor.__neg__ = negative
Tensor.__abs__ = abs
Tensor.__getitem__ = getitem
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Tensor, f"__{_name}__", _compare(_name))
Tensor.sum, Tensor.mean, Tensor.astype, Tensor.to = sum, mean, astype, to
Tensor.reshape, Tensor.transpose = _reshape, _transpose
Tensor.T = property(transpose)
Tensor.__array_ufunc__ = _ufunc
Tensor.__array_function__ = _array_function

"""Every differentiable operation. Arrays in, array out; any Tensor in, Tensor out.

    elementwise   arithmetic, exp, log, powers, sin     select      where, maximum, clip, abs, relu
    reduce        sum and broadcast_to, mean, max       shape       reshape, indexing, concatenate
    activations   tanh, sigmoid, silu, gelu             softmax     softmax, logsumexp, losses
    linalg        matmul, linear, einsum                norm        layer, group and batch norm
    windows       sliding windows, their adjoint        conv        convolutions
    pool          pooling, upsampling                   attention   attention, embedding, dropout
"""

import inspect

from ..tensor import Tensor
from . import select, shape
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
from .linalg import einsum, linear, matmul
from .norm import batch_norm, group_norm, layer_norm
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
    transpose,
)
from .softmax import cross_entropy, log_softmax, logaddexp, logsumexp, mse, softmax

__all__ = [name for name, value in globals().items() if inspect.isfunction(value)]  # as imported


def _reshape(x, *shape):
    return reshape(x, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)


def _transpose(x, *axes):
    return transpose(x, (axes[0] if isinstance(axes[0], (tuple, list)) else axes) if axes else None)


# What Tensor borrows from here.
_binary = ("add", "sub", "mul", "truediv", "pow", "matmul")
for _name, _op in zip(_binary, (add, subtract, multiply, divide, power, matmul)):
    setattr(Tensor, f"__{_name}__", _op)
    setattr(Tensor, f"__r{_name}__", lambda a, b, op=_op: op(b, a))  # b + a, where b is no Tensor
Tensor.__neg__ = negative
Tensor.__abs__ = abs
Tensor.__getitem__ = getitem
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Tensor, f"__{_name}__", select.comparison(_name))
Tensor.sum, Tensor.mean, Tensor.astype, Tensor.to = sum, mean, astype, shape.to
Tensor.reshape, Tensor.transpose = _reshape, _transpose
Tensor.T = property(transpose)

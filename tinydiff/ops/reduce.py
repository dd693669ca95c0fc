"""Reductions over axes, and broadcasting, which is the sum in reverse.

axis: None (all axes), an int or a tuple of ints; keepdims keeps reduced axes with size 1.
"""

import math

import numpy as np

from ..backend import xp_of
from ..tensor import Function
from .shape import axis_of, flip, reshape, shape_of


def axes_of(x, axis):
    """axis as a sorted tuple of distinct axes of x, counted from the front."""
    if axis is None:
        return tuple(range(len(shape_of(x))))
    if not isinstance(axis, (tuple, list)):
        return (axis_of(x, axis),)
    axes = sorted(axis_of(x, i) for i in axis)
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis {tuple(axis)} names one axis of shape {x.shape} twice")
    return tuple(axes)


def common_shape(*shapes):
    """The shape that these broadcast to. Raises ValueError if there is none."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"shapes {' and '.join(map(str, shapes))} do not broadcast: going from the last axis "
            "back, sizes must be equal or 1"
        ) from None


def kept_shape(shape, axes):
    """`shape` with the reduced axes as 1."""
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


class Sum(Function):
    """y = sum_i x_i         over `axes`

    Every x_i has dy/dx_i = 1, so each receives the gradient of its sum: a broadcast.
    dL/dx = broadcast_to(g, x.shape)
    """

    def forward(self, x, axes, keepdims):
        self.shape, self.kept = x.shape, kept_shape(x.shape, axes)
        return x.sum(axis=axes, keepdims=keepdims)

    def backward(self, g):
        return (broadcast_to(g.reshape(self.kept), self.shape),)


class BroadcastTo(Function):
    """y = x repeated along new axes and axes of size 1

    Every copy of x_i feeds L, so its gradient is the sum over the copies: Sum and BroadcastTo are
    each other's adjoint.
    dL/dx = sum of g over the broadcast axes
    """

    def forward(self, x, shape):
        self.shape = x.shape
        new = len(shape) - x.ndim
        padded = (1,) * new + x.shape
        self.axes = tuple(i for i, n in enumerate(shape) if i < new or padded[i] != n)
        return xp_of(x).broadcast_to(x, shape)

    def backward(self, g):
        return (g.sum(axis=self.axes, keepdims=True).reshape(self.shape),)


class Max(Function):
    """y = max_i x_i         over `axes`

    Entries that tie for the maximum share the gradient equally.
    dL/dx_i = g [x_i = y] / #{j: x_j = y}
    """

    pick = "max"

    def forward(self, x, axes, keepdims):
        count(self.pick, x, axes)
        self.axes, self.kept = axes, kept_shape(x.shape, axes)
        y = getattr(x, self.pick)(axis=axes, keepdims=keepdims)
        self.save(x=x, y=y)
        return y

    def backward(self, g):
        chosen = (self.x == self.y.reshape(self.kept)).astype(g.dtype)
        return (g.reshape(self.kept) * (chosen / chosen.sum(axis=self.axes, keepdims=True)),)


class Min(Max):
    """y = min_i x_i         over `axes`

    Entries that tie for the minimum share the gradient equally.
    dL/dx_i = g [x_i = y] / #{j: x_j = y}
    """

    pick = "min"


class CumSum(Function):
    """y_i = sum_{j <= i} x_j         along `axis`

    x_j is in every y_i with i >= j: the gradient is summed from the other end.
    dL/dx_j = sum_{i >= j} g_i
    """

    def forward(self, x, axis):
        self.axis = axis
        return x.cumsum(axis=axis)

    def backward(self, g):
        return (flip(cumsum(flip(g, self.axis), self.axis), self.axis),)


def sum(x, axis=None, keepdims=False):
    """The sum over `axis`; the sum of nothing is 0."""
    return Sum()(x, axes=axes_of(x, axis), keepdims=keepdims)


def mean(x, axis=None, keepdims=False):
    """The mean over `axis`. Raises ValueError when there is nothing to average."""
    axes = axes_of(x, axis)
    return sum(x, axes, keepdims) / count("mean", x, axes)


def var(x, axis=None, keepdims=False, ddof=0):
    """The variance over `axis`, mean (x - mean x)^2, with n - ddof in the denominator."""
    axes = axes_of(x, axis)
    n = count("var", x, axes)
    if n <= ddof:
        raise ValueError(f"var() with ddof={ddof} needs more than {ddof} element(s), got {n}")
    d = x - mean(x, axes, keepdims=True)
    return sum(d * d, axes, keepdims) / (n - ddof)


def count(name, x, axes):
    """How many elements each result of a reduction is made of; ValueError if none."""
    n = math.prod(x.shape[i] for i in axes)
    if n == 0:
        raise ValueError(f"{name}() over axes {axes} of shape {x.shape} has no element")
    return n


def max(x, axis=None, keepdims=False):
    """The largest element over `axis`; ties share the gradient equally."""
    return Max()(x, axes=axes_of(x, axis), keepdims=keepdims)


def min(x, axis=None, keepdims=False):
    """The smallest element over `axis`; ties share the gradient equally."""
    return Min()(x, axes=axes_of(x, axis), keepdims=keepdims)


def cumsum(x, axis):
    """Running sums along one axis."""
    return CumSum()(x, axis=axis_of(x, axis))


def broadcast_to(x, shape):
    """x repeated to `shape` by NumPy's rules; a view, nothing is copied."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if shape_of(x) == shape:
        return x
    ends = shape[len(shape) - x.ndim :]
    if len(ends) != x.ndim or any(n not in (1, m) for n, m in zip(x.shape, ends)):
        raise ValueError(f"broadcast_to() cannot repeat shape {x.shape} to {shape}")
    return BroadcastTo()(x, shape=shape)


def repeat(x, repeats, axis):
    """Every entry of x `repeats` (int) times in a row along `axis`: broadcast along a new axis."""
    if not isinstance(repeats, int) or repeats < 0:
        raise ValueError(f"repeat() needs a whole number >= 0 of repeats, got {repeats!r}")
    axis = axis_of(x, axis)
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    copies = broadcast_to(reshape(x, (*before, n, 1, *after)), (*before, n, repeats, *after))
    return reshape(copies, (*before, n * repeats, *after))

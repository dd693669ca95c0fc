"""Operations that move elements without changing them: each adjoint moves the gradient back."""

from itertools import pairwise

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..backend import device_of, is_array, scatter_add, to_device, to_device_of, xp_of
from ..tensor import Function, Tensor


class Reshape(Function):
    """y = x with its elements, in row-major order, in another shape

    dL/dx = g in the shape of x
    """

    def forward(self, x, shape):
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, g):
        return (g.reshape(self.shape),)


class Transpose(Function):
    """y[i_axes(0), i_axes(1), ...] = x[i_0, i_1, ...]

    dL/dx = g with the axes back in their places
    """

    def forward(self, x, axes):
        self.axes = axes
        return x.transpose(axes)

    def backward(self, g):
        back = [self.axes.index(axis) for axis in range(len(self.axes))]
        return (g.transpose(back),)


class GetItem(Function):
    """y = x[index]

    An element picked several times receives the sum of its gradients, one never picked 0.
    dL/dx = 0 with g added at `index`
    """

    def forward(self, x, index):
        self.shape, self.index = x.shape, index
        return x[index]

    def backward(self, g):
        return (PutItem()(g, shape=self.shape, index=self.index),)


class PutItem(Function):
    """y = 0 of a given shape, with x added at `index`

    dL/dx = g[index]
    """

    def forward(self, x, shape, index):
        self.index = index
        y = xp_of(x).zeros(shape, dtype=x.dtype)
        parts = index if isinstance(index, tuple) else (index,)
        if any(is_array(i) and i.dtype != bool for i in parts):
            return scatter_add(y, index, x)  # an index array may name an element twice
        y[index] = x
        return y

    def backward(self, g):
        return (g[self.index],)


class Concatenate(Function):
    """y = [x_1, x_2, ...] joined along `axis`

    dL/dx_k = the slice of g where x_k went
    """

    def forward(self, *xs, axis):
        self.axis, self.sizes = axis, [x.shape[axis] for x in xs]
        return xp_of(*xs).concatenate(xs, axis=axis)

    def backward(self, g):
        return tuple(split(g, np.cumsum(self.sizes)[:-1].tolist(), self.axis))


class Pad(Function):
    """y = x with `widths` elements of `value` before and after it along every axis

    dL/dx = the inner part of g
    """

    def forward(self, x, widths, value):
        self.inner = tuple(slice(a, a + n) for (a, _), n in zip(widths, x.shape))
        return xp_of(x).pad(x, widths, constant_values=value)

    def backward(self, g):
        return (g[self.inner],)


class Flip(Function):
    """y = x in reverse order along `axis`

    dL/dx = g in reverse order
    """

    def forward(self, x, axis):
        self.axis = axis
        return xp_of(x).flip(x, axis)

    def backward(self, g):
        return (flip(g, self.axis),)


class ToDevice(Function):
    """y = x on another device

    dL/dx = g on the device of x
    """

    def forward(self, x, device):
        self.device = device_of(x)
        return to_device(x, device)

    def backward(self, g):
        return (to(g, self.device),)


class AsType(Function):
    """y = x in another floating-point type

    dL/dx = g in the type of x
    """

    def forward(self, x, dtype):
        self.dtype = x.dtype
        return x.astype(dtype)

    def backward(self, g):
        return (astype(g, self.dtype),)


def shape_of(x):
    """The shape of a Tensor or an array. Raises TypeError for anything else."""
    if not hasattr(x, "shape"):
        raise TypeError(f"expected a Tensor or an array, got {type(x).__name__}")
    return x.shape


def axis_of(x, axis):
    """One axis of x, counted from the front. Raises AxisError, TypeError."""
    return normalize_axis_index(axis, len(shape_of(x)))


def reshape(x, shape):
    """x in another shape with as many elements; one size may be -1."""
    return Reshape()(x, shape=shape)


def transpose(x, axes=None):
    """x with its axes in another order (default: reversed)."""
    ndim = len(shape_of(x))
    axes = range(ndim)[::-1] if axes is None else [axis_of(x, axis) for axis in axes]
    if sorted(axes) != list(range(ndim)):
        raise ValueError(f"transpose() needs each of {ndim} axes once, got {tuple(axes)}")
    return Transpose()(x, axes=tuple(axes))


def swapaxes(x, a, b):
    """x with axes a and b exchanged."""
    a, b = axis_of(x, a), axis_of(x, b)
    axes = list(range(x.ndim))
    axes[a], axes[b] = b, a
    return Transpose()(x, axes=tuple(axes))


def getitem(x, index):
    """x[index]: slices, ints, None, Ellipsis, integer arrays and bool arrays.

    An index array on the host that reaches out of bounds is an IndexError, also for device arrays.
    """
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(map(_index_array, parts))
    arrays = [p for p in parts if is_array(p)]
    if arrays:
        data = x.data if isinstance(x, Tensor) else x
        if not isinstance(data, np.ndarray) and all(isinstance(p, np.ndarray) for p in arrays):
            np.broadcast_to(False, x.shape)[parts]  # NumPy looks at the bounds, a GPU would not
        parts = tuple(to_device_of(p, data) if is_array(p) else p for p in parts)
    return GetItem()(x, index=parts if isinstance(index, tuple) else parts[0])


def _index_array(part):
    part = part.data if isinstance(part, Tensor) else part
    if isinstance(part, (list, tuple, range)):
        part = np.asarray(part, dtype=None if len(part) else int)
    if is_array(part) and part.dtype.kind not in "iub":
        raise IndexError(f"an index array holds ints or bools, not {part.dtype}")
    return part


def take(x, indices, axis):
    """The entries of x at `indices` (int array) along `axis`."""
    return getitem(x, (slice(None),) * axis_of(x, axis) + (indices,))


def concatenate(xs, axis=0):
    """Arrays of equal shape, but for `axis`, joined along `axis`."""
    xs = same_dtype("concatenate", xs)
    axis = axis_of(xs[0], axis)
    rest = {x.shape[:axis] + x.shape[axis + 1 :] for x in xs}
    if len(rest) > 1 or any(x.ndim != xs[0].ndim for x in xs):
        shapes = ", ".join(str(x.shape) for x in xs)
        raise ValueError(f"concatenate() needs equal shapes but for axis {axis}, got {shapes}")
    return Concatenate()(*xs, axis=axis)


def stack(xs, axis=0):
    """Arrays of one shape, joined along a new axis."""
    xs = same_dtype("stack", xs)
    axis = normalize_axis_index(axis, xs[0].ndim + 1)
    shape = xs[0].shape[:axis] + (1,) + xs[0].shape[axis:]
    if any(x.shape != xs[0].shape for x in xs):
        raise ValueError(f"stack() needs equal shapes, got {', '.join(str(x.shape) for x in xs)}")
    return concatenate([reshape(x, shape) for x in xs], axis)


def same_dtype(name, xs):
    """A list of Tensors or arrays in the dtype that NumPy would promote them to."""
    xs = list(xs)
    if not xs:
        raise ValueError(f"{name}() needs at least one array")
    for x in xs:
        shape_of(x)
    dtype = np.result_type(*(x.dtype for x in xs))
    return [astype(x, dtype) for x in xs]


def split(x, parts, axis=0):
    """x cut along `axis`: into `parts` equal pieces (int), or at the given positions (list)."""
    axis = axis_of(x, axis)
    n = x.shape[axis]
    if isinstance(parts, int):
        if parts < 1 or n % parts:
            raise ValueError(f"split() cannot cut an axis of {n} into {parts} equal parts")
        parts = [n // parts * k for k in range(1, parts)]
    front = (slice(None),) * axis
    return [getitem(x, (*front, slice(a, b))) for a, b in pairwise([0, *parts, n])]


def pad(x, widths, value=0.0):
    """x with `value` around it. widths: (before, after) for each axis, or one int for all."""
    ndim = len(shape_of(x))
    pairs = [(widths, widths)] * ndim if isinstance(widths, int) else list(widths)
    if len(pairs) != ndim or not all(np.shape(p) == (2,) and min(p) >= 0 for p in pairs):
        raise ValueError(f"pad() needs (before, after) >= 0 for each of {ndim} axes, got {widths}")
    if x.dtype.kind in "iu" and value != int(value):
        raise TypeError(f"pad() of {x.dtype} cannot hold the value {value}; use astype first")
    return Pad()(x, widths=pairs, value=value)


def flip(x, axis):
    """x in reverse order along `axis`."""
    return Flip()(x, axis=axis_of(x, axis))


def to(x, device):
    """x on another device; its gradient comes back to the device of x."""
    return ToDevice()(x, device=device)


def astype(x, dtype):
    """x in another dtype. Only floating-point types carry a gradient."""
    return x if x.dtype == dtype else AsType()(x, dtype=np.dtype(dtype))

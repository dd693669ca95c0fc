"""Operations that move elements without changing them: each adjoint moves the gradient back."""

import numpy as np

from ..backend import is_array, scatter_add, to_device_of, xp_of
from ..tensor import Function, Tensor


class Reshape(Function):
    """y = x with its elements, in row-major order, in another shape

    dL/dx = g in the shape of x
    """

    def forward(self, x, shape):
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, g):
        return (reshape(g, self.shape),)


class Transpose(Function):
    """y[i_axes(0), i_axes(1), ...] = x[i_0, i_1, ...]

    dL/dx = g with the axes back in their places
    """

    def forward(self, x, axes):
        self.axes = axes
        return x.transpose(axes)

    def backward(self, g):
        back = [0] * len(self.axes)
        for place, axis in enumerate(self.axes):
            back[axis] = place
        return (transpose(g, back),)


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
        return (getitem(g, self.index),)


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
        return (getitem(g, self.inner),)


class Flip(Function):
    """y = x in reverse order along `axis`

    dL/dx = g in reverse order
    """

    def forward(self, x, axis):
        self.axis = axis
        return xp_of(x).flip(x, axis)

    def backward(self, g):
        return (flip(g, self.axis),)


class AsType(Function):
    """y = x in another floating-point type

    dL/dx = g in the type of x
    """

    def forward(self, x, dtype):
        self.dtype = x.dtype
        return x.astype(dtype)

    def backward(self, g):
        return (astype(g, self.dtype),)


def reshape(x, shape):
    """x in another shape with as many elements; one size may be -1."""
    return Reshape()(x, shape=shape)


def transpose(x, axes=None):
    """x with its axes in another order (default: reversed)."""
    axes = range(x.ndim)[::-1] if axes is None else axes
    return Transpose()(x, axes=np.lib.array_utils.normalize_axis_tuple(axes, x.ndim))


def swapaxes(x, a, b):
    """x with axes a and b exchanged."""
    axes = list(range(x.ndim))
    axes[a], axes[b] = axes[b], axes[a]
    return transpose(x, axes)


def getitem(x, index):
    """x[index]: slices, ints, None, Ellipsis, integer arrays and bool arrays.

    An index array on the host that reaches out of bounds is an IndexError, also for device arrays.
    """
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(_index_array(p, x) for p in parts)
    return GetItem()(x, index=parts if isinstance(index, tuple) else parts[0])


def _index_array(part, x):
    part = part.data if isinstance(part, Tensor) else part
    part = np.asarray(part) if isinstance(part, list) else part
    if is_array(part):
        if part.dtype.kind not in "iub":
            raise IndexError(f"an index array holds ints or bools, not {part.dtype}")
        part = to_device_of(part, x.data if isinstance(x, Tensor) else x)
    return part


def take(x, indices, axis):
    """The entries of x at `indices` (int array) along `axis`."""
    axis = np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    if isinstance(indices, (np.ndarray, list)):
        indices = np.asarray(indices)
        if indices.size and (indices.min() < -n or indices.max() >= n):
            raise IndexError(f"take() of index outside -{n}..{n - 1} along axis {axis}")
    return getitem(x, (slice(None),) * axis + (indices,))


def concatenate(xs, axis=0):
    """Arrays of equal shape, but for `axis`, joined along `axis`."""
    xs = _same_dtype(xs)
    return Concatenate()(*xs, axis=np.lib.array_utils.normalize_axis_index(axis, xs[0].ndim))


def stack(xs, axis=0):
    """Arrays of one shape, joined along a new axis."""
    xs = _same_dtype(xs)
    axis = np.lib.array_utils.normalize_axis_index(axis, xs[0].ndim + 1)
    shape = xs[0].shape[:axis] + (1,) + xs[0].shape[axis:]
    if any(x.shape != xs[0].shape for x in xs):
        raise ValueError(f"stack() needs equal shapes, got {', '.join(str(x.shape) for x in xs)}")
    return concatenate([reshape(x, shape) for x in xs], axis)


def _same_dtype(xs):
    xs = list(xs)
    if not xs:
        raise ValueError("concatenate() and stack() need at least one array")
    dtype = np.result_type(*(x.dtype for x in xs))
    return [x if x.dtype == dtype else astype(x, dtype) for x in xs]


def split(x, parts, axis=0):
    """x cut along `axis`: into `parts` equal pieces (int), or at the given positions (list)."""
    n = x.shape[axis]
    if isinstance(parts, int):
        if parts < 1 or n % parts:
            raise ValueError(f"split() cannot cut an axis of {n} into {parts} equal parts")
        parts = range(n // parts, n, n // parts) if n else []
    cuts = [0, *parts, n]
    front = (slice(None),) * np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    return [getitem(x, (*front, slice(a, b))) for a, b in zip(cuts, cuts[1:])]


def pad(x, widths, value=0.0):
    """x with `value` around it. widths: (before, after) for each axis, or one int for all."""
    widths = [(widths, widths)] * x.ndim if isinstance(widths, int) else [tuple(w) for w in widths]
    if len(widths) != x.ndim or any(len(w) != 2 or min(w) < 0 for w in widths):
        raise ValueError(f"pad() needs (before, after) >= 0 for each of {x.ndim} axes, got {widths}")
    return Pad()(x, widths=widths, value=value)


def flip(x, axis):
    """x in reverse order along `axis`."""
    return Flip()(x, axis=axis)


def astype(x, dtype):
    """x in another dtype. Only floating-point types carry a gradient."""
    return x if x.dtype == dtype else AsType()(x, dtype=np.dtype(dtype))

"""Fast forms on a CPU: the same results in cache-sized pieces.

A pass over an array that does not fit into the cache costs many times what the arithmetic does. So
a convolution gathers the windows of a few images at a time, in a buffer of about 1 MB that stays in
the second-level cache, and multiplies that buffer before it gathers the next. Elementwise
functions go through their array in pieces of PIECE elements.
"""

import math

import numpy as np

from .fast_pairs import tsne_cost, tsne_gradient  # noqa: F401 (forms of manifold/)
from .parts import mean_of_parts

BUFFER = 2**20  # bytes
PIECE = 2**15  # elements: 128 kB of float32, of which three or four fit into the cache


def convolve(x, W, geo):
    """Windows of x times W; see ops/conv.py."""
    if geo.groups != 1 or geo.pointwise:
        return None
    matrix = W.reshape(-1, W.shape[-1])
    y = np.empty((x.shape[0], *geo.out, W.shape[-1]), np.result_type(x, W))
    for part, columns in _column_blocks(x, geo):
        np.matmul(columns, matrix, out=y[part].reshape(-1, W.shape[-1]))
    return y


def convolve_weight(x, g, geo):
    """Windows of x, transposed, times g."""
    if geo.groups != 1 or geo.pointwise:
        return None
    matrix = np.zeros((geo.size[0] * geo.size[1] * x.shape[-1], g.shape[-1]), np.result_type(x, g))
    product = np.empty_like(matrix)
    for part, columns in _column_blocks(x, geo):
        matrix += np.matmul(columns.T, g[part].reshape(-1, g.shape[-1]), out=product)
    return matrix.reshape(*geo.size, x.shape[-1], g.shape[-1])


def convolve_input(g, W, geo):
    """g W^T folded. With stride 1 every pixel is in one window of each offset, so the fold is a
    convolution of g with the kernel turned by 180 degrees.
    """
    if geo.groups != 1 or geo.pointwise or geo.stride != (1, 1):
        return None
    margin = [d * (k - 1) - p for d, k, p in zip(geo.dilation, geo.size, geo.padding)]
    if min(margin) < 0:
        return None
    turned = np.ascontiguousarray(W[::-1, ::-1].swapaxes(2, 3))
    return convolve(g, turned, geo._replace(image=geo.out, padding=tuple(margin)))


def _column_blocks(x, geo):
    """(slice of the batch, its windows as a matrix), in one buffer, filled anew each time."""
    (oh, ow), (kh, kw), (ph, pw) = geo.out, geo.size, geo.padding
    (sh, sw), (dh, dw), (h, w), c = geo.stride, geo.dilation, geo.image, x.shape[-1]
    images = max(1, min(len(x), BUFFER // (oh * ow * kh * kw * c * x.itemsize)))
    windows = np.empty((images, oh, ow, kh, kw, c), x.dtype)
    padded = np.zeros((images, *geo.padded, c), x.dtype)
    a, b, d, e = padded.strides
    strides = (a, b * sh, d * sw, b * dh, d * dw, e)
    # a copy of this view runs along kw and c at once
    view = np.lib.stride_tricks.as_strided(padded, windows.shape, strides)
    for start in range(0, len(x), images):
        part = slice(start, min(start + images, len(x)))
        n = part.stop - part.start
        padded[:n, ph : ph + h, pw : pw + w] = x[part]
        windows[:n] = view[:n]
        yield part, windows[:n].reshape(-1, kh * kw * c)


def silu_value(x):
    """x sigmoid(x), in pieces."""
    if not x.flags.c_contiguous:
        return None
    y = np.empty_like(x)
    for a, b in _pieces(x, y):
        np.multiply(a, 0.5, out=b)
        np.tanh(b, out=b)
        b += 1
        b *= a
        b *= 0.5
    return y


def silu_gradient(x, g):
    """g s (1 + x (1 - s)) with s = sigmoid(x), in pieces."""
    if not (x.flags.c_contiguous and g.flags.c_contiguous and x.dtype == g.dtype):
        return None
    gx, t = np.empty_like(x), np.empty(min(x.size, PIECE), x.dtype)
    for a, b, out in _pieces(x, g, gx):
        s = t[: a.size]
        np.multiply(a, 0.5, out=s)
        np.tanh(s, out=s)
        s += 1
        s *= 0.5
        np.subtract(1, s, out=out)
        out *= a
        out += 1
        out *= s
        out *= b
    return gx


def _pieces(*arrays):
    flat = [a.reshape(-1) for a in arrays]
    for start in range(0, flat[0].size, PIECE):
        yield tuple(a[start : start + PIECE] for a in flat)


def normalize_forward(x, axes, eps):
    """(y, 1/s) of a normalisation over the last axis, over positions and channels of a group, or,
    of each channel, over all the rest."""
    if _by_channel(x, axes):
        return _normalize_channels(x, eps)
    layout = _layout(x, axes)
    if layout is None:
        return None
    rows, groups = layout
    y, inverse_s = np.empty_like(x), np.empty((len(rows), groups), x.dtype)
    flat = y.reshape(rows.shape)
    for part in _row_blocks(rows):
        a, b = rows[part], flat[part]
        np.subtract(a, _group_mean(a.sum(axis=1), a, groups)[0], out=b)
        variance = _group_mean(np.einsum("nlc,nlc->nc", b, b), a, groups)[1]
        inverse_s[part] = 1 / np.sqrt(variance + eps)
        b *= _spread(inverse_s[part], a)
    return y, inverse_s.reshape([1 if i in axes else n for i, n in enumerate(x.shape)])


def normalize_backward(g, y, inverse_s, axes):
    """(g - mean(g) - y mean(g y)) / s, in blocks of rows."""
    if _by_channel(y, axes) and g.flags.c_contiguous and g.dtype == y.dtype:
        return _normalize_channels_backward(g, y, inverse_s)
    layout = _layout(y, axes)
    if layout is None or not g.flags.c_contiguous or g.dtype != y.dtype:
        return None
    rows, groups = layout
    gx = np.empty_like(g)
    flat, g_rows = gx.reshape(rows.shape), g.reshape(rows.shape)
    inverse_s = inverse_s.reshape(-1, groups)
    for part in _row_blocks(rows):
        a, b, out = g_rows[part], rows[part], flat[part]
        np.multiply(b, _group_mean(np.einsum("nlc,nlc->nc", a, b), a, groups)[0], out=out)
        np.subtract(a, out, out=out)
        out -= _group_mean(a.sum(axis=1), a, groups)[0]
        out *= _spread(inverse_s[part], a)
    return gx


def _by_channel(x, axes):
    return x.ndim > 1 and axes == tuple(range(x.ndim - 1)) and x.flags.c_contiguous and x.size


def _normalize_channels(x, eps):
    y = np.empty_like(x)
    rows, flat = (a.reshape(-1, x.shape[-1]) for a in (x, y))
    total, squares = np.zeros((2, x.shape[-1]), x.dtype)
    for part in _row_blocks(rows):
        total += rows[part].sum(axis=0)
    m = mean_of_parts(total / x.dtype.type(len(rows)))
    for part in _row_blocks(rows):
        np.subtract(rows[part], m, out=flat[part])
        squares += np.einsum("rc,rc->c", flat[part], flat[part])
    inverse_s = 1 / np.sqrt(mean_of_parts(squares / x.dtype.type(len(rows))) + x.dtype.type(eps))
    for part in _row_blocks(rows):
        flat[part] *= inverse_s
    return y, inverse_s.reshape((1,) * (x.ndim - 1) + inverse_s.shape)


def _normalize_channels_backward(g, y, inverse_s):
    gx, s = np.empty_like(y), inverse_s.reshape(-1)
    g_rows, rows, flat = (a.reshape(-1, y.shape[-1]) for a in (g, y, gx))
    sums = np.zeros((2, y.shape[-1]), y.dtype)  # of g and of g y
    for part in _row_blocks(rows):
        sums[0] += g_rows[part].sum(axis=0)
        sums[1] += np.einsum("rc,rc->c", g_rows[part], rows[part])
    mean_g, mean_gy = mean_of_parts(sums / y.dtype.type(len(rows)))
    for part in _row_blocks(rows):
        np.multiply(rows[part], -mean_gy, out=flat[part])
        flat[part] += g_rows[part]
        flat[part] -= mean_g
        flat[part] *= s
    return gx


def scale_and_shift(x, gamma, beta):
    """x gamma + beta, in blocks of rows."""
    if not x.flags.c_contiguous or not x.dtype == gamma.dtype == beta.dtype:
        return None
    y = np.empty_like(x)
    rows, flat = (a.reshape(-1, x.shape[-1]) for a in (x, y))
    for part in _row_blocks(rows):
        np.multiply(rows[part], gamma, out=flat[part])
        flat[part] += beta
    return y


def scale_and_shift_gradients(g, x, gamma):
    """(g gamma, sum g x, sum g), in blocks of rows."""
    if not (g.flags.c_contiguous and x.flags.c_contiguous and g.dtype == x.dtype == gamma.dtype):
        return None
    gx, g_gamma, g_beta = np.empty_like(x), np.zeros_like(gamma), np.zeros_like(gamma)
    g_rows, rows, flat = (a.reshape(-1, x.shape[-1]) for a in (g, x, gx))
    for part in _row_blocks(rows):
        np.multiply(g_rows[part], gamma, out=flat[part])
        g_gamma += np.einsum("rc,rc->c", g_rows[part], rows[part])
        g_beta += g_rows[part].sum(axis=0)
    return gx, g_gamma, g_beta


def softmax_value(x, axis):
    """exp(x) / sum(exp(x)) along the last axis, in blocks of rows."""
    if not _long_rows(x, axis):
        return None
    y = np.empty_like(x)
    rows, flat = (a.reshape(-1, x.shape[-1]) for a in (x, y))
    for part in _row_blocks(rows):
        b = flat[part]
        largest = rows[part].max(axis=1, keepdims=True)
        if not np.isfinite(largest).all():
            return None
        np.subtract(rows[part], largest, out=b)
        np.exp(b, out=b)
        b /= b.sum(axis=1, keepdims=True)
    return y


def softmax_gradient(g, y, axis):
    """y (g - sum(g y)) along the last axis, in blocks of rows."""
    if not (_long_rows(y, axis) and g.flags.c_contiguous and g.dtype == y.dtype):
        return None
    gx = np.empty_like(y)
    g_rows, rows, flat = (a.reshape(-1, y.shape[-1]) for a in (g, y, gx))
    for part in _row_blocks(rows):
        inner = np.einsum("rc,rc->r", g_rows[part], rows[part])
        np.subtract(g_rows[part], inner[:, None], out=flat[part])
        flat[part] *= rows[part]
    return gx


def _long_rows(x, axis):
    return axis in (-1, x.ndim - 1) and x.flags.c_contiguous and x.size and x.ndim > 1


def _layout(x, axes):
    """x as (samples, positions, channels), and the number of groups; None for other layouts."""
    if not x.flags.c_contiguous or not x.size:
        return None
    if axes == (x.ndim - 1,):
        return x.reshape(-1, 1, x.shape[-1]), 1
    if x.ndim == 4 and axes == (1, 3):
        return x.reshape(x.shape[0], x.shape[1], -1), x.shape[2]
    return None


def _row_blocks(rows):
    n = max(1, PIECE // math.prod(rows.shape[1:]))
    return [slice(start, start + n) for start in range(0, len(rows), n)]


def _group_mean(sums, a, groups):
    """The groups' means of channel sums (n, c): one for each channel, and one for each group."""
    n, positions, c = a.shape
    mean = sums.reshape(n, groups, c // groups).sum(axis=2) * (groups / (positions * c))
    mean = mean.astype(a.dtype, copy=False)
    return _spread(mean, a), mean


def _spread(values, a):
    """One value per group as one per channel, (n, 1, c): long rows are what NumPy is fast at."""
    return np.repeat(values, a.shape[2] // values.shape[1], axis=1)[:, None, :]

"""What operations should compute, written as their definitions: loops, and no tinydiff."""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def normal_cdf(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def softmax(x, axis=-1):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def normalized(x, axes, eps=1e-5):
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)


def grouped(x, groups):
    """Normalised over positions and the channels of each group, one group at a time."""
    parts = np.split(x, groups, axis=-1)
    axes = tuple(range(1, x.ndim))
    return np.concatenate([normalized(part, axes) for part in parts], axis=-1)


def cumulative(x, axis):
    y = np.moveaxis(x.copy(), axis, 0)
    for i in range(1, len(y)):
        y[i] += y[i - 1]
    return np.moveaxis(y, 0, axis)


def nearest(x, factor):
    """Every pixel of (N, H, W, C) as a block: the Kronecker product with ones."""
    return np.kron(x, np.ones((1, factor, factor, 1)))


def attend(q, k, v, allowed=True):
    """One query at a time, over the keys that it may attend to."""
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    q, k, v = (np.broadcast_to(x, batch + x.shape[-2:]) for x in (q, k, v))
    allowed = np.broadcast_to(allowed, (*q.shape[:-1], k.shape[-2]))
    y = np.zeros((*q.shape[:-1], v.shape[-1]))
    for i in np.ndindex(q.shape[:-1]):
        keys, values = k[i[:-1]][allowed[i]], v[i[:-1]][allowed[i]]
        scores = [q[i] @ key / math.sqrt(len(key)) for key in keys]
        y[i] = softmax(np.array(scores)) @ values
    return y


def two(v):
    return v if isinstance(v, tuple) else (v, v)


def convolve(x, W, b=None, stride=1, padding=0, dilation=1, groups=1):
    """One output number at a time: where an offset falls outside of the image, it adds nothing."""
    (sh, sw), (ph, pw), (dh, dw) = map(two, (stride, padding, dilation))
    n_images, h, w, _ = x.shape
    kh, kw, c, channels = W.shape
    size = (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((n_images, *size, channels))
    for n, i, j, channel in np.ndindex(y.shape):
        first = channel // (channels // groups) * c  # of the input channels of its group
        for p, q in np.ndindex(kh, kw):
            row, column = i * sh + p * dh - ph, j * sw + q * dw - pw
            if 0 <= row < h and 0 <= column < w:
                pixel = x[n, row, column, first : first + c]
                y[n, i, j, channel] += pixel @ W[p, q, :, channel]
    return y if b is None else y + b


def convolve_transposed(x, W, b=None, stride=1, padding=0, output_padding=0):
    """Every input pixel lays a copy of the kernel, times its value, onto the output."""
    n_images, h, w, _ = x.shape
    kh, kw, _, channels = W.shape
    size = [(n - 1) * stride + k + output_padding for n, k in ((h, kh), (w, kw))]
    full = np.zeros((n_images, *size, channels))
    for n, i, j, p, q in np.ndindex(n_images, h, w, kh, kw):
        full[n, i * stride + p, j * stride + q] += x[n, i, j] @ W[p, q]
    y = full[:, padding : full.shape[1] - padding, padding : full.shape[2] - padding]
    return y if b is None else y + b


def pooled(x, size, stride, reduce):
    (kh, kw), (sh, sw) = size, stride
    oh, ow = (x.shape[1] - kh) // sh + 1, (x.shape[2] - kw) // sw + 1
    y = np.zeros((x.shape[0], oh, ow, x.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = reduce(x[n, i * sh : i * sh + kh, j * sw : j * sw + kw, c])
    return y

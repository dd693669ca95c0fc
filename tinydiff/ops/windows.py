"""Sliding windows over an image, and folding windows back: each other's adjoint.

Images are channels last, (N, H, W, C). Windows of size (kh, kw) are (N, OH, OW, kh, kw, C):
window (i, j) starts at pixel (i s_h, j s_w), and its pixels lie d_h and d_w apart.
"""

from typing import NamedTuple

from ..backend import xp_of
from ..tensor import Function


class Geometry(NamedTuple):
    """Where the windows of a convolution or a pooling lie. All entries are (height, width)."""

    image: tuple  # H, W before padding
    size: tuple
    stride: tuple
    padding: tuple
    dilation: tuple = (1, 1)
    groups: int = 1

    @property
    def padded(self):
        return tuple(n + 2 * p for n, p in zip(self.image, self.padding))

    @property
    def out(self):
        """OH, OW: how many windows fit."""
        return tuple(
            (n - d * (k - 1) - 1) // s + 1
            for n, k, s, d in zip(self.padded, self.size, self.stride, self.dilation)
        )

    @property
    def pointwise(self):
        """Every pixel is its own window: a 1x1 convolution."""
        return self.size == self.stride == (1, 1) and self.padding == (0, 0)


def geometry(name, shape, size, stride, padding, dilation=1, groups=1):
    """The Geometry of windows over an image of `shape` (N, H, W, C). Raises ValueError."""
    if len(shape) != 4:
        raise ValueError(f"{name}() needs an image batch (N, H, W, C), got shape {shape}")
    size, stride = two(name, "size", size, 1), two(name, "stride", stride, 1)
    padding, dilation = two(name, "padding", padding, 0), two(name, "dilation", dilation, 1)
    geo = Geometry(tuple(shape[1:3]), size, stride, padding, dilation, groups)
    if min(geo.out) < 1:
        raise ValueError(
            f"{name}(): windows of {size} with dilation {dilation} do not fit into an image of "
            f"{geo.image} with padding {padding}"
        )
    return geo


def two(name, what, value, least):
    """One or two whole numbers as (height, width). Raises ValueError for anything else."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or any(not isinstance(v, int) or v < least for v in pair):
        raise ValueError(
            f"{name}() needs {what} as one or two whole numbers >= {least}, got {value!r}"
        )
    return tuple(pair)


def unfold(x, geo):
    """A view of the windows of x: nothing is copied unless there is padding."""
    xp = xp_of(x)
    (ph, pw), (dh, dw), (sh, sw) = geo.padding, geo.dilation, geo.stride
    if ph or pw:
        x = xp.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    n, h, w, c = x.strides
    shape = (x.shape[0], *geo.out, *geo.size, x.shape[3])
    strides = (n, h * sh, w * sw, h * dh, w * dw, c)
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


def fold(windows, geo):
    """The image in which every pixel is the sum of its copies in `windows`."""
    (ph, pw), (dh, dw), (sh, sw) = geo.padding, geo.dilation, geo.stride
    (h, w), (oh, ow) = geo.image, geo.out
    shape = (windows.shape[0], *geo.padded, windows.shape[-1])
    image = xp_of(windows).zeros(shape, dtype=windows.dtype)
    for i in range(geo.size[0]):
        rows = slice(i * dh, i * dh + sh * (oh - 1) + 1, sh)
        for j in range(geo.size[1]):
            image[:, rows, j * dw : j * dw + sw * (ow - 1) + 1 : sw] += windows[:, :, :, i, j]
    return image[:, ph : ph + h, pw : pw + w]


class Windows(Function):
    """y = the sliding windows of x

    A pixel receives the gradients of all its copies: windows are folded back.
    dL/dx = fold(g)
    """

    def forward(self, x, geo):
        self.geo = geo
        return unfold(x, geo).copy()

    def backward(self, g):
        return (Fold()(g, geo=self.geo),)


class Fold(Function):
    """y = the image that sums the windows x

    dL/dx = the windows of g
    """

    def forward(self, x, geo):
        self.geo = geo
        return fold(x, geo)

    def backward(self, g):
        return (Windows()(g, geo=self.geo),)

"""Pooling and upsampling of images (N, H, W, C), composed of windows and reductions."""

from .reduce import max, mean, repeat
from .shape import reshape, shape_of
from .windows import Windows, geometry


def _windows(name, x, size, stride):
    """The pooling windows of x, (N, OH, OW, kh, kw, C), and the two axes to reduce."""
    geo = geometry(name, shape_of(x), size, size if stride is None else stride, 0)
    (h, w), (kh, kw) = geo.image, geo.size
    if geo.size == geo.stride and h % kh == 0 and w % kw == 0:  # tiles: no pixel is in two windows
        return reshape(x, (x.shape[0], h // kh, kh, w // kw, kw, x.shape[3])), (2, 4)
    return Windows()(x, geo=geo), (3, 4)


def max_pool2d(x, size, stride=None):
    """The largest value of each window of `size` (stride: default size); ties share gradients."""
    return max(*_windows("max_pool2d", x, size, stride))


def avg_pool2d(x, size, stride=None):
    """The mean of each window of `size` (stride: default size)."""
    return mean(*_windows("avg_pool2d", x, size, stride))


def upsample2d(x, factor):
    """Every pixel as a block of factor x factor pixels (nearest neighbour)."""
    if len(shape_of(x)) != 4:
        raise ValueError(f"upsample2d() needs an image batch (N, H, W, C), got shape {x.shape}")
    if not isinstance(factor, int) or factor < 1:
        raise ValueError(f"upsample2d() needs a whole factor >= 1, got {factor!r}")
    return repeat(repeat(x, factor, 1), factor, 2)

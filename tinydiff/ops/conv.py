"""Convolution: a matrix product over sliding windows (im2col).

    y[n, i, j, d] = sum over p, q, c of x[n, i s + p d_l, j s + q d_l, c] W[p, q, c, d] + b[d]

x is (N, H, W, C_in), W is (kh, kw, C_in / groups, C_out), y is (N, OH, OW, C_out). y is linear in x
and in W, and so are both gradients; their gradients are the same three maps again:

    y  = conv(x, W)
    gx = conv_input(g, W)       the adjoint of x -> y: windows of g W^T, folded
    gW = conv_weight(x, g)      the adjoint of W -> y: windows of x, transposed, times g
"""

from ..backend import fast_form, xp_of
from ..tensor import Function
from .shape import reshape, same_dtype, shape_of, swapaxes
from .windows import fold, geometry, two, unfold


def _columns(x, geo):
    """The windows of x as rows of a matrix for each group: (groups, N OH OW, kh kw C / groups)."""
    if geo.pointwise:
        return _grouped(x, geo.groups)
    n, c, k = geo.groups, x.shape[-1] // geo.groups, geo.size[0] * geo.size[1]
    windows = unfold(x, geo).reshape(-1, k, n, c)
    return windows.transpose(2, 0, 1, 3).reshape(n, -1, k * c)


def _grouped(a, groups):
    """a (..., C) as one matrix for each group of its channels: (groups, rows, C / groups)."""
    return a.reshape(-1, groups, a.shape[-1] // groups).transpose(1, 0, 2)


@fast_form
def convolve(x, W, geo):
    """windows(x) W"""
    y = xp_of(x, W).matmul(_columns(x, geo), _grouped(W, geo.groups))
    return y.transpose(1, 0, 2).reshape(x.shape[0], *geo.out, W.shape[-1])


@fast_form
def convolve_input(g, W, geo):
    """fold(g W^T)"""
    n, c = geo.groups, W.shape[2]
    columns = xp_of(g, W).matmul(_grouped(g, n), _grouped(W, n).swapaxes(1, 2))
    if geo.pointwise:
        return columns.transpose(1, 0, 2).reshape(g.shape[0], *geo.image, n * c)
    windows = columns.reshape(n, g.shape[0], *geo.out, *geo.size, c)
    windows = windows.transpose(1, 2, 3, 4, 5, 0, 6).reshape(*windows.shape[1:-1], n * c)
    return fold(windows, geo)


@fast_form
def convolve_weight(x, g, geo):
    """windows(x)^T g"""
    n, c = geo.groups, x.shape[-1] // geo.groups
    W = xp_of(x, g).matmul(_columns(x, geo).swapaxes(1, 2), _grouped(g, n))
    return W.transpose(1, 0, 2).reshape(*geo.size, c, g.shape[-1])


class Conv2d(Function):
    """y = windows(x) W

    dL/dx = conv_input(g, W), dL/dW = conv_weight(x, g)
    """

    def forward(self, x, W, geo):
        self.save(x=x, W=W)
        self.geo = geo
        return convolve(x, W, geo)

    def backward(self, g):
        gx = ConvInput()(g, self.W, geo=self.geo) if self.needs[0] else None
        return gx, ConvWeight()(self.x, g, geo=self.geo) if self.needs[1] else None


class ConvInput(Function):
    """y = fold(x W^T): the adjoint of a convolution in its image

    dL/dx = conv(g, W), dL/dW = conv_weight(g, x)
    """

    def forward(self, x, W, geo):
        self.save(x=x, W=W)
        self.geo = geo
        return convolve_input(x, W, geo)

    def backward(self, g):
        gx = Conv2d()(g, self.W, geo=self.geo) if self.needs[0] else None
        return gx, ConvWeight()(g, self.x, geo=self.geo) if self.needs[1] else None


class ConvWeight(Function):
    """y = windows(x)^T h: the adjoint of a convolution in its weights

    dL/dx = conv_input(h, g), dL/dh = conv(x, g)
    """

    def forward(self, x, h, geo):
        self.save(x=x, h=h)
        self.geo = geo
        return convolve_weight(x, h, geo)

    def backward(self, g):
        gx = ConvInput()(self.h, g, geo=self.geo) if self.needs[0] else None
        return gx, Conv2d()(self.x, g, geo=self.geo) if self.needs[1] else None


def conv2d(x, W, b=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution (cross-correlation) of images x with W. Shapes as above.

    stride, padding (zeros on both sides) and dilation: one whole number, or (height, width).
    With groups, group k of the inputs meets group k of the outputs only. Raises ValueError.
    """
    if (
        (len(shape_of(x)), len(shape_of(W))) != (4, 4)
        or groups < 1
        or x.shape[3] != groups * W.shape[2]
        or W.shape[3] % groups
        or 0 in W.shape
    ):
        raise ValueError(
            "conv2d() needs images (N, H, W, C_in) and weights (kh, kw, C_in/groups, C_out), C_out "
            f"a multiple of groups and no size 0, got {x.shape}, {W.shape} and groups={groups}"
        )
    x, W = same_dtype("conv2d", (x, W))
    geo = geometry("conv2d", x.shape, W.shape[:2], stride, padding, dilation, groups)
    return _plus(Conv2d()(x, W, geo=geo), b, "conv2d")


def _plus(y, b, name):
    """y + b for a bias b (C_out,) or None."""
    if b is None:
        return y
    if b.shape != y.shape[-1:]:
        raise ValueError(f"{name}() needs a bias of shape {y.shape[-1:]}, got {b.shape}")
    return y + b


def conv1d(x, W, b=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of sequences (N, L, C_in), as images of height 1; W: (k, C_in/groups, C_out)."""
    if (len(shape_of(x)), len(shape_of(W))) != (3, 3):
        raise ValueError(
            f"conv1d() needs sequences (N, L, C_in) and weights (k, C_in/groups, C_out), "
            f"got {x.shape} and {W.shape}"
        )
    x, W = reshape(x, (x.shape[0], 1, *x.shape[1:])), reshape(W, (1, *W.shape))
    y = conv2d(x, W, b, (1, stride), (0, padding), (1, dilation), groups)
    return reshape(y, (y.shape[0], *y.shape[2:]))


def conv_transpose2d(x, W, b=None, stride=1, padding=0, output_padding=0):
    """Transposed convolution of x (N, H, W, C_in) with W (kh, kw, C_in, C_out): upsampling.

    The adjoint of a conv2d that takes an image of the result's size to one of x's size. Several
    sizes can lead to x's size, and `output_padding` (less than stride) chooses among them:
    OH = (H - 1) stride - 2 padding + kh + output_padding.
    """
    if (len(shape_of(x)), len(shape_of(W))) != (4, 4) or x.shape[3] != W.shape[2]:
        raise ValueError(
            "conv_transpose2d() needs images (N, H, W, C_in) and weights (kh, kw, C_in, C_out), "
            f"got {x.shape} and {W.shape}"
        )
    name, x, W = "conv_transpose2d", *same_dtype("conv_transpose2d", (x, W))
    steps = two(name, "stride", stride, 1)
    margins = two(name, "padding", padding, 0)
    extra = two(name, "output_padding", output_padding, 0)
    if any(e >= s for e, s in zip(extra, steps)):
        raise ValueError(f"output_padding must be 0..stride-1, got {output_padding} and {stride}")
    sizes = zip(x.shape[1:3], W.shape[:2], steps, margins, extra)
    shape = (x.shape[0], *((n - 1) * s - 2 * p + k + e for n, k, s, p, e in sizes), W.shape[3])
    if min(shape[1:3]) < 1:
        raise ValueError(f"{name}() with padding {padding} leaves no image: size {shape[1:3]}")
    geo = geometry(name, shape, W.shape[:2], stride, padding)
    return _plus(ConvInput()(x, swapaxes(W, 2, 3), geo=geo), b, "conv_transpose2d")

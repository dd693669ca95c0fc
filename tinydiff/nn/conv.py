"""Convolution layers over sequences (N, L, C) and images (N, H, W, C)."""

import math

import numpy as np

from ..ops import conv1d, conv2d, conv_transpose2d
from ..tensor import Tensor
from .module import Module, Parameter, generator, scaled_normal


class _Conv(Module):
    """What Conv1d and Conv2d share.

    W ~ N(0, 1/fan_in) with fan_in = k c_in / groups, the number of products in each output, keeps
    the variance of the input; b starts at 0.
    """

    def __init__(
        self, c_in, c_out, size, stride=1, padding=0, dilation=1, groups=1, bias=True, *, rng
    ):
        name = type(self).__name__
        if c_in % groups or c_out % groups:
            raise ValueError(f"{name} needs groups={groups} to divide c_in={c_in} and c_out={c_out}")
        size = (size,) * self.dims if isinstance(size, int) else tuple(size)
        shape = (*size, c_in // groups, c_out)
        fan_in = math.prod(shape[:-1])
        self.W = Parameter(scaled_normal(generator(rng, name), shape, fan_in))
        self.b = Parameter(np.zeros(c_out)) if bias else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x):
        x = x if isinstance(x, Tensor) else Tensor(x)
        return self.op(x, self.W, self.b, self.stride, self.padding, self.dilation, self.groups)

    def describe(self):
        c_in, c_out = self.W.shape[-2] * self.groups, self.W.shape[-1]
        return f"{c_in}, {c_out}, size={self.W.shape[:-2]}, stride={self.stride}"


class Conv1d(_Conv):
    """y = conv1d(x, W) + b         x: (N, L, c_in), W: (k, c_in / groups, c_out), b: (c_out,)"""

    dims, op = 1, staticmethod(conv1d)


class Conv2d(_Conv):
    """y = conv2d(x, W) + b         x: (N, H, W, c_in), W: (kh, kw, c_in / groups, c_out), b: (c_out,)"""

    dims, op = 2, staticmethod(conv2d)


class ConvTranspose2d(Module):
    """y = conv_transpose2d(x, W) + b         x: (N, H, W, c_in), W: (kh, kw, c_in, c_out), b: (c_out,)

    Each output sums about k c_in / stride^2 products, so W ~ N(0, stride^2 / (k c_in)).
    """

    def __init__(
        self, c_in, c_out, size, stride=1, padding=0, output_padding=0, bias=True, *, rng
    ):
        size = (size, size) if isinstance(size, int) else tuple(size)
        strides = (stride, stride) if isinstance(stride, int) else tuple(stride)
        shape = (*size, c_in, c_out)
        fan_in = math.prod(shape[:-1]) / math.prod(strides)
        self.W = Parameter(scaled_normal(generator(rng, "ConvTranspose2d"), shape, fan_in))
        self.b = Parameter(np.zeros(c_out)) if bias else None
        self.stride, self.padding, self.output_padding = stride, padding, output_padding

    def forward(self, x):
        x = x if isinstance(x, Tensor) else Tensor(x)
        return conv_transpose2d(x, self.W, self.b, self.stride, self.padding, self.output_padding)

    def describe(self):
        return f"{self.W.shape[2]}, {self.W.shape[3]}, size={self.W.shape[:2]}, stride={self.stride}"

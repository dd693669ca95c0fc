"""Convolution layers over sequences (N, L, C) and images (N, H, W, C)."""

import math

import numpy as np

from ..ops import conv1d, conv2d, conv_transpose2d
from ..parameter import Parameter
from .module import Module, check_sizes, generator, scaled_normal


class _Conv(Module):
    """What convolution layers share; `options` are the last arguments of their operation `op`.

    W ~ N(0, 1/fan_in) with fan_in = k c_in / groups, the number of products in each output, keeps
    the variance of the input; b starts at 0.
    """

    options = ("stride", "padding", "dilation", "groups")

    def __init__(
        self, c_in, c_out, size, stride=1, padding=0, dilation=1, groups=1, bias=True, *, rng
    ):
        name = type(self).__name__
        size = _per_axis(name, size, self.dims)
        check_sizes(name, c_in=c_in, c_out=c_out, size=size, groups=groups)
        check_sizes(name, stride=stride, dilation=dilation)
        if c_in % groups or c_out % groups:
            raise ValueError(f"{name} needs groups={groups} to divide c_in={c_in}, c_out={c_out}")
        shape = (*size, c_in // groups, c_out)
        fan_in = math.prod(shape[:-1])
        self.W = Parameter(scaled_normal(generator(rng, name), shape, fan_in))
        self.b = Parameter(np.zeros(c_out)) if bias else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x):
        return self.op(x, self.W, self.b, *(getattr(self, name) for name in self.options))

    def describe(self):
        *size, c_in, c_out = self.W.shape
        options = "".join(f", {name}={getattr(self, name)}" for name in self.options)
        return f"{c_in * self.groups}, {c_out}, size={tuple(size)}" + options


class Conv1d(_Conv):
    """y = conv1d(x, W) + b         x: (N, L, c_in), W: (k, c_in / groups, c_out), b: (c_out,)"""

    dims, op = 1, staticmethod(conv1d)


class Conv2d(_Conv):
    """y = conv2d(x, W) + b    x: (N, H, W, c_in), W: (kh, kw, c_in / groups, c_out), b: (c_out,)"""

    dims, op = 2, staticmethod(conv2d)


class ConvTranspose2d(_Conv):
    """y = conv_transpose2d(x, W) + b     x: (N, H, W, c_in), W: (kh, kw, c_in, c_out), b: (c_out,)

    Each output sums about k c_in / stride^2 products, so W ~ N(0, stride^2 / (k c_in)).
    """

    op = staticmethod(conv_transpose2d)
    options, groups = ("stride", "padding", "output_padding"), 1

    def __init__(self, c_in, c_out, size, stride=1, padding=0, output_padding=0, bias=True, *, rng):
        name = "ConvTranspose2d"
        size, strides = _per_axis(name, size, 2), _per_axis(name, stride, 2)
        check_sizes(name, c_in=c_in, c_out=c_out, size=size, stride=strides)
        shape = (*size, c_in, c_out)
        fan_in = math.prod(shape[:-1]) / math.prod(strides)
        self.W = Parameter(scaled_normal(generator(rng, name), shape, fan_in))
        self.b = Parameter(np.zeros(c_out)) if bias else None
        self.stride, self.padding, self.output_padding = stride, padding, output_padding


def _per_axis(layer, value, dims):
    """One number as `dims` equal ones, several as a tuple."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    if len(values) != dims:
        raise ValueError(f"{layer} needs one number or {dims} for each axis, got {value!r}")
    return values

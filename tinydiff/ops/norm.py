"""Normalisation: mean 0 and variance 1 over some axes, then a learned scale and shift.

Layer, group and batch norm differ only in the axes that the statistics are taken over.
"""

import math

from ..backend import fast_form, mean_of_parts
from ..tensor import Function
from .elementwise import sqrt
from .reduce import axes_of, count, mean, sum, var
from .shape import reshape, same_dtype, shape_of


def normalize_composed(x, axes, eps):
    """(x - mean x) / sqrt(var x + eps): the definition, and the composed twin of Normalize."""
    return (x - mean(x, axes, keepdims=True)) / sqrt(var(x, axes, keepdims=True) + eps)


class Normalize(Function):
    """y = (x - m) / s, with m = mean x and s = sqrt(var x + eps) over `axes`

    m and s depend on every x_i:  dm/dx_i = 1/n,  ds/dx_i = (x_i - m) / (n s) = y_i / n.
    dy_j/dx_i = ([i=j] - 1/n) / s - (x_j - m) / s^2 . y_i / n = ([i=j] - 1/n - y_i y_j / n) / s
    dL/dx = (g - mean(g) - y mean(g y)) / s
    """

    composed = staticmethod(normalize_composed)

    def forward(self, x, axes, eps):
        self.axes = axes
        y, inverse_s = normalize_forward(x, axes, eps)
        self.save(y=y, inverse_s=inverse_s)
        return y

    def backward(self, g):
        return (normalize_backward(g, self.y, self.inverse_s, self.axes),)


@fast_form
def normalize_forward(x, axes, eps):
    """(y, 1 / s)"""
    y = x - _mean(x, axes)
    inverse_s = 1 / (_mean(y * y, axes) + eps) ** 0.5
    return y * inverse_s, inverse_s


@fast_form
def normalize_backward(g, y, inverse_s, axes):
    """(g - mean(g) - y mean(g y)) / s"""
    return (g - _mean(g, axes) - y * _mean(g * y, axes)) * inverse_s


def _mean(x, axes):
    """The mean over `axes`, kept as 1, one axis after the other: the first pass adds long rows.

    One pass over axes that are not neighbours, as those of a group norm, would add a few numbers at
    a time: several times slower, and it rounds more.
    """
    for axis in axes:
        x = mean(x, axis, keepdims=True)
    return mean_of_parts(x) if 0 in axes else x


def normalize(x, axes, eps):
    """x with mean 0 and variance 1 over `axes`; eps keeps constant inputs finite."""
    axes = axes_of(x, axes)
    if x.dtype.kind != "f":
        raise TypeError(f"a normalisation needs floating-point input, got {x.dtype}; use astype")
    count("normalize", x, axes)
    return Normalize()(x, axes=axes, eps=float(eps))


class ScaleAndShift(Function):
    """y = x gamma + beta         x: (..., C), gamma and beta: (C,)

    dL/dx = g gamma; dL/dgamma = sum g x and dL/dbeta = sum g over all axes but the last
    """

    def forward(self, x, gamma, beta):
        self.save(x=x, gamma=gamma)
        return scale_and_shift(x, gamma, beta)

    def backward(self, g):
        return scale_and_shift_gradients(g, self.x, self.gamma)


@fast_form
def scale_and_shift(x, gamma, beta):
    """x gamma + beta"""
    return x * gamma + beta


@fast_form
def scale_and_shift_gradients(g, x, gamma):
    """(g gamma, sum g x, sum g)"""
    axes = tuple(range(x.ndim - 1))
    return g * gamma, sum(g * x, axes), sum(g, axes)


def _learned(name, x, gamma, beta):
    for parameter in (gamma, beta):
        if parameter is not None and parameter.shape != x.shape[-1:]:
            raise ValueError(
                f"{name}() needs gamma and beta of shape {x.shape[-1:]}, the last axis of x, "
                f"got {parameter.shape}"
            )
    if gamma is not None and beta is not None:
        return ScaleAndShift()(*same_dtype(name, (x, gamma, beta)))
    x = x if gamma is None else x * gamma
    return x if beta is None else x + beta


def layer_norm(x, gamma, beta, eps=1e-5):
    """Normalised over the last axis, then scaled by gamma and shifted by beta (C,) (None: not)."""
    return _learned("layer_norm", normalize(x, -1, eps), gamma, beta)


def group_norm(x, groups, gamma, beta, eps=1e-5):
    """Normalised, for each sample and group of channels, over all positions. x: (N, ..., C)."""
    if len(shape_of(x)) < 2 or groups < 1 or x.shape[-1] % groups:
        raise ValueError(f"group_norm() cannot cut the channels of {x.shape} into {groups} groups")
    grouped = (x.shape[0], math.prod(x.shape[1:-1]), groups, x.shape[-1] // groups)
    y = reshape(normalize(reshape(x, grouped), (1, 3), eps), x.shape)
    return _learned("group_norm", y, gamma, beta)


def batch_norm(x, gamma, beta, eps=1e-5, mean=None, var=None):
    """Normalised, for each channel, over the batch and all positions. x: (N, ..., C).

    With `mean` and `var` (C,) these are used instead of the batch's own, as in evaluation.
    """
    if len(shape_of(x)) < 2:
        raise ValueError(f"batch_norm() needs x (N, ..., C), got shape {x.shape}")
    if (mean is None) != (var is None):
        raise ValueError("batch_norm() needs mean and var together, or neither")
    if mean is None:
        y = normalize(x, tuple(range(x.ndim - 1)), eps)
    else:
        y = (x - mean) / sqrt(var + eps)
    return _learned("batch_norm", y, gamma, beta)

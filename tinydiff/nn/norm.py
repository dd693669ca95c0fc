"""Normalisation layers: gamma starts at 1 and beta at 0, so that a fresh layer only normalises."""

import math

import numpy as np

from ..backend import mean_of_parts, share, to_device
from ..ops import batch_norm, group_norm, layer_norm, mean
from ..parameter import Parameter
from ..tensor import Tensor
from .module import Module, check_sizes


class _Norm(Module):
    def __init__(self, c):
        check_sizes(type(self).__name__, channels=c)
        self.gamma, self.beta = Parameter(np.ones(c)), Parameter(np.zeros(c))

    def describe(self):
        return f"{self.gamma.size}"


class LayerNorm(_Norm):
    """Each vector (last axis, size d) normalised, then scaled by gamma and shifted by beta."""

    def __init__(self, d):
        super().__init__(d)

    def forward(self, x):
        return layer_norm(x, self.gamma, self.beta)


class GroupNorm(_Norm):
    """Each sample's `groups` of channels normalised over all positions. x: (N, ..., c)"""

    def __init__(self, groups, c):
        super().__init__(c)
        if groups < 1 or c % groups:
            raise ValueError(f"GroupNorm cannot cut {c} channels into {groups} equal groups")
        self.groups = groups

    def forward(self, x):
        return group_norm(x, self.groups, self.gamma, self.beta)

    def describe(self):
        return f"{self.groups}, {self.gamma.size}"


class BatchNorm(_Norm):
    """Each channel normalised over the batch and all positions. x: (N, ..., c)

    In training the batch's own statistics are used, and running averages of them (the variance
    with ddof = 1) move by `momentum` towards them; in eval the running averages are used.
    """

    buffers = ("running_mean", "running_var")

    def __init__(self, c, momentum=0.1):
        super().__init__(c)
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm needs a momentum in [0, 1], got {momentum}")
        self.momentum = momentum
        self.running_mean = to_device(np.zeros(c, np.float32))
        self.running_var = to_device(np.ones(c, np.float32))

    def forward(self, x):
        if not self.training:
            return batch_norm(
                x, self.gamma, self.beta, mean=self.running_mean, var=self.running_var
            )
        n = math.prod(x.shape[:-1]) / share()  # values per channel in the whole batch
        if n < 2:
            raise ValueError(
                f"BatchNorm in training needs more than one value per channel, got shape {x.shape}"
            )
        y = batch_norm(x, self.gamma, self.beta)
        x, axes = x.data if isinstance(x, Tensor) else x, tuple(range(x.ndim - 1))
        m = mean_of_parts(mean(x, axes))
        v = mean_of_parts(mean((x - m) ** 2, axes)) * (n / (n - 1))
        self.running_mean += self.momentum * (m - self.running_mean)
        self.running_var += self.momentum * (v - self.running_var)
        return y

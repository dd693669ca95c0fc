"""Linear layers, lookup tables, sequences of layers."""

import numpy as np

from ..ops import dropout, embedding, linear, matmul
from ..parameter import Parameter
from .module import Module, check_sizes, generator, scaled_normal


class Linear(Module):
    """y = x W + b         x: (..., n_in), W: (n_in, n_out), b: (n_out,), y: (..., n_out)

    W ~ N(0, 1/n_in) keeps Var y_j = sum_i Var x_i Var W_ij = Var x; b starts at 0.
    """

    def __init__(self, n_in, n_out, bias=True, *, rng):
        check_sizes("Linear", n_in=n_in, n_out=n_out)
        self.W = Parameter(scaled_normal(generator(rng, "Linear"), (n_in, n_out), n_in))
        self.b = Parameter(np.zeros(n_out)) if bias else None

    def forward(self, x):
        if x.shape[-1:] != self.W.shape[:1]:
            raise ValueError(
                f"{self!r} needs an input whose last axis is {self.W.shape[0]}, got shape {x.shape}"
            )
        return matmul(x, self.W) if self.b is None else linear(x, self.W, self.b)

    def describe(self):
        return f"{self.W.shape[0]}, {self.W.shape[1]}" + ", bias=False" * (self.b is None)


class Embedding(Module):
    """y = W[ids]         ids: ints 0..n-1 of any shape, W: (n, d), y: (..., d)

    W ~ N(0, 1): each entry is a feature of unit variance, as after a normalisation.
    """

    def __init__(self, n, d, *, rng):
        check_sizes("Embedding", n=n, d=d)
        self.W = Parameter(generator(rng, "Embedding").standard_normal((n, d)))

    def forward(self, ids):
        return embedding(self.W, ids)

    def describe(self):
        return f"{self.W.shape[0]}, {self.W.shape[1]}"


class Dropout(Module):
    """In training, each element is 0 with probability p and else divided by 1 - p; else no change.

    rng: np.random.Generator of the masks.
    """

    def __init__(self, p, *, rng):
        if not 0 <= p < 1:
            raise ValueError(f"Dropout needs a probability 0 <= p < 1, got {p}")
        self.p, self.rng = p, generator(rng, "Dropout")

    def forward(self, x):
        return dropout(x, self.p, self.rng) if self.training else x

    def describe(self):
        return f"{self.p}"


class Sequential(Module):
    """The layers one after the other. A layer may be any function, such as td.relu."""

    def __init__(self, *layers):
        for layer in layers:
            if not callable(layer):
                raise TypeError(f"Sequential needs layers or functions, got {type(layer).__name__}")
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def inside(self):
        return ((k, getattr(layer, "__name__", repr(layer))) for k, layer in enumerate(self.layers))

"""The multilayer perceptron: the network that asks nothing of its data but numbers in a row."""

from itertools import pairwise

from ..nn import Linear, Sequential
from ..ops import silu


def mlp(*widths, activation=silu, rng):
    """Linear layers widths[0] -> widths[1] -> ... -> widths[-1], `activation` between them.

    x_{k+1} = activation(x_k W_k + b_k), the last layer without one: (N, widths[0]) -> (N,
    widths[-1]). silu by default, which has a second derivative everywhere: a score is a slope of
    an energy, and it is trained by the slope of that. rng: np.random.Generator of the weights.
    """
    layers = [Linear(a, b, rng=rng) for a, b in pairwise(widths)]
    between = [part for layer in layers[:-1] for part in (layer, activation)]
    return Sequential(*between, layers[-1])

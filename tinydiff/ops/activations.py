"""The nonlinearities between layers. relu stands in select.py with the other kinks."""

import math

from ..backend import fast_form, special, xp_of
from ..tensor import Function
from .elementwise import erf, exp, square
from .operands import unary


class Tanh(Function):
    """y = tanh x

    dL/dx = g (1 - y^2)
    """

    def forward(self, x):
        y = xp_of(x).tanh(x)
        self.save(y=y)
        return y

    def backward(self, g):
        return (g * (1 - self.y * self.y),)


class Sigmoid(Function):
    """y = 1 / (1 + exp(-x))

    Computed as (1 + tanh(x/2)) / 2, which cannot overflow.
    dL/dx = g y (1 - y)
    """

    def forward(self, x):
        y = 0.5 + 0.5 * xp_of(x).tanh(0.5 * x)
        self.save(y=y)
        return y

    def backward(self, g):
        return (g * (self.y * (1 - self.y)),)


class Softplus(Function):
    """y = log(1 + exp(x))

    Computed as max(x, 0) + log1p(exp(-|x|)).
    dL/dx = g sigmoid(x)
    """

    def forward(self, x):
        xp = xp_of(x)
        self.save(x=x)
        return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))

    def backward(self, g):
        return (g * sigmoid(self.x),)


class Silu(Function):
    """y = x s, with s = sigmoid(x)

    dy/dx = s + x s (1 - s)
    dL/dx = g s (1 + x (1 - s))
    """

    def forward(self, x):
        self.save(x=x)
        return silu_value(x)

    def backward(self, g):
        return (silu_gradient(self.x, g),)


@fast_form
def silu_value(x):
    """x sigmoid(x)"""
    return x * (0.5 + 0.5 * xp_of(x).tanh(0.5 * x))


@fast_form
def silu_gradient(x, g):
    """g s (1 + x (1 - s)) with s = sigmoid(x)"""
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


class Gelu(Function):
    """y = x Phi(x), with Phi(x) = (1 + erf(x / sqrt 2)) / 2, exactly

    dy/dx = Phi(x) + x phi(x), with phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
    dL/dx = g (Phi(x) + x phi(x))
    """

    def forward(self, x):
        self.save(x=x)
        return x * (0.5 + 0.5 * special("erf", x * 0.5**0.5))

    def backward(self, g):
        x = self.x
        Phi = 0.5 + 0.5 * erf(x * 0.5**0.5)
        phi = exp(square(x) * -0.5) * (2 * math.pi) ** -0.5
        return (g * (Phi + x * phi),)


tanh, sigmoid, softplus, silu, gelu = map(unary, (Tanh, Sigmoid, Softplus, Silu, Gelu))

"""Operations that pick one of several values: where, maximum, clip and the kinks of |x| and relu.

Comparisons of Tensors give bool arrays, which are constants of the tape.
"""

import operator

import numpy as np

from ..backend import check_devices, xp_of
from ..tensor import Function, Tensor
from .operands import binary, operand, pair, unary
from .reduce import broadcast_to, common_shape


class Where(Function):
    """y = a where condition holds, else b

    dL/da = g where condition, else 0; dL/db = 0 where condition, else g
    """

    def forward(self, a, b, condition):
        self.condition = condition
        return xp_of(condition).where(condition, a, b)

    def backward(self, g):
        ga = where(self.condition, g, 0.0) if self.needs[0] else None
        return ga, where(self.condition, 0.0, g) if self.needs[1] else None


def where(condition, a, b):
    """a where `condition` (bool array or Tensor) holds, else b; all three broadcast together."""
    condition = condition.data if isinstance(condition, Tensor) else condition
    a, b = pair(a, b)
    if not is_mask(condition):
        raise TypeError("where() needs a bool array as its condition, such as x > 0")
    check_devices([condition] + [x.data if isinstance(x, Tensor) else x for x in (a, b)])
    shape = common_shape(condition.shape, *(x.shape for x in (a, b) if hasattr(x, "shape")))
    a, b = (broadcast_to(x, shape) if hasattr(x, "shape") else x for x in (a, b))
    return Where()(a, b, condition=broadcast_to(condition, shape))


def is_mask(x):
    """Whether x is an array of bools."""
    return getattr(x, "dtype", None) == np.dtype(bool)


def comparison(name):
    """The operator `name` ("lt", "eq", ...) on data: a bool array, a constant of the tape."""

    def op(a, b):
        b = operand(b)
        b = b.data if isinstance(b, Tensor) else b
        check_devices((a.data, b))
        return getattr(operator, name)(a.data, b)

    return op


class Maximum(Function):
    """y = max(a, b)

    At a tie each operand gets half of the gradient.
    dL/da = g [a > b] + g/2 [a = b], dL/db = g [b > a] + g/2 [a = b]
    """

    sign = 1

    def forward(self, a, b):
        self.save(a=a, b=b)
        return xp_of(a, b).maximum(a, b) if self.sign > 0 else xp_of(a, b).minimum(a, b)

    def backward(self, g):
        # a's share: 1, 1/2 or 0
        above, below = (self.a > self.b, self.a < self.b)[:: self.sign]
        share = 0.5 + 0.5 * above.astype(g.dtype) - 0.5 * below.astype(g.dtype)
        return g * share, g * (1 - share)


class Minimum(Maximum):
    """y = min(a, b)

    At a tie each operand gets half of the gradient.
    dL/da = g [a < b] + g/2 [a = b], dL/db = g [b < a] + g/2 [a = b]
    """

    sign = -1


class Clip(Function):
    """y = min(max(x, low), high)

    On the bounds the gradient is 1.
    dL/dx = g [low <= x <= high]
    """

    def forward(self, x, low, high):
        self.save(x=x)
        self.low, self.high = low, high
        return xp_of(x).clip(x, low, high)

    def backward(self, g):
        low, high = self.low, self.high
        inside = self.x <= high if low is None else self.x >= low
        if low is not None and high is not None:
            inside = inside & (self.x <= high)
        return (g * inside,)


def clip(x, low, high):
    """x limited to [low, high]; low and high are numbers, or None for no bound on that side."""
    low, high = (v if v is None else operand(v) for v in (low, high))
    if (low is None and high is None) or (None not in (low, high) and not low <= high):
        raise ValueError(f"clip() needs a bound, and low <= high, got low={low} and high={high}")
    return Clip()(operand(x), low=low, high=high)


class Abs(Function):
    """y = |x|

    At the kink the derivative is taken as sign(0) = 0.
    dL/dx = g sign(x)
    """

    def forward(self, x):
        self.save(x=x)
        return xp_of(x).abs(x)

    def backward(self, g):
        return (g * sign(self.x),)


def sign(x):
    """-1, 0 or 1 by the sign of x: a constant of the tape, like a comparison."""
    x = x.data if isinstance(x, Tensor) else x
    return xp_of(x).sign(x)


class Relu(Function):
    """y = max(x, 0)

    At the kink the derivative is taken as 0.
    dL/dx = g [y > 0]
    """

    def forward(self, x):
        y = xp_of(x).maximum(x, 0)
        self.save(y=y)
        return y

    def backward(self, g):
        return (g * (self.y > 0),)


maximum, minimum = binary(Maximum), binary(Minimum)
abs, relu = unary(Abs), unary(Relu)

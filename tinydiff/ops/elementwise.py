"""Arithmetic and elementary functions, element by element.

Each class states y = f(x) in its first line and the gradient in its last; g is dL/dy. Operands are
brought to one shape and dtype by `operands.pair`, so no rule here knows about broadcasting.
"""

import math

from ..backend import special, xp_of
from ..tensor import Function
from .operands import binary, unary
from .select import where


class Add(Function):
    """y = a + b

    dL/da = g, dL/db = g
    """

    def forward(self, a, b):
        return a + b

    def backward(self, g):
        return g, g


class Subtract(Function):
    """y = a - b

    dL/da = g, dL/db = -g
    """

    def forward(self, a, b):
        return a - b

    def backward(self, g):
        return g, -g if self.needs[1] else None


class Multiply(Function):
    """y = a b

    dL/da = g b, dL/db = g a
    """

    def forward(self, a, b):
        self.save(a=a, b=b)
        return a * b

    def backward(self, g):
        return g * self.b if self.needs[0] else None, g * self.a if self.needs[1] else None


class Divide(Function):
    """y = a / b

    dy/da = 1 / b, dy/db = -a / b^2 = -y / b
    dL/da = g / b, dL/db = -g y / b
    """

    def forward(self, a, b):
        y = a / b
        self.save(b=b, y=y)
        return y

    def backward(self, g):
        ga = g / self.b
        return ga, -(ga * self.y) if self.needs[1] else None


class Power(Function):
    """y = a^b

    dy/da = b a^(b-1)        (0 where b = 0, also at a = 0)
    dy/db = y log a          (defined for a > 0; taken as 0 at a = 0, its limit for b > 0)
    dL/da = g b a^(b-1), dL/db = g y log a
    """

    def forward(self, a, b):
        y = a**b
        self.save(a=a, b=b, y=y)
        return y

    def backward(self, g):
        ga = gb = None
        if self.needs[0]:
            ga = g * (self.b * self.a ** (self.b - (self.b != 0)))
        if self.needs[1]:
            positive = self.a > 0
            if isinstance(self.a, (int, float)):
                gb = g * (self.y * (math.log(self.a) if positive else 0.0))
            else:
                gb = g * (self.y * log(where(positive, self.a, 1.0)))
        return ga, gb


class Negative(Function):
    """y = -x

    dL/dx = -g
    """

    def forward(self, x):
        return -x

    def backward(self, g):
        return (-g,)


class Exp(Function):
    """y = exp(x)

    dy/dx = exp(x) = y
    dL/dx = g y
    """

    def forward(self, x):
        y = xp_of(x).exp(x)
        self.save(y=y)
        return y

    def backward(self, g):
        return (g * self.y,)


class Log(Function):
    """y = log x

    dL/dx = g / x
    """

    def forward(self, x):
        self.save(x=x)
        return xp_of(x).log(x)

    def backward(self, g):
        return (g / self.x,)


class Log1p(Function):
    """y = log(1 + x)         accurate for small x

    dL/dx = g / (1 + x)
    """

    def forward(self, x):
        self.save(x=x)
        return xp_of(x).log1p(x)

    def backward(self, g):
        return (g / (self.x + 1),)


class Expm1(Function):
    """y = exp(x) - 1         accurate for small x

    dy/dx = exp(x) = y + 1
    dL/dx = g (y + 1)
    """

    def forward(self, x):
        y = xp_of(x).expm1(x)
        self.save(y=y)
        return y

    def backward(self, g):
        return (g * (self.y + 1),)


class Sqrt(Function):
    """y = sqrt(x)

    y^2 = x, so 2 y dy = dx
    dL/dx = g / (2 y)         (infinite at x = 0)
    """

    def forward(self, x):
        y = xp_of(x).sqrt(x)
        self.save(y=y)
        return y

    def backward(self, g):
        return (g / (self.y * 2),)


class Square(Function):
    """y = x^2

    dL/dx = 2 g x
    """

    def forward(self, x):
        self.save(x=x)
        return x * x

    def backward(self, g):
        return (g * (self.x * 2),)


class Sin(Function):
    """y = sin x

    dL/dx = g cos x
    """

    def forward(self, x):
        self.save(x=x)
        return xp_of(x).sin(x)

    def backward(self, g):
        return (g * cos(self.x),)


class Cos(Function):
    """y = cos x

    dL/dx = -g sin x
    """

    def forward(self, x):
        self.save(x=x)
        return xp_of(x).cos(x)

    def backward(self, g):
        return (-(g * sin(self.x)),)


class Erf(Function):
    """y = erf(x) = 2 / sqrt(pi) integral_0^x exp(-t^2) dt

    dL/dx = g 2 / sqrt(pi) exp(-x^2)
    """

    def forward(self, x):
        self.save(x=x)
        return special("erf", x)

    def backward(self, g):
        return (g * (exp(-square(self.x)) * (2 / math.pi**0.5)),)


class LogNdtr(Function):
    """y = log Phi(x), Phi the standard normal's distribution function

    dL/dx = g phi(x) / Phi(x)
    """

    def forward(self, x):
        self.save(x=x)
        return special("log_ndtr", x)

    def backward(self, g):
        return (g * InverseMills()(self.x),)


class InverseMills(Function):
    """y = phi(x) / Phi(x)         the normal density over its distribution function

    Computed as sqrt(2 / pi) / erfcx(-x / sqrt 2), with erfcx(z) = exp(z^2) erfc(z): far to the left
    phi and Phi underflow, and y, about -x, does not.
    dy/dx = -x phi / Phi - phi^2 / Phi^2, since phi' = -x phi
    dL/dx = -g y (x + y)
    """

    def forward(self, x):
        y = (2 / math.pi) ** 0.5 / special("erfcx", x * -(0.5**0.5))
        self.save(x=x, y=y)
        return y

    def backward(self, g):
        return (-(g * self.y * (self.x + self.y)),)


add, subtract, multiply = binary(Add), binary(Subtract), binary(Multiply)
divide, power = binary(Divide), binary(Power)
negative, exp, log, log1p, expm1 = map(unary, (Negative, Exp, Log, Log1p, Expm1))
sqrt, square, sin, cos = map(unary, (Sqrt, Square, Sin, Cos))
erf, log_ndtr = unary(Erf), unary(LogNdtr)

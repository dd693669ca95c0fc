"""Element by element, with numbers, and with broadcasting."""

import math

import numpy as np

import tinydiff as td

from .case import apart, normal, positive, table
from .references import normal_cdf, sigmoid

ROWS, row = table()
UNARY = (((3, 4),), ((2, 1, 3),), ((),), ((1,),), ((0, 3),))
BINARY = (
    *(((3, 4), (3, 4)), ((3, 1), (1, 4)), ((4,), (2, 3, 4)), ((2, 3), ()), ((), ())),
    *(((1,), (1, 1)), ((0, 3), (1, 3)), ((1, 2), (0, 1))),
)


def each(function):
    """A function of numbers as a function of arrays, one element at a time."""
    return np.vectorize(function, otypes=[float])


for name in ("negative", "exp", "expm1", "square", "sin", "cos", "tanh"):
    row(name, getattr(np, name), *UNARY)
for name in ("log", "log1p", "sqrt"):
    row(name, getattr(np, name), *UNARY, draw=positive)
row("abs", np.abs, *UNARY, draw=apart)
row("relu", each(lambda x: x if x > 0 else 0), *UNARY, draw=apart)
row("sigmoid", each(sigmoid), *UNARY)
row("softplus", each(lambda x: math.log(1 + math.exp(x))), *UNARY)
row("silu", each(lambda x: x * sigmoid(x)), *UNARY, fused=True)
row("gelu", each(lambda x: x * normal_cdf(x)), *UNARY)
row("erf", each(math.erf), *UNARY)
row("log_ndtr", each(lambda x: math.log(normal_cdf(x))), *UNARY)
for low, high in ((-0.5, 0.8), (None, 0.2), (0.2, None)):
    row(
        "clip",
        each(lambda x, a=low, b=high: min(max(x, -9 if a is None else a), 9 if b is None else b)),
        *UNARY,
        f=lambda x, a=low, b=high: td.clip(x, a, b),
        note=f"[{low}, {high}]",
        draw=apart,
    )
row("add", lambda x: x + 2.5, *UNARY, f=lambda x: x + 2.5, note="a number")
row("subtract", lambda x: 2.5 - x, *UNARY, f=lambda x: 2.5 - x, note="from a number")
row("multiply", lambda x: x * 2.5, *UNARY, f=lambda x: 2.5 * x, note="with a number")
row("divide", lambda x: x / 2.5, *UNARY, f=lambda x: x / 2.5, note="by a number")
row("divide", lambda x: 2.5 / x, *UNARY, f=lambda x: 2.5 / x, note="a number", draw=positive)
row("power", lambda x: 2.5**x, *UNARY, f=lambda x: 2.5**x, note="of a number")
row(
    "maximum",
    lambda x: np.maximum(x, 0.3),
    *UNARY,
    f=lambda x: td.maximum(0.3, x),
    draw=apart,
    note="with a number",
)
for exponent in (3, 1, 0):
    row(
        "power",
        lambda x, n=exponent: x**n,
        *UNARY,
        f=lambda x, n=exponent: x**n,
        note=f"{exponent}",
    )
row("power", lambda x: x**-1.5, *UNARY, f=lambda x: x**-1.5, note="-1.5", draw=positive)

for name in ("add", "subtract", "multiply", "logaddexp"):
    row(name, getattr(np, name), *BINARY)
row("divide", np.divide, *BINARY, draw=(normal, positive))
row("power", np.power, *BINARY, draw=(positive, normal))
for name in ("maximum", "minimum"):
    row(name, getattr(np, name), *BINARY, draw=(apart, lambda rng, s: apart(rng, s) + 0.05))
row(
    "where",
    lambda a, b: np.where(a > b, a, 2 * b),
    *BINARY,
    f=lambda a, b: td.where(a > b, a, 2 * b),
)
row(
    "where",
    lambda x: np.where(x > 0, x, 0.5),
    *UNARY,
    f=lambda x: td.where(x > 0, x, 0.5),
    draw=apart,
    note="or a number",
)
row("mse", lambda a, b: ((a - b) ** 2).sum() / a.size, ((3, 4), (3, 4)), ((), ()), ((1,), (1,)))

"""The formulas of docstrings, as in "dL/dx = g (1 - y^2)", as expressions that can be evaluated.

The notation is that of a calculus book: a space multiplies, ^ is a power, |x| the absolute value,
[a > b] is 1 where the relation holds, and `log x` needs no parentheses. What follows two spaces, or
a comma and a word, is prose.
"""

import re

import numpy as np
from op_cases.references import normal_cdf, sigmoid

FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sign": np.sign,
    "max": np.maximum,
    "min": np.minimum,
    "sigmoid": np.vectorize(sigmoid),
    "Phi": np.vectorize(normal_cdf),
    "phi": lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
}
TOKEN = re.compile(r"\d+\.?\d*|[A-Za-z_]+|<=|>=|[-+*/^()\[\]=<>,]")


def sides(line):
    """{left: right} of a line of formulas: "dL/da = g, dL/db = -g" has two."""
    formulas = re.split(r" {2,}|, (?=[a-zA-Z]+ )", line)[0]
    parts = re.split(r"(?:^|, )(dL/d\w+|y) = ", formulas)
    return dict(zip(parts[1::2], parts[2::2]))


def evaluate(text, **values):
    """The value of one right-hand side."""
    return eval(python(text), {"__builtins__": {}}, FUNCTIONS | {"pi": np.pi} | values)


def python(text):
    """The formula in Python's notation."""
    text = re.sub(r"\|(\w+)\|", r"max(\1, -\1)", text)
    text = re.sub(r"\b(log|exp) (\w+\(\w+\))", r"\1(\2)", text)  # log Phi(x)
    text = re.sub(r"\[(\w+) <= (\w+) <= (\w+)\]", r"[\1 <= \2] [\2 <= \3]", text)
    out, before, inside = [], "", False
    for token in TOKEN.findall(text):
        starts = token[0].isalnum() or token in "(["
        ends = before[:1].isalnum() or before in (")", "]")
        if starts and ends and before not in FUNCTIONS:
            out.append("*")
        inside = token == "[" or (inside and token != "]")
        token = f"({token})" if before in FUNCTIONS and token != "(" else token  # log x
        out.append({"^": "**", "[": "(", "]": ")", "=": "==" if inside else "="}.get(token, token))
        before = token
    return " ".join(out)

"""An entry of the ledger: one equation, the code that implements it, and a check of both sides.

    @equation("forward.single-step", "One step of noise ...", r"q(x_t | x_{t-1}) = ...",
              source="nus-l8 L320", implements="tinydiff.diffusion.process:Process.q_step",
              tolerance=ROUNDING, T=STEPS, t=TIME)
    def single_step(T, t):
        '''The derivation, and how the right side is computed.'''
        return left, right

`left` is computed by the implementation that the entry names, `right` by another route: quadrature,
recursion, brute force, another library. The keywords after `tolerance` are the check's parameters.
An erratum is an entry as well: its left and right are pairs (printed form, corrected form).
"""

import functools
import importlib
import inspect
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the package tinydiff


@dataclass(frozen=True)
class Param:
    """A number, or one of some choices, that a check depends on, with all the values it may take.

    The type of `default` is the type of the parameter. low, high: the bounds, both included; "t"
    stands for the value of another parameter t, "t-1" for one less. log: small values matter as
    much as large ones, so a search should spread evenly over the logarithm.
    """

    default: object
    low: object = None
    high: object = None
    log: bool = False
    choices: tuple = ()

    @property
    def kind(self):
        return type(self.default)

    def bounds(self, values):
        """(low, high) as numbers, given the values of the parameters before this one."""
        return tuple(_bound(limit, values) for limit in (self.low, self.high))

    def range(self, values):
        """What it may be, in words, given the values of the parameters before this one."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        low, high = self.bounds(values)
        return f"{'a whole number' if self.kind is int else 'a number'} from {low:g} to {high:g}"

    def inside(self, value, values):
        """`value` in the type of this parameter; ValueError if it is not in its range."""
        if self.choices:
            good = value in self.choices
        else:
            low, high = self.bounds(values)
            good = not isinstance(value, bool) and low <= value <= high
            good = good and self.kind(value) == value
        if not good:
            raise ValueError(f"expected {self.range(values)}, got {value}")
        return value if self.choices else self.kind(value)


def _bound(limit, values):
    if not isinstance(limit, str):
        return limit
    name, _, less = limit.partition("-")
    return values[name] - int(less or 0)


@dataclass(frozen=True)
class Result:
    """What a check found. left and right are None where it raised, and `message` says why."""

    entry: "Entry"
    params: dict
    left: object
    right: object
    error: float
    seconds: float
    message: str = ""

    @property
    def ok(self):
        return self.error <= self.entry.tolerance


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One equation. `check(**params) -> (left, right)`; parameters left out have their defaults."""

    id: str
    text: str
    latex: str
    source: str
    implements: str
    params: dict
    tolerance: float
    check: Callable

    @property
    def derivation(self):
        """The step that leads to the equation, and how the right side is computed."""
        return inspect.getdoc(self.check)

    def implementation(self):
        """The object that `implements` names."""
        module, _, path = self.implements.partition(":")
        return functools.reduce(getattr, path.split("."), importlib.import_module(module))

    @property
    def code(self):
        """Where the implementation stands, as "tinydiff/file.py:line"."""
        target = self.implementation()
        target = inspect.unwrap(target.fget if isinstance(target, property) else target)
        line = inspect.getsourcelines(target)[1]
        return (
            f"{Path(inspect.getsourcefile(target)).resolve().relative_to(ROOT).as_posix()}:{line}"
        )

    def fill(self, given):
        """All parameters: `given`, checked, and the defaults of the others. Raises ValueError."""
        return fill(self.params, given)

    def evaluate(self, **given):
        """The Result of the check. A check that raises has failed; those after it still run."""
        values = self.fill(given)
        start = time.perf_counter()
        try:
            left, right = self.check(**values)
            error, message = distance(left, right), ""
        except Exception as problem:
            left = right = None
            error, message = math.nan, f"{type(problem).__name__}: {problem}"
        return Result(self, values, left, right, error, time.perf_counter() - start, message)


@dataclass(frozen=True, kw_only=True)
class Erratum(Entry):
    """A printed statement that is wrong, misleading or, now and then, right after all.

    left = (number of the printed form, number of the corrected form by the implementation);
    right = (the wrong number as recorded or as theory predicts it, the right one independently).
    """

    verdict: str
    printed: str
    correct: str


_LEDGER = {}


def registered():
    """All entries registered so far, by id."""
    return dict(_LEDGER)


def equation(id, text, latex, *, source, implements, tolerance, **params):
    """A decorator that enters a check into the ledger and fills in its parameters' defaults."""
    return _register(
        Entry,
        {
            "id": id,
            "text": text,
            "latex": latex,
            "source": source,
            "implements": implements,
            "tolerance": tolerance,
        },
        params,
    )


def erratum(id, text, *, verdict, printed, correct, source, implements, tolerance, **params):
    """As `equation`, for an erratum; `correct` is the LaTeX of the corrected statement."""
    return _register(
        Erratum,
        {
            "id": id, "text": text, "latex": correct, "source": source, "implements": implements,
            "tolerance": tolerance, "verdict": verdict, "printed": printed, "correct": correct,
        },
        params,
    )  # fmt: skip


def _register(kind, fields, params):
    def decorate(function):
        name = fields["id"]
        if name in _LEDGER:
            raise ValueError(f"two entries are called {name}")
        if list(inspect.signature(function).parameters) != list(params):
            raise TypeError(f"{name}: the check takes other parameters than the entry declares")

        @functools.wraps(function)
        def check(**given):
            return function(**fill(params, given))

        _LEDGER[name] = kind(params=params, check=check, **fields)
        return check

    return decorate


def fill(params, given):
    """All parameters: those given, checked, and the defaults of the others, moved into range."""
    unknown = [name for name in given if name not in params]
    if unknown:
        expected = ", ".join(params) or "none"
        raise ValueError(f"unknown parameter {unknown[0]!r}: expected {expected}")
    values = {}
    for name, param in params.items():
        if name in given:
            try:
                values[name] = param.inside(given[name], values)
            except (ValueError, TypeError) as problem:
                raise ValueError(f"parameter {name}: {problem}") from None
        elif param.choices:
            values[name] = param.default
        else:
            low, high = param.bounds(values)
            values[name] = max(low, min(high, param.default))
    return values


def distance(left, right):
    """How far two sides are apart: max |left - right| / max |right|, absolute where right is 0.

    A side may be a tuple: then every part of it is measured against its own largest entry, and the
    largest of these errors counts. Shapes must agree: a side that broadcasts is a mistake.
    """
    if isinstance(left, tuple) or isinstance(right, tuple):
        return max(distance(a, b) for a, b in zip(left, right, strict=True))
    left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    if left.shape != right.shape:
        raise ValueError(f"the left side has shape {left.shape}, the right side {right.shape}")
    if not left.size:
        raise ValueError("both sides are empty")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("a side is not finite")
    scale = np.abs(right).max()
    return float(np.abs(left - right).max() / (scale if scale > 0 else 1.0))

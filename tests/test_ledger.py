"""The ledger: every entry holds over its whole range, and fails when its implementation is wrong."""

import dataclasses
import functools
import importlib
import math
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinydiff import derivation
from tinydiff.derivation.entry import Erratum
from tinydiff.tensor import Tensor

ENTRIES = derivation.entries()
EQUATIONS = [e for e in ENTRIES.values() if not isinstance(e, Erratum)]
ERRATA = [e for e in ENTRIES.values() if isinstance(e, Erratum)]


def each(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.id)


@st.composite
def values_of(draw, params):
    """Values of all parameters, each within its bounds, which may depend on the ones before it."""
    values = {}
    for name, param in params.items():
        if param.choices:
            values[name] = draw(st.sampled_from(param.choices), label=name)
            continue
        low, high = param.bounds(values)
        if param.kind is int:
            values[name] = draw(st.integers(low, high), label=name)
        elif param.log:
            exponent = draw(st.floats(math.log(low), math.log(high)), label=f"log {name}")
            values[name] = min(max(math.exp(exponent), low), high)
        else:
            values[name] = draw(st.floats(low, high), label=name)
    return values


@each(ENTRIES.values())
def test_holds_at_its_defaults(entry):
    result = entry.evaluate()
    assert result.ok, (result.error, result.message, result.left, result.right)


@each([e for e in ENTRIES.values() if e.params])
def test_holds_over_its_whole_range(entry):
    @settings(deadline=None, max_examples=settings().max_examples // 10 or 1,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(values_of(entry.params))
    def hunt(values):
        result = entry.evaluate(**values)
        assert result.ok, (result.error, result.message, result.left, result.right)

    hunt()


# --- a wrong implementation is found


def wrong(value):
    """`value`, wrong by 1e-3 of itself, or by 1 where it is a whole number."""
    if isinstance(value, tuple):
        parts = [wrong(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [wrong(v) for v in value]
    if isinstance(value, dict):
        return {key: wrong(v) for key, v in value.items()}
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, np.integer)):
        return value + 1
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        return value + 1
    if isinstance(value, (float, np.floating, np.ndarray, Tensor)):
        return value * 1.001
    if isinstance(value, types.GeneratorType):
        return ((s, wrong(x)) for s, x in value)
    if callable(value):
        return wrongly(value)
    if dataclasses.is_dataclass(value):
        changed = {f.name: wrong(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    if hasattr(value, "weights"):
        return type(value)(value.weights, value.means * 1.001, value.covs * 1.001)
    if hasattr(value, "cov"):
        return type(value)(wrong(value.mean), wrong(value.cov))
    raise TypeError(f"how should a {type(value).__name__} be wrong?")


def wrongly(function):
    """`function` with a wrong result; for an __init__, with every table of the object wrong."""
    if isinstance(function, property):
        return property(wrongly(function.fget))

    def replaced(*args, **kwargs):
        result = function(*args, **kwargs)
        if function.__name__ != "__init__":
            return wrong(result)
        for name, value in vars(args[0]).items():
            if isinstance(value, (float, np.ndarray)):
                setattr(args[0], name, wrong(value))
        return None

    return replaced


@each(ENTRIES.values())
def test_a_wrong_implementation_fails(entry, monkeypatch):
    module, _, path = entry.implements.partition(":")
    *outer, name = path.split(".")
    owner = functools.reduce(getattr, outer, importlib.import_module(module))
    monkeypatch.setattr(owner, name, wrongly(entry.implementation()))
    with np.errstate(all="ignore"):
        result = entry.evaluate()
    assert not result.ok, (result.error, entry.tolerance, result.left, result.right)

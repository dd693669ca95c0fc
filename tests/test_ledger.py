"""The ledger: every entry holds over its whole range and fails if its implementation is wrong."""

import dataclasses
import functools
import importlib
import math
import re
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinydiff import derivation
from tinydiff.derivation.entry import ROOT, Erratum, Param, distance, equation, fill
from tinydiff.derivation.report import parts
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


# Entries of which one check takes about a second: fewer examples in the default profile.
COSTLY = {
    "ode.inversion": 4,
    "ode.log-likelihood": 2,
    "ode.order-of-euler": 3,
    "ode.order-of-heun": 3,
    "ode.order-of-multistep": 4,
    "sampler.transport": 4,
}


@each([e for e in ENTRIES.values() if e.params])
def test_holds_over_its_whole_range(entry):
    share = settings().max_examples // 100  # 1 in the default profile, 20 in the deep one

    @settings(max_examples=share * COSTLY.get(entry.id, 10), suppress_health_check=[*HealthCheck])
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


# --- what an entry must say


KEYS = ("nus-l8", "ub-lecture", "ub-slides", "ch327")
PLACES = r"(?:L\d+(?:-\d+)?(?:, L\d+(?:-\d+)?)*)(?: \(.*\))?"
PEERS = ("labml", "DeZero", "deep-learning-from-scratch-5", "udlbook", "diffusers",
         "improved-diffusion", "smalldiffusion", "denoising-diffusion-pytorch")  # fmt: skip


@each(ENTRIES.values())
def test_is_complete(entry):
    assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+|E-[A-DP]\d+", entry.id)
    assert entry.text[-1] == "." and entry.derivation and 0 < entry.tolerance <= 0.1
    assert not re.search(r"^\s*\" ", entry.derivation, re.MULTILINE)  # a string cut in two
    path, _, line = entry.code.rpartition(":")
    assert (ROOT / path).is_file() and int(line) > 0
    assert callable(entry.implementation()) or isinstance(entry.implementation(), property)


@each(ENTRIES.values())
def test_its_latex_is_balanced(entry):
    for latex in [entry.latex, getattr(entry, "printed", "x")]:
        bare = re.sub(r"\\[{}|]", "", latex)
        assert latex.strip() and bare.count("{") == bare.count("}"), latex
        assert latex.count(r"\left") - latex.count(r"\leftarrow") == latex.count(r"\right"), latex
        assert latex.count(r"\begin{") == latex.count(r"\end{"), latex
        assert latex.isascii() or "``" in latex


@each(ENTRIES.values())
def test_its_sources_name_a_place(entry):
    for source in entry.source.split("; "):
        if source.startswith(KEYS):
            assert re.fullmatch(rf"\S+ {PLACES}", source), source
        elif not source.startswith(PEERS):
            assert re.search(r" \d{4}", source), source  # a paper and its year


def cited(key):
    """The lines of one source that some entry cites."""
    lines = set()
    for entry in ENTRIES.values():
        for source in entry.source.split("; "):
            if source.startswith(key + " "):
                for first, last in re.findall(r"L(\d+)(?:-(\d+))?", source):
                    lines.update(range(int(first), int(last or first) + 1))
    return lines


DISPLAYED = {  # the lines of each source that display an equation, or hold one in the text
    "nus-l8": [
        *(61, 134, 141, 145, 147, 149, 157, 159, 161, 163, 165, 177, 187, 193, 195, 197),
        *(199, 201, 203, 209, 217, 219, 221, 229, 231, 235, 237, 239, 243, 249, 253, 255),
        *(271, 273, 279, 281, 283, 285, 287, 291, 297, 299, 305, 308, 312, 320, 322, 324),
        *(326, 344, 348, 350, 352, 360, 364, 370, 374, 378, 382, 384, 390, 392, 394, 398),
        *(407, 411, 415, 421, 423, 425, 429, 431, 435, 441, 445, 449, 451, 455, 477, 481),
        *(483, 489, 491, 495, 499, 503, 511, 513, 515, 519, 527, 531, 543, 547, 551, 553),
        *(563, 565, 567, 569, 633, 645, 647, 649),
    ],
    "ub-lecture": [
        *(22, 74, 78, 86, 100, 112, 114, 116, 124, 128, 132, 190, 194, 198, 206, 255),
        *(541, 547, 551, 555, 561, 572, 583, 586),
    ],
    "ub-slides": [61, 84, 85, 86, 109, 116, 118, 119, 120, 121, 129, 142, 191],
    "ch327": [4, 5, 6, 17, 66, 69, 70, 71],
}


@pytest.mark.parametrize("key", KEYS)
def test_every_displayed_equation_has_an_entry(key):
    assert not set(DISPLAYED[key]) - cited(key)


def test_the_readme_counts_them():
    text = (ROOT / "README.md").read_text()
    assert f"does so for {len(EQUATIONS)} equations" in text
    assert f"`tinydiff verify --errata` shows {len(ERRATA)} places" in text


def test_there_are_enough_and_errata_come_last():
    kinds = [isinstance(entry, Erratum) for entry in ENTRIES.values()]
    assert kinds == sorted(kinds)
    assert len(EQUATIONS) >= 80 and len(ERRATA) >= 45
    assert all(key == entry.id for key, entry in ENTRIES.items())


@each(ERRATA)
def test_an_erratum_asserts_the_wrong_number_and_the_right_one(entry):
    left, right = entry.check()
    assert len(left) == len(right) == 2
    if entry.verdict == "CORRECT":
        return
    wrong, correct = parts(left[0]), parts(left[1])
    if wrong.shape == correct.shape:
        assert np.abs(wrong - correct).max() > 10 * entry.tolerance * np.abs(correct).max()


# --- the frame itself


def test_parameters_are_filled_in_checked_and_bounded():
    params = {"T": Param(100, 1, 1000), "t": Param(50, 1, "T"), "s": Param(9, 0, "t-1")}
    assert fill(params, {}) == {"T": 100, "t": 50, "s": 9}
    assert fill(params, {"T": 5}) == {"T": 5, "t": 5, "s": 4}  # defaults move into range
    assert fill(params, {"t": 3.0})["t"] == 3
    refused = [
        ({"t": 101}, "parameter t: expected a whole number from 1 to 100, got 101"),
        ({"t": 0}, "from 1 to 100, got 0"),
        ({"t": 2.5}, "whole number"),
        ({"T": True}, "whole number"),
        ({"t": 4, "s": 4}, "from 0 to 3, got 4"),
        ({"u": 1}, "unknown parameter 'u': expected T, t, s"),
    ]
    for given_values, message in refused:
        with pytest.raises(ValueError, match=re.escape(message)):
            fill(params, given_values)
    with pytest.raises(ValueError, match="expected one of a, b, got c"):
        fill({"kind": Param("a", choices=("a", "b"))}, {"kind": "c"})


def test_the_distance_of_two_sides():
    assert distance(3.0, 2.0) == 0.5
    assert distance([1.0, 10.0], [1.0, 8.0]) == 0.25  # of the largest entry
    assert distance((1.0, [0.0, 4.0]), (2.0, [0.0, 4.0])) == 0.5  # of each part by itself
    assert distance(0.25, 0.0) == 0.25  # absolute where the right side is 0
    for left, right in [(np.ones(2), 1.0), ((1.0, 2.0), (1.0,)), (math.nan, 1.0), ([], [])]:
        with pytest.raises(ValueError):
            distance(left, right)


def test_a_check_that_raises_has_failed_and_says_why():
    def broken():
        raise ZeroDivisionError("oh")

    entry = dataclasses.replace(EQUATIONS[0], params={}, check=broken)
    result = entry.evaluate()
    assert not result.ok and result.left is None and result.message == "ZeroDivisionError: oh"


def test_an_entry_is_entered_once_with_its_own_parameters():
    first = EQUATIONS[0]
    enter = equation(first.id, "t", "x", source="s", implements="i", tolerance=1)
    with pytest.raises(ValueError, match=f"two entries are called {re.escape(first.id)}"):
        enter(lambda: (1, 1))
    enter = equation("new.one", "t", "x", source="s", implements="i", tolerance=1, n=Param(1, 0, 2))
    with pytest.raises(TypeError, match="takes other parameters"):
        enter(lambda m: (1, 1))
    assert "new.one" not in derivation.entries()

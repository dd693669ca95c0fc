"""The package keeps the rules of its house; and every rule finds the violation planted for it."""

import inspect
import re

import pytest
from rules.array_library import (
    ALLOWED,
    array_library_names,
    array_methods,
    fetched_values,
    imports_of_cupy,
    numpy_computations,
)
from rules.floors import floors, imports_by_name
from rules.source import PACKAGE, SOURCES, parse

RULES = [
    array_library_names,
    array_methods,
    numpy_computations,
    fetched_values,
    imports_of_cupy,
    floors,
    imports_by_name,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule):
    found = [f"{s.path}:{line}: {what}" for s in SOURCES for line, what in rule(s)]
    assert not found, "\n" + "\n".join(found)


PLANTED = [
    (array_library_names, "ops/a.py", "y = xp.nonzero(x)", "xp.nonzero is not in"),
    (array_library_names, "viz.py", "xp_of(x).block([x])", "xp.block is not in"),
    (array_library_names, "ops/a.py", "xp.sum(x, where=m)", r"xp.sum\(where=\) is not in"),
    (array_library_names, "ops/a.py", "xp.exp(x, **options)", r"xp.exp\(None=\) is not in"),
    (array_library_names, "ops/a.py", "f = xp.unique", "xp.unique is not in"),
    (array_library_names, "ops/a.py", "xp.linalg.norm(x)", "xp.linalg.norm is not in"),
    (array_library_names, "ops/a.py", "xp.maximum.at(x, i, 1)", "xp.maximum.at is not in"),
    (array_library_names, "nn/a.py", "getattr(xp_of(x), name)(x)", "hides which name"),
    (array_methods, "ops/a.py", "x.nonzero()", r"\.nonzero\(\) is not in"),
    (array_methods, "optim.py", "(a + b).sum(initial=0)", r"\.sum\(initial=\) is not in"),
    (array_methods, "nn/a.py", "x[0].std()", r"\.std\(\) is not in"),
    (numpy_computations, "nn/a.py", "y = np.exp(x)", r"np.exp\(\) in device code"),
    (numpy_computations, "models/a.py", "np.concatenate([x, y])", r"np.concatenate\(\) in dev"),
    (numpy_computations, "ops/a.py", "np.add.at(x, i, v)", r"np.add.at\(\) in device code"),
    (numpy_computations, "ops/a.py", "np.linalg.norm(x)", r"np.linalg.norm\(\) in device"),
    (numpy_computations, "ops/a.py", "np.cumsum(x)", r"np.cumsum\(\) in device code"),
    (fetched_values, "ops/a.py", "n = x.sum().item()", r"\.item\(\) waits"),
    (fetched_values, "nn/a.py", "v = x.tolist()", r"\.tolist\(\) waits"),
    (fetched_values, "nn/a.py", "v = x.get()", r"\.get\(\) waits"),
    (fetched_values, "ops/a.py", "if float(x.max()) > 0: pass", r"float\(x.max\(\)\) waits"),
    (imports_of_cupy, "ops/a.py", "import cupy as cp", "import of cupy outside"),
    (imports_of_cupy, "ops/a.py", "def f():\n from cupyx.scipy import special", "import of cupyx"),
    (floors, "ops/a.py", "from ..nn import Linear", r"floor 2 \(ops\) imports tinydiff.nn "),
    (floors, "ops/a.py", "from .. import models", "imports tinydiff.models of floor 4"),
    (floors, "diffusion/a.py", "from ..nn.linear import Linear", "imports tinydiff.nn.linear of"),
    (floors, "diffusion/a.py", "def f():\n from .. import nn", "imports tinydiff.nn of floor 3"),
    (floors, "tensor.py", "from .ops import exp", "imports tinydiff.ops of floor 2"),
    (floors, "tensor.py", "from . import gaussian", "imports tinydiff.gaussian of floor 1"),
    (floors, "gradcheck.py", "import tinydiff.optim", "imports tinydiff.optim of floor 3"),
    (floors, "nn/a.py", "from tinydiff.viz import draw", "imports tinydiff.viz of floor 4"),
    (floors, "nn/a.py", "from tinydiff import cli", "imports tinydiff.cli of floor 6"),
    (floors, "nn/a.py", "from .. import Tensor", "imports tinydiff. of floor 7"),
    (floors, "cli.py", "import tinydiff as td", "imports tinydiff. of floor 7"),
    (floors, "models/sub/a.py", "from ...train import loop", "imports tinydiff.train of floor 5"),
    (floors, "attic.py", "", "attic.py has no floor"),
    (floors, "cli.py", "from .attic import old", "tinydiff.attic, which has no floor"),
    (imports_by_name, "nn/a.py", "import importlib", "importlib imports by name"),
    (imports_by_name, "cli.py", "from importlib import import_module", "imports by name"),
    (imports_by_name, "viz.py", "__import__('torch')", "__import__ imports by name"),
]


@pytest.mark.parametrize("rule, path, text, message", PLANTED, ids=lambda v: str(v)[:40])
def test_a_planted_violation_is_found(rule, path, text, message):
    found = list(rule(parse(path, text)))
    assert len(found) == 1, found
    line, what = found[0]
    assert re.search(message, what), what
    assert line == (2 if text.startswith("def") else 1)


CLEAN = [
    (array_library_names, "ops/a.py", "xp.add.at(t, i, v); xp.sum(x, axis=0); xp_of(x).float32"),
    (array_library_names, "backend/a.py", "xp.nonzero(x)"),
    (array_library_names, "ops/a.py", "other.nonzero(x); xp_of(x, y).exp(x, out=y)"),
    (array_methods, "ops/a.py", "x.sum(axis=0).reshape(-1); np.cumsum(n)[:-1].tolist()"),
    (array_methods, "data/a.py", "x.nonzero()"),
    (numpy_computations, "ops/a.py", "np.dtype('f4'); np.random.default_rng(0); np.float32(1)"),
    (numpy_computations, "ops/shape.py", "np.cumsum(sizes)"),
    (numpy_computations, "data/a.py", "np.exp(x)"),
    (fetched_values, "nn/a.py", "d.get(k); float('inf'); np.cumsum(n).tolist()"),
    (fetched_values, "models/a.py", "float(x)"),
    (imports_of_cupy, "backend/cupy.py", "import cupy"),
    (floors, "ops/a.py", "from ..tensor import Tensor\nfrom .b import c\nfrom .. import backend"),
    (floors, "tape.py", "from .tensor import Tensor\nfrom .debug import Hooks"),
    (floors, "__init__.py", "from . import cli\nfrom .nn import Linear"),
    (floors, "models/sub/a.py", "from ..mlp import MLP\nfrom ...nn import Linear"),
    (floors, "cli.py", "import numpy\nfrom tinydiff.train import loop"),
    (imports_by_name, "derivation/a.py", "import importlib"),
    (imports_by_name, "cli.py", "import importlib.metadata\nfrom importlib.resources import files"),
]


@pytest.mark.parametrize("rule, path, text", CLEAN, ids=lambda v: str(v)[:40])
def test_what_is_allowed_is_let_through(rule, path, text):
    assert not list(rule(parse(path, text)))


def test_every_allowance_is_used():
    for path, what in ALLOWED:
        assert what in (PACKAGE / path).read_text(), (path, what)


def test_every_rule_says_what_it_asks_for():
    for rule in RULES:
        assert inspect.getdoc(rule)

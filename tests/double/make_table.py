"""Write cupy_api.json: the public surface of the installed CuPy, one name a line.

Usage: python tests/double/make_table.py      (needs the CuPy wheel, no GPU and no driver)

Run it when the CuPy pin changes; the difference of the two files is then what changed for us.
"""

import inspect
import json
import re
from functools import reduce
from numbers import Number
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("cupy_api.json")
SECTIONS = (
    "cupy",
    "cupy.fft",
    "cupy.lib.stride_tricks",
    "cupy.linalg",
    "cupy.ndarray",
    "cupy.random",
    "cupy.random.Generator",
    "cupy.random.RandomState",
    "cupyx.scipy.special",
)


def table():
    """{"version": ..., section: {name: kind or parameter names}} of the installed CuPy.

    The value of a function is the list of its parameters, "*" and "**" marking variable ones; of
    anything else one word: "ufunc", "type", "attribute" (of an array) or "constant".
    """
    import cupy
    import cupyx.scipy.special

    roots = {"cupy": cupy, "cupyx": cupyx}
    owners = {}  # all of them before any listing: CuPy adds some names to a module on first use
    for section in SECTIONS:
        root, *path = section.split(".")
        owners[section] = reduce(getattr, path, roots[root])
    found = {"version": cupy.__version__}
    for section, owner in owners.items():
        names = [name for name in dir(owner) if not name.startswith("_")]
        entries = {name: entry(owner, getattr(owner, name), cupy.ufunc) for name in names}
        found[section] = {name: value for name, value in entries.items() if value is not None}
    return found


def entry(owner, thing, ufunc):
    """What the table says of one name, or None for names that are no part of the array library."""
    if inspect.ismodule(thing):
        return None
    if isinstance(thing, ufunc):
        return "ufunc"
    if inspect.isclass(thing):
        return None if issubclass(thing, BaseException) else "type"
    if callable(thing):
        return parameters(thing)
    if inspect.isclass(owner):
        return "attribute"
    return "constant" if thing is None or isinstance(thing, Number) else None


def parameters(function):
    """The names of a function's parameters; compiled ones state them first in their docstring."""
    try:
        found = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return documented_parameters(function)
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [marks.get(p.kind, "") + p.name for p in found if p.name != "self"]


def documented_parameters(function):
    """`name(self, a, axis=None, *args) -> result` as the first paragraph, as a list of names."""
    first = " ".join((function.__doc__ or "").strip().partition("\n\n")[0].split())
    inside = re.match(r"[\w.]+\((.*?)\)(?: ->|$)", first)
    if inside is None:
        raise ValueError(f"the docstring does not begin with a signature: {function!r}: {first!r}")
    without_defaults = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", inside[1])
    names = [p.partition("=")[0].strip().rpartition(" ")[2] for p in without_defaults.split(",")]
    return [name.replace("\\", "") for name in names if name not in ("", "self", "/", "*", "\\*")]


def text(found):
    """The table as JSON with one name a line, so that a difference of two tables can be read."""
    parts = []
    for key in sorted(found):
        value = found[key]
        if isinstance(value, dict):
            lines = [f"  {json.dumps(name)}: {json.dumps(value[name])}" for name in sorted(value)]
            parts.append(f"{json.dumps(key)}: {{\n" + ",\n".join(lines) + "\n}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text(table()))
    print(f"{PATH} written for CuPy {table()['version']}, NumPy {np.__version__}")

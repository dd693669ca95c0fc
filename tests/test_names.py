"""The names that device code may use exist in NumPy and in CuPy, with the same keywords."""

from functools import reduce

import numpy as np
import pytest
from double import make_table
from double.table import TABLE

from tinydiff.backend.names import ATTRIBUTES, CONSTANTS, METHODS, NAMES

# Documented keywords that a signature hides behind **kwargs.
BEHIND_KWARGS = {
    "einsum": {"optimize"},
    "max": {"keepdims"},
    "mean": {"keepdims"},
    "min": {"keepdims"},
    "pad": {"constant_values"},
    "sum": {"keepdims"},
}


NUMPY_UFUNC = {"out", "where", "casting", "order", "dtype", "subok"}


def numpy_keywords(owner, name):
    thing = reduce(getattr, name.split("."), owner)
    if isinstance(thing, np.ufunc):
        return NUMPY_UFUNC
    return set(make_table.parameters(thing))


def cupy_keywords(section, name):
    path = name.split(".")
    if path[-1] == "at":  # a method of ufuncs, as in add.at
        assert TABLE[section][path[0]] == "ufunc"
        return set()
    entry = TABLE[".".join([section, *path[:-1]])][path[-1]]
    return {"out", "dtype", "casting"} if entry == "ufunc" else set(entry)


@pytest.mark.parametrize(
    "owner, section, names", [(np, "cupy", NAMES), (np.ndarray, "cupy.ndarray", METHODS)]
)
def test_both_libraries_have_the_names_and_keywords(owner, section, names):
    for name, keywords in names.items():
        for library in (numpy_keywords(owner, name), cupy_keywords(section, name)):
            if "**kwargs" in library:
                library = library | BEHIND_KWARGS.get(name, set())
            assert library >= set(keywords), (name, set(keywords) - library)


def test_both_libraries_have_the_constants_and_attributes():
    for name in CONSTANTS:
        assert hasattr(np, name) and TABLE["cupy"][name] in ("type", "constant")
    for name in ATTRIBUTES:
        assert hasattr(np.ndarray, name) and TABLE["cupy.ndarray"][name] == "attribute"

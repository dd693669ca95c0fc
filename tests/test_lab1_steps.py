"""The rows of benchmarks.lab1: from the lab's settings to the best ones, nothing left out."""

from itertools import pairwise

from benchmarks.lab1 import rows
from tinydiff.train.presets import PRESETS

APART = {"name", "about", "steps"}


def told_apart(a, b):
    a, b = a.to_dict(), b.to_dict()
    return {key for key in a if a[key] != b[key]} - APART


def test_the_first_row_is_the_lab_and_the_last_one_the_best():
    configs = [config for _, config in rows(7)]
    assert not told_apart(configs[0], PRESETS["lab1"])
    assert not told_apart(configs[-1], PRESETS["lab1-best"])
    assert {config.steps for config in configs} == {7}
    assert len({config.name for config in configs}) == len(configs)


def test_every_row_changes_something():
    configs = [config for _, config in rows(7)]
    assert all(told_apart(a, b) for a, b in pairwise(configs))

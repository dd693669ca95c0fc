"""Which mutants there are, and a seeded stratified sample of them."""

import ast
import random
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow")
COMPARISON = ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")
OPERATORS = [
    *(f"ReplaceBinaryOperator_{a}_{b}" for a in ARITHMETIC for b in ARITHMETIC if a != b),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a in COMPARISON for b in COMPARISON if a != b),
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_USub_UAdd",
    "ReplaceUnaryOperator_Delete_Not",
    "NumberReplacer",
]


class Mutant(NamedTuple):
    module: str  # "tinydiff/diffusion/process.py"
    line: int
    operator: str
    occurrence: int

    def source(self):
        """The mutated text of the module."""
        text = (ROOT / self.module).read_text()
        return mutate_code(text, get_operator(f"core/{self.operator}")(), self.occurrence)

    def change(self):
        """(line before, line after), stripped; how equivalents.toml knows the mutant."""
        before, after = (ROOT / self.module).read_text().splitlines(), self.source().splitlines()
        for a, b in zip(before, after):
            if a != b:
                return a.strip(), b.strip()
        return "", ""


class _Positions(Visitor):
    """The line of every position where an operator can be applied."""

    def __init__(self, operator):
        self.operator, self.lines = operator, []

    def visit(self, node):
        self.lines += [start[0] for start, _ in self.operator.mutation_positions(node)]
        return node


def _excluded_lines(text):
    """Lines of raise and warn statements, annotations, imports and __all__."""
    lines = set()
    for node in ast.walk(ast.parse(text)):
        message = isinstance(node, (ast.Raise, ast.AnnAssign, ast.Import, ast.ImportFrom))
        warning = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "warn"
        if message or warning:
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def all_mutants(modules):
    """{module: [Mutant, ...]}, in a fixed order."""
    found = {}
    for module in modules:
        text = (ROOT / module).read_text()
        excluded, tree = _excluded_lines(text), get_ast(text)
        found[module] = []
        for name in OPERATORS:
            positions = _Positions(get_operator(f"core/{name}")())
            positions.walk(tree)
            found[module] += [
                Mutant(module, line, name, k)
                for k, line in enumerate(positions.lines)
                if line not in excluded
            ]
    return found


def stratified(found, size, seed):
    """`size` mutants: from each module in proportion to its number of places (largest remainders),
    and in each module spread over lines, since one operator sign alone has six replacements.
    """
    rng = random.Random(seed)
    places = {module: len(set(map(_place, mutants))) for module, mutants in found.items()}
    quotas = _shares(places, min(size, sum(map(len, found.values()))))
    sample = []
    for module, mutants in sorted(found.items()):
        by_place = {}
        for mutant in rng.sample(mutants, len(mutants)):
            by_place.setdefault(_place(mutant), []).append(mutant)
        queues = list(by_place.values())
        rng.shuffle(queues)
        chosen = []
        while queues and len(chosen) < quotas[module]:
            chosen += [queue.pop() for queue in queues][: quotas[module] - len(chosen)]
            queues = [queue for queue in queues if queue]
        sample += chosen
    return sample


def _shares(places, size):
    """{module: its share of size}: rounded down, the rest to those that lost most by it."""
    total = sum(places.values())
    shares = {module: size * n // total for module, n in places.items()}
    by_loss = sorted(places, key=lambda module: (-(size * places[module] % total), module))
    for module in by_loss[: size - sum(shares.values())]:
        shares[module] += 1
    return shares


def _place(mutant):
    """The line and the operator that stands there, whatever replaces it."""
    return mutant.line, mutant.operator.split("_")[:2][-1]

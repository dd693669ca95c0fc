"""The modules of the package as syntax trees, and small questions about a node."""

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinydiff"


class Source(NamedTuple):
    """One module: its path below tinydiff/ and its syntax tree."""

    path: str
    tree: ast.Module

    def below(self, *places):
        """Whether the module is one of these files, or inside one of these packages."""
        return any(self.path == p or (p.endswith("/") and self.path.startswith(p)) for p in places)


def parse(path, text):
    return Source(path, ast.parse(text))


SOURCES = [
    parse(file.relative_to(PACKAGE).as_posix(), file.read_text())
    for file in sorted(PACKAGE.rglob("*.py"))
]


def dotted(node):
    """(root node, "a.b.c") of a chain of attributes root.a.b.c."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return node, ".".join(reversed(names))


def called(node):
    """The name of the function that a node calls, or None."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def absolute_imports(source):
    """(line, dotted name) of every import from outside the package."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)

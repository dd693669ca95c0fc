"""Who may import whom."""

import ast
import re

from .source import absolute_imports, called

FLOORS = {
    "backend": 0,
    "tensor": 1,
    "gaussian": 1,
    "ops": 2,
    "parameter": 2,
    "gradcheck": 2,
    "graph": 2,
    "data": 2,
    "nn": 3,
    "optim": 3,
    "diffusion": 3,
    "manifold": 3,
    "models": 4,
    "viz": 4,
    "derivation": 5,
    "train": 5,
    "cli": 6,
    "gpucheck": 6,
    "plan": 6,
    "": 7,  # tinydiff/__init__.py, the door: it sees every floor, and no floor sees it
}
ONE_PACKAGE = {
    "tape": "tensor",
    "functional": "tensor",
    "debug": "tensor",
    "protocol": "ops",
    "rates": "optim",
    "averages": "optim",
    "__main__": "cli",
}


def package_of(module):
    """The first part of a module's name below tinydiff: "ops.conv" -> "ops"."""
    part = module.split(".")[0]
    return ONE_PACKAGE.get(part, part)


def floors(source):
    """An import goes to a lower floor, or stays inside its own package."""
    here = package_of(source.path.removesuffix(".py").replace("/", ".").removesuffix("__init__"))
    if here not in FLOORS:
        yield 1, f"{source.path} has no floor: give {here!r} one in FLOORS and ARCHITECTURE.md"
        return
    for line, module in imports_of_tinydiff(source):
        there = package_of(module)
        if there not in FLOORS:
            yield line, f"import of tinydiff.{module}, which has no floor"
        elif there != here and FLOORS[there] >= FLOORS[here]:
            what = f"floor {FLOORS[here]} ({here}) imports"
            yield line, f"{what} tinydiff.{module} of floor {FLOORS[there]}"


def imports_of_tinydiff(source):
    """(line, module below tinydiff) of every import of the package, wherever in the file it is."""
    parts = source.path.removesuffix(".py").split("/")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "tinydiff":
                    yield node.lineno, name.name.partition(".")[2]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = parts[: len(parts) - node.level]
            elif node.module and node.module.split(".")[0] == "tinydiff":
                base = []
            else:
                continue
            module = (node.module or "").split(".") if node.module else []
            module = module if node.level else module[1:]
            if base or module:
                yield node.lineno, ".".join(base + module)
            else:  # from .. import ops: each name is a module, or comes from the door
                for name in node.names:
                    known = name.name in FLOORS or name.name in ONE_PACKAGE
                    yield node.lineno, name.name if known else ""


def imports_by_name(source):
    """No module is imported by a string, which the rule of floors could not see.

    derivation/ may: it finds implementations by their names, which a test of its own resolves.
    importlib.metadata and importlib.resources load no module.
    """
    if source.below("derivation/"):
        return
    for line, name in absolute_imports(source):
        if name.split(".")[0] == "importlib" and not re.match(
            r"importlib\.(metadata|resources)\b", name
        ):
            yield line, f"{name} imports by name"
    for node in ast.walk(source.tree):
        if called(node) == "__import__":
            yield node.lineno, "__import__ imports by name"

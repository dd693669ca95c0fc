"""Which names, methods and NumPy functions device code may use, and what it may not fetch."""

import ast
from functools import reduce

import numpy as np

from tinydiff.backend.names import CONSTANTS, METHODS, NAMES

from .source import absolute_imports, called, dotted

# Code that computes on arrays of either library. The rest (schedules, oracles, data) is host code.
DEVICE_CODE = (
    "tensor.py",
    "tape.py",
    "ops/",
    "nn/",
    "models/",
    "optim.py",
    "averages.py",
    "diffusion/ancestral.py",
    "diffusion/denoise.py",
    "diffusion/guidance.py",
    "diffusion/ode.py",
    "diffusion/revisit.py",
    "diffusion/samplers.py",
)

# What looks like a computation on, or a fetch from, a device and is none. (file, what): why
ALLOWED = {
    ("diffusion/denoise.py", ".tolist"): "time steps are on the host",
    ("nn/attention.py", ".item"): "a time step is on the host",
    ("ops/attention.py", "float(p)"): "a probability is a number of the host",
    ("ops/norm.py", "float(eps)"): "eps is a number of the host",
    ("ops/operands.py", ".item"): "of a NumPy scalar",
    ("ops/shape.py", "np.broadcast_to"): "the bounds of indices that are on the host",
    ("ops/shape.py", "np.cumsum"): "where the parts of a concatenation begin: Python numbers",
}


def is_library(node):
    """Whether an expression is an array library: `xp`, or the result of `xp_of(...)`."""
    return (isinstance(node, ast.Name) and node.id == "xp") or called(node) == "xp_of"


def array_library_names(source):
    """Every xp.NAME(...) uses a name of names.py, with its keywords; none is picked at run time."""
    if source.below("backend/"):
        return
    inner = set()  # parts of longer chains, and functions of calls: seen already
    for node in ast.walk(source.tree):
        keywords = ()
        if isinstance(node, ast.Call):
            if called(node) == "getattr" and is_library(node.args[0]):
                yield node.lineno, "getattr(xp, ...) hides which name is used"
            keywords = [k.arg for k in node.keywords]
            node = node.func
        if not isinstance(node, ast.Attribute) or node in inner:
            continue
        part = node
        while isinstance(part, ast.Attribute):
            inner.add(part)
            part = part.value
        root, name = dotted(node)
        if not is_library(root):
            continue
        if name not in NAMES and name not in CONSTANTS:
            yield node.lineno, f"xp.{name} is not in backend/names.py"
        for keyword in keywords:
            if keyword not in NAMES.get(name, ()):
                yield node.lineno, f"xp.{name}({keyword}=) is not in backend/names.py"


ARRAY_METHODS = {
    n
    for n in dir(np.ndarray)
    if n[0] != "_" and callable(getattr(np.ndarray, n)) and not hasattr(str, n)
}


def array_methods(source):
    """A method of that name on arrays is one of METHODS, with its keywords."""
    if not source.below(*DEVICE_CODE):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        root, _ = dotted(node.func)
        name = node.func.attr
        if name not in ARRAY_METHODS or is_library(root) or on_module(node.func.value):
            continue
        if (source.path, f".{name}") in ALLOWED:
            continue
        if name not in METHODS:
            yield node.lineno, f"the array method .{name}() is not in backend/names.py"
        for keyword in node.keywords:
            if keyword.arg not in METHODS.get(name, ()):
                yield node.lineno, f".{name}({keyword.arg}=) is not in backend/names.py"


def on_module(node):
    """Whether an expression is np or math, or what a function of theirs returns: host code."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in ("np", "math")


# What ops, nn and models may ask of NumPy itself: questions about shapes and types, and data that
# is made on the host because it starts there (weights, time steps, token ids).
HOST_FUNCTIONS = frozenset(
    [
        "asarray",
        "ascontiguousarray",
        "broadcast_shapes",
        "full",
        "issubdtype",
        "ones",
        "result_type",
        "shape",
        "zeros",
        "lib.array_utils.normalize_axis_index",
        "lib.array_utils.normalize_axis_tuple",
        "random.default_rng",
    ]
)


def numpy_computations(source):
    """ops, nn and models compute through xp: np.exp of a device array works by accident or not."""
    if not source.below("ops/", "nn/", "models/"):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        root, name = dotted(node.func)
        if not (isinstance(root, ast.Name) and root.id == "np"):
            continue
        is_type = isinstance(reduce(lambda o, n: getattr(o, n, None), name.split("."), np), type)
        allowed = name in HOST_FUNCTIONS or (source.path, f"np.{name}") in ALLOWED
        if not is_type and not allowed:
            yield node.lineno, f"np.{name}() in device code: use xp_of(x).{name}"


def fetched_values(source):
    """ops and nn fetch no value to the host: .item() and float(x) wait for the device."""
    if not source.below("ops/", "nn/"):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            on_host = on_module(node.func) or (source.path, f".{name}") in ALLOWED
            of_dict = name == "get" and node.args  # an array's get() has no arguments
            if name in ("item", "tolist", "get") and not on_host and not of_dict:
                yield node.lineno, f".{name}() waits for the device"
        elif called(node) in ("float", "bool") and not isinstance(node.args[0], ast.Constant):
            text = ast.unparse(node)
            if (source.path, text) not in ALLOWED:
                yield node.lineno, f"{text} waits for the device, if that is where the value is"


def imports_of_cupy(source):
    """Only backend/cupy.py imports CuPy."""
    if source.path == "backend/cupy.py":
        return
    for line, name in absolute_imports(source):
        if name.split(".")[0] in ("cupy", "cupyx", "cupy_backends"):
            yield line, f"import of {name} outside backend/cupy.py"

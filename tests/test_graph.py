"""td.trace: the tape as a table, and the formulas in it, which every operation states."""

import inspect
import re

import numpy as np
import pytest
from formula import evaluate, sides
from op_cases import CASES
from op_cases.case import apart, positive

import tinydiff as td
from tinydiff.graph import formulas
from tinydiff.tape import order


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield from (sub, *subclasses(sub))


FUNCTIONS = sorted(
    {f for f in subclasses(td.Function) if f.__module__.startswith("tinydiff")},
    key=lambda f: f.__qualname__,
)


# --- the table


def test_rows_of_a_small_tape():
    x = td.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    w = td.Tensor(np.ones(3, np.float32), requires_grad=True)
    h = x * w
    rows = td.trace(td.tanh(h).sum() + 2.0).rows
    assert [row["op"] for row in rows] == ["BroadcastTo", "Multiply", "Tanh", "Sum", "Add"]
    assert [row["id"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["inputs"] for row in rows] == [["leaf"], ["leaf", 0], [1], [2], [3, "const"]]
    multiply, add = rows[1], rows[4]
    assert multiply["shapes"] == [(2, 3), (2, 3), (2, 3)]
    assert multiply["dtypes"] == ["float32"] * 3
    assert multiply["forward"] == "y = a b"
    assert multiply["backward"] == "dL/da = g b, dL/db = g a"
    assert add["shapes"] == [(), (), ()]
    assert add["dtypes"] == ["float32", "float", "float32"]


def test_rows_come_before_what_they_feed():
    x = td.Tensor(np.ones(2), requires_grad=True)
    y = x
    for _ in range(5):
        y = td.cos(y) * x + td.sin(y)
    rows = td.trace(y.sum()).rows
    assert len(rows) == 5 * 4 + 1
    for row in rows:
        assert all(feeder < row["id"] for feeder in row["inputs"] if isinstance(feeder, int))


def test_a_tensor_used_twice_has_one_row():
    x = td.Tensor(np.ones(2), requires_grad=True)
    y = x * 2
    rows = td.trace(y * y).rows
    assert [row["inputs"] for row in rows] == [["leaf", "const"], [0, 0]]


def test_the_printed_table():
    x = td.Tensor(np.ones((2, 3)), requires_grad=True)
    lines = str(td.trace(td.exp(x).sum())).splitlines()
    assert [line.split()[0] for line in lines] == ["id", "0", "1"]
    assert re.fullmatch(r"0   Exp  leaf +\(2,3\) -> \(2,3\)  y = exp\(x\) +dL/dx = g y", lines[1])
    assert len({line.index(word) for line, word in zip(lines, ("shapes", "(2,3)", "(2,3)"))}) == 1


def test_tracing_leaves_the_tape_as_it_was():
    x = td.Tensor(np.ones(2), requires_grad=True)
    y = (x * x).sum()
    td.trace(y)
    y.backward()
    assert x.grad.tolist() == [2, 2]
    with pytest.raises(td.GraphError, match="was freed by an earlier"):
        td.trace(y)


@pytest.mark.parametrize("y", [1.0, np.ones(2), td.Tensor(1.0), td.Tensor(1.0, requires_grad=True)])
def test_what_has_no_tape(y):
    with pytest.raises(td.GraphError, match=r"trace\(\) needs a Tensor computed from one"):
        td.trace(y)


def test_an_operation_that_states_nothing():
    class Silent(td.Function):
        def forward(self, x):
            return x

    y = Silent()(td.Tensor(1.0, requires_grad=True))
    with pytest.raises(td.GraphError, match=r"docstring of Silent needs y = \.\.\. and dL/dx"):
        td.trace(y)


# --- the formulas


@pytest.fixture(scope="module")
def used():
    """{Function: names of its array inputs}, of every operation in every row and its gradients."""
    found = {}

    def look(y):
        for t in order(y):
            f = t.creator
            if f is not None:
                names = list(inspect.signature(f.forward).parameters.values())
                variadic = names[0].kind is inspect.Parameter.VAR_POSITIONAL
                found[type(f)] = ["x"] if variadic else [p.name for p in names[: len(f.inputs)]]

    rng = np.random.default_rng(0)
    for case, shapes in CASES:
        tensors = [td.Tensor(a, requires_grad=True) for a in case.arrays(rng, shapes)]
        y = case(*tensors)
        look(y)
        y.backward(td.Tensor(np.ones(y.shape), requires_grad=True), create_graph=True)
        for t in tensors:
            if t.grad is not None:
                look(t.grad)
    x = td.Tensor(np.ones(1), requires_grad=True)
    look(x.astype(np.float32).to("double"))
    td.grad(lambda v: look(v * v) or (v * v))(x)
    return found


def test_every_operation_is_used_in_the_table(used):
    """Adjoints too: those that only a backward makes, as PutItem and Fold."""
    assert set(used) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_first_and_last_line_state_value_and_gradient(function, used):
    """One gradient for each array that `forward` takes, by that array's name and no other."""
    forward, backward = formulas(function)
    assert re.match(r"y(_i|\[.*\])? = \S", forward)
    assert re.match(r"dL/d\w+ = \S", backward)
    names = set(re.findall(r"dL/d([a-zA-Z]+)(?:_\w+)? = ", backward))
    assert names == set(used[function])
    for name in names:
        assert re.search(rf"(?<![a-zA-Z]){name}(?![a-zA-Z])", forward), f"{name} not in {forward!r}"


# Operations whose formulas are complete: (function, arguments, symbols of the docstring)
EVALUATED = {
    "Add Subtract Multiply": (2, {}),
    "Divide Power LogAddExp Maximum Minimum": (2, {}),
    "Negative Exp Log Log1p Expm1 Sqrt Square Sin Cos Abs Relu": (1, {}),
    "LogNdtr InverseMills Tanh Sigmoid Softplus Gelu": (1, {}),
    "Silu": (1, {"s": td.sigmoid}),
    "Clip": (1, {"low": lambda x: 0.8, "high": lambda x: 1.5}),
}
ROWS = [(name, *row) for names, row in EVALUATED.items() for name in names.split()]


@pytest.mark.parametrize(("name", "count", "symbols"), ROWS, ids=[row[0] for row in ROWS])
def test_the_formulas_are_what_is_computed(name, count, symbols, rng):
    """Both lines, evaluated as written, against forward and backward."""
    function = next(f for f in FUNCTIONS if f.__name__ == name)
    parameters = list(inspect.signature(function.forward).parameters)[1:]
    draw = positive if name != "Relu" else apart
    arrays = dict(zip(parameters, (draw(rng, (5,)) for _ in range(count))))
    known = {k: f(*arrays.values()) for k, f in symbols.items()}
    hyper = {k: v for k, v in known.items() if k in parameters}
    tensors = [td.Tensor(a, requires_grad=True) for a in arrays.values()]
    y, g = function()(*tensors, **hyper), rng.standard_normal(5)
    forward, backward = map(sides, formulas(function))
    np.testing.assert_allclose(y.data, evaluate(forward["y"], **arrays, **known), rtol=1e-12)
    known |= {"y": y.data, "g": g}
    y.backward(g)
    assert len(backward) == count
    for parameter, t in zip(parameters, tensors):
        expected = evaluate(backward[f"dL/d{parameter}"], **arrays, **known)
        np.testing.assert_allclose(t.grad, expected, rtol=1e-12, atol=1e-15)

"""Derivatives of derivatives: create_graph, td.grad and td.vjp, and how they nest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydiff as td
from tinydiff import nn

X = np.array([0.5, -1.5, 2.0])


def cube(x):
    return (x * x * x).sum()


# --- create_graph


def test_gradients_of_create_graph_are_tensors_with_a_tape():
    x = td.Tensor(X, requires_grad=True)
    cube(x).backward(create_graph=True)
    first = x.grad
    assert isinstance(first, td.Tensor)
    np.testing.assert_allclose(first.data, 3 * X**2, rtol=1e-15)
    x.grad = None
    first.sum().backward()
    np.testing.assert_allclose(x.grad, 6 * X, rtol=1e-15)


def test_create_graph_keeps_the_tape():
    x = td.Tensor(X, requires_grad=True)
    y = cube(x)
    y.backward(create_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.data, 6 * X**2, rtol=1e-15)


def test_a_gradient_without_create_graph_has_no_tape_even_if_g_has_one():
    x, g = (td.Tensor(X, requires_grad=True) for _ in range(2))
    (x * x).backward(g)
    assert isinstance(x.grad, np.ndarray)
    assert g.grad is None


def test_g_is_differentiated_too():
    """y = x^2, dL/dx = 2 x g: its gradient with respect to g is 2 x."""
    x, g = (td.Tensor(X, requires_grad=True) for _ in range(2))
    (x * x).backward(g, create_graph=True)
    x.grad.sum().backward()
    np.testing.assert_allclose(g.grad, 2 * X, rtol=1e-15)


@pytest.mark.parametrize("n", range(1, 6))
def test_nth_derivatives(n):
    def slope_of(f):
        return lambda x: td.grad(f)(x).sum()

    def f(x):
        return td.exp(2 * x).sum()

    for _ in range(n):
        f = slope_of(f)
    np.testing.assert_allclose(f(td.Tensor(X)).item(), (2**n * np.exp(2 * X)).sum(), rtol=1e-13)


# --- inputs that share an array


def test_a_detached_twin_is_a_constant():
    """y = x c with c = x: dy/dx = c, which does not depend on x although it is the same array."""
    for constant in (td.Tensor.detach, lambda x: x.data, lambda x: td.Tensor(x)):
        x = td.Tensor(X, requires_grad=True)
        (x * constant(x)).sum().backward(create_graph=True)
        np.testing.assert_array_equal(x.grad.data, X)
        assert not x.grad.requires_grad


def test_two_tensors_over_one_array_are_two_variables():
    """f = a^2 b: d2f/da2 = 2 b, d2f/dadb = 2 a, d2f/db2 = 0."""

    def f(a, b):
        return (a * a * b).sum()

    def total(k):
        return lambda *args: td.grad(f, k)(*args).sum()

    for args in ((X, X), (td.Tensor(X, requires_grad=True),) * 2, (td.Tensor(X), td.Tensor(X))):
        tensors = [td.Tensor(a) if isinstance(a, np.ndarray) else a for a in args]
        seconds = [td.grad(total(k), (0, 1))(*tensors) for k in (0, 1)]
        for row, expected in zip(seconds, ((2 * X, 2 * X), (2 * X, 0 * X))):
            for second, value in zip(row, expected):
                np.testing.assert_allclose(second.data, value, rtol=1e-15)


# --- grad, value_and_grad, vjp


def test_grad_of_arrays_gives_arrays_and_of_tensors_tensors():
    assert type(td.grad(cube)(X)) is np.ndarray
    assert isinstance(td.grad(cube)(td.Tensor(X)), td.Tensor)
    assert td.grad(lambda x: x * x)(3.0) == 6
    value, slope = td.value_and_grad(cube)(X)
    assert value == pytest.approx((X**3).sum())
    np.testing.assert_allclose(slope, 3 * X**2, rtol=1e-15)


def test_argnums_pick_arguments():
    def f(a, b, c):
        return (a * b).sum() + c

    a, b = X, X + 1
    np.testing.assert_array_equal(td.grad(f, 1)(a, b, 0.0), a)
    pair = td.grad(f, (1, 0))(a, b, 0.0)
    assert isinstance(pair, tuple)
    np.testing.assert_array_equal(pair[0], a)
    np.testing.assert_array_equal(pair[1], b)
    for argnums in (3, -1, (0, 5)):
        with pytest.raises(ValueError, match="does not fit a call with 3 argument"):
            td.grad(f, argnums)(a, b, 0.0)


def test_grad_touches_no_grad_attribute():
    x, w = td.Tensor(X, requires_grad=True), td.Tensor(X, requires_grad=True)
    td.grad(lambda v: (v * w).sum())(x)
    assert x.grad is None
    assert w.grad is None


def test_grad_of_what_does_not_depend_on_the_argument_is_zero():
    assert td.grad(lambda x: td.Tensor(1.0))(X).tolist() == [0, 0, 0]
    _, second = td.grad(lambda a, b: a.sum(), (0, 1))(X, X)
    assert second.tolist() == [0, 0, 0]
    zero = td.grad(lambda x: td.Tensor(1.0))(td.Tensor(X))
    assert isinstance(zero, td.Tensor)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (
            lambda x: 1.0,
            td.GraphError,
            "f returned float, not a Tensor computed from its arguments",
        ),
        (lambda x: x.data, td.GraphError, "f returned ndarray"),
        (lambda x: x * 2, td.GraphError, r"of a tensor of shape \(3,\) needs g"),
    ],
)
def test_what_grad_refuses(f, error, message):
    with pytest.raises(error, match=message):
        td.grad(f)(X)
    with pytest.raises(TypeError, match="only floating-point tensors have gradients"):
        td.grad(cube)(np.arange(3))


def test_pull_can_be_called_again():
    y, pull = td.vjp(lambda a, b: a * b, X, X + 1)
    for g in (np.ones(3), X):
        ga, gb = pull(g)
        np.testing.assert_array_equal(ga, g * (X + 1))
        np.testing.assert_array_equal(gb, g * X)
    np.testing.assert_array_equal(y.data, X * (X + 1))


def test_vjp_under_no_grad_still_differentiates():
    with td.no_grad():
        (slope,) = td.vjp(cube, X)[1]()
        np.testing.assert_allclose(slope, 3 * X**2, rtol=1e-15)
        assert not td.grad(cube)(td.Tensor(X, requires_grad=True)).requires_grad


def test_perturbations_are_not_confused():
    """d/dx x (d/dy (x + y) at y = x) = d/dx x = 1. Taking both for one variable would give 2."""
    slope = td.grad(lambda x: x * td.grad(lambda y: x + y)(x))
    assert slope(td.Tensor(5.0)).item() == 1
    # d/dx x (d/dy x y) = d/dx x^2
    assert td.grad(lambda x: x * td.grad(lambda y: x * y)(x))(td.Tensor(5.0)).item() == 10


def test_a_value_that_is_its_argument():
    assert td.grad(lambda x: x)(np.array(3.0)) == 1
    assert td.grad(lambda x: td.grad(lambda y: y)(x) * x)(td.Tensor(3.0)).item() == 1


# --- through closures and networks


def critic(rng):
    return nn.Linear(3, 4, rng=rng), nn.Linear(4, 1, rng=rng)


def value(layers, x):
    return layers[1](td.tanh(layers[0](x))).sum()


@pytest.mark.parametrize("by", ["grad", "vjp", "backward"])
def test_gradient_penalty(by, rng):
    """The loss (|df/dx| - 1)^2 of a critic f, differentiated with respect to its weights."""
    layers = critic(rng)
    points = rng.standard_normal((2, 3)).astype(np.float32)
    weights = [p for layer in layers for p in (layer.W, layer.b)]

    def penalty():
        x = td.Tensor(points, requires_grad=by == "backward")
        if by == "grad":
            slope = td.grad(lambda x: value(layers, x))(x)
        elif by == "vjp":
            slope = td.vjp(lambda x: value(layers, x), x)[1]()[0]
        else:
            value(layers, x).backward(create_graph=True)
            slope = x.grad
            for w in weights:
                w.grad = None
        return td.square(td.sqrt(td.square(slope).sum(axis=1)) - 1).sum()

    penalty().backward()
    found = [np.zeros(w.shape) if w.grad is None else w.grad.copy() for w in weights]
    for w, g in zip(weights, found):
        for index in np.ndindex(w.shape):
            old, h = w.data[index], np.float32(1e-2)
            w.data[index] = old + h
            up = penalty().item()
            w.data[index] = old - h
            down = penalty().item()
            w.data[index] = old
            # float32: rounding 1e-7 / h, truncation h^2
            np.testing.assert_allclose(g[index], (up - down) / (2 * h), rtol=1e-2, atol=1e-3)


def test_only_the_paths_to_the_argument_are_walked():
    """td.grad with respect to the input computes no gradient of what it closes over."""
    asked = []

    class Probe(td.Function):
        def forward(self, x, w):
            return x + w

        def backward(self, g):
            asked.append(tuple(self.needs))
            return g, g

    w = td.Tensor(X, requires_grad=True)
    td.grad(lambda x: Probe()(x, w * 2).sum())(X)
    assert asked == [(True, False)]
    Probe()(w, w).sum().backward()
    assert asked[1:] == [(True, True)]


def test_a_closure_over_a_long_tape_does_not_walk_it(monkeypatch):
    """The inner derivative looks at what is younger than its argument, and at nothing else."""
    x = td.Tensor(1.0, requires_grad=True)
    past = x
    for _ in range(1000):
        past = past * 1.0
    asked = []
    tensors = td.Function.tensors
    monkeypatch.setattr(td.Function, "tensors", lambda self: asked.append(self) or tensors(self))
    y = td.grad(lambda v: v * past)(x)
    assert len(asked) < 10
    y.backward()
    assert x.grad == 1


@given(st.floats(-3, 3))
def test_hessian_vector_products_are_symmetric(angle):
    """u^T H v = v^T H u for the Hessian of any smooth f."""
    u = np.array([np.cos(angle), np.sin(angle), 1.0])
    v = np.array([1.0, np.cos(3 * angle), -1.0])

    def f(x):
        return td.logsumexp(x * td.sin(x)) + cube(td.silu(x))

    def hessian_times(v):
        return td.grad(lambda x: (td.grad(f)(x) * v).sum())(td.Tensor(X)).data

    assert u @ hessian_times(v) == pytest.approx(v @ hessian_times(u), rel=1e-10)

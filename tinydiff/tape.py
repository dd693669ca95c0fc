"""The tape and its walk: reverse-mode differentiation.

The chain rule, applied once at every operation from the loss L down to the leaves:

    dL/dx = sum over the operations f that used x of (df/dx)^T dL/df

`Tensor.backward` is lent from here; `functional.py` has its functional forms, `grad` and `vjp`.
"""

from heapq import heappop, heappush

import numpy as np

from .backend import SCALARS, check_devices, is_array, xp_of
from .backend.errors import GraphError
from .debug import Hooks
from .tensor import Function, Tensor, current_mode, enable_grad, wrap


def backward(self, g=None, create_graph=False):
    """Add dL/dx to `.grad` of every leaf x, where L = sum(g * self).

    g: array like self; it may be omitted only for a tensor of one element (g = 1). With
    create_graph the gradients are Tensors with a tape of their own, so that they can be
    differentiated again; without, the tape is freed and a second `backward` is an error.
    Raises GraphError: no tape, a freed tape, not a scalar, an array changed in place.
    """
    if not self.requires_grad:
        raise GraphError(
            "backward() on a tensor without a tape: no input of it requires a gradient, "
            "or it was computed under no_grad()"
        )
    for x, gx in _walk(self, seed(self, g, create_graph), create_graph):
        if x.creator is None:
            x.accumulate(gx)


def seed(y, g, create_graph):
    """The gradient that a walk from y starts with: an array, or a Tensor if it is recorded."""
    if g is None and y.data.size != 1:
        raise GraphError(
            f"backward() of a tensor of shape {y.shape} needs g, the gradient of the loss with "
            "respect to it; only a tensor of one element has the obvious g = 1"
        )
    g = 1 if g is None else g
    if isinstance(g, (np.generic, *SCALARS)):
        g = xp_of(y.data).full(y.shape, g, dtype=y.dtype)
    data = g.data if isinstance(g, Tensor) else g
    if not is_array(data):
        raise TypeError(f"g must be an array, a Tensor or a number, got {type(g).__name__}")
    if data.shape != y.shape:
        raise GraphError(f"g has shape {data.shape}, the tensor has {y.shape}; they must be equal")
    check_devices((y.data, data))
    if not create_graph:
        return data.astype(y.dtype, copy=False)
    return (g if isinstance(g, Tensor) else wrap(g, False)).astype(y.dtype)


def order(y, oldest=0):
    """The tensors behind y that were made since number `oldest`, latest first; y is the first.

    A tensor is younger than everything it was computed from: this is a topological order.
    """
    found, ready = {y.number: y}, [y]
    while ready:
        t = ready.pop()
        for x in t.creator.tensors() if t.creator is not None else ():
            if x.number >= oldest and x.number not in found:
                found[x.number] = x
                ready.append(x)
    return [found[number] for number in sorted(found, reverse=True)]


def _walk(y, g, create_graph, wrt=None):
    """Walk the tape from y, whose gradient is g: yields each tensor with its complete gradient,
    then goes on through its creator.

    With `wrt` (a list of tensors) it takes only paths that lead to one of them. Else, without
    create_graph, the tape is freed on the way.
    """
    walk = _steps(y, g, create_graph, wrt and _leading_to(wrt, y))
    watch = current_mode().watch or (Hooks() if Tensor.any_hooks else None)
    return walk if watch is None else watch.over(walk)


def _steps(y, g, create_graph, wanted):
    """The walk itself: iterative, always on from the youngest tensor that a gradient has reached.

    Why the order matters: a = 1; b = a + a; c = b + b. Walking c -> b -> a -> b -> a, depth first,
    would push b's first half-gradient down to a, then push the whole down again. Everything
    computed from b is younger than b: when b is the youngest left, its gradient is complete.
    """
    grads, ready = {y.number: g}, [(-y.number, y)]
    while ready:
        _, t = heappop(ready)
        g = grads.pop(t.number)
        if isinstance(g, np.generic):  # NumPy turns 0-d results into scalars
            g = np.asarray(g)
        yield t, g
        f = t.creator
        if f is None:
            continue
        if f.inputs is None or f.versions:
            f.check_tape()
        if wanted is not None:
            f = _copy(f, needs=[n and x.number in wanted for x, n in zip(f.inputs, f.needs)])
        results = _recorded(f, t, g) if create_graph else f.backward(g)
        if len(results) != len(f.inputs):
            raise GraphError(
                f"{type(f).__name__}.backward returned {len(results)} gradients for "
                f"{len(f.inputs)} inputs; it must return a tuple, one for each"
            )
        for x, gx, need in zip(f.inputs, results, f.needs):
            if not need:
                continue
            if gx is None or gx.shape != x.data.shape or gx.dtype != x.data.dtype:
                raise GraphError(_mismatch(f, x, gx))
            if x.number in grads:
                grads[x.number] = grads[x.number] + gx
            else:
                grads[x.number] = gx
                heappush(ready, (-x.number, x))
        if wanted is None and not create_graph:
            f.free()


def _mismatch(f, x, gx):
    found = "None" if gx is None else f"{gx.dtype} of shape {gx.shape}"
    return (
        f"{type(f).__name__}.backward returned {found} as the gradient of an input that is "
        f"{x.dtype} of shape {x.shape}; they must be alike"
    )


def _leading_to(targets, y):
    """Numbers of the tensors behind y, y included, from which one of `targets` can be reached."""
    wanted = {x.number for x in targets}
    for t in reversed(order(y, min(wanted))):
        if t.creator is not None and any(x.number in wanted for x in t.creator.tensors()):
            wanted.add(t.number)
    return wanted


def _copy(f, **change):
    """The same operation as another object, with some attributes changed."""
    copy = object.__new__(type(f))
    copy.__dict__.update(f.__dict__, **change)
    return copy


def _recorded(f, y, g):
    """f.backward(g) with a tape of its own: saved arrays become the Tensors that they came from."""
    bound = _bound(f, y)
    with enable_grad():
        if bound is not None:
            return bound.backward(g)
        if f.composed is None:
            raise GraphError(
                f"{type(f).__name__} has no second derivative here: it saves what is neither an "
                "input nor the output, and names no composed form"
            )
        xs = [Alias()(x) if need else x for x, need in zip(f.inputs, f.needs)]
        return gradients(f.composed(*xs, **f.hyper), xs, f.needs, g, create_graph=True)


def _bound(f, y):
    """f with Tensors in the place of its saved arrays; None if one is neither input nor output."""
    out, arrays = y.data, [x.data if isinstance(x, Tensor) else x for x in f.inputs]
    if len(set(map(id, arrays))) < len(set(map(id, f.inputs))):
        # two inputs share an array, as x and x.detach(): run again on views that can be told apart
        f, arrays = _copy(f), [a[...] if is_array(a) else a for a in arrays]
        out = f.forward(*arrays, **f.hyper)
    bound = {}
    for name, value in f.saved.items():
        owners = [x for a, x in zip((out, *arrays), (y, *f.inputs)) if a is value]
        if not owners and value is not None and type(value) not in SCALARS:
            return None
        bound[name] = owners[0] if owners else value
    return _copy(f, **bound)


def gradients(y, inputs, needs, g, create_graph):
    """The gradient of each needed input of y, None for the others; no `.grad` is touched."""
    wrt = [x for x, need in zip(inputs, needs) if need]
    found = {x.number: xp_of(x.data).zeros(x.shape, dtype=x.dtype) for x in wrt}
    if create_graph:
        found = {number: wrap(zero, False) for number, zero in found.items()}
    if y.requires_grad and wrt:
        walk = _walk(y, g, create_graph, wrt)
        found.update((x.number, gx) for x, gx in walk if x.number in found)
    return tuple(found[x.number] if need else None for x, need in zip(inputs, needs))


class Alias(Function):
    """y = x

    The same array as a new node of the tape, so that a derivative with respect to y does not see
    other uses of x.
    dL/dx = g
    """

    def forward(self, x):
        return x[...]

    def backward(self, g):
        return (g,)


Tensor.backward = backward

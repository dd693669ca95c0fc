"""The tape and its walk: reverse-mode differentiation.

The chain rule, applied once at every operation from the loss L down to the leaves:

    dL/dx = sum over the operations f that used x of (df/dx)^T dL/df

`Tensor.backward` is lent from here; `grad`, `value_and_grad` and `vjp` are its functional forms.
"""

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
    for leaf, gx in _walk(self, _seed(self, g), create_graph):
        leaf.accumulate(gx)


def _seed(y, g):
    """The gradient that a walk from y starts with."""
    if g is None:
        if y.data.size != 1:
            raise GraphError(
                f"backward() of a tensor of shape {y.shape} needs g, the gradient of the loss with "
                "respect to it; only a tensor of one element has the obvious g = 1"
            )
        return xp_of(y.data).ones(y.shape, dtype=y.dtype)
    data = g.data if isinstance(g, Tensor) else g
    if isinstance(data, SCALARS):
        data = g = xp_of(y.data).full(y.shape, data, dtype=y.dtype)
    if data.shape != y.shape:
        raise GraphError(f"g has shape {data.shape}, the tensor has {y.shape}; they must be equal")
    check_devices((y.data, data))
    return g if data.dtype == y.dtype else g.astype(y.dtype)


def order(y, stop=()):
    """The tensors behind y, each after everything computed from it (a topological order).

    Why the order matters: a = 1; b = a + a; c = b + b. Walking c -> b -> a -> b -> a, depth first,
    would push b's first half-gradient down to a, then push the whole down again. Here a tensor waits
    until all its uses have been counted off, so its gradient is complete when it is reached.

    `stop`: ids of tensors that the walk does not look behind. Iterative, linear in the tape's length.
    """
    uses, seen = {id(y): 0}, [y]
    for t in seen:  # grows while it is walked
        if t.creator is not None and id(t) not in stop:
            for x in t.creator.tensors():
                if id(x) not in uses:
                    uses[id(x)] = 0
                    seen.append(x)
                uses[id(x)] += 1
    ordered = [y]
    for t in ordered:
        if t.creator is not None and id(t) not in stop:
            for x in t.creator.tensors():
                uses[id(x)] -= 1
                if not uses[id(x)]:
                    ordered.append(x)
    return ordered


def _walk(y, g, create_graph, wrt=None):
    """Walk the tape from y, whose gradient is g; yields (leaf, gradient) as the leaves are met.

    With `wrt` (a list of tensors) the walk ends at them, takes only paths that lead to one of them,
    and yields their gradients. Else, without create_graph, the tape is freed on the way.
    """
    stop = {} if wrt is None else {id(x) for x in wrt}
    tensors = order(y, stop)
    watch = current_mode().watch
    if watch is None and Tensor.any_hooks and any(t.hooks for t in tensors):
        watch = Hooks()
    wanted = None if wrt is None else _leading_to(stop, tensors)
    keep = create_graph or wrt is not None
    grads = {id(y): g}
    tensors.reverse()
    while tensors:
        t = tensors.pop()  # popped, so that an intermediate result is freed once it has been passed
        g = grads.pop(id(t), None)
        if g is None:
            continue
        if watch is not None:
            watch.gradient(t, g)
        f = t.creator
        if f is None or id(t) in stop:
            yield t, g
            continue
        if wanted is not None:
            f.needs = tuple([need and id(x) in wanted for x, need in zip(f.inputs, f.needs)])
        f.check_unchanged()
        if watch is not None:
            watch.backward(f)
        results = _backward_recorded(f, t, g) if create_graph else f.backward(g)
        for x, gx, need in zip(f.inputs, results, f.needs, strict=True):
            if need:
                if gx is None or gx.shape != x.data.shape:
                    raise GraphError(
                        f"{type(f).__name__}.backward returned a gradient of shape "
                        f"{None if gx is None else gx.shape} for an input of shape {x.shape}"
                    )
                before = grads.get(id(x))
                grads[id(x)] = gx if before is None else before + gx
        if wanted is not None:
            f.needs = tuple([isinstance(x, Tensor) and x.requires_grad for x in f.inputs])
        if not keep:
            f.free()


def _leading_to(targets, tensors):
    """Ids of those among `tensors` (in order) from which one of `targets` can be reached."""
    wanted = set()
    for t in reversed(tensors):
        if id(t) in targets or (
            t.creator is not None and any(id(x) in wanted for x in t.creator.tensors())
        ):
            wanted.add(id(t))
    return wanted


def _backward_recorded(f, y, g):
    """f.backward(g) with a tape of its own: saved arrays become the Tensors that they came from."""
    bound = {}
    for name, value in f.saved.items():
        source = [x for x in (y, *f.inputs) if isinstance(x, Tensor) and x.data is value]
        constant = any(x is value for x in f.inputs)
        if source:
            bound[name] = source[0]
        elif is_array(value) and not constant:
            return _through_composed(f, g)
    f.__dict__.update(bound)
    try:
        with enable_grad():
            return f.backward(g if isinstance(g, Tensor) else wrap(g, False))
    finally:
        f.__dict__.update(f.saved)


def _through_composed(f, g):
    """The recorded gradient of f by way of its composed twin."""
    if f.composed is None:
        raise GraphError(f"{type(f).__name__} has no second derivative here: it names no composed form")
    with enable_grad():
        y = f.composed(*f.inputs, **f.hyper)
        return _gradients(y, f.inputs, f.needs, g, create_graph=True)


def _gradients(y, inputs, needs, g, create_graph):
    """The gradient of each needed input of y, None for the others; no `.grad` is touched."""
    wrt = [x for x, need in zip(inputs, needs) if need]
    found = {id(x): gx for x, gx in _walk(y, g, create_graph, wrt)} if y.requires_grad else {}
    zeros = {id(x): xp_of(x.data).zeros(x.shape, dtype=x.dtype) for x in wrt if id(x) not in found}
    zeros = {k: wrap(v, False) if create_graph else v for k, v in zeros.items()}
    return tuple((found | zeros)[id(x)] if need else None for x, need in zip(inputs, needs))


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


def vjp(f, *args):
    """y = f(*args) and the function g -> (dy/darg)^T g for all args (None: g = 1, y scalar).

    args: arrays or Tensors. Gradients are bare arrays if all args are arrays; with a Tensor among
    them they are Tensors, recorded while recording is on, so that vjp nests.
    """
    tensors = any(isinstance(a, Tensor) for a in args)
    with enable_grad():
        xs = [Alias()(a) if isinstance(a, Tensor) and a.requires_grad else Tensor(a, True) for a in args]
        y = f(*xs)
    if not isinstance(y, Tensor):
        raise GraphError(f"f returned {type(y).__name__}; a Tensor computed from its arguments is needed")

    def pull(g=None):
        create_graph = tensors and current_mode().record
        grads = _gradients(y, xs, [True] * len(xs), _seed(y, g), create_graph)
        return tuple(wrap(gx, False) if tensors and not isinstance(gx, Tensor) else gx for gx in grads)

    return y, pull


def value_and_grad(f, argnums=0):
    """The function args -> (f(args), df/darg), for a scalar f; see `grad`."""
    many = isinstance(argnums, (tuple, list))
    picked = tuple(argnums) if many else (argnums,)

    def value_and_derivative(*args):
        if max(picked) >= len(args) or min(picked) < 0:
            raise ValueError(f"argnums {argnums} does not fit a call with {len(args)} argument(s)")

        def of_picked(*chosen):
            full = list(args)
            for i, x in zip(picked, chosen):
                full[i] = x
            return f(*full)

        y, pull = vjp(of_picked, *(args[i] for i in picked))
        grads = pull()
        bare = not any(isinstance(args[i], Tensor) for i in picked)
        return (y.data if bare else y), (grads if many else grads[0])

    return value_and_derivative


def grad(f, argnums=0):
    """The derivative of a scalar function: grad(f)(x) = df/dx. It nests: grad(grad(f)).

    argnums: which argument, or a tuple of them (then a tuple of gradients comes back). Called on
    arrays it returns arrays; on Tensors, Tensors with a tape of their own. No `.grad` is touched.
    Raises GraphError when f does not return a Tensor of one element.
    """
    both = value_and_grad(f, argnums)
    return lambda *args: both(*args)[1]


Tensor.backward = backward

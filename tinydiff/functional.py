"""The walk in functional form: grad, value_and_grad and vjp take functions and touch no `.grad`.

Each calls the function on fresh nodes, so that its derivative sees no other use of the arguments;
on Tensors the gradients are recorded too, and the forms nest.
"""

from .backend.errors import GraphError
from .tape import Alias, gradients, seed
from .tensor import Tensor, current_mode, enable_grad, wrap


def vjp(f, *args):
    """y = f(*args) and the function g -> (dy/darg)^T g for all args (None: g = 1, y scalar).

    args: arrays or Tensors. Gradients are bare arrays if all args are arrays; with a Tensor among
    them they are Tensors, recorded while recording is on, so that vjp nests.
    """
    tensors = any(isinstance(a, Tensor) for a in args)
    with enable_grad():
        xs = [Alias()(a) if getattr(a, "requires_grad", False) else Tensor(a, True) for a in args]
        y = f(*xs)
    if not isinstance(y, Tensor):
        raise GraphError(f"f returned {type(y).__name__}, not a Tensor computed from its arguments")

    def pull(g=None):
        create_graph = tensors and current_mode().record
        grads = gradients(y, xs, [True] * len(xs), seed(y, g, create_graph), create_graph)
        if create_graph or not tensors:
            return grads
        return tuple(wrap(gx, False) for gx in grads)

    return y, pull


def value_and_grad(f, argnums=0):
    """The function args -> (f(args), df/darg), for a scalar f; see `grad`."""
    many = isinstance(argnums, (tuple, list))
    picked = tuple(argnums) if many else (argnums,)

    def value_and_derivative(*args):
        if max(picked) >= len(args) or min(picked) < 0 or len(set(picked)) < len(picked):
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

"""The gradient checker: what backward says against what differences measure."""

import functools
import operator

import numpy as np

from .backend import device_of, is_array, to_device, to_host
from .backend.errors import GradcheckError, GraphError
from .functional import vjp
from .tensor import Tensor, no_grad


def gradcheck(f, *arrays, order=1, rng=None, step=6e-6, rtol=1e-6, atol=1e-8):
    """Check the gradient of f(*arrays) with respect to every element of every argument.

    f takes Tensors and returns one Tensor of any shape. With a random covector v the number
    L(x) = <v, f(x)> has one derivative per element of x, which is measured by

        (L(x + h) - L(x - h)) / 2h,        h = step max(1, |x|)

    in float64. The truncation error falls with h^2 and the rounding error grows with 1/h: h near
    eps^(1/3) = 6e-6 balances them, at about 1e-10. v is random, never ones: softmax outputs sum to
    1, so under ones *any* multiple of its gradient looks right.

    order=2 then checks in the same way the gradient of <u, dL/dx>, with respect to x and v. Points
    where f has a kink should be avoided, or tested knowing that the difference sees the mean slope.
    arrays: float64, on any device. Raises GradcheckError with the argument, the index, the analytic
    and the numeric value; TypeError or ValueError for arguments that cannot be checked.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    if order not in (1, 2):
        raise ValueError(f"gradcheck() knows order 1 and 2, got {order!r}")
    for k, a in enumerate(arrays):
        if getattr(a, "dtype", None) != np.float64 or not is_array(a):
            raise TypeError(f"gradcheck() needs float64 arrays, argument {k} is not one")
    before = [to_host(a).copy() for a in arrays]
    try:
        y, pull = vjp(f, *arrays)
        v = to_device(rng.standard_normal(y.shape), y.device)
        analytic = [to_host(g) for g in pull(v)]
    except GraphError as error:
        raise GradcheckError(f"the gradient cannot be computed: {error}") from error
    if y.dtype != np.float64:
        raise GradcheckError(f"f of float64 arrays is {y.dtype}")
    for k, a in enumerate(arrays):
        if not np.array_equal(to_host(a), before[k], equal_nan=True):
            raise GradcheckError(f"argument {k} was written into")
    for k in range(len(arrays)):
        numeric = _differences(f, before, k, to_host(v), y.device, step)
        _compare(k, analytic[k], numeric, rtol, atol)
    if order == 2:
        try:
            _check_second_order(f, arrays, v, rng=rng, step=step, rtol=rtol, atol=atol)
        except GradcheckError as error:
            raise GradcheckError(f"second order, v as the last argument: {error}") from error


def _check_second_order(f, arrays, v, **options):
    """gradcheck of (x, v) -> sum_k <u_k, dL/dx_k>."""
    rng = options["rng"]
    us = [to_device(rng.standard_normal(a.shape), device_of(a)) for a in arrays]

    def directional(*args):
        *xs, w = args
        _, pull = vjp(f, *xs)
        products = [(u * g).sum() for u, g in zip(us, pull(w))]
        return functools.reduce(operator.add, products)

    gradcheck(directional, *arrays, v, **options)


def _differences(f, hosts, k, v, device, step):
    """dL/dx for every element of argument k, by central differences."""

    def value(x):
        args = [to_device(x if i == k else a, device) for i, a in enumerate(hosts)]
        with no_grad():
            return to_host(f(*(Tensor(a) for a in args)).data)

    numeric = np.empty_like(hosts[k])
    for index in np.ndindex(hosts[k].shape):
        up, down = hosts[k].copy(), hosts[k].copy()
        h = step * max(1.0, abs(up[index]))
        up[index] += h
        down[index] -= h
        # differences of elements first: their sum would lose the small ones to rounding
        numeric[index] = np.sum(v * (value(up) - value(down))) / (up[index] - down[index])
    return numeric


def _compare(k, analytic, numeric, rtol, atol):
    error = np.abs(analytic - numeric)
    allowed = atol + rtol * np.maximum(np.abs(analytic), np.abs(numeric))
    wrong = ~(error <= allowed)  # also where either is NaN
    if wrong.any():
        excess = np.where(wrong, np.where(np.isnan(error), np.inf, error), -1)
        worst = np.unravel_index(np.argmax(excess), error.shape)
        index = tuple(int(i) for i in worst)
        raise GradcheckError(
            f"argument {k}, index {index}: analytic {analytic[worst]:.12g}, numeric "
            f"{numeric[worst]:.12g} ({int(wrong.sum())} of {wrong.size} elements differ)"
        )

"""Optimisers, averages of weights and clipping of gradients, over one flat buffer."""

from contextlib import contextmanager

import numpy as np

from .backend import device_of, in_pieces, to_device, to_host, xp_of
from .parameter import flatten
from .rates import ReduceOnPlateau, constant, cosine  # noqa: F401 (td.optim.cosine, ...)


class _OverFlat:
    """State beside the flat buffer of some parameters: it follows them, and can be saved."""

    arrays = ()  # names of the state arrays, each like the flat buffer
    numbers = ()  # names of the state numbers

    def __init__(self, params):
        self.flat = flatten(params)

    def _follow(self):
        """Keep up with parameters that have moved to another device, dtype or buffer."""
        if not self.flat.current:
            self.flat = flatten(self.flat.parameters)
            for name in self.arrays:
                setattr(self, name, self._fitting(getattr(self, name)))

    def _fitting(self, a):
        """The array `a` on the device and in the dtype of the parameters."""
        return to_device(a, device_of(self.flat.data)).astype(self.flat.data.dtype, copy=False)

    def state_dict(self):
        """{name: NumPy array} of copies of all state."""
        numbers = {name: np.asarray(getattr(self, name)) for name in self.numbers}
        return numbers | {name: to_host(getattr(self, name)).copy() for name in self.arrays}

    def load_state_dict(self, d):
        """Restore a `state_dict`. Raises ValueError, and changes nothing, if it does not fit."""
        self._follow()
        mine = {k: v.shape for k, v in self.state_dict().items()}
        given = {k: np.shape(v) for k, v in d.items()}
        if given != mine:
            raise ValueError(f"{type(self).__name__} needs a state of shapes {mine}, got {given}")
        for name in self.arrays:
            getattr(self, name)[...] = self._fitting(np.asarray(d[name]))
        for name in self.numbers:
            setattr(self, name, np.asarray(d[name]).item())


class Optimizer(_OverFlat):
    """Moves parameters against their gradients. params: a Module or a list of Parameters.

    `.lr` may be changed at any time. `state_dict()` holds all that `load_state_dict` needs for the
    training to go on as if it had not stopped.
    """

    numbers = ("steps", "lr")

    def __init__(self, params, lr):
        if not lr >= 0:
            raise ValueError(f"{type(self).__name__} needs a learning rate lr >= 0, got {lr}")
        super().__init__(params)
        self.lr, self.steps = lr, 0
        for name in self.arrays:
            setattr(self, name, xp_of(self.flat.data).zeros_like(self.flat.data))

    def zero_grad(self):
        """Forget all gradients."""
        self._follow()
        self.flat.grad[...] = 0
        for p in self.flat.parameters:
            p.reached = False

    def step(self):
        """One update of all parameters; one that no `backward` has reached has gradient 0."""
        self._follow()
        self.steps += 1
        self.update(self.flat.data, self.flat.grad)
        self.flat.changed()

    def update(self, theta, g):
        """Write the new parameters into theta."""
        raise TypeError(f"{type(self).__name__} defines no update")


class SGD(Optimizer):
    """v <- momentum v + g,  theta <- theta - lr v         (Polyak 1964: the heavy ball)

    nesterov: theta <- theta - lr (g + momentum v), the gradient looked up one step ahead.
    """

    arrays = ("v",)

    def __init__(self, params, lr, momentum=0, nesterov=False):
        if not 0 <= momentum < 1:
            raise ValueError(f"SGD needs a momentum in [0, 1), got {momentum}")
        if nesterov and not momentum:
            raise ValueError("SGD with nesterov=True needs a momentum > 0")
        super().__init__(params, lr)
        self.momentum, self.nesterov = momentum, nesterov

    def update(self, theta, g):
        self.v *= self.momentum
        self.v += g
        theta -= self.lr * (g + self.momentum * self.v if self.nesterov else self.v)


class Adam(Optimizer):
    """m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2         (Kingma & Ba 2015, algorithm 1)

    theta <- theta - lr (m / c1) / (sqrt(v / c2) + eps),  c_i = 1 - b_i^t: m and v start at 0, and
    the c_i undo that bias. Each step is about lr or less in every coordinate, whatever g's scale.
    """

    arrays = ("m", "v")
    weight_decay = 0.0

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        if not all(0 <= b < 1 for b in betas):
            raise ValueError(f"Adam needs betas in [0, 1), got {betas}")
        if not eps > 0:
            raise ValueError(f"Adam needs eps > 0, or a gradient of 0 gives 0 / 0, got {eps}")
        super().__init__(params, lr)
        self.betas, self.eps = betas, eps

    def update(self, theta, g):
        decay = 1 - self.lr * self.weight_decay
        _adam(theta, g, self.m, self.v, self.lr, *self.betas, self.steps, self.eps, decay)


@in_pieces
def _adam(theta, g, m, v, lr, b1, b2, steps, eps, decay):
    m *= b1
    m += (1 - b1) * g
    v *= b2
    v += (1 - b2) * (g * g)
    c1, c2 = 1 - b1**steps, 1 - b2**steps
    if decay != 1:
        theta *= decay
    theta -= (lr / c1) * (m / (xp_of(v).sqrt(v) * c2**-0.5 + eps))


class AdamW(Adam):
    """Adam, after theta <- (1 - lr weight_decay) theta         (Loshchilov & Hutter 2019)

    The decay bypasses m and v, so that it is the same for parameters of large and small gradients.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        if not weight_decay >= 0:
            raise ValueError(f"AdamW needs weight_decay >= 0, got {weight_decay}")
        super().__init__(params, lr, betas, eps)
        self.weight_decay = weight_decay


class EMA(_OverFlat):
    """An exponential moving average of the parameters: avg <- d avg + (1 - d) theta.

    The average starts at the first parameters. While it is young it forgets faster,
    d = min(decay, (1 + n) / (10 + n)) after n updates, or the start would linger.
    """

    arrays, numbers = ("average",), ("updates",)

    def __init__(self, params, decay):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA needs a decay in [0, 1), got {decay}")
        super().__init__(params)
        self.decay, self.updates = decay, 0
        self.average = self.flat.data.copy()

    def update(self):
        """Move the average towards the parameters."""
        self._follow()
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        _approach(self.average, self.flat.data, 1 - d)
        self.updates += 1

    @contextmanager
    def applied(self):
        """A context in which the parameters are the average."""
        self._follow()
        own = self.flat.data.copy()
        self._put(self.average)
        try:
            yield
        finally:
            self._put(own)

    def _put(self, values):
        self._follow()
        self.flat.data[...] = self._fitting(values)
        self.flat.changed()


@in_pieces
def _approach(average, theta, share):
    average += share * (theta - average)


def clip_grad_norm(params, max_norm):
    """Scale all gradients so that their joint Euclidean norm is at most max_norm.

    Returns the norm before, as a 0-d array or scalar where the parameters are (reading it would
    wait for a device). max_norm = inf only measures.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm() needs max_norm > 0, got {max_norm}")
    grad = flatten(params).grad
    xp = xp_of(grad)
    norm = xp.sqrt(xp.matmul(grad, grad))
    grad /= xp.maximum(norm / max_norm, 1.0)
    return norm

"""Optimisers, averages of weights, clipping and learning-rate schedules, over one flat buffer."""

import math
from contextlib import contextmanager

import numpy as np

from .backend import device_of, to_device, to_host, xp_of
from .nn.module import flatten


class Optimizer:
    """Moves parameters against their gradients. params: a Module or a list of Parameters.

    `.lr` may be changed at any time. `state_dict()` holds NumPy copies of all state, and
    `load_state_dict` restores it, so that training goes on as if it had not stopped.
    """

    slots = ()  # names of the state arrays, each like the flat buffer

    def __init__(self, params, lr):
        self.flat = flatten(params)
        self.lr = lr
        self.steps = 0
        for name in self.slots:
            setattr(self, name, xp_of(self.flat.data).zeros_like(self.flat.data))

    def zero_grad(self):
        """Forget all gradients."""
        self._follow()
        self.flat.grad[...] = 0
        for p in self.flat.parameters:
            p.reached = False

    def step(self):
        """One update of all parameters from their gradients; a parameter without one has gradient 0."""
        self._follow()
        self.steps += 1
        self.update(self.flat.data, self.flat.grad)
        self.flat.changed()

    def update(self, theta, g):
        """Write the new parameters into theta."""
        raise TypeError(f"{type(self).__name__} defines no update")

    def _follow(self):
        """Keep up with parameters that have moved to another device or into a larger buffer."""
        if not self.flat.current:
            self.flat = flatten(self.flat.parameters)
            for name in self.slots:
                setattr(self, name, to_device(getattr(self, name), device_of(self.flat.data)))

    def state_dict(self):
        return {"steps": np.asarray(self.steps), "lr": np.asarray(float(self.lr))} | {
            name: to_host(getattr(self, name)).copy() for name in self.slots
        }

    def load_state_dict(self, d):
        for name in self.slots:
            if np.shape(d.get(name)) != self.flat.data.shape:
                raise ValueError(
                    f"optimiser state {name!r} has shape {np.shape(d.get(name))}, "
                    f"the parameters need {self.flat.data.shape}"
                )
        for name in self.slots:
            getattr(self, name)[...] = to_device(
                np.asarray(d[name], dtype=self.flat.data.dtype), device_of(self.flat.data)
            )
        self.steps, self.lr = int(d["steps"]), float(d["lr"])


class SGD(Optimizer):
    """v <- momentum v + g,  theta <- theta - lr v         (Polyak 1964: the heavy ball)

    nesterov: theta <- theta - lr (g + momentum v), the gradient looked up one step ahead.
    """

    slots = ("v",)

    def __init__(self, params, lr, momentum=0, nesterov=False):
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

    theta <- theta - lr (m / c1) / (sqrt(v / c2) + eps),  c_i = 1 - b_i^t: m and v start at 0, and the
    c_i undo that bias. Each step is at most about lr in every coordinate, whatever the scale of g.
    """

    slots = ("m", "v")
    weight_decay = 0.0

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        if not all(0 <= b < 1 for b in betas):
            raise ValueError(f"Adam needs betas in [0, 1), got {betas}")
        super().__init__(params, lr)
        self.betas, self.eps = betas, eps

    def update(self, theta, g):
        xp = xp_of(theta)
        b1, b2 = self.betas
        self.m += (1 - b1) * (g - self.m)
        self.v += (1 - b2) * (g * g - self.v)
        c1, c2 = 1 - b1**self.steps, 1 - b2**self.steps
        step = self.m / (xp.sqrt(self.v) * c2**-0.5 + self.eps)
        if self.weight_decay:
            theta *= 1 - self.lr * self.weight_decay
        theta -= (self.lr / c1) * step


class AdamW(Adam):
    """Adam, after theta <- (1 - lr weight_decay) theta         (Loshchilov & Hutter 2019)

    The decay bypasses m and v, so that it is the same for parameters of large and small gradients.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps)
        self.weight_decay = weight_decay


class EMA:
    """An exponential moving average of the parameters: avg <- d avg + (1 - d) theta.

    The average starts at the first parameters. While it is young it forgets faster,
    d = min(decay, (1 + n) / (10 + n)) after n updates, or the start would linger.
    """

    def __init__(self, params, decay):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA needs a decay in [0, 1), got {decay}")
        self.flat, self.decay, self.updates = flatten(params), decay, 0
        self.average = self.flat.data.copy()

    def _follow(self):
        if not self.flat.current:
            self.flat = flatten(self.flat.parameters)
            self.average = to_device(self.average, device_of(self.flat.data))

    def update(self):
        """Move the average towards the parameters."""
        self._follow()
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.average += (1 - d) * (self.flat.data - self.average)
        self.updates += 1

    @contextmanager
    def applied(self):
        """A context in which the parameters are the average."""
        self._follow()
        flat, own = self.flat, self.flat.data.copy()
        flat.data[...] = self.average
        flat.changed()
        try:
            yield
        finally:
            flat.data[...] = own
            flat.changed()

    def state_dict(self):
        return {"average": to_host(self.average).copy(), "updates": np.asarray(self.updates)}

    def load_state_dict(self, d):
        if np.shape(d["average"]) != self.average.shape:
            raise ValueError(
                f"EMA state has shape {np.shape(d['average'])}, expected {self.average.shape}"
            )
        self.average[...] = to_device(
            np.asarray(d["average"], dtype=self.average.dtype), device_of(self.average)
        )
        self.updates = int(d["updates"])


def clip_grad_norm(params, max_norm):
    """Scale all gradients so that their joint Euclidean norm is at most max_norm.

    Returns the norm before, as a 0-d array where the parameters are (reading it would wait for a
    device).
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm() needs max_norm > 0, got {max_norm}")
    flat = flatten(params)
    xp = xp_of(flat.grad)
    norm = xp.sqrt((flat.grad * flat.grad).sum())
    flat.grad *= xp.minimum(max_norm / (norm + 1e-12), 1.0).astype(flat.grad.dtype)
    return norm


def constant(lr):
    """The schedule step -> lr."""
    return lambda step: lr


def cosine(lr, steps, warmup=0):
    """The schedule that rises linearly to lr over `warmup` steps, then falls to 0 along a cosine."""
    if not 0 <= warmup < steps:
        raise ValueError(f"cosine() needs 0 <= warmup < steps, got warmup={warmup}, steps={steps}")

    def schedule(step):
        if step < warmup:
            return lr * (step + 1) / warmup
        done = min((step - warmup) / (steps - warmup), 1.0)
        return lr * 0.5 * (1 + math.cos(math.pi * done))

    return schedule


class ReduceOnPlateau:
    """Multiply optimizer.lr by `factor` after `patience` calls in a row without a smaller loss."""

    def __init__(self, optimizer, factor, patience):
        if not 0 < factor < 1 or patience < 1:
            raise ValueError(f"needs 0 < factor < 1 and patience >= 1, got {factor} and {patience}")
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
        self.best, self.waited = math.inf, 0

    def step(self, loss):
        """Take note of a loss (a number)."""
        if loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.optimizer.lr *= self.factor
            self.waited = 0

    def state_dict(self):
        return {"best": np.asarray(self.best), "waited": np.asarray(self.waited)}

    def load_state_dict(self, d):
        self.best, self.waited = float(d["best"]), int(d["waited"])

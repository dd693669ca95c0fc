"""Optimisers and clipping of gradients, over one flat buffer."""

from .averages import EMA  # noqa: F401 (td.optim.EMA)
from .backend import in_pieces, xp_of
from .parameter import OverFlat, flatten
from .rates import ReduceOnPlateau, constant, cosine  # noqa: F401 (td.optim.cosine, ...)


class Optimizer(OverFlat):
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

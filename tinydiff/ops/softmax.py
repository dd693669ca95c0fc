"""Softmax and its relatives, each shifted by the maximum so that nothing overflows; the losses."""

import math

import numpy as np

from ..backend import fast_form, is_array, to_device_of, xp_of
from ..tensor import Function, Tensor
from .elementwise import exp
from .operands import binary
from .reduce import axes_of, count, kept_shape, mean
from .select import where
from .shape import shape_of


class LogSumExp(Function):
    """y = log sum_i exp(x_i)         over `axes`

    Computed as m + log sum_i exp(x_i - m) with m = max x; without any probability log 0 = -inf.
    dy/dx_i = exp(x_i) / sum_j exp(x_j) = exp(x_i - y), taken as 0 where y = -inf
    dL/dx_i = g exp(x_i - y)
    """

    def forward(self, x, axes, keepdims):
        xp = xp_of(x)
        self.kept = kept_shape(x.shape, axes)
        m = _finite_max(x, axes)
        total = xp.exp(x - m).sum(axis=axes, keepdims=True)
        positive = total != 0  # NaN stays NaN
        y = xp.where(positive, xp.log(xp.where(positive, total, 1)) + m, -math.inf).astype(x.dtype)
        y = y if keepdims else y.reshape([n for i, n in enumerate(x.shape) if i not in axes])
        self.save(x=x, y=y)
        return y

    def backward(self, g):
        return (g.reshape(self.kept) * exp(self.x - _finite(self.y).reshape(self.kept)),)


class LogAddExp(Function):
    """y = log(exp(a) + exp(b))

    dL/da = g exp(a - y), dL/db = g exp(b - y)
    """

    def forward(self, a, b):
        y = xp_of(a, b).logaddexp(a, b)
        self.save(a=a, b=b, y=y)
        return y

    def backward(self, g):
        y = _finite(self.y)
        return g * exp(self.a - y), g * exp(self.b - y)


class Softmax(Function):
    """y_i = exp(x_i) / sum_j exp(x_j)         along `axis`

    dy_i/dx_k = y_i ([i=k] - y_k)
    dL/dx_k   = sum_i g_i y_i ([i=k] - y_k)
              = y_k g_k - y_k sum_i g_i y_i
    dL/dx = y (g - sum(g y))
    """

    def forward(self, x, axis):
        self.axis = axis
        y = softmax_value(x, axis)
        self.save(y=y)
        return y

    def backward(self, g):
        return (softmax_gradient(g, self.y, self.axis),)


@fast_form
def softmax_value(x, axis):
    """exp(x) / sum(exp(x))"""
    e = xp_of(x).exp(x - _finite_max(x, axis))
    return e / e.sum(axis=axis, keepdims=True)


@fast_form
def softmax_gradient(g, y, axis):
    """y (g - sum(g y))"""
    return y * (g - (g * y).sum(axis, keepdims=True))


class LogSoftmax(Function):
    """y_i = x_i - log sum_j exp(x_j)         along `axis`

    dy_i/dx_k = [i=k] - softmax(x)_k, and softmax(x) = exp(y)
    dL/dx = g - exp(y) sum(g)
    """

    def forward(self, x, axis):
        self.axis = axis
        xp = xp_of(x)
        shifted = x - _finite_max(x, axis)
        y = shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))
        self.save(y=y)
        return y

    def backward(self, g):
        return (g - exp(self.y) * g.sum(self.axis, keepdims=True),)


class CrossEntropy(Function):
    """y = mean_n (log sum_k exp(x_nk) - x_n,label(n))         in nats

    The gradient is what softmax gets wrong: probabilities minus the one-hot labels.
    dL/dx_nk = g / N (softmax(x)_nk - [k = label(n)])
    """

    def forward(self, x, labels):
        xp = xp_of(x)
        self.save(x=x)
        classes = xp.arange(x.shape[1])
        chosen = labels.reshape(-1, 1) == classes.reshape(1, -1)
        self.one_hot = chosen.astype(x.dtype)
        shifted = x - _finite_max(x, 1)
        log_sum = xp.log(xp.exp(shifted).sum(axis=1))
        return (log_sum - xp.where(chosen, shifted, 0).sum(axis=1)).mean()  # 0 * -inf would be NaN

    def backward(self, g):
        return ((softmax(self.x, 1) - self.one_hot) * (g / self.x.shape[0]),)


def _finite(y):
    """y with 0 in place of -inf: -inf - y is -inf then, whose exp is 0, and not NaN."""
    return where(y > -math.inf, y, 0.0)


def _finite_max(x, axis):
    """max x, with 0 in place of an infinite maximum: inf - inf would be NaN."""
    xp = xp_of(x)
    m = x.max(axis=axis, keepdims=True)
    return xp.where(xp.isfinite(m), m, 0).astype(x.dtype)


def logsumexp(x, axis=None, keepdims=False):
    """log sum exp x over `axis`, without overflow; -inf where all of x is -inf."""
    axes = axes_of(x, axis)
    count("logsumexp", x, axes)
    if x.dtype.kind != "f":
        raise TypeError(f"logsumexp() needs floating-point input, got {x.dtype}; use astype")
    return LogSumExp()(x, axes=axes, keepdims=keepdims)


def softmax(x, axis=-1):
    """Probabilities proportional to exp x along `axis`. A row of -inf gives NaN: it has none."""
    return Softmax()(x, axis=_one_axis("softmax", x, axis))


def log_softmax(x, axis=-1):
    """log softmax(x), accurate where the probability underflows."""
    return LogSoftmax()(x, axis=_one_axis("log_softmax", x, axis))


def _one_axis(name, x, axis):
    axes = axes_of(x, axis)
    if len(axes) != 1 or not x.shape[axes[0]]:
        raise ValueError(f"{name}() needs one non-empty axis, got axis={axis} of shape {x.shape}")
    return axes[0]


def cross_entropy(logits, labels):
    """Mean negative log-likelihood, in nats, of integer labels (N,) under logits (N, K).

    Labels on the host are checked to lie in 0..K-1; labels on a device are trusted, since looking
    at them would make the step wait.
    """
    labels = labels.data if isinstance(labels, Tensor) else labels
    labels = labels if is_array(labels) else np.asarray(labels)
    fits = len(shape_of(logits)) == 2 and labels.shape == logits.shape[:1]
    if not fits or labels.dtype.kind not in "iu":
        raise ValueError(
            "cross_entropy() needs logits (N, K) and integer labels (N,), "
            f"got {logits.shape} and {labels.shape} of {labels.dtype}"
        )
    if 0 in logits.shape:
        raise ValueError(f"cross_entropy() of an empty batch: logits have shape {logits.shape}")
    if isinstance(labels, np.ndarray) and (labels.min() < 0 or labels.max() >= logits.shape[1]):
        raise ValueError(f"labels must lie in 0..{logits.shape[1] - 1}, one for each logit")
    labels = to_device_of(labels, logits.data if isinstance(logits, Tensor) else logits)
    return CrossEntropy()(logits, labels=labels)


def mse(a, b):
    """mean (a - b)^2, for arrays of one shape."""
    if shape_of(a) != shape_of(b):
        raise ValueError(f"mse() of shapes {a.shape} and {b.shape}: they must be equal")
    d = a - b
    return mean(d * d)


logaddexp = binary(LogAddExp)

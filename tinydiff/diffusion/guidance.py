"""Guidance: from a model and a condition y, a model of p(x | y) for any sampler.

By Bayes' rule at every noise level, grad log q(x_t | y) = grad log q(x_t) + grad log p(y | x_t).
Both functions here multiply the last term by `scale`: 0 is no condition, 1 the conditional.

Another scale is meant for p(x) p(y | x)^scale, and misses it: that density, noised, has not the
scores that are added up here, since noising and taking a power do not commute. The gap grows with
the distance of scale from 1, and no sampler closes it.

Two conventions for the strength are in use, the same for s = 1 + w (`scale_from_weight`):

    out_u + s (out_c - out_u)       here: `scale` s
    (1 + w) out_c - w out_u         Ho and Salimans 2022: a weight w
"""

import math
from numbers import Real

import numpy as np

from .. import ops
from ..backend import xp_of
from ..functional import grad
from ..tensor import Tensor
from .conversions import NAMES


def scale_from_weight(w):
    """The `scale` that is a weight w in (1 + w) out_c - w out_u."""
    return 1 + w


def classifier_free(model, y, scale):
    """The model(xt, t) that returns out_u + scale (out_c - out_u), without a classifier.

    model(xt, t, y) is trained with the condition and, with y = None, without. It may predict
    anything: at a given x_t all predictions are affine in one another, and the two weights add up
    to 1. With scale 0 or 1 it is called once, otherwise twice. Where it returns a learned variance
    in a second half of its channels, that half stays the conditional one's.
    """
    scale = _checked("classifier_free", scale)

    def guided(xt, t):
        if scale == 0:
            return model(xt, t, None)
        conditional = model(xt, t, y)
        if scale == 1:
            return conditional
        base, rest = _halves(model(xt, t, None), xt)[0], _halves(conditional, xt)
        return _joined(base + scale * (rest[0] - base), rest[1])

    return guided


def classifier(model, process, log_prob, scale, predicts="eps"):
    """The model(xt, t) whose score is the model's plus scale * grad_x log p(y | x_t).

    log_prob(x, t) is a function of a Tensor x (N, ...) that returns the Tensor log p(y | x_t = x),
    (N,), for the y wanted of each example: a classifier trained on noised data (Dhariwal and Nichol
    2021, algorithm 2). It is differentiated by the tape, within the sampler's no_grad too.
    Raises ValueError at alpha_bar_t = 0 unless the model predicts eps or score: there the others
    cannot be had from a score.
    """
    scale = _checked("classifier", scale)
    if predicts not in NAMES:
        raise ValueError(f"classifier: predicts is one of {', '.join(NAMES)}, got {predicts!r}")

    def total(x, t):
        log_p = log_prob(x, t)
        if not isinstance(log_p, Tensor) or log_p.shape != x.shape[:1]:
            raise ValueError(
                f"classifier: log_prob must return a Tensor of shape {x.shape[:1]}, log p(y | x_t) "
                f"of each example, got {getattr(log_p, 'shape', type(log_p).__name__)}"
            )
        return ops.sum(log_p)  # no example's term depends on another's x, so this is grad by row

    slope = grad(total)

    def guided(xt, t):
        # a prediction is p score + q x_t: it moves by p times what is added to the score
        xt = xt.data if isinstance(xt, Tensor) else xt
        same = np.ndim(t) and t.size and (t == t[0]).all()  # in a sampler: an int, no upload
        move = process.convert(
            scale * slope(xt, t),
            xp_of(xt).zeros_like(xt),
            int(t[0]) if same else t,
            "score",
            predicts,
        )
        prediction, variance = _halves(model(xt, t), xt)
        return _joined(prediction + move, variance)

    return guided


def _halves(out, xt):
    """The prediction and, if there are twice the channels of xt, the other half; else None."""
    channels = xt.shape[-1]
    if out.shape == xt.shape:
        return out, None
    return out[..., :channels], out[..., channels:]


def _joined(prediction, rest):
    return prediction if rest is None else ops.concatenate([prediction, rest], axis=-1)


def _checked(name, scale):
    """scale as a Python float: an np.float64 would turn float32 into float64."""
    if isinstance(scale, bool) or not (isinstance(scale, Real) and math.isfinite(scale)):
        raise ValueError(f"{name}: scale must be a finite number, got {scale!r}")
    return float(scale)

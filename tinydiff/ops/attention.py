"""Attention, embedding and dropout: composed of other operations, so without rules of their own."""

import numpy as np

from ..backend import device_of, is_array, uniform, xp_of
from ..tensor import Tensor
from .linalg import matmul
from .select import is_mask, where
from .shape import getitem, shape_of, swapaxes
from .softmax import softmax


def attention(q, k, v, mask=None, causal=False):
    """softmax(q k^T / sqrt(D)) v: each query's mean of the values, weighted by its keys.

    q: (..., L, D), k: (..., S, D), v: (..., S, E) -> (..., L, E). The weights of one query sum to 1
    over the keys. The scores of D independent unit products have variance D: hence the sqrt.
    mask: bool, broadcastable to (..., L, S); True where a query may attend. causal (L = S):
    position i attends to 0..i only. A query that may attend nowhere has no answer: ValueError
    (looked for where the mask is on the host).
    """
    ndim = min(len(shape_of(x)) for x in (q, k, v))
    if ndim < 2 or not 0 < q.shape[-1] == k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            "attention() needs q (..., L, D), k (..., S, D) and v (..., S, E), D >= 1, "
            f"got {q.shape}, {k.shape} and {v.shape}"
        )
    scores = matmul(q * q.shape[-1] ** -0.5, swapaxes(k, -1, -2))
    allowed = _causal(scores) if causal else None
    if mask is not None:
        mask = mask.data if isinstance(mask, Tensor) else mask
        if not is_mask(mask):
            raise TypeError("attention() needs a bool mask, True where a query may attend to a key")
        allowed = mask if allowed is None else xp_of(mask, allowed).logical_and(mask, allowed)
        if isinstance(allowed, np.ndarray) and not allowed.any(axis=-1).all():
            raise ValueError("attention() mask leaves a query without any key to attend to")
    if allowed is not None:
        scores = where(allowed, scores, -np.inf)
    return matmul(softmax(scores, -1), v)


def _causal(scores):
    """The bool matrix with True where key <= query."""
    data = scores.data if isinstance(scores, Tensor) else scores
    n_queries, n_keys = scores.shape[-2:]
    if n_queries != n_keys:
        raise ValueError(f"causal attention needs keys = queries, got {n_keys} and {n_queries}")
    i = xp_of(data).arange(n_queries)
    return i.reshape(-1, 1) >= i.reshape(1, -1)


def embedding(table, ids):
    """Rows of `table` (n, d) at `ids` (any shape of ints): (..., d).

    ids on the host must lie in 0..n-1 (IndexError); ids on a device are trusted.
    """
    ids = ids.data if isinstance(ids, Tensor) else ids
    ids = ids if is_array(ids) else np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"embedding() needs integer ids, got {ids.dtype}")
    n = shape_of(table)[0]
    if isinstance(ids, np.ndarray) and ids.size and not 0 <= ids.min() <= ids.max() < n:
        raise IndexError(f"embedding() ids must lie in 0..{n - 1}")
    return getitem(table, ids)


def dropout(x, p, rng):
    """x with each element set to 0 with probability p, the others divided by 1 - p.

    The mean over masks is x. rng: np.random.Generator; on a device it only seeds the mask.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout() needs a probability 0 <= p < 1, got {p}")
    if not p:
        return x
    data = x.data if isinstance(x, Tensor) else x
    kept = uniform(rng, shape_of(x), x.dtype, device_of(data)) >= p
    return x * (kept.astype(x.dtype) * (1 / (1 - float(p))))

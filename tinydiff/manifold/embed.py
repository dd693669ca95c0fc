"""t-SNE and SNE: the descent from data to a map."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import device_of, is_array, to_device, to_device_of, to_host, xp_of
from . import costs, neighbours

EXAGGERATED = 250  # steps with exaggerated p, as in scikit-learn; never more than half of all
RECORDED = 50  # the cost is recorded after every so many steps
START = 1e-4  # standard deviation of the first axis of the starting map


@dataclass(frozen=True, eq=False)
class Embedding:
    """A map and what it was made from.

    y: (N, 2) float64, centred. kl: D_KL(p || q) in nats. history: ((step, kl), ...), of every 50th
    step and the last. p: (N, N), joint, or p(j | i) for conditional SNE. sigmas, perplexity: (N,),
    width and reached perplexity of each row.
    """

    y: Any
    kl: float
    p: Any
    sigmas: Any
    perplexity: Any
    history: tuple

    def __repr__(self):
        return f"Embedding({len(self.y)} points in {self.y.shape[1]}-D, kl={self.kl:.4f})"


def tsne(X, perplexity=30, steps=1000, init=None, lr="auto", exaggeration=12, momentum=(0.5, 0.8),
         rng=None):  # fmt: skip
    """t-SNE of rows X (N, d): an Embedding in the plane.

    Gradient descent on D_KL(p || q) as in the paper and in scikit-learn's TSNE(method="exact"):
    p times `exaggeration` in the first 250 steps (half of them if there are fewer than 500), which
    gathers clusters before they spread; momentum[0] in these, momentum[1] after; and a gain of its
    own for each coordinate, that grows by 0.2 while gradients keep their direction and falls by a
    fifth where they turn. lr "auto" is max(N / exaggeration / 4, 50) (Belkina et al. 2019; their
    gradient has no factor 4).

    init: the starting map (N, 2); None for the first two principal axes, scaled to 1e-4 along the
    first; "random" for N(0, 1e-4^2), drawn from `rng` (np.random.Generator). The gradient's sums
    run in float32, all else in float64. Warns if rows cannot reach the perplexity, see
    `conditional`. Raises ValueError for NaN or infinity in X and for a perplexity outside
    1 ... N - 1.
    """
    x, p, sigmas, reached = _neighbourhoods(X, perplexity)
    p = neighbours.joint(p)
    if lr == "auto":
        lr = max(len(x) / exaggeration / 4, 50)
    y = _start(x, init, rng)
    y, history = _descend(
        costs.tsne_gradient, costs.tsne_cost, p, y, steps, lr, exaggeration, momentum
    )
    return Embedding(y, history[-1][1], p, sigmas, reached, history)


def sne(X, perplexity=30, steps=1000, init=None, lr="auto", exaggeration=12, momentum=(0.5, 0.8),
        rng=None, symmetric=True):  # fmt: skip
    """SNE of rows X (N, d): Gaussians in the map too; symmetric=False: p(j | i), row by row.

    As `tsne`, except for lr "auto". The springs 4 p_ij (y_i - y_j) do not give way with distance
    here, so the pull's derivative is up to 8 exaggeration sum_j p_ij: about 8 exaggeration / N for
    the joint p, and N times as much for the conditional p. lr is half of its inverse.
    """
    x, p, sigmas, reached = _neighbourhoods(X, perplexity)
    n = len(x)
    gradient, q_of = costs.sne_gradient, costs.gaussian_conditional
    if symmetric:
        p = neighbours.joint(p)
        gradient, q_of = costs.symmetric_sne_gradient, costs.gaussian_joint
    if lr == "auto":
        lr = (n if symmetric else 1) / exaggeration / 16
    y = _start(x, init, rng)
    cost = lambda p, y: costs.divergence(p, q_of(y))  # noqa: E731
    y, history = _descend(gradient, cost, p, y, steps, lr, exaggeration, momentum)
    return Embedding(y, history[-1][1], p, sigmas, reached, history)


def _neighbourhoods(X, target):
    """(rows in units of their largest coordinate, p(j | i), sigmas, reached perplexities)."""
    x = X if is_array(X) else np.asarray(X)
    xp = xp_of(x)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"expected rows of data (N, d), got shape {x.shape}; reshape images")
    x = x.astype(xp.float64)
    if not xp.isfinite(x).all():
        raise ValueError("the data hold NaN or infinity; leave out or fill in these rows first")
    x = x - x.mean(axis=0)
    unit = float(xp.abs(x).max()) or 1.0  # so that squares neither overflow nor vanish
    x = x / unit
    p, sigmas = neighbours.conditional(neighbours.squared_distances(x), target)
    reached = neighbours.perplexity(p)
    error = xp.abs(reached - target)
    missed = int((error > 1e-6).sum())
    if missed:
        warnings.warn(
            f"{missed} of {len(x)} rows miss the perplexity {target:g} by up to "
            f"{float(error.max()):.4g}, for they have more nearest neighbours at one and the same "
            "distance, such as duplicates; remove these, or ask for a larger perplexity",
            stacklevel=3,
        )
    return x, p, sigmas * unit, reached


def principal_axes(x):
    """Rows x (N, d) along their first two principal axes: a NumPy array (N, 2).

    Eigenvectors v of x^T x (d, d), or u of x x^T (N, N), whichever is smaller: x v = sqrt(value) u.
    The sign is such that the largest entry of v, or u, is positive. Directions in which the data do
    not extend are 0.
    """
    xp = xp_of(x)
    x = x - x.mean(axis=0)
    wide = x.shape[1] > x.shape[0]
    values, vectors = np.linalg.eigh(to_host(xp.matmul(x, x.T) if wide else xp.matmul(x.T, x)))
    values, vectors = values[:-3:-1], vectors[:, :-3:-1]  # eigh's order is ascending
    vectors = vectors * np.sign(np.take_along_axis(vectors, abs(vectors).argmax(0)[None], axis=0))
    extent = np.where(values > 1e-12 * max(values[0], 1e-300), 1.0, 0.0)
    if wide:
        y = vectors * np.sqrt(np.maximum(values, 0)) * extent
    else:
        y = to_host(xp.matmul(x, to_device_of(np.ascontiguousarray(vectors), x))) * extent
    return np.pad(y, ((0, 0), (0, 2 - y.shape[1])))


def _start(x, init, rng):
    """The starting map, where x is. On a line it would stay there: noise fills its other axis."""
    n = len(x)
    if init is None:
        y = principal_axes(x)
        y = y * (START / (y[:, 0].std() or 1.0))
        flat = y.std(axis=0) == 0
        noise = (rng or np.random.default_rng(0)).standard_normal((n, 2))
        y = np.where(flat, START * noise, y)
    elif isinstance(init, str) and init == "random":
        if not isinstance(rng, np.random.Generator):
            raise TypeError('init="random" needs rng, such as np.random.default_rng(0)')
        y = START * rng.standard_normal((n, 2))
    elif isinstance(init, str):
        raise ValueError(f'init is None, "random" or a starting map ({n}, 2), got {init!r}')
    else:
        y = to_host(init).astype(np.float64)
        if y.shape != (n, 2) or not np.isfinite(y).all():
            raise ValueError(f"expected a finite starting map ({n}, 2), got shape {y.shape}")
    return to_device(y, device_of(x))


def _descend(gradient, cost, p, y, steps, lr, exaggeration, momentum):
    """(y, history) after `steps` steps down `gradient(p, y)`, with momentum and gains.

    y is centred before, so that a far-off start costs no digits, and after, as gains let it drift.
    """
    if steps < 1:
        raise ValueError(f"expected at least 1 step, got {steps}")
    xp, early, history = xp_of(y), min(EXAGGERATED, steps // 2), []
    near = p.astype(xp.float32)
    used = exaggeration * near
    y = y - y.mean(axis=0)
    for step in range(steps):
        if step in (0, early):  # each phase begins at rest
            velocity, gains = xp.zeros_like(y), xp.ones_like(y)
        if step == early:
            used = near
        slope = gradient(used, y)
        turned = velocity * slope >= 0  # uphill of the last move
        gains = xp.maximum(xp.where(turned, 0.8 * gains, gains + 0.2), 0.01)
        velocity = momentum[step >= early] * velocity - lr * gains * slope
        y = y + velocity
        if (step + 1) % RECORDED == 0 or step + 1 == steps:
            history.append((step + 1, float(cost(p, y))))
    if not math.isfinite(history[-1][1]):
        raise ValueError(f"the map has diverged with lr={lr:g}; choose a smaller lr")
    return y - y.mean(axis=0), tuple(history)

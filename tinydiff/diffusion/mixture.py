"""Data whose denoiser is known exactly: Gaussian mixtures and finite sets of points.

For such data q(x_t) is a mixture again, so E[x_0 | x_t], Var[x_0 | x_t], the score and the best
possible loss are closed forms. A sampler, a loss or a bound that is given the exact denoiser has
no excuse left: what remains wrong is its own. A network is measured against the same forms.
"""

import numpy as np

from .. import ops
from ..backend import to_device_of
from ..tensor import Tensor
from .exact import Exact, dtype_of, one_time
from .grid import line, push_density, total_variation
from .verify import Report, verify_model, verify_sampler

__all__ = [
    "GaussianMixture",
    "Points",
    "Report",
    "push_density",
    "total_variation",
    "verify_model",
    "verify_sampler",
]


def _beside(table, x):
    """A host table on the device of x."""
    return to_device_of(table, x.data if isinstance(x, Tensor) else x)


def _column(c):
    """A number, or coefficients (N, 1, ..., 1), with one more axis for the components."""
    return c if isinstance(c, float) else c[..., None]


class GaussianMixture(Exact):
    """sum_k w_k N(m_k, C_k): weights (K,), means (K, *shape), covs as below; D numbers an example.

    covs: (K,) isotropic variances, (K, *shape) diagonal ones, or (K, D, D) matrices. Each C_k =
    U L U^T is diagonalised once, since q(x_t) has C_k -> s^2 C_k + v I, with the same axes U.
    """

    def __init__(self, weights, means, covs):
        super().__init__(weights, means)
        K, D = len(self.means), self.D
        self.covs = covs = np.array(covs, dtype=np.float64)
        self._axes = None
        if covs.shape == (K,):
            self._spread = np.repeat(covs[:, None], D, axis=1)
        elif covs.shape == self.means.shape:
            self._spread = covs.reshape(K, D)
        elif covs.shape == (K, D, D) and np.allclose(covs, covs.swapaxes(1, 2), rtol=1e-12):
            self._spread, self._axes = np.linalg.eigh(covs)
        else:
            shapes = f"({K},), {self.means.shape} or symmetric {(K, D, D)}"
            raise ValueError(f"covs must be {shapes}, got {covs.shape}")
        if not (np.isfinite(self._spread).all() and (self._spread > 0).all()):
            raise ValueError("covs must be finite and positive definite; Points have variance 0")

    def _rotate(self, z, axes):
        """z (..., K, D) times the matrix of each component."""
        if self._axes is None:
            return z
        row = ops.matmul(ops.reshape(z, (*z.shape[:-1], 1, self.D)), _beside(axes, z))
        return ops.reshape(row, z.shape)

    def _components(self, x, s, v):
        """(log w_k N(x; s m_k, s^2 C_k + v I), z, variances): z = U^T (x - s m_k), (..., K, D)."""
        x, s, v = ops.reshape(x, (*x.shape[:-1], 1, self.D)), _column(s), _column(v)
        means = _beside(self.means.reshape(-1, self.D), x)
        z = self._rotate(x - means * s, self._axes)
        variances = _beside(self._spread, x) * (s * s) + v
        energy = ops.sum(z * z / variances + ops.log(variances * (2 * np.pi)), axis=-1)
        return energy * -0.5 + _beside(np.log(self.weights), x), z, variances

    def _posteriors(self, x, s, v):
        """(p(k | x_t), E[x_0 | x_t, k], Var[x_0 | x_t, k]), each (..., K, 1 or D)."""
        log_joint, z, variances = self._components(x, s, v)
        p = ops.softmax(log_joint, axis=-1)
        spread = _beside(self._spread, z)
        axes = self._axes if self._axes is None else self._axes.swapaxes(1, 2)
        shift = self._rotate(z * (spread * _column(s) / variances), axes)
        variance = spread * _column(v) / variances
        if axes is not None:
            variance = self._rotate(ops.broadcast_to(variance, z.shape), axes**2)
        means = _beside(self.means.reshape(-1, self.D), z)
        return ops.reshape(p, (*p.shape, 1)), shift + means, variance

    def _mean(self, x, s, v):
        p, means, _ = self._posteriors(x, s, v)
        return ops.sum(p * means, axis=-2)

    def _var(self, x, s, v):
        p, means, variances = self._posteriors(x, s, v)
        off = means - ops.sum(p * means, axis=-2, keepdims=True)
        return ops.sum(p * (variances + off * off), axis=-2)

    def log_posterior(self, process, xt, t):
        """log p(k | x_t), the exact classifier of the component: shape (..., K)."""

        def log_p(x, s, v):
            return ops.log_softmax(self._components(x, s, v)[0])

        return self._apply(log_p, process, xt, t, shape=(len(self.means),))

    def logpdf(self, x):
        """log p(x) in nats, one number per example."""
        flat, batch = self._flat(x)
        log_p = ops.logsumexp(self._components(flat, 1.0, 0.0)[0], axis=-1)
        return ops.astype(ops.reshape(log_p, batch), dtype_of(x))

    def noised(self, process, t):
        """q(x_t), t an int: the mixture of N(s m_k, s^2 C_k + v I)."""
        scale, v = process.q_between(0, one_time(t, process.T))
        noise = v * np.eye(self.D) if self._axes is not None else v
        return GaussianMixture(self.weights, scale * self.means, scale**2 * self.covs + noise)

    def sample(self, n, rng):
        """n examples, float64: the component first, then m_k + U sqrt(L) z."""
        k = rng.choice(len(self.means), size=n, p=self.weights)
        z = rng.standard_normal((n, self.D)) * np.sqrt(self._spread[k])
        if self._axes is not None:
            z = np.einsum("nij,nj->ni", self._axes[k], z)
        return self.means[k] + z.reshape((n, *self.shape))

    def entropy(self, n=65536, rng=None):
        """-E log p(x) in nats: by quadrature on the line, else over n draws as in `residual`."""
        if self.D == 1:
            x, dx = line(self.means.ravel(), np.sqrt(self._spread.ravel()))
            log_p = self.logpdf(x.reshape((-1, *self.shape)))
            return -float(np.exp(log_p) @ log_p) * dx
        return -float(self.logpdf(self.sample(n, rng or np.random.default_rng(0))).mean())


class Points(Exact):
    """Finitely many points x (M, *shape), weights (M,) equal unless given: a training set.

    Its exact denoiser is what a network that has memorised the set computes: the mean of the
    points, weighted by how likely each is to have become x_t.
    """

    def __init__(self, x, weights=None):
        super().__init__(weights, x)
        points = self.means.reshape(len(self.means), self.D)
        self._spread = np.zeros_like(points)
        # Squares are subtracted below: around the centre they are small, and lose no digits
        self._center = self.weights @ points
        self._offsets = points - self._center

    def _probabilities(self, x, s, v):
        """p(point | x_t), (..., M), by |x_t - s p|^2 without |x_t|^2, which all points share.

        Both are taken from the centre: x_t - s p = (x_t - s center) - s (p - center).
        """
        p = _beside(self._offsets, x)
        size = _beside((self._offsets**2).sum(axis=1) / 2, x)
        near = ops.matmul(x - _beside(self._center, x) * s, p.T) - size * s
        return ops.softmax(near * (s / v) + _beside(np.log(self.weights), x))

    def _mean(self, x, s, v):
        off = ops.matmul(self._probabilities(x, s, v), _beside(self._offsets, x))
        return off + _beside(self._center, x)

    def _var(self, x, s, v):
        p, off = self._probabilities(x, s, v), _beside(self._offsets, x)
        return ops.maximum(ops.matmul(p, off * off) - ops.square(ops.matmul(p, off)), 0)

    def logpdf(self, x):
        raise ValueError("a finite set of points has no density; use .noised(process, t).logpdf(x)")

    def noised(self, process, t):
        """q(x_t), t an int: a mixture of N(s p, v I), one for every point p."""
        scale, v = process.q_between(0, one_time(t, process.T))
        return GaussianMixture(self.weights, scale * self.means, np.full(len(self.means), v))

    def sample(self, n, rng):
        """n of the points, drawn with replacement."""
        return self.means[rng.choice(len(self.means), size=n, p=self.weights)]

    def entropy(self):
        """-sum w log w in nats: the entropy of which point it is; there is no density."""
        return -float(self.weights @ np.log(self.weights))

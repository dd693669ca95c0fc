"""Data whose denoiser is known exactly: Gaussian mixtures and finite sets of points.

For such data q(x_t) is a mixture again, so E[x_0 | x_t], Var[x_0 | x_t], the score and the best
possible loss are closed forms. A sampler, a loss or a bound that is given the exact denoiser has
no excuse left: what remains wrong is its own. A network is measured against the same forms.
"""

import numpy as np

from .. import ops
from ..backend import to_device_of
from ..tensor import Tensor
from .estimate import Bound
from .grid import line, push_density
from .process import cast, check_t
from .verify import Report, verify_model, verify_sampler

__all__ = ["GaussianMixture", "Points", "Report", "push_density", "verify_model", "verify_sampler"]


class _Exact:
    """What follows for any data once E[x_0 | x_t] and Var[x_0 | x_t] are known.

    One example has shape `self.shape`, of D numbers in all: () for data on the line. Methods take
    xt of shape (..., *shape), array or Tensor, and compute in float64; results have the dtype of
    xt, and are Tensors with a gradient if xt is one. s = sqrt(alpha_bar_t), v = 1 - alpha_bar_t.
    """

    def __init__(self, weights, means):
        means = np.array(means, dtype=np.float64)
        if means.ndim == 0 or not means.size or not np.isfinite(means).all():
            raise ValueError(f"expected one or more finite points (K, ...), got shape {means.shape}")
        K = len(means)
        self.weights = np.array(np.full(K, 1 / K) if weights is None else weights, dtype=np.float64)
        good = self.weights.shape == (K,) and (self.weights > 0).all()
        if not (good and abs(self.weights.sum() - 1) < 1e-9):
            raise ValueError(f"weights must be {K} positive numbers that add up to 1, got {weights}")
        self.means, self.shape = means, means.shape[1:]
        self.D = means[0].size

    def _flat(self, x):
        """(x as (..., D) in float64, its leading shape)."""
        x = x if hasattr(x, "shape") else np.asarray(x, dtype=np.float64)
        batch = x.shape[: len(x.shape) - len(self.shape)]
        if x.shape != batch + self.shape:
            raise ValueError(f"an example has shape {self.shape}, which does not end {x.shape}")
        return ops.reshape(ops.astype(x, np.float64), (*batch, self.D)), batch

    def _apply(self, f, process, xt, t, shape=None):
        """f(x, s, v) with x = xt flat (..., D); its result with examples of `shape`, as those of xt."""
        t = check_t(t, process.T)
        x, batch = self._flat(xt)
        s = cast(np.sqrt(process.alphas_bar[t]), x)
        v = cast(process.one_minus_alphas_bar[t], x)
        out = ops.reshape(f(x, s, v), batch + (self.shape if shape is None else shape))
        return ops.astype(out, getattr(xt, "dtype", np.float64))

    def mean_x0(self, process, xt, t):
        """E[x_0 | x_t], the best denoiser in mean square."""
        return self._apply(self._mean, process, xt, t)

    def var_x0(self, process, xt, t):
        """Var[x_0 | x_t] of every coordinate, shaped like xt."""
        return self._apply(self._var, process, xt, t)

    def score(self, process, xt, t):
        """grad log q(x_t) = (s E[x_0 | x_t] - x_t) / v: Tweedie's formula, solved for the score."""
        return self._apply(lambda x, s, v: (self._mean(x, s, v) * s - x) / v, process, xt, t)

    def score_divergence(self, process, xt, t):
        """The trace of the Hessian of log q(x_t), one number per example.

        Tweedie's formula once more: d E[x_0 | x_t] / d x_t = (s / v) Cov[x_0 | x_t], so it is
        (s^2 tr Cov / v - D) / v.
        """

        def divergence(x, s, v):
            return ops.sum((self._var(x, s, v) * (s * s / v) - 1) / v, axis=-1)

        return self._apply(divergence, process, xt, t, shape=())

    def model(self, process, predicts="eps"):
        """The exact denoiser as a model(xt, t) that predicts eps, x0, v, score or mu."""

        def model(xt, t):
            def prediction(x, s, v):
                return process.convert(self._mean(x, s, v), x, t, "x0", predicts)

            return self._apply(prediction, process, xt, t)

        return model

    def residual(self, process, t, n=4096, rng=None):
        """E Var[x_0 | x_t], averaged over the coordinates: the least possible error of x_0 at t.

        On the line by quadrature. In higher dimension the mean over n draws of x_t, from `rng` or
        the same draws every time; exact there too when the data is one Gaussian.
        """
        if self.D == 1:
            qt = self.noised(process, t)
            x, dx = line(qt.means.ravel(), np.sqrt(qt.covs.ravel()))
            mass = np.exp(qt.logpdf(x.reshape((-1,) + self.shape))) * dx
            return float(mass @ self.var_x0(process, x.reshape((-1,) + self.shape), t).ravel())
        rng = rng or np.random.default_rng(0)
        x0 = self.sample(n, rng)
        xt = process.q_sample(x0, t, rng.standard_normal(x0.shape))
        return float(self.var_x0(process, xt, t).mean())

    def mse(self, process, t, n=4096, rng=None):
        """The least eps-loss E |eps - eps_hat(x_t, t)|^2 / D that any model can reach at t.

        eps = (x_t - s x_0) / sqrt(v), hence s^2 / v times `residual`. t may be an int array.
        """
        if np.ndim(t):
            return np.array([self.mse(process, i, n, rng) for i in t])
        return float(process.snr[t]) * self.residual(process, t, n, rng)

    def bound(self, process, variance="posterior", n=4096, rng=None):
        """The Bound that the exact denoiser reaches, in expectation over the data (N = 1).

        With E Var = `residual` at t and x_0's weight a in mu, the three kinds of term are
            L_T     = D/2 (alpha_bar_T (E x_0^2 - 1) - log(1 - alpha_bar_T)),
            L_{t-1} = D/2 ((beta-tilde + a^2 E Var) / sigma^2 - 1 + log(sigma^2 / beta-tilde)),
            L_0     = D/2 (log(2 pi sigma_1^2) + E Var / sigma_1^2).
        variance: "posterior" (beta-tilde), "beta", "optimal" (beta-tilde + a^2 E Var, which
        minimises every term), or an array (T + 1,). sigma_1^2 = beta_1 where beta-tilde_1 is 0.
        """
        T, tilde = process.T, process.posterior_variance
        a = np.append(0.0, process.posterior_weights(np.arange(1, T + 1))[0])
        left = np.append(0.0, [self.residual(process, t, n, rng) for t in range(1, T + 1)])
        needed = tilde + a**2 * left
        choices = {"beta": process.betas, "optimal": needed}
        choices["posterior"] = np.append(process.betas[:2], tilde[2:])
        sigma2 = np.asarray(choices[variance] if isinstance(variance, str) else variance)
        L = np.zeros((1, T + 1))
        L[0, 1] = np.log(2 * np.pi * sigma2[1]) + left[1] / sigma2[1]
        L[0, 2:] = needed[2:] / sigma2[2:] - 1 + np.log(sigma2[2:] / tilde[2:])
        ab, noise = process.alphas_bar[T], process.one_minus_alphas_bar[T]
        L_T = ab * (self.second_moment() - 1) - np.log(noise)
        return Bound(np.array([L_T]) * self.D / 2, L * self.D / 2, dims=self.D, exact=self.D == 1)

    def second_moment(self):
        """E x_0^2, averaged over the coordinates."""
        size = (self.means**2).reshape(len(self.means), -1).mean(axis=1)
        return float(self.weights @ (size + self._spread.mean(axis=1)))


def _beside(table, x):
    """A host table on the device of x."""
    return to_device_of(table, x.data if isinstance(x, Tensor) else x)


def _column(c):
    """A number, or coefficients (N, 1, ..., 1), with one more axis for the components."""
    return c if isinstance(c, float) else c[..., None]


class GaussianMixture(_Exact):
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
            raise ValueError(
                f"covs must be ({K},), {self.means.shape} or symmetric {(K, D, D)}, got {covs.shape}"
            )
        if not (np.isfinite(self._spread).all() and (self._spread > 0).all()):
            raise ValueError("covariances must be finite and positive definite; for variance 0 use Points")

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
        return ops.astype(ops.reshape(log_p, batch), getattr(x, "dtype", np.float64))

    def noised(self, process, t):
        """q(x_t), t an int: the mixture of N(s m_k, s^2 C_k + v I)."""
        check_t(t, process.T)
        scale, v = process.q_between(0, t)
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
        """-E log p(x) in nats: by quadrature on the line, else the mean over n draws (see `residual`)."""
        if self.D == 1:
            x, dx = line(self.means.ravel(), np.sqrt(self._spread.ravel()))
            log_p = self.logpdf(x.reshape((-1, *self.shape)))
            return -float(np.exp(log_p) @ log_p) * dx
        return -float(self.logpdf(self.sample(n, rng or np.random.default_rng(0))).mean())


class Points(_Exact):
    """Finitely many points x (M, *shape) with weights (M,), equal unless given: a training set.

    Its exact denoiser is what a network that has memorised the set computes: the mean of the
    points, weighted by how likely each is to have become x_t.
    """

    def __init__(self, x, weights=None):
        super().__init__(weights, x)
        self._points = self.means.reshape(len(self.means), self.D)
        self._spread = np.zeros_like(self._points)

    def _probabilities(self, x, s, v):
        """p(point | x_t), (..., M). |x_t|^2 is common to all points and left out of |x_t - s p|^2."""
        p = _beside(self._points, x)
        size = _beside((self._points**2).sum(axis=1) / 2, x)
        log_joint = (ops.matmul(x, p.T) - size * s) * (s / v) + _beside(np.log(self.weights), x)
        return ops.softmax(log_joint)

    def _mean(self, x, s, v):
        return ops.matmul(self._probabilities(x, s, v), _beside(self._points, x))

    def _var(self, x, s, v):
        p, points = self._probabilities(x, s, v), _beside(self._points, x)
        return ops.maximum(ops.matmul(p, points * points) - ops.square(ops.matmul(p, points)), 0)

    def logpdf(self, x):
        raise ValueError("a finite set of points has no density; use .noised(process, t).logpdf(x)")

    def noised(self, process, t):
        """q(x_t), t an int: a mixture of N(s p, v I), one for every point p."""
        check_t(t, process.T)
        scale, v = process.q_between(0, t)
        return GaussianMixture(self.weights, scale * self.means, np.full(len(self.means), v))

    def sample(self, n, rng):
        """n of the points, drawn with replacement."""
        return self.means[rng.choice(len(self.means), size=n, p=self.weights)]

    def entropy(self):
        """-sum w log w in nats: the entropy of which point it is; there is no density."""
        return -float(self.weights @ np.log(self.weights))

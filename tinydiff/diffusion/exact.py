"""What is known exactly about diffusion of data whose E[x_0 | x_t] and Var[x_0 | x_t] are known."""

import numpy as np

from .. import ops
from .estimate import Bound
from .grid import line
from .process import cast, check_t
from .weights import variances


def dtype_of(x):
    """The dtype of what is computed from x: its own, or float64 where x holds ints."""
    dtype = getattr(x, "dtype", np.dtype(float))
    return dtype if dtype.kind == "f" else np.dtype(float)


def one_time(t, T):
    """`t` if it is one time 1 ... T: the law of x_t at many would be many laws."""
    if np.ndim(t):
        raise TypeError(f"expected one time t, an int, got {t!r}")
    return check_t(t, T)


class Exact:
    """What follows for any data once E[x_0 | x_t] and Var[x_0 | x_t] are known.

    One example has shape `self.shape`, D numbers in all: () for data on the line. Methods take xt
    of shape (..., *shape), array or Tensor, and compute in float64; results have the dtype of xt
    (float64 for ints) and are Tensors with a gradient if xt is one. s = sqrt(alpha_bar_t), v = 1 -
    alpha_bar_t.
    """

    def __init__(self, weights, means):
        means = np.array(means, dtype=np.float64)
        if means.ndim == 0 or not means.size or not np.isfinite(means).all():
            raise ValueError(f"expected finite points (K, ...), K >= 1, got shape {means.shape}")
        K = len(means)
        weights = np.full(K, 1 / K) if weights is None else weights
        self.weights = np.array(weights, dtype=np.float64)
        good = self.weights.shape == (K,) and (self.weights > 0).all()
        if not (good and abs(self.weights.sum() - 1) < 1e-9):
            raise ValueError(f"weights must be {K} positive numbers of sum 1, got {weights}")
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
        """f(x, s, v) with x = xt flat (..., D); its result with examples of `shape`."""
        t = check_t(t, process.T)
        x, batch = self._flat(xt)
        s = cast(np.sqrt(process.alphas_bar[t]), x)
        v = cast(process.one_minus_alphas_bar[t], x)
        out = ops.reshape(f(x, s, v), batch + (self.shape if shape is None else shape))
        return ops.astype(out, dtype_of(xt))

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
            x = x.reshape((-1, *self.shape))
            return float(np.exp(qt.logpdf(x)) @ self.var_x0(process, x, t).ravel()) * dx
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

        With E Var = `residual` at t, and a the weight of x_0 in mu, the three kinds of term are
            L_T     = D/2 (alpha_bar_T (E x_0^2 - 1) - log(1 - alpha_bar_T)),
            L_{t-1} = D/2 ((beta-tilde + a^2 E Var) / sigma^2 - 1 + log(sigma^2 / beta-tilde)),
            L_0     = D/2 (log(2 pi sigma_1^2) + E Var / sigma_1^2).
        variance: "posterior", "beta", "optimal" (beta-tilde + a^2 E Var, which minimises every
        term) or an array (T + 1,), as in `bound.terms`.
        """
        T, tilde = process.T, process.posterior_variance
        left = np.append(0.0, [self.residual(process, t, n, rng) for t in range(1, T + 1)])
        sigma2 = variances(process, variance, left)
        a = np.append(0.0, process.posterior_weights(np.arange(1, T + 1))[0])
        L = np.zeros((1, T + 1))
        L[0, 1] = np.log(2 * np.pi * sigma2[1]) + left[1] / sigma2[1]
        needed = tilde + a**2 * left
        L[0, 2:] = needed[2:] / sigma2[2:] - 1 + np.log(sigma2[2:] / tilde[2:])
        ab, noise = process.alphas_bar[T], process.one_minus_alphas_bar[T]
        L_T = np.array([ab * (self.second_moment() - 1) - np.log(noise)])
        return Bound(L_T * self.D / 2, L * self.D / 2, dims=self.D, exact=self.D == 1)

    def second_moment(self):
        """E x_0^2, averaged over the coordinates."""
        size = (self.means**2).reshape(len(self.means), -1).mean(axis=1)
        return float(self.weights @ (size + self._spread.mean(axis=1)))

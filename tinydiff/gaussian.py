"""The algebra of Gaussians: what the derivation of a diffusion model is made of.

A `Gaussian` is N(mean, cov) with mean a number or (d,), and cov one variance (isotropic), (d,)
variances (diagonal) or a (d, d) matrix; it stays in the simplest form that an operation allows.
A `Step` is the kernel N(x' ; scale x, variance I). All numbers are float64 on the host. A variance
of 0 is a known coordinate: it can be sampled, moved, added and updated, but has no density.

Sources: ub-lecture and ub-slides (sum, product, conditional, marginal, Bayes), nus-l8 (KL,
composition), Bishop 2006, section 2.3.
"""

from functools import reduce
from typing import NamedTuple

import numpy as np

LOG_2PI = float(np.log(2 * np.pi))
CONTRADICTION = "two exact statements about one coordinate cannot be combined"


class Gaussian:
    """N(mean, cov). mean: number or (d,); cov: variance, (d,) variances or (d, d) matrix."""

    def __init__(self, mean, cov):
        mean, cov = np.array(mean, dtype=np.float64), np.array(cov, dtype=np.float64)
        if mean.ndim == 0 and cov.ndim:
            mean = np.full(cov.shape[0], mean)
        shapes = [(), mean.shape, (*mean.shape, *mean.shape)]
        if mean.ndim > 1 or not mean.size or cov.shape not in shapes:
            got = f"{mean.shape} and {cov.shape}"
            raise ValueError(f"expected mean () or (d,) and cov (), (d,) or (d, d), got {got}")
        if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
            raise ValueError("mean and cov must be finite")
        if cov.ndim == 2:
            spread, size = np.linalg.eigvalsh(cov), np.abs(cov).max()
            good = np.abs(cov - cov.T).max() <= 1e-12 * size and spread.min() >= -1e-12 * size
        else:
            good = (cov >= 0).all()
        if not good:
            raise ValueError(f"cov must be symmetric and have no negative variance, got {cov}")
        self.mean, self.cov = mean, cov

    d = property(lambda self: self.mean.size)

    def __repr__(self):
        return f"Gaussian({self.mean.tolist()}, {self.cov.tolist()})"

    @property
    def matrix(self):
        """The covariance as a (d, d) matrix."""
        return self.cov if self.cov.ndim == 2 else np.diag(np.full(self.d, self.cov))

    def logpdf(self, x):
        """-1/2 [(x - mean)^T cov^-1 (x - mean) + log det(2 pi cov)], for x (..., *mean.shape)."""
        x = np.asarray(x, dtype=np.float64)
        if self.mean.ndim and x.shape[-1:] != self.mean.shape:
            raise ValueError(f"expected x of shape (..., {self.d}), got {x.shape}")
        z = x - self.mean
        self._must_have_density()
        if self.cov.ndim < 2:
            terms = z * z / self.cov + np.log(self.cov) + LOG_2PI
            return -(terms.sum(axis=-1) if self.mean.ndim else terms) / 2
        white = np.linalg.solve(np.linalg.cholesky(self.cov), z[..., None])[..., 0]
        return -((white**2).sum(axis=-1) + np.linalg.slogdet(self.cov)[1] + self.d * LOG_2PI) / 2

    def pdf(self, x):
        """exp(-1/2 (x - mean)^T cov^-1 (x - mean)) / sqrt(det(2 pi cov))."""
        return np.exp(self.logpdf(x))

    def _must_have_density(self):
        if self.entropy() == -np.inf:
            raise ValueError(f"{self} has variance 0 in some direction, so it has no density")

    def sample(self, n, rng):
        """n draws mean + L eps, eps ~ N(0, I) and L L^T = cov: (n, *mean.shape)."""
        eps = rng.standard_normal((n, *self.mean.shape))
        if self.cov.ndim < 2:
            return self.mean + np.sqrt(self.cov) * eps
        spread, axes = np.linalg.eigh(self.cov)  # unlike Cholesky's, this L exists for variance 0
        return self.mean + eps @ (axes * np.sqrt(np.maximum(spread, 0))).T

    def affine(self, A, b=0):
        """The law of A x + b = N(A mean + b, A cov A^T); A a number, or a matrix (m, d)."""
        A = self._check_map(A)
        moved = A * self.mean if A.ndim == 0 else A @ np.atleast_1d(self.mean)
        if np.shape(b) not in ((), moved.shape):
            raise ValueError(f"b must be a number or of shape {moved.shape}, got {np.shape(b)}")
        cov = A * A * self.cov if A.ndim == 0 else A @ self.matrix @ A.T
        return Gaussian(moved + b, _symmetric(cov))

    def _check_map(self, A):
        A = np.asarray(A, dtype=np.float64)
        if A.ndim and not (A.ndim <= 2 and A.shape[-1] == self.d):
            raise ValueError(f"A must be a number or of shape (m, {self.d}), got {A.shape}")
        return A

    def __add__(self, other):
        """The law of x + y for independent x and y: means and covariances add.

        Independence matters: x + x is N(2 mean, 4 cov), not N(2 mean, 2 cov).
        """
        if not isinstance(other, Gaussian):
            return NotImplemented
        C, D = _alike(self, other)
        return Gaussian(self.mean + other.mean, C + D)

    def product(self, other):
        """N(x; m, C) N(x; n, D) = exp(log_scale) N(x; ...), as (Gaussian, log_scale).

        Precisions add: the mean is D S^-1 m + C S^-1 n and the covariance C S^-1 D with S = C + D;
        log_scale = log N(m; n, S). The product of two densities is a density only up to this factor
        (and the product of two Gaussian variables is not Gaussian).
        """
        C, D = _alike(self, other)
        gain = _right_divide(C, C + D)  # C S^-1, the share of the way from m to n
        mean = self.mean + _times(gain, other.mean - self.mean)
        log_scale = float(Gaussian(other.mean, C + D).logpdf(self.mean))
        return Gaussian(mean, _symmetric(_times(gain, D))), log_scale

    def bayes(self, A, noise_cov, y):
        """The law of x given y = A x + noise, with x from this prior and noise ~ N(0, noise_cov).

        mean + K (y - A mean), cov - K A cov, with K = cov A^T (A cov A^T + noise_cov)^-1. A is a
        number or (m, d). The covariance is computed as (I - K A) cov (I - K A)^T + K noise_cov K^T
        (Joseph's form), which stays positive under rounding.
        """
        A, y = self._check_map(A), np.asarray(y, dtype=np.float64)
        if A.ndim and (A.ndim, y.shape) != (2, A.shape[:1]):
            raise ValueError(f"expected A (m, {self.d}) and y (m,), got {A.shape} and {y.shape}")
        noise = Gaussian(np.zeros(y.shape), noise_cov)
        if A.ndim == 0:
            C, R = _alike(self, noise)
            gain = _right_divide(A * C, A * A * C + R)
            left = np.eye(self.d) - A * gain if C.ndim == 2 else 1 - A * gain
            cov = _times(_times(left, C), left.T) + _times(_times(gain, R), gain.T)
            return Gaussian(self.mean + _times(gain, y - A * self.mean), _symmetric(cov))
        mean, C, R = np.atleast_1d(self.mean), self.matrix, noise.matrix
        gain = _right_divide(C @ A.T, A @ C @ A.T + R)
        left = np.eye(self.d) - gain @ A
        cov = _symmetric(left @ C @ left.T + gain @ R @ gain.T)
        return Gaussian(mean + gain @ (y - A @ mean), cov)

    def marginal(self, idx):
        """The law of the coordinates idx (an int, or several) alone: the others are crossed out."""
        picked = self._coordinates(idx)
        picked = picked if np.ndim(idx) else picked[0]
        cov = self.cov[picked] if self.cov.ndim else self.cov
        cov = cov[..., picked] if self.cov.ndim == 2 else cov
        return Gaussian(np.atleast_1d(self.mean)[picked], cov)

    def _coordinates(self, idx):
        """The coordinates that idx names, from 0 on, as an int array."""
        try:
            picked = np.atleast_1d(np.arange(self.d)[np.asarray(idx)])
        except IndexError:
            picked = np.array([])
        if picked.ndim > 1 or not 0 < len(np.unique(picked)) == len(picked):
            raise ValueError(f"idx names distinct coordinates of 0 ... {self.d - 1}, got {idx!r}")
        return picked

    def condition(self, idx, value):
        """The law of the remaining coordinates r, in their order, given x[idx] = value.

        N(m_r + C_ri C_ii^-1 (value - m_i), C_rr - C_ri C_ii^-1 C_ir).
        """
        known, value = self._coordinates(idx), np.atleast_1d(np.asarray(value, dtype=np.float64))
        rest = np.setdiff1d(np.arange(self.d), known)
        if not rest.size:
            raise ValueError("condition() on every coordinate leaves none")
        if value.shape != known.shape or not np.isfinite(value).all():
            raise ValueError(f"expected {known.size} finite values for {idx}, got {value.tolist()}")
        if self.cov.ndim < 2:
            sure = np.broadcast_to(self.cov, self.mean.shape)[known] == 0
            if np.any(sure & (value != self.mean[known])):
                raise ValueError(CONTRADICTION)
            return self.marginal(rest)
        cross = self.cov[np.ix_(rest, known)]
        gain = _right_divide(cross, self.cov[np.ix_(known, known)])
        mean = self.mean[rest] + gain @ (value - self.mean[known])
        return Gaussian(mean, _symmetric(self.cov[np.ix_(rest, rest)] - gain @ cross.T))

    def kl(self, other):
        """KL(self || other) = E log(self / other) in nats, for x from self.

        1/2 [tr(D^-1 C) - d - log det(D^-1 C) + (m - n)^T D^-1 (m - n)]; in the isotropic case, with
        ratio r = C / D, that is 1/2 [d (r - 1 - log r) + |m - n|^2 / D]. Infinite where only one of
        them is sure of a coordinate.
        """
        C, D = _alike(self, other)
        gap = self.mean - other.mean
        if C.ndim < 2:
            C, D = np.broadcast_to(C, gap.shape), np.broadcast_to(D, gap.shape)
            if np.any((C == 0) != (D == 0)) or np.any(gap[D == 0]):
                return np.inf
            C, D, gap = C[D > 0], D[D > 0], gap[D > 0]
            excess = (C - D) / D  # r - 1, so that r near 1 loses no digits; r near 0 needs log r
            near = np.log1p(np.maximum(excess, -0.5))
            log_r = np.where(excess > -0.5, near, np.log(C) - np.log(D))
            return float(np.sum(excess - log_r + gap * gap / D)) / 2
        if self.entropy() > -np.inf == other.entropy():
            return np.inf
        other._must_have_density()
        quadratic = np.trace(np.linalg.solve(D, C)) - self.d + gap @ np.linalg.solve(D, gap)
        return float(quadratic) / 2 + other.entropy() - self.entropy()  # these hold log det D, C

    def entropy(self):
        """-E log p = 1/2 log det(2 pi e cov) nats; -inf if a variance is 0."""
        with np.errstate(divide="ignore"):
            if self.cov.ndim < 2:
                log_det = np.log(np.broadcast_to(self.cov, self.mean.shape)).sum()
            else:
                sign, log_det = np.linalg.slogdet(self.cov)
                log_det = log_det if sign > 0 else -np.inf
        return float(log_det + self.d * (LOG_2PI + 1)) / 2


def _alike(p, q):
    """Both covariances as matrices if one of them is a matrix, else as they are."""
    if not isinstance(q, Gaussian):
        raise TypeError(f"expected another Gaussian, got {type(q).__name__}")
    if p.mean.shape != q.mean.shape:
        raise ValueError(f"Gaussians of shapes {p.mean.shape} and {q.mean.shape} do not combine")
    return (p.matrix, q.matrix) if p.cov.ndim == 2 or q.cov.ndim == 2 else (p.cov, q.cov)


def _times(A, x):
    """A x for a matrix, or for numbers on its diagonal; x a vector or of the form of A."""
    return A @ x if A.ndim == 2 else A * x


def _right_divide(A, S):
    """A S^-1."""
    try:
        if S.ndim == 2:
            return np.linalg.solve(S, A.T).T  # S is symmetric
        with np.errstate(divide="raise", invalid="raise"):
            return A / S
    except (np.linalg.LinAlgError, FloatingPointError):
        raise ValueError(CONTRADICTION) from None


def _symmetric(C):
    return (C + C.T) / 2 if np.ndim(C) == 2 else C


class Step(NamedTuple):
    """The kernel p(x' | x) = N(scale x, variance I), such as one step of noise."""

    scale: float
    variance: float

    def then(self, later):
        """First this step, then `later`: x'' = b (a x + sqrt(v) eps) + sqrt(w) eta.

        The two noises are independent, so their variances add: scale b a, variance b^2 v + w.
        """
        scale = later.scale * self.scale
        return Step(scale, later.scale**2 * self.variance + later.variance)

    def push(self, gaussian):
        """The law of x' if x has the law `gaussian`."""
        return gaussian.affine(self.scale) + Gaussian(np.zeros_like(gaussian.mean), self.variance)


def noising(beta):
    """One step of the forward process: N(sqrt(1 - beta) x, beta I), 0 <= beta <= 1."""
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is the variance of one step, from 0 to 1, got {beta}")
    return Step(float(np.sqrt(1 - beta)), float(beta))


def compose(steps):
    """All steps in turn as one. Of noising steps: N(sqrt(alpha_bar) x, (1 - alpha_bar) I).

    Each variance is a sum of positive terms, so n steps have relative error at most 5 n u in
    whatever order they are taken together (u = 1.1e-16).
    """
    return reduce(Step.then, steps, Step(1.0, 0.0))


def kalman(prior, ys, step, noise):
    """The Kalman filter on the line: [law of x_k given y_1 ... y_k], log p(y_1 ... y_n).

    x_k = step.scale x_{k-1} + N(0, step.variance), x_0 from `prior`, and y_k = x_k + N(0, noise).
    Each observation multiplies the law of x_k with the density N(x; y_k, noise): a `product`, whose
    factor is the probability of y_k given those before.
    """
    laws, log_p = [], 0.0
    for y in ys:
        law, log_scale = step.push(laws[-1] if laws else prior).product(Gaussian(y, noise))
        laws.append(law)
        log_p += log_scale
    return laws, log_p


class PPCA(NamedTuple):
    """Probabilistic PCA: x = W z + mean + N(0, noise I) with z ~ N(0, I_q); W is (d, q)."""

    mean: np.ndarray
    W: np.ndarray
    noise: float

    def law(self):
        """The marginal law of x: N(mean, W W^T + noise I)."""
        signal = Gaussian(np.zeros(self.W.shape[1]), 1.0).affine(self.W, self.mean)
        return signal + Gaussian(np.zeros_like(self.mean), self.noise)

    def posterior(self, x):
        """The law of z given one x (d,), by Bayes."""
        return Gaussian(np.zeros(self.W.shape[1]), 1.0).bayes(self.W, self.noise, x - self.mean)


def ppca(X, q):
    """The maximum-likelihood PPCA of data X (n, d), 0 < q < d, in closed form.

    With eigenvalues l_1 >= ... >= l_d and axes U of the covariance of X (1/n), the noise is the
    mean of the d - q smallest, and W = U_q sqrt(L_q - noise I) (Tipping and Bishop 1999, 3.2).
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or not X.size or q not in range(1, X.shape[1]) or not np.isfinite(X).all():
        got = f"X of {X.shape} and q = {q}"
        raise ValueError(f"expected finite X (n, d) and an int 0 < q < d, got {got}")
    mean = X.mean(axis=0)
    spread, axes = np.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    noise = spread[:-q].mean()
    return PPCA(mean, axes[:, -q:] * np.sqrt(spread[-q:] - noise), float(noise))

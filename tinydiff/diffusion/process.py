"""The forward process q(x_t | x_{t-1}) = N(sqrt(alpha_t) x_{t-1}, beta_t I) and its exact algebra.

t is a Python int or a host NumPy int array (N,), 1 ... T: a t outside is an error, never an index
from the end. Coefficients are computed from float64 tables (T + 1,) on the host, and cast last for
the dtype and device of x. Sources: nus-l8; Ho et al. 2020.
"""

import numpy as np

from ..backend import to_device_of
from ..tensor import Tensor
from .conversions import CONVERSIONS, NAMES, Coefficients
from .schedules import check_betas


def check_t(t, T, first=1):
    """`t` if it is an int, or a host int array (N,), of values first ... T; an error otherwise."""
    if isinstance(t, np.ndarray):
        good = t.dtype.kind in "iu" and t.ndim == 1
    else:
        good = isinstance(t, (int, np.integer)) and not isinstance(t, bool)
    if not good:
        raise TypeError(f"t must be an int or a host NumPy int array (N,), got {t!r}")
    if np.size(t) and not (first <= np.min(t) and np.max(t) <= T):
        raise ValueError(f"t must lie in {first} ... {T}, got {t}")
    return t


def cast(c, like):
    """Float64 coefficients () or (N,) as a factor of `like`, an array or Tensor (N, ...).

    One number stays a Python float: no upload, no promotion. N numbers take the dtype and device
    of `like`, and the shape (N, 1, ..., 1).
    """
    dtype = getattr(like, "dtype", type(like).__name__)  # a Python number has none
    if not isinstance(like, (int, float)) and getattr(dtype, "kind", "") != "f":
        raise TypeError(f"x must be floating point, got {dtype}; scale the data first")
    if np.ndim(c) == 0:
        return float(c)
    shape = getattr(like, "shape", ())
    if not shape or shape[0] != len(c):
        raise ValueError(f"{len(c)} values of t do not fit x of shape {shape}: expected one each")
    column = c.astype(like.dtype).reshape((-1,) + (1,) * (len(shape) - 1))
    return to_device_of(column, like.data if isinstance(like, Tensor) else like)


def at(table, t, like):
    """table[t] as a factor of `like`, t = 0 included."""
    return cast(table[check_t(t, len(table) - 1, first=0)], like)


def combine(a, x, b, y):
    """a x + b y for coefficients () or (N,); x and y must have one shape."""
    first, second = [getattr(v, "shape", ()) for v in (x, y)]
    if first != second:
        raise ValueError(f"expected arrays of one shape, got {first} and {second}")
    return x * cast(a, x) + y * cast(b, y)


class Process:
    """The Markov chain that turns x_0 into noise, given its schedule `betas` (length T + 1).

    Tables, all (T + 1,) float64 and read-only: betas, alphas, alphas_bar (product of alphas),
    one_minus_alphas_bar, snr (their quotient), log_snr, posterior_variance (beta-tilde).

    Subtracting alphas_bar from 1 loses digits. one_minus_alphas_bar is -expm1(sum log(1 - beta)):
    the terms have one sign, so the running sum has relative error at most (T + 1) u, u = 1.1e-16,
    and -expm1 at worst passes relative errors on. So at T = 1000 it is right to 1.1e-13.
    """

    def __init__(self, betas):
        self.betas = check_betas(betas)
        self.T = len(self.betas) - 1
        self.alphas = 1 - self.betas
        self.alphas_bar = np.cumprod(self.alphas)
        with np.errstate(divide="ignore"):  # beta_t = 1 gives log 0 = -inf: all signal is gone
            self._log_alphas = np.log1p(-self.betas)
            log_alphas_bar = np.cumsum(self._log_alphas)
            self.one_minus_alphas_bar = np.abs(np.expm1(log_alphas_bar))  # abs: no -0 at t = 0
            self.one_minus_alphas_bar[1] = self.betas[1]  # exactly, so x_0 | x_1, x_0 is exact
            self.snr = self.alphas_bar / self.one_minus_alphas_bar
            self.log_snr = log_alphas_bar - np.log(self.one_minus_alphas_bar)
        self.posterior_variance = np.append(0.0, self.posterior_weights(np.arange(self.T) + 1)[2])
        for table in [v for v in vars(self).values() if isinstance(v, np.ndarray)]:
            table.flags.writeable = False

    def __repr__(self):
        return f"Process(T={self.T}, alpha_bar_T={self.alphas_bar[-1]:.3g})"

    def q_sample(self, x0, t, eps):
        """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps: t steps of noise at once."""
        t = check_t(t, self.T)
        signal, noise = np.sqrt(self.alphas_bar[t]), np.sqrt(self.one_minus_alphas_bar[t])
        return combine(signal, x0, noise, eps)

    def q_step(self, x_prev, t, eps):
        """x_t = sqrt(alpha_t) x_{t-1} + sqrt(beta_t) eps: one step of noise."""
        t = check_t(t, self.T)
        return combine(np.sqrt(self.alphas[t]), x_prev, np.sqrt(self.betas[t]), eps)

    def q_between(self, s, t):
        """(scale, variance) of q(x_t | x_s) = N(scale x_s, variance I), 0 <= s < t, in float64.

        scale^2 = alpha_{s+1} ... alpha_t and variance = 1 - scale^2, from these factors alone: the
        quotient alpha_bar_t / alpha_bar_s would lose digits, or be 0 / 0.
        """
        s, t = check_t(s, self.T, first=0), check_t(t, self.T)
        if np.ndim(s) or np.ndim(t):
            pairs = zip(*np.broadcast_arrays(s, t))
            return tuple(np.array([self.q_between(*pair) for pair in pairs]).reshape(-1, 2).T)
        if s >= t:
            raise ValueError(f"q(x_t | x_s) needs s < t, got s = {s} and t = {t}")
        if s == 0:
            return float(np.sqrt(self.alphas_bar[t])), float(self.one_minus_alphas_bar[t])
        if s == t - 1:
            return float(np.sqrt(self.alphas[t])), float(self.betas[t])
        log_ratio = self._log_alphas[s + 1 : t + 1].sum()
        return float(np.exp(log_ratio / 2)), float(-np.expm1(log_ratio))

    def posterior_weights(self, t, s=None):
        """(a, b, variance) of q(x_s | x_t, x_0) = N(a x_0 + b x_t, variance I), in float64.

        Bayes with prior q(x_s | x_0) and likelihood q(x_t | x_s) = N(c x_s, v I):
            a = sqrt(alpha_bar_s) v / n,  b = c m / n,  variance = v m / n,
        m = 1 - alpha_bar_s, n = 1 - alpha_bar_t. With s = t - 1, the default, v = beta_t and the
        variance is beta-tilde.
        """
        t = check_t(t, self.T)
        if s is None:
            s, c, v = t - 1, np.sqrt(self.alphas[t]), self.betas[t]
        else:
            c, v = self.q_between(s, t)
        m, n = self.one_minus_alphas_bar[s], self.one_minus_alphas_bar[t]
        return np.sqrt(self.alphas_bar[s]) * (v / n), c * m / n, v * m / n

    def q_posterior(self, x0, xt, t, s=None):
        """(mean, variance) of q(x_s | x_t, x_0), s = t - 1 unless given. At s = 0: (x_0, 0)."""
        a, b, variance = self.posterior_weights(t, s)
        return combine(a, x0, b, xt), cast(variance, xt)

    def convert(self, value, xt, t, source, target):
        """The quantity `target` that belongs to `value`, a quantity `source`, at the same x_t.

        x0; eps, the total noise of x_t; v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x0;
        score = -eps / sqrt(1 - alpha_bar_t); mu, the mean of q(x_{t-1} | x_t, x0). All are linear
        in x0 and x_t, so one determines the others, unless no signal is left: then a ValueError.
        """
        if not {source, target} <= set(NAMES):
            raise ValueError(f"source and target are of {NAMES}, got {source!r} and {target!r}")
        check_t(t, self.T)
        if source == target:
            return value
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            p, q = CONVERSIONS[source, target](Coefficients(self, t))
        lost = ~np.atleast_1d(np.isfinite(p) & np.isfinite(q))
        if lost.any():
            where = f"at t = {np.unique(np.atleast_1d(t)[lost])}, where no signal is left (SNR 0)"
            remedy = "predict v or x0, or end the schedule above alpha_bar = 0"
            raise ValueError(f"{source} does not determine {target} {where}; {remedy}")
        return combine(p, value, q, xt)

    def tweedie(self, xt, t, score):
        """E[x_0 | x_t] = (x_t + (1 - alpha_bar_t) grad log q(x_t)) / sqrt(alpha_bar_t)."""
        return self.convert(score, xt, t, "score", "x0")

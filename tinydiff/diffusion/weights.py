"""What one t contributes: the variances of the reverse step and the weights of the squared error.

The model's squared error has one weight in the bound and another in each training loss. They are
written down for x0. Where the model predicts eps, v, the score or mu instead, x0_hat errs by a
known factor, the gain, times the error of that prediction: its weight is gain^2 times that of x0.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..backend import to_device_of
from ..ops import exp, expm1, log
from .conversions import NAMES
from .process import check_t


def variances(process, variance="posterior", var_x0=None):
    """sigma_t^2 of p(x_{t-1} | x_t) as a float64 table (T+1,), positive from t = 1 on.

    posterior: s_t^2, that is beta-tilde_t, with beta_1 at t = 1, since beta-tilde_1 = 0 would make
    L_0 infinite. beta: beta_t. optimal: beta-tilde_t + a^2 var_x0[t]; if var_x0[t] is the mean of
    (x0 - x0_hat)^2 per dimension, E Var(x0 | x_t) for the exact model, it minimises every term of
    the bound (Bao et al. 2022). An array (T+1,) is taken as it is.
    """
    if not isinstance(variance, str):
        table = np.array(variance, dtype=np.float64)
    elif variance == "beta":
        table = process.betas
    elif variance == "posterior":
        table = process.posterior_variance.copy()
        table[1] = process.betas[1]
    elif variance == "optimal" and var_x0 is not None:
        a = process.posterior_weights(np.arange(1, process.T + 1))[0]
        table, left = process.posterior_variance.copy(), np.asarray(var_x0, dtype=np.float64)
        if left.shape != table.shape:
            raise ValueError(f"var_x0 has T + 1 = {len(table)} entries, got shape {left.shape}")
        table[1:] += a**2 * left[1:]
    else:
        raise ValueError(
            f"variance={variance!r} has no table: expected 'posterior', 'beta', 'optimal' with "
            f"var_x0, or an array of T + 1 = {process.T + 1} numbers"
        )
    if table.shape != (process.T + 1,):
        raise ValueError(f"variances has T + 1 = {process.T + 1} entries, got shape {table.shape}")
    good = (table[1:] > 0) & (table[1:] < np.inf)  # False for NaN as well
    if not good.all():
        t = 1 + int(good.argmin())
        raise ValueError(
            f"a variance is positive and finite from t = 1 on (sigma_1^2 belongs to the decoder: "
            f"beta_1, say), got {table[t]} at t = {t}"
        )
    return table


def x0_weight(process, t, weight):
    """The weight of (x0 - x0_hat)^2 at t in the loss named `weight`, float64.

    vlb: w_t = a^2 / (2 s_t^2), that of the bound. snr: SNR, which is 1 on eps. min_snr: SNR, at
    most 5 (Hang et al. 2023). p2: SNR / (1 + SNR) (Choi et al. 2022 with gamma = k = 1). The loss
    "simple" has weight 1 on whatever is predicted, and so no entry here.
    """
    snr = process.snr[t]
    table = {"snr": snr, "min_snr": np.minimum(snr, 5.0), "p2": snr / (1 + snr)}
    if weight == "vlb":
        return process.posterior_weights(t)[0] ** 2 / (2 * variances(process)[t])
    if weight not in table:
        names = ", ".join(["simple", "vlb", *table])
        raise ValueError(f"unknown weight {weight!r}: expected one of {names}")
    return table[weight]


class Rows(NamedTuple):
    """What the bound and the losses need of t: Python floats, or arrays (N, 1, ..., 1)."""

    scale: object  # x_t = scale x0 + sigma eps
    sigma: object
    target_x0: object  # the model is to predict target_x0 x0 + target_eps eps
    target_eps: object
    weight: object  # of the squared error of that prediction in the loss
    bound: object  # and in the bound: w_t gain^2
    inner: object  # 1 for t > 1; 0 at t = 1, where the posterior is a point
    offset: object  # 0 for t > 1; log(2 pi s_1^2) / 2 at t = 1
    high: object  # log(beta_t / s_t^2) and log(beta-tilde_t / s_t^2), the ends between which a
    low: object  # learned log variance interpolates (beta-tilde_2 at t = 1, as beta-tilde_1 = 0)

    def noised(self, x0, eps):
        """x_t."""
        return x0 * self.scale + eps * self.sigma

    def target(self, x0, eps):
        """What the model is to predict."""
        return x0 * self.target_x0 + eps * self.target_eps

    def log_ratio(self, f):
        """log(sigma_t^2 / s_t^2) of a learned variance: f log beta_t + (1 - f) log beta-tilde_t."""
        return f * self.high + (1 - f) * self.low

    def nats(self, squared_error, log_ratio):
        """L_{t-1}, or the Gaussian L_0, of every element."""
        constant = (expm1(-log_ratio) * self.inner + log_ratio) * 0.5 + self.offset
        return squared_error * (exp(-log_ratio) * self.bound) + constant


def optimal_log_ratio(squares, row):
    """log((beta-tilde_t + a^2 E) / s_t^2) of each row, E = mean (x0 - x0_hat)^2 of the others."""
    n = len(squares)
    if n < 2 or not isinstance(row.bound, float):
        raise ValueError(
            "variance='optimal' is estimated at each t from the other rows; for a single row, or "
            "where every row has its own t, give var_x0 (T+1,)"
        )
    errors = squares.reshape(n, -1).mean(axis=1)
    others = (errors.sum() - errors) / (n - 1)
    if not row.inner and not (others > 0).all():
        raise ValueError(
            "the model makes no error at t = 1, so that the optimal sigma_1^2 is 0: data on points "
            "has no density; take another variance"
        )
    return log(others * (2 * row.bound) + row.inner).reshape((n,) + (1,) * (squares.ndim - 1))


def rows(process, t, like, weight="simple", predicts="eps", importance=None):
    """The Rows of t for a batch like the array `like` (N, ...), in its dtype and on its device.

    They are gathered on the host from float64 tables and cast last. An array t makes one upload,
    which a training loop sends along with the batch; an int t makes none. importance: a further
    factor of the weight, (N,), from a t sampler.
    """
    t = check_t(t, process.T)
    if importance is not None and np.ndim(t) == 0:
        t = np.full(len(like), t)
    if like.dtype.kind != "f":
        raise TypeError(f"data must be floating point, got {like.dtype}; scale it first")
    picked = _table(process, weight, predicts)[:, t]
    if not np.isfinite(picked).all():
        raise ValueError(
            f"alpha_bar is 0 at one of these t (SNR 0), where {predicts} says nothing of x0; let "
            "the model predict v or x0, or end the schedule above alpha_bar = 0"
        )
    if np.ndim(t) == 0:
        return Rows(*picked.tolist())
    if len(t) != len(like):
        raise ValueError(f"{len(t)} values of t for {len(like)} rows of data: expected one each")
    if importance is not None:
        picked[Rows._fields.index("weight")] *= importance
    picked = picked.astype(like.dtype).reshape(picked.shape + (1,) * (like.ndim - 1))
    picked = to_device_of(picked, like)
    return Rows(*(picked[i] for i in range(len(Rows._fields))))


@lru_cache(maxsize=16)
def _table(process, weight, predicts):
    """The Rows of every t, float64 (10, T+1); not finite at 0 and where x_t holds no signal."""
    t = np.arange(1, process.T + 1)
    s, n = np.sqrt(process.alphas_bar[t]), np.sqrt(process.one_minus_alphas_bar[t])
    a, b, _ = process.posterior_weights(t)
    s2, low = variances(process)[1:], process.posterior_variance[1:].copy()
    low[0] = low[1] if process.T > 1 else s2[0]
    if predicts not in NAMES:
        raise ValueError(f"unknown prediction {predicts!r}: expected one of {', '.join(NAMES)}")
    with np.errstate(divide="ignore", invalid="ignore"):
        target_x0, target_eps, gain = {
            "eps": (0, 1, n / s),
            "x0": (1, 0, 1),
            "v": (-n, s, n),
            "score": (0, -1 / n, n**2 / s),
            "mu": (np.sqrt(process.alphas_bar[t - 1]), b * n, 1 / a),
        }[predicts]
        columns = Rows(
            scale=s,
            sigma=n,
            target_x0=target_x0,
            target_eps=target_eps,
            weight=1 if weight == "simple" else x0_weight(process, t, weight) * gain**2,
            bound=x0_weight(process, t, "vlb") * gain**2,
            inner=t > 1,
            offset=np.where(t == 1, np.log(2 * np.pi * s2) / 2, 0),
            high=np.log(process.betas[t] / s2),
            low=np.log(low / s2),
        )
    table = np.full((len(columns), process.T + 1), np.nan)
    for i, column in enumerate(columns):
        table[i, 1:] = column
    return table

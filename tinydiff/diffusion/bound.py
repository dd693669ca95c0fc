"""The variational bound on -log p(x0) in nats, term by term, and the losses that it becomes.

    -log p(x0) <= L_T + L_{T-1} + ... + L_1 + L_0     L_T     = KL(q(x_T | x0) || N(0, I))
                                                       L_{t-1} = E KL(q(x_{t-1} | x_t, x0) || p)
                                                       L_0     = -E log p(x0 | x_1)
p(x_{t-1} | x_t) = N(a x0_hat + b x_t, sigma_t^2 I) is the posterior q(x_{t-1} | x_t, x0) = N(a x0 +
b x_t, s_t^2 I) with the model's x0_hat for x0. Per dimension, with l = log(sigma_t^2 / s_t^2),

    L_{t-1} = (l + e^-l - 1) / 2 + w_t e^-l (x0 - x0_hat)^2,     s_t^2 = beta-tilde_t,
    w_t = a^2 / (2 s_t^2) = (SNR(t-1) - SNR(t)) / 2.

At t = 1 the posterior is a point, a = 1, and p is a decoder. The Gaussian one, with s_1^2 = beta_1:

    L_0 = (l + log 2 pi s_1^2) / 2 + w_1 e^-l (x0 - x0_hat)^2.

A loss is (x0 - x0_hat)^2 with another weight: see `weights.py`. Sources: nus-l8; Ho et al. 2020
(equations 5, 8, 12, 14); Nichol and Dhariwal 2021 (learned variance); Kingma et al. 2021 (SNR).
"""

import math

import numpy as np

from ..backend import device_of, to_host, xp_of
from ..ops import mean, square, where
from ..tensor import Tensor
from . import weights
from .decoder import log_probability
from .denoise import Denoiser, check_start, noise_source
from .estimate import Bound, choose, collect
from .forms import continuous_form, eps_form, kl_form, row_sum, snr_form, x0_form
from .process import cast
from .timesampling import ImportanceT, StratifiedT, UniformT
from .weights import Rows, optimal_log_ratio, rows, variances, x0_weight

__all__ = [  # noqa: RUF022 (in the order of the derivation)
    "terms", "prior", "Bound", "UniformT", "StratifiedT", "ImportanceT",
    "loss", "row_losses", "hybrid_loss", "Rows", "rows", "variances", "x0_weight",
    "kl_form", "x0_form", "eps_form", "snr_form", "continuous_form",
]  # fmt: skip


def terms(
    model, process, x0, *, noise, ts=None, variance="posterior", predicts="eps",
    decoder="gaussian", levels=256, var_x0=None,
):  # fmt: skip
    """The Bound of the data x0 (N, ...): L_T, L_{t-1} and L_0 of every row.

    The model sees x_t in the dtype of x0, and t as a host int array (N,); the rest is float64. Each
    row gets fresh noise at each t, from a Generator or a function noise(t, shape), so that the
    total is an unbiased estimate of the bound, with a standard error.

    ts        None: every t. A sequence of distinct t, drawn uniformly: only these, the same for all
              rows. (t, weight) from sample(K N, rng) of a t sampler: K draws for each row. Then the
              total estimates the sum over t as well, still unbiased, and its error says so
    variance  posterior, beta, an array (T+1,): see `variances`
              optimal: with var_x0, see there. Without, each row takes E (x0 - x0_hat)^2 from the
              other rows, so that no row is judged by a variance fitted to it: the total lies above
              the best bound by O(T / N) on average, never below
              learned: the second half of the last axis of the model's output is f in
              log sigma_t^2 = f log beta_t + (1 - f) log beta-tilde_t (beta-tilde_2 at t = 1)
    decoder   gaussian: L_0 in nats of a density, as above. discretized, tanh: L_0 in nats of a
              probability, for x0 on `levels` equally spaced values in [-1, 1]
    """
    x0 = check_start("bound.terms", x0)
    if not x0.size:
        raise ValueError(f"bound.terms needs at least one row of data, got shape {x0.shape}")
    log_p = log_probability(decoder, levels, x0)
    estimated = ("learned", "optimal") if var_x0 is None else ("learned",)
    if not (isinstance(variance, str) and variance in estimated):
        variance = variances(process, variance, var_x0)
    ask = Denoiser("bound.terms", model, process, predicts)
    draw = noise_source("bound.terms", noise)
    t, weight = choose(ts, process.T, len(x0))
    values = [
        row_sum(_nats(ask, step, x0, draw(step, x0), variance, log_p))
        for step in (t.tolist() if t.ndim == 1 else t)
    ]
    values = to_host(xp_of(x0).stack(values))
    return collect(to_host(prior(process, x0)), values, t, weight, process.T, x0[0].size)


def _nats(ask, t, x0, eps, variance, log_p):
    """L_{t-1}, at t = 1 L_0, of every element of x0, float64."""
    process, kind = ask.process, variance if isinstance(variance, str) else "table"
    dtype, x0, eps = x0.dtype, x0.astype(np.float64), eps.astype(np.float64)
    row = rows(process, t, x0, "vlb", ask.predicts)
    xt = row.noised(x0, eps)
    out = ask.answer(xt.astype(dtype), t, heads=2 if kind == "learned" else 1).astype(np.float64)
    if kind == "learned":
        c = x0.shape[-1]
        out, log_ratio = out[..., :c], row.log_ratio(out[..., c:])
    squares = square(out - row.target(x0, eps))
    if kind == "optimal":
        log_ratio = optimal_log_ratio(squares, row)
    elif kind == "table":
        log_ratio = cast(np.log(variance[t] / variances(process)[t]), x0)
    nats = row.nats(squares, log_ratio)
    if log_p is None or not np.any(np.equal(t, 1)):
        return nats
    x0_hat = process.convert(out, xt, t, ask.predicts, "x0")
    decoded = -log_p(x0, x0_hat, log_ratio + math.log(process.betas[1]))
    return decoded if np.ndim(t) == 0 else where(row.inner == 0, decoded, nats)


def prior(process, x0):
    """L_T = sum [alpha_bar_T (x0^2 - 1) - log(1 - alpha_bar_T)] / 2 of each row: (N,) float64."""
    ab, noise = float(process.alphas_bar[-1]), float(process.one_minus_alphas_bar[-1])
    log_noise = math.log1p(-ab) if ab < 0.5 else math.log(noise)  # of the smaller, exact one
    return row_sum((square(x0.astype(np.float64)) - 1) * (ab / 2) - log_noise / 2)


# --- losses


def loss(model, process, x0, t, eps, weight="simple", predicts="eps", rows=None):
    """mean over rows and elements of weight_t (prediction - target)^2: a scalar Tensor.

    weight: simple (1 on whatever is predicted), vlb, snr, min_snr, p2: see `x0_weight`. T times the
    mean over t of the vlb loss is what the model contributes to the bound, in nats per dimension,
    for sigma_t^2 = s_t^2. rows: what `rows` made earlier of the same t, weight and predicts; then
    nothing is uploaded here, and t goes to the model as it is.
    """
    return mean(_weighted(model, process, x0, t, eps, weight, predicts, rows))


def row_losses(model, process, x0, t, eps, weight="simple", predicts="eps", rows=None):
    """The loss of each row, a Tensor (N,) whose mean is `loss`: what a t sampler learns from."""
    squares = _weighted(model, process, x0, t, eps, weight, predicts, rows)
    return mean(squares.reshape(len(squares), -1), axis=1)


def _weighted(model, process, x0, t, eps, weight, predicts, rows):
    row = weights.rows(process, t, x0, weight, predicts) if rows is None else rows
    return square(_answer(model, row, x0, t, eps) - row.target(x0, eps)) * row.weight


def _answer(model, row, x0, t, eps, heads=1):
    """The model's output at x_t as a Tensor, `heads` times the channels of x0 on the last axis."""
    if eps.shape != x0.shape:
        raise ValueError(f"noise eps of shape {eps.shape} does not fit x0 of shape {x0.shape}")
    out = model(row.noised(x0, eps), t)
    expected = (*x0.shape[:-1], heads * x0.shape[-1])
    if out.shape != expected:
        raise ValueError(f"the model returned shape {out.shape}, expected {expected}")
    return out if isinstance(out, Tensor) else Tensor(out, device=device_of(out))


def hybrid_loss(model, process, x0, t, eps, weight="simple", predicts="eps", rows=None, scale=1e-3):
    """loss + scale L_vlb for a model with a learned variance (last axis 2C): a scalar Tensor.

    L_vlb is T times the mean of L_{t-1} (the Gaussian L_0 at t = 1) in nats per dimension. The
    prediction enters it as a constant, so that it trains the variance alone (Nichol and Dhariwal
    2021, section 3.1). rows: as in `loss`.
    """
    row = weights.rows(process, t, x0, weight, predicts) if rows is None else rows
    out, c = _answer(model, row, x0, t, eps, heads=2), x0.shape[-1]
    out, f = out[..., :c], out[..., c:]
    target = row.target(x0, eps)
    nats = row.nats(square(out.detach() - target), row.log_ratio(f))
    return mean(square(out - target) * row.weight) + mean(nats) * (scale * process.T)

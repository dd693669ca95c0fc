"""One and the same L_{t-1}, t > 1, in five ways: each (N,) nats, summed over the dimensions.

`bound.py` computes with none of them: it needs one formula for every prediction and every variance.
These are the forms in which the papers print the term, with the variance that each belongs to.
Sources: nus-l8; Ho et al. 2020 (equation 8); Kingma et al. 2021 (SNR, continuous time).
"""

import numpy as np

from ..ops import log, square
from .process import cast, check_t
from .weights import variances


def row_sum(x):
    """The sum over all but the first axis."""
    return x.reshape(len(x), -1).sum(axis=1)


def kl_form(mean_q, var_q, mean_p, var_p):
    """KL(N(mean_q, var_q I) || N(mean_p, var_p I)) = (log r + 1/r - 1 + |difference|^2 / var_p) / 2

    with r = var_p / var_q; the variances are numbers or arrays that broadcast with the means.
    """
    ratio = var_p / var_q
    return row_sum(square(mean_q - mean_p) * (0.5 / var_p) + (log(ratio) + (1 / ratio - 1)) * 0.5)


def x0_form(process, t, x0, x0_hat):
    """(SNR(t-1) - SNR(t)) / 2 |x0 - x0_hat|^2, for sigma_t^2 = beta-tilde_t."""
    t = check_t(t, process.T, first=2)
    return row_sum(square(x0 - x0_hat) * cast((process.snr[t - 1] - process.snr[t]) / 2, x0))


def eps_form(process, t, eps, eps_hat, variance="posterior"):
    """beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)) |eps - eps_hat|^2, which for another

    sigma_t^2 than beta-tilde_t is L_{t-1} less its constant, (log r + 1/r - 1) / 2 per dimension.
    """
    t = check_t(t, process.T, first=2)
    noise = process.alphas[t] * process.one_minus_alphas_bar[t]
    weight = process.betas[t] ** 2 / (2 * variances(process, variance)[t] * noise)
    return row_sum(square(eps - eps_hat) * cast(weight, eps))


def snr_form(process, t, eps, eps_hat):
    """expm1(gamma_t - gamma_{t-1}) / 2 |eps - eps_hat|^2 with gamma = -log SNR."""
    t = check_t(t, process.T, first=2)
    step = process.log_snr[t - 1] - process.log_snr[t]
    return row_sum(square(eps - eps_hat) * cast(np.expm1(step) / 2, eps))


def continuous_form(rate, eps, eps_hat):
    """gamma'(time) / 2 |eps - eps_hat|^2, nats per unit of time; rate = gamma'(time), () or (N,).

    The limit of many short steps. Integrated over one step with x0_hat held fixed, along which |eps
    - eps_hat|^2 = SNR |x0 - x0_hat|^2 changes, it is the x0 form exactly, as SNR gamma' = -SNR'.
    """
    return row_sum(square(eps - eps_hat) * cast(np.asarray(rate, dtype=np.float64) / 2, eps))

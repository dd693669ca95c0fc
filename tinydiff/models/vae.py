"""The variational autoencoder's bound: reconstruction minus divergence, and how to draw through it.

log p(x) >= E_q(z|x) log p(x | z) - D_KL(q(z | x) || N(0, I)), q(z | x) = N(mean, exp(log_var) I)

in nats. Functions of arrays or Tensors, one example a row. Source: Kingma and Welling 2014.
"""

from ..ops import exp, expm1, sum


def reparametrise(mean, log_var, eps):
    """z = mean + exp(log_var / 2) eps, eps ~ N(0, I): a draw that mean and log_var can be trained
    by.

    The randomness stands apart from the parameters, so dz/dmean = 1 and dz/dlog_var = (z - mean)
    / 2."""
    return mean + exp(log_var * 0.5) * eps


def gaussian_kl(mean, log_var):
    """D_KL(N(mean, exp(log_var)) || N(0, I)) of each row (N, d): (N,) nats.

    = 1/2 sum (mean^2 + exp(log_var) - 1 - log_var); expm1 keeps the digits near the prior.
    """
    return sum(mean * mean + (expm1(log_var) - log_var), axis=-1) * 0.5


def elbo(log_likelihood, mean, log_var):
    """The lower bound on log p(x) of each row: (N,) nats; log_likelihood is log p(x | z) at a
    draw z."""
    return log_likelihood - gaussian_kl(mean, log_var)

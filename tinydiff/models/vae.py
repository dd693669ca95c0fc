"""The variational autoencoder: its bound, how to draw through it, and its networks.

log p(x) >= E_q(z|x) log p(x | z) - D_KL(q(z | x) || N(0, I)), q(z | x) = N(mean, exp(log_var) I)

in nats. Functions of arrays or Tensors, one example a row. Source: Kingma and Welling 2014.
"""

import math

import numpy as np

from ..nn import Linear, Module
from ..ops import clip, exp, expm1, logsumexp, matmul, reshape, split, square, sum, tanh
from ..parameter import Parameter
from .coders import dense

LOG_2PI = math.log(2 * math.pi)


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


def sampled_kl(eps, z, log_var):
    """log q(z | x) - log p(z) at the draws z = mean + exp(log_var / 2) eps: (N,) nats.

    log q = -1/2 sum (eps^2 + log_var + log 2 pi) and log p = -1/2 sum (z^2 + log 2 pi), so it is
    1/2 sum (z^2 - eps^2 - log_var), and its mean over eps is `gaussian_kl`: the divergence by
    Monte Carlo, which would serve a q without a closed form as well.
    """
    return sum(square(z) - square(eps) - log_var, axis=-1) * 0.5


def elbo(log_likelihood, mean, log_var):
    """The lower bound on log p(x) of each row: (N,) nats; log_likelihood is log p(x | z) at a
    draw z."""
    return log_likelihood - gaussian_kl(mean, log_var)


def importance_bound(log_weights):
    """log 1/K sum_k w_k with w_k = p(x, z_k) / q(z_k | x), z_k ~ q: (K, N) -> (N,) nats.

    By Jensen's inequality a lower bound on log p(x) = log E w, which for K = 1 is the bound above
    and rises with K up to log p(x) itself. Source: Burda et al. 2016.
    """
    return logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])


def gaussian_log_likelihood(x, mean, log_var):
    """log N(x; mean, exp(log_var)) of each element, in nats: a density, so it has a unit."""
    return (square(x - mean) * exp(-log_var) + log_var + LOG_2PI) * -0.5


class VAE(Module):
    """An encoder x -> (mean, log_var) of q(z | x), and a decoder z -> mean of p(x | z).

    shape: of one x; latent: size of z; coders: what makes both networks, of `models/coders.py`;
    hidden: its widths. The decoder ends in a tanh, as data lies in [-1, 1].
    The variance of p(x | z) is learned, one for each number of x: `log_var_x` (d,), from 0.1 on,
    and not below e^-8: a pixel that is white in all images would else ask for minus infinity.
    rng: np.random.Generator of the weights.
    """

    def __init__(self, shape, latent=8, hidden=(256, 256), coders=dense, *, rng):
        self.shape, self.latent = tuple(shape), latent
        self.encoder, self.decoder = coders(self.shape, latent, 2 * latent, hidden, rng=rng)
        self.log_var_x = Parameter(np.full(math.prod(self.shape), math.log(0.1)))

    def encode(self, x):
        """mean and log_var of q(z | x), (N, latent) each, of x (N, *shape)."""
        return split(self.encoder(x), 2, axis=-1)

    def decode(self, z):
        """The mean of p(x | z), (N, *shape), of z (N, latent)."""
        return tanh(self.decoder(z))

    def log_likelihood(self, x, z, element=gaussian_log_likelihood):
        """log p(x | z) of each row, (N,) nats. element(x, mean, log_var): that of each number."""
        flat = reshape(x, (x.shape[0], -1))
        mean = reshape(self.decode(z), flat.shape)
        return sum(element(flat, mean, clip(self.log_var_x, -8, 4)), axis=-1)

    def forward(self, x, eps, element=gaussian_log_likelihood):
        """The bound of each row at the draw of z that eps (N, latent) makes: (N,) nats."""
        mean, log_var = self.encode(x)
        z = reparametrise(mean, log_var, eps)
        return elbo(self.log_likelihood(x, z, element), mean, log_var)


class LinearVAE(Module):
    """x = W z + b + N(0, exp(log_noise) I), q(z | x) = N(V (x - b), diag exp(log_var)).

    Its decoder is probabilistic PCA. Its encoder can give the exact posterior, N(M^-1 W^T (x - b),
    noise M^-1) with M = W^T W + noise I, once the columns of W are orthogonal, which no likelihood
    forbids. So the best bound is the best likelihood, and that is known in closed form
    (gaussian.ppca). Source: Lucas et al. 2019. W: (d, q), V: (d, q), b: (d,), log_var: (q,).
    """

    def __init__(self, d, q, *, rng):
        self.W, self.V = (Linear(q, d, bias=False, rng=rng), Linear(d, q, bias=False, rng=rng))
        self.b = Parameter(np.zeros(d))
        self.log_var, self.log_noise = Parameter(np.zeros(q)), Parameter(np.zeros(()))

    def forward(self, x):
        """The bound of each row of x (N, d), exactly: (N,) nats.

        With the residual r = x - b - W mean and z = mean + s eps, E |r - W s eps|^2 = |r|^2 +
        sum_k s_k^2 |w_k|^2 (w_k: the columns of W), so no draw is needed:

            -1/2 [(|r|^2 + sum_k s_k^2 |w_k|^2) / noise + d log(2 pi noise)] - D_KL
        """
        centred = x - self.b
        mean = self.V(centred)
        residual = sum(square(centred - self.W(mean)), axis=-1)
        spread = matmul(sum(square(self.W.W), axis=1), exp(self.log_var))
        d = x.shape[-1]
        fit = (residual + spread) * exp(-self.log_noise) + (self.log_noise + LOG_2PI) * d
        return elbo(fit * -0.5, mean, self.log_var)

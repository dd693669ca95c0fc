"""Diffusion of text: every character is a vector, and the vectors are noised and denoised.

Character k of an alphabet of V has a learned vector E_k of C numbers, scaled to mean square 1, and
x_0 = E[w] for a text w of n characters, (n, C). From there on it is diffusion as of any data, and

    -log p(w) <= L_T + sum over t = 2 ... T of L_{t-1} + L_0,      L_0 = -E log p(w | x_1).

For p(w) is the integral of p(x_T) prod_t p(x_{t-1} | x_t) p(w | x_1) over x_1 ... x_T, so Jensen's
inequality with q(x_1 ... x_T | w) bounds -log p(w) by the mean of log q - log p. As w determines
x_0, q(. | w) is q(. | x_0), whose mean log-ratios are the terms L_T and L_{t-1} of
`diffusion.bound`. New is the last step alone, which rounds. With all characters alike before one
has looked, Bayes' theorem gives

    p(w_i = k | x_1) = softmax_k(pull_1 x_1i . E_k),       pull_t = sqrt(ab_t) / (1 - ab_t),

since q(x_t | k) = N(sqrt(ab_t) E_k, (1 - ab_t) I) and all |E_k| are equal. It adds up to 1 over the
texts, so the bound is one on a probability: in nats per character it compares with that of any
other model. (Li et al. noise x_0 as well: what they call q(x_0 | w) is q(x_1 | w) here.)

The vectors are learned with all the rest by the bound itself. Vectors that do not differ would make
every L_{t-1} zero; L_0 is what keeps them apart. Sources: Li et al. 2022 (Diffusion-LM); Dieleman
et al. 2022 (vectors of one length, x_0_hat the mean of a softmax); Gulrajani and Hashimoto 2023
(that softmax starts from Bayes' theorem; trained by the bound).
"""

import numpy as np

from ..backend import device_of, standard_normal, to_device_of, to_host, xp_of
from ..diffusion import bound
from ..diffusion.estimate import Bound
from ..nn import Embedding, Module, on_device_of
from ..ops import (
    embedding,
    log_softmax,
    matmul,
    mean,
    reshape,
    softmax,
    sqrt,
    square,
    sum,
    where,
)
from ..tensor import no_grad
from .transformer import Transformer

REACH = 2


class TextDenoiser(Module):
    """model(xt, t): E[x_0 | x_t] for the noisy vectors xt (N, n, C) of n characters.

    It is the mean of the vectors under softmax(network(xt, t) + pull_t xt . E_k). The network, a
    Transformer, starts at 0: then the softmax is exact for characters that are independent and
    equally frequent, and how they are not is what is left to learn. Its tokens are made of REACH
    neighbours on both sides, as attention is slow to find out which places are next to each other.
    V: characters of the alphabet; process: that of xt; channels: C; d, heads, blocks: those of the
    Transformer.
    """

    buffers = ("pull",)

    def __init__(self, V, process, n=64, channels=16, d=96, heads=4, blocks=3, *, rng):
        self.vectors = Embedding(V, channels, rng=rng)
        self.network = Transformer(
            n, process.T, d, heads, blocks, dropout=0, time="waves", outputs=V, inputs=channels,
            reach=REACH, rng=rng,
        )  # fmt: skip
        self.pull = to_device_of(pull(process).astype(np.float32), self.flat.data)

    def table(self):
        """E, (V, C)."""
        W = self.vectors.W
        return W / sqrt(mean(square(W), axis=-1, keepdims=True))

    def embed(self, ids):
        """x_0 (N, n, C) of ids (N, n)."""
        return embedding(self.table(), ids)

    def log_likelihood(self, xt, t):
        """log q(x_t | k) of each character k, up to a constant: (N, n, V)."""
        factor = reshape(self.pull[on_device_of(t, xt)], (xt.shape[0], 1, 1))
        return matmul(xt * factor, self.table().transpose())

    def forward(self, xt, t):
        logits = self.network(xt, t) + self.log_likelihood(xt, t)
        return matmul(softmax(logits), self.table())

    def nearest(self, x):
        """The ids (N, n) of the characters whose vectors are nearest to those of x (N, n, C), an
        array: of vectors of one length, those with the largest product."""
        return (x @ self.table().data.T).argmax(axis=-1)


def pull(process):
    """sqrt(ab_t) / (1 - ab_t) of each t, infinite at t = 0: float64 (T + 1,)."""
    return process.snr / process.alphas_bar**0.5


def rounding(model, ids, x1):
    """-log p(w_i | x_1) of each character of ids (N, n), in nats: (N, n). x1: array or Tensor."""
    log_p = log_softmax(model.log_likelihood(x1, 1))
    own = reshape(ids, (*ids.shape, 1)) == xp_of(ids).arange(log_p.shape[-1])
    return -sum(where(own, log_p, 0), axis=-1)


def loss(model, process, ids, t, eps, rows):
    """An estimate of the bound but for L_T, in nats per character: a scalar Tensor.

    ids: (N, n); t: (N,), uniform on 2 ... T; eps: (N, n, C); rows: `bound.rows` of t with weight
    "vlb" and prediction "x0". One divergence stands for all T - 1, and C numbers make a character;
    L_0 is taken at the same noise. L_T depends on nothing that is learned.
    """
    x0 = model.embed(ids)
    divergence = bound.loss(model, process, x0, t, eps, "vlb", "x0", rows)
    last = mean(rounding(model, ids, process.q_sample(x0, 1, eps)))
    return divergence * ((process.T - 1) * x0.shape[-1]) + last


def terms(model, process, ids, noise, ts=None):
    """The Bound on -log p(w) of texts ids (N, n); its dims are n, so bits are per character.

    noise: np.random.Generator; ts: None for every t, or the (t, weight) of a t sampler, as in
    `bound.terms`; L_0 is evaluated for every row in either case.
    """
    with no_grad():
        x0 = model.embed(ids).data
        found = bound.terms(model, process, x0, noise=noise, ts=ts, predicts="x0")
        eps = standard_normal(noise, x0.shape, x0.dtype, device_of(x0))
        last = rounding(model, ids, process.q_sample(x0, 1, eps)).sum(axis=1)
    L, share = found.L.copy(), found.share.copy()
    L[:, 1], share[..., 1] = to_host(last.data), 1
    return Bound(found.L_T, L, ids.shape[1], share)

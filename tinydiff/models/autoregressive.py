"""The autoregressive way to a text: p(w) = prod_i p(w_i | w_1 ... w_{i-1}), each factor by one net.

No noise, no bound: the probability itself is trained. What diffusion of text is measured against.
Source: Radford et al. 2018.
"""

from ..backend import device_of, uniform, xp_of
from ..nn import Embedding, LayerNorm, Linear, Module
from ..ops import cross_entropy, log_softmax, reshape, softmax
from ..parameter import Parameter
from ..tensor import no_grad
from .transformer import Block
from .unet import zeroed


class Autoregressive(Module):
    """model(ids): logits of every character given those before it, (N, L) -> (N, L, V), L <= n.

    V: characters of the alphabet; d, heads, blocks: as of the Transformer, whose blocks these are,
    with attention to itself and earlier places only. Place i is shown character i - 1, and place 0
    a sign for the start, number V. The last layer starts at 0: all characters alike.
    """

    def __init__(self, V, n=64, d=96, heads=4, blocks=3, *, rng):
        self.table = Embedding(V + 1, d, rng=rng)
        self.position = Parameter(rng.standard_normal((n, d)))
        self.blocks = [Block(d, heads, 0.0, rng=rng) for _ in range(blocks)]
        self.norm, self.last = LayerNorm(d), zeroed(Linear(d, V, rng=rng))

    def forward(self, ids):
        n, length = self.position.shape[0], ids.shape[1]
        if length > n:
            raise ValueError(f"this model knows texts of at most {n} characters, got {length}")
        xp = xp_of(ids)
        start = xp.full((len(ids), 1), self.table.W.shape[0] - 1, dtype=ids.dtype)
        x = self.table(xp.concatenate([start, ids[:, :-1]], axis=1)) + self.position[:length]
        for block in self.blocks:
            x = block(x, causal=True)
        return self.last(self.norm(x))


def loss(model, ids):
    """-log p(w) per character, the mean over ids (N, L): a scalar Tensor, in nats."""
    logits = model(ids)
    return cross_entropy(reshape(logits, (-1, logits.shape[-1])), ids.reshape(-1))


def nats(model, ids):
    """-log p(w_i | w_1 ... w_{i-1}) of every character of ids (N, L): an array like it."""
    with no_grad():
        log_p = log_softmax(model(ids)).data
    return -xp_of(ids).take_along_axis(log_p, ids[..., None], axis=-1)[..., 0]


def sample(model, count, length, rng):
    """`count` texts, (count, length) ids on the device of the model, character by character."""
    like = model.flat.data
    xp = xp_of(like)
    ids = xp.zeros((count, 0), dtype=xp.int64)
    for _ in range(length):
        ids = xp.concatenate([ids, xp.zeros((count, 1), dtype=xp.int64)], axis=1)
        with no_grad():
            below = softmax(model(ids)[:, -1]).data.cumsum(axis=1)
        u = uniform(rng, (count, 1), like.dtype, device_of(like)) * below[:, -1:]
        drawn = (below <= u).sum(axis=1)  # rounding may take u to its end
        ids[:, -1] = xp.minimum(drawn, below.shape[1] - 1)
    return ids

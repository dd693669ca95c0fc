"""The Transformer of the lecture's first lab: a noisy curve in, what the model predicts of it out.

Every point of the curve is a token. Attention lets each look at all the others, so that a bump is
seen as a whole wherever it stands. Sources: nus-l8, first lab; Vaswani et al. 2017; Xiong et al.
2020 (the norm before each branch).
"""

import math

from ..nn import (
    Conv1d,
    Dropout,
    Embedding,
    LayerNorm,
    Linear,
    Module,
    MultiHeadAttention,
    on_device_of,
    sinusoidal,
)
from ..ops import concatenate, cos, relu, reshape, sin
from ..parameter import Parameter
from .unet import zeroed


class Block(Module):
    """x -> y + mlp(norm2(y)),  y = x + attend(norm1(x))         x: (N, L, d) -> (N, L, d)

    mlp: Linear(d, 4d), ReLU, Linear(4d, d). Dropout thins out what each branch adds. causal: a
    token attends to itself and those before it.
    """

    def __init__(self, d, heads, dropout, *, rng):
        self.norm1, self.attend = LayerNorm(d), MultiHeadAttention(d, heads, rng=rng)
        self.norm2 = LayerNorm(d)
        self.widen, self.narrow = Linear(d, 4 * d, rng=rng), Linear(4 * d, d, rng=rng)
        self.drop = Dropout(dropout, rng=rng)

    def forward(self, x, causal=False):
        x = x + self.drop(self.attend(self.norm1(x), causal=causal))
        return x + self.drop(self.narrow(relu(self.widen(self.norm2(x)))))


class Transformer(Module):
    """model(xt, t): what the model predicts for noisy curves xt (N, n, 1), shaped like xt.

    t: 1 ... T, an int, or ints (N,) on the host or on the device of xt. n: points of a curve; d:
    size of a token. inputs: channels of xt, more than 1 where a point is a vector; reach: a token
    is made of its point and of so many on both sides of it. time: "table", a learned vector for
    each t, or "waves", a linear map of sines and cosines of t, which times close to each other
    share. position: "table", learned vectors that start as N(0, 1), like every Embedding, or
    "waves", that start as sines and cosines of the place: there a shift is a rotation, and
    attention sees from the start who is next to whom, instead of learning it point by point.
    fourier: each value also comes as sine and cosine of 2^k pi x, k < fourier, so that differences
    far below 1, which are all that the noise is at small t, are seen (Kingma et al. 2021, appendix
    C). outputs: channels of the result, 2 for a model that gives a learned variance as well. The
    defaults are the lab's: 842,241 parameters. rng: np.random.Generator of the initial weights, and
    of the dropout's masks.

    The last layer starts at 0, so that a fresh model predicts 0, and the loss of eps starts at 1.
    """

    def __init__(
        self, n=100, T=150, d=128, heads=4, blocks=4, dropout=0.01, time="table", position="table",
        fourier=0, outputs=1, inputs=1, reach=0, *, rng,
    ):  # fmt: skip
        for name, value in (("time", time), ("position", position)):
            if value not in ("table", "waves"):
                raise ValueError(f"{name} is 'table' or 'waves', got {value!r}")
        self.d, self.inputs = d, inputs
        self.frequencies = [math.pi * 2**k for k in range(fourier)]
        features = inputs * (1 + 2 * fourier)
        self.embed = (
            Conv1d(features, d, 2 * reach + 1, padding=reach, rng=rng) if reach
            else Linear(features, d, rng=rng)
        )  # fmt: skip
        self.position = Parameter(
            rng.standard_normal((n, d)) if position == "table"
            else math.sqrt(2) * sinusoidal(range(n), d, max_period=n)  # of mean square 1 as well
        )  # fmt: skip
        self.table = Embedding(T, d, rng=rng) if time == "table" else None
        self.waves = Linear(d, d, rng=rng) if time == "waves" else None
        self.when = Linear(d, d, rng=rng)
        self.blocks = [Block(d, heads, dropout, rng=rng) for _ in range(blocks)]
        self.norm, self.last = LayerNorm(d), zeroed(Linear(d, outputs, rng=rng))

    def forward(self, xt, t):
        n, inputs = self.position.shape[0], self.inputs
        if xt.ndim != 3 or xt.shape[1:] != (n, inputs):
            raise ValueError(f"this Transformer needs curves (N, {n}, {inputs}), got {xt.shape}")
        t = on_device_of(t, xt)
        e = self.table(t - 1) if self.waves is None else self.waves(sinusoidal(t, self.d))
        e = reshape(self.when(relu(e)), (xt.shape[0], 1, self.d))  # the same for every token
        x = self.embed(self.features(xt)) + self.position
        for block in self.blocks:
            x = block(x + e)
        return self.last(self.norm(x))

    def features(self, xt):
        """xt, and the sine and cosine of it at each frequency: (N, n, 1 + 2 fourier)."""
        if not self.frequencies:
            return xt
        angles = concatenate([xt * w for w in self.frequencies], axis=-1)
        return concatenate([xt, sin(angles), cos(angles)], axis=-1)

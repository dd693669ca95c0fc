"""Encoders and decoders: from an image to a few numbers, and back. By layers that see all pixels,
or by convolutions.

Each function returns (encoder, decoder): (N, *shape) -> (N, outputs), and (N, latent) -> (N,
*shape), unbounded. outputs: `latent`, or twice that for a mean and a log variance of each.
"""

import math
from itertools import pairwise

from ..nn import Conv2d, ConvTranspose2d, Linear, Sequential
from ..ops import reshape, silu
from .mlp import mlp


def _shaped(*shape):
    """Reshapes each row of an array to `shape`."""
    return lambda x: reshape(x, (x.shape[0], *shape))


def dense(shape, latent, outputs, hidden, *, rng):
    """MLPs over the pixels in a row. hidden: the encoder's widths; the decoder's are the same,
    backwards. Without any, both are linear."""
    d = math.prod(shape)
    encoder = Sequential(_shaped(d), mlp(d, *hidden, outputs, rng=rng))
    return encoder, Sequential(mlp(latent, *reversed(hidden), d, rng=rng), _shaped(*shape))


def convolutional(shape, latent, outputs, widths, *, rng):
    """3x3 convolutions with `widths` channels, of which each but the first halves height and width,
    and a linear layer. The decoder is the mirror image, its transposed convolutions double them.

    A transposed convolution of size 4 and stride 2 gives every pixel equally many terms, where size
    3 would give some of them more than others: a checkerboard (Odena et al. 2016).
    """
    height, breadth, channels = shape
    cut = 2 ** (len(widths) - 1)
    if height % cut or breadth % cut:
        raise ValueError(f"{len(widths)} widths need H and W that are multiples of {cut}: {shape}")
    small = (height // cut, breadth // cut, widths[-1])
    d = math.prod(small)
    down = [Conv2d(channels, widths[0], 3, padding=1, rng=rng), silu]
    for a, b in pairwise(widths):
        down += [Conv2d(a, b, 3, stride=2, padding=1, rng=rng), silu]
    encoder = Sequential(*down, _shaped(d), Linear(d, outputs, rng=rng))
    up = [Linear(latent, d, rng=rng), silu, _shaped(*small)]
    for b, a in pairwise(reversed(widths)):
        up += [ConvTranspose2d(b, a, 4, stride=2, padding=1, rng=rng), silu]
    return encoder, Sequential(*up, Conv2d(widths[0], channels, 3, padding=1, rng=rng))

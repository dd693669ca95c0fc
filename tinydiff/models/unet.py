"""The U-Net of diffusion models: an image in, an image of the same size out, told the time t.

Down a staircase of resolutions, through the middle, and up again. Every block on the way up also
sees what the block of its height made on the way down: the coarse levels decide what is in the
image, the skip connections remember where exactly. Sources: Ronneberger et al. 2015; Ho et al.
2020, appendix B; Nichol & Dhariwal 2021 (the time as a scale and a shift).
"""

from ..nn import (
    Conv2d,
    FiLM,
    GroupNorm,
    Linear,
    Module,
    MultiHeadAttention,
    on_device_of,
    sinusoidal,
)
from ..ops import concatenate, reshape, silu, upsample2d


class ResBlock(Module):
    """x -> skip(x) + conv2(silu(film(norm2(conv1(silu(norm1(x)))), e)))

    x: (N, H, W, c_in) -> (N, H, W, c_out), e: (N, d). conv2 starts at 0, so that a fresh block is its
    skip: the identity, or a 1x1 convolution where the number of channels changes.
    """

    def __init__(self, c_in, c_out, d, groups, *, rng):
        self.norm1, self.conv1 = GroupNorm(groups, c_in), Conv2d(c_in, c_out, 3, padding=1, rng=rng)
        self.norm2, self.film = GroupNorm(groups, c_out), FiLM(d, c_out, rng=rng)
        self.conv2 = zeroed(Conv2d(c_out, c_out, 3, padding=1, rng=rng))
        self.skip = None if c_in == c_out else Conv2d(c_in, c_out, 1, rng=rng)

    def forward(self, x, e):
        h = self.conv1(silu(self.norm1(x)))
        h = self.conv2(silu(self.film(self.norm2(h), e)))
        return h + (x if self.skip is None else self.skip(x))


class PixelAttention(Module):
    """x -> x + attention(norm(x)): every pixel looks at all the others.         x: (N, H, W, c)"""

    def __init__(self, c, heads, groups, *, rng):
        self.norm, self.attend = GroupNorm(groups, c), MultiHeadAttention(c, heads, rng=rng)
        zeroed(self.attend.out)

    def forward(self, x):
        tokens = reshape(self.norm(x), (x.shape[0], -1, x.shape[-1]))
        return x + reshape(self.attend(tokens), x.shape)


class Stage(Module):
    """A residual block, and attention after it if heads > 0."""

    def __init__(self, c_in, c_out, heads, d, groups, *, rng):
        self.block = ResBlock(c_in, c_out, d, groups, rng=rng)
        self.attention = PixelAttention(c_out, heads, groups, rng=rng) if heads else None

    def forward(self, x, e):
        x = self.block(x, e)
        return x if self.attention is None else self.attention(x)


class UNet(Module):
    """model(xt, t): what the model predicts (eps, v, ...) for noisy images xt, shaped like xt.

    xt: (N, H, W, channels); t: an int, or ints (N,) on the host or on the device of xt. H and W are
    multiples of 2^(len(widths) - 1). widths: channels at each resolution, finest first; blocks:
    residual blocks at each, on each way; heads: attention heads at each, 0 for none; d: size of the
    time embedding. rng: np.random.Generator of the initial weights.
    """

    def __init__(self, channels=1, widths=(32, 64), blocks=2, heads=(0, 4), d=128, groups=8, patch=1, *, rng):
        self.channels, self.widths, self.blocks, self.patch = channels, tuple(widths), blocks, patch
        channels = channels*patch*patch
        self.time1, self.time2 = Linear(widths[0], d, rng=rng), Linear(d, d, rng=rng)
        self.first = Conv2d(channels, widths[0], 3, padding=1, rng=rng)
        self.down, self.shrink, self.up, self.grow = [], [], [], []
        for level, c in enumerate(widths):
            self.down += [Stage(c, c, heads[level], d, groups, rng=rng) for _ in range(blocks)]
            if level + 1 < len(widths):
                self.shrink.append(Conv2d(c, widths[level + 1], 2, stride=2, rng=rng))
        self.middle = Stage(c, c, heads[-1], d, groups, rng=rng)
        for level, c in reversed(list(enumerate(widths))):
            self.up += [Stage(2 * c, c, heads[level], d, groups, rng=rng) for _ in range(blocks)]
            if level:
                self.grow.append(Conv2d(c, widths[level - 1], 1, rng=rng))
        self.norm = GroupNorm(groups, widths[0])
        self.last = zeroed(Conv2d(widths[0], channels, 3, padding=1, rng=rng))

    def forward(self, xt, t):
        e = sinusoidal(on_device_of(t, xt), self.widths[0])
        e = silu(self.time2(silu(self.time1(e))))
        n,h,w,c=xt.shape; k=self.patch
        x=xt.reshape(n,h//k,k,w//k,k,c).transpose(0,1,3,2,4,5).reshape(n,h//k,w//k,k*k*c)
        x, skips = self.first(x), []
        for i, stage in enumerate(self.down, start=1):
            x = stage(x, e)
            skips.append(x)
            if i % self.blocks == 0 and i < len(self.down):
                x = self.shrink[i // self.blocks - 1](x)
        x = self.middle(x, e)
        for i, stage in enumerate(self.up, start=1):
            x = stage(concatenate([x, skips.pop()], axis=-1), e)
            if i % self.blocks == 0 and i < len(self.up):
                x = upsample2d(self.grow[i // self.blocks - 1](x), 2)
        x=self.last(silu(self.norm(x)))
        return x.reshape(n,h//k,w//k,k,k,c).transpose(0,1,3,2,4,5).reshape(n,h,w,c)


def zeroed(layer):
    """The layer with W = 0, which adds nothing until training wants it to."""
    layer.W.data[...] = 0
    return layer

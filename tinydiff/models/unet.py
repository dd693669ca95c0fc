"""The U-Net of diffusion models: an image in, an image of the same size out, told the time t.

Down a staircase of resolutions, through the middle, and up again. Every block on the way up also
sees what the block of its height made on the way down: the coarse levels decide what is in the
image, the skip connections remember where exactly. Sources: Ronneberger et al. 2015; Ho et al.
2020, appendix B; Nichol & Dhariwal 2021 (the time as a scale and a shift).
"""

from ..nn import (
    Conv2d,
    Embedding,
    FiLM,
    GroupNorm,
    Linear,
    Module,
    MultiHeadAttention,
    on_device_of,
    sinusoidal,
)
from ..ops import concatenate, reshape, silu, transpose, upsample2d


class ResBlock(Module):
    """x -> skip(x) + conv2(silu(film(norm2(conv1(silu(norm1(x)))), e)))

    x: (N, H, W, c_in) -> (N, H, W, c_out), e: (N, d). conv2 starts at 0, so that a fresh block is
    its skip: the identity, or a 1x1 convolution where the number of channels changes.
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
    multiples of patch 2^(len(widths) - 1).
    With classes > 0, model(xt, t, y) is told the label y too, an int, or ints (N,): -1 where it is
    not to know, and y = None is -1 for all. A label is a vector, added to that of the time.
    patch: the finest resolution is that of patches of so many pixels squared; the pixels of a patch
    become channels, which loses nothing. widths: channels at each resolution, finest first; blocks:
    residual blocks at each, on each way; heads: attention heads at each, 0 for none; d: size of the
    time embedding; groups: of the norms. outputs: the result has so many times the channels of
    xt, 2 for a model that gives a learned variance as well. rng: np.random.Generator of the initial
    weights.
    """

    def __init__(
        self, channels=1, patch=1, widths=(32, 64), blocks=2, heads=(0, 4), d=128, groups=8,
        outputs=1, classes=0, *, rng,
    ):  # fmt: skip
        if len(heads) != len(widths):
            raise ValueError(f"UNet needs heads for each of the widths {widths}, got {heads}")
        self.channels, self.patch, self.blocks = channels, patch, blocks
        self.d_wave, self.levels = widths[0], len(widths)
        self.time1, self.time2 = Linear(self.d_wave, d, rng=rng), Linear(d, d, rng=rng)
        self.classes = classes
        self.label = Embedding(classes + 1, d, rng=rng) if classes else None
        self.first = Conv2d(channels * patch**2, widths[0], 3, padding=1, rng=rng)
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
        self.last = zeroed(Conv2d(widths[0], outputs * channels * patch**2, 3, padding=1, rng=rng))

    def forward(self, xt, t, y=None):
        unit = self.patch * 2 ** (self.levels - 1)
        if xt.ndim != 4 or xt.shape[1] % unit or xt.shape[2] % unit or xt.shape[3] != self.channels:
            raise ValueError(
                f"this UNet needs images (N, H, W, {self.channels}) with H and W multiples of "
                f"{unit}, got {xt.shape}"
            )
        e = sinusoidal(on_device_of(t, xt), self.d_wave)
        e = silu(self.told(self.time2(silu(self.time1(e))), xt, y))
        x, skips = self.first(to_patches(xt, self.patch)), []
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
        return from_patches(self.last(silu(self.norm(x))), self.patch)

    def told(self, e, xt, y):
        """e (N, d), and the vectors of the labels y added, those of "unknown" where y is None."""
        if self.label is None:
            if y is not None:
                raise ValueError("this UNet knows no labels: make it with classes=, or leave y out")
            return e
        return e + self.label(on_device_of(-1 if y is None else y, xt) + 1)


def to_patches(x, k):
    """Images (N, H, W, C) as images of patches (N, H / k, W / k, k k C)."""
    n, h, w, c = x.shape
    x = transpose(reshape(x, (n, h // k, k, w // k, k, c)), (0, 1, 3, 2, 4, 5))
    return reshape(x, (n, h // k, w // k, k * k * c))


def from_patches(x, k):
    """The images whose patches are x: the inverse of `to_patches`."""
    n, h, w, c = x.shape
    x = transpose(reshape(x, (n, h, w, k, k, c // k**2)), (0, 1, 3, 2, 4, 5))
    return reshape(x, (n, h * k, w * k, c // k**2))


def zeroed(layer):
    """The layer with W = 0, which adds nothing until training wants it to."""
    layer.W.data[...] = 0
    return layer

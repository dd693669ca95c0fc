"""The U-Net of the lecture's second lab: batch norms, strided and transposed convolutions.

It stands beside the modern `unet.UNet` to be compared with: here the time is added to a block's
input as one number a channel, there it scales and shifts what the block computes. Source: nus-l8,
second lab.
"""

from ..nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Embedding,
    LayerNorm,
    Linear,
    Module,
    on_device_of,
)
from ..ops import concatenate, relu, reshape


class ConvNorm(Module):
    """relu(norm(conv(x))), `conv` a convolution of c_out channels."""

    def __init__(self, conv):
        self.conv, self.norm = conv, BatchNorm(conv.b.size)

    def forward(self, x):
        return relu(self.norm(self.conv(x)))


class TimeShift(Module):
    """x + relu(norm(Linear(e))), one number for each channel.      x: (N, H, W, c), e: (N, d)

    With one channel, as in the lab's first block, the norm leaves 0, whatever the time: the 51
    parameters there are counted, and learn nothing.
    """

    def __init__(self, d, c, *, rng):
        self.linear, self.norm = Linear(d, c, rng=rng), LayerNorm(c)

    def forward(self, x, e):
        return x + reshape(relu(self.norm(self.linear(e))), (x.shape[0], 1, 1, x.shape[-1]))


class Down(Module):
    """The time, a convolution of the given stride, then residual ones: x + relu(norm(conv(x)))."""

    def __init__(self, c_in, c_out, d, stride, residual, *, rng):
        self.shift = TimeShift(d, c_in, rng=rng)
        self.enter = ConvNorm(Conv2d(c_in, c_out, 3, stride=stride, padding=1, rng=rng))
        self.convs = [
            ConvNorm(Conv2d(c_out, c_out, 3, padding=1, rng=rng)) for _ in range(residual)
        ]

    def forward(self, x, e):
        x = self.enter(self.shift(x, e))
        for conv in self.convs:
            x = x + conv(x)
        return x


class Up(Module):
    """The time, a transposed convolution of stride 2, the skip beside it, two 3x3 convolutions.

    x: (N, h, w, c_in) -> (N, H, W, c_out), the size of the skip (N, H, W, c_out). From h the
    transposed convolution makes 2h - 1, and 2h with an output padding of 1.
    """

    def __init__(self, c_in, c_out, d, output_padding, *, rng):
        self.shift = TimeShift(d, c_in, rng=rng)
        grow = ConvTranspose2d(
            c_in, c_out, 3, stride=2, padding=1, output_padding=output_padding, rng=rng
        )
        self.grow = ConvNorm(grow)
        self.merge = ConvNorm(Conv2d(2 * c_out, c_out, 3, padding=1, rng=rng))
        self.conv = ConvNorm(Conv2d(c_out, c_out, 3, padding=1, rng=rng))

    def forward(self, x, skip, e):
        x = self.grow(self.shift(x, e))
        x = self.merge(concatenate([x, skip], axis=-1))
        return x + self.conv(x)


class LabUNet(Module):
    """model(xt, t): what the model predicts for noisy images xt (N, size, size, 1), shaped like xt.

    t: 1 ... T, an int, or ints (N,) on the host or on the device of xt. d: channels at the finest
    resolution and size of the time embedding; three times the sides are halved, rounded up (28, 14,
    7, 4), and the channels doubled. outputs: channels of the result, 2 for a model that gives a
    learned variance as well. The defaults are the lab's: 6,621,076 parameters. rng:
    np.random.Generator of the initial weights.
    """

    def __init__(self, size=28, T=150, d=48, outputs=1, *, rng):
        self.size, sizes = size, [size]
        self.table = Embedding(T, d, rng=rng)
        self.down, self.up = [Down(1, d, d, stride=1, residual=1, rng=rng)], []
        for c in (d, 2 * d, 4 * d):
            self.down.append(Down(c, 2 * c, d, stride=2, residual=2, rng=rng))
            sizes.append(-(-sizes[-1] // 2))
        for c, fine, coarse in zip((4 * d, 2 * d, d), sizes[2::-1], sizes[::-1]):
            self.up.append(Up(2 * c, c, d, fine - (2 * coarse - 1), rng=rng))
        self.last = Conv2d(d, outputs, 1, rng=rng)

    def forward(self, xt, t):
        expected = (self.size, self.size, 1)
        if xt.ndim != 4 or xt.shape[1:] != expected:
            raise ValueError(f"this LabUNet needs images (N, *{expected}), got {xt.shape}")
        e = self.table(on_device_of(t, xt) - 1)
        x, skips = xt, []
        for block in self.down:
            x = block(x, e)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(x, skips.pop(), e)
        return self.last(x)

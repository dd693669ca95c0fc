"""A small convolutional classifier. Its features are what a Frechet distance is measured in."""

from ..nn import Conv2d, GroupNorm, Linear, Module
from ..ops import max_pool2d, reshape, silu


class Classifier(Module):
    """Images (N, H, W, C) -> logits (N, classes).

    shape: (H, W, C), H and W at least 4; width: channels of the first convolution; d: size of the
    features. Three 3x3 convolutions, a 2x2 pooling after the first and after the last, which leave
    H // 4 by W // 4, and two linear layers. rng: np.random.Generator of the initial weights.
    """

    def __init__(self, shape=(8, 8, 1), classes=10, width=32, d=64, *, rng):
        height, breadth, channels = shape
        if height < 4 or breadth < 4:
            raise ValueError(f"Classifier needs images of at least 4 x 4 pixels, got {shape}")
        self.conv1 = Conv2d(channels, width, 3, padding=1, rng=rng)
        self.norm1 = GroupNorm(8, width)
        self.conv2 = Conv2d(width, 2 * width, 3, padding=1, rng=rng)
        self.norm2 = GroupNorm(8, 2 * width)
        self.conv3 = Conv2d(2 * width, 2 * width, 3, padding=1, rng=rng)
        self.norm3 = GroupNorm(8, 2 * width)
        self.hidden = Linear((height // 4) * (breadth // 4) * 2 * width, d, rng=rng)
        self.out = Linear(d, classes, rng=rng)

    def features(self, x):
        """What the last layer sees: (N, d)."""
        x = max_pool2d(silu(self.norm1(self.conv1(x))), 2)
        x = silu(self.norm2(self.conv2(x)))
        x = max_pool2d(silu(self.norm3(self.conv3(x))), 2)
        return silu(self.hidden(reshape(x, (x.shape[0], -1))))

    def forward(self, x):
        return self.out(self.features(x))

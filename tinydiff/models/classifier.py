"""Classifiers: a convolutional one of images, an MLP of points.

The features of the former are what a Frechet distance is measured in.
"""

from ..nn import Conv2d, GroupNorm, Linear, Module
from ..ops import max_pool2d, reshape, silu
from .mlp import mlp


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

    def layers(self, x):
        """What each layer makes of x: (N, H, W, width), twice (N, H/2, W/2, 2 width), (N, d)."""
        first = silu(self.norm1(self.conv1(x)))
        second = silu(self.norm2(self.conv2(max_pool2d(first, 2))))
        third = silu(self.norm3(self.conv3(second)))
        rows = reshape(max_pool2d(third, 2), (x.shape[0], -1))
        return first, second, third, silu(self.hidden(rows))

    def features(self, x):
        """What the last layer sees: (N, d)."""
        return self.layers(x)[-1]

    def forward(self, x):
        return self.out(self.features(x))


class PointClassifier(Module):
    """Points (N, d) -> logits MLP(x / unit), (N, classes).

    unit: the length on which the MLP bends. At unit 1 it would see points within [-1, 1] as one
    place, and learn the windings of a spiral late. rng: np.random.Generator of the weights.
    """

    def __init__(self, d, hidden, classes, unit=0.1, *, rng):
        self.net, self.unit = mlp(d, hidden, hidden, classes, rng=rng), unit

    def forward(self, x):
        return self.net(x * (1 / self.unit))

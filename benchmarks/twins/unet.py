"""tinydiff's UNet (models/unet.py) as a PyTorch user would write it.

Its parts have the names that ours have, so that parameters find each other; arrays are channels
first. Images (N, 1, H, W) and t (N,) in 1 ... T go in, images come out.
"""

import math

import torch
from torch import nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle, silu

from .transformer import Attention


def sinusoidal(t, d, max_period=10000):
    """Times (N,) as cosines and sines (N, d), as in nn/attention.py."""
    w = torch.exp(torch.arange(d // 2) * (-2 * math.log(max_period) / d))
    angles = t[:, None] * w
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class FiLM(nn.Module):
    def __init__(self, d, c):
        super().__init__()
        self.linear = nn.Linear(d, 2 * c)

    def forward(self, x, e):
        s, b = self.linear(e)[:, :, None, None].chunk(2, dim=1)
        return x * (1 + s) + b


class ResBlock(nn.Module):
    def __init__(self, c_in, c_out, d, groups):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2, self.film = nn.GroupNorm(groups, c_out), FiLM(d, c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = None if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x, e):
        h = self.conv1(silu(self.norm1(x)))
        h = self.conv2(silu(self.film(self.norm2(h), e)))
        return h + (x if self.skip is None else self.skip(x))


class PixelAttention(nn.Module):
    def __init__(self, c, heads, groups):
        super().__init__()
        self.norm, self.attend = nn.GroupNorm(groups, c), Attention(c, heads)

    def forward(self, x):
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.attend(tokens).transpose(1, 2).reshape(x.shape)


class Stage(nn.Module):
    def __init__(self, c_in, c_out, heads, d, groups):
        super().__init__()
        self.block = ResBlock(c_in, c_out, d, groups)
        self.attention = PixelAttention(c_out, heads, groups) if heads else None

    def forward(self, x, e):
        x = self.block(x, e)
        return x if self.attention is None else self.attention(x)


class UNet(nn.Module):
    def __init__(self, patch=1, widths=(32, 64), blocks=2, heads=(0, 4), d=128, groups=8):
        super().__init__()
        self.patch, self.blocks, self.d_wave, last = patch, blocks, widths[0], len(widths) - 1
        self.time1, self.time2 = nn.Linear(self.d_wave, d), nn.Linear(d, d)
        self.first = nn.Conv2d(patch**2, widths[0], 3, padding=1)
        self.down, self.shrink, self.up, self.grow = (nn.ModuleList() for _ in range(4))
        for level, c in enumerate(widths):
            self.down.extend(Stage(c, c, heads[level], d, groups) for _ in range(blocks))
            if level < last:
                self.shrink.append(nn.Conv2d(c, widths[level + 1], 2, stride=2))
        self.middle = Stage(widths[-1], widths[-1], heads[-1], d, groups)
        for level, c in reversed(list(enumerate(widths))):
            self.up.extend(Stage(2 * c, c, heads[level], d, groups) for _ in range(blocks))
            if level:
                self.grow.append(nn.Conv2d(c, widths[level - 1], 1))
        self.norm = nn.GroupNorm(groups, widths[0])
        self.last = nn.Conv2d(widths[0], patch**2, 3, padding=1)

    def forward(self, xt, t):
        e = sinusoidal(t, self.d_wave).to(xt)
        e = silu(self.time2(silu(self.time1(e))))
        x, skips = self.first(pixel_unshuffle(xt, self.patch)), []
        for i, stage in enumerate(self.down, start=1):
            x = stage(x, e)
            skips.append(x)
            if i % self.blocks == 0 and i < len(self.down):
                x = self.shrink[i // self.blocks - 1](x)
        x = self.middle(x, e)
        for i, stage in enumerate(self.up, start=1):
            x = stage(torch.cat([x, skips.pop()], dim=1), e)
            if i % self.blocks == 0 and i < len(self.up):
                x = interpolate(self.grow[i // self.blocks - 1](x), scale_factor=2)
        return pixel_shuffle(self.last(silu(self.norm(x))), self.patch)

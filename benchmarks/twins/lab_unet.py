"""tinydiff's LabUNet (models/lab_unet.py) as a PyTorch user would write it, for `twins.lab2`.

Its parts have the names that ours have, so that parameters find each other; arrays are channels
first. Images (N, 1, H, W) and t (N,) in 1 ... T go in, images come out.
"""

import torch
from torch import nn


class ConvNorm(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv, self.norm = conv, nn.BatchNorm2d(conv.out_channels)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class TimeShift(nn.Module):
    def __init__(self, d, c):
        super().__init__()
        self.linear, self.norm = nn.Linear(d, c), nn.LayerNorm(c)

    def forward(self, x, e):
        return x + torch.relu(self.norm(self.linear(e)))[:, :, None, None]


class Down(nn.Module):
    def __init__(self, c_in, c_out, d, stride, residual):
        super().__init__()
        self.shift = TimeShift(d, c_in)
        self.enter = ConvNorm(nn.Conv2d(c_in, c_out, 3, stride, padding=1))
        convs = [ConvNorm(nn.Conv2d(c_out, c_out, 3, padding=1)) for _ in range(residual)]
        self.convs = nn.ModuleList(convs)

    def forward(self, x, e):
        x = self.enter(self.shift(x, e))
        for conv in self.convs:
            x = x + conv(x)
        return x


class Up(nn.Module):
    def __init__(self, c_in, c_out, d, output_padding):
        super().__init__()
        self.shift = TimeShift(d, c_in)
        self.grow = ConvNorm(nn.ConvTranspose2d(c_in, c_out, 3, 2, 1, output_padding))
        self.merge = ConvNorm(nn.Conv2d(2 * c_out, c_out, 3, padding=1))
        self.conv = ConvNorm(nn.Conv2d(c_out, c_out, 3, padding=1))

    def forward(self, x, skip, e):
        x = self.grow(self.shift(x, e))
        x = self.merge(torch.cat([x, skip], dim=1))
        return x + self.conv(x)


class LabUNet(nn.Module):
    def __init__(self, size, T, d):
        super().__init__()
        self.table, sizes = nn.Embedding(T, d), [size]
        down, up = [Down(1, d, d, stride=1, residual=1)], []
        for c in (d, 2 * d, 4 * d):
            down.append(Down(c, 2 * c, d, stride=2, residual=2))
            sizes.append((sizes[-1] + 1) // 2)
        for i, c in enumerate((4 * d, 2 * d, d)):
            up.append(Up(2 * c, c, d, output_padding=sizes[2 - i] - (2 * sizes[3 - i] - 1)))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.last = nn.Conv2d(d, 1, 1)

    def forward(self, xt, t):
        e, x, skips = self.table(t - 1), xt, []
        for block in self.down:
            x = block(x, e)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(x, skips.pop(), e)
        return self.last(x)

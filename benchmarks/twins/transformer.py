"""tinydiff's Transformer (models/transformer.py) as a PyTorch user would write the first lab's.

Its parts have the names that ours have, so that parameters find each other. Curves (N, n, 1) and t
(N,) in 1 ... T go in, curves come out.
"""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(d, 3 * d), nn.Linear(d, d)

    def forward(self, x):
        n, length, d = x.shape
        cut = n, length, self.heads, d // self.heads
        q, k, v = (part.reshape(cut).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        y = scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).reshape(n, length, d))


class Block(nn.Module):
    def __init__(self, d, heads, dropout):
        super().__init__()
        self.norm1, self.attend, self.norm2 = nn.LayerNorm(d), Attention(d, heads), nn.LayerNorm(d)
        self.widen, self.narrow = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        x = x + self.drop(self.attend(self.norm1(x)))
        return x + self.drop(self.narrow(torch.relu(self.widen(self.norm2(x)))))


class Transformer(nn.Module):
    def __init__(self, n=100, T=150, d=128, heads=4, blocks=4, dropout=0.01):
        super().__init__()
        self.embed, self.position = nn.Linear(1, d), nn.Parameter(torch.randn(n, d))
        self.table, self.when = nn.Embedding(T, d), nn.Linear(d, d)
        self.blocks = nn.ModuleList(Block(d, heads, dropout) for _ in range(blocks))
        self.norm, self.last = nn.LayerNorm(d), nn.Linear(d, 1)

    def forward(self, xt, t):
        e = self.when(torch.relu(self.table(t - 1)))[:, None]
        x = self.embed(xt) + self.position
        for block in self.blocks:
            x = block(x + e)
        return self.last(self.norm(x))

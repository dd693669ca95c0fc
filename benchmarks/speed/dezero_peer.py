"""The works by DeZero."""

import numpy as np

np.int = int  # DeZero 0.0.13 still names it, which NumPy has dropped

import dezero.functions as F  # noqa: E402
import dezero.layers as L  # noqa: E402
from dezero import Model, optimizers  # noqa: E402

from .job import Job  # noqa: E402


class Denoiser(Model):
    def __init__(self, width):
        super().__init__()
        self.l1, self.l2 = L.Linear(width, in_size=18), L.Linear(width, in_size=width)
        self.l3, self.l4 = L.Linear(width, in_size=width), L.Linear(2, in_size=width)

    def forward(self, x):
        x = self.l1(x)
        for layer in (self.l2, self.l3, self.l4):
            x = layer(x * F.sigmoid(x))
        return x


def size(model):
    return sum(p.data.size for p in model.params())


def mlp(spec, batch, width):
    rng = np.random.default_rng(0)
    model = Denoiser(width)
    optimizer = optimizers.Adam(1e-3).setup(model)
    ab = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    signal, noise = np.sqrt(ab).astype(np.float32), np.sqrt(1 - ab).astype(np.float32)
    w = (10000.0 ** (-np.arange(8) / 8)).astype(np.float32)
    points = rng.standard_normal((10_000, 2), dtype=np.float32)

    def step():
        x0 = points[rng.integers(0, len(points), batch)]
        t, eps = rng.integers(0, 1000, batch), rng.standard_normal(x0.shape, dtype=np.float32)
        xt = signal[t][:, None] * x0 + noise[t][:, None] * eps
        angles = (t + 1).astype(np.float32)[:, None] * w
        x = np.concatenate([xt, np.cos(angles), np.sin(angles)], axis=1)
        loss = F.mean_squared_error(model(x), eps)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss.data

    return Job(step, size(model))


class Classes(Model):
    def __init__(self, side, widths):
        super().__init__()
        a, b = widths
        self.conv1, self.conv2 = L.Conv2d(a, 3, in_channels=1), L.Conv2d(b, 3, in_channels=a)
        self.linear = L.Linear(10, in_size=(side - 4) ** 2 * b)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.linear(F.reshape(x, (len(x), -1)))


def convnet(spec, batch, side, widths):
    rng = np.random.default_rng(0)
    model = Classes(side, widths)
    optimizer = optimizers.SGD(0.01).setup(model)
    x, y = rng.standard_normal((batch, 1, side, side), dtype=np.float32), rng.integers(0, 10, batch)

    def step():
        loss = F.softmax_cross_entropy(model(x), y)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss.data

    return Job(step, size(model))

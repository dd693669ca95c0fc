"""The works by tinydiff, as its users write them or as `tinydiff train` runs them."""

from itertools import pairwise

import numpy as np

import tinydiff as td
from tinydiff import nn, optim

from .job import Job


class Denoiser(nn.Module):
    """An MLP that sees a noisy point (N, 2), and its time as 16 waves."""

    def __init__(self, width, *, rng):
        from tinydiff.models.mlp import mlp

        self.net = mlp(18, width, width, width, 2, rng=rng)

    def forward(self, xt, t):
        return self.net(td.concatenate([xt, nn.sinusoidal(t, 16)], axis=1))


def mlp(spec, batch, width):
    """A training step on points in the plane: eps is learned, by Adam."""
    from tinydiff.diffusion import Process, bound, schedules

    rng = np.random.default_rng(0)
    model, process = Denoiser(width, rng=rng), Process(schedules.linear(1000))
    optimizer = optim.Adam(model, 1e-3)
    points = rng.standard_normal((10_000, 2), dtype=np.float32)

    def loss():
        x0 = points[rng.integers(0, len(points), batch)]
        t = rng.integers(1, process.T + 1, batch)
        eps = rng.standard_normal(x0.shape, dtype=np.float32)
        return bound.loss(model, process, x0, t, eps)

    def step():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return value.data

    return Job(step, model.flat.data.size, loss)


class Classes(nn.Module):
    """Two 3x3 convolutions without padding, and a linear layer to 10 classes."""

    def __init__(self, side, widths, *, rng):
        a, b = widths
        self.conv1, self.conv2 = nn.Conv2d(1, a, 3, rng=rng), nn.Conv2d(a, b, 3, rng=rng)
        self.linear = nn.Linear((side - 4) ** 2 * b, 10, rng=rng)

    def forward(self, x):
        x = td.relu(self.conv2(td.relu(self.conv1(x))))
        return self.linear(td.reshape(x, (len(x), -1)))


def convnet(spec, batch, side, widths):
    """A training step of a classifier of images, by gradient descent."""
    from tinydiff.train.shards import Shards

    rng = np.random.default_rng(0)
    model = Classes(side, widths, rng=rng)
    optimizer, shards = optim.SGD(model, 0.01), Shards(model, spec["shards"])
    x = rng.standard_normal((batch, side, side, 1), dtype=np.float32)
    y = rng.integers(0, 10, batch)

    def loss(model, x, y):
        return td.cross_entropy(model(x), y)

    def step():
        optimizer.zero_grad()
        value = shards.gradient(loss, x, y)
        optimizer.step()
        return value

    return Job(step, model.flat.data.size, lambda: loss(model, x, y))


def conv(spec, batch, side, width):
    """One layer, forward and backward: the gradients of image, weights and bias."""
    from tinydiff.train.shards import Shards

    rng = np.random.default_rng(0)
    model = nn.Conv2d(width, width, 3, padding=1, rng=rng)
    shards = Shards(model, spec["shards"])
    x, g = rng.standard_normal((2, batch, side, side, width), dtype=np.float32)

    def loss(model, x, g):
        return td.mean(model(td.Tensor(x, requires_grad=True)) * g)

    def step():
        for p in model.parameters():
            p.grad = None
        return shards.gradient(loss, x, g)

    return Job(step, model.flat.data.size, lambda: loss(model, x, g))


def training(spec, config, shape):
    """A step of `tinydiff train`, on rows that are noise: their values do not change the time."""
    from tinydiff.data.dataset import Dataset
    from tinydiff.train import presets  # noqa: F401  which makes every kind of run known
    from tinydiff.train.settings import from_dict
    from tinydiff.train.trainer import Trainer

    config = from_dict(config)
    x = np.random.default_rng(0).uniform(-1, 1, (10 * config.batch, *shape)).astype(np.float32)
    data = Dataset(x, np.zeros(len(x), np.int64), "noise", 0, "drawn", "none")
    trainer = Trainer(config, data, threads=spec["shards"])

    def step():
        return trainer.update(*trainer.batch())[0]

    def loss():
        x0, t, rows = trainer.batch()
        return trainer.loss(trainer.model, x0, t, np.zeros_like(x0), *rows)

    return Job(step, trainer.model.flat.data.size, loss)


def drawing(spec, config, shape, n):
    """n samples in as many groups as there are threads, as train/job.py draws them in groups."""
    from concurrent.futures import ThreadPoolExecutor

    from tinydiff.diffusion.samplers import last
    from tinydiff.train import presets  # noqa: F401
    from tinydiff.train.build import build, sampling
    from tinydiff.train.settings import from_dict

    config, rng = from_dict(config), np.random.default_rng(0)
    model, process = build(config, rng)
    model.eval()
    cuts = [n * k // spec["shards"] for k in range(spec["shards"] + 1)]
    sizes = [end - first for first, end in pairwise(cuts) if end > first]
    pool = ThreadPoolExecutor(len(sizes))

    def group(size, rng):
        return last(sampling(config, model, process, size, shape, rng))

    def step():
        return np.concatenate(list(pool.map(group, sizes, rng.spawn(len(sizes)))))

    def forward():
        return model(np.zeros((n, *shape), np.float32), np.ones(n, int))

    return Job(step, model.flat.data.size, forward, config.sample_steps, trains=False)


def tsne(spec, n, steps):
    """A map of digits from the same start as the peer's."""
    from ..tsne import digits, fit

    x, start = digits(n)[0], 1e-4 * np.random.default_rng(0).standard_normal((n, 2))
    return Job(lambda: fit("tinydiff", x, start, steps)[0])

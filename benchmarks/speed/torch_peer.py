"""The works by PyTorch, eager or compiled, as its users write them; arrays are channels first."""

import torch
from torch import nn

from .job import Job


def prepared(spec, model):
    """The model, compiled if that is asked for; the threads are set."""
    torch.set_num_threads(spec["threads"])
    return torch.compile(model) if spec["compile"] else model


def size(model):
    return sum(p.numel() for p in model.parameters())


class Denoiser(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(18, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2),
        )  # fmt: skip
        self.register_buffer("w", 10000.0 ** (-torch.arange(8) / 8))

    def forward(self, xt, t):
        angles = t[:, None] * self.w
        return self.net(torch.cat([xt, angles.cos(), angles.sin()], dim=1))


def coefficients(T):
    """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t) of the linear schedule, (T + 1,) each."""
    betas = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    ab = torch.cat([torch.ones(1, dtype=torch.float64), (1 - betas).cumprod(0)])
    return ab.sqrt().float(), (1 - ab).sqrt().float()


def mlp(spec, batch, width):
    model = Denoiser(width)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    c, n = coefficients(1000)
    points, net = torch.randn(10_000, 2), prepared(spec, model)

    def step():
        x0 = points[torch.randint(len(points), (batch,))]
        t, eps = torch.randint(1, 1001, (batch,)), torch.randn_like(x0)
        xt = c[t][:, None] * x0 + n[t][:, None] * eps
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(xt, t), eps)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Job(step, size(model))


def convnet(spec, batch, side, widths):
    a, b = widths
    model = nn.Sequential(
        nn.Conv2d(1, a, 3), nn.ReLU(), nn.Conv2d(a, b, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear((side - 4) ** 2 * b, 10),
    )  # fmt: skip
    net, optimizer = prepared(spec, model), torch.optim.SGD(model.parameters(), 0.01)
    x, y = torch.randn(batch, 1, side, side), torch.randint(10, (batch,))

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Job(step, size(model))


def conv(spec, batch, side, width):
    model = nn.Conv2d(width, width, 3, padding=1)
    x, g = torch.randn(2, batch, width, side, side)
    x.requires_grad_()
    net = prepared(spec, model)

    def step():
        model.zero_grad()
        x.grad = None
        loss = (net(x) * g).mean()
        loss.backward()
        return loss.detach()

    return Job(step, size(model))


def network(config, shape):
    """The twin of the preset's network."""
    name, net = config["model"], config["net"]
    if name == "transformer":
        from ..twins.transformer import Transformer

        return Transformer(T=config["T"], **{"n": shape[0]} | net)
    if name == "lab_unet":
        from ..twins.lab_unet import LabUNet

        return LabUNet(**{"size": shape[0], "T": config["T"], "d": 48} | net)
    from ..twins.unet import UNet

    return UNet(**net)


def channels_first(shape):
    return (shape[-1], *shape[:-1]) if len(shape) == 3 else shape


def training(spec, config, shape):
    """AdamW, clipping and averages as in the preset; the labs clip in lab 1 only, average nothing.

    The numbers of the schedule do not change the time: it is linear here.
    """
    model = network(config, shape)
    optimizer = torch.optim.AdamW(
        model.parameters(), config["lr"], (0.9, config["beta2"]),
        weight_decay=config["weight_decay"],
    )  # fmt: skip
    average = None
    if config["ema"]:
        rule = torch.optim.swa_utils.get_ema_multi_avg_fn(config["ema"])
        average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=rule)
    c, n = coefficients(config["T"])
    batch = config["batch"]
    data = torch.rand(10 * batch, *channels_first(shape)) * 2 - 1
    per_sample, net = (-1, *(1,) * len(shape)), prepared(spec, model)

    def step():
        x0 = data[torch.randint(len(data), (batch,))]
        t, eps = torch.randint(1, config["T"] + 1, (batch,)), torch.randn_like(x0)
        signal, noise = c[t].reshape(per_sample), n[t].reshape(per_sample)
        target = eps if config["predicts"] == "eps" else signal * eps - noise * x0
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(signal * x0 + noise * eps, t), target)
        loss.backward()
        if config["grad_clip"] < 1e6:
            nn.utils.clip_grad_norm_(model.parameters(), config["grad_clip"])
        optimizer.step()
        if average:
            average.update_parameters(model)
        return loss.detach()

    return Job(step, size(model))


def drawing(spec, config, shape, n):
    """DDIM without noise, from a model that predicts v, with x0 clipped to [-1, 1]."""
    model = prepared(spec, network(config, shape)).eval()
    signal, noise = coefficients(config["T"])
    times = torch.linspace(config["T"], 1, config["sample_steps"]).round().long().tolist()

    @torch.inference_mode()
    def step():
        x = torch.randn(n, *channels_first(shape))
        for t, s in zip(times, [*times[1:], 0]):
            v = model(x, torch.full((n,), t))
            x0 = (signal[t] * x - noise[t] * v).clamp(-1, 1)
            eps = (x - signal[t] * x0) / noise[t]
            x = signal[s] * x0 + noise[s] * eps
        return x

    return Job(step, size(model))

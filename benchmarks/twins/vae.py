"""`tinydiff train vae` and its twin in PyTorch: do both end at the same bound?

    python -m benchmarks.twins.vae [--steps N]

The twin is written against PyTorch's own modules, optimiser and special functions. It starts from
the same weights and sees the same rows of digits and the same noise; so the two trainings are one,
but for rounding, which training magnifies. What is compared at the end is the bound on log p of the
held-out digits, with averaged weights and the same draws of z: at most BAR nats apart.

Writes benchmarks/results/twins/vae.json, if the steps are the preset's. The exit code is 1 if the
bar is missed. Needs PyTorch (2.13 was used), which the package itself never imports.
"""

import argparse
import datetime
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.tsne import processor
from tinydiff.data import load
from tinydiff.train.presets import find
from tinydiff.train.shards import one_thread_each
from tinydiff.train.vae import VaeLearner, bounds

RESULTS = Path(__file__).resolve().parents[1] / "results" / "twins" / "vae.json"
BAR = 1.0  # nats
DRAWS = 50  # of z for each held-out image


class Twin(nn.Module):
    """The preset's VAE, with the weights of ours."""

    def __init__(self, ours, hidden):
        super().__init__()
        d = math.prod(ours.shape)
        self.encoder = nn.Sequential(
            nn.Linear(d, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, 2 * ours.latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(ours.latent, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, d), nn.Tanh(),
        )  # fmt: skip
        self.log_var_x = nn.Parameter(torch.tensor(ours.log_var_x.numpy()))
        weights = [p.numpy() for name, p in ours.named_parameters().items() if "coder" in name]
        linear = [m for m in self.modules() if isinstance(m, nn.Linear)]
        with torch.no_grad():
            for layer, W, b in zip(linear, weights[::2], weights[1::2], strict=True):
                layer.weight.copy_(torch.tensor(W.T))
                layer.bias.copy_(torch.tensor(b))

    def bound(self, x, eps, levels):
        """The bound of each row of x (N, d) at the draws eps (N, latent): (N,) nats."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        z = mean + torch.exp(log_var / 2) * eps
        q = torch.distributions.Normal(mean, torch.exp(log_var / 2))
        prior = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
        divergence = torch.distributions.kl_divergence(q, prior).sum(dim=-1)
        inverse = torch.exp(-self.log_var_x.clamp(-8, 4) / 2)
        return log_level(x, self.decoder(z), inverse, levels).sum(dim=-1) - divergence


def log_level(x, mean, inverse, levels):
    """log of the mass that N(mean, 1 / inverse^2) has in the bin of level x, for each pixel.

    In the left tail, where log_ndtr keeps its digits; the outermost bins reach to infinity.
    """
    log_cdf, h = torch.special.log_ndtr, 1 / (levels - 1)
    away = (x - mean).abs()
    high, low = log_cdf((h - away) * inverse), log_cdf((-h - away) * inverse)
    inside = high + torch.log(-torch.expm1(low - high))
    first, last = log_cdf((x + h - mean) * inverse), log_cdf((mean + h - x) * inverse)
    return torch.where(x < h - 1, first, torch.where(x > 1 - h, last, inside))


def train_both(steps):
    """(our learner, the twin, its averaged weights, [(loss, twin's loss)])."""
    settings, data = find("vae").changed({"steps": steps}), load("digits")
    ours, source = VaeLearner(settings, data), VaeLearner(settings, data)
    twin = Twin(ours.model, settings.hidden)
    optimizer = torch.optim.Adam(twin.parameters(), settings.lr)
    average = {name: p.detach().clone() for name, p in twin.named_parameters()}
    losses = []
    for step in range(steps):
        loss, _ = ours.update(*ours.batch())
        x = data.x[source.rows(step)]
        eps = source.rng.standard_normal((len(x), settings.latent), dtype=np.float32)
        optimizer.zero_grad()
        theirs = -twin.bound(torch.tensor(x.reshape(len(x), -1)), torch.tensor(eps), data.levels)
        theirs = theirs.mean()
        theirs.backward()
        nn.utils.clip_grad_norm_(twin.parameters(), settings.grad_clip)
        optimizer.param_groups[0]["lr"] = ours.lr(step)
        optimizer.step()
        share = 1 - min(settings.ema, (1 + step) / (10 + step))
        for name, p in twin.named_parameters():
            average[name].lerp_(p.detach(), share)
        losses.append((float(loss), theirs.item()))
    return ours, twin, average, losses


def held_out(ours, twin, average):
    """The bound of each held-out image, by each: (N,) nats and (N,) nats, of the same draws."""
    test = load("digits", "test")
    eps = np.random.default_rng(1).standard_normal(
        (DRAWS, len(test), ours.settings.latent), dtype=np.float32
    )
    with ours.average.applied():
        likelihood, closed, _ = bounds(ours.model, test.x, ours.element, eps)
    twin.load_state_dict(average)
    x = torch.tensor(test.x.reshape(len(test), -1))
    with torch.no_grad():
        theirs = [twin.bound(x, torch.tensor(e), test.levels).double().numpy() for e in eps]
    return likelihood.mean(axis=0) - closed, np.mean(theirs, axis=0)


def main():
    parser = argparse.ArgumentParser(description="The VAE of digits beside its twin in PyTorch.")
    parser.add_argument("--steps", type=int, help="how many steps (default: the preset's)")
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    with one_thread_each():
        ours, twin, average, losses = train_both(steps or find("vae").steps)
        mine, theirs = held_out(ours, twin, average)
    apart = abs(mine.mean() - theirs.mean())
    first = abs(losses[0][0] / losses[0][1] - 1)
    last = np.mean(losses[-100:], axis=0)
    print(f"{'':<38} {'tinydiff':>10} {'PyTorch':>10}")
    print(f"{'loss of the first step, nats':<38} {losses[0][0]:10.4f} {losses[0][1]:10.4f}")
    print(f"{'loss, mean of the last 100 steps':<38} {last[0]:10.4f} {last[1]:10.4f}")
    print(f"{'bound on log p of held-out digits':<38} {mine.mean():10.4f} {theirs.mean():10.4f}")
    print(f"bounds apart: {apart:.4f} nats (bar {BAR:g}); first losses apart: {first:.1e}")
    if steps is None:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "steps": len(losses),
            "bound_nats": {"tinydiff": round(mine.mean(), 4), "pytorch": round(theirs.mean(), 4)},
            "apart_nats": round(apart, 4),
            "bar_nats": BAR,
            "first_loss_apart_relative": float(f"{first:.2g}"),
            "loss_last_100": {"tinydiff": round(last[0], 4), "pytorch": round(last[1], 4)},
            "machine": processor(),
            "date": datetime.date.today().isoformat(),
            "versions": {"numpy": np.__version__, "torch": torch.__version__},
        }
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    return int(not apart <= BAR)


if __name__ == "__main__":
    sys.exit(main())

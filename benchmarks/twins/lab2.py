"""The second lab's U-Net, trained by tinydiff and by PyTorch from the same weights and batches.

    python -m benchmarks.twins.lab2 [--quick]

Both get the same images of MNIST (mnist5k), the same t and the same noise, 100 rows a step, and
train with AdamW as the preset lab2 does. What has to agree:

    the gradients of step 1, tensor by tensor, relative to the tensor's largest entry: in float64
    to 1e-10, in float32 to 1e-5 or, where float32 cannot (below), as PyTorch's own float32 does;
    the losses of 20 steps in float32, relative: to 1e-3.

The bias of a convolution before a batch norm has the gradient 0: the norm subtracts it. What is
computed for it is rounding noise on both sides, so it is measured against the largest entry of the
gradient of the convolution's W. And the network has kinks, 27 relus over 38 million numbers of a
batch: one that float32 puts on the other side of 0 than float64 does switches a path on or off.
The entries of a gradient are sums over up to N = 78,400 pixels, of terms of both signs, so one of
them is about 1 / sqrt(N) = 0.4 % of an entry: two float32 gradients of this net differ by as much,
whoever computed them (0.75 % here; of the small net, 2e-6). Then ours has to be as near to the
float64 gradient as PyTorch's is, within a factor of 2.

Writes benchmarks/results/twins/lab2.json; --quick (digits of 8x8, a small network, 2 steps) writes
nothing. The exit code is 1 if one of the bars is missed.
"""

import argparse
import datetime
import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import torch

from tinydiff import data, optim
from tinydiff.diffusion import bound
from tinydiff.models.lab_unet import LabUNet
from tinydiff.train.build import build
from tinydiff.train.presets import find
from tinydiff.train.shards import blas_threads

from . import lab_unet as theirs
from . import weights

RESULTS = Path(__file__).resolve().parents[1] / "results" / "twins"
GRADIENT_BAR = {"float64": 1e-10, "float32": 1e-5}
FACTOR = 2  # how much farther from float64 our float32 may be than PyTorch's
LOSS_BAR = 1e-3
LAB = find("mnist", "lab2")


class Ours:
    """tinydiff's model and optimiser."""

    def __init__(self, net, dtype):
        model, self.process = build(LAB.changed({"net": net}), np.random.default_rng(0))
        assert isinstance(model, LabUNet)
        self.model = model.astype(np.dtype(dtype))
        self.optimizer = optim.AdamW(
            self.model, LAB.lr, (0.9, LAB.beta2), weight_decay=LAB.weight_decay
        )

    def parameters(self):
        return {name: p.data.copy() for name, p in self.model.named_parameters().items()}

    def loss(self, x0, t, eps):
        """The loss of one batch, whose gradients it leaves in the parameters."""
        self.optimizer.zero_grad()
        value = bound.loss(self.model, self.process, x0, t, eps, LAB.weight, LAB.predicts)
        value.backward()
        return value.item()

    def gradients(self):
        return {name: p.grad.copy() for name, p in self.model.named_parameters().items()}


class Theirs:
    """The twin. It has our weights; its process is its own, written down as the lab does."""

    def __init__(self, net, dtype, parameters):
        self.model = theirs.LabUNet(net["size"], LAB.T, net["d"]).to(getattr(torch, dtype))
        weights.take_over(self.model, parameters)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), LAB.lr)
        self.alphas_bar = torch.cumprod(
            1 - torch.linspace(1e-4, 0.02, LAB.T, dtype=torch.float64), 0
        )

    def loss(self, x0, t, eps):
        x0, eps = (torch.tensor(np.moveaxis(a, -1, 1)) for a in (x0, eps))
        t = torch.tensor(t)
        ab = self.alphas_bar[t - 1][:, None, None, None]
        xt = ab.sqrt().to(x0) * x0 + (1 - ab).sqrt().to(x0) * eps
        self.optimizer.zero_grad()
        value = torch.nn.functional.mse_loss(self.model(xt, t), eps)
        value.backward()
        return value.item()

    def gradients(self):
        pairs = weights.conversions(self.model)
        return {name: f(p.grad.numpy()) for name, (p, f) in pairs.items()}


def batches(x, size, steps, dtype):
    """(x0, t, eps) of each step, the same for every dtype but for rounding."""
    rng = np.random.default_rng(0)
    for _ in range(steps):
        x0 = x[rng.choice(len(x), size, replace=False)]
        t = rng.integers(1, LAB.T + 1, size)
        yield x0.astype(dtype), t, rng.standard_normal(x0.shape).astype(dtype)


def apart(one, other):
    """{name: largest difference of two gradients / largest entry of the second}."""
    found = {}
    for name, g in other.items():
        scale = np.abs(g).max()
        if name.endswith("conv.b"):  # its true gradient is 0
            scale = np.abs(other[name[:-1] + "W"]).max()
        difference = np.abs(one[name].astype(np.float64) - g).max()
        found[name] = float(difference / scale) if difference else 0.0
    return found


def compare(x, net, size, steps):
    """What is asked, and what was found: a dict for JSON."""
    gradients, losses = {}, {}
    for dtype in ("float64", "float32"):
        ours = Ours(net, dtype)
        twin = Theirs(net, dtype, ours.parameters())
        pairs = losses[dtype] = []
        for batch in batches(x, size, steps if dtype == "float32" else 1, dtype):
            pairs.append((ours.loss(*batch), twin.loss(*batch)))
            if len(pairs) == 1:
                gradients[dtype] = ours.gradients(), twin.gradients()
            ours.optimizer.step()
            twin.optimizer.step()
            print(f"{dtype} step {len(pairs)}: loss {pairs[-1][0]:.7f}, {pairs[-1][1]:.7f}",
                  flush=True)  # fmt: skip
    exact = gradients["float64"][1]
    tables = {
        "float64: tinydiff to PyTorch": apart(gradients["float64"][0], exact),
        "float32: tinydiff to PyTorch": apart(*gradients["float32"]),
        "float32 to float64: tinydiff": apart(gradients["float32"][0], exact),
        "float32 to float64: PyTorch": apart(gradients["float32"][1], exact),
    }
    worst = {what: max(table.items(), key=lambda kv: kv[1]) for what, table in tables.items()}
    middle = {what: float(np.median(list(table.values()))) for what, table in tables.items()}
    curve = [{"step": k, "tinydiff": a, "PyTorch": b, "relative": abs(a - b) / b}
             for k, (a, b) in enumerate(losses["float32"], 1)]  # fmt: skip
    own, peer = (worst[f"float32 to float64: {who}"][1] for who in ("tinydiff", "PyTorch"))
    bars = {
        "gradients, float64": worst["float64: tinydiff to PyTorch"][1] <= GRADIENT_BAR["float64"],
        "gradients, float32, to 1e-5 or as near to float64 as PyTorch's":
            worst["float32: tinydiff to PyTorch"][1] <= GRADIENT_BAR["float32"]
            or own <= FACTOR * peer,
        "losses": max(row["relative"] for row in curve) <= LOSS_BAR,
    }  # fmt: skip
    return {
        "ok": all(bars.values()), "bars met": bars,
        "parameters": sum(g.size for g in exact.values()), "batch": size,
        "gradients of step 1": {
            what: {"worst": worst[what][1], "of": worst[what][0], "median": middle[what]}
            for what in tables
        },
        "losses": curve,
    }  # fmt: skip


def processor():
    """The processor's name and how many cores this process may use, in words."""
    info, name = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0].partition(":")[2].strip() if names else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def main():
    parser = argparse.ArgumentParser(description="The second lab's U-Net, by tinydiff and PyTorch.")
    parser.add_argument("--quick", action="store_true", help="8x8 digits, a small net, 2 steps")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    x = data.load("digits" if quick else "mnist5k").x
    with blas_threads(1):
        if quick:
            found = compare(x, {"size": 8, "d": 8}, 16, 2)
        else:
            found = compare(x, {"size": 28, "d": 48}, LAB.batch, 20)
    for what, row in found["gradients of step 1"].items():
        print(f"{what:30} worst {row['worst']:.1e} ({row['of']}), median {row['median']:.1e}")
    worst = max(row["relative"] for row in found["losses"])
    print(f"losses of {len(found['losses'])} steps: {worst:.1e} apart (bar {LOSS_BAR:g})")
    for bar, met in found["bars met"].items():
        print(f"{bar:30} {'pass' if met else 'FAIL'}")
    if not quick:
        RESULTS.mkdir(parents=True, exist_ok=True)
        found |= {
            "machine": processor(), "date": datetime.date.today().isoformat(),
            "versions": {"NumPy": np.__version__, "PyTorch": torch.__version__},
        }  # fmt: skip
        (RESULTS / "lab2.json").write_text(json.dumps(found, indent=1) + "\n")
    return int(not found["ok"])


if __name__ == "__main__":
    sys.exit(main())

"""What is timed: works, the libraries that do them, and the rows of the table with their bars.

A work is a function of each library's module and the arguments that all of them get. They are JSON
values, so that a peer's process imports nothing of tinydiff. Of a preset they are its settings.
"""

import importlib.util
import shutil
from typing import NamedTuple

from tinydiff.train.presets import PRESETS


class Library(NamedTuple):
    """module: what must be installed; code: its works here; alone: one BLAS thread is its best.

    tinydiff cuts the batch of a large work into as many shards as there are threads, each with one
    BLAS thread. The peers that are NumPy and Python are slower with two.
    """

    module: str
    code: str
    install: str = ""
    alone: bool = False


LIBRARIES = {
    "tinydiff": Library("tinydiff", "ours", alone=True),
    "PyTorch": Library(
        "torch", "torch_peer", "pip install torch --index-url https://download.pytorch.org/whl/cpu"
    ),
    "torch.compile": Library("torch", "torch_peer", "PyTorch, and a C++ compiler"),
    "HIPS autograd": Library("autograd", "autograd_peer", "pip install autograd", alone=True),
    "DeZero": Library("dezero", "dezero_peer", "pip install dezero", alone=True),
    "JAX": Library("jax", "jax_peer", "pip install jax"),
    "scikit-learn": Library("sklearn", "sklearn_peer", "pip install scikit-learn"),
    "NumPy": Library("numpy", "physics"),
}


def installed(library):
    """Whether the library is there, and the compiler that it needs."""
    if library == "torch.compile" and not shutil.which("c++"):
        return False
    return importlib.util.find_spec(LIBRARIES[library].module) is not None


class Work(NamedTuple):
    """maker: the name of the work in each library's module. full, quick: its arguments.

    shards: whether tinydiff cuts the batch. One child does `warm` steps, then times at least
    `steps` of them, for at least `seconds`.
    """

    maker: str
    full: dict
    quick: dict
    peers: tuple
    shards: bool = True
    warm: int = 2
    steps: int = 3
    seconds: float = 1.0
    rounds: int = 5


def preset(name, shape, **changes):
    """The arguments of a work on a preset: its settings, and the shape of one sample."""
    return {"config": PRESETS[name].changed(changes).to_dict(), "shape": shape}


def drawing(name, shape, n, steps=50, **changes):
    """n samples by `steps` steps of DDIM from a preset's network."""
    settings = {"sampler": "ddim", "sample_steps": steps}
    return preset(name, shape, **settings, **changes) | {"n": n}


TORCH = ("PyTorch", "torch.compile")
TINY = {"widths": (8, 8, 8), "blocks": 1, "d": 8}
WORKS = {
    "mlp": Work(
        "mlp", {"batch": 256, "width": 128}, {"batch": 8, "width": 8},
        (*TORCH, "JAX", "HIPS autograd", "DeZero"), shards=False, warm=20, steps=100,
    ),
    "convnet": Work(
        "convnet", {"batch": 64, "side": 28, "widths": (16, 32)},
        {"batch": 2, "side": 6, "widths": (2, 3)},
        ("PyTorch", "HIPS autograd", "DeZero"), warm=1, steps=2, rounds=3,
    ),
    "conv": Work(
        "conv", {"batch": 100, "side": 14, "width": 96}, {"batch": 2, "side": 6, "width": 4},
        (*TORCH, "JAX"), steps=10,
    ),
    "lab1": Work(
        "training", preset("lab1", (100, 1)),
        preset("lab1", (100, 1), batch=2, net={"d": 8, "blocks": 1}), TORCH,
    ),
    "lab2": Work(
        "training", preset("lab2", (28, 28, 1)),
        preset("lab2", (8, 8, 1), batch=2, net={"d": 4, "size": 8}), TORCH,
    ),
    "unet": Work(
        "training", preset("unet", (28, 28, 1)), preset("unet", (8, 8, 1), batch=2, net=TINY),
        TORCH,
    ),
    "ddim-digits": Work(
        "drawing", drawing("digits", (8, 8, 1), 64),
        drawing("digits", (8, 8, 1), 2, 2, net={"widths": (8, 8)}), ("PyTorch",), warm=1,
    ),
    "ddim-mnist": Work(
        "drawing", drawing("unet", (28, 28, 1), 64), drawing("unet", (8, 8, 1), 2, 2, net=TINY),
        ("PyTorch",), warm=0, steps=1, rounds=3,
    ),
    "tsne": Work(
        "tsne", {"n": 1797, "steps": 1000}, {"n": 150, "steps": 250}, ("scikit-learn",),
        shards=False, warm=0, steps=1, rounds=1,
    ),
}  # fmt: skip


class Row(NamedTuple):
    """A line of the table: a figure of a work.

    figure: "seconds" of a step, "memory", the peak above that of the bare import, or "first", from
    the start of the process to the end of the first step. bars: {peer: (goal, at most)}, of the
    ratio tinydiff / peer; a peer without a bar is only shown.
    """

    words: str
    work: str
    bars: dict
    figure: str = "seconds"


ROWS = {
    "mlp": Row(
        "MLP 18-128-128-128-2, batch 256: a training step", "mlp",
        {"PyTorch": (0.45, 0.8), "HIPS autograd": (1 / 3, 1 / 3), "DeZero": (1 / 3, 1 / 3)},
    ),
    "lab1": Row(
        "first lab's Transformer, batch 50: a training step", "lab1", {"PyTorch": (0.8, 1.1)}
    ),
    "lab2": Row(
        "second lab's U-Net, batch 100, 28x28: a training step", "lab2", {"PyTorch": (0.9, 1.6)}
    ),
    "unet": Row("modern U-Net, batch 64, 28x28: a training step", "unet", {"PyTorch": (0.9, 1.6)}),
    "conv": Row(
        "conv2d 3x3, 96 channels, 14x14, batch 100: both ways", "conv", {"PyTorch": (0.9, 1.8)}
    ),
    "convnet": Row(
        "small convolutional net, batch 64, 28x28: a training step", "convnet",
        {"HIPS autograd": (0.1, 0.1), "DeZero": (0.1, 0.1)},
    ),
    "ddim-digits": Row("DDIM, 50 steps, 64 digits", "ddim-digits", {"PyTorch": (0.8, 1.2)}),
    "ddim-mnist": Row("DDIM, 50 steps, 64 images of 28x28", "ddim-mnist", {"PyTorch": (0.8, 1.2)}),
    "memory": Row(
        "modern U-Net's training step: peak memory", "unet", {"PyTorch": (0.7, 1.0)}, "memory"
    ),
    "cold": Row(
        "MLP in a fresh process: import and first step", "mlp", {"PyTorch": (0.2, 0.4)}, "first"
    ),
    "tsne": Row("exact t-SNE of 1797 digits, 1000 steps", "tsne", {"scikit-learn": (0.3, 0.3)}),
}  # fmt: skip

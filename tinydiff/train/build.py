"""From a Config to a model, its process and its sampler; from a folder to a trained model."""

import inspect
from pathlib import Path

import numpy as np

from ..backend import device_of, standard_normal
from ..backend.errors import CheckpointError, ConfigError
from ..diffusion import samplers, schedules
from ..diffusion.process import Process
from ..models.unet import UNet
from ..optim import EMA
from . import checkpoint
from .config import Config
from .settings import from_dict

MODELS = {"unet": UNet}
SCHEDULES = {  # by T, all of them ending close to N(0, I) for any T
    "linear": lambda T: schedules.linear(T, rescale=True),
    "cosine": schedules.cosine,
    "sigmoid": schedules.sigmoid,
}


def build(config, rng):
    """(model, process) of a Config, the weights drawn from rng. Raises ConfigError."""
    constructor = MODELS[config.model]
    valid = [name for name in inspect.signature(constructor).parameters if name != "rng"]
    unknown = sorted(set(config.net) - set(valid))
    if unknown:
        raise ConfigError(
            f"unknown argument {', '.join(map(repr, unknown))} in net; the {config.model} takes "
            f"{', '.join(valid)}"
        )
    outputs = {"outputs": 2} if config.variance == "learned" else {}
    try:
        model = constructor(**config.net | outputs, rng=rng)
    except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise ConfigError(
            f"net = {config.net} does not describe a {config.model}: {error}"
        ) from error
    return model, Process(SCHEDULES[config.schedule](config.T))


def sampling(config, model, process, n, shape, rng):
    """The Config's sampler on n fresh noises: yields (t, x) after each step, x (n, *shape)."""
    like = model.flat.data
    ancestral = config.sampler == "ddpm"
    if config.variance == "learned" and not ancestral:  # the others have no use for a variance

        def predict(xt, t):
            return model(xt, t)[..., : shape[-1]]

    else:
        predict = model
    return getattr(samplers, config.sampler)(
        predict,
        process,
        standard_normal(rng, (n, *shape), like.dtype, device_of(like)),
        noise=rng,
        ts=samplers.timesteps(process.T, config.sample_steps),
        predicts=config.predicts,
        clip=(-1.0, 1.0),  # where all data lies
        **({"variance": config.variance} if ancestral else {}),
    )


def settings_of(saved):
    """The Settings of a loaded checkpoint. Raises CheckpointError if it does not fit."""
    from . import presets  # noqa: F401  which makes every kind of run known

    try:
        return from_dict(saved["config"])
    except ConfigError as error:
        raise CheckpointError(f"the checkpoint has settings that do not fit: {error}") from error


def open_run(folder):
    """(config, model, process) of a diffusion run, with averaged weights.

    Raises CheckpointError: there is none, it is damaged, or of another kind of run.
    """
    saved = checkpoint.load(Path(folder) / "checkpoint.npz")
    config = settings_of(saved)
    if not isinstance(config, Config):
        raise CheckpointError(f"{folder} holds a run of kind {config.kind}, not a diffusion model")
    model, process = build(config, np.random.default_rng(0))
    average = EMA(model, config.ema)
    checkpoint.restore(average, saved["states"].get("ema", {}))
    model.flat.data[...] = average.average
    model.flat.changed()
    return config, model, process

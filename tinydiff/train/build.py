"""From a Config to a model, its process and its sampler; from a folder to a trained model."""

import inspect
from pathlib import Path

import numpy as np

from ..backend import device_of, standard_normal, to_device_of
from ..backend.errors import CheckpointError, ConfigError
from ..diffusion import samplers, schedules
from ..diffusion.guidance import classifier_free
from ..diffusion.process import Process
from ..models.lab_unet import LabUNet
from ..models.points import PointDenoiser
from ..models.transformer import Transformer
from ..models.unet import UNet
from ..optim import EMA
from ..tensor import no_grad
from . import checkpoint
from .config import LAB_T, Config
from .settings import from_dict

MODELS = {"unet": UNet, "transformer": Transformer, "lab_unet": LabUNet, "mlp": PointDenoiser}


def lab_repaired(T):
    """The lab's 150 betas, then T - 150 steps in which log SNR falls straight to -10.

    At t = 150 the lab's process has alpha_bar = 0.2192; this one ends at 4.5e-5. Its first 150
    times are the lab's own, so a model trained on it can be measured on the lab's process.
    """
    lab = Process(schedules.linear(LAB_T)).log_snr
    return schedules.from_log_snr(np.append(lab, np.linspace(lab[-1], -10, T - LAB_T + 1)[1:]))


SCHEDULES = {  # by T, all but the lab's ending close to N(0, I) for any T
    "linear": lambda T: schedules.linear(T, rescale=True),
    "cosine": schedules.cosine,
    "sigmoid": schedules.sigmoid,
    "lab": schedules.linear,  # alpha_bar_T = 0.2192 at its T = 150: an erratum, kept to be shown
    "lab_repaired": lab_repaired,
}


def fitted(config, data):
    """The Config with the channels of the Dataset's images, where its net does not name them."""
    takes = inspect.signature(MODELS[config.model]).parameters
    if "channels" not in takes or "channels" in config.net:
        return config
    return config.changed({"net": {"channels": data.x.shape[-1]}})


def try_one(config, model, data):
    """Raise ConfigError unless the model takes a row of the Dataset, and answers in its shape.

    In eval mode, which draws no masks and leaves the averages of batch norms alone.
    """
    x, learning = to_device_of(data.x[:1], model.flat.data), model.training
    model.eval()
    try:
        with no_grad():
            shape = model(x, 1).shape
    except ValueError as error:
        raise ConfigError(f"data = {data.name!r} does not fit: {error}") from error
    if learning:
        model.train()
    expected = *x.shape[:-1], x.shape[-1] * (2 if config.variance == "learned" else 1)
    if shape != expected:
        raise ConfigError(
            f"net = {config.net} makes {shape} of {data.name}, rows of shape {x.shape}; "
            f"expected {expected}: leave outputs out of net, it follows from variance"
        )


def build(config, rng):
    """(model, process) of a Config, the weights drawn from rng. Raises ConfigError."""
    constructor = MODELS[config.model]
    takes = inspect.signature(constructor).parameters
    valid = [name for name in takes if name not in ("T", "rng")]
    unknown = sorted(set(config.net) - set(valid))
    if unknown:
        raise ConfigError(
            f"unknown argument {', '.join(map(repr, unknown))} in net; the {config.model} takes "
            f"{', '.join(valid)}"
        )
    given = {"T": config.T} if "T" in takes else {}
    given |= {"outputs": 2} if config.variance == "learned" else {}
    try:
        model = constructor(**config.net | given, rng=rng)
    except (TypeError, ValueError, IndexError, ZeroDivisionError, MemoryError) as error:
        raise ConfigError(
            f"net = {config.net} does not describe a {config.model}: {error}"
        ) from error
    return model, Process(SCHEDULES[config.schedule](config.T))


def some_labels(config, n):
    """n labels to sample by, each class in turn: an array (n,); None if the model knows none."""
    return np.arange(n) % config.classes if config.classes else None


def sampling(config, model, process, n, shape, rng, labels=None, guidance=None):
    """The Config's sampler on n fresh noises: yields (t, x) after each step, x (n, *shape).

    Images and curves lie in [-1, 1], and x0 is kept there; points (n, d) may lie anywhere.
    labels: of each sample, (n,) ints on the host; guidance: another scale than the Config's.
    """
    like = model.flat.data
    if labels is not None:
        scale = config.guidance if guidance is None else guidance
        model = classifier_free(model, to_device_of(labels, like), scale)
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
        clip=(-1.0, 1.0) if len(shape) > 1 else None,
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
    """(config, model, process) of a diffusion run: averaged weights, dropout off.

    Raises CheckpointError: there is none, it is damaged, or of another kind of run.
    """
    saved = checkpoint.load(Path(folder) / "checkpoint.npz")
    config = settings_of(saved)
    if not isinstance(config, Config):
        raise CheckpointError(
            f"{folder} holds a run of kind {config.kind}, with its own report and pictures: only a "
            "diffusion model's run can be sampled or bounded from the command line"
        )
    model, process = build(config, np.random.default_rng(0))
    checkpoint.restore(model, saved["states"].get("model", {}))  # with the buffers of batch norms
    average = EMA(model, config.ema)
    checkpoint.restore(average, saved["states"].get("ema", {}))
    model.flat.data[...] = average.average
    model.flat.changed()
    return config, model.eval(), process

"""Every sampler with the arguments it needs, for the tests that ask the same of all of them."""

import numpy as np
import pytest

from tinydiff import to_device
from tinydiff.backend import device_of
from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process

MIX = GaussianMixture([0.3, 0.7], [[-1.0, 0.5], [1.0, -0.2]], [0.1, 0.3])
PROCESS = Process(schedules.cosine(10))
STRIDED = [10, 7, 3, 2]

# name -> (sampler, further arguments, calls of the model a step before the last, in the last)
SAMPLERS = {
    "ddpm": (samplers.ddpm, {}, 1, 1),
    "ddpm beta": (samplers.ddpm, {"variance": "beta"}, 1, 1),
    "ddpm table": (samplers.ddpm, {"variance": np.linspace(0, 0.5, 11)}, 1, 1),
    "ddim": (samplers.ddim, {}, 1, 1),
    "ddim eta": (samplers.ddim, {"eta": 0.6}, 1, 1),
    "euler": (samplers.euler, {}, 1, 1),
    "heun": (samplers.heun, {}, 2, 1),
    "dpmpp_2m": (samplers.dpmpp_2m, {}, 1, 1),
    "corrector": (samplers.predictor_corrector, {"snr": 0.2, "n_corrector": 2}, 3, 1),
    "inpaint": (samplers.inpaint, {"resample": 2}, 2, 1),
}
each = pytest.mark.parametrize("name", SAMPLERS)


def begin(name, model, x, noise, process=PROCESS, **options):
    """The generator of a sampler with arguments that it needs."""
    sampler, extra, _, _ = SAMPLERS[name]
    if name == "inpaint":
        mask = np.zeros(x.shape, dtype=bool)
        mask[..., 0] = True
        extra = extra | {"x0": x * 0 + 0.25, "mask": to_device(mask, device_of(x))}
    return sampler(model, process, x, noise=noise, **(extra | options))

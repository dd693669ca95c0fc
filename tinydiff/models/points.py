"""A denoiser of points: an MLP that is told the time."""

from ..nn import Module, on_device_of, sinusoidal
from ..ops import concatenate
from .mlp import mlp
from .unet import zeroed


class PointDenoiser(Module):
    """model(xt, t): what the model predicts for noisy points xt (N, d), shaped like xt.

    `waves` cosines and sines of t stand beside the d coordinates, and an MLP with SiLU computes on
    both: layers d + waves, *hidden, d, which for the plane is 18-128-128-128-2. unit: the length on
    which the MLP bends, as it sees xt / unit; details much smaller than that it would learn late.
    t: 1 ... T, an int, or ints (N,) on the host or on the device of xt. outputs: of each
    coordinate, 2 for a model that gives a learned variance as well. rng: np.random.Generator of the
    weights; the last layer starts at 0, so that a fresh model predicts 0.
    """

    def __init__(self, d=2, hidden=(128, 128, 128), waves=16, outputs=1, unit=1.0, *, rng):
        self.d, self.waves, self.unit = d, waves, unit
        self.net = mlp(d + waves, *hidden, d * outputs, rng=rng)
        zeroed(self.net.layers[-1])

    def forward(self, xt, t):
        if xt.ndim != 2 or xt.shape[1] != self.d:
            raise ValueError(f"this PointDenoiser needs points (N, {self.d}), got {xt.shape}")
        waves = sinusoidal(on_device_of(t, xt), self.waves)
        return self.net(concatenate([xt * (1 / self.unit), waves], axis=1))

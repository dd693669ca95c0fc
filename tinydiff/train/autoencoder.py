"""`tinydiff train autoencoder`: images through a few numbers and back, beside principal axes."""

from dataclasses import dataclass

import numpy as np

from .. import viz
from ..backend import to_device_of, to_host
from ..data import load
from ..manifold import principal_axes
from ..models.autoencoder import Autoencoder
from ..ops import mse
from ..tensor import no_grad
from . import plain
from .descent import Descent
from .images import image_shape
from .report import Figure
from .settings import Settings

PICTURED = 20  # held-out images
PROTOCOL = (
    "Error: mean squared error of a pixel, in [-1, 1], averaged weights. Principal axes: as many "
    "as there are latent numbers, of the training rows, about their mean, in float64: no linear "
    "map through so few numbers has a smaller error on the training rows."
)


@dataclass(frozen=True)
class AutoencoderSettings(Settings, kind="autoencoder"):
    """The settings of an autoencoder of images."""

    data: str = "digits"
    latent: int = 8
    layers: int = 2  # between pixels and latent numbers; 0: both networks are linear
    hidden: int = 256  # their width
    batch: int = 128
    lr: float = 2e-3
    warmup: int = 50
    ema: float = 0.99

    at_least = {"batch": 1, "latent": 1, "layers": 0, "hidden": 1, "warmup": 0}
    positive = ("lr",)
    fractions = ("ema",)

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        learner = AutoencoderLearner(self, load(self.data))
        return plain.run(
            learner, folder, saved, measure=lambda: report(learner, load(self.data, "test")),
            what="mean squared error of a pixel", protocol=PROTOCOL, versions=versions, show=show,
        )  # fmt: skip


class AutoencoderLearner(Descent):
    """An Autoencoder and what trains it on the Dataset `data`."""

    betas = (0.9, 0.99)  # forgets the steep first steps soon

    def __init__(self, settings, data):
        self.shape = image_shape(data)
        super().__init__(settings, data.x)

    def build(self):
        hidden = (self.settings.hidden,) * self.settings.layers
        return Autoencoder(self.shape, self.settings.latent, hidden, rng=self.rng)

    def loss(self, x):
        return mse(self.model(x), x)


def projected(x, train, q):
    """Rows x as seen through the q principal axes of the rows `train`, all (N, *shape), float64.

    m + (x - m) V V^T with the mean m of train and V (d, q), the axes of its largest variance.
    """
    rows = np.float64(train).reshape(len(train), -1)
    m = rows.mean(axis=0)
    V = np.linalg.svd(rows - m, full_matrices=False)[2][:q].T
    return (m + (np.float64(x).reshape(len(x), -1) - m) @ V @ V.T).reshape(x.shape)


def report(learner, test):
    """The Figures of a trained autoencoder on the held-out Dataset `test`, and its pictures."""
    model, latent, (train,) = learner.model, learner.settings.latent, learner.data
    with learner.average.applied(), no_grad():
        like = model.flat.data
        copies = [to_host(model(to_device_of(x, like)).data) for x in (test.x, train)]
        codes = to_host(model.encoder(to_device_of(test.x, like)).data).astype(np.float64)
    through = [projected(x, train, latent) for x in (test.x, train)]
    errors = [np.square(np.float64(a) - x).mean() for a, x in zip(copies, (test.x, train))]
    least = [np.square(a - x).mean() for a, x in zip(through, (test.x, train))]
    found = [
        Figure("error on held-out images", errors[0]),
        Figure(f"error of {latent} principal axes", least[0]),
        Figure("error on training images", errors[1]),
        Figure("error of the axes, the least linear one", least[1]),
    ]
    if learner.settings.layers:
        found.append(Figure("held-out: error / that of the axes", errors[0] / least[0], ("<=", 1)))
    else:
        found.append(Figure("training: error / least error - 1", errors[1] / least[1] - 1,
                            ("<=", 1e-3)))  # fmt: skip
    rows = np.concatenate([a[:PICTURED] for a in (test.x, copies[0], through[0])])
    title = f"Held-out images; through {latent} learned numbers; on {latent} principal axes"
    return found, {
        "reconstructions.png": viz.grid(rows, len(rows) // 3, title),
        "latent.png": viz.embedding(principal_axes(codes), test.y, "The codes of held-out images"),
    }

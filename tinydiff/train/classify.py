"""`tinydiff train classifier` and `boundary`: which class is it? Of images, and of points.

Images are seen by the convolutional network that also judges samples (models/classifier.py), points
of the plane by an MLP. Of points, which are drawn, the true probabilities are known.
"""

from dataclasses import dataclass, replace

import numpy as np

from .. import viz
from ..backend import to_device_of, to_host
from ..backend.errors import ConfigError
from ..data import load, points
from ..manifold import principal_axes
from ..models.classifier import Classifier, PointClassifier
from ..ops import cross_entropy, log_softmax
from ..tensor import no_grad
from . import plain
from .descent import Descent
from .judge import warped
from .metrics import read
from .report import Figure
from .settings import Settings

SHAPES = {shape.__name__: shape for shape, k in points.SHAPES.items() if k > 1}
SECONDS = 60  # that training on digits may take
NODES = 200  # of the quadrature along each class
SHOWN, CELLS = 1.25, 121  # half the side of the picture of the plane, and how many cells it has
DIGITS, CHANNELS = 5, 8  # of the picture of the layers: images, and channels of each layer
PROTOCOL = (
    "Held-out rows, averaged weights. Cross entropy: the mean of -log p(class | x), in nats. "
    "Nearest training row: the accuracy of giving every row the class of the one it is nearest to. "
    "Images are warped a little while training, as the judge's are (train/judge.py), a choice that "
    "has seen the held-out digits. True probabilities of points: each class is an arc, blurred; "
    f"its density is an integral along the arc, by Gauss-Legendre with {NODES} nodes (the cut of "
    "the noise at 5 standard deviations is left out). Their cross entropy is the least possible in "
    "the mean. Seconds of training: wall clock, of all steps, without what is read and reported."
)


@dataclass(frozen=True)
class Classification(Settings, kind="classifier"):
    """The settings of a classifier of images, or of points of the plane."""

    data: str = "digits"
    noise: float = 0.0  # standard deviation of what is added to points: it makes classes overlap
    hidden: int = 64  # how many features the last layer sees, and the MLP's width
    batch: int = 64
    lr: float = 2e-3
    warmup: int = 50
    ema: float = 0.99

    at_least = {"noise": 0, "batch": 1, "hidden": 1, "warmup": 0}
    positive = ("lr",)
    fractions = ("ema",)

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        learner = ClassifierLearner(self, rows(self, "train"))

        def measure():
            found, pictures = report(learner, rows(self, "test"))
            return found + seconds(self, read(folder / "metrics.csv")), pictures

        return plain.run(
            learner, folder, saved, measure=measure,
            what="cross entropy, nats", protocol=PROTOCOL, versions=versions, show=show,
        )  # fmt: skip


def rows(settings, split):
    """The Dataset of a split, with its noise. Raises ConfigError unless it can be classified."""
    data = load(settings.data, split)
    if data.x.shape[1:] != (2,) and data.x.ndim != 4:
        raise ConfigError(
            f"data = {settings.data!r} has rows of shape {data.x.shape[1:]}: a classifier is for "
            "images, or for points of the plane"
        )
    if split == "train" and data.y.max() == 0:
        raise ConfigError(f"data = {settings.data!r} has one class only: there is nothing to tell")
    if not settings.noise:
        return data
    if settings.data not in SHAPES:
        raise ConfigError(f"noise is added to {', '.join(SHAPES)} only: noise is 0 for images")
    rng = np.random.default_rng([settings.seed, split == "test"])
    noise = settings.noise * rng.standard_normal(data.x.shape)
    return replace(data, x=np.float32(data.x + noise))


class ClassifierLearner(Descent):
    """A classifier and what trains it on the Dataset `data`."""

    max_norm = 1.0

    def __init__(self, settings, data):
        self.train, self.classes = data, int(data.y.max()) + 1
        super().__init__(settings, data.x, data.y)

    def build(self):
        shape, hidden = self.train.x.shape[1:], self.settings.hidden
        if len(shape) == 1:
            return PointClassifier(*shape, hidden, self.classes, rng=self.rng)
        try:
            return Classifier(shape, self.classes, d=hidden, rng=self.rng)
        except ValueError as error:
            raise ConfigError(f"data = {self.settings.data!r} does not fit: {error}") from error

    def batch(self):
        """The next rows, uploaded; images warped."""
        chosen, like = self.rows(self.step), self.model.flat.data
        x, labels = (a[chosen] for a in self.data)
        x = warped(x, self.rng) if x.ndim == 4 else x
        return to_device_of(x, like), to_device_of(labels, like)

    def loss(self, x, labels):
        return cross_entropy(self.model(x), labels)


def log_probabilities(model, x):
    """log p(class | x) of host rows x, (N, K) in float64 on the host."""
    with no_grad():
        logits = model(to_device_of(np.float32(x), model.flat.data)).data
    return log_softmax(to_host(logits).astype(np.float64), -1)


def exact_log_probabilities(name, x, noise):
    """log p(class | x) of rows of the set of points `name`, noised: (N, 2) -> (N, K).

    Classes are equally frequent, so it is the log softmax of their log densities; see points.spots.
    """
    places, weight = points.spots(SHAPES[name], NODES)
    variance = points.NOISE**2 + noise**2
    found = []
    for part in np.array_split(np.asarray(x, np.float64), -(-len(x) // 500)):
        apart = np.square(part[:, None, None] - places).sum(axis=-1) / (2 * variance)
        least = apart.min(axis=2, keepdims=True)
        found.append(np.log(np.exp(least - apart) @ weight) - least[..., 0])
    return log_softmax(np.concatenate(found), -1)


def figures(log_p, data, prefix=""):
    """Accuracy and cross entropy of log p(class | x), (N, K), on the rows of a Dataset."""
    accuracy = (log_p.argmax(axis=1) == data.y).mean()
    entropy = -log_p[np.arange(len(data)), data.y].mean()
    return [
        Figure(f"{prefix}accuracy on held-out rows", accuracy),
        Figure(f"{prefix}cross entropy, nats", entropy),
    ]


def seconds(settings, steps):
    """The Figure of the time that training took, on digits; steps: the rows of metrics.csv."""
    if settings.data != "digits":
        return []
    return [Figure("seconds of training", steps[-1]["seconds"] if steps else 0.0, ("<=", SECONDS))]


def nearest(x, train):
    """The class of the training row that each row of x is nearest to: (N,)."""
    from scipy.spatial import cKDTree  # takes a moment, so only when asked for

    return train.y[cKDTree(train.x.reshape(len(train), -1)).query(x.reshape(len(x), -1))[1]]


def report(learner, test):
    """The Figures of a trained classifier on the held-out Dataset `test`, and its pictures."""
    model, settings, train = learner.model, learner.settings, learner.train
    compared = Figure("nearest training row: accuracy", (nearest(test.x, train) == test.y).mean())
    with learner.average.applied():
        accuracy, entropy = figures(log_probabilities(model, test.x), test)
        if settings.data not in SHAPES:
            bar = (">=", 0.985) if settings.data == "digits" else None
            return [accuracy._replace(bar=bar), entropy, compared], layers(model, test)
        exact = exact_log_probabilities(settings.data, test.x, settings.noise)
        best = figures(exact, test, "true probabilities: ")
        gap = Figure("cross entropy above theirs", entropy.value - best[1].value, ("<=", 0.02))
        return [accuracy, entropy, *best, gap, compared], plane(model, settings, test)


def plane(model, settings, test):
    """The picture of the classes that points of the plane are given."""
    grid = np.linspace(-SHOWN, SHOWN, CELLS)
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    learned = np.exp(log_probabilities(model, places))
    exact = np.exp(exact_log_probabilities(settings.data, places, settings.noise))
    maps = (p.reshape(CELLS, CELLS, -1) for p in (learned, exact))
    title = f"{settings.data}: the learned probabilities, and the true boundary (dashed)"
    return {"boundary.png": viz.boundary(*maps, test.x, test.y, SHOWN, title)}


def layers(model, test):
    """The pictures of what the layers see: some images, channel by channel; and the last one."""
    with no_grad():
        found = [to_host(a.data) for a in model.layers(to_device_of(test.x, model.flat.data))]
    first = [np.flatnonzero(test.y == k)[0] for k in np.unique(test.y)[:DIGITS]]
    maps = []
    for a in found[:-1]:
        spread = a.std(axis=(1, 2)).mean(axis=0)  # of a channel that shows nothing: 0
        maps.append(a[first][..., np.sort(np.argsort(-spread)[:CHANNELS])])
    features = found[-1].astype(np.float64)
    shown = principal_axes(features)
    spread = features.var(axis=0).sum()
    share = shown.var(axis=0).sum() / spread if spread else 1.0  # a single image has none
    title = f"{features.shape[1]} features, the plane of their largest variance: {share:.0%} of it"
    return {
        "layers.png": viz.layers(test.x[first], maps),
        "features.png": viz.embedding(shown, test.y, title),
    }

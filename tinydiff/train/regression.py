"""`tinydiff train regression`: y = f(x) + noise learned by a line or an MLP, beside least squares.

The guest lecture's first picture has sliders for w and b of w x + b, to be moved until the line
fits. Here gradient descent moves them, and where they must end is known: at the least squares.
"""

from dataclasses import dataclass

import numpy as np

from .. import viz
from ..backend import to_device_of, to_host
from ..models.mlp import mlp
from ..nn import Linear
from ..ops import mse
from ..optim import SGD, constant
from ..tensor import no_grad
from . import plain
from .descent import Descent
from .report import Figure
from .settings import Settings

REACH = 2  # x is uniform in [-REACH, REACH], as in the lecture's picture
DEGREE = 9  # of the polynomial to compare with
HELD_OUT = 2000  # rows to measure on
TRUTHS = {
    "line": lambda x: 2 * x + 1,  # the lecture's
    "wave": lambda x: np.sin(3 * x) + x / 2,
}
PROTOCOL = (
    f"x uniform in [-{REACH}, {REACH}], y = f(x) + noise. Held-out error: mean squared distance "
    f"from y, of {HELD_OUT} rows drawn afresh; no function has less than the noise variance in the "
    "mean. Excess: mean squared distance from f itself, over 2001 equally spaced x, so what is "
    "avoidable of the error. Least squares: numpy.linalg.lstsq in float64 on the training rows, "
    f"by a line and by a polynomial of degree {DEGREE}."
)


@dataclass(frozen=True)
class Regression(Settings, kind="regression"):
    """The settings of a function of one number, learned from noisy values."""

    truth: str = "wave"
    noise: float = 0.2  # its standard deviation
    rows: int = 400  # to learn from
    model: str = "mlp"
    hidden: int = 32  # the width of both hidden layers
    batch: int = 400
    lr: float = 1e-2
    warmup: int = 0
    ema: float = 0.99

    choices = {"truth": tuple(TRUTHS), "model": ("linear", "mlp")}
    at_least = {"rows": DEGREE + 1, "hidden": 1, "batch": 1, "warmup": 0}
    positive = ("noise", "lr")
    fractions = ("ema",)

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        learner = RegressionLearner(self)
        return plain.run(
            learner, folder, saved, measure=lambda: report(learner), what="mean squared error",
            protocol=PROTOCOL, versions=versions, show=show,
        )  # fmt: skip


def draw(settings, n, rng):
    """n rows (x, y), (n, 1) each, in float64."""
    x = rng.uniform(-REACH, REACH, (n, 1))
    return x, TRUTHS[settings.truth](x) + settings.noise * rng.standard_normal((n, 1))


class RegressionLearner(Descent):
    """A function and what trains it.

    The linear model goes down by plain gradient descent. On the mean squared error, with matrix
    H = 2 E[(x, 1) (x, 1)^T] of second derivatives, each step shrinks the distance from the least
    squares by 1 - lr h along an eigenvector with eigenvalue h: here h is about 2 and 8/3, so lr =
    0.3 leaves 0.4 and 0.2 of it.
    """

    def __init__(self, settings):
        self.x, self.y = draw(settings, settings.rows, np.random.default_rng([settings.seed, 0]))
        super().__init__(settings, np.float32(self.x), np.float32(self.y))

    def build(self):
        if self.settings.model == "linear":
            return Linear(1, 1, rng=self.rng)
        return mlp(1, self.settings.hidden, self.settings.hidden, 1, rng=self.rng)

    def descent(self):
        if self.settings.model == "linear":
            return SGD(self.model, self.settings.lr), constant(self.settings.lr)
        return super().descent()

    def loss(self, x, y):
        return mse(self.model(x), y)


def least_squares(x, y, degree):
    """The polynomial of least squared error of rows x, y (N, 1): its `degree` + 1 coefficients,
    the constant first."""
    powers = np.vander(x[:, 0], degree + 1, increasing=True)
    return np.linalg.lstsq(powers, y[:, 0], rcond=None)[0]


def report(learner):
    """The Figures of a trained function, and its picture."""
    settings, model = learner.settings, learner.model
    truth = TRUTHS[settings.truth]
    polynomials = [least_squares(learner.x, learner.y, degree) for degree in (1, DEGREE)]

    def learned(x):
        with no_grad():
            x = to_device_of(np.float32(x), model.flat.data)
            return to_host(model(x).data).astype(np.float64)

    def squares(x, coefficients):
        return np.polynomial.polynomial.polyval(x, coefficients)

    x, y = draw(settings, HELD_OUT, np.random.default_rng([settings.seed, 1]))
    grid = np.linspace(-REACH, REACH, 2001)[:, None]
    with learner.average.applied():
        error, fit = np.square(learned(x) - y).mean(), learned(grid)
        found = to_host(model.flat.data).astype(np.float64)
    line, curve = (squares(grid, c) for c in polynomials)
    over = [np.square(f - truth(grid)).mean() for f in (fit, line, curve)]
    variance = settings.noise**2
    if settings.model == "linear":
        best = polynomials[0][::-1]  # w, then b
        off = np.linalg.norm(found - best) / np.linalg.norm(best)
        bar = [Figure("distance from the least squares, relative", off, ("<=", 1e-5))]
    else:
        bar = [Figure("excess / noise variance", over[0] / variance, ("<=", 0.1))]
    figures = [
        Figure("error on held-out rows", error),
        Figure("noise variance, the least possible", variance),
        Figure("excess over it", over[0]),
        Figure("excess of the line of least squares", over[1]),
        Figure(f"excess of the polynomial of degree {DEGREE}", over[2]),
        *bar,
    ]
    curves = {
        "f(x)": truth(grid), f"learned: {settings.model}": fit, "least squares: a line": line,
        f"least squares: degree {DEGREE}": curve,
    }  # fmt: skip
    title = f"{settings.rows} values of f with noise of standard deviation {settings.noise:g}"
    return figures, {"fit.png": viz.fits(learner.x, learner.y, grid, curves, title)}

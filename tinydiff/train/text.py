"""`tinydiff train text`: diffusion of characters, and an autoregressive twin to measure it by."""

import math
import re
from dataclasses import dataclass

import numpy as np

from .. import viz
from ..backend import device_of, standard_normal, to_device_of, to_host
from ..backend.errors import ConfigError
from ..data import load
from ..diffusion import bound, samplers, schedules
from ..diffusion.process import Process
from ..models import autoregressive, text
from ..optim import EMA, Adam, clip_grad_norm, cosine
from ..tensor import no_grad
from . import plain
from .loop import Learner
from .report import Figure
from .settings import Settings
from .shards import Shards

DRAWS = 20  # of t for each held-out row
TIMES = 21  # at which rounding is looked at
SAMPLES, PRINTED = 50, 20
PROTOCOL = (
    "Held-out rows of 64 characters, averaged weights, nats per character. Diffusion: the bound on "
    f"-log p of a whole row, L_0 and L_T of each row and {DRAWS} of the other terms, drawn evenly "
    "over t; with the standard error over the rows. Autoregressive: -log p of a whole row, whose "
    "first character is as unknown to it. Both saw the same rows in the same steps. Unigram: the "
    "frequencies in the train rows, one added to each count. Rounding: share of the characters "
    "whose vectors are nearest to the predicted x_0 at x_t; by t in rounding.csv, with the share "
    "nearest to x_t itself. Known words: whole words of "
    f"three letters or more that the train rows have as well, of {SAMPLES} samples. "
    "The rate and the reach of a token were chosen with the bound of these rows in sight."
)


@dataclass(frozen=True)
class Text(Settings, kind="text"):
    """The settings of a diffusion model of text and of its twin, which are of one size."""

    data: str = "text"
    channels: int = 16  # of the vector of a character
    width: int = 96
    heads: int = 4
    blocks: int = 3
    T: int = 1000
    batch: int = 32
    lr: float = 3e-3
    warmup: int = 50
    ema: float = 0.99
    grad_clip: float = 1.0
    sample_steps: int = 250

    at_least = {
        "channels": 1, "width": 2, "heads": 1, "blocks": 0, "T": 2, "batch": 1, "warmup": 0,
        "sample_steps": 1,
    }  # fmt: skip
    positive = ("lr", "grad_clip")
    fractions = ("ema",)

    def check(self):
        super().check()
        if self.width % self.heads or self.width % 2:
            raise ConfigError(
                f"width must be even and a multiple of heads = {self.heads}, got {self.width}"
            )
        if self.sample_steps > self.T:
            raise ConfigError(
                f"sample_steps = {self.sample_steps} visits more times than there are: T = {self.T}"
            )

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        data, test = load(self.data), load(self.data, "test")
        if not data.alphabet:
            raise ConfigError(f"data = {self.data!r} is no text: its rows have no alphabet")
        learner = TextLearner(self, data, threads)
        return plain.run(
            learner, folder, saved, measure=lambda: report(learner, test),
            what="the bound but for $L_T$, nats per character", protocol=PROTOCOL,
            versions=versions, show=show,
        )  # fmt: skip


class Trainee:
    """A model, and what moves it down a loss: shards, optimiser, averaged weights."""

    def __init__(self, model, loss, settings, threads):
        self.model, self.loss, self.clip = model, loss, settings.grad_clip
        self.optimizer = Adam(model, settings.lr, betas=(0.9, 0.99))
        self.average = EMA(model, settings.ema)
        self.shards = Shards(model, threads)

    def step(self, lr, *batch):
        """One step. Returns loss and gradient norm, left where they were computed."""
        self.optimizer.zero_grad()
        value = self.shards.gradient(self.loss, *batch)
        norm = clip_grad_norm(self.model, self.clip)
        self.optimizer.lr = lr
        self.optimizer.step()
        self.average.update()
        return value, norm


class TextLearner(Learner):
    """A TextDenoiser and its Autoregressive twin, which learn from the same rows of a Dataset.

    What the metrics show is the diffusion model's.
    """

    def __init__(self, settings, data, threads=1):
        super().__init__(settings, len(data))
        self.data, self.process = data, Process(schedules.cosine(settings.T))
        self.times = bound.StratifiedT(settings.T - 1)
        V, n = data.levels, data.x.shape[1]
        size = settings.width, settings.heads, settings.blocks
        model = text.TextDenoiser(V, self.process, n, settings.channels, *size, rng=self.rng)
        twin = autoregressive.Autoregressive(V, n, *size, rng=self.rng)
        self.diffusion = Trainee(model, self.loss, settings, threads)
        self.twin = Trainee(twin, autoregressive.loss, settings, threads)
        self.optimizer = self.diffusion.optimizer
        for part, one in (("", self.diffusion), ("twin-", self.twin)):
            self.owners |= {
                f"{part}model": one.model, f"{part}ema": one.average, f"{part}optim": one.optimizer
            }  # fmt: skip
        self.lr = cosine(settings.lr, max(settings.steps, settings.warmup + 1), settings.warmup)

    def batch(self):
        """The next rows, times t = 2 ... T and the bound's Rows of these, uploaded."""
        like = self.diffusion.model.flat.data
        ids = self.data.x[self.rows(self.step)]
        t = self.times.sample(len(ids), self.rng)[0] + 1
        column = like[: len(ids)].reshape(-1, 1, 1)  # any array of that shape, type and place
        rows = bound.rows(self.process, t, column, "vlb", "x0")
        return to_device_of(ids, like), to_device_of(t, like), rows

    def update(self, ids, t, rows):
        """One step of each of the two. Returns loss and gradient norm of the diffusion model."""
        like, lr = self.diffusion.model.flat.data, self.lr(self.step)
        shape = (*ids.shape, self.settings.channels)
        eps = standard_normal(self.rng, shape, like.dtype, device_of(like))
        found = self.diffusion.step(lr, ids, t, eps, *rows)
        self.twin.step(lr, ids)
        self.step += 1
        return found

    def loss(self, model, ids, t, eps, *rows):
        return text.loss(model, self.process, ids, t, eps, bound.Rows(*rows))

    def close(self):
        self.diffusion.shards.close()
        self.twin.shards.close()


def report(learner, test):
    """The Figures of the trained pair on the held-out Dataset `test`; a picture, and samples."""
    model, twin, process = learner.diffusion.model, learner.twin.model, learner.process
    rng = np.random.default_rng(learner.settings.seed)
    ids, n = to_device_of(test.x, model.flat.data), test.x.shape[1]
    with learner.diffusion.average.applied():
        ts = bound.StratifiedT(process.T).sample(DRAWS * len(ids), rng)
        found = text.terms(model, process, ids, rng, ts)
        times, shares = rounded(model, process, ids, rng)
        made = denoised(model, process, n, learner.settings.sample_steps, rng)
    with learner.twin.average.applied():
        nats = to_host(autoregressive.nats(twin, ids)).astype(np.float64).mean()
        written = to_host(autoregressive.sample(twin, SAMPLES, n, rng))
    log_p = unigram(learner.data.x, test.levels)
    blocks = {"diffusion": made, "autoregression": written, "held-out text": test.x}
    figures = [
        *likelihoods(found, nats, -log_p[test.x].mean(), test.levels),
        Figure("rounding at t = 1", shares[0, 0], (">=", 0.99)),
        *(Figure(f"rounding at t = {times[k]}", shares[0, k]) for k in range(5, TIMES, 5)),
        *(Figure(f"known words: {who}", known(rows, learner.data)) for who, rows in blocks.items()),
        Figure("parameters: diffusion", model.flat.data.size),
        Figure("parameters: autoregression", twin.flat.data.size),
    ]
    table = "".join(f"{t},{a:.6f},{b:.6f}\n" for t, a, b in zip(times, *shares))
    return figures, {
        "rounding.png": viz.rounding(times, *shares, (test.x == log_p.argmax()).mean()),
        "rounding.csv": "t,denoised,alone\n" + table,
        "samples.txt": "\n".join(printed(*block, test.alphabet) for block in blocks.items()),
    }


def likelihoods(found, nats, unigram, V):
    """The Figures in nats per character: the Bound `found` beside -log p of the other models."""
    parts = dict.fromkeys(("L_0", "KL", "L_T"), 0.0)
    for row in found.table():
        if row["term"] in parts:
            parts[row["term"]] += row["nats"] / found.dims
    return [
        Figure("diffusion, the bound", found.total.mean() / found.dims, ("<=", math.log(V))),
        Figure("its standard error", found.stderr / found.dims),
        *(Figure(f"its part {name}", value) for name, value in parts.items()),
        Figure("autoregression", nats, ("<=", unigram)),
        Figure("unigram", unigram),
        Figure("uniform: log V", math.log(V)),
    ]


def unigram(ids, V):
    """log p of each of V characters, (V,): (count + 1) / (all + V), so that none has p = 0."""
    counts = np.bincount(np.ravel(ids), minlength=V)
    return np.log((counts + 1) / (counts.sum() + V))


def rounded(model, process, ids, rng):
    """(times, shares): of TIMES times t, and the shares (2, TIMES) of characters of ids (N, n) that
    are nearest to the predicted x_0 at x_t, and to x_t itself."""
    times = np.rint(np.linspace(1, process.T, TIMES)).astype(int)
    found = []
    with no_grad():
        x0 = model.embed(ids).data
        for t in times.tolist():
            eps = standard_normal(rng, x0.shape, x0.dtype, device_of(x0))
            xt = process.q_sample(x0, t, eps)
            found.append([(model.nearest(x) == ids).mean() for x in (model(xt, t).data, xt)])
    return times, np.array([[float(share) for share in pair] for pair in found]).T


def denoised(model, process, n, steps, rng):
    """SAMPLES texts of n characters by ancestral sampling in `steps` steps, rounded: host ids."""
    like, channels = model.flat.data, model.table().shape[1]
    xT = standard_normal(rng, (SAMPLES, n, channels), like.dtype, device_of(like))
    ts = samplers.timesteps(process.T, steps)
    x0 = samplers.last(samplers.ddpm(model, process, xT, noise=rng, ts=ts, predicts="x0"))
    return to_host(model.nearest(x0))


def words(ids, alphabet):
    """The whole words in rows of ids: three letters or more between two characters that are none.

    Most texts of one or two letters are words of some formula.
    """
    rows = ("".join(alphabet[k] for k in row) for row in ids)
    return [word for row in rows for word in re.findall("(?<=[^a-z])[a-z]{3,}(?=[^a-z])", row)]


def known(ids, data):
    """The share of the words in rows of ids that the Dataset `data` has as well; 0 of none."""
    found, have = words(ids, data.alphabet), set(words(data.x, data.alphabet))
    return sum(word in have for word in found) / max(len(found), 1)


def printed(who, ids, alphabet):
    """The first PRINTED rows of ids as lines, | for the end of a paragraph, under a heading."""
    rows = ["".join(alphabet[k] for k in row).replace("\n", "|") for row in ids[:PRINTED]]
    return f"{who}, the first {len(rows)}, unselected\n" + "".join(f"  {row}\n" for row in rows)

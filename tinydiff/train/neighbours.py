"""`tinydiff train tsne`: a map of data in which neighbours stay neighbours, and its figures."""

from dataclasses import dataclass

import numpy as np

from .. import viz
from ..backend.errors import ConfigError
from ..data import load
from ..manifold import sne, tsne
from .folder import Clock, write_config, write_json
from .report import Figure, as_dict
from .settings import Settings

METHODS = {
    "tsne": tsne,
    "sne": sne,  # symmetric, the guest lecture's
    "conditional-sne": lambda *args, **options: sne(*args, symmetric=False, **options),
}
NEIGHBOURS = 5
DIGITS = 1797  # train and test
KL, TRUST = 0.70, 0.99  # asked of their map by t-SNE at perplexity 30 after 1000 steps
PROTOCOL = (
    "All rows, train and test, from a start along the two principal axes. Divergence: D_KL(p || q) "
    "of the map, float64. Perplexity: the largest relative distance from the target over the rows. "
    f"Trustworthiness: scikit-learn's, of {NEIGHBOURS} neighbours: 1 if no point is a neighbour in "
    "the map that is none in the data."
)


@dataclass(frozen=True)
class NeighbourMap(Settings, kind="neighbours"):
    """The settings of a map by t-SNE or SNE. It takes seconds, so it is not stopped and resumed."""

    data: str = "digits"
    rows: int = 2000  # at most so many
    method: str = "tsne"
    perplexity: float = 30.0

    choices = {"method": tuple(METHODS)}
    at_least = {"rows": 10, "steps": 1}
    positive = ("perplexity",)

    def read(self):
        """(rows (N, d) float64, labels (N,)). Raises ConfigError unless they can be mapped."""
        parts = [load(self.data, split) for split in ("train", "test")]
        if parts[0].alphabet:
            raise ConfigError(
                f"data = {self.data!r} is a text: its characters have no distances; choose data "
                "whose rows are numbers"
            )
        x, labels = (np.concatenate([getattr(p, k) for p in parts])[: self.rows] for k in "xy")
        if not 1 <= self.perplexity < len(x) - 1:
            raise ConfigError(
                f"perplexity must be at least 1 and less than {len(x) - 1}, the number of other "
                f"rows, got {self.perplexity:g}"
            )
        return x.reshape(len(x), -1).astype(np.float64), labels

    def known(self, n):
        """Whether a map of n rows is one that is known to reach the bars: no other has any."""
        digits = (self.data, n, self.method, self.perplexity) == ("digits", DIGITS, "tsne", 30)
        return digits and self.steps >= 1000

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        clock = Clock()
        x, labels = self.read()
        write_config(folder, self, versions)
        with clock("map"):
            found = METHODS[self.method](x, self.perplexity, self.steps)
        with clock("report"):
            report = figures(x, found, self.perplexity, self.known(len(x)))
        np.save(folder / "map.npy", found.y)
        title = f"{self.method} of {self.data}: {len(x)} rows, perplexity {self.perplexity:g}"
        viz.save(viz.embedding(found.y, labels, title), folder / "map.png")
        write_json(folder / "report.json", as_dict(report, PROTOCOL) | {"seconds": clock.seconds})
        return report


def figures(x, found, perplexity, known=False):
    """The Figures of an Embedding of rows x (N, d). known: whether it is the map that has bars."""
    from sklearn.manifold import trustworthiness  # takes a second, so only when asked for

    off = np.abs(found.perplexity / perplexity - 1).max()
    trust = trustworthiness(x, found.y, n_neighbors=NEIGHBOURS)
    return [
        Figure("divergence of the map, nats", found.kl, ("<=", KL) if known else None),
        Figure("perplexity: largest relative distance from the target", off, ("<=", 1e-6)),
        Figure("trustworthiness", trust, (">=", TRUST) if known else None),
    ]

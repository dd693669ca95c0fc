"""The report on a trained model: figures of its samples beside the same figures of real data.

Each figure that a good model must reach has a bar; each figure of samples stands beside that of
digits held out of all training, and the judge itself is judged first: on held-out digits, on noise,
and on digits with shuffled pixels.
"""

import numpy as np

from . import judge as judges
from .report import Figure

PROTOCOL = (
    "Judge: a classifier trained on the training split, with non-digits among its training "
    "images (train/judge.py). Frechet distance: in the judge's features, against the held-out "
    "rows, of as many samples as there are held-out rows, and of as many training rows, drawn "
    "with the run's seed. Nearest-training distance: Euclidean, in pixels in [-1, 1], to the "
    "nearest training row, averaged."
)


def figures(judge, samples, train, test, rng):
    """The Figures of samples (N, ...), judged by `judge`; train, test: Datasets."""
    p_test, p_samples = judges.probabilities(judge, test.x), judges.probabilities(judge, samples)
    strangers = {
        "noise": judges.noise(test.x.shape, rng),
        "digits with shuffled pixels": judges.shuffled(test.x, rng),
    }
    strange = [
        Figure(
            f"judge: mean top probability, {what}", top(judges.probabilities(judge, x)), ("<=", 0.7)
        )
        for what, x in strangers.items()
    ]
    share = np.bincount(p_samples.argmax(axis=1), minlength=p_samples.shape[1]) / len(samples)
    n = min(len(samples), len(test.x))
    held_out, made = judges.features(judge, test.x), judges.features(judge, samples[:n])
    real = judges.features(judge, train.x[rng.choice(len(train.x), n, replace=False)])
    near = nearest(samples, train.x).mean() / nearest(test.x, train.x).mean()
    accuracy = (p_test.argmax(axis=1) == test.y).mean()
    return [
        Figure("judge: accuracy on held-out digits", accuracy, (">=", 0.985)),
        Figure("judge: mean top probability, held-out digits", top(p_test), (">=", 0.97)),
        *strange,
        Figure("samples: mean top probability", top(p_samples), (">=", 0.93)),
        Figure("samples: share of the rarest class", share.min(), (">=", 0.04)),
        Figure("samples: share of the most frequent class", share.max(), ("<=", 0.18)),
        Figure("samples: Frechet distance to held-out", frechet(made, held_out)),
        Figure("training digits: Frechet distance to held-out", frechet(real, held_out)),
        Figure("samples: nearest-training distance / held-out's", near, (">=", 0.8)),
    ]


def obedience(judge, samples, labels):
    """The Figure of samples that were asked for by label: how often the judge sees that label."""
    right = judges.probabilities(judge, samples).argmax(axis=1) == labels
    return Figure("samples: share of the label asked for", right.mean(), (">=", 0.95))


def top(p):
    """The mean over rows of the largest probability."""
    return float(p.max(axis=1).mean())


def frechet(a, b):
    """Frechet distance of Gaussians fitted to the rows of a and b, (N, d) float64 each.

    |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)), and tr (A B)^(1/2) is the sum of the roots of the
    eigenvalues of A^(1/2) B A^(1/2), which is symmetric (Dowson & Landau 1982; Heusel et al. 2017).
    It is the larger the fewer rows there are, so only distances of equally many rows compare.
    """
    A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ B @ root), 0)).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.trace(A) + np.trace(B) - 2 * cross)


def nearest(x, data):
    """The Euclidean distance of each row of x to the nearest row of data, (N,)."""
    x, data = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (x, data))
    squares = (x**2).sum(axis=1)[:, None] - 2 * x @ data.T + (data**2).sum(axis=1)
    return np.sqrt(np.maximum(squares.min(axis=1), 0))

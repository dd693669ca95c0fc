"""The report on generated images: figures of samples beside the same figures of real data.

Each figure that a good model must reach has a bar (standards.py); each figure of samples stands
beside that of rows held out of all training, and the judge itself is judged first: on held-out
rows, on noise, and on rows with shuffled pixels.
"""

import numpy as np

from . import judge as judges
from .report import Figure
from .standards import DIGITS, at_least, at_most, standard

PROTOCOL = (
    "Judge: a classifier trained on the training split, with non-digits among its training "
    "images (train/judge.py). Frechet distance: in the judge's features, against the held-out "
    "rows, of as many samples as there are held-out rows, and of as many training rows, drawn "
    "with the run's seed. Nearest-training distance: Euclidean, in pixels in [-1, 1], to the "
    "nearest training row, averaged."
)
BLOCK = 1024, 4096  # rows of x and of data whose distances are computed together: 34 MB of float64


def figures(judge, samples, train, test, rng):
    """The Figures of samples (N, ...), judged by `judge`; train, test: Datasets."""
    asked = standard(train.name)
    p_test, p_samples = judges.probabilities(judge, test.x), judges.probabilities(judge, samples)
    strangers = {
        "noise": judges.noise(test.x.shape, rng),
        f"{asked.rows} with shuffled pixels": judges.shuffled(test.x, rng),
    }
    strange = [
        Figure(
            f"judge: mean top probability, {what}",
            top(judges.probabilities(judge, x)),
            at_most(asked.unsure),
        )
        for what, x in strangers.items()
    ]
    share = np.bincount(p_samples.argmax(axis=1), minlength=p_samples.shape[1]) / len(samples)
    n = min(len(samples), len(test.x), len(train.x))
    held_out, made = judges.features(judge, test.x), judges.features(judge, samples[:n])
    real = judges.features(judge, train.x[rng.choice(len(train.x), n, replace=False)])
    noise = judges.features(judge, strangers["noise"][:n])
    against = [
        Figure(f"{who}: Frechet distance to held-out", frechet(rows, held_out))
        for who, rows in (("samples", made), (f"training {asked.rows}", real), ("noise", noise))
        if n > 1  # a single row has no covariance
    ]
    accuracy = (p_test.argmax(axis=1) == test.y).mean()
    return [
        Figure(f"judge: accuracy on held-out {asked.rows}", accuracy, at_least(asked.accuracy)),
        Figure(f"judge: mean top probability, held-out {asked.rows}", top(p_test),
               at_least(asked.sure)),
        *strange,
        Figure("samples: mean top probability", top(p_samples), at_least(asked.top)),
        Figure("samples: share of the rarest class", share.min(), at_least(asked.rarest)),
        Figure("samples: share of the most frequent class", share.max(), at_most(asked.commonest)),
        *(against[:2] if asked is DIGITS else against),  # the report on digits is published
        copies(samples, train, test, rng),
    ]  # fmt: skip


def copies(samples, train, test, rng):
    """The Figure that is 0 if the samples are training rows, and 1 if they are as held-out rows."""
    compared = rng.choice(len(test.x), min(len(samples), len(test.x)), replace=False)
    apart = nearest(test.x[compared], train.x).mean()
    # 1e-6 is rounding: the held-out rows are training rows, and there is nothing to compare with
    ratio = nearest(samples, train.x).mean() / apart if apart > 1e-6 else np.inf
    bar = at_least(standard(train.name).apart)
    return Figure("samples: nearest-training distance / held-out's", ratio, bar)


def protocol(config, samples, train, test, judge):
    """How the figures of images were measured, for people. judge: None if there was none."""
    if train.name == "digits":
        return PROTOCOL
    n, features = min(len(samples), len(test.x)), judge and judge.out.W.shape[0]
    near = (
        f"Nearest-training distance: Euclidean, in pixels in [-1, 1], to the nearest of "
        f"{len(train.x)} training rows, averaged over {len(samples)} samples, and over {n} "
        f"held-out rows drawn with seed {config.seed}."
    )
    if judge is None:
        return f"The rows have no classes, so that no classifier can judge samples. {near}"
    return (
        f"Judge: tinydiff's own classifier, trained for {config.judge_steps} steps with seed "
        f"{config.seed} on the training split, with noise and rows with shuffled pixels among its "
        f"training images (train/judge.py). Frechet distance: of Gaussians fitted to the judge's "
        f"{features} features, what its last layer sees. Reference: all {len(test.x)} held-out "
        f"rows. Compared with it: the first {n} samples, {n} training rows drawn with seed "
        f"{config.seed}, and {n} images of standard normal noise. It depends on the judge and on "
        f"these numbers, and compares with no distance in features of another network. {near}"
    )


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
    """The Euclidean distance of each row of x to the nearest row of data, (N,); block by block."""
    rows, others = BLOCK
    found = np.full(len(x), np.inf)
    for first in range(0, len(data), others):
        block = _flat(data[first : first + others])
        squares = (block**2).sum(axis=1)
        for start in range(0, len(x), rows):
            part = slice(start, start + rows)
            a = _flat(x[part])
            least = ((a**2).sum(axis=1)[:, None] - 2 * a @ block.T + squares).min(axis=1)
            found[part] = np.minimum(found[part], least)
    return np.sqrt(np.maximum(found, 0))


def _flat(x):
    return np.asarray(x, np.float64).reshape(len(x), -1)

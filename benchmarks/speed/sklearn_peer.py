"""The works by scikit-learn: t-SNE, its exact method."""

import numpy as np

from .job import Job


def tsne(spec, n, steps):
    from ..tsne import digits, fit

    x, start = digits(n)[0], 1e-4 * np.random.default_rng(0).standard_normal((n, 2))
    return Job(lambda: fit("scikit-learn exact", x, start.astype(np.float32), steps)[0])

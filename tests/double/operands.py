"""The operands of the snippets that are tried on the double, on NumPy and on the real CuPy."""

from types import SimpleNamespace

import numpy as np


def arrays(xp):
    """The operands of all snippets: the same values in each library."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, (3, 4)).astype(np.float32)
    return SimpleNamespace(
        xp=xp,
        x=xp.asarray(x),
        row=xp.array(x[0]),
        w=xp.asarray(rng.standard_normal((4, 5)).astype(np.float32)),
        ids=xp.asarray(np.array([2, 0, 2])),
        order=xp.asarray(np.array([2, 0, 1])),
        image=xp.asarray(rng.standard_normal((2, 5, 5, 3)).astype(np.float32)),
        n=xp.asarray(np.array(2)),
    )


def assign(target, index, value):
    target[index] = value
    return target

"""The variational bound of a trained run on data that it has never seen."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from itertools import pairwise

import numpy as np

from ..backend import to_device_of
from ..backend.errors import ConfigError, Error
from ..data import load
from ..diffusion import bound
from ..diffusion.estimate import join
from .build import open_run, try_one
from .shards import one_thread_each

GROUP = 125  # rows that are evaluated together: more would not stay in a CPU's cache


def decoder_of(data):
    """The decoder that `bound.terms` is to use: of a probability where the data has levels."""
    return {"decoder": "discretized", "levels": data.levels} if data.levels else {}


def judged(config, model, y):
    """The model(xt, t) that the bound judges on rows with the labels y, (N,) on the host.

    A model that is told labels is judged without them, on -log p(x). One that was told every label
    (drop_labels = 0) knows no p(x): here it is told them too, and the bound is on -log p(x | y).
    """
    if not config.classes or config.drop_labels:
        return model
    return partial(model, y=to_device_of(y, model.flat.data))


def measure(folder, n=None, *, seed=0, times=None, variance=None, threads=1, show=lambda *_: None):
    """The Bound of n held-out rows under the run in `folder`, with its averaged weights.

    n: how many rows, drawn by `seed` (default: all there are). times: how many t for each row, one
    from each of so many `strata`; all T by default. variance: see `bound.terms`; by default that of
    the run. Data with levels (pixels) is judged by the discretised decoder, so that the bound is on
    a probability; other data by the Gaussian one. Groups of at most GROUP rows are evaluated side
    by side on `threads` threads, which does not change the numbers.
    Raises CheckpointError, ConfigError, DatasetNotFound; Error where the model returns NaN.
    """
    config, model, process = open_run(folder)
    held_out = load(config.data, "test")
    try_one(config, model, held_out)  # a file of one's own may have changed
    rng = np.random.default_rng(seed)
    n = len(held_out) if n is None else n
    times = process.T if times is None else times
    if not 1 <= n <= len(held_out):
        raise ConfigError(
            f"n must be 1 to {len(held_out)}, the held-out rows of {config.data}, got {n}"
        )
    if not 1 <= times <= process.T:
        raise ConfigError(f"times must be 1 to {process.T}, the steps of the run, got {times}")
    variance = variance or config.variance
    if (variance == "learned") != (config.variance == "learned"):
        raise ConfigError(
            "this run learned its variance: leave --variance out"
            if config.variance == "learned"
            else "this run did not learn a variance: use posterior, beta or optimal"
        )
    if variance == "optimal" and times < process.T:
        raise ConfigError("the optimal variance is estimated over rows at one t: leave --times out")
    if variance == "optimal" and n < 2:
        raise ConfigError("the optimal variance is estimated from other rows: n must be at least 2")
    rows = np.sort(rng.permutation(len(held_out))[:n])
    x0, y = to_device_of(held_out.x[rows], model.flat.data), held_out.y[rows]
    cuts = np.linspace(0, n, -(-n // GROUP) + 1).astype(int)  # no group is left with a single row
    groups = [(x0[first:end], y[first:end]) for first, end in pairwise(cuts)]
    done, lock = [], threading.Lock()

    def group(rows, rng):
        x0, y = rows
        answer = judged(config, model, y)

        def watched(xt, t):
            with lock:
                done.append(t)
                show("bound", len(done), times * len(groups), None)
            return answer(xt, t)

        ts = None if times == process.T else draws(process.T, times, len(x0), rng)
        return bound.terms(
            watched, process, x0, noise=rng, ts=ts, variance=variance, predicts=config.predicts,
            **decoder_of(held_out),
        )  # fmt: skip

    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        pairs = zip(groups, rng.spawn(len(groups)))
        jobs = [pool.submit(copy_context().run, group, *pair) for pair in pairs]
        try:
            return join([job.result() for job in jobs])
        except ValueError as error:  # of the bound, which names the t
            raise Error(f"cannot bound {folder}: {error}") from error


def strata(T, k):
    """Edges 1 = e_0 < ... < e_k = T + 1 of k strata of 1 ... T that widen geometrically.

    L_{t-1} falls steeply with t, and the first terms are most of the bound: these get a stratum of
    a single t each. The ratio is chosen anew at every edge, since a stratum has at least one t.
    """
    edges = [1]
    for left in range(k, 0, -1):
        last = edges[-1]
        edges.append(max(last + 1, round(last * ((T + 1) / last) ** (1 / left))))
    return edges


def draws(T, k, n, rng):
    """(t, weight) for `bound.terms`: for each of n rows one t from each of k strata, (k n,) each.

    A draw stands for all t of its stratum, so the total stays unbiased: weight k width / T.
    """
    pairs = list(pairwise(strata(T, k)))
    t = np.concatenate([rng.integers(*pair, size=n) for pair in pairs])
    return t, np.repeat([k * (end - first) / T for first, end in pairs], n)

"""The gradient of a batch, computed on equal parts of it side by side.

The loss of a batch is the mean of its parts' losses, so its gradient is the mean of theirs. Each
part has a replica of the model, which reads the same parameters and writes a gradient buffer of its
own; the buffers are added in a fixed order, so the result does not depend on who was ready first.
Parts run in threads: NumPy lets go of the interpreter while it computes.
"""

import copy
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context

from ..nn import BatchNorm, Dropout


class OneShardWarning(UserWarning):
    """A model must see its batches whole, so that threads compute inside operations only."""


class Shards:
    """n replicas of a model on as many threads. n = 1: the model alone, in the caller's thread."""

    def __init__(self, model, n):
        if n < 1:
            raise ValueError(f"a batch is cut into at least 1 shard, got {n}")
        if n > 1 and (name := beyond_a_shard(model)):
            raise ValueError(f"{name} looks beyond one shard of the batch: use 1 shard")
        self.model = model
        self.replicas = [model] + [_replica(model) for _ in range(n - 1)]
        self.pool = ThreadPoolExecutor(n - 1) if n > 1 else None

    def gradient(self, loss, *batch):
        """Write the gradient of loss(model, *batch) into the model's buffer; returns the loss.

        loss: a function that returns the mean over its samples, a scalar Tensor. batch: arrays (N,
        ...), cut along their first axis. The gradients of the model must be zero before.
        """
        if self.pool is None:
            value = loss(self.model, *batch)
            value.backward()
            return value.data
        n, size = len(self.replicas), len(batch[0])
        cuts = [size * i // n for i in range(n + 1)]
        jobs = [
            (replica, [a[start:end] for a in batch], (end - start) / size)
            for replica, start, end in zip(self.replicas, cuts, cuts[1:])
            if end > start
        ]
        others = [self.pool.submit(copy_context().run, _part, loss, *job) for job in jobs[1:]]
        total = _part(loss, *jobs[0])
        for (replica, _, _), other in zip(jobs[1:], others):
            total = total + other.result()
            self.model.flat.grad += replica.flat.grad
        return total

    def close(self):
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown()


def _part(loss, model, batch, weight):
    """The weighted loss of one part; its gradient goes into the replica's buffer."""
    for p in model.parameters():
        p.grad = None
    value = loss(model, *batch) * weight
    value.backward()
    return value.data


def _replica(model):
    """A copy of the model that reads the same parameters and has gradients of its own."""
    replica = copy.deepcopy(model)
    replica.flat.share(model.flat)
    return replica


def beyond_a_shard(model):
    """The name of a layer that needs the whole batch, or its random numbers in order; or None."""
    for name, module in model.modules().items():
        if isinstance(module, BatchNorm) or (isinstance(module, Dropout) and module.p):
            return f"{name} ({type(module).__name__})"
    return None


def shards_for(model, threads):
    """How many shards to use on `threads` threads: as many, or 1 with an OneShardWarning."""
    if threads > 1 and (name := beyond_a_shard(model)):
        warnings.warn(
            f"{name} looks beyond one shard of a batch, so batches stay whole, and threads are "
            "used only inside matrix products",
            OneShardWarning,
            stacklevel=2,
        )
        return 1
    return threads


def blas_threads(n):
    """A context in which BLAS uses n threads for each product."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(n, user_api="blas")


def one_thread_each():
    """A context in which BLAS uses one thread for each product, as shards want it."""
    return blas_threads(1)


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

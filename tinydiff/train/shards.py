"""The gradient of a batch, computed on equal parts of it side by side.

The loss of a batch is the mean of its parts' losses, so its gradient is the mean of theirs. Each
part has a replica of the model, which reads the same parameters and writes a gradient buffer of its
own; the buffers are added in a fixed order, so the result does not depend on who was ready first.
Parts run in threads: NumPy lets go of the interpreter while it computes. Where a layer looks at the
whole batch, the parts wait for each other (backend/parts.py).
"""

import copy
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from functools import partial

from ..backend.parts import Part, working_on
from ..nn import Dropout


class Shards:
    """n replicas of a model on as many threads. n = 1: the model alone, in the caller's thread.

    Batch norm takes its statistics over all of them, and dropout gives every sample the mask that
    it has in the whole batch. A layer of your own that looks from one sample at another cannot be
    cut: use n = 1.
    """

    def __init__(self, model, n):
        if n < 1:
            raise ValueError(f"a batch is cut into at least 1 shard, got {n}")
        self.model = model
        self.replicas = [model] + [_replica(model) for _ in range(n - 1)]
        self.pool = ThreadPoolExecutor(n) if n > 1 else None

    def gradient(self, loss, *batch):
        """Write the gradient of loss(model, *batch) into the model's buffer; returns the loss.

        loss: a function that returns the mean over its samples, a scalar Tensor. batch: arrays (N,
        ...), cut along their first axis. The gradients of the model must be zero before.
        """
        if self.pool is None:
            value = loss(self.model, *batch)
            value.backward()
            return value.data
        size = len(batch[0])
        n = min(len(self.replicas), size)
        cuts = [size * i // n for i in range(n + 1)]
        meeting = Meeting(n)
        for replica in self.replicas[1:]:
            _follow(replica, self.model)  # before the model's own part moves its generators on
        jobs = []
        for k, (replica, first, end) in enumerate(zip(self.replicas, cuts, cuts[1:])):
            rows = [a[first:end] for a in batch]
            part = Part(first, end, size, partial(meeting.gather, k))
            jobs.append(
                self.pool.submit(copy_context().run, _gradient, loss, replica, rows, part, meeting)
            )
        total, *others = meeting.results(jobs)
        for replica, value in zip(self.replicas[1:], others):
            total = total + value
            self.model.flat.grad += replica.flat.grad
        return total

    def close(self):
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown()


class Meeting:
    """Where n parts that are computed side by side exchange arrays."""

    def __init__(self, n):
        self.arrays, self.barrier = [None] * n, threading.Barrier(n)

    def gather(self, k, array):
        """Part k brings an array and gets those of all parts, in order, once all have come."""
        self.arrays[k] = array
        self.barrier.wait()
        found = list(self.arrays)
        self.barrier.wait()  # only then may the next exchange begin
        return found

    def results(self, jobs):
        """The results of the parts' futures. Raises the first error that is a part's own.

        A part that fails breaks the barrier, so that nobody waits for it for ever.
        """
        errors = [job.exception() for job in jobs]  # which waits for all of them
        for error in errors:
            if error is not None and not isinstance(error, threading.BrokenBarrierError):
                raise error
        return [job.result() for job in jobs]


def _gradient(loss, model, batch, part, meeting):
    """The weighted loss of one part; its gradient goes into its replica's buffer."""
    try:
        for p in model.parameters():
            p.grad = None
        with working_on(part):
            value = loss(model, *batch) * part.share
            value.backward()
        return value.data
    except BaseException:
        meeting.barrier.abort()
        raise


def _replica(model):
    """A copy of the model that reads the same parameters and has gradients of its own."""
    replica = copy.deepcopy(model)
    mine, its = replica.flat, model.flat
    mine.data, mine.views = its.data, its.views
    for parameter, view in zip(mine.parameters, its.views, strict=True):
        parameter.data = view
    return replica


def _follow(replica, model):
    """Let the replica's masks be drawn from where the model's generators are now."""
    for mine, its in zip(replica.modules().values(), model.modules().values()):
        if isinstance(mine, Dropout):
            mine.rng.bit_generator.state = its.rng.bit_generator.state


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

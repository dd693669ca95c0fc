"""Learning rates that change: schedules step -> lr, and one that waits for the loss.

An optimiser knows nothing of them: the loop that owns it writes `optimizer.lr`.
"""

import math

import numpy as np


def constant(lr):
    """The schedule step -> lr."""
    return lambda step: lr


def cosine(lr, steps, warmup=0):
    """The schedule that rises linearly to lr in `warmup` steps, then falls to 0 along a cosine."""
    if not 0 <= warmup < steps:
        raise ValueError(f"cosine() needs 0 <= warmup < steps, got warmup={warmup}, steps={steps}")

    def schedule(step):
        if step < warmup:
            return lr * (step + 1) / warmup
        done = min((step - warmup) / (steps - warmup), 1.0)
        return lr * 0.5 * (1 + math.cos(math.pi * done))

    return schedule


class ReduceOnPlateau:
    """Multiply optimizer.lr by `factor` after `patience` calls in a row without a smaller loss."""

    def __init__(self, optimizer, factor, patience):
        if not 0 < factor < 1 or patience < 1:
            raise ValueError(
                f"ReduceOnPlateau needs 0 < factor < 1 and patience >= 1, got {factor}, {patience}"
            )
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
        self.best, self.waited = math.inf, 0

    def step(self, loss):
        """Take note of a loss (a number)."""
        if loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.optimizer.lr *= self.factor
            self.waited = 0

    def state_dict(self):
        return {"best": np.asarray(self.best), "waited": np.asarray(self.waited)}

    def load_state_dict(self, d):
        self.best, self.waited = float(d["best"]), int(d["waited"])

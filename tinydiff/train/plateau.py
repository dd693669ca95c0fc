"""A learning rate that waits: lowered when an epoch's mean loss has not fallen for a while."""

import numpy as np

from ..backend import to_host
from ..optim import ReduceOnPlateau

FACTOR, PATIENCE = 0.95, 2  # those of the labs


class Plateau:
    """optimizer.lr x0.95 after 2 epochs in a row without a smaller mean loss than the best.

    steps: of an epoch. The losses of an epoch are added up where they were computed; only at its
    end one number is fetched.
    """

    def __init__(self, optimizer, steps):
        self.steps, self.rule = steps, ReduceOnPlateau(optimizer, FACTOR, PATIENCE)
        self.total, self.noted = 0.0, 0

    def note(self, loss):
        """Take note of one step's loss, a number on any device."""
        self.total, self.noted = self.total + loss, self.noted + 1
        if self.noted == self.steps:
            self.rule.step(float(to_host(self.total)) / self.steps)
            self.total, self.noted = 0.0, 0

    def state_dict(self):
        """All that `load_state_dict` needs, with the sum of an epoch that is not over."""
        total = np.asarray(float(to_host(self.total)), np.float32)  # exact: losses are float32
        return self.rule.state_dict() | {"total": total, "noted": np.asarray(self.noted)}

    def load_state_dict(self, d):
        """Restore a `state_dict`. Raises KeyError if it is not one."""
        self.total, self.noted = float(d["total"]), int(d["noted"])
        self.rule.load_state_dict(d)

"""Averages of weights: what a model is tried with is smoother than what its training reaches.

An average lies beside the flat buffer, and can stand in for the parameters for a while.
"""

from contextlib import contextmanager

from .backend import in_pieces
from .parameter import OverFlat


class EMA(OverFlat):
    """An exponential moving average of the parameters: avg <- d avg + (1 - d) theta.

    The average starts at the first parameters. While it is young it forgets faster,
    d = min(decay, (1 + n) / (10 + n)) after n updates, or the start would linger.
    """

    arrays, numbers = ("average",), ("updates",)

    def __init__(self, params, decay):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA needs a decay in [0, 1), got {decay}")
        super().__init__(params)
        self.decay, self.updates = decay, 0
        self.average = self.flat.data.copy()

    def update(self):
        """Move the average towards the parameters."""
        self._follow()
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        _approach(self.average, self.flat.data, 1 - d)
        self.updates += 1

    @contextmanager
    def applied(self):
        """A context in which the parameters are the average."""
        self._follow()
        own = self.flat.data.copy()
        self._put(self.average)
        try:
            yield
        finally:
            self._put(own)

    def _put(self, values):
        self._follow()
        self.flat.data[...] = self._fitting(values)
        self.flat.changed()


@in_pieces
def _approach(average, theta, share):
    average += share * (theta - average)

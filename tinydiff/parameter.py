"""Parameter, the flat buffer that parameters live in, and state beside it."""

from itertools import accumulate

import numpy as np

from .backend import check_devices, device_of, to_device, to_host, xp_of
from .tensor import Tensor


class Flat:
    """One buffer for many parameters, and one for their gradients, in definition order.

    An optimiser step, an average of weights, clipping, a checkpoint: each is a few array operations
    on `.data` and `.grad` (both 1-D), however many layers there are. The parameters are views.
    Whoever writes into `.data` calls `changed()`, by which the tape notices that arrays it saved
    are no longer what they were.

    change: what is done to every array on the way in, such as a move to another device.
    """

    def __init__(self, parameters, change=lambda array: array):
        values = [change(p.data) for p in parameters]
        check_devices(values)
        dtypes = sorted({str(v.dtype) for v in values})
        if len(dtypes) > 1:
            raise ValueError(f"parameters of one buffer need one dtype, found {', '.join(dtypes)}")
        self.parameters, self.version = parameters, 0
        self.data = xp_of(values[0]).concatenate([v.reshape(-1) for v in values])
        self.grad = xp_of(self.data).zeros_like(self.data)
        for p, end in zip(parameters, accumulate(p.size for p in parameters)):
            piece, shape, grad = slice(end - p.size, end), p.shape, p.grad
            p.data, p.grad_view = self.data[piece].reshape(shape), self.grad[piece].reshape(shape)
            p.flat = self
            if grad is not None:
                p.grad = change(grad)
        self.views = [p.data for p in parameters]

    def changed(self):
        """Say that the data was written into."""
        self.version += 1

    @property
    def current(self):
        """Whether the parameters still live here: another Flat may have taken them over, or
        somebody given a parameter other data.
        """
        pairs = zip(self.parameters, self.views)
        return all(p.flat is self and p.data is view for p, view in pairs)


class Parameter(Tensor):
    """A Tensor that a Module learns. Its data and its gradient are views into a Flat.

    value: array; it goes to the current device. `.grad` is None until a `backward` reaches it, and
    then a bare array, also after `backward(create_graph=True)`: use td.grad to differentiate twice.
    """

    __slots__ = ("grad_view", "reached")

    def __init__(self, value, dtype=np.float32, device=None):
        self.reached = False
        super().__init__(value, True, dtype, device)
        Flat([self])

    def __deepcopy__(self, memo):
        return Parameter(self.data, self.dtype, self.device)

    @property
    def grad(self):
        return self.grad_view if self.reached else None

    @grad.setter
    def grad(self, value):
        if value is not None:
            self.grad_view[...] = value.data if isinstance(value, Tensor) else value
        elif self.reached:
            self.grad_view[...] = 0  # optimisers read the whole buffer
        self.reached = value is not None

    def accumulate(self, g):
        """The first gradient is copied into the buffer, later ones are added."""
        g = g.data if isinstance(g, Tensor) else g
        if self.reached:
            self.grad_view += g
        else:
            self.grad = g


def flatten(parameters):
    """The Flat in which exactly these parameters live, made now if there is none.

    parameters: a Module or a list of Parameters, where one that is listed twice counts once. They
    must share dtype and device.
    """
    parameters = parameters.parameters() if hasattr(parameters, "parameters") else list(parameters)
    if not parameters or not all(isinstance(p, Parameter) for p in parameters):
        raise TypeError("expected a Module with parameters, or a non-empty list of Parameters")
    parameters = list(dict.fromkeys(parameters))  # Tensors hash by identity
    flat = parameters[0].flat
    same = list(map(id, flat.parameters)) == list(map(id, parameters))
    return flat if same and flat.current else Flat(parameters)


class OverFlat:
    """State beside the flat buffer of some parameters: it follows them, and can be saved."""

    arrays = ()  # names of the state arrays, each like the flat buffer
    numbers = ()  # names of the state numbers

    def __init__(self, params):
        self.flat = flatten(params)

    def _follow(self):
        """Keep up with parameters that have moved to another device, dtype or buffer."""
        if not self.flat.current:
            self.flat = flatten(self.flat.parameters)
            for name in self.arrays:
                setattr(self, name, self._fitting(getattr(self, name)))

    def _fitting(self, a):
        """The array `a` on the device and in the dtype of the parameters."""
        return to_device(a, device_of(self.flat.data)).astype(self.flat.data.dtype, copy=False)

    def state_dict(self):
        """{name: NumPy array} of copies of all state."""
        numbers = {name: np.asarray(getattr(self, name)) for name in self.numbers}
        return numbers | {name: to_host(getattr(self, name)).copy() for name in self.arrays}

    def load_state_dict(self, d):
        """Restore a `state_dict`. Raises ValueError, and changes nothing, if it does not fit."""
        self._follow()
        mine = {k: v.shape for k, v in self.state_dict().items()}
        given = {k: np.shape(v) for k, v in d.items()}
        if given != mine:
            raise ValueError(f"{type(self).__name__} needs a state of shapes {mine}, got {given}")
        for name in self.arrays:
            getattr(self, name)[...] = self._fitting(np.asarray(d[name]))
        for name in self.numbers:
            setattr(self, name, np.asarray(d[name]).item())

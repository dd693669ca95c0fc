"""Observers of the tape: hooks, and the checks that `td.debug()` turns on.

They see every operation and every gradient, which costs time; so they are asked only when a hook
exists or `debug` is on, and the ordinary walk carries none of their work.
"""

import zlib

import numpy as np

from .backend import is_array, to_host
from .backend.errors import GraphError
from .tensor import Tensor, using


class Hooks:
    """Calls the hooks of a tensor with its gradient."""

    def over(self, walk):
        """The same walk, with a look at each tensor before it goes on through its creator."""
        for tensor, g in walk:
            self.gradient(tensor, g)
            yield tensor, g

    def gradient(self, tensor, g):
        """The gradient of a tensor is complete."""
        for fn in tensor.hooks or ():
            fn(g)


class Checks(Hooks):
    """Refuses NaN and infinity where they first appear, and arrays written to behind the tape."""

    def forward(self, function, arrays, out):
        """An operation has been computed."""
        name, given = type(function).__name__, [_broken(a) for a in arrays]
        shapes = ", ".join(str(a.shape) if is_array(a) else str(a) for a in arrays)
        if "NaN" in given:  # an operation that made it would have been stopped
            raise GraphError(f"{name} was given NaN: a leaf or a constant holds it ({shapes})")
        found = _broken(out.data)
        if found == "NaN" or (found and not any(given)):
            inputs = "infinite" if any(given) else "finite"
            raise GraphError(f"{name} made {found} from {inputs} inputs ({shapes})")
        if function.inputs is not None:
            function.checksums = {k: _checksum(a) for k, a in _kept(function)}

    def gradient(self, tensor, g):
        if _broken(g):
            name = type(tensor.creator).__name__ if tensor.creator else "a leaf"
            raise GraphError(f"the gradient that reaches {name} {tensor.shape} holds {_broken(g)}")
        super().gradient(tensor, g)
        function = tensor.creator
        checksums = getattr(function, "checksums", {})
        for name, array in _kept(function) if checksums else ():
            if _checksum(array) != checksums[name]:
                raise GraphError(
                    f"the array {name!r} that {type(function).__name__} saved for its backward was "
                    "written into after the forward pass (through .data?)"
                )


def debug():
    """A context that finds the operation where NaN, infinity or an in-place write first appears.

    Every operation's result and every gradient is checked, and the arrays that operations saved are
    compared by checksum when the backward walk reads them. Raises GraphError. Several times slower;
    on a GPU it waits for the device at every operation.
    """
    return using(watch=Checks())


def _broken(a):
    """'NaN' or 'infinity' if the array or Tensor holds one, else None."""
    a = to_host(a.data if isinstance(a, Tensor) else a)
    if a.dtype.kind != "f" or np.isfinite(a).all():
        return None
    return "NaN" if np.isnan(a).any() else "infinity"


def _kept(function):
    """(name, array) of all that `backward` may read: what was saved, masks, indices."""
    for name, value in vars(function).items():
        if name == "index" and isinstance(value, tuple):
            yield from ((f"index[{i}]", part) for i, part in enumerate(value) if is_array(part))
        elif is_array(value):
            yield name, value


def _checksum(a):
    return zlib.crc32(np.ascontiguousarray(to_host(a)).view(np.uint8))

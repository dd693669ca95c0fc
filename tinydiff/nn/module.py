"""Parameter, the flat buffer that parameters live in, and Module."""

import math

import numpy as np

from ..backend import device_of, to_device, to_host, xp_of
from ..tensor import Tensor


class Flat:
    """One buffer for many parameters, and one for their gradients, in definition order.

    An optimiser step, an average of weights, clipping, a checkpoint: each is a few array operations
    on `.data` and `.grad` (both 1-D), however many layers there are. The parameters are views.
    Whoever writes into `.data` calls `changed()`, by which the tape notices that arrays it saved are
    no longer what they were.
    """

    def __init__(self, parameters, device):
        self.parameters = parameters
        self.version = 0
        values = [to_device(p.data, device).reshape(-1) for p in parameters]
        grads = [None if p.grad is None else to_device(p.grad, device).reshape(-1) for p in parameters]
        size = sum(v.size for v in values)
        xp = xp_of(values[0])
        self.data = xp.empty(size, dtype=values[0].dtype)
        self.grad = xp.zeros(size, dtype=values[0].dtype)
        start = 0
        for p, value, grad in zip(parameters, values, grads):
            end = start + value.size
            self.data[start:end] = value
            if grad is not None:
                self.grad[start:end] = grad
            p.data = self.data[start:end].reshape(p.shape)
            p.grad_view = self.grad[start:end].reshape(p.shape)
            p.flat = self
            start = end

    def changed(self):
        """Say that the data was written into."""
        self.version += 1

    @property
    def current(self):
        """Whether the parameters still live here: a larger Flat may have taken them over."""
        return all(p.flat is self for p in self.parameters)


class Parameter(Tensor):
    """A Tensor that a Module learns. Its data and its gradient are views into a Flat.

    value: array; it goes to the current device. `.grad` is None until a `backward` reaches it.
    """

    __slots__ = ("flat", "grad_view", "reached")

    def __init__(self, value, dtype=np.float32):
        super().__init__(np.ascontiguousarray(value, dtype=dtype), requires_grad=True)
        self.reached = False
        self.flat = None
        Flat([self], self.device)

    @property
    def version(self):
        return self.flat.version if self.flat is not None else 0

    @version.setter
    def version(self, value):
        """The Flat counts."""

    @property
    def grad(self):
        return self.grad_view if self.reached else None

    @grad.setter
    def grad(self, value):
        self.reached = value is not None
        if self.reached:
            self.grad_view[...] = value.data if isinstance(value, Tensor) else value

    def accumulate(self, g):
        """The first gradient is copied into the buffer, later ones are added."""
        g = g.data if isinstance(g, Tensor) else g
        if self.reached:
            self.grad_view += g
        else:
            self.grad_view[...] = g
            self.reached = True


def flatten(parameters):
    """The Flat in which exactly these parameters live, made now if there is none.

    parameters: a Module or a list of Parameters. They must share dtype and device.
    """
    parameters = parameters.parameters() if isinstance(parameters, Module) else list(parameters)
    if not parameters or not all(isinstance(p, Parameter) for p in parameters):
        raise TypeError("expected a Module or a non-empty list of Parameters")
    flat = parameters[0].flat
    if len(flat.parameters) == len(parameters) and all(
        a is b for a, b in zip(flat.parameters, parameters)
    ):
        return flat
    kinds = {(p.dtype, p.device) for p in parameters}
    if len(kinds) > 1:
        raise ValueError(
            "parameters of one buffer must share dtype and device, found "
            + ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        )
    return Flat(parameters, parameters[0].device)


class Module:
    """A layer or a model: a `forward`, and Parameters, buffers and Modules as attributes.

    Nothing is registered: parameters are found by walking the attributes in the order in which they
    were set (lists, tuples and dicts of Modules included), so their order is reproducible. Arrays
    named in `buffers` are state that is not learned, such as running means.
    Calling a Module on arrays or Tensors returns what `forward` returns, a Tensor.
    """

    training = True
    buffers = ()

    def forward(self, *inputs):
        raise TypeError(f"{type(self).__name__} defines no forward")

    def __call__(self, *inputs, **named):
        return self.forward(*inputs, **named)

    def children(self):
        """(name, Module) of the Modules directly inside, in definition order."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, (list, tuple, dict)):
                items = value.items() if isinstance(value, dict) else enumerate(value)
                yield from ((f"{name}.{k}", v) for k, v in items if isinstance(v, Module))

    def modules(self, prefix=""):
        """(dotted name, Module) of this Module and all inside it, depth first."""
        yield prefix, self
        for name, child in self.children():
            yield from child.modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self):
        """{dotted name: Parameter} in definition order; a shared Parameter appears once."""
        named, seen = {}, set()
        for prefix, module in self.modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    named[f"{prefix}.{name}" if prefix else name] = value
        return named

    def parameters(self):
        """The list of Parameters in definition order."""
        return list(self.named_parameters().values())

    @property
    def flat(self):
        """The Flat buffer of all parameters: `.data` and `.grad`, both (size,)."""
        return flatten(self)

    def _named_buffers(self):
        for prefix, module in self.modules():
            for name in module.buffers:
                yield (f"{prefix}.{name}" if prefix else name), module, name

    def state_dict(self):
        """{dotted name: NumPy array} of copies of all parameters and buffers."""
        state = {name: to_host(p.data).copy() for name, p in self.named_parameters().items()}
        buffers = {name: to_host(getattr(m, key)).copy() for name, m, key in self._named_buffers()}
        return state | buffers

    def load_state_dict(self, d, strict=True):
        """Copy values in from a `state_dict`. Nothing is changed unless everything fits.

        Raises ValueError naming missing or unknown entries (strict only) and wrong shapes.
        """
        mine = self.state_dict()
        missing, unknown = [k for k in mine if k not in d], [k for k in d if k not in mine]
        if strict and (missing or unknown):
            raise ValueError(f"state does not fit: missing {missing}, unknown {unknown}")
        for name in mine.keys() & d.keys():
            if np.shape(d[name]) != mine[name].shape:
                raise ValueError(
                    f"state entry {name!r} has shape {np.shape(d[name])}, expected {mine[name].shape}"
                )
        for name, p in self.named_parameters().items():
            if name in d:
                p.data[...] = to_device(np.asarray(to_host(d[name]), dtype=p.dtype), p.device)
                p.flat.changed()
        for name, module, key in self._named_buffers():
            if name in d:
                old = getattr(module, key)
                new = np.asarray(to_host(d[name]), dtype=old.dtype)
                setattr(module, key, to_device(new, device_of(old)))

    def train(self):
        """Training behaviour (dropout, batch statistics), here and in all Modules inside."""
        return self._set_training(True)

    def eval(self):
        """Evaluation behaviour, here and in all Modules inside."""
        return self._set_training(False)

    def _set_training(self, training):
        for _, module in self.modules():
            module.training = training
        return self

    def to(self, device):
        """Move all parameters and buffers to a device. Returns self."""
        if self.parameters():
            Flat(self.parameters(), device)
        for _, module, key in self._named_buffers():
            setattr(module, key, to_device(getattr(module, key), device))
        return self

    def summary(self):
        """A table of all parameters, with shapes and counts, as a string."""
        rows = [(name, str(p.shape), f"{p.size:,}") for name, p in self.named_parameters().items()]
        rows.append(("total", "", f"{sum(p.size for p in self.parameters()):,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows)

    def describe(self):
        """The arguments shown in the repr."""
        return ""

    def __repr__(self):
        inner = [f"{name}: {child!r}" for name, child in self.children()]
        if not inner:
            return f"{type(self).__name__}({self.describe()})"
        lines = "\n".join(inner).replace("\n", "\n  ")
        return f"{type(self).__name__}({self.describe()}\n  {lines}\n)"


def generator(rng, layer):
    """`rng`, once it is known to be a np.random.Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{layer} needs rng=np.random.default_rng(seed) to draw its weights, "
            f"got {type(rng).__name__}"
        )
    return rng


def scaled_normal(rng, shape, fan_in):
    """N(0, 1/fan_in) weights: a sum of fan_in products then has the variance of its inputs."""
    return rng.standard_normal(shape) / math.sqrt(fan_in)

"""Module: a layer or a model that finds its own parameters."""

import math

import numpy as np

from ..backend import device_of, is_array, to_device, to_host
from ..parameter import Flat, Parameter, flatten
from ..tensor import wrap


class Module:
    """A layer or a model: a `forward`, and Parameters, buffers and Modules as attributes.

    Nothing is registered: parameters are found by walking the attributes in the order in which they
    were set (into lists, tuples and dicts too), so their order is reproducible. Arrays named in
    `buffers` are state that is not learned, such as running means.
    Calling a Module on arrays or Tensors returns what `forward` returns, an array as a Tensor.
    """

    training = True
    buffers = ()

    def forward(self, *inputs):
        raise TypeError(f"{type(self).__name__} defines no forward")

    def __call__(self, *inputs, **named):
        y = self.forward(*inputs, **named)
        return wrap(y, False) if is_array(y) else y

    def _walk(self, prefix="", seen=None):
        """(dotted name, Parameter or Module) of all inside, in definition order, each once."""
        seen = {id(self)} if seen is None else seen
        for name, part in _parts(vars(self).items(), prefix):
            if id(part) not in seen:
                seen.add(id(part))
                yield name, part
                if isinstance(part, Module):
                    yield from part._walk(f"{name}.", seen)

    def modules(self):
        """{dotted name: Module} of this Module, under "", and all inside, in definition order."""
        return {"": self} | {name: part for name, part in self._walk() if isinstance(part, Module)}

    def named_parameters(self):
        """{dotted name: Parameter} in definition order; a shared Parameter appears once."""
        return {name: part for name, part in self._walk() if isinstance(part, Parameter)}

    def parameters(self):
        """The list of Parameters in definition order."""
        return list(self.named_parameters().values())

    @property
    def flat(self):
        """The Flat buffer of all parameters: `.data` and `.grad`, both (size,)."""
        return flatten(self)

    def _named_buffers(self):
        for prefix, module in self.modules().items():
            for key in module.buffers:
                yield (f"{prefix}.{key}" if prefix else key), module, key

    def _state(self):
        """{dotted name: array} of all parameters and buffers: the arrays themselves."""
        state = {name: p.data for name, p in self.named_parameters().items()}
        return state | {name: getattr(module, key) for name, module, key in self._named_buffers()}

    def state_dict(self):
        """{dotted name: NumPy array} of copies of all parameters and buffers."""
        return {name: to_host(a).copy() for name, a in self._state().items()}

    def load_state_dict(self, d, strict=True):
        """Copy values in from a `state_dict`. Nothing is changed unless everything fits.

        Raises ValueError naming missing or unknown entries (strict only) and wrong shapes.
        """
        mine = self._state()
        missing, unknown = [k for k in mine if k not in d], [k for k in d if k not in mine]
        if strict and (missing or unknown):
            raise ValueError(f"state does not fit: missing {missing}, unknown {unknown}")
        new = {name: np.asarray(to_host(d[name])) for name in mine if name in d}
        for name, value in new.items():
            if value.shape != mine[name].shape or value.dtype.kind not in "biuf":
                raise ValueError(
                    f"state entry {name!r} holds {value.dtype} of shape {value.shape}, "
                    f"expected {mine[name].dtype} of shape {mine[name].shape}"
                )
        for name, value in new.items():
            old = mine[name]
            old[...] = to_device(value.astype(old.dtype), device_of(old))
        for p in self.parameters():
            p.flat.changed()

    def train(self, training=True):
        """Training behaviour (dropout, batch statistics), here and in all Modules inside."""
        for module in self.modules().values():
            module.training = training
        return self

    def eval(self):
        """Evaluation behaviour, here and in all Modules inside."""
        return self.train(False)

    def to(self, device):
        """Move all parameters and buffers to a device. Returns self."""
        return self._replace(lambda a: to_device(a, device))

    def astype(self, dtype):
        """Turn all parameters and buffers into float32, or float64 for checks. Returns self."""
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"parameters need a floating-point dtype, not {np.dtype(dtype)}")
        return self._replace(lambda a: a.astype(dtype))

    def _replace(self, change):
        if self.parameters():
            Flat(self.parameters(), change)
        for _, module, key in self._named_buffers():
            setattr(module, key, change(getattr(module, key)))
        return self

    def summary(self):
        """A table of all parameters, with shapes and counts, as a string."""
        rows = [(name, str(p.shape), f"{p.size:,}") for name, p in self.named_parameters().items()]
        rows.append(("total", "", f"{sum(p.size for p in self.parameters()):,}"))
        i, j, k = (max(map(len, column)) for column in zip(*rows))
        return "\n".join(f"{name:<{i}}  {shape:<{j}}  {n:>{k}}" for name, shape, n in rows)

    def describe(self):
        """The arguments shown in the repr."""
        return ""

    def inside(self):
        """(name, text) of what the repr shows inside: the Modules, in definition order."""
        parts = _parts(vars(self).items())
        return ((name, repr(part)) for name, part in parts if isinstance(part, Module))

    def __repr__(self):
        inner = "".join(f"\n{name}: {text}" for name, text in self.inside()).replace("\n", "\n  ")
        return f"{type(self).__name__}({self.describe()}{inner}" + ("\n)" if inner else ")")


def _parts(values, prefix=""):
    """(dotted name, Parameter or Module) in (name, value) pairs; opens lists, tuples and dicts."""
    for name, value in values:
        if isinstance(value, (Parameter, Module)):
            yield f"{prefix}{name}", value
        elif isinstance(value, (list, tuple, dict)):
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            yield from _parts(inside, f"{prefix}{name}.")


def generator(rng, layer):
    """`rng`, once it is known to be a np.random.Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{layer} draws random numbers and needs rng=np.random.default_rng(seed), "
            f"got {type(rng).__name__}"
        )
    return rng


def check_sizes(layer, **sizes):
    """Raise ValueError unless all sizes (numbers or tuples of them) are whole and >= 1."""
    for name, size in sizes.items():
        for n in size if isinstance(size, tuple) else (size,):
            if not isinstance(n, (int, np.integer)) or n < 1:
                raise ValueError(f"{layer} needs whole numbers >= 1 as sizes, got {name}={size!r}")


def scaled_normal(rng, shape, fan_in):
    """N(0, 1/fan_in) weights: a sum of fan_in products then has the variance of its inputs."""
    return rng.standard_normal(shape) / math.sqrt(fan_in)

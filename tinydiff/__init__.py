"""tinydiff: diffusion models from the inside, in NumPy or CuPy, with every equation proven."""

from . import backend, nn, ops, optim, protocol
from .backend import get_device, set_device, to_device, to_host
from .backend.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DatasetNotFound,
    DeviceError,
    Error,
    GradcheckError,
    GraphError,
)
from .debug import debug
from .functional import grad, value_and_grad, vjp
from .gradcheck import gradcheck
from .graph import trace
from .ops import *  # noqa: F403
from .tensor import Function, Tensor, enable_grad, no_grad
from .viz import draw


def __getattr__(name):
    """td.data, td.diffusion and others are imported when they are first named."""
    if name == "data":
        import tinydiff.data as module
    elif name == "diffusion":
        import tinydiff.diffusion as module
    elif name == "gaussian":
        import tinydiff.gaussian as module
    elif name == "manifold":
        import tinydiff.manifold as module
    elif name == "derivation":
        import tinydiff.derivation as module
    else:
        raise AttributeError(f"module 'tinydiff' has no attribute {name!r}")
    return module

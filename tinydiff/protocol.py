"""NumPy's own functions called on Tensors: np.exp(tensor) is td.exp(tensor).

NumPy hands a call to the argument that defines `__array_ufunc__` (np.exp, np.less, and all of
`array + tensor`) or `__array_function__` (np.sum, np.concatenate). Tensor borrows both from here. A
function that `ops` lacks is refused: NumPy would compute it without leaving a record.
"""

import operator

from . import ops
from .tensor import Tensor

_NUMPY_NAMES = {"absolute": "abs", "amax": "max", "amin": "min"}
_COMPARISONS = {  # the comparison, and its mirror image for a Tensor on the right
    "less": ("lt", "gt"),
    "less_equal": ("le", "ge"),
    "greater": ("gt", "lt"),
    "greater_equal": ("ge", "le"),
    "equal": ("eq", "eq"),
    "not_equal": ("ne", "ne"),
}


def _ufunc(self, ufunc, method, *inputs, **kwargs):
    """np.exp(tensor) is td.exp(tensor)."""
    name = _NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
    if method != "__call__" or kwargs or name not in (*ops.__all__, *_COMPARISONS):
        raise TypeError(f"np.{ufunc.__name__} so called has no form for Tensors; see td.ops")
    if name in ops.__all__:
        return getattr(ops, name)(*inputs)
    a, b = inputs
    there, mirrored = _COMPARISONS[name]
    if isinstance(a, Tensor):
        return getattr(operator, there)(a, b)
    return getattr(operator, mirrored)(b, a)


def _array_function(self, function, types, args, kwargs):
    """np.sum(tensor, axis=0) is td.sum(tensor, axis=0)."""
    name = _NUMPY_NAMES.get(function.__name__, function.__name__)
    if name not in ops.__all__:
        raise TypeError(
            f"np.{function.__name__} has no form for Tensors; see td.ops, or use .numpy()"
        )
    return getattr(ops, name)(*args, **kwargs)


Tensor.__array_ufunc__ = _ufunc
Tensor.__array_function__ = _array_function

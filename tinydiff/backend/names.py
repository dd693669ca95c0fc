"""The names that code above the backend may use: what NumPy and CuPy both have.

`NAMES` lists the functions of `xp`, `METHODS` those of an array, each with the keywords that both
libraries take (often fewer than NumPy alone); `ATTRIBUTES` and `CONSTANTS` are used without a call.
Tests compare the lists with both libraries, and every use in the package with the lists. A name is
added here once its cost on a GPU is known: CuPy hides a wait for the device in some of the others
(`nonzero`, `unique`, `bincount`, `sliding_window_view`, `where` with one argument ...).
"""

_OUT = ("out",)
_REDUCE = ("axis", "dtype", "out", "keepdims")
_EXTREME = ("axis", "out", "keepdims")

_ELEMENTWISE = (
    "abs add arctan2 ceil cos divide equal exp expm1 floor greater greater_equal isfinite isinf "
    "isnan less less_equal log log1p logaddexp logical_and logical_not logical_or maximum minimum "
    "multiply negative not_equal power reciprocal rint sign sin sqrt square subtract tan tanh"
)

NAMES = {
    # element by element
    **dict.fromkeys(_ELEMENTWISE.split(), _OUT),
    "clip": _OUT,
    "nan_to_num": (),
    "where": (),
    # along axes
    "sum": _REDUCE,
    "prod": _REDUCE,
    "mean": _REDUCE,
    "max": _EXTREME,
    "min": _EXTREME,
    "all": _EXTREME,
    "any": _EXTREME,
    "argmax": ("axis", "keepdims"),
    "argmin": ("axis", "keepdims"),
    "var": ("axis", "dtype", "out", "ddof", "keepdims"),
    "std": ("axis", "dtype", "out", "ddof", "keepdims"),
    "cumsum": ("axis", "dtype", "out"),
    "sort": ("axis",),  # sort and argsort run in Thrust, which may wait for the device
    "argsort": ("axis",),
    # products
    "matmul": _OUT,
    "dot": _OUT,
    "einsum": ("optimize",),
    "tensordot": ("axes",),
    "outer": (),
    # shape
    "reshape": (),
    "ravel": (),
    "transpose": ("axes",),
    "swapaxes": (),
    "moveaxis": (),
    "expand_dims": ("axis",),
    "squeeze": ("axis",),
    "broadcast_to": (),
    "concatenate": ("axis",),
    "stack": ("axis",),
    "split": ("axis",),
    "flip": ("axis",),
    "roll": ("shift", "axis"),
    "repeat": ("repeats", "axis"),
    "tile": (),
    "pad": ("mode", "constant_values"),
    "take": ("axis",),
    "take_along_axis": ("axis",),
    "tril": ("k",),
    "triu": ("k",),
    "lib.stride_tricks.as_strided": ("shape", "strides"),
    # new arrays
    "asarray": ("dtype",),
    "array": ("dtype", "copy"),
    "ascontiguousarray": ("dtype",),
    "empty": ("dtype",),
    "zeros": ("dtype",),
    "ones": ("dtype",),
    "full": ("dtype",),
    "empty_like": ("dtype",),
    "zeros_like": ("dtype",),
    "ones_like": ("dtype",),
    "full_like": ("dtype",),
    "arange": ("dtype",),
    "linspace": ("dtype",),
    "eye": ("dtype",),
    "copyto": (),
    # in place, where an index may repeat
    "add.at": (),
    # types and shapes, answered on the host
    "broadcast_shapes": (),
    "result_type": (),
}

CONSTANTS = (
    "bool_",
    "float32",
    "float64",
    "inf",
    "int32",
    "int64",
    "ndarray",
    "newaxis",
    "pi",
    "uint8",
)

METHODS = {
    "all": _EXTREME,
    "any": _EXTREME,
    "argmax": ("axis", "keepdims"),
    "argmin": ("axis", "keepdims"),
    "astype": ("dtype", "copy"),
    "copy": (),
    "cumsum": ("axis", "dtype", "out"),
    "fill": (),
    "item": (),
    "max": _EXTREME,
    "mean": _REDUCE,
    "min": _EXTREME,
    "ravel": (),
    "repeat": ("repeats", "axis"),
    "reshape": (),
    "squeeze": ("axis",),
    "sum": _REDUCE,
    "swapaxes": (),
    "take": ("axis",),
    "transpose": (),
}

ATTRIBUTES = ("T", "base", "dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides")

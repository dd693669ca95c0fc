"""Where a readable form of a function gives way to a fast one of the same name.

A function decorated with `fast_form` is the definition. If the backend of its first argument has a
function of that name among its fast forms (`Backend.fast`, a module), that one is asked first; it
may answer None, for a case that it does not treat. TINYDIFF_FUSED=0 turns all of them off.
"""

import functools
import os

import numpy as np

from .arrays import fast_forms_of
from .fast_numpy import PIECE

enabled = os.environ.get("TINYDIFF_FUSED", "1") != "0"


def fast_form(plain):
    """Let a backend's fast form of the same name stand in for `plain`.

    Both get the same arguments and agree to rounding; `plain` stays reachable as `.plain`, and is
    what Tensors get.
    """

    @functools.wraps(plain)
    def run(x, *args):
        form = getattr(fast_forms_of(x), plain.__name__, None) if enabled else None
        y = None if form is None else form(x, *args)
        return plain(x, *args) if y is None else y

    run.plain = plain
    return run


def in_pieces(plain):
    """Let a function that works element by element, in place, on flat arrays of one size go through
    NumPy arrays in pieces, so that its intermediate results stay in the cache. It returns nothing.
    """

    @functools.wraps(plain)
    def run(first, *args):
        if not enabled or type(first) is not np.ndarray:
            return plain(first, *args)
        for start in range(0, first.size, PIECE):
            piece = slice(start, start + PIECE)
            plain(first[piece], *(a[piece] if isinstance(a, np.ndarray) else a for a in args))
        return None

    run.plain = plain
    return run

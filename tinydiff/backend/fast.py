"""Where a readable form of a function gives way to a fast one of the same name.

A function decorated with `fast_form` is the definition. If the backend of its first argument has a
function of that name among its fast forms (`Backend.fast`, a module), that one is asked first; it
may answer None, for a case that it does not treat. TINYDIFF_FUSED=0 turns all of them off.
"""

import functools
import os

from .arrays import fast_forms_of

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

"""The ledger of equations: each with its LaTeX, its sources, its code, and a check of both
sides."""

from .entry import Entry

__all__ = ["Entry", "entries"]


def entries():
    """{id: Entry}, the equations in the order of the derivation, then the errata (ids "E-...")."""
    from . import ledger  # the checks import scipy and every model, which is not needed before

    return ledger.all_entries()

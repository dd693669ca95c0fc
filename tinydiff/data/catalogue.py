"""All data sets by name, and the one function that loads any of them."""

from numbers import Integral
from os import PathLike
from pathlib import Path

import numpy as np

from ..backend.errors import DatasetNotFound
from . import installed, labcurves, mnist, own, points, text
from .dataset import Dataset, scaled

RECIPES = {
    recipe.name: recipe
    for module in (installed, mnist, labcurves, points, text)
    for recipe in module.RECIPES
}


def load(name="digits", split="train", *, root=None, limit=None, seed=0):
    """The Dataset `name`, its "train" or its "test" rows.

    name: one of RECIPES, or the path of data of your own, see `own.recipe`. A data set without a
    split of its own is split at random into 80 % and 20 %, in every class alike, by `seed`; one
    that is drawn from a distribution is drawn by `seed`, the test rows afresh: the same seed gives
    the same rows. limit: keep the first rows only. root: a folder to search first for data that
    does not come with tinydiff. Nothing is downloaded. Raises DatasetNotFound, or DataError for a
    file that is damaged or is not what it is called.
    """
    if split not in ("train", "test"):
        raise ValueError(f'split is "train" or "test", got {split!r}')
    for what, number, least in (("limit", 1 if limit is None else limit, 1), ("seed", seed, 0)):
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise TypeError(f"{what} must be a whole number, got {number!r}")
        if number < least:
            raise ValueError(f"{what} must be at least {least}, got {number}")
    known = recipe(name)
    values, labels = known.read(split, root, seed)
    return Dataset(
        x=values[:limit] if known.alphabet else scaled(values[:limit], known.levels),
        y=labels[:limit].astype(np.int64),
        name=known.name,
        levels=known.levels,
        source=known.source,
        licence=known.licence,
        alphabet=known.alphabet,
    )


def recipe(name):
    """What is known of a data set. Raises DatasetNotFound."""
    if not isinstance(name, (str, PathLike)):
        raise TypeError(f"a data set has a name or a path, got {name!r}")
    if name in RECIPES:
        return RECIPES[name]
    if name and Path(name).expanduser().exists():
        return own.recipe(Path(name).expanduser())
    raise DatasetNotFound(
        f"no data set is called {str(name)!r}, and no folder or .npz file is there of that name; "
        f"known: {', '.join(sorted(RECIPES))}"
    )

"""`tinydiff data`: which data sets there are, what is in one, how to get one."""

import argparse

DESCRIPTION = """\
What there is to train on. Only `fetch` uses the network.

  tinydiff data list             all data sets, and which of them are on this machine
  tinydiff data info digits      one of them: shape, values, classes, source and licence
  tinydiff data info my/photos   a folder of images, or an .npz file, of your own
  tinydiff data fetch mnist      get one from openml.org

TINYDIFF_DATA=DIR names a folder to look for MNIST and Fashion-MNIST in.
"""


def add(subparsers):
    parser = subparsers.add_parser(
        "data",
        help="list data sets, look into one, get one",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("list", help="all data sets").set_defaults(run=list_all)
    info = actions.add_parser("info", help="what is in one")
    info.add_argument("name", metavar="NAME", help="of a data set, or a path of your own")
    info.set_defaults(run=show)
    fetch = actions.add_parser("fetch", help="get one that does not come with tinydiff")
    fetch.add_argument("name", metavar="NAME", help="of a data set")
    fetch.set_defaults(run=get)


def list_all(args):
    from ..data import RECIPES

    print(f"{'name':14} {'train':>5} + {'test':5}  {'shape':11}  levels  here")
    for recipe in RECIPES.values():
        train, test = recipe.rows
        here = recipe.where() or f"no: {recipe.get or f'tinydiff data fetch {recipe.name}'}"
        shape, levels = str(recipe.shape), recipe.levels or "-"
        print(f"{recipe.name:14} {train:5} + {test:<5}  {shape:11}  {levels:>6}  {here}")
    return 0


def show(args):
    """What is known of a data set; what is in it, if it is here; else where it was looked for."""
    from ..backend.errors import DatasetNotFound
    from ..data import recipe

    known = recipe(args.name)
    train, test = known.rows
    facts = {
        "name": known.name,
        "about": known.about,
        "rows": f"{train} to train, {test} to test",
        "shape": known.shape,
        "levels": known.levels or "none: a continuum",
        "source": known.source,
        "licence": known.licence,
    }
    try:
        facts |= _contents(args.name)
        facts["here"] = known.where()
    except DatasetNotFound as error:
        facts["here"] = f"no: {error}"
    if searched := known.searched():
        facts["searched"] = "; ".join(searched)
    for name, value in facts.items():
        print(f"{name:9} {value}")
    return 0


def _contents(name):
    """Values and classes of the train and of the test rows."""
    import numpy as np

    from ..data import load

    found = {}
    for split in ("train", "test"):
        data = load(name, split)
        if data.alphabet:
            found[split] = f"ids of the {data.levels} characters {data.alphabet!r}"
            continue
        low, high = data.x.min(), data.x.max()
        mean, std = (f(data.x, dtype=np.float64) for f in (np.mean, np.std))
        counts = ", ".join(f"{k}: {n}" for k, n in zip(*np.unique(data.y, return_counts=True)))
        found[split] = f"{low:g} ... {high:g}, mean {mean:.4f}, std {std:.4f}; classes {counts}"
    return found


def get(args):
    from ..data import RECIPES, recipe

    known = recipe(args.name)
    if known.name not in RECIPES or known.fetch is None:
        print(f"{known.name} is here already: {known.where()}")
        return 0
    print(known.fetch())
    return 0

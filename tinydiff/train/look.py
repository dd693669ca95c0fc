"""A look at a diffusion model while it is trained: the bound on held-out data, and a few samples.

Both are made with the averaged weights, and at every look from the same rows, times and noises, so
that what changes from look to look is the model. Nothing is drawn from the generator that training
goes on with: a run with looks is the run without, step by step.
"""

import csv
import os

import numpy as np

from .. import viz
from ..backend import to_device_of, to_host
from ..diffusion import bound
from ..diffusion.samplers import last
from .build import sampling, some_labels
from .held_out import decoder_of, draws, judged
from .metrics import table

COLUMNS = ("step", "nats", "stderr", "bits_per_dim")
SEED = 1  # beside the run's own, of what is looked at
PICTURED, PER_ROW = 20, 10


def look(trainer, folder):
    """Add a row to validation.csv and a picture to early/ in `folder`. Returns the Bound.

    validation.csv: nats of the bound on -log p per row of held-out data, its standard error, and
    bits/dim. What the bound is on where the model is told labels, `held_out.judged` says.
    Raises ValueError where the model returns NaN.
    """
    config, model, held_out = trainer.settings, trainer.model, trainer.held_out
    rng = np.random.default_rng([config.seed, SEED])
    chosen = rng.permutation(len(held_out))[: config.look_rows]
    x0 = to_device_of(held_out.x[chosen], model.flat.data)
    with trainer.average.applied():
        model.eval()
        found = bound.terms(
            judged(config, model, held_out.y[chosen]), trainer.process, x0, noise=rng,
            ts=draws(config.T, min(config.look_times, config.T), len(x0), rng),
            variance=config.variance, predicts=config.predicts, **decoder_of(held_out),
        )  # fmt: skip
        shape, labels = x0.shape[1:], some_labels(config, PICTURED)
        x = last(sampling(config, model, trainer.process, PICTURED, shape, rng, labels))
        model.train()
    note(folder / "validation.csv", trainer.step, found)
    early = folder / "early"
    early.mkdir(exist_ok=True)
    title = f"{PICTURED} samples after {trainer.step} steps"
    viz.save(viz.samples(to_host(x), PER_ROW, title), early / f"{trainer.step:06d}.png")
    return found


def forget(folder, step):
    """Remove the looks at later steps than `step`, which are those of another training.

    Raises Error if validation.csv is damaged; of a new training it is not asked.
    """
    path = folder / "validation.csv"
    if path.is_file():
        kept = [row for row in read(path) if row[0] <= step] if step else []
        write(path, kept) if kept else path.unlink()
    for picture in (folder / "early").glob("*.png"):
        if picture.stem.isdigit() and int(picture.stem) > step:
            picture.unlink()


def note(path, step, found):
    """Write the row of the Bound `found` at `step`, in place of that and all later ones."""
    row = step, found.total.mean(), found.stderr, found.bits_per_dim
    write(path, [*(r for r in read(path) if r[0] < step), row])


def write(path, rows):
    """Write a validation.csv, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([f"{k:.0f}", *(f"{v:.6g}" for v in rest)] for k, *rest in rows)
    os.replace(temporary, path)


def read(path):
    """The rows of a validation.csv, as tuples of floats; [] if there is no file."""
    return [tuple(row.values()) for row in table(path, COLUMNS)]


def picture(folder):
    """The bound over the steps, in bits/dim with its standard error; None if there was no look."""
    rows = read(folder / "validation.csv")
    if not rows:
        return None
    step, nats, stderr, bits = np.array(rows).T
    what = "bound on held-out data, bits per dimension"
    return viz.over_steps(step, bits, stderr * bits / nats, what)

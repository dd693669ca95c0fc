"""GANs, a VAE and diffusion on a ring of eight Gaussians: the adjectives of ch327, as numbers.

    python -m benchmarks.families [--seeds N] [--seconds S] [--quick]

Every family has about the same number of trained parameters (a GAN's critic and a VAE's encoder
count, though they are not needed to sample) and the same training time: S seconds of its process's
CPU time, on one thread, batches included. The learning rate falls to 0 along a half cosine of that
time, so that all are done when it ends. The same training, with diffusion, is sampled twice: with
the 100 steps that it was trained for, and with 20 of a solver. "data" is what other draws of the
data itself get for the same figures. Settings were tried out on seed 100 alone.

Runs are processes of their own, one after the other, the families in turn within each seed, so that
a drift of the machine meets all alike. A run whose loss or samples are not finite is a row too, and
counts as failed, as does one that covers fewer than 8 modes. families.csv has a row for each; rows
that are there with the same settings are not run again. Writes families.csv, .json and .png to
benchmarks/results; --quick (2 seeds, 1 second) to runs/families/quick.
"""

import argparse
import csv
import datetime
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tinydiff import viz
from tinydiff.train.folder import write_json

from .family import DIFFUSION, REFERENCE, REPEATS, TIMED, settings
from .tsne import processor

ROOT = Path(__file__).resolve().parents[1]
RESULTS, SCRATCH = ROOT / "benchmarks" / "results", ROOT / "runs" / "families"
FIGURES = (  # columns of a row, with their headings and formats
    ("steps", "steps", ".0f"),
    ("modes", "modes of 8", ".1f"),
    ("inside", "in modes", ".3f"),
    ("rarest", "rarest mode", ".3f"),
    ("width", "width", ".2f"),
    ("energy", "energy dist. x 1000", ".2f"),
    ("ms", "ms / 1000 samples", ".2f"),
)
COLUMNS = ("family", "seed", "settings", "seconds", "parameters", *(f[0] for f in FIGURES),
           "evaluations", "loss", "failed")  # fmt: skip
PROTOCOL = (
    "Averaged weights. modes, in modes, rarest mode: as in `tinydiff train gan`, of 2500 samples. "
    "width: root mean square distance per coordinate of the samples in modes from their centres, "
    "in units of the data's standard deviation (data: 0.97, since modes end at 3 of them). energy "
    f"dist.: unbiased energy distance x 1000 of the 2500 samples to {REFERENCE} draws of the exact "
    "mixture; its spread in the row of the data is its noise. ms: CPU milliseconds of one "
    f"thread for {TIMED} samples at once, mean of {REPEATS}. Mean +- standard deviation over seeds."
)


def run_elsewhere(family, seed, seconds, scratch):
    """The rows of `run` in a process of its own, with one thread; samples of seed 0 are kept."""
    command = [sys.executable, "-m", "benchmarks.family", family, str(seed)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    result = subprocess.run(
        [*command, str(seconds), str(scratch)], cwd=ROOT, env=os.environ | threads,
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(result.stdout)


def mark(family):
    """Short for the settings of a family: rows of others are not compared with it."""
    text = "data" if family == "data" else json.dumps(settings()[family].to_dict(), sort_keys=True)
    text += json.dumps(DIFFUSION) * (family == "diffusion") + f"{REFERENCE} {TIMED}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def names(family):
    """The names of the rows that one training of a family makes."""
    return list(DIFFUSION) if family == "diffusion" else [family]


def read(path):
    """The rows of an earlier run, [] if there is none."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def measure(path, seeds, seconds, scratch, start=run_elsewhere):
    """All rows as text, from the file `path` where they are there, which is written after each."""
    families = [*settings(), "data"]
    marks = {name: mark(family) for family in families for name in names(family)}
    rows = [
        row for row in read(path)
        if row["settings"] == marks.get(row["family"]) and float(row["seconds"]) == seconds
    ]  # fmt: skip
    for seed in range(seeds):
        for family in families:
            there = [r for r in rows if r["family"] in names(family) and r["seed"] == str(seed)]
            if len(there) == len(names(family)):
                continue
            rows = [row for row in rows if row not in there]  # half a training is run again
            for row in start(family, seed, seconds, scratch):
                row |= {"settings": marks[row["family"]], "seconds": seconds}
                rows.append({k: digits(row.get(k, "")) for k in COLUMNS})
                print("{family:<22} seed {seed}: {modes} modes, energy {energy}, {failed}".format(
                    **rows[-1]), flush=True)  # fmt: skip
            write(path, rows)
    return [row for row in rows if int(row["seed"]) < seeds]


def digits(value):
    """Numbers with six digits, as text."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def summary(rows):
    """{name: {figure: [mean, standard deviation over seeds], "failed": how many, ...}}."""
    found = {}
    for name in dict.fromkeys(row["family"] for row in rows):
        own = [row for row in rows if row["family"] == name]
        of = {"seeds": len(own), "all 8 modes": sum(row["modes"] == "8" for row in own)}
        of["diverged"] = sum(row["failed"] == "diverged" for row in own)
        of["failed"] = sum(row["failed"] != "" for row in own)
        for key in ("parameters", "evaluations"):
            of[key] = int(own[0][key] or 0)
        for key, _, _ in FIGURES:
            values = np.array([float(row[key] or "nan") for row in own])
            values = values[np.isfinite(values)]
            of[key] = [values.mean(), values.std(ddof=len(values) > 1)] if len(values) else None
        found[name] = of
    return found


def table(found):
    """The summary as a table in Markdown."""
    heads = ["", "parameters", *(f[1] for f in FIGURES), "evaluations", "failed"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, of in found.items():
        cells = [name, str(of["parameters"] or "")]
        for key, _, form in FIGURES:
            cells.append(f"{of[key][0]:{form}} +- {of[key][1]:{form}}" if of[key] else "")
        cells += [str(of["evaluations"] or ""), f"{of['failed']} of {of['seeds']}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(scratch, found):
    """The samples of seed 0 of each family, as its run left them."""
    sets = {name: np.load(scratch / f"{name}.npy") for name in found}
    return viz.side_by_side(sets["data"], {k: v for k, v in sets.items() if k != "data"})


def results(found, seeds, seconds):
    """families.json."""
    return {
        "protocol": PROTOCOL, "seeds": seeds, "seconds": seconds,
        "families": found, "settings": {k: v.to_dict() for k, v in settings().items()},
        "date": datetime.date.today().isoformat(), "machine": processor(),
        "versions": f"NumPy {np.__version__}",
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description="Families of generative models, side by side.")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="default: 10")
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="S", help="CPU time of a run (default: 20)"
    )
    parser.add_argument("--quick", action="store_true", help="2 seeds, 1 second")
    args = parser.parse_args()
    seeds, seconds = (2, 1.0) if args.quick else (args.seeds, args.seconds)
    folder = SCRATCH / "quick" if args.quick else RESULTS
    scratch = folder if args.quick else SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    found = summary(measure(folder / "families.csv", seeds, seconds, scratch))
    print(table(found))
    write_json(folder / "families.json", results(found, seeds, seconds))
    if all((scratch / f"{name}.npy").exists() for name in found):
        viz.save(picture(scratch, found), folder / "families.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Lab 1 from its published settings to `lab1-best`, one change after the other.

    python -m benchmarks.lab1 [--steps 2000] [--threads 2] [--only ROW]

Every row keeps the changes of the rows above it, and trains anew for the same number of steps. The
figure is that of `tinydiff train gmm`: the mean squared error of eps on fresh curves, on the lab's
process whatever a row was trained on, beside the least possible one. Runs are kept in runs/lab1;
one that is there is not made again, and one that was stopped goes on.

Writes benchmarks/results/lab1-steps/: steps.csv, and loss.png. With --steps other than 2000,
nothing is written.
"""

import argparse
import csv
import datetime
import json
import sys
from pathlib import Path

import numpy as np

from tinydiff.cli.progress import Progress
from tinydiff.train import folder as folders
from tinydiff.train.metrics import columns
from tinydiff.train.presets import PRESETS
from tinydiff.train.shards import cores
from tinydiff.viz.style import figure, save

from .tsne import processor

ROOT = Path(__file__).resolve().parents[1]
RESULTS, RUNS, STEPS = ROOT / "benchmarks" / "results" / "lab1-steps", ROOT / "runs" / "lab1", 2000
BEST = PRESETS["lab1-best"].to_dict()
CHANGES = (  # what a row takes from lab1-best, in words and by the names of its settings
    ("as it stands", ()),
    ("rate 1e-3, warm-up, cosine; clip 1; averages", ("lr", "decay", "warmup", "beta2",
                                                      "grad_clip", "ema")),
    ("embeddings: waves of t, Fourier features of x; no dropout", ("net",)),
    ("t spread evenly over a batch", ("times",)),
    ("a process that ends in noise", ("schedule", "T", "sample_steps")),
    ("v-prediction", ("predicts",)),
)  # fmt: skip


def rows(steps):
    """[(words, Config)] of all rows."""
    config, found = PRESETS["lab1"], []
    for number, (words, names) in enumerate(CHANGES):
        config = config.changed({name: BEST[name] for name in names})
        found.append((words, config.changed({"name": f"{number}-{steps}", "steps": steps})))
    return found


def finished(config, threads):
    """The report.json of a row, whose run is made, or gone on with, if it is not there."""
    folder = RUNS / config.name
    if not (folder / "report.json").exists():
        saved = None
        if (folder / "checkpoint.npz").exists():
            config, saved = folders.resume(folder, {})
        else:
            folders.start(folder)
        with Progress(sys.stderr) as show:
            if config.run(folder, saved, threads=threads, show=show) is None:
                sys.exit(f"stopped; the same command goes on with {folder}")
    return json.loads((folder / "report.json").read_text())


def picture(done):
    """The training loss of all rows over the steps. What it is a loss of differs: see the table."""
    fig = figure(7, 4)
    ax = fig.add_subplot()
    for words, config in done:
        metrics = columns(RUNS / config.name / "metrics.csv")
        span = max(1, len(metrics["loss"]) // 40)
        mean = np.convolve(metrics["loss"], np.full(span, 1 / span), mode="valid")
        ax.plot(metrics["step"][span - 1 :], mean, lw=1.2, label=words)
    ax.set(xlabel="step", ylabel="training loss of each row", yscale="log")
    ax.legend(frameon=False, fontsize=8)
    return fig


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab1")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--only", type=int, metavar="ROW", help="one row alone, counted from 0")
    args = parser.parse_args(argv)
    table, done = [], []
    for number, (words, config) in enumerate(rows(args.steps)):
        if args.only not in (None, number):
            continue
        report = finished(config, args.threads)
        value = {f["what"]: f["value"] for f in report["figures"]}
        error, floor = (
            value["eps-MSE on fresh curves, the lab's process"],
            value["floor of eps-MSE, the lab's process"],
        )
        table.append(
            {
                "row": number, "change": words, "eps_mse": error,
                "stderr": value["eps-MSE: standard error"], "over_floor": round(error / floor, 3),
                "valid_samples": value["samples: share of valid curves"],
                "seconds": report["seconds"]["training"],
            }
        )  # fmt: skip
        done.append((words, config))
        print(f"{number} {words:58} eps-MSE {error:.4f}  {error / floor:5.2f} x floor", flush=True)
    if args.steps == STEPS and args.only is None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        with open(RESULTS / "steps.csv", "w", newline="") as file:
            file.write(f"# {datetime.date.today()}, {processor()}, {args.threads} threads\n")
            writer = csv.DictWriter(file, table[0])
            writer.writeheader()
            writer.writerows(table)
        save(picture(done), RESULTS / "loss.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())

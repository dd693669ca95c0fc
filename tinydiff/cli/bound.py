"""`tinydiff bound`: the variational bound of a trained run on held-out data."""

import argparse
import json
import math
import sys
from pathlib import Path

DESCRIPTION = """\
The bound on -log p(x) of data that the run has never seen, term by term, with standard errors.

  tinydiff bound runs/digits                     all held-out rows at every t
  tinydiff bound runs/digits --n 50 --times 40   a quick look: 50 rows, 40 times t for each
  tinydiff bound runs/digits --variance beta     another variance of p(x_{t-1} | x_t)
  tinydiff bound runs/digits --json              for programs

L_0 is what the last step costs, KL the steps between, L_T the end against N(0, I); they add up to
the total, in nats for one row and in bits for one number of it. Pixels are judged as pixels: L_0 is
then the probability of their level, and the total bounds the length of a lossless code. A model
that was always told labels (drop_labels = 0) is told them here too: -log p(x | y) is bounded then.
"""


def add(subparsers):
    parser = subparsers.add_parser(
        "bound",
        help="the variational bound of a run on held-out data",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="the folder of the run")
    parser.add_argument("--n", type=int, metavar="N", help="how many rows (default: all held out)")
    parser.add_argument(
        "--times", type=int, metavar="N", help="how many t for each row (default: all T)"
    )
    parser.add_argument(
        "--variance", choices=("posterior", "beta", "optimal", "learned"),
        help="of p(x_{t-1} | x_t) (default: the run's own)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of rows, times and noise (default: 0)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args):
    from ..backend.errors import ConfigError
    from ..train.held_out import measure
    from ..train.shards import cores
    from .progress import Progress

    if args.seed < 0:
        raise ConfigError(f"--seed must be at least 0, got {args.seed}")
    with Progress(sys.stderr) as show:
        found = measure(
            args.folder, args.n, seed=args.seed, times=args.times, variance=args.variance,
            threads=cores(), show=show,
        )  # fmt: skip
    if args.json:
        total = {"nats": found.total.mean(), "stderr": known(found.stderr), "rows": len(found.L_T)}
        terms = [row | {"stderr": known(row["stderr"])} for row in found.table()]
        print(json.dumps({"total": total, "terms": terms}, indent=2, allow_nan=False))
    else:
        print(found)
    return 0


def known(error):
    """The standard error, or None where a single row has none: JSON knows no NaN."""
    return None if math.isnan(error) else error

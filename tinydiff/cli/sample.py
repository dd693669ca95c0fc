"""`tinydiff sample`: new samples from a trained run."""

import argparse
from pathlib import Path

DESCRIPTION = """\
Draw new samples from a trained run. The suffix of --out says what is written.

  tinydiff sample runs/digits                          a picture of 64 digits, samples.png, here
  tinydiff sample runs/digits --n 500 --out x.npy      the array (500, 8, 8, 1), values in [-1, 1]
  tinydiff sample runs/digits --seed 1 --out rev.gif   how they come about
  tinydiff sample runs/digits-labels --label 3         only threes, of a run that was told labels
"""


def add(subparsers):
    parser = subparsers.add_parser(
        "sample",
        help="new samples from a trained run",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="the folder of the run")
    parser.add_argument("--n", type=int, default=64, metavar="N", help="how many (default: 64)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the noise (default: 0)"
    )
    parser.add_argument("--label", type=int, metavar="K", help="of all samples (default: in turn)")
    parser.add_argument(
        "--guidance", type=float, metavar="S", help="how strongly labels pull (default: the run's)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("samples.png"), metavar="FILE",
        help="a .png, .gif or .npy file (default: samples.png)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args):
    import numpy as np

    from .. import viz
    from ..backend.errors import ConfigError
    from ..train.job import draw_samples
    from ..train.shards import cores

    if args.n < 1:
        raise ConfigError(f"--n must be at least 1, got {args.n}")
    if args.seed < 0:
        raise ConfigError(f"--seed must be at least 0, got {args.seed}")
    if args.out.suffix not in (".png", ".gif", ".npy"):
        raise ConfigError(f"--out must end in .png, .gif or .npy, got {args.out}")
    if not args.out.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {args.out.parent}; make it first")
    labels = None if args.label is None else [args.label] * args.n
    frames = draw_samples(
        args.folder, args.n, args.seed, cores(), labels=labels, guidance=args.guidance
    )
    columns = min(args.n, 10)
    if args.out.suffix == ".npy":
        np.save(args.out, frames[-1][1])
    elif args.out.suffix == ".gif":
        try:
            viz.animate_samples(args.out, frames, columns)
        except ValueError as error:
            raise ConfigError(f"--out {args.out}: {error}") from error
    else:
        title = f"{args.n} samples of {args.folder}, seed {args.seed}"
        viz.save(viz.samples(frames[-1][1], columns, title), args.out)
    print(args.out)
    return 0

"""tinydiff beside its peers, and how its cost grows.

    python -m benchmarks [--threads 2] [--only ROW] [--rounds N] [--compile] [--quick]

Every library runs in processes of its own, in turns with the others. A row shows the median with
its quartiles, the ratio tinydiff / peer with its goal and the most it may be, the rate of
floating-point operations, and the share of what this machine could do at most. Peers are what is
installed of PyTorch (eager; --compile: also by torch.compile), HIPS autograd, DeZero, JAX and
scikit-learn; a row names those that are not, with the line that installs them.

Writes benchmarks/results/speed/: speed.csv, speed.json, speed.png, curves.csv, curves.png. With
--only, nothing is written. --quick takes tiny sizes and one round, judges nothing and writes
nothing: it says whether all runs. The exit code is 1 if something failed or fell short.
"""

import argparse
import datetime
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .speed import curves, report, rounds
from .speed.works import LIBRARIES, ROWS, WORKS, installed
from .tsne import processor

RESULTS = Path(__file__).resolve().parent / "results" / "speed"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "autograd", "dezero", "jax")


def parsed(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=2, help="of every library (default: 2)")
    parser.add_argument("--only", choices=[*ROWS, "curves"], metavar="ROW",
                        help=f"one row: {', '.join(ROWS)}, or curves")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="turns of every library; default: by the work")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: minutes more")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does all run?")
    args = parser.parse_args(argv)
    for name in ("threads", "rounds"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name} is at least 1, got {getattr(args, name)}")
    return args


def about(args, peaks):
    """The machine, what ran on it and how, for JSON."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "machine": processor(), "system": platform.platform(), "threads": args.threads,
        "gemm_gflops": peaks[0] / 1e9, "copy_gbytes": peaks[1] / 1e9,
        "date": datetime.date.today().isoformat(), "versions": versions,
    }  # fmt: skip


def table(args, chosen, peaks):
    """The lines of the chosen rows, printed as they come. Rows of one work share its children."""
    found, lines = {}, []
    for key, row in chosen.items():
        work = WORKS[row.work]
        peers = [name for name in work.peers if args.compile or name != "torch.compile"]
        there = [name for name in peers if installed(name)]
        if row.work not in found:
            found[row.work] = rounds.alternate(
                work, ["tinydiff", *there], args.threads, quick=args.quick, rounds=args.rounds
            )
        made = rounds.lines(key, row, found[row.work], peaks, judged=not args.quick)
        made += [
            {"row": key, "what": row.words, "figure": row.figure, "library": name,
             "failed": f"not installed: {LIBRARIES[name].install}"}
            for name in peers if name not in there
        ]  # fmt: skip
        print(f"{key}: {row.words}", *map(report.line_of, made), sep="\n", flush=True)
        lines += made
    return lines


def main(argv=None):
    args = parsed(argv)
    peaks = rounds.machine(args.threads, args.quick)
    found = about(args, peaks)
    print(f"{found['machine']}; {args.threads} threads; at most {found['gemm_gflops']:.0f} GFLOP/s "
          f"(float32 products), {found['copy_gbytes']:.1f} GB/s (copies)")  # fmt: skip
    print(report.HEAD)
    chosen = {key: row for key, row in ROWS.items() if args.only in (None, key)}
    lines = table(args, chosen, peaks)
    grown = []
    if args.only in (None, "curves"):
        print("growth of tinydiff's cost")
        grown = curves.all_curves(
            args.threads, args.quick, lambda c: print(report.curve_line(c), flush=True)
        )
    if not (args.quick or args.only):
        report.write(RESULTS, lines, grown, found)
    failures = report.missed(lines, grown)
    print(*failures or ["all runs" if args.quick else "nothing falls short"], sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

"""`tinydiff train`: the whole job, from nothing to pictures and a report."""

import argparse
import sys
from pathlib import Path

DESCRIPTION = """\
Train a model, sample from it, judge the samples, draw pictures.

  tinydiff train                             the preset `digits` in runs/digits
  tinydiff train gmm                         the lecture's first lab, in runs/lab1
  tinydiff train --steps 200 --out runs/try  a shorter training, elsewhere
  tinydiff train --config my.toml            settings from a file (any of those in config.json)
  tinydiff train --resume                    go on where Ctrl-C stopped it
  tinydiff train gan                         another kind: vae, energy, classifier, text, ...
  tinydiff train --list                      the presets

A folder holds one run: config.json (all settings), metrics.csv (a row for each step),
checkpoint.npz, report.json, loss.png and the pictures of its kind, such as forward.png, samples.png
and reverse.gif of a diffusion model, or samples.txt of text. The exit status is 0 if every bar of
the report is met, 1 if one is not or something failed, 2 if the command makes no sense, 130 if it
was interrupted.
"""


def add(subparsers):
    parser = subparsers.add_parser(
        "train",
        help="train a model, sample from it, judge the samples, draw pictures",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="what to train: see --list (default: digits)"
    )
    parser.add_argument("--preset", metavar="NAME", help="settings to start from (default: NAME's)")
    parser.add_argument("--config", metavar="FILE", help="a TOML file with settings to change")
    parser.add_argument("--steps", type=int, metavar="N", help="how many training steps")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of weights, noise and order of the data"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder (default: runs/PRESET)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="CPU threads (default: as many as there are cores)"
    )
    parser.add_argument("--list", action="store_true", help="list the presets and end")
    parser.set_defaults(run=run)


def run(args):
    from ..backend.errors import ConfigError
    from ..train import folder as folders
    from ..train.presets import PRESETS, find
    from ..train.presets.expected import EXPECTED
    from ..train.report import as_table
    from ..train.settings import read_toml
    from ..train.shards import cores
    from .info import versions
    from .progress import Progress

    if args.list:
        print(table(PRESETS.values(), EXPECTED))
        return 0
    if args.threads is not None and args.threads < 1:
        raise ConfigError(f"--threads must be at least 1, got {args.threads}")
    base = find(args.name, args.preset)
    given = read_toml(args.config) if args.config else {}
    given |= {k: getattr(args, k) for k in ("steps", "seed") if getattr(args, k) is not None}
    config, saved = base.changed(given), None
    folder = args.out or Path("runs") / config.name
    if args.resume:
        if args.name or args.preset:
            given = {"name": base.name} | given
        config, saved = folders.resume(folder, given)
    else:
        folders.start(folder)
    print(f"{config.name}: {config.about}\n{folder}: {config.steps} steps", flush=True)
    with Progress(sys.stderr) as show:
        report = config.run(
            folder, saved, threads=args.threads or cores(), versions=versions(), show=show
        )
    if report is None:
        print(f"Stopped, with a checkpoint. Go on: tinydiff train --resume --out {folder}")
        return 130
    print(as_table(report))
    if (samples := folder / "samples.txt").is_file():
        print(f"\n{samples.read_text()}", end="")
    print(f"\n{folder}: {', '.join(sorted(f.name for f in folder.iterdir()))}")
    failed = sum(figure.ok is False for figure in report)
    if failed:
        whole = PRESETS[base.name].steps
        why = f": the bars are for {whole} steps, not {config.steps}" * (config.steps < whole)
        print(f"{failed} of the bars above not met{why}", file=sys.stderr)
    return 1 if failed else 0


def table(presets, expected):
    """What there is to train: a line for each preset, and one for what to expect of it."""
    name, task = (max(len(getattr(s, key)) for s in presets) for key in ("name", "task"))
    takes = max(len(e.takes) for e in expected.values())
    lines = [f"{'preset':{name}}  {'NAME':{task}}  {'numbers':>9}  {'time':{takes}}  about"]
    for s in presets:
        size, time, figures = expected[s.name]
        lines.append(f"{s.name:{name}}  {s.task:{task}}  {size:>9,}  {time:{takes}}  {s.about}")
        lines.append(" " * (name + task + takes + 17) + figures)
    return "\n".join(lines)

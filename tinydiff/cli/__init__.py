"""The `tinydiff` command. Each subcommand is a module here with add(subparsers) and a function.

`add` describes the arguments and sets `run`, a function from the parsed arguments to the exit
status; whatever is heavy it imports when it runs, so that --help answers at once.
"""

import argparse
import sys

from ..backend.errors import ConfigError, Error
from ..derivation import cli as ledger
from . import bound, data, info, sample, train

COMMANDS = (train, sample, bound, data, info)

DESCRIPTION = """\
Diffusion models from the inside: train one, sample from it, look at everything on the way.

  tinydiff train                       train on handwritten digits: under 3 minutes, with a report
  tinydiff sample runs/digits --n 64   new digits from what was learned
  tinydiff bound runs/digits           how well it does on digits it has never seen, in nats
  tinydiff verify                      every equation of the derivation, checked by a number
  tinydiff explain posterior.bayes     one of them: statement, derivation, code, both numbers
  tinydiff data list                   what there is to train on, and what of it is here
  tinydiff info                        what this machine computes with

`tinydiff COMMAND --help` explains a command and shows examples.
"""


def main(argv=None):
    """Run a command line. Returns the exit status: 0 done, 1 failed, 2 misused, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="tinydiff",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    ledger.register(subparsers)
    args = parser.parse_args(argv)
    if not hasattr(args, "run"):
        parser.print_help()
        return 2
    try:
        return args.run(args)
    except Error as error:
        print(f"tinydiff: {error}", file=sys.stderr)
        if isinstance(error, ConfigError):
            return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"tinydiff: {where}{error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ntinydiff: interrupted", file=sys.stderr)
        return 130
    return 1

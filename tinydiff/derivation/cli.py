"""The commands `tinydiff verify` and `tinydiff explain`.

Each returns an exit code: 0 all hold, 1 a check failed, 2 the command itself makes no sense.
"""

import argparse
import difflib
import itertools
import sys

from . import entries, report
from .entry import Erratum

OK, FAILED, USAGE = 0, 1, 2

VERIFY = """\
Check equations of the ledger: the left number by the code that implements one, the right number by
an independent route. An ID may be a whole topic, which is what stands before its point.

  tinydiff verify --list              every id, its statement, where it stands in the sources
  tinydiff verify                     all equations, under a minute
  tinydiff verify posterior E-B1      a topic, and one entry
  tinydiff verify --errata            places where a source goes wrong: printed, correct, measured
  tinydiff verify --json              for programs

The exit status is 0 if all hold, 1 if one does not, 2 if there is no such entry.
"""
EXPLAIN = """\
Show one equation: its statement, the step of the derivation, the code that implements it, and both
numbers. Its parameters may be set: what there is to set, stands at the end of what it prints.

  tinydiff explain forward.closed-form
  tinydiff explain forward.closed-form --t 10 --T 20 --schedule cosine
  tinydiff explain E-B1               an erratum
"""


def register(subparsers):
    """Add both commands to argparse's `subparsers`; `args.run(args)` then returns the exit code."""
    teaching = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    verify_parser = subparsers.add_parser(
        "verify", help="check the equations of the ledger, each by two routes",
        description=VERIFY, **teaching,
    )  # fmt: skip
    verify_parser.add_argument("ids", nargs="*", metavar="ID", help="only these, or a whole topic")
    verify_parser.add_argument("--json", action="store_true", help="print JSON")
    verify_parser.add_argument("--list", action="store_true", help="print ids and statements only")
    verify_parser.add_argument(
        "--errata", action="store_true", help="the errata, not the equations"
    )
    verify_parser.set_defaults(run=verify)
    explain_parser = subparsers.add_parser(
        "explain", help="show an equation, its derivation, its code and both numbers",
        description=EXPLAIN, usage="tinydiff explain [-h] ID [--param value ...]", **teaching,
    )  # fmt: skip
    explain_parser.add_argument("id", metavar="ID", help="as `tinydiff verify --list` has them")
    explain_parser.add_argument(
        "settings",
        nargs=argparse.REMAINDER,
        metavar="--param value",
        help="parameters of its check",
    )
    explain_parser.set_defaults(run=explain)


def verify(args):
    """Check the chosen entries and print the table, or JSON."""
    try:
        chosen = select(entries(), args.ids, args.errata)
    except ValueError as problem:
        return _refuse("verify", problem)
    if args.list:
        print((report.listing_json if args.json else report.listing)(chosen))
        return OK
    results = [entry.evaluate() for entry in chosen]
    if args.json:
        print(report.as_json(results))
    else:
        print(report.errata_text(results) if args.errata else report.results_table(results))
        print(report.summary(results))
    return OK if all(result.ok for result in results) else FAILED


def explain(args):
    """Show one entry, checked with the parameters given."""
    try:
        entry = one(select(entries(), [args.id]), args.id)
        result = entry.evaluate(**_settings(entry, args.settings))
    except ValueError as problem:
        return _refuse("explain", problem)
    print(report.explanation(result))
    return OK if result.ok else FAILED


def select(ledger, ids, errata=False):
    """The entries of these ids and topics (what stands before the point); without any, all of a
    kind."""
    if not ids:
        return [e for e in ledger.values() if isinstance(e, Erratum) == errata]
    chosen = {}
    for name in ids:
        found = [e for key, e in ledger.items() if name in (key, key.partition(".")[0])]
        if not found:
            known = {key.lower(): key for key in ledger}
            known |= {key.partition(".")[0].lower(): key.partition(".")[0] for key in ledger}
            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
            hint = f"; did you mean {', '.join(known[key] for key in near)}?" if near else ""
            raise ValueError(f"there is no entry {name!r}{hint} (`tinydiff verify --list` has all)")
        if errata and not isinstance(found[0], Erratum):
            raise ValueError(f"{name!r} is no erratum: leave --errata out")
        chosen |= {e.id: e for e in found}
    return list(chosen.values())


def one(found, name):
    """The entry that was found, unless `name` is a topic of several."""
    if len(found) > 1:
        ids = ", ".join(e.id for e in found)
        raise ValueError(f"{name!r} is a topic; explain one of {ids}")
    return found[0]


def _settings(entry, words):
    """{name: value} of "--name value" or "--name=value", in the types of the entry's parameters."""
    words = [
        part for word in words for part in (word.split("=", 1) if word[:2] == "--" else [word])
    ]
    values = {}
    for name, text in itertools.zip_longest(words[::2], words[1::2]):
        name = name.removeprefix("--")
        if name not in entry.params:
            expected = ", ".join(f"--{known}" for known in entry.params) or "none"
            raise ValueError(f"{entry.id} has no parameter {name!r}: expected {expected}")
        if text is None:
            raise ValueError(f"parameters come in pairs, --name value; --{name} is left over")
        try:
            values[name] = entry.params[name].kind(text)
        except ValueError:
            kind = entry.params[name].kind.__name__
            raise ValueError(f"--{name} needs a value of type {kind}, got {text!r}") from None
    entry.fill(values)  # a value out of range is refused before anything is computed
    return values


def _refuse(command, problem):
    print(f"tinydiff {command}: {problem}", file=sys.stderr)
    return USAGE

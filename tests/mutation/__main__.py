"""The command: sample, run, report. Writes benchmarks/results/mutation.csv."""

import argparse
import csv
import os
import sys
import time
import tomllib

from .mutants import ROOT, all_mutants, stratified
from .runner import preload, run_all
from .targets import TARGETS

HERE = ROOT / "tests" / "mutation"
RESULTS = ROOT / "benchmarks" / "results" / "mutation.csv"


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="modules whose path contains this")
    parser.add_argument("--minutes", type=float, default=45, help="stop (and fail) after this long")
    args = parser.parse_args()
    targets = {m: t for m, t in TARGETS.items() if args.only in m}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # before NumPy is loaded: children run side by side, and are forked
    preload()
    baseline = {}
    for tests in sorted(set(targets.values())):
        [(_, outcome, seconds)] = run_all([(None, tests, 600)], workers=1)
        if outcome != "survived":
            sys.exit(f"the unchanged code fails {' '.join(tests)}: mend that first")
        baseline[tests] = seconds
        print(f"{seconds:6.1f} s  {' '.join(tests)}", flush=True)
    sample = stratified(all_mutants(targets), args.sample, args.seed)
    begun = time.monotonic()
    jobs = [(m, targets[m.module], 10 + 4 * baseline[targets[m.module]]) for m in sample]
    rows = []
    for mutant, outcome, seconds in run_all(jobs, args.workers, begun + 60 * args.minutes):
        rows.append((mutant, outcome, seconds))
        if outcome in ("survived", "not run"):
            before, after = mutant.change()
            where = f"{mutant.module}:{mutant.line}"
            print(f"{outcome}: {where}\n  - {before}\n  + {after}", flush=True)
        if len(rows) % (5 if args.only else 20) == 0:
            print(f"{len(rows)} of {len(jobs)}", flush=True)
    sys.exit(report(rows, time.monotonic() - begun, complete=not args.only and args.sample >= 600))


def report(rows, seconds, complete):
    """Print the score and keep the table; returns the exit code."""
    known = tomllib.loads((HERE / "equivalents.toml").read_text()).get("equivalent", [])
    proofs = {(e["module"], e["before"], e["after"]): e["proof"] for e in known}
    table, killed, equivalent = [], 0, 0
    for mutant, outcome, spent in rows:
        before, after = mutant.change()
        proof = proofs.get((mutant.module, before, after), "")
        if outcome in ("killed", "timeout"):
            killed += 1
        elif outcome == "survived" and proof:
            outcome, equivalent = "equivalent", equivalent + 1
        table.append((mutant.module, mutant.line, mutant.operator, before, after, outcome,
                      f"{spent:.1f}", proof))
    score = killed / max(1, len(rows) - equivalent)
    share = equivalent / max(1, len(rows))
    print(
        f"{len(rows)} mutants in {seconds / 60:.1f} min: {killed} killed, {equivalent} equivalent "
        f"({share:.1%}), score {score:.1%}"
    )
    if complete:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        with open(RESULTS, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("module", "line", "operator", "before", "after", "outcome", "seconds",
                             "proof"))
            writer.writerows(table)
    return 0 if score >= 0.95 and share <= 0.08 else 1


main()

"""Runs the suites and prints a table: suite, ran, skipped, why.

A suite fails if a command of it fails, or if its tools are present and it ran nothing. The two
commands of README are taken from README.md itself, so that what is printed there is what is tested.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ALL = sys.argv[1:] == ["--all"]
if sys.argv[1:] and not ALL:
    sys.exit(f"usage: .ci/run [--all], not {' '.join(sys.argv[1:])}")
HOME = Path(tempfile.mkdtemp(prefix="tinydiff-ci-"))
CLONE, VENV = HOME / "tinydiff", HOME / "tinydiff" / ".venv"


class Result(NamedTuple):
    suite: str
    ok: bool
    ran: int
    skipped: int
    why: str
    seconds: float


def say(text):
    print(f"\n=== {text}", flush=True)


def run(command, cwd=None, env=None, limit=2400):
    """Run a shell command for at most `limit` seconds, showing its output as it comes.

    Returns (exit code, output); the exit code is 124 when the time was up.
    """
    process = subprocess.Popen(
        ["timeout", "--kill-after=30", str(limit), "bash", "-c", command],
        cwd=cwd or CLONE,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    return process.wait(), "".join(lines)


def counts(output):
    """(ran, skipped) of pytest's closing line; (0, 0) where there is none."""
    found = {"passed": 0, "failed": 0, "error": 0, "skipped": 0}
    words = r"(\d+) (passed|failed|skipped|error)"
    closing = [line for line in output.splitlines() if re.search(words, line)]
    for number, word in re.findall(words, closing[-1] if closing else ""):
        found[word] = int(number)
    return found["passed"] + found["failed"] + found["error"], found["skipped"]


def pytest_suite(name, command, tools=True, why="", env=None, limit=2400):
    """A Result of a pytest command; not run where its tools are missing."""
    if not tools:
        return Result(name, True, 0, 0, why, 0)
    say(f"{name}: {command}")
    start = time.monotonic()
    code, output = run(command, env=env, limit=limit)
    ran, skipped = counts(output)
    note = "" if code == 0 else f"exit code {code}"
    if code in (0, 5) and ran == 0:
        note = "its tools are present and it ran nothing"
    return Result(name, not note, ran, skipped, note, time.monotonic() - start)


def command_suite(name, command, expect=(), limit=1200):
    """A Result of a command that must exit 0 and leave the files in `expect`."""
    say(f"{name}: {command}")
    start = time.monotonic()
    code, _ = run(command, limit=limit)
    missing = [f for f in expect if not (CLONE / f).exists()]
    note = f"exit code {code}" if code else f"did not write {', '.join(missing)}" if missing else ""
    return Result(name, not note, 1, 0, note, time.monotonic() - start)


def readme_commands():
    """The single-line commands of the first two console blocks of README.md."""
    blocks = re.findall(r"```(?:bash|console|sh)\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    commands = [block.strip() for block in blocks[:2]]
    if len(commands) != 2 or any("\n" in c for c in commands):
        sys.exit("README.md must start with two console blocks of one line each")
    return commands


def main():
    say(f"a fresh clone in {CLONE}")
    code, _ = run(f"git clone -q {ROOT} {CLONE}", cwd=HOME)
    if code:
        return code
    main_job, tests = readme_commands()
    digits = [f"runs/digits/{f}" for f in (
        "config.json", "metrics.csv", "checkpoint.npz", "report.json",
        "loss.png", "forward.png", "samples.png", "reverse.gif",
    )]
    results = [
        command_suite("main job", main_job, expect=digits),
        pytest_suite("tests", tests),
    ]
    python = f"{VENV}/bin/python"
    run(f"{VENV}/bin/pip install -q ruff threadpoolctl")
    results.append(command_suite("lint", f"{VENV}/bin/ruff check ."))
    rules = "tests/test_rules.py tests/test_house.py"
    results.append(pytest_suite("house rules", f"{python} -m pytest {rules}"))
    results += optional_suites(python)
    widths = [max(len(r.suite) for r in results), 6, 8, 8]
    print(f"\n{'suite':<{widths[0]}}  {'ran':>6}  {'skipped':>8}  {'seconds':>8}  why")
    for r in results:
        verdict = r.why if r.why else "ok"
        print(f"{r.suite:<{widths[0]}}  {r.ran:>6}  {r.skipped:>8}  {r.seconds:>8.0f}  {verdict}")
    shutil.rmtree(HOME, ignore_errors=True)
    failed = [r.suite for r in results if not r.ok]
    print(f"\n{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def optional_suites(python):
    """Short forms by default, whole suites with --all."""
    has_torch = run(f"{python} -m pip install -q torch==2.13.0", limit=600)[0] == 0
    results = [
        pytest_suite(
            "torch", f"{python} -m pytest -m torch", has_torch, "PyTorch does not install here"
        ),
        command_suite("equations", f"{VENV}/bin/tinydiff verify"),
        command_suite("errata", f"{VENV}/bin/tinydiff verify --errata"),
        command_suite("overhead", f"{python} -m benchmarks.overhead --quick"),
        command_suite("families", f"{python} -m benchmarks.families --quick"),
        command_suite("benchmarks", f"{python} -m benchmarks --quick"),
        pytest_suite(
            "without fast forms",
            f"{python} -m pytest tests/test_ops.py tests/test_layers.py tests/test_optim.py",
            env={"TINYDIFF_FUSED": "0"},
        ),
    ]
    if ALL:
        mutate = f"{VENV}/bin/pip install -q cosmic-ray && {python} -m tests.mutation"
        results.append(pytest_suite("slow", f"{python} -m pytest -m slow"))
        results.append(command_suite("mutation", mutate, limit=3000))
        results.append(command_suite("overhead, whole", f"{python} -m benchmarks.overhead"))
        results.append(command_suite("import time", f"{python} -m benchmarks.import_time"))
    return results


sys.exit(main())

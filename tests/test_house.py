"""What lies at the root of the repository, and the size of what a student reads."""

import fnmatch
import re
import subprocess

from rules.source import PACKAGE, ROOT, SOURCES

ROOT_NAMES = frozenset(
    [
        "tinydiff",
        "lessons",
        "tests",
        "benchmarks",
        "setup.cfg",
        "README.md",
        "pyproject.toml",
        "ruff.toml",
        "LICENSE",
        "CHANGELOG.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "Makefile",
        ".ci",
        ".gitignore",
    ]
)


def root_names():
    """The names at the root: those that git tracks, else those that .gitignore does not name."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return {line.split("/")[0] for line in listed.stdout.splitlines()}
    patterns = [".git", "PKG-INFO", *(ROOT / ".gitignore").read_text().replace("/\n", "\n").split()]
    return {p.name for p in ROOT.iterdir() if not any(fnmatch.fnmatch(p.name, i) for i in patterns)}


def strangers(names):
    return sorted(names - ROOT_NAMES)


def test_nothing_else_is_at_the_root():
    assert not strangers(root_names())
    assert strangers({"tests", "setup.py", "runs"}) == ["runs", "setup.py"]


CORE = ("tensor.py", "tape.py", "parameter.py", "ops/", "nn/", "optim.py") + tuple(
    f"diffusion/{name}.py" for name in ("schedules", "process", "bound", "samplers")
)
MOST = 3000  # docstrings included; this number may only go down


def core_lines():
    """{path: lines that are not blank} of the files that a student reads."""
    files = [PACKAGE / s.path for s in SOURCES if s.below(*CORE)]
    return {
        file.relative_to(ROOT).as_posix(): sum(
            bool(line.strip()) for line in file.read_text().splitlines()
        )
        for file in files
    }


def too_long(lines):
    """What is wrong with the size of the core, in words."""
    total = sum(lines.values())
    found = [f"{path} has {n} lines, at most 300" for path, n in lines.items() if n > 300]
    return found + [f"the core has {total} lines, at most {MOST}"] * (total > MOST)


def printed_lines(text):
    """{path: lines} of the rows `| path | lines | ...` of a Markdown table."""
    rows = re.findall(r"^\| *`?([\w./]+)`? *\| *([\d,]+) *\|", text, flags=re.MULTILINE)
    return {path: int(lines.replace(",", "")) for path, lines in rows}


def test_the_core_is_small():
    assert not too_long(core_lines())
    assert too_long({"a.py": 301, "b.py": 300}) == ["a.py has 301 lines, at most 300"]
    assert too_long(dict.fromkeys("abcdefghijk", 298)) == ["the core has 3278 lines, at most 3000"]


def test_the_printed_counts_are_true():
    lines = core_lines()
    lines["total"] = sum(lines.values())
    assert printed_lines((ROOT / "ARCHITECTURE.md").read_text()) == lines


def test_printed_lines_reads_a_table():
    table = "| path | lines | text |\n|---|---|---|\n| `a/b.py` | 1,234 | x |\n| total | 7 | |\n"
    assert printed_lines(table) == {"a/b.py": 1234, "total": 7}
    assert printed_lines("no table") == {}

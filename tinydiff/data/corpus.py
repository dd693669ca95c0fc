"""How corpus.txt was made: the prose of this project, in small letters, a paragraph a line.

    python -m tinydiff.data.corpus

in a clone writes the file anew. The one that is shipped is frozen, since documentation changes and
figures measured on it must not: its first line names the revision it was made of, and `text.py`
knows its SHA-256.

The prose is every docstring of the Python files and every paragraph of the Markdown files, in the
order of their paths, without code, formulas and tables: without indented and fenced blocks, and
without paragraphs of which less than PROSE is letters and spaces. Each paragraph is taken once. Of
its characters those of ALPHABET stay, some are replaced by what looks like them, the rest is lost.
"""

import ast
import inspect
import re
import subprocess
from pathlib import Path

from .text import ALPHABET, PATH

ALIKE = str.maketrans({'"': "'", "`": "'", "[": "(", "]": ")", "{": "(", "}": ")", "&": "+"})
PROSE = 0.85  # of a paragraph: letters and spaces
SHORTEST = 20  # characters of a paragraph
ROOT = Path(__file__).parents[2]


def docstrings(source):
    """Those of a Python file's text, in its order, without their indentation."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    owners = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    owners.sort(key=lambda node: getattr(node, "lineno", 0))
    return [text for node in owners if (text := ast.get_docstring(node))]


def paragraphs(text):
    """The paragraphs of prose in a docstring or in a Markdown text, a line each, in ALPHABET."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?: *\||#|!\[|    ).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)  # a link
    text = re.sub(r"[*`]+", "", text).replace(">>>", "")
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:- |\d+\. ))", text):
        line = " ".join(part.lower().translate(ALIKE).split())
        line = re.sub(" +", " ", "".join(c for c in line if c in ALPHABET)).strip()
        plain = sum(c.isalpha() or c == " " for c in line)
        if len(line) >= SHORTEST and plain >= PROSE * len(line):
            yield line


def prose(root):
    """The corpus of the project in the folder `root`, without its first line."""
    files = sorted([*root.glob("*.md"), *root.glob("tinydiff/**/*.py")])
    lines = {}  # keeps the order, and each line once
    for file in files:
        text = file.read_text(encoding="utf-8")
        for part in docstrings(text) if file.suffix == ".py" else [inspect.cleandoc(text)]:
            lines |= dict.fromkeys(paragraphs(part))
    return "".join(f"{line}\n" for line in lines)


def main():
    command = ["git", "describe", "--always", "--abbrev=12"]
    revision = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    origin = f"# the prose of tinydiff at {revision.stdout.strip()}, by {Path(__file__).name}\n"
    PATH.write_text(origin + prose(ROOT), encoding="ascii")
    print(f"{PATH}: {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()

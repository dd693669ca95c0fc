"""The text: what is shipped is what is known, rows never share a place, and how it was made."""

import hashlib

import numpy as np
import pytest
from rules.source import ROOT

import tinydiff as td
from tinydiff.data import corpus, load, text


def test_the_shipped_corpus_is_frozen_and_says_where_it_is_from():
    raw = text.PATH.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == text.SHA256
    assert 100_000 <= len(raw) <= 200_000
    origin = raw.decode("ascii").splitlines()[0]
    assert origin == "# the prose of tinydiff at 33d969cf023d, by corpus.py"
    assert text.corpus() == raw.decode("ascii")[len(origin) + 1 :]


def test_a_changed_corpus_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "corpus.txt"
    changed.write_bytes(text.PATH.read_bytes() + b"a")
    monkeypatch.setattr(text, "PATH", changed)
    with pytest.raises(td.DataError, match=r"corpus.txt is not the corpus .* restore it with git"):
        load("text")


def test_the_alphabet_is_what_occurs():
    assert len(text.ALPHABET) == len(set(text.ALPHABET)) == 50
    assert set(text.corpus()) == set(text.ALPHABET)


def test_ids_are_places_in_the_alphabet():
    assert text.encode("\n az").tolist() == [0, 1, 2, 27]
    assert text.encode("").shape == (0,)
    assert text.decode(text.encode(text.ALPHABET)) == text.ALPHABET
    with pytest.raises(ValueError, match=r"\['\?', 'A'\] are not in the alphabet"):
        text.encode("is A here?")


def test_rows_are_the_corpus_and_no_test_row_shares_a_place_with_a_train_row():
    ids = text.encode(text.corpus())
    places = {s: text.windows(np.arange(len(ids)), s) for s in ("train", "test")}
    for split, rows in places.items():
        data = load("text", split)
        assert data.alphabet == text.ALPHABET
        assert data.x.dtype == np.int64
        np.testing.assert_array_equal(data.x, ids[rows])
        assert (np.diff(rows, axis=1) == 1).all()
    train, test = (set(rows.ravel().tolist()) for rows in places.values())
    assert not train & test
    assert places["test"].size == len(test), "test rows do not overlap each other"
    assert 0.08 < len(test) / len(ids) < 0.1
    assert len(train | test) / len(ids) > 0.98


def test_no_test_row_is_a_train_text():
    """Each paragraph is in the corpus once, so that no held-out text was seen elsewhere."""
    whole = text.corpus()
    seen = "#".join(whole[a:b] for a, b in text.stretches(len(whole), "train"))
    assert not [row for row in load("text", "test").x if text.decode(row) in seen]


def test_stretches_are_the_blocks_between_those_held_out():
    size = 21 * text.BLOCK + 5
    test = text.stretches(size, "test")
    assert test == [(9 * 1024, 10 * 1024), (19 * 1024, 20 * 1024)]
    assert text.stretches(size, "train") == [(0, 9216), (10240, 19456), (20480, size)]


SOURCE = '''"""What it is.

    y = f(x)        # a formula: indented

It gives "x", and much more of [this]; what
follows is on the next line.

E = m c^2 + 1 / (2 a b) - 3 x^2 + 4 y^2, and so on
"""

class A:
    """A class of its own kind."""

    def f(self):
        """Each paragraph is taken once."""

def g():
    """Each paragraph is taken once."""
'''
MARKDOWN = """# A title that is left out

Some *words* with a [link](http://x.y/z), and `code`.

```bash
this is a command of the shell
```

| a table | has no prose in it |

- the first of two points
- the second of two points
"""


def test_what_is_made_of_a_project(tmp_path):
    (tmp_path / "tinydiff").mkdir()
    (tmp_path / "tinydiff" / "a.py").write_text(SOURCE)
    (tmp_path / "README.md").write_text(MARKDOWN)
    (tmp_path / "notes.txt").write_text("this is read by nobody at all")
    assert corpus.prose(tmp_path).splitlines() == [
        "some words with a link, and code.",
        "- the first of two points",
        "- the second of two points",
        "it gives 'x', and much more of (this); what follows is on the next line.",
        "a class of its own kind.",
        "each paragraph is taken once.",
    ]


def test_the_corpus_of_today_has_the_same_alphabet():
    """The command still works on the project as it is; what it would write is not shipped."""
    made = corpus.prose(ROOT)
    assert set(made) <= set(text.ALPHABET)
    assert len(made) > 100_000

"""`tinydiff verify` and `tinydiff explain`: tables, JSON, exit codes, what a wrong word gets."""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tinydiff import derivation
from tinydiff.derivation import cli, report
from tinydiff.derivation.entry import Erratum, Result
from tinydiff.diffusion.process import Process

JSON_KEYS = [
    *("id", "text", "latex", "source", "code", "params"),
    *("left", "right", "error", "tolerance", "ok", "seconds"),
]
HEADS = ["id", "statement", "left", "right", "error", "tolerance", "code", "verdict"]
ENTRIES = derivation.entries()


@pytest.fixture
def run(capsys):
    """run("verify", ...) -> (exit code, stdout, stderr)."""
    parser = argparse.ArgumentParser()
    cli.register(parser.add_subparsers(required=True))

    def call(*words):
        args = parser.parse_args(words)
        code = args.run(args)
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def wrong_step(monkeypatch):
    """A process whose single step is wrong by 1 %."""
    q_step = Process.q_step
    monkeypatch.setattr(Process, "q_step", lambda *args: q_step(*args) * 1.01)


def test_verify_prints_a_table_and_a_summary(run):
    code, out, err = run("verify", "forward.single-step", "elbo.jensen")
    head, *rows, summary = out.splitlines()
    assert (code, err, len(rows)) == (0, "", 2)
    assert head.split() == [
        "id",
        "statement",
        "left",
        "right",
        "error",
        "tolerance",
        "code",
        "verdict",
    ]
    assert rows[0].startswith("forward.single-step") and rows[0].endswith("ok")
    assert re.search(r"tinydiff/diffusion/process\.py:\d+", rows[0])
    assert re.fullmatch(r"2 entries in \d+\.\d s, all hold", summary)


def test_a_failure_is_named_and_exits_with_1(run, wrong_step):
    code, out, _ = run("verify", "forward.single-step", "elbo.jensen")
    assert code == 1
    assert [line.split()[-1] for line in out.splitlines()[1:3]] == ["FAIL", "ok"]
    assert out.endswith("1 failed: forward.single-step\n")


def test_a_check_that_raises_is_a_failure_of_its_own(run, monkeypatch):
    monkeypatch.setattr(Process, "q_step", lambda *args: 1 / 0)
    code, out, _ = run("verify", "forward.single-step", "elbo.jensen")
    assert code == 1 and "forward.single-step: ZeroDivisionError: division by zero" in out


def test_verify_knows_topics(run):
    code, out, _ = run("verify", "elbo", "--list")
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert code == 0 and names == [key for key in ENTRIES if key.startswith("elbo.")]


@pytest.mark.parametrize("flags, errata", [((), False), (("--errata",), True)])
def test_list_has_all_of_one_kind(run, flags, errata):
    code, out, _ = run("verify", "--list", *flags)
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert code == 0
    assert names == [e.id for e in ENTRIES.values() if isinstance(e, Erratum) == errata]


def test_json_has_the_pinned_form(run):
    code, out, _ = run("verify", "forward.closed-form", "elbo.jensen", "--json")
    rows = json.loads(out)
    assert code == 0 and len(rows) == 2
    for row in rows:
        entry = ENTRIES[row["id"]]
        assert list(row) == JSON_KEYS
        assert (row["text"], row["latex"], row["source"]) == (entry.text, entry.latex, entry.source)
        assert row["code"] == entry.code and (row["tolerance"], row["ok"]) == (
            entry.tolerance,
            True,
        )
        assert 0 <= row["error"] <= row["tolerance"] and row["seconds"] > 0
        assert list(row["params"]) == list(entry.params)
    np.testing.assert_allclose(rows[0]["left"][0], rows[0]["right"][0])


def test_json_of_an_erratum_tells_printed_and_correct(run):
    _, out, _ = run("verify", "E-B4", "--json")
    (row,) = json.loads(out)
    assert list(row) == [*JSON_KEYS, "verdict", "printed", "correct"]
    assert row["verdict"] == "WRONG" and row["left"][0] == pytest.approx(1363.16059, abs=1e-4)


def test_json_of_a_failure_is_json(run, monkeypatch):
    monkeypatch.setattr(Process, "q_step", lambda *args: np.full(4, np.nan))
    code, out, _ = run("verify", "forward.single-step", "--json")
    (row,) = json.loads(out, parse_constant=pytest.fail)
    assert code == 1 and row["left"] is row["right"] is row["error"] is None and row["ok"] is False


def test_errata_show_printed_correct_and_measured(run):
    code, out, _ = run("verify", "E-B4", "E-B6", "--errata")
    assert code == 0
    assert out.count("printed") == out.count("correct ") == out.count("measured") == 2
    assert "1363.16  instead of  681.58   [ok" in out


@pytest.mark.parametrize("command", ["verify", "explain"])
def test_an_unknown_id_suggests_near_ones(run, command):
    code, out, err = run(command, "forward.closedform")
    assert (code, out) == (2, "")
    assert err.startswith(
        f"tinydiff {command}: there is no entry 'forward.closedform'; did you mean"
    )
    assert "forward.closed-form" in err


def test_a_suggestion_knows_capitals_and_says_nothing_twice(run):
    _, _, err = run("explain", "e-b4")
    near = err.partition("did you mean ")[2].partition("?")[0].split(", ")
    assert near[0] == "E-B4" and len(set(near)) == len(near)


def test_explain_explains_one_entry(run):
    code, out, err = run("explain", "schedule")
    assert (code, out) == (2, "")
    assert "'schedule' is a topic; explain one of schedule.linear, " in err


def test_errata_are_asked_for_by_their_ids(run):
    code, out, err = run("verify", "--errata", "E-B4", "forward")
    assert (code, out) == (2, "") and "'forward' is no erratum: leave --errata out" in err


def test_the_list_as_json(run):
    code, out, _ = run("verify", "--list", "--json", "elbo")
    rows = json.loads(out)
    assert code == 0 and [row["id"] for row in rows] == [k for k in ENTRIES if k[:5] == "elbo."]
    assert list(rows[0]) == JSON_KEYS[:5]


def test_explain_shows_equation_derivation_code_and_numbers(run):
    code, out, _ = run("explain", "forward.closed-form", "--T", "10", "--t=3")
    entry = ENTRIES["forward.closed-form"]
    assert code == 0
    for shown in (entry.text, entry.latex, entry.source, entry.derivation, entry.code):
        assert shown in out
    assert "def q_sample(self, x0, t, eps):" in out and "T = 10, t = 3, seed = 0" in out
    assert "--t  a whole number from 1 to 10\n" in out and "--schedule  one of linear, cos" in out
    assert re.search(r"left +0\.125\S*, .*\n +right +0\.125", out)


def test_explain_of_an_erratum_shows_what_is_printed(run):
    code, out, _ = run("explain", "E-B6")
    assert code == 0 and f"Printed (WRONG):\n    {ENTRIES['E-B6'].printed}" in out


def test_explain_of_a_failure_exits_with_1(run, wrong_step):
    code, out, _ = run("explain", "forward.single-step")
    assert code == 1 and "FAIL" in out


REFUSED = [
    (["--t", "2000"], "parameter t: expected a whole number from 1 to 1000, got 2000"),
    (["--t", "x"], "--t needs a value of type int, got 'x'"),
    (["--schedule", "steep"], "expected one of linear, cosine, sigmoid, quadratic, random"),
    (["--x", "1"], "has no parameter 'x': expected --schedule, --T, --t, --seed"),
    (["--t"], "parameters come in pairs, --name value; --t is left over"),
    (["--help"], "has no parameter 'help': expected --schedule, --T, --t, --seed"),
]


@pytest.mark.parametrize("words, message", REFUSED, ids=lambda v: str(v)[:20])
def test_explain_refuses_what_makes_no_sense(run, words, message):
    code, out, err = run("explain", "forward.closed-form", *words)
    assert (code, out) == (2, "") and message in err


def test_a_long_implementation_is_cut(monkeypatch):
    whole = report.source_of(ENTRIES["bound.reconstruction"]).splitlines()
    monkeypatch.setattr(report, "LINES_OF_CODE", 5)
    shown = report.source_of(ENTRIES["bound.reconstruction"]).splitlines()
    assert shown == [*whole[:5], f"... ({len(whole) - 5} lines more)"]


def test_a_code_reference_points_at_the_definition():
    path, _, line = ENTRIES["forward.closed-form"].code.rpartition(":")
    text = (Path(derivation.__file__).parents[2] / path).read_text().splitlines()
    assert "def q_sample" in text[int(line) - 1]


def test_all_hold_within_the_minute():
    """As in `tinydiff verify`: every entry under 5 s, each kind under 60 s."""
    results = [entry.evaluate() for entry in ENTRIES.values()]
    assert [r.entry.id for r in results if not r.ok] == []
    assert max(r.seconds for r in results) < 5
    for errata in (False, True):
        assert sum(r.seconds for r in results if isinstance(r.entry, Erratum) == errata) < 60
    assert all(isinstance(r, Result) for r in results)

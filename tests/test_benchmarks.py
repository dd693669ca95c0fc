"""`python -m benchmarks`: what it makes of what it has measured, and that a work can be measured.

No time is asserted: the figures here are made up.
"""

import csv
import json
import math

import numpy as np
import pytest

import tinydiff as td
from benchmarks.__main__ import parsed
from benchmarks.speed import child, curves, physics, report, rounds
from benchmarks.speed.works import LIBRARIES, ROWS, WORKS, Row
from tinydiff import nn

PEAKS = 1e9, 1e8  # operations and bytes a second
ROW = Row("a step", "mlp", {"PyTorch": (0.5, 1.0), "DeZero": (0.1, 0.2)})


def result(*times, first=2.0, memory=100, **counts):
    return {"times": list(times), "first": first, "memory": memory, "parameters": 7} | counts


def table(row=ROW, **options):
    """Three rounds in which the machine gets slower, all libraries alike."""
    found = {
        "tinydiff": [result(k, k, k, flops=5e8, bytes=2e7) for k in (1.0, 2.0, 4.0)],
        "PyTorch": [result(1.6 * k, 9 * k, 1.6 * k, first=8.0, memory=400) for k in (1, 2, 4)],
        "DeZero": [result(4.0 * k) for k in (1.0, 2.0, 4.0)],
        "JAX": rounds.Failed("ImportError: no"),
    }
    return {line["library"]: line for line in rounds.lines("mlp", row, found, PEAKS, **options)}


def test_a_ratio_compares_within_rounds():
    """The medians of all 9 steps, 2 and 6.4, would give 0.31."""
    lines = table()
    assert lines["PyTorch"]["ratio"] == pytest.approx(1 / 1.6)
    assert lines["DeZero"]["ratio"] == 0.25
    assert "ratio" not in lines["tinydiff"]
    assert lines["tinydiff"]["first_quartile"] == 1.0
    assert lines["tinydiff"]["median"] == 2.0
    assert lines["tinydiff"]["third_quartile"] == 4.0


def test_verdicts():
    lines = table()
    assert lines["PyTorch"]["verdict"] == "pass"
    assert lines["DeZero"]["verdict"] == "FALLS SHORT"
    assert rounds.verdict(0.5, 0.5, 1.0) == "goal"
    assert not [line for line in table(judged=False).values() if {"verdict", "gflops"} & set(line)]
    assert report.missed(lines.values(), []) == [
        "mlp: JAX failed", "mlp: 0.25 of DeZero, at most 0.20"
    ]  # fmt: skip


def test_the_limit_is_the_longer_of_two_times():
    """5e8 operations take 0.5 s at PEAKS, 2e7 bytes 0.2 s."""
    line = table()["tinydiff"]
    assert line["gflops"] == pytest.approx(0.25)
    assert line["of_peak"] == line["of_limit"] == pytest.approx(0.25)


def test_other_figures():
    memory = table(ROW._replace(figure="memory"))
    assert (memory["PyTorch"]["median"], memory["PyTorch"]["ratio"]) == (400, 0.25)
    first = table(ROW._replace(figure="first"))
    assert (first["tinydiff"]["median"], first["PyTorch"]["ratio"]) == (2.0, 0.25)
    assert "gflops" not in first["tinydiff"]


def test_quartiles():
    assert rounds.quartiles([3.0]) == (3.0, 3.0, 3.0)
    assert rounds.quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_an_exponent_is_found():
    xs = np.array([1, 2, 4, 8])
    assert curves.exponent(xs, 3 * xs**1.7) == pytest.approx(1.7)
    points = [{"x": x, "seconds": 0.1 * x**1.2, "memory": 40 + 3.0 * x**2} for x in xs.tolist()]
    made = curves.summary("batch", curves.CURVES["batch"], points)
    assert made["exponent_seconds"] == pytest.approx(1.2)
    assert made["exponent_memory"] == 2.0
    assert report.missed([], [made]) == ["curve batch: exponent 1.20"]
    assert "verdict" not in curves.summary("width", curves.CURVES["width"], points)
    assert "seconds ~ x^1.20, memory ~ c + x^2.00  FALLS SHORT" in report.curve_line(made)


def test_what_is_written(tmp_path):
    lines = list(table().values())
    lines.append({"row": "mlp", "library": "torch.compile", "failed": "not installed: torch"})
    points = [{"x": x, "seconds": 0.1 * x, "memory": 5 << 20} for x in (1, 2)]
    grown = [curves.summary("batch", curves.CURVES["batch"], points), {"curve": "x", "failed": "y"}]
    report.write(tmp_path, lines, grown, {"machine": "one"})
    with open(tmp_path / "speed.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["library"] for row in rows] == [line["library"] for line in lines]
    assert (rows[1]["ratio"], rows[1]["bar"]) == ("0.625", "1")
    with open(tmp_path / "curves.csv") as file:
        assert [row["seconds"] for row in csv.DictReader(file)] == ["0.1", "0.2"]
    written = json.loads((tmp_path / "speed.json").read_text())
    assert (written["machine"], len(written["rows"]), len(written["curves"])) == ("one", 5, 2)
    for name in ("speed.png", "curves.png"):
        assert (tmp_path / name).stat().st_size > 1000
    assert report.ratios(lines[:1])  # where no peer is installed


def test_a_line_says_what_is_missing():
    absent = {"row": "mlp", "library": "JAX", "failed": "not installed: pip install jax"}
    assert " ".join(report.line_of(absent).split()) == "JAX not installed: pip install jax"
    assert not report.missed([absent], [])
    words = " ".join(report.line_of(table()["PyTorch"]).split())
    assert words == "PyTorch 6400 ms [ 3200 9000] 0.62 0.50 1.00 0.1 8% pass"


@pytest.mark.parametrize("options", [["--only", "gpt"], ["--threads", "0"], ["--rounds", "0"]])
def test_wrong_options_are_refused(options, capsys):
    with pytest.raises(SystemExit):
        parsed(options)
    assert options[0] in capsys.readouterr().err


def test_rows_works_and_libraries_fit():
    for row in ROWS.values():
        assert set(row.bars) <= set(WORKS[row.work].peers)
        assert all(goal <= bar for goal, bar in row.bars.values())
    assert {peer for work in WORKS.values() for peer in work.peers} <= set(LIBRARIES)
    assert {row.work for row in ROWS.values()} == set(WORKS)


@pytest.mark.parametrize("name", [name for name in WORKS if name != "tsne"])
def test_a_work_can_be_measured(name):
    """In this process, at the sizes of --quick."""
    spec = rounds.spec("tinydiff", WORKS[name], WORKS[name].quick, 2, quick=True, count=True)
    json.dumps(spec)
    found = child.measure(spec)
    assert len(found["times"]) == 1 and found["times"][0] > 0 and found["first"] > 0
    assert found["flops"] > 0 and found["bytes"] > 0 and found["parameters"] > 0


@pytest.mark.parametrize("name, parameters", [("lab1", 842_241), ("lab2", 6_621_076)])
def test_the_labs_are_measured_at_their_size(name, parameters):
    from tinydiff.train.build import build
    from tinydiff.train.settings import from_dict

    config = from_dict(WORKS[name].full["config"])
    assert build(config, np.random.default_rng(0))[0].flat.data.size == parameters


def test_the_products_of_an_mlp_are_counted():
    """8 rows through 18-8-8-8-2: the input wants no gradient, every other operand does."""
    spec = rounds.spec(
        "tinydiff", WORKS["mlp"], {"batch": 8, "width": 8}, 1, quick=True, count=True
    )
    found = child.measure(spec)
    parameters = 18 * 8 + 8 * 8 * 2 + 8 * 2 + 3 * 8 + 2
    assert found["parameters"] == parameters
    assert found["flops"] == 2 * 8 * (2 * 18 * 8 + 3 * (8 * 8 * 2 + 8 * 2))
    sizes = [8 * n + n * m + m + 8 * m for n, m in ((18, 8), (8, 8), (8, 8), (8, 2))]
    assert found["bytes"] == 4 * (2 * sizes[0] + 3 * sum(sizes[1:]) + 7 * parameters)


def test_the_products_of_a_convolution_are_counted():
    """From 6x6 to 3x3 windows of 9 pixels, and the adjoint map: the same products."""
    rng = np.random.default_rng(0)
    there = nn.Conv2d(3, 4, 3, stride=2, padding=1, rng=rng)
    back = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1, rng=rng)
    for layer, shape in ((there, (2, 6, 6, 3)), (back, (2, 3, 3, 4))):
        rows = td.trace(layer(np.ones(shape, np.float32))).rows
        counted = [physics.product(row)[0] for row in rows]
        assert max(counted) == sum(counted) == 2 * math.prod((2, 3, 3, 9, 3, 4))


def test_rates():
    """2 n^3 operations of a product in 2 s; every number of a copy is read and written."""
    assert physics.rates(2.0, 0.5, {"n": 100}, {"n": 1000}) == (1e6, 16_000.0)

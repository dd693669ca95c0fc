"""`python -m benchmarks.seeds`: rows that are not run twice, and what it takes to pass."""

import sys

import pytest

from benchmarks import seeds
from tinydiff.train import gan
from tinydiff.train.presets import find


def test_a_row_has_the_figures_of_the_report(monkeypatch):
    monkeypatch.setattr(gan, "SAMPLES", 40)
    tiny = find("gan").changed({"steps": 2, "batch": 12, "hidden": 4})
    row = seeds.train(tiny)
    assert set(row) == {"modes", "inside", "seconds"}
    assert 0 <= row["modes"] <= 8 and 0 <= float(row["inside"]) <= 1 and row["seconds"] >= 0


def test_rows_of_the_same_settings_are_not_run_again(tmp_path):
    path, preset, asked = tmp_path / "a.csv", find("gan"), []

    def run(settings):
        asked.append(settings.seed)
        return {"modes": 8, "inside": 0.9, "seconds": 1.5} if settings.seed < 3 else None

    assert len(seeds.measure(path, 2, preset, run)) == 2
    rows = seeds.measure(path, 3, preset, run)
    assert asked == [0, 1, 2]
    assert [int(row["seed"]) for row in rows] == [0, 1, 2]
    assert all(map(seeds.won, rows))
    assert seeds.measure(path, 4, preset, run) is None, "interrupted"
    assert len(seeds.read(path, preset)) == 3, "what was there is kept"
    assert not seeds.read(path, preset.changed({"lr": 1e-3})), "other settings are other rows"


@pytest.mark.parametrize(
    "modes, inside, lost, status",
    [(8, 0.8, 0, 0), (8, 0.8, 1, 0), (8, 0.8, 2, 1), (7, 0.9, 0, 1), (8, 0.79, 0, 1)],
)
def test_nine_of_ten_seeds_must_win(modes, inside, lost, status, tmp_path, monkeypatch):
    def run(settings):
        return {"modes": modes - (settings.seed < lost), "inside": inside, "seconds": 1.0}

    monkeypatch.setattr(seeds, "RESULTS", tmp_path / "a.csv")
    monkeypatch.setattr(seeds.measure, "__defaults__", (run,))
    monkeypatch.setattr(sys, "argv", ["seeds"])
    assert seeds.main() == status

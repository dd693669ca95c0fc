"""The table of families: its figures on samples that are known, rows that are not run twice."""

import csv
import json
import math

import numpy as np
import pytest

from benchmarks import families, family
from tinydiff.data.points import NOISE
from tinydiff.train.laws import law

SPREAD = math.sqrt((1 - 5.5 * math.exp(-4.5)) / (1 - math.exp(-4.5)))  # 0.974


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(family, "REFERENCE", 1000)


def test_the_figures_of_the_data_itself(rng):
    found = family.figures(law("blobs").sample(1500, rng))
    assert found["modes"] == 8
    assert found["inside"] == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    assert found["rarest"] > 0.1
    assert found["width"] == pytest.approx(SPREAD, abs=0.03)
    assert abs(found["energy"]) < 5


def test_the_figures_of_wrong_samples(rng):
    """Modes that are missing, too narrow, or smeared over the ring; and no numbers at all."""
    draws = law("blobs").sample(1500, rng)
    upper = family.figures(np.abs(draws))
    assert upper["modes"] == 3
    assert upper["energy"] > 100
    centres = law("blobs").means
    near = centres[np.linalg.norm(draws[:, None] - centres, axis=-1).argmin(axis=1)]
    assert family.width(near + 0.5 * (draws - near)) == pytest.approx(0.5, abs=0.02)
    spun = np.exp(2j * np.pi * rng.random(1500)) * (draws @ [1, 1j])
    smeared = family.figures(np.stack([spun.real, spun.imag], axis=1))
    assert smeared["inside"] < 0.4
    assert smeared["energy"] > 1
    none = family.figures(np.full((50, 2), np.nan))
    assert (none["modes"], none["inside"]) == (0, 0)
    assert math.isnan(none["energy"])
    assert math.isnan(none["width"])


@pytest.mark.parametrize(
    "changes, why",
    [({}, ""), ({"modes": 7}, "modes"), ({"loss": math.nan}, "diverged"),
     ({"energy": math.inf}, "diverged"), ({"energy": math.nan, "modes": 0}, "diverged")],
)  # fmt: skip
def test_what_counts_as_failed(changes, why):
    assert family.failure({"loss": 1.0, "energy": 0.1, "modes": 8} | changes) == why


def test_all_families_have_the_same_number_of_parameters():
    counts = [family.parameters(family.learner(name, 0)) for name in family.settings()]
    assert (min(counts), max(counts)) == (35628, 35808)


@pytest.mark.parametrize("name", [*family.settings(), "data"])
def test_a_run_of_no_time_has_all_figures(name, monkeypatch):
    """One step each, as the clock stands at the end of it."""
    clock = iter(range(10**6))
    monkeypatch.setattr(family.time, "process_time", lambda: next(clock) / 10)
    monkeypatch.setattr(family, "SAMPLES", 30)
    monkeypatch.setattr(family, "TIMED", 5)
    rows, samples = family.run(name, 3, 0.5)
    assert [row["family"] for row in rows] == families.names(name) == list(samples)
    for row in rows:
        assert set(row) <= set(families.COLUMNS)
        assert (row["seed"], row["failed"] == "modes") == (3, row["modes"] < 8)
        assert samples[row["family"]].shape == (30, 2)
        if name != "data":
            assert 1 <= row["steps"] < 5
            assert row["ms"] == pytest.approx(1000 * 0.1 / family.REPEATS)


def test_the_rate_falls_with_the_seconds(monkeypatch):
    """From the highest on, after the warm-up, along a half cosine to 0."""
    now = [0.0]
    monkeypatch.setattr(family.time, "process_time", lambda: now[0])
    taught, rates = family.learner("VAE", 0), []

    def update(*batch):
        now[0] += 0.01
        rates.append(taught.lr(1000))
        return 0.25, 0

    taught.update = update
    assert family.train(taught, 1.0) == 0.25
    assert len(rates) in (100, 101)
    assert rates[49] == pytest.approx(0.5 * taught.settings.lr)
    assert rates[0] > 0.999 * taught.settings.lr
    assert rates[-1] < 1e-3 * taught.settings.lr
    assert taught.lr(0) <= rates[-1]


def test_a_loss_that_is_no_number_is_a_row(monkeypatch):
    def broken(taught, seconds):
        taught.model.flat.data[...] = np.nan
        taught.model.flat.changed()
        taught.average.average[...] = np.nan
        return math.nan

    monkeypatch.setattr(family, "train", broken)
    monkeypatch.setattr(family, "SAMPLES", 10)
    for name in ("diffusion", "VAE"):
        rows, _ = family.run(name, 0, 1.0)
        assert {row["failed"] for row in rows} == {"diverged"}
        assert {row["modes"] for row in rows} == {0}


# --- rows


def made(called):
    """A stand-in for `run_elsewhere` that notes what it is asked for."""

    def start(name, seed, seconds, scratch):
        called.append((name, seed))
        return [
            {"family": row, "seed": seed, "modes": 8 - seed, "energy": 0.5 * seed, "loss": 1.0,
             "steps": 10, "parameters": 5, "failed": "modes" if seed else ""}
            for row in families.names(name)
        ]  # fmt: skip

    return start


def test_rows_that_are_there_are_not_run_again(tmp_path, monkeypatch):
    path, called = tmp_path / "families.csv", []
    rows = families.measure(path, 2, 20.0, tmp_path, made(called))
    assert len(called) == 10
    assert len(rows) == 12
    assert families.measure(path, 2, 20.0, tmp_path, made(called)) == rows
    assert families.measure(path, 1, 20.0, tmp_path, made(called)) == rows[:6]
    assert len(called) == 10
    families.measure(path, 3, 20.0, tmp_path, made(called))
    assert [seed for _, seed in called[10:]] == [2] * 5
    called.clear()
    kept = families.read(path)
    families.write(path, [row for row in kept if row["family"] != "diffusion, 20 steps"])
    families.measure(path, 3, 20.0, tmp_path, made(called))
    assert called == [("diffusion", seed) for seed in range(3)], "half a training is run again"
    assert len(families.read(path)) == len(kept)
    called.clear()
    monkeypatch.setattr(families, "REFERENCE", 7)
    families.measure(path, 1, 20.0, tmp_path, made(called))
    assert len(called) == 5, "other settings are other rows"
    families.measure(path, 1, 30.0, tmp_path, made(called))
    assert len(called) == 10, "and other seconds"


def test_the_table_counts_failures(tmp_path):
    found = families.summary(families.measure(tmp_path / "a.csv", 3, 1.0, tmp_path, made([])))
    vae = found["VAE"]
    assert (vae["seeds"], vae["failed"], vae["all 8 modes"], vae["diverged"]) == (3, 2, 1, 0)
    assert vae["modes"] == [7.0, 1.0]
    assert vae["energy"] == pytest.approx([0.5, 0.5])
    assert vae["ms"] is None
    (line,) = (row for row in families.table(found).splitlines() if row.startswith("| VAE"))
    assert "| 7.0 +- 1.0 |" in line
    assert line.endswith("| 2 of 3 |")
    json.dumps(families.results(found, 3, 1.0))


def test_rows_are_readable_as_they_stand(tmp_path):
    families.measure(tmp_path / "a.csv", 1, 1.0, tmp_path, made([]))
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == set(families.COLUMNS)
    assert rows[0]["seconds"] == "1"


def test_the_picture_has_a_panel_for_each_family(tmp_path, rng):
    names = [row for name in family.settings() for row in families.names(name)]
    for name in [*names, "data"]:
        np.save(tmp_path / f"{name}.npy", rng.standard_normal((20, 2)) * NOISE)
    fig = families.picture(tmp_path, dict.fromkeys([*names, "data"]))
    assert [ax.get_title() for ax in fig.axes] == names

"""The bound of a run on held-out data: in groups, by the command, with a learned variance."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_cases import trainer

import tinydiff as td
from tinydiff import cli
from tinydiff.data import load
from tinydiff.diffusion import bound
from tinydiff.train import held_out
from tinydiff.train.build import open_run, sampling
from tinydiff.train.held_out import measure


def run(folder, **changes):
    """The folder of a run of two steps."""
    found = trainer(**changes)
    for _ in range(2):
        found.update(*found.batch())
    found.save(folder / "checkpoint.npz")
    return folder


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("fixed"))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    return run(tmp_path_factory.mktemp("learned"), variance="learned")


def test_the_terms_are_those_of_the_bound(fixed):
    """One group: what `bound.terms` says of these rows, with the noise that belongs to them."""
    found = measure(fixed, 9, seed=3, variance="beta")
    config, model, process = open_run(fixed)
    rng = np.random.default_rng(3)
    data = load("digits", "test")
    rows = np.sort(rng.permutation(len(data))[:9])
    [noise] = rng.spawn(1)
    expected = bound.terms(
        model, process, data.x[rows], noise=noise, variance="beta", predicts=config.predicts,
        decoder="discretized", levels=17,
    )  # fmt: skip
    np.testing.assert_array_equal(found.L, expected.L)
    np.testing.assert_array_equal(found.total, expected.total)


def test_neither_threads_nor_groups_lose_a_row(fixed, monkeypatch):
    monkeypatch.setattr(held_out, "GROUP", 4)
    one, two = (measure(fixed, 10, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.L, two.L)
    assert one.L.shape == (10, 21)
    assert np.isfinite(one.L).all()


def test_no_row_is_left_alone_with_the_optimal_variance(fixed, monkeypatch):
    """5 rows in groups of at most 4: a group of 1 could not estimate its variance from others."""
    monkeypatch.setattr(held_out, "GROUP", 4)
    assert np.isfinite(measure(fixed, 5, variance="optimal").total).all()


def test_a_few_times_for_each_row_estimate_the_same_bound(fixed):
    """Every row sees 5 of 20 t; the mean over many draws is the whole bound, within its error."""
    full = measure(fixed, 40)
    few = [measure(fixed, 40, times=5, seed=seed) for seed in range(20)]
    assert all(np.isfinite(b.L[:, 1:]).sum(axis=1).max() <= 5 for b in few)
    # other rows are drawn by each seed, so that the rows' own spread is in the error as well
    error = np.hypot(full.stderr, np.sqrt(np.mean([b.stderr**2 for b in few]) / len(few)))
    assert abs(np.mean([b.total.mean() for b in few]) - full.total.mean()) < 4 * error


@given(st.integers(1, 1000), st.data())
def test_the_strata_of_t_begin_with_single_ones_and_widen(T, given):
    k = given.draw(st.integers(1, T))
    edges = held_out.strata(T, k)
    assert (len(edges), edges[0], edges[-1]) == (k + 1, 1, T + 1)
    width = np.diff(edges)
    assert (width >= 1).all()
    assert (np.diff(width) >= -1).all(), "but for rounding"
    if k == T:
        assert (width == 1).all()


def test_a_draw_stands_for_its_stratum(rng):
    """t = 1, 2-3, 4-6, 7-11, 12-20: the wider a stratum, the more its draw weighs."""
    assert held_out.strata(20, 5) == [1, 2, 4, 7, 12, 21]
    t, weight = held_out.draws(20, 5, 1000, rng)
    for k, (first, end) in enumerate([(1, 2), (2, 4), (4, 7), (7, 12), (12, 21)]):
        part = slice(1000 * k, 1000 * (k + 1))
        assert set(t[part]) == set(range(first, end))
        assert (weight[part] == 5 * (end - first) / 20).all()


def test_the_first_terms_are_seen_by_every_row(fixed):
    """L_0 and L_1 are most of the bound: ten t for each row, of 20, cost little accuracy."""
    few, full = measure(fixed, 40, times=10), measure(fixed, 40)
    assert np.isfinite(few.L[:, 1]).all()
    assert few.stderr < 1.4 * full.stderr, "drawn evenly over t, it is 1.7 times as large"


def test_a_learned_variance_is_trained_bounded_and_sampled(learned):
    config, model, process = open_run(learned)
    x = load("digits", "test", limit=3).x
    assert model(x, 5).shape == (3, 8, 8, 2)
    found = measure(learned, 6)
    assert np.isfinite(found.total).all()
    for sampler in ("ddpm", "ddim"):
        settings = config.changed({"sampler": sampler})
        steps = sampling(settings, model, process, 2, (8, 8, 1), np.random.default_rng(0))
        x = td.diffusion.samplers.last(steps)
        assert x.shape == (2, 8, 8, 1)


def test_the_learned_half_learns(learned):
    """The hybrid loss reaches the weights of the last layer that give the variance."""
    trained, fresh = trainer(variance="learned"), trainer(variance="learned")
    trained.update(*trained.batch())
    half = trained.model.last.b.shape[0] // 2
    assert (trained.model.last.b.data[half:] != fresh.model.last.b.data[half:]).any()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n": 0}, "n must be 1 to 359, the held-out rows of digits, got 0"),
        ({"n": 360}, "n must be 1 to 359, the held-out rows of digits, got 360"),
        ({"times": 0}, "times must be 1 to 20, the steps of the run, got 0"),
        ({"times": 21}, "times must be 1 to 20, the steps of the run, got 21"),
        ({"variance": "learned"}, "did not learn a variance: use posterior, beta or optimal"),
        ({"variance": "optimal", "n": 1}, "n must be at least 2"),
        ({"variance": "optimal", "times": 3}, "leave --times out"),
    ],
)
def test_what_cannot_be_measured_is_refused(fixed, options, message):
    with pytest.raises(td.ConfigError, match=message):
        measure(fixed, **options)


def test_a_fixed_variance_does_not_fit_a_model_that_gives_its_own(learned):
    with pytest.raises(td.ConfigError, match="this run learned its variance: leave"):
        measure(learned, 3, variance="beta")


def test_the_command_prints_the_table_and_json(fixed, capsys):
    assert cli.main(["bound", str(fixed), "--n", "4", "--seed", "1"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["term", "t", "nats", "stderr", "bits/dim"]
    assert cli.main(["bound", str(fixed), "--n", "4", "--seed", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["rows"] == 4
    *terms, total = found["terms"]
    assert sum(row["nats"] for row in terms) == pytest.approx(total["nats"], rel=1e-12)
    assert total["nats"] == pytest.approx(found["total"]["nats"], rel=1e-12)
    assert float(table[-1].split()[2]) == pytest.approx(total["nats"], abs=1e-6)
    assert total["nats"] == measure(fixed, 4, seed=1).total.mean()


def test_a_single_row_has_no_standard_error(fixed, capsys):
    """And says so in a way that JSON can be read by."""
    assert cli.main(["bound", str(fixed), "--n", "1"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {row[3] for row in rows} == {"-"}
    assert cli.main(["bound", str(fixed), "--n", "1", "--json"]) == 0
    said = capsys.readouterr().out
    assert "NaN" not in said
    found = json.loads(said)
    assert found["total"]["stderr"] is None
    assert {row["stderr"] for row in found["terms"]} == {None}


def test_the_command_answers_misuse(fixed, tmp_path, capsys):
    assert cli.main(["bound", str(tmp_path / "none")]) == 1
    assert "there is no checkpoint" in capsys.readouterr().err
    assert cli.main(["bound", str(fixed), "--seed", "-1"]) == 2
    assert "--seed must be at least 0" in capsys.readouterr().err

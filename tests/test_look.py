"""Looks at a model in training: what they write, and that they leave no trace in it."""

import numpy as np
import pytest
from train_cases import assert_equal, config, state

import tinydiff as td
from tinydiff.data import load
from tinydiff.diffusion import bound
from tinydiff.train import checkpoint, metrics
from tinydiff.train.look import look, note, read
from tinydiff.train.loop import train
from tinydiff.train.trainer import Trainer


def trainer(**changes):
    looks = {"look_every": 2, "look_rows": 20, "look_times": 5, "ema": 0.5}
    return Trainer(
        config(**looks | changes), load("digits", limit=50), load("digits", "test", limit=60)
    )


def test_a_look_leaves_no_trace(tmp_path):
    """With and without looks, training is the same, dropout and generator included."""
    for folder in ("with", "without"):
        (tmp_path / folder).mkdir()
    curves = {"model": "transformer", "data": "gmm", "net": {}, "schedule": "lab", "T": 20}
    tiny = {"d": 8, "heads": 2, "blocks": 1, "dropout": 0.3}
    for changes in ({}, curves):

        def made(look_every, changes=changes):
            settings = config(look_every=look_every, look_rows=5, look_times=2, **changes)
            if changes:
                settings = type(settings)(**vars(settings) | {"net": tiny})
            data = settings.data
            return Trainer(settings, load(data, limit=40), load(data, "test", limit=20))

        seeing, blind = made(2), made(0)
        assert train(seeing, tmp_path / "with")
        assert train(blind, tmp_path / "without")
        assert_equal(state(seeing), state(blind))
        assert seeing.model.training


def test_what_a_look_writes(tmp_path):
    found = trainer()
    train(found, tmp_path)
    rows = read(tmp_path / "validation.csv")
    assert [row[0] for row in rows] == [2, 4, 6]
    assert sorted(p.name for p in (tmp_path / "early").iterdir()) == [
        "000002.png", "000004.png", "000006.png",
    ]  # fmt: skip
    again = look(found, tmp_path)  # same weights, same rows, times and noise
    figures = again.total.mean(), again.stderr, again.bits_per_dim
    np.testing.assert_allclose(rows[-1][1:], figures, rtol=1e-5)
    assert len(read(tmp_path / "validation.csv")) == 3, "step 6 has one row"


def test_the_bound_is_that_of_the_averaged_weights(tmp_path):
    """Against bound.terms at every t, within 4 standard errors of what was drawn."""
    found = trainer(look_rows=60, look_times=40)
    train(found, tmp_path)
    seen = look(found, tmp_path)
    with found.average.applied():
        x0 = found.held_out.x
        exact = bound.terms(
            found.model, found.process, x0, noise=np.random.default_rng(3), predicts="v",
            decoder="discretized", levels=17,
        )  # fmt: skip
    last = bound.terms(
        found.model, found.process, x0, noise=np.random.default_rng(3), predicts="v",
        decoder="discretized", levels=17,
    )  # fmt: skip
    error = np.hypot(seen.stderr, exact.stderr)
    assert abs(seen.total.mean() - exact.total.mean()) < 4 * error
    assert last.total.mean() != exact.total.mean(), "the average is not the last step"


def test_a_run_that_goes_on_replaces_later_looks(tmp_path):
    straight, first, second = trainer(), trainer(), trainer()
    (tmp_path / "a").mkdir()
    train(straight, tmp_path / "a")
    train(first, tmp_path, stop=stopped_after(3))
    second.load(checkpoint.load(tmp_path / "checkpoint.npz"))
    train(second, tmp_path)
    assert read(tmp_path / "a" / "validation.csv") == read(tmp_path / "validation.csv")
    found = bound.Bound(np.ones(2), np.ones((2, 3)), 4, None)
    note(tmp_path / "validation.csv", 4, found)
    assert [row[0] for row in read(tmp_path / "validation.csv")] == [2, 4]


def stopped_after(k):
    asked = iter(range(99))
    return lambda: next(asked) >= k


def test_looks_of_another_training_are_forgotten(tmp_path):
    """A training that ended before its first checkpoint leaves rows and pictures."""
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "000001.png").touch()
    (tmp_path / "early" / "mine.png").touch()
    older = bound.Bound(np.ones(2), np.ones((2, 3)), 4, None)
    note(tmp_path / "validation.csv", 1, older)
    assert not train(trainer(), tmp_path, stop=stopped_after(3))
    assert [row[0] for row in read(tmp_path / "validation.csv")] == [2]
    assert {p.name for p in (tmp_path / "early").iterdir()} == {"000002.png", "mine.png"}
    note(tmp_path / "validation.csv", 9, older)
    (tmp_path / "early" / "000009.png").touch()
    second = trainer(look_every=0)
    second.load(checkpoint.load(tmp_path / "checkpoint.npz"))
    train(second, tmp_path)
    assert [row[0] for row in read(tmp_path / "validation.csv")] == [2]
    assert {p.name for p in (tmp_path / "early").iterdir()} == {"000002.png", "mine.png"}


def test_a_damaged_validation_csv_is_refused_before_training_goes_on(tmp_path):
    assert not train(trainer(), tmp_path, stop=stopped_after(3))
    with open(tmp_path / "validation.csv", "a") as file:
        file.write("4,high,1,1\n")
    before = (tmp_path / "validation.csv").read_text()
    second = trainer()
    second.load(checkpoint.load(tmp_path / "checkpoint.npz"))
    with pytest.raises(td.Error, match=r"validation.csv is damaged: line 3 is not 4 numbers, but"):
        train(second, tmp_path)
    assert (second.step, (tmp_path / "validation.csv").read_text()) == (3, before)
    train(trainer(steps=0), tmp_path)  # a new one has no use for it
    assert not (tmp_path / "validation.csv").exists()


def test_one_row_has_no_standard_error_and_is_read_again(tmp_path):
    train(trainer(look_rows=1), tmp_path)
    assert np.isnan([row[2] for row in read(tmp_path / "validation.csv")]).all()


def test_a_training_that_diverges_says_so_before_a_look_does(tmp_path):
    """The loss of step 4 is NaN, and so would be the bound after it; rows until then are kept."""
    found = trainer(look_every=1, log_every=100, ema=0.0)
    train(found, tmp_path, stop=stopped_after(3))
    found.model.flat.data[...] = np.nan
    with pytest.raises(td.Error, match=r"diverged: at step 4 the loss is nan"):
        train(found, tmp_path)
    assert [row["step"] for row in metrics.read(tmp_path / "metrics.csv")] == [1, 2, 3]
    assert checkpoint.load(tmp_path / "checkpoint.npz")["step"] == 3


def test_a_step_that_breaks_the_weights_is_called_divergence(tmp_path):
    """The loss before it was finite: the look is the first to see what came of it."""
    with np.errstate(all="ignore"), pytest.raises(td.Error, match=r"diverged: after step 1 .*NaN"):
        train(trainer(look_every=1, ema=0.0, warmup=0, lr=1e30), tmp_path)
    assert [row["step"] for row in metrics.read(tmp_path / "metrics.csv")] == [1]


def test_no_looks_no_files(tmp_path):
    train(trainer(look_every=0), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"metrics.csv", "checkpoint.npz"}


@pytest.mark.parametrize("name", ["look_every", "look_rows", "look_times"])
def test_impossible_looks_are_refused(name):
    with pytest.raises(td.ConfigError, match=f"{name} must be at least"):
        config(**{name: -1})

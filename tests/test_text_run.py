"""`tinydiff train text`: it trains both, stops and goes on, reports, draws and prints."""

import json
import math

import numpy as np
import pytest
from double import forbid
from train_cases import assert_equal, state

import tinydiff as td
from tinydiff import cli
from tinydiff.backend.errors import ConfigError
from tinydiff.data import load
from tinydiff.data.text import ALPHABET, encode
from tinydiff.train import checkpoint, text
from tinydiff.train.loop import train
from tinydiff.train.metrics import columns
from tinydiff.train.presets import find
from tinydiff.train.settings import from_dict

TINY = text.Text(
    "tiny", steps=4, batch=12, log_every=2, save_every=3, warmup=1, channels=2, width=8, heads=2,
    blocks=1, T=20, sample_steps=4,
)  # fmt: skip


@pytest.fixture(autouse=True)
def short_reports(monkeypatch):
    for name, value in (("DRAWS", 2), ("SAMPLES", 6), ("PRINTED", 3), ("TIMES", 6)):
        monkeypatch.setattr(text, name, value)


def learner(settings=TINY, threads=1):
    return text.TextLearner(settings, load("text", limit=30), threads)


def test_a_run_reports_draws_and_prints(tmp_path, capsys):
    toml = tmp_path / "tiny.toml"
    changes = {k: v for k, v in TINY.to_dict().items() if k not in ("kind", "name", "about")}
    toml.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in changes.items()))
    folder = tmp_path / "run"
    line = ["train", "text", "--config", str(toml), "--out", str(folder), "--threads", "2"]
    assert cli.main(line) == 1, "the bars are for the whole preset"
    names = {"config.json", "metrics.csv", "checkpoint.npz", "loss.png", "report.json"}
    own = {"rounding.png", "rounding.csv", "samples.txt"}
    assert {f.name for f in folder.iterdir()} == names | own
    saved = json.loads((folder / "report.json").read_text())
    assert all(np.isfinite(row["value"]) for row in saved["figures"])
    config = from_dict(json.loads((folder / "config.json").read_text())["config"])
    assert config == TINY.changed({"name": "text", "about": config.about})
    samples = (folder / "samples.txt").read_text()
    assert samples in capsys.readouterr().out
    assert [len(line) for line in samples.splitlines() if line.startswith("  ")] == [66] * 9
    assert len((folder / "rounding.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize("threads", [1, 2])
def test_stopping_changes_nothing(threads, tmp_path):
    """In the middle of all steps, at one where no checkpoint was due."""
    for name in "ab":
        (tmp_path / name).mkdir()
    straight, first, second = (learner(threads=threads) for _ in range(3))
    assert train(straight, tmp_path / "a")
    asked = iter(range(9))
    assert not train(first, tmp_path / "b", stop=lambda: next(asked) >= 2)
    second.load(checkpoint.load(tmp_path / "b" / "checkpoint.npz"))
    assert second.step == 2
    assert train(second, tmp_path / "b")
    assert_equal(state(straight), state(second))
    one, other = (columns(tmp_path / name / "metrics.csv") for name in "ab")
    for name in ("step", "epoch", "loss", "lr", "grad_norm"):
        np.testing.assert_array_equal(one[name], other[name])
    for trained in (straight, first, second):
        trained.close()


def test_a_step_moves_nothing_and_waits_for_nothing():
    """Only the rows of data, the times and their coefficients go up, once a step each."""
    before = td.get_device()
    td.set_device("double")
    try:
        trained = learner()
        for _ in range(2):
            with forbid("d2h", "sync") as counts:
                batch = trained.batch()
            assert counts == {"h2d": 3}
            with forbid("h2d", "d2h", "sync"):
                loss, norm = trained.update(*batch)
        assert np.isfinite([loss.item(), norm.item()]).all()
    finally:
        td.set_device(before)


def test_both_descend_on_a_fixed_batch():
    trained = learner(TINY.changed({"steps": 100, "lr": 0.01}))
    seen, twin = [], trained.twin.step
    trained.twin.step = lambda *batch: seen.append(float(twin(*batch)[0]))
    batch = trained.batch()
    losses = [float(trained.update(*batch)[0]) for _ in range(60)]
    for values in (losses, seen):
        assert np.mean(values[-5:]) < np.mean(values[:5]) - 0.3


def test_times_are_2_to_T():
    """At t = 1 there is no divergence, but the rounding."""
    trained = learner(TINY.changed({"T": 4, "sample_steps": 4}))
    drawn = np.concatenate([trained.batch()[1] for _ in range(40)])
    assert set(drawn.tolist()) == {2, 3, 4}


def test_the_unigram_is_that_of_the_counts():
    ids = np.array([[0, 1, 1], [1, 3, 0]])
    np.testing.assert_allclose(np.exp(text.unigram(ids, 4)), np.array([3, 4, 1, 2]) / 10)
    train_rows, test = load("text").x, load("text", "test").x
    log_p = text.unigram(train_rows, 50)
    assert np.exp(log_p).sum() == pytest.approx(1)
    counts = {c: int((train_rows == k).sum()) for k, c in enumerate(ALPHABET)}
    by_hand = [math.log((counts[ALPHABET[k]] + 1) / (train_rows.size + 50)) for k in test[:40].flat]
    np.testing.assert_allclose(log_p[test[:40]].ravel(), by_hand)


def test_what_is_read_of_samples():
    rows = np.stack([encode("abc the end, of\nit all"), encode(" xyz 12ab34 the end.  ")])
    assert text.words(rows, ALPHABET) == ["the", "end", "xyz", "the", "end"]
    data = load("text")
    assert text.known(rows[:1], data) == 1
    assert text.known(rows, data) == 0.8, "there is no xyz"
    assert text.known(encode("a b")[None], data) == 0
    assert text.known(data.x, data) == 1
    found = text.printed("who", np.concatenate([rows] * 2), ALPHABET)
    assert found.splitlines() == [
        "who, the first 3, unselected",
        "  abc the end, of|it all",
        "   xyz 12ab34 the end.  ",
        "  abc the end, of|it all",
    ]


def test_rounding_falls_with_the_noise(rng):
    trained = learner(TINY.changed({"T": 200, "channels": 16}))
    model, ids = trained.diffusion.model, trained.data.x
    times, shares = text.rounded(model, trained.process, ids, rng)
    assert times.tolist() == [1, 41, 81, 120, 160, 200]
    assert shares.shape == (2, 6)
    assert (shares[:, 0] > 0.99).all()
    assert (np.diff(shares[:, 1:5]) < 0).all()
    np.testing.assert_allclose(shares[0], shares[1], atol=0.05, err_msg="a fresh network adds none")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"width": 10, "heads": 4}, "width must be even and a multiple of heads = 4, got 10"),
        ({"width": 9, "heads": 3}, "width must be even"),
        ({"sample_steps": 21}, "sample_steps = 21 visits more times than there are: T = 20"),
        ({"T": 1}, "T must be at least 2"),
        ({"ema": 1.0}, r"ema must lie in \[0, 1\)"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        TINY.changed(changes)


def test_what_is_no_text_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="data = 'moons' is no text: its rows have no alphabet"):
        TINY.changed({"data": "moons"}).run(tmp_path)


def test_the_two_are_of_one_size():
    trained = text.TextLearner(find("text"), load("text", limit=1))
    one, other = (part.model.flat.data.size for part in (trained.diffusion, trained.twin))
    assert 0.9 < other / one < 1.1


@pytest.mark.slow
def test_the_preset_meets_its_bars(tmp_path, monkeypatch):
    monkeypatch.undo()
    report = find("text").run(tmp_path, threads=2)
    assert any(figure.ok for figure in report)
    assert all(figure.ok is not False for figure in report), report

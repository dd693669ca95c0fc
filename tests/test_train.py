"""Training: settings, one step, many steps, stopping and going on."""

import os
import signal

import numpy as np
import pytest
from double import forbid
from train_cases import assert_equal, config, state, trainer

import tinydiff as td
from tinydiff.diffusion import bound
from tinydiff.train import checkpoint
from tinydiff.train.build import build, open_run, sampling
from tinydiff.train.config import Config
from tinydiff.train.loop import interruptible, train
from tinydiff.train.metrics import COLUMNS, columns, read
from tinydiff.train.presets import PRESETS, find
from tinydiff.train.settings import read_toml

# --- settings


def test_the_presets_build(rng):
    for name, found in PRESETS.items():
        assert found == find(name=name)
        assert found.name == name
        if isinstance(found, Config):
            build(found, rng)
    assert "digits" in PRESETS


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"colour": 1, "lr": 1.0}, "unknown setting 'colour'; valid are name, about, .*seed.*data"),
        ({"lr": "fast"}, "lr must be of type float, got 'fast'"),
        ({"steps": True}, "steps must be of type int, got True"),
        ({"steps": 1.5}, "steps must be of type int, got 1.5"),
        ({"net": 3}, "net must be of type dict"),
        ({"steps": -1}, "steps must be at least 0, got -1"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr": float("nan")}, "lr must be a finite number, got nan"),
        ({"lr": float("inf")}, "lr must be a finite number, got inf"),
        ({"lr": 10**400}, "lr must be a finite number, got inf"),
        ({"guidance": float("-inf")}, "guidance must be a finite number, got -inf"),
        ({"grad_clip": float("inf")}, "grad_clip must be a finite number, got inf"),
        ({"ema": 1.0}, r"ema must lie in \[0, 1\)"),
        ({"schedule": "linaer"}, "'linaer' is unknown; choose linear, cosine, sigmoid"),
        ({"sample_steps": 21}, "sample_steps = 21 visits more times than there are: T = 20"),
    ],
)
def test_an_impossible_setting_is_refused(changes, message):
    with pytest.raises(td.ConfigError, match=message):
        config(**changes)


def test_an_unknown_name_is_answered_with_the_known_ones(rng):
    said = r"unknown preset 'digitz': did you mean digits\? There are .*digits"
    with pytest.raises(td.ConfigError, match=said):
        find(name="digitz")
    with pytest.raises(
        td.ConfigError, match=r"unknown argument 'depth' in net; the unet takes .*widths"
    ):
        build(config(net={"depth": 3}), rng)
    with pytest.raises(td.ConfigError, match=r"does not describe a unet: Unable to allocate"):
        build(config(net={"classes": 10**13}), rng)
    with pytest.raises(td.ConfigError, match=r"does not describe a unet: .*groups"):
        build(config(net={"widths": [9, 9]}), rng)


def test_settings_come_from_a_file(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("lr = 1\nsteps = 3\n[net]\nwidths = [4, 8]\n")
    found = config(**read_toml(file))
    assert (found.lr, found.steps) == (1.0, 3)
    assert found.net == config().net | {"widths": (4, 8)}, "a table is merged into the preset's"
    file.write_text("lr = ")
    with pytest.raises(td.ConfigError, match=r"cannot read the configuration .*a.toml"):
        read_toml(file)
    with pytest.raises(td.ConfigError, match=r"No such file"):
        read_toml(tmp_path / "b.toml")


# --- one step


def test_every_epoch_sees_every_row_once():
    """50 rows in batches of 16: the third batch takes the last 2 rows of the first epoch."""
    found = trainer()
    seen = np.concatenate([found.rows(step) for step in range(25)])
    epochs = seen[: 8 * 50].reshape(8, 50)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(50), (8, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 8, "in an order of its own"
    np.testing.assert_array_equal(found.rows(7), trainer().rows(7))
    assert not np.array_equal(found.rows(7), trainer(seed=1).rows(7))


def test_a_step_descends_the_loss_of_its_batch():
    """Loss and gradient are those of bound.loss, for t and noise drawn from the same generator."""
    found, again = trainer(), trainer()
    x0, t, rows = found.batch()
    loss, norm = found.update(x0, t, rows)
    again.batch()  # the generator moves on alike
    eps = again.rng.standard_normal(x0.shape, dtype=np.float32)
    expected = bound.loss(again.model, again.process, x0, t, eps, "simple", "v")
    expected.backward()
    gradients = [p.grad.ravel() for p in again.model.parameters()]
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    assert norm == pytest.approx(np.linalg.norm(np.concatenate(gradients)), rel=1e-5)
    np.testing.assert_array_equal(x0, found.x[found.rows(0)])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_moves_nothing_and_waits_for_nothing(threads, monkeypatch):
    """Only the batch goes up: the rows of data, t, and the coefficients of t in one table."""
    before = td.get_device()
    td.set_device("double")
    try:
        found = trainer(threads)
        for _ in range(2):
            with forbid("d2h", "sync") as counts:
                batch = found.batch()
            assert counts == {"h2d": 3}
            with forbid("h2d", "d2h", "sync"):
                loss, norm = found.update(*batch)
        assert np.isfinite([loss.item(), norm.item()]).all()
    finally:
        td.set_device(before)


def test_the_learning_rate_follows_the_schedule(tmp_path):
    found = trainer(steps=5, warmup=2)
    train(found, tmp_path)
    expected = [td.optim.cosine(1e-2, 5, 2)(step) for step in range(5)]
    np.testing.assert_allclose(columns(tmp_path / "metrics.csv")["lr"], expected, rtol=1e-8)


# --- many steps


def test_training_lowers_the_loss(tmp_path):
    assert train(trainer(steps=150, batch=32), tmp_path)
    loss = columns(tmp_path / "metrics.csv")["loss"]
    assert loss[-20:].mean() < 0.75 * loss[:5].mean()


def test_the_metrics_have_a_row_for_each_step(tmp_path):
    shown = []
    train(trainer(), tmp_path, show=lambda *args: shown.append(args))
    rows = read(tmp_path / "metrics.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([row["epoch"] for row in rows], np.arange(6) * 16 / 50)
    assert (np.diff([row["seconds"] for row in rows]) > 0).all()
    assert [args[:3] for args in shown] == [("training", k, 6) for k in (2, 4, 6)]
    assert shown[-1][3]["loss"] == pytest.approx(rows[-1]["loss"], rel=1e-8)


def test_the_loss_is_fetched_every_few_steps(tmp_path):
    """6 steps, a look every 2: three looks, each a download of losses and one of norms."""
    before = td.get_device()
    td.set_device("double")
    try:
        found = trainer(save_every=100)
        found.save = lambda path: None
        with forbid() as counts:
            train(found, tmp_path)
        assert (counts["d2h"], counts["h2d"]) == (6, 18)
    finally:
        td.set_device(before)


def test_no_steps_leave_a_checkpoint(tmp_path):
    assert train(trainer(steps=0), tmp_path)
    assert checkpoint.load(tmp_path / "checkpoint.npz")["step"] == 0
    assert read(tmp_path / "metrics.csv") == []


# --- stopping and going on


def stopped_after(k):
    """A stop function for `train`: True once it has been asked k times, so after k steps."""
    asked = iter(range(100))
    return lambda: next(asked) >= k


def outcome(found, folder):
    """What must be equal: the checkpoint, the metrics but for the clock, the samples drawn then."""
    run = open_run(folder)
    samples = list(sampling(*run, 2, (8, 8, 1), np.random.default_rng(5)))[-1][1]
    rows = columns(folder / "metrics.csv")
    rows.pop("seconds")
    saved = checkpoint.load(folder / "checkpoint.npz")
    parts = {f"{part}/{k}": v for part, s in saved["states"].items() for k, v in s.items()}
    return parts | rows | {"samples": samples} | state(found)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stop", [0, 1, 3, 4, 5])
def test_stopping_changes_nothing(stop, threads, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    straight = trainer(threads)
    assert train(straight, tmp_path / "a")
    first = trainer(threads)
    assert not train(first, tmp_path / "b", stop=stopped_after(stop))
    second = trainer(threads)
    second.load(checkpoint.load(tmp_path / "b" / "checkpoint.npz"))
    assert second.step == stop
    assert train(second, tmp_path / "b")
    assert_equal(outcome(straight, tmp_path / "a"), outcome(second, tmp_path / "b"))
    for _ in range(3):
        one, other = straight.update(*straight.batch()), second.update(*second.batch())
        assert one == other


def test_going_on_after_a_crash(tmp_path):
    """The last checkpoint is of step 4, the metrics ran on to 5 and a torn row: back to 4."""
    (tmp_path / "a").mkdir()
    straight = trainer()
    train(straight, tmp_path / "a")
    crashed = trainer(log_every=1)
    with pytest.raises(ZeroDivisionError):
        train(crashed, tmp_path, show=lambda phase, step, *_: 1 / (5 - step))
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write("6,0.3")
    assert read(tmp_path / "metrics.csv")[-1]["step"] == 5
    second = trainer()
    second.load(checkpoint.load(tmp_path / "checkpoint.npz"))
    assert second.step == 4
    train(second, tmp_path)
    rows, expected = (columns(f / "metrics.csv") for f in (tmp_path, tmp_path / "a"))
    for name in ("step", "loss", "grad_norm"):
        np.testing.assert_array_equal(rows[name], expected[name])
    assert (np.diff(rows["seconds"]) > 0).all(), "the clock goes on from step 4"


def test_divergence_is_said_and_the_checkpoint_kept(tmp_path):
    found = trainer(steps=8)
    train(found, tmp_path, stop=stopped_after(4))
    found.model.flat.data[0] = np.nan
    with pytest.raises(td.Error, match=r"diverged: at step 5 the loss is nan.*smaller lr"):
        train(found, tmp_path)
    saved = checkpoint.load(tmp_path / "checkpoint.npz")
    assert saved["step"] == 4
    assert all(np.isfinite(a).all() for a in saved["states"]["model"].values())
    assert read(tmp_path / "metrics.csv")[-1]["step"] == 4


def test_ctrl_c_stops_after_the_step(tmp_path):
    """The signal comes in the middle of a step; that step is finished, and saved."""
    found, outside = trainer(), signal.getsignal(signal.SIGINT)
    before = signal.default_int_handler  # a shell lets what it runs behind ignore the signal
    signal.signal(signal.SIGINT, before)
    update = found.update

    def interrupted(*batch):
        if found.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return update(*batch)

    found.update = interrupted
    with interruptible() as stop:
        assert not train(found, tmp_path, stop=stop)
        with pytest.raises(KeyboardInterrupt):  # the second one interrupts at once
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
    assert checkpoint.load(tmp_path / "checkpoint.npz")["step"] == 3
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, outside)


def test_the_seed_decides(tmp_path):
    one, again, other = trainer(), trainer(), trainer(seed=1)
    for found in (one, again, other):
        found.update(*found.batch())
    assert_equal(state(one), state(again))
    assert not np.array_equal(one.model.flat.data, other.model.flat.data)


def test_weights_that_are_nan_are_not_saved_over_others(tmp_path):
    found = trainer()
    train(found, tmp_path, stop=stopped_after(4))
    found.model.flat.data[0] = np.nan
    with pytest.raises(td.Error, match=r"diverged: after step 4 model/.* holds NaN. Try a smaller"):
        found.save(tmp_path / "checkpoint.npz")
    assert checkpoint.load(tmp_path / "checkpoint.npz")["step"] == 4

"""Checkpoints: everything comes back bit by bit; a damaged or foreign file is refused."""

import json
import os

import numpy as np
import pytest
from train_cases import assert_equal, state, trainer

import tinydiff as td
from tinydiff.train import checkpoint
from tinydiff.train.build import open_run, sampling, settings_of


@pytest.fixture
def trained(tmp_path):
    """A Trainer after three steps, and its checkpoint."""
    found = trainer()
    for _ in range(3):
        found.update(*found.batch())
    found.save(tmp_path / "checkpoint.npz")
    return found, tmp_path / "checkpoint.npz"


def test_everything_comes_back(trained):
    before, path = trained
    after = trainer()
    after.update(*after.batch())  # somewhere else
    after.load(checkpoint.load(path))
    assert_equal(state(before), state(after))
    for one, other in zip(before.update(*before.batch()), after.update(*after.batch())):
        assert one == other
    assert_equal(state(before), state(after))


def test_the_layout_is_the_promised_one(trained):
    before, path = trained
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    assert {name.split("/")[0] for name in arrays} == {
        *("version", "config", "step", "rng", "model", "ema", "optim")
    }
    assert arrays["step"] == 3
    assert json.loads(str(arrays["config"]))["lr"] == before.settings.lr
    assert json.loads(str(arrays["rng"])) == before.rng.bit_generator.state
    weights = before.model.named_parameters()
    assert {f"model/{name}" for name in weights} <= set(arrays)
    assert all(a.dtype.kind in "fiU" for a in arrays.values()), "nothing that needs pickle"


def test_the_config_survives_json(trained):
    before, path = trained
    assert settings_of(checkpoint.load(path)) == before.settings


def test_a_run_opens_with_the_averaged_weights(trained):
    before, path = trained
    config, model, process = open_run(path.parent)
    assert config == before.settings
    np.testing.assert_array_equal(model.flat.data, before.average.average)
    assert not np.array_equal(model.flat.data, before.model.flat.data)
    times = [t for t, _ in sampling(config, model, process, 2, (8, 8, 1), np.random.default_rng(0))]
    assert len(times) == config.sample_steps
    assert times[-1] == 0


def test_a_failed_write_harms_nothing(trained, monkeypatch):
    """The disk is full half way: the old file is whole, and nothing else is left."""
    before, path = trained
    old, files = path.read_bytes(), sorted(path.parent.iterdir())
    before.update(*before.batch())

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(td.CheckpointError, match=r"checkpoint.npz: No space left.*unharmed"):
        before.save(path)
    assert path.read_bytes() == old
    assert sorted(path.parent.iterdir()) == files


def test_the_new_file_replaces_the_old_one_whole(trained, monkeypatch):
    """Until the rename, the old checkpoint stands under its name."""
    before, path = trained
    seen, replace = [], os.replace

    def watched(source, target):
        seen.append(checkpoint.load(target)["step"])
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    before.update(*before.batch())
    before.save(path)
    assert seen == [3]
    assert checkpoint.load(path)["step"] == 4


def rewritten(path, **changes):
    """The checkpoint with some entries changed, or left out where the value is None."""
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"version": 99}, "version 99, this tinydiff reads version 1"),
        ({"version": None}, "version 0"),
        ({"rng": None}, "damaged"),
        ({"rng": "{}"}, "damaged"),
        ({"rng": "no json"}, "damaged"),
        ({"step": None}, "damaged"),
        ({"config": None}, "damaged"),
        ({"config": np.array([{}], dtype=object)}, "damaged"),
        ({"version": "x"}, "damaged"),
        ({"version": [1, 1]}, "damaged"),
        ({"config": "[1]"}, r"damaged: config is not an object, but \[1\]"),
        ({"step": -5}, "damaged: step -5 is no number of steps"),
        ({"step": 2.5}, "damaged: step 2.5 is no number of steps"),
        ({"ema/average": np.float32([1, np.nan])}, "damaged: ema/average holds NaN"),
    ],
)
def test_a_foreign_file_is_refused(trained, changes, message):
    _, path = trained
    rewritten(path, **changes)
    with pytest.raises(td.CheckpointError, match=message):
        checkpoint.load(path)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.999])
def test_a_cut_file_is_refused(trained, keep):
    _, path = trained
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(td.CheckpointError, match=r"damaged"):
        checkpoint.load(path)


def test_a_flipped_bit_is_found(trained):
    _, path = trained
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(td.CheckpointError, match=r"damaged"):
        checkpoint.load(path)


def test_no_file_is_said(tmp_path):
    with pytest.raises(td.CheckpointError, match=r"no checkpoint at .*nowhere.*tinydiff train"):
        checkpoint.load(tmp_path / "nowhere" / "checkpoint.npz")


def test_arrays_of_another_model_are_refused(trained):
    _, path = trained
    saved = checkpoint.load(path)
    states = saved["states"]

    def load(part, state):
        trainer().load(saved | {"states": states | {part: state}})

    with pytest.raises(td.CheckpointError, match=r"does not fit this UNet.*missing"):
        load("model", dict(list(states["model"].items())[1:]))
    with pytest.raises(td.CheckpointError, match=r"does not fit this Adam"):
        load("optim", states["optim"] | {"m": np.zeros(3)})
    with pytest.raises(td.CheckpointError, match=r"does not fit this EMA"):
        load("ema", {})
    with pytest.raises(td.CheckpointError, match=r"settings that do not fit.*'colour'"):
        settings_of(saved | {"config": saved["config"] | {"colour": 1}})
    for kind, said in (("tea", "'tea'"), ([1], r"\[1\]"), (None, "None")):
        with pytest.raises(
            td.CheckpointError, match=rf"unknown kind of run {said}; known: .*diffusion"
        ):
            settings_of(saved | {"config": saved["config"] | {"kind": kind}})

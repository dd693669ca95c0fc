"""A model that is told labels: training, sampling with guidance, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from train_cases import NET, assert_equal, config, state

import tinydiff as td
from tinydiff import cli
from tinydiff.data import load
from tinydiff.diffusion import samplers
from tinydiff.models.unet import UNet
from tinydiff.train import checkpoint, held_out, job
from tinydiff.train.build import build, sampling, some_labels
from tinydiff.train.look import look
from tinydiff.train.loop import train
from tinydiff.train.trainer import Trainer

TOLD = {"net": {"classes": 10}}


def trainer(threads=1, **changes):
    return Trainer(config(**TOLD | changes), load("digits", limit=50), threads=threads)


def awake(rng, **options):
    model = UNet(**NET | options, rng=rng)
    model.flat.data[...] = 0.3 * rng.standard_normal(model.flat.data.shape)
    return model


def test_a_label_matters_and_none_is_one_of_them(rng):
    model = awake(rng, classes=3)
    x = rng.standard_normal((4, 8, 8, 1), dtype=np.float32)
    by_label = [model(x, 5, y).numpy() for y in (-1, 0, 1, 2)]
    for k, one in enumerate(by_label):
        for other in by_label[k + 1 :]:
            assert np.abs(one - other).max() > 1e-3
    mixed = model(x, 5, np.array([2, -1, 0, 1])).numpy()
    for row, k in enumerate((3, 0, 1, 2)):
        np.testing.assert_allclose(mixed[row], by_label[k][row], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model(x, 5).numpy(), by_label[0])
    with pytest.raises(IndexError, match=r"0\.\.3"):
        model(x, 5, np.array([0, 1, 2, 3]))
    with pytest.raises(ValueError, match="knows no labels"):
        awake(rng)(x, 5, np.zeros(4, int))


def test_labels_on_the_device_double(rng):
    model = awake(rng, classes=3)
    x = rng.standard_normal((4, 8, 8, 1), dtype=np.float32)
    y = np.array([0, 2, -1, 1])
    expected = model(x, 5, y).numpy()
    moved = model.to("double")(td.to_device(x, "double"), 5, td.to_device(y, "double"))
    np.testing.assert_allclose(td.to_host(moved.data), expected, rtol=1e-5, atol=1e-6)


def test_a_batch_has_the_labels_of_its_rows_and_some_are_dropped():
    """drop_labels = 0: all of them; near 1: none but a few; the rows are those of the data."""
    kept, dropped = trainer(drop_labels=0.0), trainer(drop_labels=0.9)
    *_, y = kept.batch()
    np.testing.assert_array_equal(y, kept.y[kept.rows(0)])
    unknown = np.concatenate([dropped.batch()[-1] for _ in range(60)]) == -1
    assert abs(unknown.mean() - 0.9) < 4 * np.sqrt(0.9 * 0.1 / unknown.size)


def test_the_gradient_reaches_the_labels_of_the_batch_alone():
    found = trainer(drop_labels=0.0)
    found.model.flat.data[...] = 0.3 * found.rng.standard_normal(found.model.flat.data.shape)
    found.settings = found.settings.changed({"batch": 4})
    x0, t, rows, y = found.batch()
    found.model.flat.grad[...] = 0
    found.shards.gradient(found.loss, x0, t, np.ones_like(x0), *rows, y)
    touched = np.abs(found.model.label.W.grad).max(axis=1) > 0
    np.testing.assert_array_equal(np.flatnonzero(touched), np.unique(y + 1))


@pytest.mark.parametrize("threads", [1, 2])
def test_stopping_changes_nothing(threads, tmp_path):
    straight, first, second = (trainer(threads) for _ in range(3))
    (tmp_path / "a").mkdir()
    assert train(straight, tmp_path / "a")
    asked = iter(range(9))
    assert not train(first, tmp_path, stop=lambda: next(asked) >= 3)
    second.load(checkpoint.load(tmp_path / "checkpoint.npz"))
    assert train(second, tmp_path)
    assert_equal(state(straight), state(second))


def test_guidance_is_applied_to_the_samples(rng):
    """Scale 0 is the model without labels, 1 with them; 2 goes as far again. One step, no clip:
    then a sample is affine in the prediction, and so in the scale."""
    settings = config(**TOLD, sampler="ddim", sample_steps=1, T=2)
    model = awake(rng, classes=10)
    _, process = build(settings, rng)
    labels = np.arange(5)

    def sampled(scale, labels=labels):
        drawn = np.random.default_rng(0)
        return samplers.last(sampling(settings, model, process, 5, (8, 8, 1), drawn, labels, scale))

    free, told, twice = sampled(0), sampled(1), sampled(2)
    np.testing.assert_array_equal(free, sampled(None, None))
    np.testing.assert_array_equal(told, sampled(None))  # the run's own guidance is 1
    assert np.abs(told - free).max() > 1e-2
    inside = (np.abs(free) < 1) & (np.abs(told) < 1) & (np.abs(twice) < 1)  # not clipped
    assert inside.sum() > 20
    np.testing.assert_allclose((twice - free)[inside], 2 * (told - free)[inside], atol=1e-4)


def test_samples_by_label(tmp_path, capsys):
    found = trainer(guidance=2.0)
    train(found, tmp_path)
    both = job.draw_samples(tmp_path, 12, 0)[-1][1]
    in_turn = job.draw_samples(tmp_path, 12, 0, labels=some_labels(found.settings, 12))[-1][1]
    np.testing.assert_array_equal(both, in_turn)
    assert np.abs(both - job.draw_samples(tmp_path, 12, 0, labels=[3] * 12)[-1][1]).max() > 1e-4
    out = tmp_path / "three.npy"
    line = ["sample", str(tmp_path), "--n", "3", "--label", "3", "--out", str(out)]
    assert cli.main(line) == 0
    np.testing.assert_array_equal(
        np.load(out), job.draw_samples(tmp_path, 3, 0, labels=[3] * 3)[-1][1]
    )
    with pytest.raises(td.ConfigError, match=r"labels of .* are 0 to 9, got 10"):
        job.draw_samples(tmp_path, 1, 0, labels=[10])
    for scale in ("nan", "inf", "-inf"):
        assert cli.main([*line, f"--guidance={scale}"]) == 2
        assert f"guidance must be a finite number, got {scale}" in capsys.readouterr().err
    with np.errstate(over="ignore"):
        assert cli.main([*line, "--guidance=1e39"]) == 1
    assert "the model returned NaN or infinity" in capsys.readouterr().err


def test_the_bound_is_told_labels_where_the_model_always_was(tmp_path):
    """Then what "unknown" means, which nobody has trained, changes nothing; else it does."""
    for drop_labels in (0.0, 0.1):
        found = Trainer(config(**TOLD, drop_labels=drop_labels, look_rows=6, look_times=3),
                        load("digits", limit=50), load("digits", "test", limit=20))  # fmt: skip
        found.model.flat.data[...] = 0.3 * found.rng.standard_normal(found.model.flat.data.shape)
        bounds = []
        for unknown in (0.0, 1.0):
            found.model.label.W.data[0] = unknown
            found.average.average[...] = found.model.flat.data
            found.save(tmp_path / "checkpoint.npz")
            bounds.append([look(found, tmp_path).total, held_out.measure(tmp_path, 4).total])
        for one, other in zip(*bounds):
            assert np.array_equal(one, other) == (drop_labels == 0)
        other_labels = replace(found.held_out, y=(found.held_out.y + 1) % 10)
        found.held_out = other_labels
        assert np.array_equal(look(found, tmp_path).total, bounds[1][0]) == (drop_labels > 0)


def test_guidance_needs_a_model_that_can_do_without_labels(tmp_path):
    with pytest.raises(td.ConfigError, match=r"guidance = 2 .*set drop_labels above 0"):
        config(**TOLD, guidance=2.0, drop_labels=0.0)
    trainer(drop_labels=0.0).save(tmp_path / "checkpoint.npz")
    assert len(job.draw_samples(tmp_path, 1, 0, guidance=1.0)[-1][1]) == 1
    for scale in (2.0, 0.0):
        with pytest.raises(td.ConfigError, match=r"was told every label .* guidance is 1"):
            job.draw_samples(tmp_path, 1, 0, guidance=scale)


@pytest.mark.parametrize("classes", ["a", -1, 2.5, True, None])
def test_classes_are_counted(classes):
    with pytest.raises(td.ConfigError, match=r"classes in net must be a whole number, 0 for no"):
        config(net={"classes": classes})


def test_what_is_refused(tmp_path):
    with pytest.raises(td.ConfigError, match="guidance = 2 needs a model that is told labels"):
        config(guidance=2.0)
    with pytest.raises(td.ConfigError, match="classes in net must be at least 10, got 4"):
        trainer(net={"classes": 4})
    plain = Trainer(config(), load("digits", limit=50))
    train(plain, tmp_path)
    with pytest.raises(td.ConfigError, match="was not told labels: sample without them"):
        job.draw_samples(tmp_path, 1, 0, labels=[1])
    with pytest.raises(td.ConfigError, match="was not told labels"):
        job.draw_samples(tmp_path, 1, 0, guidance=2.0)

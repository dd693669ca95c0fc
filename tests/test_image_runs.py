"""Runs on images of any kind: MNIST's size, without classes, in colour; the presets of MNIST."""

import json
from functools import partial

import numpy as np
import pytest
from data_cases import TINY, put
from PIL import Image, ImageSequence
from train_cases import config

import tinydiff as td
from tinydiff import cli, viz
from tinydiff.data import load
from tinydiff.diffusion import mixture, schedules
from tinydiff.diffusion.process import Process
from tinydiff.models.classifier import Classifier
from tinydiff.train import evaluate, held_out, job, judge
from tinydiff.train.build import build, open_run, try_one
from tinydiff.train.config import Config
from tinydiff.train.presets import find
from tinydiff.train.standards import STANDARDS, standard
from tinydiff.train.trainer import Trainer

# --- the presets


def test_the_presets_of_mnist(rng):
    """Their sizes, and that a CPU gets the one it can do."""
    assert find("mnist").name == "small"
    sizes = {}
    for name in ("small", "lab2", "unet"):
        model, process = build(find("mnist", name), rng)
        sizes[name] = sum(p.size for p in model.parameters())
        with td.no_grad():
            x = np.zeros((1, 28, 28, 1), np.float32)
            assert model.eval()(x, process.T).shape == x.shape
    assert sizes == {"small": 1_662_916, "lab2": 6_621_076, "unet": 4_261_505}
    assert find("mnist").data == "mnist5k"


def test_lab2_trains_as_the_lab_does():
    lab = find("mnist", "lab2")
    assert (lab.steps, lab.batch, lab.lr, lab.decay) == (20 * 600, 100, 3e-4, "plateau")
    assert lab.steps * lab.batch == 20 * 60_000
    assert (lab.schedule, lab.T, lab.times, lab.predicts) == ("lab", 150, "uniform", "eps")
    assert (lab.weight_decay, lab.beta2, lab.ema, lab.sample_steps) == (0.01, 0.999, 0, 150)


def test_the_lab_in_0_to_1_is_another_process_in_minus_1_to_1(rng):
    """alpha_bar / (4 - 3 alpha_bar) for u = (x + 1) / 2: the exact E[eps | x_t] errs as much.

    In u it is the mean over rows of the data and noises of |eps - E[eps | u_t]|^2; with the
    other process on x, the same eps gives the same error, row by row, since x_t is an affine
    function of u_t. With the lab's alpha_bar on x, it does not.
    """
    x = rng.uniform(-1, 1, (5, 3))
    lab = Process(schedules.linear(150))
    ab = lab.alphas_bar
    ours = Process(schedules.from_alphas_bar(ab / (4 - 3 * ab)))
    np.testing.assert_allclose(ours.snr[1:], lab.snr[1:] / 4, rtol=1e-9)

    def errors(process, data, t, eps):
        xt = process.q_sample(data, t, eps)
        x0 = mixture.Points(data).mean_x0(process, xt, t)
        return ((process.convert(x0, xt, t, "x0", "eps") - eps) ** 2).mean(axis=1)

    for t in (60, 100, 150):  # before, every row is known for sure
        eps = rng.standard_normal(x.shape)
        lab_error = errors(lab, (x + 1) / 2, t, eps)
        np.testing.assert_allclose(errors(ours, x, t, eps), lab_error, rtol=1e-6)
        assert not np.allclose(errors(lab, x, t, eps), lab_error, rtol=1e-2)


# --- the whole job

SETTINGS = """
data = "{data}"
T = 20
batch = 16
steps = 2
warmup = 1
sample_steps = 3
n_judged = 12
judge_steps = 2
[net]
patch = 2
widths = [8, 8]
heads = [0, 2]
d = 8
groups = 4
"""
PICTURES = {"loss.png", "forward.png", "samples.png", "forward.gif", "reverse.gif"}
FILES = PICTURES | {"config.json", "metrics.csv", "checkpoint.npz", "report.json"}


def trained(folder, data):
    """(folder of a run, its report) of two steps on `data`, made by the command."""
    (folder / "tiny.toml").write_text(SETTINGS.format(data=data))
    line = ["train", "mnist", "--config", str(folder / "tiny.toml"), "--out", str(folder / "run")]
    assert cli.main([*line, "--threads", "1"]) in (0, 1)
    assert {path.name for path in (folder / "run").iterdir()} == FILES
    for name in PICTURES:
        with Image.open(folder / "run" / name) as picture:
            assert min(picture.size) > 100
    return folder / "run", json.loads((folder / "run" / "report.json").read_text())


def test_a_run_on_mnist(tiny, tmp_path, monkeypatch, capsys):
    """28 x 28 pixels: judged, its protocol written down, and its bound computed."""
    monkeypatch.setenv("TINYDIFF_DATA", str(put(tmp_path / "data", tiny["mnist"])))
    folder, report = trained(tmp_path, "mnist")
    figures = {f["what"]: f for f in report["figures"]}
    for what in ("samples", "training digits", "noise"):
        assert figures[f"{what}: Frechet distance to held-out"]["value"] > 0
    bar = figures["judge: accuracy on held-out digits"]["bar"]
    assert bar == [">=", STANDARDS["mnist"].accuracy]
    said = report["protocol"]
    for part in (
        f"all {TINY['test']} held-out rows",
        "the first 12 samples, 12 training rows drawn with seed 0, and 12 images of standard nor",
        "the judge's 64 features",
        f"nearest of {TINY['train']} training rows, averaged over 12 samples, and over 12 held-out",
        "2 steps with seed 0",
    ):
        assert part in said
    assert set(report["seconds"]) == {"training", "judge", "sampling", "judging", "pictures"}
    capsys.readouterr()
    assert cli.main(f"bound {folder} --n 4 --times 3 --json".split()) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["rows"] == 4
    assert found["total"]["nats"] > 0
    with Image.open(folder / "forward.gif") as picture:
        assert len(list(ImageSequence.Iterator(picture))) >= 20, "t = 0 ... 20"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_run_on_images_without_classes(channels, tmp_path, rng):
    """No judge: pictures, and how near the samples are to training rows."""
    images = rng.integers(0, 256, (40, 12, 8, channels), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", x=images)
    folder, report = trained(tmp_path, tmp_path / "mine.npz")
    saved = json.loads((folder / "config.json").read_text())["config"]["net"]
    assert saved["channels"] == channels, "what the data decided is written down"
    config, model, _ = open_run(folder)
    assert (config.net["channels"], model.channels) == (channels, channels)
    assert job.draw_samples(folder, 2, 0)[-1][1].shape == (2, 12, 8, channels)
    [only] = report["figures"]
    assert only["what"] == "samples: nearest-training distance / held-out's"
    assert only["bar"] == [">=", 0.8]
    assert "have no classes" in report["protocol"]
    assert "averaged over 12 samples, and over 8 held-out" in report["protocol"]
    assert set(report["seconds"]) == {"training", "sampling", "judging", "pictures"}


def images(path, rng, shape, **arrays):
    np.savez(path, x=rng.integers(0, 256, (20, *shape), dtype=np.uint8), **arrays)
    return str(path)


@pytest.mark.parametrize(
    "shape, net, message",
    [
        ((9, 9), {}, r"mine.npz' does not fit: this UNet needs .* multiples of 4, got \(1, 9, 9"),
        ((8, 8, 3), {"channels": 1}, r"needs images \(N, H, W, 1\).* got \(1, 8, 8, 3\)"),
        ((8, 8), {"outputs": 2}, r"expected \(1, 8, 8, 1\): leave outputs out of net"),
    ],
)
def test_images_that_do_not_fit_are_refused_before_training(shape, net, message, tmp_path, rng):
    settings = config(data=images(tmp_path / "mine.npz", rng, shape), net=net)
    with pytest.raises(td.ConfigError, match=message):
        settings.run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]


def test_images_too_small_for_the_judge_are_refused_before_training(tmp_path, rng):
    path, y = tmp_path / "mine.npz", np.arange(20) % 2
    for shape, arrays in (((3, 4), {}), ((4, 4), {"y": y})):
        assert job.report_of(load(images(path, rng, shape, **arrays)))
    with pytest.raises(td.ConfigError, match=r"needs at least 4 x 4 pixels; give larger images"):
        job.report_of(load(images(path, rng, (4, 3), y=y)))


def test_a_file_that_has_changed_since_is_refused(tmp_path, rng):
    data = images(tmp_path / "mine.npz", rng, (8, 8, 3))
    Trainer(config(data=data), load(data)).save(tmp_path / "checkpoint.npz")
    images(tmp_path / "mine.npz", rng, (8, 8))
    for use in (held_out.measure, partial(job.draw_samples, n=1, seed=0)):
        with pytest.raises(td.ConfigError, match=r"does not fit: this UNet .*got \(1, 8, 8, 1\)"):
            use(tmp_path)


def test_the_trial_of_one_row_leaves_no_trace(rng):
    """Neither dropout's generator nor the averages of batch norms know of it."""
    data = load("digits", limit=2)
    model, _ = build(Config(name="a", model="lab_unet", net={"size": 8, "d": 4}), rng)
    before = {k: v.copy() for k, v in model.state_dict().items()}
    try_one(config(), model, data)
    assert model.training
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


# --- its parts


@pytest.mark.parametrize("n, m", [(1, 1), (2, 3), (3, 4), (5, 6), (7, 7)])
def test_nearest_does_not_depend_on_blocks(n, m, rng, monkeypatch):
    x, data = rng.standard_normal((n, 2, 2, 1)), rng.standard_normal((m, 2, 2, 1))
    monkeypatch.setattr(evaluate, "BLOCK", (2, 3))
    expected = [min(np.linalg.norm(a - b) for b in data) for a in x]
    np.testing.assert_allclose(evaluate.nearest(x, data), expected, rtol=1e-9)


def test_copies_are_compared_with_as_many_held_out_rows(rng):
    """Three samples, so three of twenty held-out rows, which the generator draws."""
    data, test = load("digits", limit=20), load("digits", "test", limit=20)
    found = {evaluate.copies(test.x[:3], data, test, np.random.default_rng(s)).value
             for s in range(5)}  # fmt: skip
    assert len(found) > 1, "other rows are drawn"
    every = evaluate.copies(test.x, data, test, rng).value
    assert every == pytest.approx(1, rel=1e-12)


def test_images_are_judged_in_groups(rng, monkeypatch):
    model, x = Classifier(rng=rng), rng.standard_normal((5, 8, 8, 1), dtype=np.float32)
    whole = judge.probabilities(model, x), judge.features(model, x)
    monkeypatch.setattr(judge, "GROUP", 2)
    for one, other in zip(whole, (judge.probabilities(model, x), judge.features(model, x))):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_warp_moves_by_a_share_of_the_sides(rng):
    """The same picture four times as large moves four times as far: 0.6 pixels of 8, 2.4 of 32."""

    class Still:
        def standard_normal(self, shape):
            return np.zeros(shape)

        def uniform(self, low, high, shape):
            return np.broadcast_to(high, shape)

    for height, width in ((8, 8), (8, 40)):
        x = np.broadcast_to(np.arange(height)[:, None, None] / 100, (1, height, width, 1))
        across = np.broadcast_to(np.arange(width)[:, None] / 100, (1, height, width, 1))
        moved = judge.warped(x, Still())[0, :-1, : -width // 4] - x[0, :-1, : -width // 4]
        np.testing.assert_allclose(moved, 0.01 * 0.075 * height, atol=1e-9)
        moved = (judge.warped(across, Still()) - across)[0, : -height // 4, : -width // 4]
        np.testing.assert_allclose(moved, 0.01 * 0.075 * width, atol=1e-9)


def test_the_judge_takes_images_of_any_size_and_few_rows(rng):
    """5 x 7 pixels, of which pooling leaves 1 x 1; fewer rows than a batch has."""
    np.testing.assert_equal(Classifier((5, 7, 1), 3, rng=rng).hidden.W.shape, (64, 64))
    data = load("digits", limit=20)
    small = type(data)(data.x[:, 1:6, :7], data.y, "mine", 17, "", "")
    assert np.isfinite(judge.train_judge(small, 1).flat.data).all()


def test_what_is_not_known_has_no_bars():
    asked = standard("/somebody/s/images")
    assert asked.rows == "images"
    assert (asked.accuracy, asked.top, asked.rarest) == (None, None, None)
    assert asked.apart == standard("digits").apart == 0.8


def test_colours_are_shown_as_they_are(rng):
    images = rng.uniform(-1.5, 1.5, (3, 2, 2, 3))
    picture = viz.mosaic(images, 2)
    assert picture.shape == (5, 5, 3)
    np.testing.assert_array_equal(picture[3:, :2], images[2])
    shown = viz.grid(images, 2).axes[0].images[0].get_array()
    np.testing.assert_allclose(shown[3:, :2, :3], np.clip((images[2] + 1) / 2, 0, 1))
    assert (shown[3:, :2, 3] == 1).all()
    assert (shown[2, :, 3] == 0).all(), "the frame shines through"

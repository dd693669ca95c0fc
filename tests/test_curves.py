"""The report on curves: bumps are found where they are, errors are what they are, files appear."""

import json

import numpy as np
import pytest
from PIL import Image

from tinydiff import cli, viz
from tinydiff.data import curves, load
from tinydiff.diffusion import schedules
from tinydiff.diffusion.mixture import Points
from tinydiff.diffusion.process import Process
from tinydiff.tensor import Tensor
from tinydiff.train import curves as report
from tinydiff.train.build import lab_repaired
from tinydiff.train.config import Config
from tinydiff.train.report import as_dict

LAB = Process(schedules.linear(150))
MU = np.array([[-14.9, 5.1], [-10.0, 10.0], [-5.0, 14.7], [-7.3, 6.2]])


def test_bumps_are_found_where_they_are():
    """Within a tenth of the grid's step; a unit Gaussian cut off at 3 has width 0.9867."""
    places, widths, heights = report.bumps(curves(*MU.T))
    np.testing.assert_allclose(places, MU, atol=0.04)
    np.testing.assert_allclose(widths, 0.987, atol=0.02)
    assert (heights <= 1).all()
    assert (heights > 0.97).all(), "half a step beside the grid a peak has 0.98 of its height"
    assert (heights.max(axis=1) == 1).all()


def test_curves_of_the_family_are_valid_and_others_are_not(rng):
    fresh = load("gmm", seed=1).x
    assert report.valid(fresh, report.bumps(fresh)[0]).all()
    single = fresh.copy()[:50]
    single[:, 50:] = -1
    wide = 2 * np.exp(-((np.linspace(-20, 20, 100) - MU[:, :1]) ** 2) / 8) - 1
    strangers = {
        "noise": rng.standard_normal((50, 100, 1)).astype(np.float32),
        "one bump": single,
        "nothing": np.full((3, 100, 1), -1.0),
        "a wide bump": wide[..., None],
        "too near the middle": curves(np.full(3, -3.0), np.full(3, 10.0)),
        "half as high": 0.5 * fresh[:50] - 0.5,
        "noisy": fresh[:50] + 0.2 * rng.standard_normal((50, 100, 1)),
    }
    for name, x in strangers.items():
        assert not report.valid(x, report.bumps(x)[0]).any(), name


def test_the_distance_to_a_uniform_distribution():
    assert report.uniform_distance(np.array([0.25, 0.75]), 0, 1) == pytest.approx(0.25)
    assert report.uniform_distance(np.array([0.9, 0.1, 0.2]), 0, 1) == pytest.approx(2 / 3 - 0.2)
    assert report.uniform_distance(np.full(9, 5.0), 0, 10) == pytest.approx(0.5)
    assert report.uniform_distance(np.full(9, 99.0), 0, 10) == pytest.approx(1.0)


def test_the_figures_tell_a_narrow_distribution_from_the_datas(rng):
    wide = {f.what: f.value for f in report.bump_figures("a", load("gmm", seed=3).x)}
    narrow = curves(rng.uniform(-9, -8, 500), rng.uniform(5, 15, 500))
    narrow = {f.what: f.value for f in report.bump_figures("a", narrow)}
    assert wide["a: left bump, KS"] < 1.95 / np.sqrt(4000), "beyond it lie 1 in 1000 uniform sets"
    assert narrow["a: left bump, KS"] > 0.55
    assert narrow["a: right bump, KS"] < 1.95 / np.sqrt(500)
    assert narrow["a: left bump, mean place"] == pytest.approx(-8.5, abs=0.1)
    nothing = report.bump_figures("a", np.zeros((3, 100, 1)))
    assert [f.value for f in nothing] == [0]
    assert as_dict(nothing, "")["ok"] is True


# --- the error of eps


class Recorded:
    """A model that knows x0 and eps, and remembers which t it was told."""

    def __init__(self, answer):
        self.answer, self.told = answer, []
        self.flat = type("Flat", (), {"data": np.zeros(1, np.float32)})

    def __call__(self, xt, t):
        self.told.append(t)
        return Tensor(self.answer(xt, t))


@pytest.mark.parametrize("predicts", ["eps", "x0", "v", "score"])
@pytest.mark.parametrize("trained", ["lab", "cosine", "lab_repaired"])
def test_any_prediction_on_any_process_is_turned_into_eps(predicts, trained, rng):
    """A model of one known curve is right everywhere: error 0, but for the SNR it is told wrongly.

    With 1000 steps of the cosine schedule the nearest SNR is off by less than 3 % where noise and
    signal are alike, and the model, told so, errs by what that makes of x_t.
    """
    process = {
        "lab": LAB,
        "cosine": Process(schedules.cosine(1000)),
        "lab_repaired": Process(lab_repaired(200)),
    }[trained]
    curve = curves(-8.0, 9.0)
    x0 = np.repeat(curve[None], 130, axis=0)
    exact = Points(curve[None]).model(process, predicts)
    model = Recorded(exact)
    config = Config(name="x", predicts=predicts)
    errors = report.eps_error(config, model, process, LAB, x0, rng)
    assert errors.shape == (130,)
    told = np.concatenate(model.told)
    if trained == "cosine":
        assert errors.mean() < 0.01
        assert told.max() > 300
    else:
        assert errors.max() < 1e-4, "float32, divided by sqrt(1 - alpha_bar_1) = 0.01"
        assert told.min() >= 1
        assert told.max() <= 150, "the lab's times are the first 150 of the repaired process"


def test_a_model_that_says_0_has_error_1(rng):
    model = Recorded(lambda xt, t: np.zeros_like(xt))
    errors = report.eps_error(
        Config(name="x", predicts="eps"), model, LAB, LAB, load("gmm", limit=300).x, rng
    )
    assert errors.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / 30000))
    t = np.concatenate(model.told)
    assert len(np.unique(t)) > 100, "every curve has a t of its own"
    assert {t.min() < 10, t.max() > 140} == {True}


# --- pictures


def test_an_outline_draws_each_curve_in_its_cell():
    x = np.stack([np.full((5, 1), 1.0), np.full((5, 1), -1.0), np.full((5, 1), 9.0)])
    across, up = (a.reshape(3, 6) for a in viz.curves.outline(x, 2))
    assert np.isnan(across[:, 5]).all()
    np.testing.assert_allclose(up[:, 0], [0.4, -0.4, -1 + 0.48])
    assert ((across[:, :5] // 1) == [[0], [1], [0]]).all()


def test_pictures_of_curves_are_written(rng, tmp_path):
    x = load("gmm", limit=7).x
    fig = viz.curve_grid(x, 4, "seven")
    assert fig.axes[0].get_title() == "seven"
    assert len(fig.axes[0].lines[0].get_xdata()) == 7 * 101
    fig = viz.noising_curves(x[:2], LAB, [0, 75, 150], rng)
    labels = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    assert "0.219" in labels[2], "what the lab's process leaves of the signal"
    shown = fig.axes[0].lines[0].get_ydata().reshape(2, 3, 101)
    np.testing.assert_allclose(shown[:, 0, :100], 0.4 * x[:2, :, 0] - [[0], [1]], atol=1e-6)
    viz.animate_curves(tmp_path / "a.gif", [(9, x), (0, x * 0.5)], 4, seconds=1.0, hold=1.0)
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames >= 2


# --- the command

SETTINGS = """
T = 20
sample_steps = 3
batch = 20
steps = 4
log_every = 2
n_judged = 12
floor_draws = 1
[net]
d = 8
heads = 2
blocks = 1
"""


def test_the_whole_job_leaves_its_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(report, "floor", few_times)
    (tmp_path / "tiny.toml").write_text(SETTINGS)
    line = ["train", "gmm", "--config", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "run")]
    assert cli.main([*line, "--threads", "2"]) == 0
    assert "samples: share of valid curves" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("config.json", "metrics.csv", "checkpoint.npz", "report.json"),
        *("loss.png", "forward.png", "samples.png", "reverse.gif"),
    }
    saved = json.loads((tmp_path / "run" / "report.json").read_text())
    assert set(saved["seconds"]) == {"training", "sampling", "error", "floor", "pictures"}
    figures = {f["what"]: f["value"] for f in saved["figures"]}
    assert figures["fresh data: share of valid curves"] == 1
    assert figures["eps-MSE / floor"] == pytest.approx(
        figures["eps-MSE on fresh curves, the lab's process"]
        / figures["floor of eps-MSE, the lab's process"],
        rel=1e-3,
    )
    for name in ("b.png", "c.gif", "d.npy"):
        assert cli.main(f"sample {tmp_path / 'run'} --n 3 --out {tmp_path / name}".split()) == 0
    assert np.load(tmp_path / "d.npy").shape == (3, 100, 1)


def few_times(process, draws, rng, n, *loss):
    """The floor at three times only, to be quick."""
    return report_floor(Process(process.betas[[0, 1, 10, 20]]), draws, rng, n, *loss)


report_floor = report.floor


def test_data_that_has_no_report_is_refused(tmp_path, capsys):
    """Points of one's own, whose law is not known."""
    np.savez(tmp_path / "own.npz", x=np.zeros((20, 2), np.float32))
    (tmp_path / "a.toml").write_text(f'data = "{tmp_path / "own.npz"}"\n')
    line = ["train", "gmm", "--config", str(tmp_path / "a.toml"), "--out", str(tmp_path / "run")]
    assert cli.main(line) == 2
    assert "own.npz, rows of shape (2,): train on gmm, on points" in capsys.readouterr().err

"""Diffusion of points: the denoiser, samples without bounds, the report on known laws."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from double import forbid

import tinydiff as td
from tinydiff.backend import to_device_of
from tinydiff.data import load
from tinydiff.data import points as points_of_data
from tinydiff.data.points import NOISE
from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.process import Process
from tinydiff.models.points import PointDenoiser
from tinydiff.train import build, points
from tinydiff.train.build import SCHEDULES
from tinydiff.train.distances import energy_distance
from tinydiff.train.laws import law
from tinydiff.train.presets import find
from tinydiff.train.report import Run
from tinydiff.train.trainer import Trainer

SHAPES = {shape.__name__: classes for shape, classes in points_of_data.SHAPES.items()}
TINY = {
    "net": {"hidden": [8], "waves": 4}, "T": 6, "schedule": "cosine", "steps": 4, "batch": 16,
    "warmup": 1, "log_every": 2, "sample_steps": 3, "n_judged": 12, "floor_draws": 3,
}  # fmt: skip


def awake(model, rng):
    """The model with random weights everywhere: fresh, its output is 0 whatever goes in."""
    numbers = 0.3 * rng.standard_normal(model.flat.data.shape)
    model.flat.data[...] = to_device_of(numbers.astype(np.float32), model.flat.data)
    model.flat.changed()
    return model


# --- the denoiser


def test_the_layers_of_the_denoiser(rng):
    """18-128-128-128-2 in the plane, 17-...-1 on the line."""
    shapes = [p.shape for p in PointDenoiser(rng=rng).parameters() if p.ndim == 2]
    assert shapes == [(18, 128), (128, 128), (128, 128), (128, 2)]
    small = PointDenoiser(1, (5,), waves=4, outputs=2, rng=rng)
    assert [p.shape for p in small.parameters() if p.ndim == 2] == [(5, 5), (5, 2)]
    assert small(np.zeros((3, 1), np.float32), 1).shape == (3, 2)


def test_the_denoiser_is_told_the_time(rng):
    """What it computes, by hand; and a fresh one predicts 0."""
    model, x = PointDenoiser(2, (6, 5), waves=4, rng=rng), rng.standard_normal((3, 2))
    assert not model(x.astype(np.float32), 4).numpy().any()
    model = awake(model, rng).astype(np.float64)
    t = np.array([1, 5, 9])
    angles = t[:, None] * np.array([1.0, 0.01])
    h = np.concatenate([x, np.cos(angles), np.sin(angles)], axis=1)
    parameters = [p.data for p in model.parameters()]
    for W, b in zip(parameters[::2], parameters[1::2]):
        z = h @ W + b
        h = z / (1 + np.exp(-z))
    np.testing.assert_allclose(model(x, t).numpy(), z, atol=1e-6)  # the waves are float32
    np.testing.assert_allclose(model(x, 5).numpy()[1], z[1], atol=1e-6)


def test_a_unit_scales_what_the_layers_see(rng):
    model = awake(PointDenoiser(2, (6,), waves=4, unit=0.5, rng=rng), rng)
    x = rng.standard_normal((3, 2), np.float32)
    scaled = model(x, 3).numpy()
    model.unit = 1.0
    np.testing.assert_array_equal(scaled, model(2 * x, 3).numpy())


def test_the_gradient_of_the_denoiser(device, xp, rng):
    """By x and all parameters, of first and second order."""
    model = awake(PointDenoiser(2, (4, 3), waves=4, rng=rng), rng).astype(np.float64)
    x, names = rng.standard_normal((3, 2)), list(model.named_parameters())
    arrays = [p.data for p in model.parameters()]

    def f(x, *arrays):
        layers = [layer for layer in model.net.layers if hasattr(layer, "W")]
        for layer, W, b in zip(layers, arrays[::2], arrays[1::2]):
            layer.W, layer.b = W, b
        return model(x, 3)

    assert len(names) == 6
    td.gradcheck(f, xp.asarray(x), *(xp.asarray(a) for a in arrays), rng=rng, order=2)


def test_points_of_another_dimension_are_refused(rng):
    with pytest.raises(ValueError, match=r"needs points \(N, 2\), got \(4, 1\)"):
        PointDenoiser(rng=rng)(np.zeros((4, 1), np.float32), 1)


def test_a_step_moves_nothing_and_waits_for_nothing():
    config = find("moons").changed(TINY)
    before = td.get_device()
    td.set_device("double")
    try:
        trained = Trainer(config, load("moons", limit=40))
        batch = trained.batch()
        with forbid("h2d", "d2h", "sync"):
            loss, _ = trained.update(*batch)
        assert np.isfinite(loss.item())
    finally:
        td.set_device(before)


# --- what is sampled


@pytest.mark.parametrize("shape, bounded", [((1,), False), ((2,), False), ((4, 1), True)])
def test_only_images_and_curves_are_kept_in_bounds(shape, bounded, rng):
    """A model that predicts x0 = 3 everywhere."""
    config = find("two_gaussians").changed({"predicts": "x0", "sample_steps": 4})

    def model(xt, t):
        return np.full_like(xt, 3.0)

    model.flat = SimpleNamespace(data=np.zeros(1, np.float32))
    process = Process(SCHEDULES["linear"](config.T))
    x = samplers.last(build.sampling(config, model, process, 5, shape, rng))
    np.testing.assert_allclose(x, 1.0 if bounded else 3.0, rtol=1e-6)


def test_the_schedule_is_the_chapters_mended():
    """ch327's 200 betas times 5; as they are, 13 % of the signal's variance is left (D2)."""
    config = find("two_gaussians")
    betas = SCHEDULES[config.schedule](config.T)[1:]
    np.testing.assert_allclose(betas, 5 * np.linspace(1e-4, 0.02, 200), rtol=1e-12)
    assert Process(schedules.linear(200)).alphas_bar[-1] == pytest.approx(0.1322, abs=5e-5)
    assert Process(SCHEDULES["linear"](200)).alphas_bar[-1] < 1e-4


# --- the laws


def test_two_gaussians_have_their_law():
    exact, x = law("two_gaussians"), load("two_gaussians").x
    assert points.ks_distance(x[:, 0], exact) < 1.63 / math.sqrt(400)  # 1 % by chance
    assert exact.second_moment() == pytest.approx(4.09)
    assert law("digits") is None


@pytest.mark.parametrize("name", SHAPES)
def test_the_law_of_a_set_is_that_of_its_rows(name):
    """Mean log density of rows and of draws of the law agree, and no row is improbable."""
    exact, x = law(name), load(name, "test").x[:1000].astype(np.float64)
    drawn = exact.sample(1000, np.random.default_rng(0))
    logs = [points.in_parts(exact.logpdf, rows) for rows in (x, drawn)]
    error = math.hypot(*(a.std() for a in logs)) / math.sqrt(1000)
    assert abs(logs[0].mean() - logs[1].mean()) < 4 * error
    assert logs[0].min() > logs[1].min() - 5
    assert abs(energy_distance(x, drawn)) < 0.01
    lines = exact.means.reshape(SHAPES[name], -1, 2)
    steps = np.linalg.norm(np.diff(lines, axis=1), axis=-1)
    assert not (steps > 0.8 * NOISE).any(), "a line without gaps"


# --- distances


def test_energy_distance_is_known_on_the_line(rng):
    """N(0, 1) and N(a, 1): 2 E|X - Y| - 2 E|X - X'| in closed form, here 0.5404 for a = 1."""
    a, n = 1.0, 3000
    x, y = rng.standard_normal((n, 1)), a + rng.standard_normal((n, 1))
    folded = 2 / math.sqrt(math.pi) * math.exp(-(a**2) / 4) + a * math.erf(a / 2)
    assert energy_distance(x, y) == pytest.approx(2 * folded - 4 / math.sqrt(math.pi), abs=0.06)
    both = [energy_distance(*rng.standard_normal((2, 50, 1))) for _ in range(200)]
    assert abs(np.mean(both)) < 4 * np.std(both) / math.sqrt(200), "without bias"
    assert min(both) < 0
    assert math.isnan(energy_distance(x * np.nan, y))


def test_distances_of_numbers(rng):
    exact = law("two_gaussians")
    fair, n = exact.sample(4000, rng)[:, 0], 4000
    assert points.ks_distance(fair, exact) < 1.95 / math.sqrt(n)  # 0.1 % by chance
    assert points.binned_distance(fair, exact) < 0.06
    one = fair[fair > 0]
    assert points.ks_distance(one, exact) == pytest.approx(0.5, abs=0.01)
    assert points.binned_distance(one, exact) == pytest.approx(0.5, abs=0.06)
    np.testing.assert_allclose(points.below(exact, np.array([-9, 0, 9.0])), [0, 0.5, 1], atol=1e-9)


# --- the report


class ExactModel:
    """The exact denoiser in the place of a network; `off` is added to what it predicts."""

    def __init__(self, exact, process, predicts, off=0.0):
        self.answer, self.off = exact.model(process, predicts), off
        self.flat = SimpleNamespace(data=np.zeros(1, np.float32))

    def __call__(self, xt, t):
        return self.answer(xt if isinstance(xt, td.Tensor) else td.Tensor(xt), t) + self.off


def exact_run(name, samples, off=0.0, T=40):
    """A Run whose network is the exact denoiser, and whose samples are given."""
    config = find(name if name != "blobs" else "moons")
    config = config.changed({"T": T, "sample_steps": T, "floor_draws": 40})
    process, exact = Process(SCHEDULES[config.schedule](config.T)), law(name)
    model = ExactModel(exact, process, config.predicts, off)
    frames = [(t, samples * (1 + 0.01 * t)) for t in (20, 10, 0)]
    held_out = load(name, "test")
    return Run(None, config, model, process, load(name), held_out, frames), exact


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name, value in (("REPEATS", 3), ("JUDGED", 6), ("LOSSES", 3000)):
        monkeypatch.setattr(points, name, value)


def values(found):
    return {figure.what: figure.value for figure in found}


@pytest.mark.parametrize("name", ["two_gaussians", "blobs"])
def test_the_exact_denoiser_reaches_the_floor(name, rng):
    run, exact = exact_run(name, law(name).sample(10, rng))
    least = points.floor(exact, run.process, run.config, rng)
    found = values(points.loss_figures(run, exact, least, rng))
    spread = math.hypot(found["loss on fresh draws: standard error"], least.stderr)
    assert abs(found["loss on fresh draws"] - least.mean) < 4 * spread
    assert found["excess of the loss / floor"] < 1e-6
    assert (least.stderr == 0) == (exact.D == 1)
    run, _ = exact_run(name, law(name).sample(10, rng), off=0.3)
    worse = points.loss_figures(run, exact, least, rng)[-1]
    assert worse.value == pytest.approx(0.09 / least.mean, rel=1e-4)
    assert worse.ok == (worse.value <= 0.1)


def test_one_draw_does_not_tell_how_far_off_it_is(rng):
    run, exact = exact_run("blobs", law("blobs").sample(10, rng), T=4)
    for draws, known in ((1, False), (2, True)):
        config = run.config.changed({"floor_draws": draws})
        assert math.isfinite(points.floor(exact, run.process, config, rng).stderr) is known


def failed(found):
    return [figure.what for figure in found if figure.ok is False]


def test_the_density_of_the_exact_denoiser_is_the_exact_one(rng, monkeypatch):
    """And not that of one that is off by half a standard deviation of the noise."""
    monkeypatch.setattr(points, "THINNED", 12)  # nodes 0.75 of a standard deviation apart
    what = "model's density: total variation to the exact one"
    draws = law("two_gaussians").sample(2000, rng)
    found, pictures = points.on_the_line(*exact_run("two_gaussians", draws), rng)
    assert not failed(found), found
    assert set(pictures) == {"samples.png", "reverse.png"}
    # alpha_bar_40 = 2e-6 of the signal is left, a shift of 0.003, which a prior N(0, 1) overlooks
    assert values(found)[what] < 0.01
    assert values(found)["model's density: integral"] == pytest.approx(1, abs=5e-3)
    run, exact = exact_run("two_gaussians", draws, off=0.5)
    assert failed(points.on_the_line(run, exact, rng)[0]) == [what]


def test_exact_draws_on_the_line_pass_and_others_do_not(rng):
    exact, rows = law("two_gaussians"), load("two_gaussians").x[:, 0]
    draws = exact.sample(2000, rng)[:, 0]
    found = points.line_figures(draws, rows, exact, rng)
    assert not failed(found), found
    assert values(found)["samples: weight of the mode above 0"] == (draws > 0).mean()
    assert values(found)["samples: place of the mode above 0"] == pytest.approx(2, abs=0.04)
    assert values(found)["samples: spread within it"] == pytest.approx(0.3, abs=0.03)
    for wrong in (np.abs(draws), draws * 1.1, draws + 0.2):
        bad = failed(points.line_figures(wrong, rows, exact, rng))
        assert bad == ["samples: total variation in bins", "samples: KS distance"]


def test_exact_draws_in_the_plane_pass_and_others_do_not(rng):
    exact = law("blobs")
    draws, what = exact.sample(600, rng), "samples: energy distance x 1000"
    fair = points.plane_figures(draws, exact, rng)
    assert not failed(fair), fair
    assert abs(values(fair)[what]) < 8 * values(fair)["two sets of exact draws: its spread"]
    small = points.plane_figures(draws * 0.8, exact, rng)
    assert failed(small) == ["samples: share in the typical region"]
    assert values(small)[what] > 10
    half = points.plane_figures(np.abs(draws), exact, rng)
    assert not failed(half)
    assert values(half)[what] > 10, "modes that are missing are seen by the distance"


def test_the_divergence_of_the_exact_denoiser_is_none(rng):
    """Its interpolation between times leaves 0.001 +- 0.028 at T = 100, with modes 0.03 wide."""
    draws = law("blobs").sample(400, rng)
    found, pictures = points.in_the_plane(*exact_run("blobs", draws, T=100), rng)
    assert not failed(found), found
    assert set(pictures) == {"samples.png", "reverse.png", "trajectories.png"}
    assert abs(values(found)["divergence of the model's density, nats"]) < 0.05


@pytest.mark.parametrize("name", ["two_gaussians", "moons"])
def test_a_run_reports_and_draws(name, tmp_path):
    report = find(name).changed(TINY).run(tmp_path)
    names = {"config.json", "metrics.csv", "checkpoint.npz", "report.json"}
    pictures = {"loss.png", "samples.png", "reverse.png"}
    pictures |= {"trajectories.png"} if name == "moons" else {"noising.png", "schedule.png"}
    assert {f.name for f in tmp_path.iterdir()} == names | pictures
    saved = json.loads((tmp_path / "report.json").read_text())
    assert [row["what"] for row in saved["figures"]] == [figure.what for figure in report]
    assert "excess of the loss / floor" in values(report)


def test_the_chapters_figures_show_the_runs_own_process(rng):
    run, _ = exact_run("two_gaussians", np.zeros((3, 1)))
    pictures = points.chapters(run, rng)
    signal = pictures["schedule.png"].axes[1].lines[0].get_ydata()
    np.testing.assert_array_equal(signal, run.process.alphas_bar)
    titles = [ax.get_title() for ax in pictures["noising.png"].axes]
    assert titles[0] == "$t=0$, noise level 0.000"
    assert titles[-1] == "$t=40$, noise level 1.000"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_gaussians", "moons"])
def test_a_preset_meets_its_bars(name, tmp_path, monkeypatch):
    monkeypatch.undo()  # the report is measured in full
    report = find(name).run(tmp_path)
    assert not failed(report), report

"""The kinds of runs beside diffusion: each trains, stops and goes on, reports and draws."""

import json
import subprocess
import sys

import numpy as np
import pytest
from double import forbid
from train_cases import assert_equal, state

import tinydiff as td
from tinydiff.backend.errors import ConfigError
from tinydiff.data import load
from tinydiff.data.points import BLOBS, NOISE, REACH
from tinydiff.train import autoencoder, checkpoint, classify, energy, gan, regression, vae
from tinydiff.train.loop import train
from tinydiff.train.metrics import columns
from tinydiff.train.presets import find
from tinydiff.train.settings import from_dict

TINY = {"steps": 4, "batch": 12, "log_every": 2, "save_every": 3, "hidden": 8}
RUNS = {
    "vae": vae.Vae("tiny", warmup=1, latent=2, **TINY),
    "vae-gaussian": vae.Vae("tiny", warmup=1, latent=3, likelihood="gaussian", **TINY),
    "vae-linear": vae.Vae("tiny", latent=2, network="linear", likelihood="gaussian", **TINY),
    "vae-conv": vae.Vae("tiny", warmup=1, latent=2, network="conv", **TINY),
    "gan": gan.Gan("tiny", layers=2, critic_steps=2, **TINY),
    "gan-ns": gan.Gan("tiny", layers=2, objective="non-saturating", **TINY),
    "gan-digits": gan.Gan("tiny", layers=1, critic_steps=2, data="digits", judge_steps=2, **TINY),
    "energy": energy.EnergyModel("tiny", warmup=1, **TINY),
    "energy-explicit": energy.EnergyModel("tiny", warmup=1, loss="explicit", **TINY),
    "energy-sliced": energy.EnergyModel("tiny", warmup=1, loss="sliced", **TINY),
    "regression": regression.Regression("tiny", rows=20, warmup=1, **TINY),
    "regression-linear": regression.Regression("tiny", model="linear", rows=20, **TINY),
    "classifier": classify.Classification("tiny", warmup=1, **TINY),
    "boundary": classify.Classification("tiny", data="moons", noise=0.1, warmup=1, **TINY),
    "autoencoder": autoencoder.AutoencoderSettings("tiny", latent=2, warmup=1, **TINY),
    "autoencoder-linear": autoencoder.AutoencoderSettings("tiny", layers=0, warmup=1, **TINY),
}
OF_IMAGES = {"reconstructions.png", "latent.png"}
PICTURES = {
    vae.Vae: OF_IMAGES | {"samples.png", "interpolation.png"},
    gan.Gan: {"samples.png"},
    energy.EnergyModel: {"density.png"},
    regression.Regression: {"fit.png"},
    autoencoder.AutoencoderSettings: OF_IMAGES,
}
LEARNERS = {
    vae.Vae: lambda s: vae.learner_of(s, load(s.data)),
    gan.Gan: lambda s: gan.GanLearner(s, load(s.data)),
    energy.EnergyModel: lambda s: energy.EnergyLearner(s, load("moons")),
    regression.Regression: regression.RegressionLearner,
    classify.Classification: lambda s: classify.ClassifierLearner(s, classify.rows(s, "train")),
    autoencoder.AutoencoderSettings: lambda s: autoencoder.AutoencoderLearner(s, load(s.data)),
}


def learner(settings):
    return LEARNERS[type(settings)](settings)


@pytest.fixture(autouse=True)
def short_reports(monkeypatch):
    for module, name, value in (
        (vae, "DRAWS", 3), (gan, "SAMPLES", 40), (gan, "JUDGED", 20), (gan, "PICTURED", 20),
        (classify, "CELLS", 9), (classify, "NODES", 20), (energy, "NODES", 21),
        (energy, "WALKS", 5), (energy, "TEMPERATURES", 4), (energy, "DRAWN", 6),
        (energy, "WALK_STEPS", 3),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_reports_and_draws(name, tmp_path):
    settings = RUNS[name]
    report = settings.run(tmp_path, versions={"numpy": "2"})
    assert all(np.isfinite(figure.value) for figure in report), report
    names = {"config.json", "metrics.csv", "checkpoint.npz", "loss.png", "report.json"}
    if isinstance(settings, classify.Classification):
        names |= {"boundary.png"} if name == "boundary" else {"layers.png", "features.png"}
    elif name == "vae-linear":
        names |= {"axes.png"}
    else:
        names |= PICTURES[type(settings)]
    assert {f.name for f in tmp_path.iterdir()} == names
    saved = json.loads((tmp_path / "report.json").read_text())
    assert [row["what"] for row in saved["figures"]] == [figure.what for figure in report]
    assert from_dict(json.loads((tmp_path / "config.json").read_text())["config"]) == settings


def test_a_fresh_process_knows_the_kind_of_a_run(tmp_path):
    """What has not been imported yet is not unknown: `tinydiff sample` says what the folder has."""
    learner(RUNS["energy"]).save(tmp_path / "checkpoint.npz")
    code = f"from tinydiff.train.build import open_run; open_run({str(tmp_path)!r})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "a run of kind energy, with its own report" in found.stderr


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_stopping_changes_nothing(settings, tmp_path):
    """In the middle of all steps, at one where no checkpoint was due."""
    for name in "ab":
        (tmp_path / name).mkdir()
    straight, first = learner(settings), learner(settings)
    assert train(straight, tmp_path / "a")
    asked = iter(range(9))
    assert not train(first, tmp_path / "b", stop=lambda: next(asked) >= 2)
    second = learner(settings)
    second.load(checkpoint.load(tmp_path / "b" / "checkpoint.npz"))
    assert second.step == 2
    assert train(second, tmp_path / "b")
    assert_equal(state(straight), state(second))
    one, other = (columns(tmp_path / name / "metrics.csv") for name in "ab")
    for name in ("step", "epoch", "loss", "lr", "grad_norm"):
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_a_step_moves_nothing_and_waits_for_nothing(settings):
    """Only the rows of data go up, once a step."""
    before = td.get_device()
    td.set_device("double")
    try:
        trained = learner(settings)
        for _ in range(2):
            with forbid("d2h", "sync") as counts:
                batch = trained.batch()
            assert counts == {"h2d": len(batch)}
            with forbid("h2d", "d2h", "sync"):
                loss, norm = trained.update(*batch)
        assert np.isfinite([loss.item(), norm.item()]).all()
    finally:
        td.set_device(before)


@pytest.mark.parametrize("name", ["vae-gaussian", "gan", "energy"])
def test_training_descends(name):
    """The loss of a fixed batch with the same noise, before and after some steps on it. Of a game:
    the critic learns to tell a generator that stands still from the data."""
    trained = learner(RUNS[name].changed({"steps": 100, "lr": 0.01}))
    if name == "gan":
        trained.optimizer.step = lambda: None
    batch, losses = trained.batch(), []
    for _ in range(60):
        losses.append(float(trained.update(*batch)[0]))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.02


@pytest.mark.parametrize("name", ["vae", "energy", "classifier", "regression"])
def test_a_step_goes_down_at_the_scheduled_rate_with_a_bounded_gradient(name):
    trained = learner(RUNS[name].changed({"warmup": 3}))
    trained.max_norm = 1e-3
    start = trained.model.flat.data.copy()
    _, norm = trained.update(*trained.batch())
    assert norm > 1e-3, "of the gradient as it was"
    assert np.linalg.norm(trained.model.flat.grad) == pytest.approx(1e-3, rel=1e-5)
    assert trained.optimizer.lr == trained.lr(0)
    moved = trained.model.flat.data - start
    assert np.abs(moved).max() == pytest.approx(trained.lr(0), rel=0.01), "Adam's first step"
    share = 1 - min(trained.settings.ema, 0.1)
    np.testing.assert_allclose(trained.average.average, start + share * moved, atol=1e-6)
    assert trained.step == 1


def test_the_critics_parts_are_all_of_the_batch():
    with pytest.raises(ConfigError, match="batch = 12 cannot be cut into critic_steps = 5"):
        RUNS["gan"].changed({"critic_steps": 5})
    trained, seen = learner(RUNS["gan"]), []
    trained.critic_loss = lambda x, y: seen.append(x) or td.mean(trained.critic(x))
    (x,) = trained.batch()
    trained.update(x)
    np.testing.assert_array_equal(np.concatenate(seen), x)


def test_a_game_is_played_on_the_ring_or_on_images():
    with pytest.raises(ConfigError, match="data = 'moons': there is a report on blobs and on imag"):
        learner(RUNS["gan"].changed({"data": "moons"}))
    trained = learner(RUNS["gan-digits"])
    made = trained.made(200)
    assert made.shape == (200, 64) and np.abs(made).max() <= 1
    np.testing.assert_array_equal(trained.batch()[0][0], trained.data.x[trained.rows(0)[0]].ravel())
    assert trained.critic.unit == 1, "pixels are as large as what they differ by"


def test_images_are_judged_as_the_averaged_generator_makes_them(monkeypatch):
    seen, trained = [], learner(RUNS["gan-digits"])
    trained.average.average[...] = 0
    found = [gan.Figure("samples: mean top probability", 0.91, (">=", 0.93))]
    monkeypatch.setattr(gan, "train_judge", lambda *args: None)
    monkeypatch.setattr(
        gan.evaluate, "figures", lambda judge, samples, *rest: seen.append(samples) or found
    )
    (figure,), _ = gan.judged(trained, load("digits", "test"), 1, None)
    np.testing.assert_array_equal(seen[0], np.zeros((20, 8, 8, 1)))
    assert figure.bar == (">=", 0.9) and figure.ok


def test_the_generator_climbs_the_critic():
    """After its step, with the critic as it is, the same z have higher scores."""
    trained = learner(RUNS["gan"])
    trained.critic_optimizer.step = lambda: None
    z = trained.noise(500)
    before = trained.critic(trained.generator(z)).numpy().mean()
    for _ in range(20):
        trained.update(*trained.batch())
    assert trained.critic(trained.generator(z)).numpy().mean() > before


def test_coverage_counts_modes_and_samples(rng):
    angles = 2 * np.pi * np.arange(BLOBS) / BLOBS
    centres = REACH * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert gan.coverage(centres) == (8, 1.0, 0.125)
    assert gan.coverage(np.repeat(centres[:3], 2, axis=0)) == (3, 1.0, 0.0)
    edge = centres * (1 + 3 * NOISE / REACH * np.array([0.99, 1.01] * 4)[:, None])
    assert gan.coverage(edge) == (4, 0.5, 0.0)
    rare = np.concatenate([np.repeat(centres[:1], 98, axis=0), centres[1:2], centres[1:2] * 0])
    assert gan.coverage(rare)[:2] == (1, 0.99), "1 % is less than a mode"
    drawn = gan.coverage(load("blobs", "test").x)
    assert drawn[0] == 8
    assert drawn[1] == pytest.approx(1 - np.exp(-4.5), abs=0.01)


def test_the_bound_by_two_routes_is_told_apart(rng):
    """Figures of made-up draws: a sampled divergence that is off by 0.3 nats is found."""
    test, n = load("digits", "test", limit=40), 40
    closed = rng.uniform(3, 5, n)
    sampled = closed + rng.standard_normal((50, n))
    likelihood = -100 + rng.standard_normal((50, n))
    true = vae.figures(likelihood, closed, sampled, test, "discretized")
    wrong = vae.figures(likelihood, closed, sampled + 0.3, test, "discretized")
    what = "their difference / its standard error"
    (one,), (other,) = ([f for f in found if f.what == what] for found in (true, wrong))
    assert one.ok
    assert not other.ok
    assert other.value == pytest.approx(0.3 * np.sqrt(50 * n), abs=4)
    bits = [f.value for f in true if f.what == "bits per dimension"]
    assert bits[0] == pytest.approx(-true[0].value / (64 * np.log(2)))
    density = [f.value for f in vae.figures(likelihood, closed, sampled, test, "gaussian")]
    assert density[4] == pytest.approx(bits[0] + 3), "levels are 2 / 16 apart: 3 bits each"


def test_a_latent_space_is_shown_in_the_plane(rng):
    """Where the classes differ, not where the numbers are largest."""
    z, labels = rng.standard_normal((30, 2)), np.repeat(np.arange(3), 10)
    shown = vae.latent(z, labels).axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(shown, z, err_msg="two numbers are shown as they are")
    wide = rng.standard_normal((30, 5)) * np.array([0.1, 9, 0.1, 0.1, 0.1])
    wide[:, 1] -= np.repeat(wide[:, 1].reshape(3, 10).mean(axis=1), 10)
    wide[:, 0] += 3 * labels
    wide[:, 3] += np.array([0, 1, 0])[labels]
    found = vae.plane(wide, labels)
    assert abs(np.corrcoef(found[:, 0], wide[:, 0])[0, 1]) > 0.95
    assert abs(np.corrcoef(found[:, 1], wide[:, 3])[0, 1]) > 0.95
    assert vae.plane(z[:, :1], labels).shape == (30, 2)


# --- the presets, whole


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    "vae", "vae-plane", "vae-conv", "vae-linear", "gan", "gan-digits", "energy", "energy-explicit",
    "energy-sliced", "regression", "regression-linear", "boundary", "classifier", "autoencoder",
    "autoencoder-linear",
])  # fmt: skip
def test_a_preset_meets_its_bars(name, tmp_path, monkeypatch):
    monkeypatch.undo()  # the report is measured in full
    report = find(name=name).run(tmp_path)
    assert any(figure.ok for figure in report)
    assert all(figure.ok is not False for figure in report), report


@pytest.mark.slow
def test_the_wasserstein_game_covers_all_modes_from_most_seeds(tmp_path, monkeypatch):
    """9 of 10, as a game that is played by chance may be lost by chance."""
    monkeypatch.undo()
    won = 0
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        report = find(name="gan").changed({"seed": seed}).run(folder)
        won += all(figure.ok is not False for figure in report)
    assert won >= 9

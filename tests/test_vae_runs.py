"""Runs of VAEs: the bar of the bound, the linear one's closed form, images of one's own."""

import numpy as np
import pytest

from tinydiff.backend.errors import ConfigError
from tinydiff.data import load
from tinydiff.gaussian import ppca
from tinydiff.train import linear_vae, vae
from tinydiff.train.linear_vae import LinearVaeLearner
from tinydiff.train.presets import find
from tinydiff.train.vae import VaeLearner

TINY = vae.Vae("tiny", latent=2, hidden=8, steps=2, batch=12, warmup=1)
LINEAR = TINY.changed({"network": "linear", "likelihood": "gaussian"})


@pytest.fixture(autouse=True)
def short_reports(monkeypatch):
    monkeypatch.setattr(vae, "DRAWS", 3)


@pytest.mark.parametrize("n", [1, 3, 20, 33])
@pytest.mark.parametrize("latent", [2, 3])
def test_a_vae_of_few_images_of_ones_own(n, latent, tmp_path, rng):
    """Held out: one image, fewer than a row of the picture, one row, and a row and a bit."""
    images = rng.integers(0, 256, (n, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", x_train=images, x_test=images)
    settings = TINY.changed({"data": str(tmp_path / "mine.npz"), "latent": latent})
    report = settings.run(tmp_path)
    assert all(figure.bar is None for figure in report[:3])
    pairs = vae.above_copies(images[..., None], images[..., None] + 0.5)
    assert len(pairs) == 40 * -(-n // 20)
    np.testing.assert_array_equal(pairs[0], images[0, ..., None])
    np.testing.assert_array_equal(pairs[20], images[0, ..., None] + 0.5)
    assert np.isfinite(pairs).sum() == 2 * images.size
    assert (tmp_path / "reconstructions.png").exists()


def test_data_without_levels_have_no_probabilities(tmp_path, rng):
    images = rng.uniform(-1, 1, (30, 4, 4, 1)).astype(np.float32)
    np.savez(tmp_path / "mine.npz", x=images)
    mine = TINY.changed({"data": str(tmp_path / "mine.npz")})
    with pytest.raises(ConfigError, match=r"has no levels .*: choose likelihood = 'gaussian'"):
        VaeLearner(mine, load(mine.data))
    wide = mine.changed({"likelihood": "gaussian"})
    assert VaeLearner(wide, load(wide.data))


def test_a_linear_vae_is_one_of_densities():
    with pytest.raises(ConfigError, match=r"network = 'linear' .*likelihood = 'gaussian'"):
        LINEAR.changed({"likelihood": "discretized"})


def test_a_density_needs_noise(tmp_path, rng):
    """As many latent numbers as there are pixels, or as the rows extend in."""
    np.savez(tmp_path / "mine.npz", x=rng.integers(0, 256, (3, 2, 2), dtype=np.uint8))
    mine = LINEAR.changed({"data": str(tmp_path / "mine.npz")})
    for latent in (4, 2):
        with pytest.raises(ConfigError, match="choose a smaller latent"):
            LinearVaeLearner(mine.changed({"latent": latent}), load(mine.data))


def test_the_closed_form_passes_as_a_linear_vae_and_others_do_not():
    """Weights of probabilistic PCA: V = W M^-1, and the posterior's variances."""
    trained, test = LinearVaeLearner(LINEAR, load("digits")), load("digits", "test")
    best, model = ppca(trained.data[0], 2), trained.model
    M = best.W.T @ best.W + best.noise * np.eye(2)
    parts = {
        "W.W": best.W.T, "V.W": best.W @ np.linalg.inv(M), "b": best.mean,
        "log_var": np.log(best.noise / np.diag(M)), "log_noise": np.log(best.noise),
    }  # fmt: skip
    for name, value in parts.items():
        model.named_parameters()[name].data[...] = value
    model.flat.changed()
    trained.average.average[...] = model.flat.data
    found, pictures = linear_vae.report(trained, test)
    assert [f.ok for f in found if f.bar] == [True, True]
    assert found[2].value < 1e-4
    assert found[4].value == pytest.approx(found[5].value, abs=1e-4), "the posterior is exact"
    learned, exact = np.nan_to_num(pictures["axes.png"].axes[0].images[0].get_array())[[0, 9]]
    np.testing.assert_allclose(learned, exact, atol=1e-5)
    turned = linear_vae.pairs(best.W[:, ::-1] * np.array([1, -1]), best.W)
    np.testing.assert_array_equal(turned[:2], turned[2:])
    trained.average.average[...] *= 0.9
    assert [f.ok for f in linear_vae.report(trained, test)[0] if f.bar] == [False, False]


def test_the_bound_has_a_bar_on_digits_alone(rng):
    assert [find(name=name).bar() for name in ("vae", "vae-conv", "vae-plane")] == [
        (">=", -105), (">=", -105), (">=", -112),
    ]  # fmt: skip
    preset = find(name="vae")
    for changes in ({"data": "mnist5k"}, {"likelihood": "gaussian"}, {"latent": 3}):
        assert preset.changed(changes).bar() is None
    test, closed = load("digits", "test", limit=5), rng.uniform(3, 5, 5)
    for bound, ok in ((-104.9, True), (-105.1, False)):
        likelihood = np.broadcast_to(bound + closed, (3, 5))
        sampled = closed + rng.standard_normal((3, 5))
        found = vae.figures(likelihood, closed, sampled, test, "discretized", preset.bar())
        assert found[0].ok is ok

"""The autoencoder beside principal axes; encoders and decoders of images."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

import tinydiff as td
from tinydiff.data import load
from tinydiff.models.autoencoder import Autoencoder
from tinydiff.models.coders import convolutional, dense
from tinydiff.models.vae import VAE
from tinydiff.optim import Adam, cosine
from tinydiff.train.autoencoder import AutoencoderLearner, projected, report
from tinydiff.train.presets import find
from tinydiff.train.vae import VaeLearner


def test_a_trained_linear_autoencoder_has_the_error_of_principal_axes(rng):
    """Never less: the sum of the variances along the axes that are left out. And it comes there,
    although nothing has told it of variances or of right angles."""
    x = rng.standard_normal((80, 6)) @ rng.standard_normal((6, 6)) + 2
    x = x.reshape(80, 2, 3, 1)
    model = Autoencoder((2, 3, 1), latent=2, hidden=(), rng=rng).astype(np.float64)
    optimizer, lr, steps = Adam(model, betas=(0.9, 0.99)), cosine(0.03, 1500), 1500
    for step in range(steps):
        optimizer.zero_grad()
        loss = td.mse(model(x), x)
        loss.backward()
        optimizer.lr = lr(step)
        optimizer.step()
    variances = np.linalg.eigvalsh(np.cov(x.reshape(80, 6), rowvar=False, ddof=0))
    least = variances[:4].sum() / 6
    assert -1e-12 < loss.item() - least < 1e-6 * least
    np.testing.assert_allclose(model(x).numpy(), projected(x, x, 2), atol=1e-2)


def test_the_projection_is_that_of_scikit_learn(rng):
    train, x = rng.standard_normal((2, 30, 2, 2, 1)) * np.array([[3], [1]])[..., None]
    pca = PCA(2).fit(train.reshape(30, 4))
    expected = pca.inverse_transform(pca.transform(x.reshape(30, 4))).reshape(x.shape)
    np.testing.assert_allclose(projected(x, train, 2), expected, atol=1e-12)
    np.testing.assert_allclose(projected(x, train, 4), x, atol=1e-12)


def test_the_report_of_a_network_that_copies_the_mean():
    """Its error is the variance of a pixel, of which principal axes leave less."""
    learner = AutoencoderLearner(find("autoencoder").changed({"steps": 0}), load("digits"))
    (train,), test = learner.data, load("digits", "test", limit=60)
    learner.model.flat.data[...] = 0
    last = learner.model.decoder.layers[0].layers[-1]
    last.b.data[...] = train.mean(axis=0).ravel()
    learner.average.average[...] = learner.model.flat.data
    figures = {f.what: f for f in report(learner, test)[0]}
    spread = train.var(axis=0).mean()
    assert figures["error on training images"].value == pytest.approx(spread, rel=1e-5)
    variances = np.linalg.eigvalsh(np.cov(train.reshape(len(train), -1), rowvar=False, ddof=0))
    least = figures["error of the axes, the least linear one"].value
    assert least == pytest.approx(variances[:-8].sum() / 64, rel=1e-4)
    assert figures["held-out: error / that of the axes"].ok is False


@pytest.mark.parametrize("name, split", [("autoencoder", "test"), ("autoencoder-linear", "train")])
def test_the_bar_compares_errors_on_the_same_images(name, split):
    """A network that says 0 has the error E x^2; of held-out images, or, if linear, of those that
    the axes are the best for."""
    learner = AutoencoderLearner(find("autoencoder", name).changed({"steps": 0}), load("digits"))
    learner.average.average[...] = 0
    train, test = load("digits").x, load("digits", "test", limit=60)
    x = test.x if split == "test" else train
    ratio = np.square(np.float64(x)).mean() / np.square(projected(x, train, 8) - x).mean()
    last = report(learner, test)[0][-1]
    assert last.value == pytest.approx(ratio - (split == "train"), rel=1e-6)
    assert last.ok is False


# --- encoders and decoders


@pytest.mark.parametrize("coders, widths", [(dense, (9, 7)), (dense, ()), (convolutional, (3, 4)),
                                            (convolutional, (3, 4, 5)), (convolutional, (3,))])
def test_coders_have_the_shapes_that_they_promise(coders, widths, rng):
    encoder, decoder = coders((8, 4, 2), 3, 6, widths, rng=rng)
    x, z = (rng.standard_normal(s).astype(np.float32) for s in ((5, 8, 4, 2), (5, 3)))
    assert encoder(x).shape == (5, 6)
    assert decoder(z).shape == (5, 8, 4, 2)
    td.mean(td.square(encoder(x))).backward()
    td.mean(td.square(decoder(z))).backward()
    for part in (encoder, decoder):
        for name, p in part.named_parameters().items():
            assert np.abs(p.grad).max() > 0, name


def test_decoders_are_the_mirror_images_of_their_encoders(rng):
    pairs = dense((4, 4, 1), 2, 4, (9, 7), rng=rng), convolutional((4, 4, 1), 2, 4, (3, 5), rng=rng)
    found = [
        [p.shape for name, p in part.named_parameters().items() if name.endswith("W")]
        for pair in pairs
        for part in pair
    ]
    assert found[:2] == [[(16, 9), (9, 7), (7, 4)], [(2, 7), (7, 9), (9, 16)]]
    assert found[2] == [(3, 3, 1, 3), (3, 3, 3, 5), (20, 4)]
    assert found[3] == [(2, 20), (4, 4, 5, 3), (3, 3, 3, 1)]


def test_dense_coders_without_hidden_layers_are_linear(rng):
    for part, shape in zip(dense((2, 2, 1), 2, 2, (), rng=rng), ((4, 2, 2, 1), (4, 2))):
        part.astype(np.float64)
        a, b = rng.standard_normal((2, *shape))
        found = part(a + b).numpy() - part(a).numpy() - part(b).numpy() + part(0 * a).numpy()
        np.testing.assert_allclose(found, 0, atol=1e-13)


def test_a_transposed_convolution_gives_each_inner_pixel_equally_many_terms(rng):
    """With all weights 1 the first doubling of a flat image is flat, away from the edge."""
    _, decoder = convolutional((16, 16, 1), 3, 6, (1, 1), rng=rng)
    (layer,) = (part for part in decoder.layers if isinstance(part, td.nn.ConvTranspose2d))
    layer.W.data[...] = 1
    made = layer(np.ones((1, 8, 8, 1), np.float32)).numpy()
    assert made.shape == (1, 16, 16, 1)
    np.testing.assert_allclose(made[0, 1:-1, 1:-1], 4)


def test_a_convolutional_vae_is_translated_inside(rng):
    """Convolutions see an image moved by 2 pixels as theirs moved by 1 place, before the last
    layer: which an MLP would not."""
    model = VAE((16, 16, 1), 2, (3, 4), convolutional, rng=rng)
    x = np.zeros((1, 16, 16, 1), np.float32)
    x[0, 6:9, 6:9, 0] = rng.standard_normal((3, 3))
    seen = []
    for image in (x, np.roll(x, (2, 2), axis=(1, 2))):
        for layer in model.encoder.layers[:4]:
            image = layer(image)
        seen.append(image.numpy())
    np.testing.assert_allclose(np.roll(seen[0], (1, 1), axis=(1, 2))[0, 2:-1, 2:-1],
                               seen[1][0, 2:-1, 2:-1], atol=1e-6)  # fmt: skip


def test_the_convolutional_preset_has_fewer_weights():
    sizes = [
        VaeLearner(find("vae", name), load("digits")).model.flat.data.size
        for name in ("vae", "vae-conv")
    ]
    assert sizes[0] / sizes[1] == pytest.approx(7, abs=0.6), "what the preset says of itself"


# --- what is refused


def test_images_that_do_not_halve_are_refused(tmp_path, rng):
    with pytest.raises(ValueError, match="3 widths need H and W that are multiples of 4"):
        convolutional((6, 8, 1), 2, 4, (3, 4, 5), rng=rng)
    np.savez(tmp_path / "odd.npz", x=rng.integers(0, 256, (20, 9, 9, 1), dtype=np.uint8))
    path = str(tmp_path / "odd.npz")
    with pytest.raises(td.ConfigError, match="does not fit: 2 widths need H and W"):
        VaeLearner(find("vae", "vae-conv").changed({"data": path}), load(path))


def test_points_are_no_images(tmp_path):
    message = r"data = 'moons' has rows of shape \(2,\): this model is for images"
    for task in ("autoencoder", "vae"):
        with pytest.raises(td.ConfigError, match=message):
            find(task).changed({"data": "moons"}).run(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(td.ConfigError, match="latent must be at least 1, got 0"):
        find("autoencoder").changed({"latent": 0})

"""The U-Net and the classifier: shapes, what depends on what, and nothing that waits."""

import numpy as np
import pytest
from double import forbid
from hypothesis import given
from hypothesis import strategies as st

import tinydiff as td
from tinydiff.models.classifier import Classifier
from tinydiff.models.unet import PixelAttention, UNet, from_patches, to_patches

SMALL = {"widths": (8, 12), "blocks": 1, "heads": (0, 2), "d": 16, "groups": 4}


def awake(model, rng):
    """The model with random weights everywhere: fresh, its output is 0 whatever goes in."""
    model.flat.data[...] = 0.2 * rng.standard_normal(model.flat.data.shape)
    model.flat.changed()
    return model


def images(rng, n=3, size=8, channels=1):
    return rng.standard_normal((n, size, size, channels), dtype=np.float32)


@pytest.mark.parametrize(
    "options, channels",
    [
        (SMALL, 1),
        (SMALL | {"patch": 2}, 1),
        (SMALL | {"blocks": 2, "heads": (2, 0)}, 3),
        (SMALL | {"widths": (8,), "heads": (2,)}, 2),
        (SMALL | {"widths": (8, 8, 16), "heads": (0, 0, 2)}, 1),
    ],
)
def test_an_image_comes_out_and_everything_is_trained(options, channels, rng):
    """Like the input in shape and dtype; no parameter is left out of the gradient."""
    model = awake(UNet(channels, **options, rng=rng), rng)
    x, t = images(rng, channels=channels), np.array([1, 5, 900])
    y = model(x, t)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    td.mse(y, images(rng, channels=channels)).backward()
    for name, p in model.named_parameters().items():
        assert p.grad is not None, name
        assert np.abs(p.grad).max() > 0, name


def test_a_fresh_model_predicts_zero(rng):
    assert not UNet(**SMALL, rng=rng)(images(rng), 7).numpy().any()


def test_times_may_be_given_in_any_form(rng):
    model, x = awake(UNet(**SMALL, rng=rng), rng), images(rng)
    one, many = model(x, 7).numpy(), model(x, np.full(3, 7)).numpy()
    np.testing.assert_array_equal(one, many)
    mixed = model(x, np.array([7, 30, 7])).numpy()
    np.testing.assert_allclose(mixed[[0, 2]], one[[0, 2]], rtol=1e-4, atol=1e-5)
    assert np.abs(mixed[1] - one[1]).max() > 1e-3, "t must matter"


@pytest.mark.parametrize("patch", [1, 2])
def test_rows_of_a_batch_do_not_see_each_other(patch, rng):
    model, x = awake(UNet(**SMALL, patch=patch, rng=rng), rng), images(rng, 4)
    changed = x.copy()
    changed[2] += 1
    y, z = model(x, 9).numpy(), model(changed, 9).numpy()
    np.testing.assert_array_equal(y[[0, 1, 3]], z[[0, 1, 3]])
    assert np.abs(y[2] - z[2]).max() > 1e-3


def test_attention_takes_pixels_as_a_set(rng):
    """It has no notion of position: turned images give turned results, and all pixels matter."""
    layer, x = awake(PixelAttention(8, 2, 4, rng=rng), rng), images(rng, 2, 4, 8)
    y = layer(x).numpy()
    turned = layer(np.ascontiguousarray(np.rot90(x, axes=(1, 2)))).numpy()
    np.testing.assert_allclose(turned, np.rot90(y, axes=(1, 2)), rtol=1e-4, atol=1e-5)
    swapped = x.copy()  # of two pixels, which the norm cannot tell
    swapped[:, 0, 0], swapped[:, 3, 3] = x[:, 3, 3], x[:, 0, 0]
    np.testing.assert_allclose(layer(swapped).numpy()[:, 1], y[:, 1], rtol=1e-4, atol=1e-5)
    other = x.copy()
    other[:, 0, 0] = -x[:, 0, 0]
    assert np.abs(layer(other).numpy() - y)[:, 3, 3].max() > 1e-3


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 3))
def test_patches_hold_the_same_pixels(k, n, channels, rows):
    x = np.arange(n * rows * k * 2 * k * channels).reshape(n, rows * k, 2 * k, channels)
    patches = to_patches(x, k)
    assert patches.shape == (n, rows, 2, k * k * channels)
    corner = x[n - 1, (rows - 1) * k :, k:].ravel()  # the last patch, read as an image
    np.testing.assert_array_equal(patches[-1, -1, -1], corner)
    np.testing.assert_array_equal(from_patches(patches, k), x)


def test_what_does_not_fit_is_said(rng):
    model = UNet(**SMALL, patch=2, rng=rng)
    with pytest.raises(ValueError, match=r"multiples of 4, got \(1, 6, 8, 1\)"):
        model(np.zeros((1, 6, 8, 1), np.float32), 1)
    with pytest.raises(ValueError, match=r"\(N, H, W, 1\)"):
        model(np.zeros((1, 8, 8, 3), np.float32), 1)
    with pytest.raises(ValueError, match=r"heads for each of the widths \(8, 12\), got \(2,\)"):
        UNet(**SMALL | {"heads": (2,)}, rng=rng)
    with pytest.raises(ValueError, match=r"at least 4 x 4 pixels, got \(3, 8, 1\)"):
        Classifier((3, 8, 1), rng=rng)


@pytest.mark.parametrize("time", ["int", "device array"])
def test_nothing_moves_while_the_model_computes(time, rng):
    model = UNet(**SMALL, patch=2, rng=rng).to("double")
    x = td.to_device(images(rng), "double")
    t = 7 if time == "int" else td.to_device(np.array([1, 2, 3]), "double")
    with forbid("h2d", "d2h", "sync"):
        td.mse(model(x, t), x).backward()


def test_the_logits_are_the_last_layer_of_the_features(rng):
    model, x = Classifier((8, 12, 2), 5, width=8, d=6, rng=rng), rng.standard_normal((4, 8, 12, 2))
    x = x.astype(np.float32)
    features = model.features(x)
    assert features.shape == (4, 6)
    np.testing.assert_array_equal(model(x).numpy(), model.out(features).numpy())
    assert model(x).shape == (4, 5)
    alone = model(x[1:2]).numpy()
    np.testing.assert_allclose(model(x).numpy()[1:2], alone, rtol=1e-4, atol=1e-5)


def test_the_classifier_learns_every_parameter(rng):
    model = Classifier(rng=rng)
    td.cross_entropy(model(images(rng, 20)), rng.integers(0, 10, 20)).backward()
    for name, p in model.named_parameters().items():
        assert np.abs(p.grad).max() > 0, name

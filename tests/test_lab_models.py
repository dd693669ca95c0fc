"""The networks of the two labs: their exact sizes, what depends on what, gradients, errata."""

import numpy as np
import pytest
from double import forbid

import tinydiff as td
from tinydiff.models.lab_unet import LabUNet
from tinydiff.models.transformer import Transformer

CURVES = {"n": 6, "T": 5, "d": 8, "heads": 2, "blocks": 2}


def size(model):
    return sum(p.size for p in model.parameters())


def transformer(rng, **options):
    """A tiny one whose last layer is awake: fresh, it is 0 whatever goes in."""
    model = Transformer(**CURVES | options, rng=rng)
    model.last.W.data[...] = rng.standard_normal(model.last.W.shape)
    return model


def test_a_fresh_transformer_predicts_zero(rng):
    x = rng.standard_normal((2, 6, 1), dtype=np.float32)
    assert not Transformer(**CURVES, rng=rng)(x, 2).numpy().any()


def models(rng):
    """(a model, noisy data for it) of each kind, tiny."""
    images = {"size": 7, "T": 5, "d": 4}
    return {
        "table": (transformer(rng, dropout=0), rng.standard_normal((3, 6, 1))),
        "waves": (transformer(rng, dropout=0, time="waves"), rng.standard_normal((3, 6, 1))),
        "fourier": (transformer(rng, dropout=0, fourier=2), rng.standard_normal((3, 6, 1))),
        "places": (transformer(rng, dropout=0, position="waves"), rng.standard_normal((3, 6, 1))),
        "unet": (LabUNet(**images, rng=rng), rng.standard_normal((3, 7, 7, 1))),
    }


KINDS = pytest.mark.parametrize("kind", ["table", "waves", "fourier", "places", "unet"])


def test_the_transformer_has_the_labs_parameters(rng):
    """Its parts one by one, as the lab lists them."""
    d, T, n = 128, 150, 100
    linear = lambda a, b: a * b + b  # noqa: E731
    block = linear(d, 3 * d) + linear(d, d) + linear(d, 4 * d) + linear(4 * d, d) + 2 * 2 * d
    parts = linear(1, d) + n * d + T * d + linear(d, d) + 4 * block + 2 * d + linear(d, 1)
    assert size(Transformer(rng=rng)) == parts == 842_241
    assert size(Transformer(time="waves", rng=rng)) < 842_241
    assert size(Transformer(time="waves", fourier=7, rng=rng)) < 842_241


def test_fourier_features_see_small_differences(rng):
    """sin and cos of pi x and 2 pi x beside x; the last frequency moves most."""
    model, x = transformer(rng, fourier=2), rng.standard_normal((2, 6, 1))
    expected = [x, *(np.sin(w * x) for w in (np.pi, 2 * np.pi))]
    expected += [np.cos(w * x) for w in (np.pi, 2 * np.pi)]
    np.testing.assert_allclose(
        model.features(x), np.concatenate(expected, axis=-1), rtol=1e-12, atol=1e-12
    )
    plain = transformer(rng)
    assert plain.features(x) is x


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_a_token_is_made_of_the_points_within_its_reach(reach, rng):
    """Points of two numbers; without blocks, nothing else brings tokens together."""
    model = transformer(rng, inputs=2, reach=reach, outputs=3, blocks=0)
    x = rng.standard_normal((1, 6, 2), dtype=np.float32)
    before = model(x, 2).numpy()
    assert before.shape == (1, 6, 3)
    for i in range(6):
        changed = x.copy()
        changed[0, i, 1] += 1
        moved = np.abs(model(changed, 2).numpy() - before).max(axis=(0, 2)) > 1e-4
        np.testing.assert_array_equal(moved, np.abs(np.arange(6) - i) <= reach)


def test_the_unet_has_the_labs_parameters(rng):
    model = LabUNet(rng=rng)
    assert size(model) == 6_621_076
    shapes = [block.enter.conv.W.shape[-1] for block in model.down]
    assert shapes == [48, 96, 192, 384]
    assert [block.grow.conv.output_padding for block in model.up] == [0, 1, 1]


@KINDS
def test_the_result_is_like_the_input_and_all_parameters_learn(kind, rng):
    model, x = models(rng)[kind]
    x = x.astype(np.float32)
    model.eval()  # in training, a bias before a batch norm changes nothing
    y = model(x, np.array([1, 2, 5]))
    assert y.shape == x.shape
    assert y.dtype == np.float32
    td.mse(y, rng.standard_normal(x.shape, dtype=np.float32)).backward()
    idle = [name for name, p in model.named_parameters().items() if not np.abs(p.grad).max() > 0]
    parts = ("linear.W", "linear.b", "norm.gamma", "norm.beta")
    assert idle == [f"down.0.shift.{part}" for part in parts] * (kind == "unet")


@pytest.mark.parametrize("side", [5, 7, 8, 28])
def test_the_unet_takes_images_of_any_size(side, rng):
    assert LabUNet(side, 5, 2, rng=rng)(rng.standard_normal((2, side, side, 1)), 3).shape == (
        2, side, side, 1,
    )  # fmt: skip


@KINDS
def test_gradients_are_those_of_differences(kind, rng):
    """Of the input, and of all parameters along one direction, at times that differ."""
    model, x = models(rng)[kind]
    model.astype(np.float64)
    model.flat.data[...] += 0.2 * rng.standard_normal(model.flat.data.shape)  # off relu's kink
    model.flat.changed()
    t = np.array([1, 4, 5])
    if kind == "unet":
        model.eval()  # running statistics: those of a batch have gradient checks of their own
    td.gradcheck(lambda x: model(x, t), x, rng=rng)
    loss = td.mse(model(x, t), np.zeros_like(x))
    loss.backward()
    theta, step = model.flat.data, 1e-6
    along = rng.standard_normal(theta.shape)
    slope = float(model.flat.grad @ along)
    values = []
    for sign in (1, -1):
        theta += sign * step * along
        model.flat.changed()
        values.append(td.mse(model(x, t), np.zeros_like(x)).item())
        theta -= sign * step * along
    # central differences in float64: step^2 of truncation, 1e-16 / step of rounding
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)


@KINDS
def test_time_matters_and_may_be_given_in_any_form(kind, rng):
    model, x = models(rng)[kind]
    model.eval()
    x = x.astype(np.float32)
    one, many = model(x, 4).numpy(), model(x, np.full(3, 4)).numpy()
    np.testing.assert_array_equal(one, many)
    mixed = model(x, np.array([4, 1, 4])).numpy()
    np.testing.assert_allclose(mixed[[0, 2]], one[[0, 2]], rtol=1e-4, atol=1e-5)
    assert np.abs(mixed[1] - one[1]).max() > 1e-3


@pytest.mark.parametrize("kind", ["table", "unet"])
def test_the_table_is_read_at_t_minus_1(kind, rng):
    """t = 1 ... T as everywhere; row t - 1 of the table belongs to it, and to no other t."""
    model, x = models(rng)[kind]
    model.eval()
    before = [model(x.astype(np.float32), t).numpy() for t in range(1, 6)]
    model.table.W.data[3] += 1
    model.flat.changed()
    after = [model(x.astype(np.float32), t).numpy() for t in range(1, 6)]
    moved = [t for t, a, b in zip(range(1, 6), before, after) if np.abs(a - b).max() > 1e-6]
    assert moved == [4]
    with pytest.raises(IndexError):
        model(x, np.array([1, 2, 6]))


def test_every_point_of_a_curve_sees_every_other_one(rng):
    """And the position table is what tells them apart: without it, they are a set."""
    model, x = models(rng)["table"]
    changed = x.copy()
    changed[:, 0] += 1
    assert (np.abs(model(changed, 2).numpy() - model(x, 2).numpy()) > 1e-9).all()
    assert not np.allclose(model(x[:, ::-1].copy(), 2).numpy(), model(x, 2).numpy()[:, ::-1])
    model.position.data[...] = 0
    model.flat.changed()
    turned = model(x[:, ::-1].copy(), 2).numpy()
    np.testing.assert_allclose(turned, model(x, 2).numpy()[:, ::-1], rtol=1e-4, atol=1e-5)


def test_dropout_is_for_training_only(rng):
    model, x = transformer(rng, dropout=0.5), rng.standard_normal((2, 6, 1))
    one, other = model(x, 3).numpy(), model(x, 3).numpy()
    assert not np.array_equal(one, other)
    model.eval()
    np.testing.assert_array_equal(model(x, 3).numpy(), model(x, 3).numpy())


def test_batch_norms_are_told_apart_from_other_rows_by_eval(rng):
    model, x = models(rng)["unet"]
    model(x, 2)
    model.eval()
    changed = x.copy()
    changed[2] += 1
    np.testing.assert_array_equal(model(x, 2).numpy()[:2], model(changed, 2).numpy()[:2])


def test_places_that_start_as_waves_are_told_apart_by_their_distance(rng):
    """The product of two places depends on their distance alone, and falls from 0 to 1."""
    table = Transformer(n=30, d=32, position="waves", rng=rng).position.data.astype(float)
    products = table @ table.T / 32
    for distance in range(4):
        along = np.diag(products, distance)
        np.testing.assert_allclose(along, along[0], atol=1e-5)
    assert products[0, 0] == pytest.approx(1, abs=1e-6)
    assert 1 > products[0, 1] > 0.5


def test_what_does_not_fit_is_said(rng):
    with pytest.raises(ValueError, match=r"curves \(N, 6, 1\), got \(2, 5, 1\)"):
        models(rng)["table"][0](np.zeros((2, 5, 1)), 1)
    with pytest.raises(ValueError, match=r"images \(N, \*\(7, 7, 1\)\), got \(1, 7, 6, 1\)"):
        models(rng)["unet"][0](np.zeros((1, 7, 6, 1)), 1)
    with pytest.raises(ValueError, match=r"time is 'table' or 'waves', got 'clock'"):
        Transformer(time="clock", rng=rng)
    with pytest.raises(ValueError, match=r"position is 'table' or 'waves', got 'map'"):
        Transformer(position="map", rng=rng)


@KINDS
def test_nothing_moves_while_the_model_computes(kind, rng):
    model, x = models(rng)[kind]
    model, x = model.to("double"), td.to_device(x.astype(np.float32), "double")
    t = td.to_device(np.array([1, 2, 3]), "double")
    with forbid("h2d", "d2h", "sync"):
        td.mse(model(x, t), x).backward()
        model(x, 2)


# --- errata of the labs


def test_attention_weights_sum_to_1_over_the_keys(rng):
    """The first lab's notebook normalises over the queries, softmax over axis 1 of (N, query, key):
    erratum E-B32 of the ledger.

    Values that are all 1 come back as the sum of a query's weights: 1 here, anything there.
    """
    q, k, v = rng.standard_normal((2, 5, 4)), rng.standard_normal((2, 5, 4)), np.ones((2, 5, 1))
    np.testing.assert_allclose(td.attention(q, k, v), 1, rtol=1e-12)
    weights = td.softmax(q @ k.swapaxes(1, 2) / 2, 1)  # as printed
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    off = np.abs((weights @ v) - 1)
    assert off.max() > 0.2, "some points are hardly told anything, others too much"


def test_attention_of_a_block_mixes_values_with_weights_of_sum_1(rng):
    """Tokens that are all alike have one value; any weights of sum 1 leave it as it is."""
    attend = Transformer(**CURVES, rng=rng).blocks[0].attend
    token = rng.standard_normal((1, 1, 8))
    alone, many = attend(token).numpy(), attend(np.repeat(token, 6, axis=1)).numpy()
    np.testing.assert_allclose(many, np.repeat(alone, 6, axis=1), rtol=1e-5, atol=1e-6)

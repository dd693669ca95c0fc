"""Classifiers: true probabilities of points, what is reported, drawn and refused."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff import viz
from tinydiff.data import points
from tinydiff.models.classifier import Classifier, PointClassifier
from tinydiff.train import classify
from tinydiff.train.metrics import read
from tinydiff.train.presets import find


def settings(**changes):
    return find("boundary").changed(changes)


def test_true_probabilities_of_blobs_are_those_of_eight_gaussians(rng):
    """Blobs are points, so the integral along each is the value at one place."""
    x, noise = rng.uniform(-1, 1, (30, 2)), 0.2
    angle = 2 * np.pi * np.arange(8) / 8
    centres = points.REACH * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    log_p = -np.square(x[:, None] - centres).sum(axis=-1) / (2 * (points.NOISE**2 + noise**2))
    expected = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    found = classify.exact_log_probabilities("blobs", x, noise)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("name", ["moons", "circles", "spiral"])
def test_true_probabilities_are_calibrated_and_beat_all_others(name):
    """Of rows that are given probability p of class 1, a share p is of class 1: the mean of y - p
    is 0, also weighted by any function of x. A wrong density of one class would show."""
    data = classify.rows(settings(data=name, noise=0.15), "train")
    log_p = classify.exact_log_probabilities(name, data.x[:4000], 0.15)
    p, y = np.exp(log_p[:, 1]), data.y[:4000]
    for weight in (np.ones(4000), p, data.x[:4000, 0], data.x[:4000, 1] ** 2):
        off = (y - p) * weight
        assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))
    entropy = -log_p[np.arange(4000), y].mean()
    for sharper in (0.8, 1.25):
        other = sharper * log_p
        other -= np.logaddexp(*other.T)[:, None]
        assert -other[np.arange(4000), y].mean() > entropy


def test_noise_is_added_to_both_splits_and_not_twice_the_same():
    plain, noised = (classify.rows(settings(noise=s), "train") for s in (0.0, 0.3))
    added = noised.x - plain.x
    assert added.std() == pytest.approx(0.3, rel=0.02)
    other = classify.rows(settings(noise=0.3), "test").x - classify.rows(settings(noise=0.0),
                                                                         "test").x  # fmt: skip
    assert other.std() == pytest.approx(0.3, rel=0.03)
    assert not np.allclose(added[: len(other)], other, atol=0.01)


def test_figures_are_accuracy_and_cross_entropy():
    data = classify.rows(settings(), "test")
    p = np.full((len(data), 2), 0.25)
    p[np.arange(len(data)), data.y] = 0.75
    p[:500] = p[:500, ::-1]
    accuracy, entropy = classify.figures(np.log(p), data)
    assert accuracy.value == pytest.approx(0.75)
    assert entropy.value == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))


def test_the_report_compares_with_the_true_probabilities(monkeypatch):
    """A classifier that knows nothing: log 2 nats, which is log 2 minus the least above that."""
    monkeypatch.setattr(classify, "CELLS", 5)
    changed = settings(steps=0)
    learner = classify.ClassifierLearner(changed, classify.rows(changed, "train"))
    learner.average.average[...] = 0
    test = classify.rows(changed, "test")
    found = {f.what: f for f in classify.report(learner, test)[0]}
    assert found["cross entropy, nats"].value == pytest.approx(np.log(2))
    least = found["true probabilities: cross entropy, nats"].value
    exact = classify.exact_log_probabilities("spiral", test.x, changed.noise)
    assert least == pytest.approx(-exact[np.arange(len(test)), test.y].mean())
    gap = found["cross entropy above theirs"]
    assert gap.value == pytest.approx(np.log(2) - least)
    assert gap.ok is False


def test_training_on_digits_has_a_time_to_keep(tmp_path):
    preset = find("classifier")
    for took, ok in ((59.9, True), (60.1, False)):
        (figure,) = classify.seconds(preset, [{"seconds": 1.0}, {"seconds": took}])
        assert (figure.value, figure.ok) == (took, ok)
    assert classify.seconds(preset.changed({"data": "mnist5k"}), []) == []
    tiny = preset.changed({"steps": 2, "batch": 4, "warmup": 1, "hidden": 4})
    last = tiny.run(tmp_path)[-1]
    assert last.what == "seconds of training"
    assert 0 < last.value == pytest.approx(read(tmp_path / "metrics.csv")[-1]["seconds"])


def test_a_single_held_out_image_will_do(tmp_path, rng):
    x, y = rng.integers(0, 256, (30, 8, 8), dtype=np.uint8), np.arange(30) % 3
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    tiny = {"data": str(tmp_path / "mine.npz"), "steps": 2, "warmup": 1, "hidden": 4}
    report = find("classifier").changed(tiny).run(tmp_path)
    assert all(np.isfinite(figure.value) for figure in report)


def test_the_nearest_row_gives_its_class(rng):
    data = classify.rows(settings(), "train")
    some = rng.permutation(len(data))[:50]
    np.testing.assert_array_equal(classify.nearest(data.x[some] + 1e-6, data), data.y[some])


def test_a_classifier_of_points_bends_at_its_unit(rng):
    model = PointClassifier(2, 8, 3, rng=rng)
    x = rng.standard_normal((5, 2)).astype(np.float32)
    assert model(x).shape == (5, 3)
    np.testing.assert_allclose(model(x).numpy(), model.net(x * np.float32(10)).numpy(), rtol=1e-6)


def test_the_layers_of_a_classifier_end_in_its_features(rng):
    model = Classifier((8, 12, 1), 10, 8, 6, rng=rng)
    x = rng.standard_normal((3, 8, 12, 1)).astype(np.float32)
    found = model.layers(x)
    assert [a.shape for a in found] == [(3, 8, 12, 8), (3, 4, 6, 16), (3, 4, 6, 16), (3, 6)]
    np.testing.assert_array_equal(found[-1].numpy(), model.features(x).numpy())


def test_a_batch_is_rows_and_their_classes_and_images_are_warped_a_little():
    for name in ("boundary", "classifier"):
        changed = find(name=name).changed({"batch": 40})
        learner = classify.ClassifierLearner(changed, classify.rows(changed, "train"))
        x, labels = learner.batch()
        chosen = learner.rows(0)
        np.testing.assert_array_equal(labels, learner.train.y[chosen])
        if name == "boundary":
            np.testing.assert_array_equal(x, learner.train.x[chosen])
        else:
            assert x.shape == (40, 8, 8, 1)
            a, b = x - x.mean(), learner.train.x[chosen] - x.mean()
            alike = (a * b).sum(axis=(1, 2, 3)) / np.sqrt(
                (a**2).sum(axis=(1, 2, 3)) * (b**2).sum(axis=(1, 2, 3))
            )
            assert 0.7 < np.median(alike) < 0.99


# --- the pictures


def test_the_picture_of_the_plane_has_each_probability_at_its_place(monkeypatch, rng):
    """At x = grid[j], y = grid[i] for [i, j]: moons, whose two coordinates are not alike."""
    monkeypatch.setattr(classify, "CELLS", 5)
    monkeypatch.setattr(viz, "boundary", lambda *args: args)
    changed = settings(data="moons", noise=0.3)
    learner = classify.ClassifierLearner(changed, classify.rows(changed, "train"))
    test = classify.rows(changed, "test")
    learned, exact, x, y, reach, _ = classify.plane(learner.model, changed, test)["boundary.png"]
    place = np.array([[reach / 2, -reach / 2]])  # grid[3], grid[1]
    for found, expected in (
        (learned, classify.log_probabilities(learner.model, place)),
        (exact, classify.exact_log_probabilities("moons", place, 0.3)),
    ):
        np.testing.assert_allclose(found[1, 3], np.exp(expected[0]), rtol=1e-4)
        assert found.shape == (5, 5, 2)
    np.testing.assert_array_equal(x, test.x)
    np.testing.assert_array_equal(y, test.y)


def test_the_boundary_is_where_two_classes_are_equally_likely(rng):
    """p = sigmoid(8 x) learned, sigmoid(8 y) exact: a vertical line, a dashed flat one."""
    grid = np.linspace(-1, 1, 21)
    p = 1 / (1 + np.exp(-8 * grid))
    learned = np.broadcast_to(p, (21, 21))
    maps = (np.stack([1 - a, a], axis=-1) for a in (learned, learned.T))
    data, labels = rng.uniform(-1, 1, (6, 2)), np.arange(6) % 2
    ax = viz.boundary(*maps, data, labels, 1.0, "title").axes[0]
    first, second, dots = ax.collections
    for line, axis in ((first, 0), (second, 1)):
        np.testing.assert_allclose(line.get_paths()[0].vertices[:, axis], 0, atol=1e-9)
    assert first.get_linestyle() != second.get_linestyle()
    np.testing.assert_allclose(dots.get_offsets(), data)
    image = ax.images[0].get_array()
    assert ax.images[0].origin == "lower"
    np.testing.assert_allclose(image[:, 0], image[0, 0] * np.ones((21, 1)), atol=1e-12)
    assert image[0, 0][2] > image[0, 0][0] and image[0, -1][0] > image[0, -1][2], "blue, orange"


def test_each_line_between_many_classes_is_drawn_once():
    angle = np.arange(3) * 2 * np.pi / 3
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 2), axis=-1)
    height = np.exp(4 * grid @ np.stack([np.cos(angle), np.sin(angle)]))
    p = height / height.sum(axis=-1, keepdims=True)
    ax = viz.boundary(p, p, np.zeros((1, 2)), np.zeros(1, int), 1.0, "title").axes[0]
    lines = [line.get_paths()[0].vertices for line in ax.collections[:2]]
    ends = np.concatenate(lines)
    ends = ends[np.linalg.norm(ends, axis=1) > 0.5]
    directions = np.unique(np.round(np.degrees(np.arctan2(*ends.T[::-1])) / 20).astype(int) * 20)
    assert set(directions) <= {60, 180, -180, -60}
    assert {60, -60} <= set(directions)
    assert sum(abs(d) == 180 for d in directions)


def test_layers_are_shown_a_row_for_each_image(rng):
    images = rng.uniform(-1, 1, (3, 8, 8, 1))
    maps = [rng.standard_normal((3, 4, 4, 5)), 7 + rng.standard_normal((3, 2, 2, 2))]
    (ax,) = viz.layers(images, maps).axes
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["image", "layer 1: 4 x 4", "layer 2: 2 x 2"]
    picture = np.pad(ax.images[0].get_array().filled(np.nan), ((0, 1), (0, 1)))
    tiles = picture.reshape(3, 9, 10, 9).transpose(0, 2, 1, 3)[..., :8, :8]  # image, column
    places = (0, *range(2, 7), *range(8, 10))
    shown = [images[..., 0], *np.moveaxis(maps[0], -1, 0), *np.moveaxis(maps[1], -1, 0)]
    for place, a in zip(places, shown, strict=True):
        grey = (a - a.min()) / (a.max() - a.min())
        wide = np.kron(grey, np.ones((1, 8 // a.shape[1], 8 // a.shape[2])))
        np.testing.assert_allclose(tiles[:, place], wide)
    for gap in (1, 7):
        assert np.isnan(tiles[:, gap]).all()
    np.testing.assert_allclose(ax.get_xticks(), np.array([0.5, 4.5, 9]) * 9 - 1)


def test_the_channels_that_are_shown_are_those_that_differ_most_from_place_to_place(monkeypatch):
    monkeypatch.setattr(viz, "layers", lambda images, maps: (images, maps))
    changed = find("classifier")
    test = classify.rows(changed, "test")
    learner = classify.ClassifierLearner(changed, classify.rows(changed, "train"))
    images, maps = classify.layers(learner.model, test)["layers.png"]
    first = [int(np.flatnonzero(test.y == k)[0]) for k in range(5)]
    np.testing.assert_array_equal(images, test.x[first])
    for a, shown in zip(learner.model.layers(test.x), maps):
        spread = a.numpy().std(axis=(1, 2)).mean(axis=0)
        chosen = np.sort(spread)[::-1][: shown.shape[-1]]
        best = np.flatnonzero(spread >= chosen[-1])
        np.testing.assert_allclose(shown, a.numpy()[first][..., best], rtol=1e-5)


# --- what is refused


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"data": "nothing"}, "no data set is called 'nothing'"),
        ({"data": "gmm"}, r"rows of shape \(100, 1\): a classifier is for images, or for points"),
        ({"data": "swiss_roll"}, "one class only"),
        ({"data": "digits", "noise": 0.1}, "noise is added to moons, circles, spiral, blobs only"),
    ],
)
def test_data_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(td.Error, match=message):
        classify.rows(settings(**changes), "train")


def test_images_that_are_too_small_are_refused(tmp_path, rng):
    np.savez(tmp_path / "odd.npz", x=rng.integers(0, 256, (20, 3, 3, 1), dtype=np.uint8),
             y=np.arange(20) % 2)  # fmt: skip
    changed = find("classifier").changed({"data": str(tmp_path / "odd.npz")})
    with pytest.raises(td.ConfigError, match="does not fit: Classifier needs"):
        classify.ClassifierLearner(changed, classify.rows(changed, "train"))

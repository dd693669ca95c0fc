"""Pictures: what they show, and that they touch neither pyplot nor a screen."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageSequence

import tinydiff as td
from tinydiff import viz
from tinydiff.diffusion import schedules
from tinydiff.diffusion.process import Process


def texts(fig):
    """All words in a Figure that are visible."""
    return [t.get_text() for ax in fig.axes for t in ax.texts]


def test_a_mosaic_puts_images_in_rows():
    images = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3, 1)
    picture = viz.mosaic(images, 2)
    assert picture.shape == (3 * 3 - 1, 2 * 4 - 1)
    np.testing.assert_array_equal(picture[3:5, 4:7], images[3, ..., 0])
    np.testing.assert_array_equal(picture[6:8, 0:3], images[4, ..., 0])
    assert np.isnan(picture[2]).all(), "lines between rows"
    assert np.isnan(picture[:, 3]).all(), "and columns"
    assert np.isnan(picture[6:8, 4:7]).all(), "nothing where there is no image"


def test_a_grid_shows_the_images_as_ink_on_paper(rng):
    fig = viz.grid(rng.uniform(-1, 1, (6, 4, 4, 1)), 3, "six")
    (shown,) = fig.axes[0].images
    assert shown.get_cmap()(0.0)[:3] == (1, 1, 1)
    assert shown.get_clim() == (-1, 1)
    assert fig.axes[0].get_title() == "six"


@pytest.mark.parametrize("n", [0, 1, 3, 400])
def test_a_loss_curve_of_any_length(n, rng, tmp_path):
    loss = 1 + rng.random(n)
    fig = viz.loss_curve(np.arange(1, n + 1), loss, "loss in nats", floor=(0.5, "the floor"))
    viz.save(fig, tmp_path / "loss.png")
    ax = fig.axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss in nats")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), loss)
    if n == 400:
        mean = ax.lines[1]
        assert mean.get_xdata()[0] == 8, "the mean of the first 8 steps stands at step 8"
        np.testing.assert_allclose(mean.get_ydata()[[0, -1]], [loss[:8].mean(), loss[-8:].mean()])


def test_noising_has_a_row_for_each_image_and_a_column_for_each_t(rng):
    process = Process(schedules.cosine(20))
    x0 = rng.uniform(-1, 1, (2, 4, 4, 1)).astype(np.float32)
    fig = viz.noising(x0, process, [0, 10, 20], rng)
    picture = np.pad(fig.axes[0].images[0].get_array(), ((0, 1), (0, 1)))
    shown = picture.reshape(2, 5, 3, 5).transpose(0, 2, 1, 3)[:, :, :4, :4]
    np.testing.assert_array_equal(shown[:, 0], x0[..., 0])
    eps = (shown[:, 1] - process.alphas_bar[10] ** 0.5 * shown[:, 0]) / (
        process.one_minus_alphas_bar[10] ** 0.5
    )
    expected = process.q_sample(shown[:, 0], 20, eps)  # along a row the noise is the same
    np.testing.assert_allclose(shown[:, 2], expected, atol=1e-6)
    titles = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    np.testing.assert_array_equal(fig.axes[0].get_xticks(), [1.5, 6.5, 11.5])
    assert all(f"t={t}$" in title for t, title in zip((0, 10, 20), titles))
    assert f"{process.alphas_bar[10]:.3f}" in titles[1]


def test_an_animation_has_all_frames_and_holds_the_last(rng, tmp_path):
    frames = [(t, rng.uniform(-1, 1, (6, 4, 4, 1))) for t in (9, 6, 3, 0)]
    viz.animate(tmp_path / "a.gif", frames, 3, seconds=2.0, hold=1.5)
    with Image.open(tmp_path / "a.gif") as picture:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(picture)]
    assert len(durations) >= 4
    assert sum(durations) == pytest.approx(2000 + 1500, rel=0.02)


@pytest.mark.parametrize("classes", [1, 3, 12])
def test_a_map_has_its_classes_in_colour_and_named(classes, rng, tmp_path):
    labels = np.repeat(np.arange(classes) + 5, 20)
    y = 0.1 * rng.standard_normal((20 * classes, 2)) + labels[:, None]
    fig = viz.embedding(y, labels, "a map")
    ax = fig.axes[0]
    assert ax.get_title() == "a map" and ax.get_aspect() == 1
    assert texts(fig) == [str(label) for label in range(5, 5 + classes)]
    for label, text, points in zip(range(5, 5 + classes), ax.texts, ax.collections):
        np.testing.assert_array_equal(points.get_offsets(), y[labels == label])
        gap = np.abs(np.array(text.get_position()) - np.median(y[labels == label], axis=0)).max()
        assert gap < 0.1 and tuple(text.get_position()) in map(tuple, y)
    colours = {tuple(points.get_facecolor()[0]) for points in ax.collections}
    assert len(colours) == classes
    viz.save(fig, tmp_path / "map.png")


def test_a_map_needs_a_label_for_each_point(rng):
    with pytest.raises(ValueError, match=r"got \(5, 2\) and \(4,\)"):
        viz.embedding(rng.standard_normal((5, 2)), np.arange(4))
    with pytest.raises(ValueError, match=r"got \(5, 3\)"):
        viz.embedding(rng.standard_normal((5, 3)), np.arange(5))


# --- the tape


def graph():
    """A diamond with a tail: y = mean(exp(x) + x^2), and a constant."""
    x = td.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    return td.mean(td.exp(x) + td.square(x) * td.Tensor([1.0, 0.0, 1.0]))


def test_draw_shows_every_operation(tmp_path):
    loss = graph()
    found = texts(td.draw(loss))
    rows = td.trace(loss).rows
    for row in rows:
        shape = "×".join(map(str, row["shapes"][-1])) or "scalar"
        assert f"{row['op']}\n{shape}" in found
    inputs = [source for row in rows for source in row["inputs"]]
    assert sum(t.startswith("leaf") for t in found) == inputs.count("leaf")
    assert sum(t.startswith("const") for t in found) == inputs.count("const")
    assert len(found) == len(rows) + inputs.count("leaf") + inputs.count("const")
    viz.save(td.draw(loss), tmp_path / "tape.png")


def test_draw_goes_from_left_to_right():
    """What feeds an operation stands left of it, and no two boxes in one place."""
    loss = graph()
    fig = td.draw(loss)
    at = {t.get_text(): t.get_position() for t in fig.axes[0].texts}
    x = {text.split("\n")[0]: place[0] for text, place in at.items()}
    assert x["leaf"] < x["Exp"] < x["Add"] < x["Sum"] < x["Divide"]
    assert x["Square"] < x["Multiply"] < x["Add"]
    places = [t.get_position() for t in fig.axes[0].texts]
    assert len(set(places)) == len(places)


def test_edges_end_at_their_boxes():
    """Every edge begins and ends at a box or at a stop that another edge goes on from."""
    fig = td.draw(graph())
    boxes = {t.get_position() for t in fig.axes[0].texts}
    starts = [(line.get_xdata()[0], line.get_ydata()[0]) for line in fig.axes[0].lines]
    ends = [(line.get_xdata()[-1], line.get_ydata()[-1]) for line in fig.axes[0].lines]
    assert all(end in boxes or end in starts for end in ends)
    assert all(start in boxes or start in ends for start in starts)


def test_draw_of_a_long_tape(tmp_path):
    x = td.Tensor(1.0, requires_grad=True)
    for _ in range(150):
        x = td.sin(x)
    fig = td.draw(x)
    assert fig.get_size_inches()[0] <= 210
    assert len(fig.axes[0].texts) == 151


def test_draw_needs_a_tape():
    with pytest.raises(td.GraphError):
        td.draw(td.Tensor(1.0))


def test_pictures_need_no_pyplot(tmp_path):
    """pyplot would choose a backend for a screen that may not be there, and keep figures alive."""
    code = (
        "import sys, tinydiff as td\n"
        "assert 'matplotlib' not in sys.modules\n"
        "x = td.Tensor(1.0, requires_grad=True)\n"
        "td.draw(td.exp(x)).savefig(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "tape.png")], check=True)


SHAPES = {"images": (6, 4, 4, 1), "curves": (6, 20, 1), "points": (30, 2), "numbers": (30, 1)}


@pytest.mark.parametrize("kind", SHAPES)
def test_samples_of_every_kind_have_a_picture(kind, rng, tmp_path):
    x = rng.uniform(-1, 1, SHAPES[kind])
    fig = viz.samples(x, 3, "some")
    assert fig.axes[0].get_title() == "some"
    if kind == "points":
        np.testing.assert_array_equal(fig.axes[0].collections[0].get_offsets(), x)
    if kind == "numbers":
        heights = [bar.get_height() * bar.get_width() for bar in fig.axes[0].patches]
        assert sum(heights) == pytest.approx(1)
    frames, path = [(2, x), (1, x / 2), (0, x / 4)], tmp_path / "a.gif"
    if kind == "numbers":
        with pytest.raises(ValueError, match="no animation of numbers"):
            viz.animate_samples(path, frames, 3)
    else:
        viz.animate_samples(path, frames, 3)
        with Image.open(path) as file:
            shown = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(file)]
        assert len(shown) >= 3
        assert np.abs(shown[0].astype(int) - shown[1]).max() > 50


@pytest.mark.parametrize("shape", [(5,), (5, 3), (2, 2, 2, 2, 1)])
def test_samples_without_a_picture_are_refused(shape):
    with pytest.raises(ValueError, match=r"no picture of samples of shape"):
        viz.samples(np.zeros(shape), 3)

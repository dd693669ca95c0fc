"""Pictures of the plane show things where they are."""

import numpy as np

from tinydiff import viz


def test_points_are_coloured_and_labelled_where_they_are(rng):
    points, labels = rng.standard_normal((9, 2)), np.arange(9) % 3
    (ax,) = viz.scatter(points, labels, "title").axes
    np.testing.assert_allclose(ax.collections[0].get_offsets(), points)
    np.testing.assert_array_equal(ax.collections[0].get_array(), labels)
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    np.testing.assert_allclose(ax.texts[1].get_position(), np.median(points[1::3], axis=0))


def test_level_lines_belong_to_their_places(rng):
    """The height y, of places x = grid[j], y = grid[i]: its level lines are horizontal."""
    data, samples = rng.standard_normal((2, 6, 2))
    height = np.repeat(np.linspace(-2, 2, 9)[:, None], 9, axis=1)
    ax = viz.over_lines(data, samples, height, 2.0, "title", "y").axes[0]
    lines, *dots = ax.collections
    for level, path in zip(lines.levels, lines.get_paths()):
        np.testing.assert_allclose(path.vertices[:, 1], level, atol=1e-12)
    np.testing.assert_allclose(dots[0].get_offsets(), data)
    np.testing.assert_allclose(dots[1].get_offsets(), samples)


def test_arrows_point_along_the_field_with_the_root_of_its_length():
    x, y = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 3))
    arrows = np.stack([4 * x, 9 * (y > 0)], axis=-1)  # of length 0 in places
    density = np.arange(25.0).reshape(5, 5)
    (ax,) = viz.field(density, arrows, np.zeros((4, 2)), 1.0, "title").axes
    (image,), (_, quiver) = ax.images, ax.collections
    assert image.origin == "lower"
    np.testing.assert_array_equal(image.get_array(), density)
    np.testing.assert_allclose(quiver.XY[5], [1, 0])
    np.testing.assert_allclose([quiver.U[5], quiver.V[5]], [2, 0], err_msg="of (4, 0) at (1, 0)")
    np.testing.assert_allclose([quiver.U[7], quiver.V[7]], [0, 3], err_msg="of (0, 9) at (0, 1)")
    assert quiver.U[4] == quiver.V[4] == 0

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


def test_panels_share_the_limits_of_the_data(rng):
    data, sets = rng.uniform(-2, 2, (30, 2)), {"a": np.zeros((3, 2)), "b": np.full((3, 2), 9.0)}
    fig = viz.side_by_side(data, sets)
    reach = 1.15 * np.abs(data).max()
    assert [ax.get_title() for ax in fig.axes] == ["a", "b"]
    for ax, samples in zip(fig.axes, sets.values()):
        assert ax.get_xlim() == ax.get_ylim() == (-reach, reach)
        np.testing.assert_allclose(ax.collections[0].get_offsets(), data)
        np.testing.assert_allclose(ax.collections[1].get_offsets(), samples)


def test_trails_end_in_dots(rng):
    ways = rng.standard_normal((7, 3, 2))
    (ax,) = viz.trails(rng.standard_normal((5, 2)), ways, "title").axes
    assert len(ax.lines) == 3
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), ways[:, 1])
    np.testing.assert_allclose(ax.collections[1].get_offsets(), ways[-1])


def test_ways_on_the_line_stand_on_the_shade_of_their_time():
    """Rows of the shade are times: it is drawn with t to the right, falling, and places upwards."""
    times, places = np.array([2, 1, 0]), np.linspace(-1, 1, 5)
    densities = np.arange(1.0, 16.0).reshape(3, 5)
    ways = np.arange(6.0).reshape(3, 2)
    (ax,) = viz.paths(times, ways, places, densities).axes
    shade = ax.collections[0].get_array().reshape(5, 3)
    np.testing.assert_allclose(shade[:, 1], densities[1] / 10)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), np.stack([times, ways[:, 1]], axis=1))
    assert ax.get_xlim() == (2, 0)


def test_a_histogram_beside_densities_is_a_density(rng):
    x, grid = rng.standard_normal(500), np.linspace(-6, 6, 61)
    (ax,) = viz.against_densities(x, grid, {"one": grid**2, "two": grid}, "title").axes
    area = sum(bar.get_height() * bar.get_width() for bar in ax.patches)
    np.testing.assert_allclose(area, 1, rtol=1e-12)
    assert [line.get_label() for line in ax.lines] == ["one", "two"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), grid**2)

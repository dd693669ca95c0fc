"""Laws that operations obey for all shapes and indices: hunted for counter-examples."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from op_cases.references import convolve

import tinydiff as td

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
SEEDS = st.integers(0, 2**32 - 1)


def normal(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def pull(f, *arrays):
    """(f(arrays), g, (df/darrays)^T g) for a random g."""
    y, back = td.vjp(f, *arrays)
    (g,) = normal(y.size, y.shape)
    return y.data, g, back(g)


def summed_back(g, shape):
    """The adjoint of broadcasting, index by index."""
    total = np.zeros(shape)
    for i in np.ndindex(g.shape):
        own = i[len(i) - len(shape) :]
        total[tuple(k if n > 1 else 0 for k, n in zip(own, shape))] += g[i]
    return total


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3), SEEDS)
def test_broadcasting_is_undone_by_sums(shapes, seed):
    a, b = normal(seed, *shapes.input_shapes)
    y, g, (ga, gb) = pull(td.multiply, a, b)
    np.testing.assert_array_equal(y, a * b)
    np.testing.assert_allclose(ga, summed_back(g * b, a.shape), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gb, summed_back(g * a, b.shape), rtol=1e-12, atol=1e-12)


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3), SEEDS)
def test_where_broadcasts_all_three(shapes, seed):
    c, a, b = normal(seed, *shapes.input_shapes)
    y, g, (ga, gb) = pull(lambda a, b: td.where(c > 0, a, b), a, b)
    np.testing.assert_array_equal(y, np.where(c > 0, a, b))
    np.testing.assert_allclose(ga, summed_back(g * (c > 0), a.shape), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gb, summed_back(g * ~(c > 0), b.shape), rtol=1e-12, atol=1e-12)


@given(st.data(), SHAPES, SEEDS)
def test_reductions_take_axes_as_numpy_does(data, shape, seed):
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()
    several = st.lists(axes, unique_by=lambda i: i % max(len(shape), 1)).map(tuple)
    axis = data.draw(st.none() | several | axes)
    keepdims = data.draw(st.booleans())
    (x,) = normal(seed, shape)
    y, g, (gx,) = pull(lambda x: td.sum(x, axis, keepdims), x)
    np.testing.assert_allclose(y, x.sum(axis=axis, keepdims=keepdims), rtol=1e-12, atol=1e-12)
    assert y.shape == x.sum(axis=axis, keepdims=keepdims).shape
    kept = x.sum(axis=axis, keepdims=True).shape
    np.testing.assert_array_equal(gx, np.broadcast_to(g.reshape(kept), shape))
    count = math.prod(shape) // math.prod(kept) if x.size else 0
    if count:
        assert np.array_equal(td.max(x, axis, keepdims), x.max(axis=axis, keepdims=keepdims))
        np.testing.assert_allclose(
            td.var(x, axis, keepdims), x.var(axis=axis, keepdims=keepdims), rtol=1e-12, atol=1e-12
        )


@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3), SEEDS)
def test_getitem_takes_every_basic_index(data, shape, seed):
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    check_getitem(*normal(seed, shape), index)


@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3), SEEDS)
def test_getitem_takes_every_array_index(data, shape, seed):
    ints = data.draw(hnp.integer_array_indices(shape))
    masks = data.draw(hnp.arrays(bool, shape[: data.draw(st.integers(1, len(shape)))]))
    check_getitem(*normal(seed, shape), data.draw(st.sampled_from([ints, masks])))


@given(st.data(), st.lists(st.integers(1, 3), min_size=2, max_size=3), SEEDS)
def test_getitem_takes_mixtures(data, shape, seed):
    arrays = st.lists(st.integers(-1, 0), min_size=2, max_size=2)
    part = arrays | st.slices(3) | st.just(0) | st.just(slice(None))
    check_getitem(
        *normal(seed, shape), tuple(data.draw(st.lists(part, min_size=1, max_size=len(shape))))
    )


def check_getitem(x, index):
    y, g, (gx,) = pull(lambda x: x[index], x)
    np.testing.assert_array_equal(y, x[index])
    expected = np.zeros(x.shape)
    np.add.at(expected, index, g)
    np.testing.assert_allclose(gx, expected, rtol=1e-12, atol=1e-12)


@given(st.data(), SEEDS)
def test_einsum_is_numpys(data, seed):
    """Any subscripts without a repeated letter in one operand; sizes 0 to 3."""
    sizes = {c: data.draw(st.integers(0, 3)) for c in "abcd"}
    word = st.lists(st.sampled_from("abcd"), unique=True, max_size=3).map("".join)
    operands = data.draw(st.lists(word, min_size=1, max_size=3))
    letters = sorted(set("".join(operands)))
    out = "".join(data.draw(st.permutations(letters)))[: data.draw(st.integers(0, len(letters)))]
    subscripts = ",".join(operands) + "->" + out
    arrays = normal(seed, *(tuple(sizes[c] for c in word) for word in operands))
    y, g, grads = pull(lambda *xs: td.einsum(subscripts, *xs), *arrays)
    expected = np.einsum(subscripts, *arrays)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    # y is linear in every operand: <g, y> = <x_k, dL/dx_k>
    for x, gx in zip(arrays, grads):
        assert gx.shape == x.shape
        np.testing.assert_allclose((x * gx).sum(), (g * expected).sum(), rtol=1e-10, atol=1e-10)


@given(
    hnp.mutually_broadcastable_shapes(
        signature="(n,k),(k,m)->(n,m)", min_side=0, max_side=3, max_dims=2
    ),
    SEEDS,
)
def test_matmul_of_stacks_is_numpys(shapes, seed):
    a, b = normal(seed, *shapes.input_shapes)
    y, g, (ga, gb) = pull(td.matmul, a, b)
    np.testing.assert_allclose(y, a @ b, rtol=1e-12, atol=1e-12)
    full = g @ np.swapaxes(b, -1, -2)
    np.testing.assert_allclose(ga, summed_back(full, a.shape), rtol=1e-12, atol=1e-12)
    full = np.swapaxes(a, -1, -2) @ g
    np.testing.assert_allclose(gb, summed_back(full, b.shape), rtol=1e-12, atol=1e-12)


@given(st.data(), st.lists(st.integers(0, 3), min_size=1, max_size=3), SEEDS)
def test_split_undoes_concatenate(data, sizes, seed):
    axis = data.draw(st.integers(-2, 1))
    shapes = [(n, 2) if axis % 2 == 0 else (2, n) for n in sizes]
    parts = normal(seed, *shapes)
    whole = td.concatenate(parts, axis)
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis))
    places = np.cumsum(sizes)[:-1].tolist()
    for part, again in zip(parts, td.split(whole, places, axis)):
        np.testing.assert_array_equal(part, again)


@given(st.integers(1, 4), st.integers(0, 3))
def test_split_in_equal_parts_always_gives_that_many(parts, size):
    pieces = td.split(np.arange(parts * size), parts)
    assert [len(p) for p in pieces] == [size] * parts


@given(st.data(), SHAPES, SEEDS)
def test_transpose_is_undone_by_its_inverse(data, shape, seed):
    axes = data.draw(st.permutations(range(len(shape))))
    (x,) = normal(seed, shape)
    y = td.transpose(x, axes)
    np.testing.assert_array_equal(y, x.transpose(axes))
    np.testing.assert_array_equal(td.transpose(y, np.argsort(axes)), x)


@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), SEEDS)
def test_softmax_is_a_distribution_that_a_shift_does_not_change(shape, seed):
    (x,) = normal(seed, shape)
    y = td.softmax(10 * x)
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-14)
    np.testing.assert_allclose(td.softmax(10 * x + 3), y, rtol=1e-12)
    np.testing.assert_allclose(np.log(y), td.log_softmax(10 * x), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        10 * x - td.logsumexp(10 * x, -1, True), td.log_softmax(10 * x), atol=1e-12
    )


@st.composite
def convolutions(draw):
    """Sizes of image and kernel, and options with which the windows fit."""
    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = draw(two), draw(two), draw(two)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    image = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    groups = draw(st.integers(1, 2))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    assume(all(n + 2 * p >= r for n, p, r in zip(image, padding, reach)))
    return (
        image,
        kernel,
        {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
    )


@given(convolutions(), SEEDS)
def test_a_convolution_is_the_sum_over_its_window(drawn, seed):
    (h, w), (kh, kw), options = drawn
    groups = options["groups"]
    x, W = normal(seed, (1, h, w, 2 * groups), (kh, kw, 2, groups))
    np.testing.assert_allclose(
        td.conv2d(x, W, **options), convolve(x, W, **options), rtol=1e-12, atol=1e-12
    )


@given(convolutions(), SEEDS)
def test_a_convolution_is_linear_in_both_and_its_gradients_are_the_adjoints(drawn, seed):
    """<g, conv(x, W)> = <x, dL/dx> = <W, dL/dW>, whatever the geometry."""
    (h, w), (kh, kw), options = drawn
    groups = options["groups"]
    x, W = normal(seed, (2, h, w, 2 * groups), (kh, kw, 2, 2 * groups))
    y, g, (gx, gW) = pull(lambda x, W: td.conv2d(x, W, **options), x, W)
    np.testing.assert_allclose((x * gx).sum(), (g * y).sum(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose((W * gW).sum(), (g * y).sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("stride", "padding", "size"), [(1, 0, 2), (2, 1, 3), (3, 2, 4), (2, 0, 1)]
)
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(stride, padding, size, rng):
    """<conv(x, W), y> = <x, conv_transpose(y, W^T)> for every image size that leads to y's."""
    W = rng.standard_normal((size, size, 2, 3))
    y = rng.standard_normal((2, 3, 4, 3))
    for extra in range(stride):
        back = td.conv_transpose2d(
            y, W.swapaxes(2, 3), stride=stride, padding=padding, output_padding=extra
        )
        assert back.shape[1] == (3 - 1) * stride - 2 * padding + size + extra
        x = rng.standard_normal(back.shape)
        there = td.conv2d(x, W, stride=stride, padding=padding)
        np.testing.assert_allclose((there * y).sum(), (x * back).sum(), rtol=1e-12)


@given(SEEDS)
def test_the_fused_normalisation_is_its_composed_twin(seed):
    x, g = normal(seed, (2, 3, 4), (2, 3, 4))
    for axes in ((2,), (0, 1), (1, 2), (0, 1, 2)):
        fused, pull_fused = td.vjp(lambda x, axes=axes: td.ops.norm.normalize(x, axes, 1e-3), x)
        composed, pull_composed = td.vjp(
            lambda x, axes=axes: td.ops.norm.Normalize.composed(x, axes, 1e-3), x
        )
        np.testing.assert_allclose(fused.data, composed.data, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(pull_fused(g)[0], pull_composed(g)[0], rtol=1e-11, atol=1e-12)

"""The fast forms of t-SNE against their twins, on both sides of a block's edge."""

import numpy as np
import pytest

from tinydiff import manifold
from tinydiff.backend import fast_numpy, fast_pairs

# The twin's float32 distances |a|^2 + |b|^2 - 2ab are right to u |a|^2, its sums to sqrt(N) u; maps
# here extend to 3 and N is at most 50. In float64 u is 1e-16.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}


def case(rng, n, dtype, d=2):
    weight = rng.random((n, n)) * (1 - np.eye(n))
    p = (weight + weight.T) / (2 * weight.sum())
    return p.astype(dtype), rng.standard_normal((n, d)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "n, pairs",
    [(2, 1), (7, 1), *((20, k) for k in (19, 20, 39, 40, 41, 399, 400)), (50, 600), (50, 2**16)],
)
def test_both_agree(rng, monkeypatch, n, pairs, dtype):
    monkeypatch.setattr(fast_pairs, "PAIRS", pairs)
    for d in (1, 2, 3):
        p, y = case(rng, n, dtype, d)
        quick, slow = fast_numpy.tsne_gradient(p, y), manifold.tsne_gradient.plain(p, y)
        assert quick.dtype == slow.dtype == dtype
        # a gradient is a difference of pull and push, each of about the size of 4 p w |y|
        scale = 4 * np.abs(y).max() * p.sum(axis=1).max()
        np.testing.assert_allclose(quick, slow, rtol=0, atol=TOLERANCE[dtype] * scale)
        quick, slow = fast_numpy.tsne_cost(p, y), manifold.tsne_cost.plain(p, y)
        assert quick.dtype == slow.dtype == dtype
        assert quick == pytest.approx(slow, rel=0, abs=TOLERANCE[dtype])


def test_p_in_single_precision_for_a_map_in_double(rng):
    """What the descent asks for: sums in float32, a gradient in float64."""
    p, y = case(rng, 50, np.float64)
    quick = fast_numpy.tsne_gradient(p.astype(np.float32), y + 1e4)
    assert quick.dtype == np.float64
    scale = np.abs(y).max() * p.sum(axis=1).max()
    np.testing.assert_allclose(quick, manifold.tsne_gradient.plain(p, y), rtol=0, atol=1e-6 * scale)


def test_points_in_one_place_do_not_move_each_other(rng):
    p, y = case(rng, 10, np.float64)
    y[:5] = y[0]
    np.testing.assert_allclose(
        fast_numpy.tsne_gradient(p, y), manifold.tsne_gradient.plain(p, y), rtol=0, atol=1e-15
    )
    assert not fast_numpy.tsne_gradient(p, np.ones((10, 2))).any()


def test_other_types_and_a_single_point_are_left_to_the_twin(rng):
    p, y = case(rng, 5, np.float64)
    for function in (fast_numpy.tsne_gradient, fast_numpy.tsne_cost):
        assert function(p.astype(int), y) is None
        assert function(p, y.astype(np.float16)) is None
        assert function(p[:1, :1], y[:1]) is None

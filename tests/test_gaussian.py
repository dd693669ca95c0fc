"""gaussian.py: every operation against the identity of densities that defines it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from tinydiff.gaussian import Gaussian

U = np.finfo(float).eps / 2
FORMS = ["number", "isotropic", "diagonal", "full"]
seeds = st.integers(0, 2**32 - 1)


def random_gaussian(rng, form, d=3):
    """A Gaussian with variances between about 0.1 and 10 and any axes."""
    if form == "number":
        return Gaussian(rng.normal(), np.exp(rng.uniform(-2, 2)))
    spread = np.exp(rng.uniform(-2, 2, d))
    if form == "full":
        axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
        matrix = (axes * spread) @ axes.T
        return Gaussian(rng.normal(size=d), (matrix + matrix.T) / 2)
    return Gaussian(rng.normal(size=d), spread if form == "diagonal" else spread[0])


def pairs():
    vectors = FORMS[1:]
    return [("number", "number"), *((a, b) for a in vectors for b in vectors)]


@pytest.mark.parametrize("form", FORMS)
def test_density_is_scipys(rng, form):
    g = random_gaussian(rng, form)
    x = rng.normal(size=(4, 2, *g.mean.shape)) * 2
    right = multivariate_normal(np.atleast_1d(g.mean), g.matrix)
    points = x.reshape(8, -1)
    np.testing.assert_allclose(g.logpdf(x).ravel(), right.logpdf(points), rtol=1e-12)
    np.testing.assert_allclose(g.pdf(x).ravel(), right.pdf(points), rtol=1e-11)
    assert g.logpdf(x).shape == (4, 2)
    np.testing.assert_allclose(g.entropy(), right.entropy(), rtol=1e-12)


class Chosen:
    """A generator whose standard normal numbers are chosen."""

    def __init__(self, eps):
        self.eps = eps

    def standard_normal(self, shape):
        assert shape == self.eps.shape
        return self.eps


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_is_mean_plus_a_root_of_cov_times_eps(rng, form):
    g = random_gaussian(rng, form)
    if form == "number":
        assert g.sample(1, Chosen(np.array([-1.5])))[0] == g.mean - 1.5 * np.sqrt(g.cov)
    else:
        L = (g.sample(3, Chosen(np.eye(3))) - g.mean).T  # eps = unit vectors: the columns of L
        np.testing.assert_allclose(L @ L.T, g.matrix, rtol=1e-13, atol=1e-14)
    assert g.sample(7, rng).shape == (7, *g.mean.shape)


@pytest.mark.parametrize("form", FORMS[1:])
def test_affine_map_is_a_change_of_variables(rng, form):
    g, A, b = random_gaussian(rng, form), rng.normal(size=(3, 3)), rng.normal(size=3)
    x = rng.normal(size=3)
    # p_y(A x + b) |det A| = p_x(x)
    left = g.affine(A, b).logpdf(A @ x + b) + np.linalg.slogdet(A)[1]
    np.testing.assert_allclose(left, g.logpdf(x), rtol=1e-10)
    scaled = g.affine(-2.0, 0.5)
    np.testing.assert_allclose(
        scaled.logpdf(-2 * x + 0.5) + 3 * np.log(2), g.logpdf(x), rtol=1e-12
    )
    assert scaled.cov.shape == g.cov.shape  # a number keeps the form
    row = g.affine(A[:1], b[:1])
    np.testing.assert_allclose(row.cov, [[A[0] @ g.matrix @ A[0]]], rtol=1e-13)


def test_sum_of_independent_gaussians_is_the_convolution(rng):
    p, q = random_gaussian(rng, "number"), random_gaussian(rng, "number")
    at = 0.7
    convolution = quad(lambda x: p.pdf(x) * q.pdf(at - x), -30, 30, epsabs=1e-13, limit=200)[0]
    np.testing.assert_allclose((p + q).pdf(at), convolution, rtol=1e-9)
    # the same variable twice is another matter
    assert p.affine(2.0).cov == pytest.approx(2 * (p + p).cov)


@pytest.mark.parametrize(("a", "b"), pairs())
@settings(max_examples=25)
@given(seeds)
def test_product_equals_the_densities_product_at_every_point(a, b, seed):
    rng = np.random.default_rng(seed)
    p, q = random_gaussian(rng, a), random_gaussian(rng, b)
    g, log_scale = p.product(q)
    x = rng.normal(size=(5, *p.mean.shape)) * 2
    # a few operations on matrices of condition number up to 55 on either side
    np.testing.assert_allclose(log_scale + g.logpdf(x), p.logpdf(x) + q.logpdf(x), atol=1e-9)


@pytest.mark.parametrize("form", FORMS[1:])
@settings(max_examples=25)
@given(seeds)
def test_conditional_times_marginal_is_the_joint(form, seed):
    rng = np.random.default_rng(seed)
    g = random_gaussian(rng, form, d=4)
    x = rng.normal(size=4)
    rest = g.condition([3, 1], x[[3, 1]])  # in this order
    np.testing.assert_allclose(
        rest.logpdf(x[[0, 2]]) + g.marginal([3, 1]).logpdf(x[[3, 1]]), g.logpdf(x), atol=1e-9
    )
    assert g.marginal(2).mean.shape == ()
    assert g.marginal(2).cov == g.matrix[2, 2]
    np.testing.assert_array_equal(g.condition(-1, 0.3).mean, g.condition([3], [0.3]).mean)


@pytest.mark.parametrize("form", FORMS[1:])
@settings(max_examples=25)
@given(seeds)
def test_bayes_is_prior_times_likelihood_over_evidence(form, seed):
    rng = np.random.default_rng(seed)
    prior, A = random_gaussian(rng, form), rng.normal(size=(2, 3))
    noise = random_gaussian(rng, "full", d=2).cov
    x, y = rng.normal(size=3), rng.normal(size=2)
    evidence = prior.affine(A) + Gaussian(np.zeros(2), noise)
    joint = prior.logpdf(x) + Gaussian(A @ x, noise).logpdf(y)
    np.testing.assert_allclose(
        prior.bayes(A, noise, y).logpdf(x) + evidence.logpdf(y), joint, atol=1e-8
    )


@pytest.mark.parametrize(("a", "b"), pairs())
def test_bayes_with_a_number_is_the_same_rule(rng, a, b):
    prior, noise = random_gaussian(rng, a), random_gaussian(rng, b)
    y, x = rng.normal(size=prior.mean.shape), rng.normal(size=prior.mean.shape)
    evidence = prior.affine(-0.7) + Gaussian(0 * noise.mean, noise.cov)
    joint = prior.logpdf(x) + Gaussian(-0.7 * x, noise.cov).logpdf(y)
    right = joint - evidence.logpdf(y)
    np.testing.assert_allclose(prior.bayes(-0.7, noise.cov, y).logpdf(x), right, rtol=1e-10)


@pytest.mark.parametrize(("a", "b"), pairs())
def test_kl_is_the_mean_of_the_log_ratio(rng, a, b):
    p, q = random_gaussian(rng, a), random_gaussian(rng, b)
    # log p - log q is quadratic, so that 3 Gauss-Hermite nodes an axis give its mean exactly
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    eps = np.stack(np.meshgrid(*[nodes] * p.d), axis=-1).reshape(-1, p.d)
    mass = np.prod(np.stack(np.meshgrid(*[weights] * p.d), axis=-1).reshape(-1, p.d), axis=1)
    x = np.atleast_1d(p.mean) + eps @ np.linalg.cholesky(p.matrix).T
    x = x.reshape((len(x), *p.mean.shape))
    mean = mass @ (p.logpdf(x) - q.logpdf(x)) / mass.sum()
    np.testing.assert_allclose(p.kl(q), mean, rtol=1e-10)
    assert p.kl(p) == pytest.approx(0, abs=1e-14)


def test_a_number_as_mean_takes_the_size_of_the_covariance():
    assert Gaussian(2.0, [1.0, 3.0]).mean.tolist() == [2.0, 2.0]
    assert Gaussian(0, np.eye(3)).mean.shape == (3,)


def test_isotropic_kl_and_entropy_grow_with_the_dimension():
    one, two = Gaussian(0.0, 0.5), Gaussian(0.0, 2.0)
    many = [Gaussian(np.zeros(10), g.cov) for g in (one, two)]
    assert many[0].kl(many[1]) == pytest.approx(10 * one.kl(two), rel=1e-14)
    assert many[0].entropy() == pytest.approx(10 * one.entropy(), rel=1e-14)


def test_kl_of_nearly_equal_variances_keeps_its_digits():
    # r - 1 - log r = e^2 / 2 - e^3 / 3 + ... with e = r - 1; the subtraction leaves u / (e^2 / 2)
    e = 2.0**-20
    expected = (e**2 / 2 - e**3 / 3) / 2
    assert Gaussian(0, 1 + e).kl(Gaussian(0, 1)) == pytest.approx(expected, rel=2 * U / e, abs=0)
    for k in (3, 5, 7, 11):  # log k (1 + e) - log k has lost them
        one, other = Gaussian(0, k * (1 + e)), Gaussian(0, k)
        assert one.kl(other) == pytest.approx(expected, rel=2 * U / e, abs=0)


def test_a_variance_of_zero_is_a_known_coordinate(rng):
    known, prior = Gaussian(3.0, 0.0), Gaussian(0.0, 2.0)
    assert np.all(known.sample(4, rng) == 3)
    assert (known + prior).cov == 2
    g, log_scale = known.product(prior)
    assert (g.mean, g.cov) == (3, 0)
    assert log_scale == prior.logpdf(3.0)
    assert known.bayes(1.0, 0.5, 7.0).mean == 3
    assert prior.bayes(1.0, 0.0, 7.0).mean == 7
    assert known.entropy() == -np.inf
    assert known.kl(prior) == prior.kl(known) == np.inf
    assert known.kl(known) == 0
    assert known.kl(Gaussian(4.0, 0.0)) == np.inf
    half = Gaussian([1.0, 2.0], [0.0, 4.0])
    assert half.kl(Gaussian([1.0, 2.0], [0.0, 1.0])) == Gaussian(2.0, 4.0).kl(Gaussian(2.0, 1.0))
    flat = Gaussian([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]])
    x = flat.sample(5, rng)
    np.testing.assert_allclose(x[:, 0], x[:, 1], rtol=1e-12)
    assert flat.kl(Gaussian([0.0, 0.0], 1.0)) == np.inf
    with pytest.raises(ValueError, match="no density"):
        flat.logpdf([0.0, 0.0])
    with pytest.raises(ValueError, match="no density"):
        known.pdf(3.0)
    for combine in (lambda: known.product(known), lambda: known.bayes(1.0, 0.0, 3.0)):
        with pytest.raises(ValueError, match="two exact statements"):
            combine()


@pytest.mark.parametrize(
    ("mean", "cov", "message"),
    [
        (0.0, -1.0, "no negative variance"),
        ([0.0, 0.0], [1.0, -1.0], "no negative variance"),
        ([0.0, 0.0], [[1.0, 0.5], [0.4, 1.0]], "symmetric"),
        ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], "symmetric"),
        ([0.0, 0.0], [[1e-14, 5e-15], [4e-15, 1e-14]], "symmetric"),  # whatever the units
        ([0.0, 0.0], [1.0, 1.0, 1.0], r"\(2,\) and \(3,\)"),
        ([[0.0]], 1.0, "expected mean"),
        (np.nan, 1.0, "finite"),
        (0.0, np.inf, "finite"),
    ],
)
def test_what_is_no_gaussian_is_refused(mean, cov, message):
    with pytest.raises(ValueError, match=message):
        Gaussian(mean, cov)


FLAT = Gaussian([0.0, 0.0], 1.0)
FULL = Gaussian([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]])
SURE = Gaussian([0.0, 0.0], [0.0, 1.0])
MISFITS = [
    (lambda: FLAT.kl(Gaussian(0.0, 1.0)), r"shapes \(2,\) and \(\) do not combine"),
    (lambda: FLAT + Gaussian(np.zeros(3), 1.0), "do not combine"),
    (lambda: FLAT.condition([0, 1], [0.0, 0.0]), "leaves none"),
    # what would broadcast, and give the number of another question
    (lambda: FLAT.logpdf(0.0), r"expected x of shape \(\.\.\., 2\), got \(\)"),
    (lambda: FULL.logpdf(np.zeros((5, 1))), r"got \(5, 1\)"),
    (lambda: Gaussian(0.0, 1.0).affine(2.0, [1.0, 2.0]), r"b must be .* shape \(\), got \(2,\)"),
    (lambda: FULL.affine(np.eye(3)), r"A must be .* \(m, 2\), got \(3, 3\)"),
    (lambda: FULL.affine(np.eye(2), np.ones(3)), r"shape \(2,\), got \(3,\)"),
    (lambda: FULL.bayes(np.eye(2), 1.0, np.zeros(3)), r"y \(m,\), got \(2, 2\) and \(3,\)"),
    (lambda: FULL.bayes([1.0, 0.0], 1.0, 0.0), r"expected A \(m, 2\)"),
    *[
        (lambda g=g, idx=idx: g.condition(idx, [0.0] * np.size(idx)), "idx names distinct coord")
        for g in (FLAT, FULL)
        for idx in (2, [0, 0], [], 0.5, [[0]], slice(0, 1), [True] * 3)
    ],
    *[(lambda idx=idx: FULL.marginal(idx), "0 ... 1, got") for idx in (2, [0, 0], [])],
    *[
        (lambda g=g, v=v: g.condition(0, v), "expected 1 finite values for 0")
        for g in (FLAT, FULL)
        for v in (np.nan, [0.0, 1.0])
    ],
    (lambda: SURE.condition(0, 5.0), "two exact statements"),
    (lambda: Gaussian([], 1.0), "expected mean"),
]


@pytest.mark.parametrize(("call", "message"), MISFITS)
def test_misfits_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_gaussian_does_not_combine():
    with pytest.raises(TypeError, match="unsupported operand"):
        FLAT + 1
    for combine in (FLAT.product, FLAT.kl):
        with pytest.raises(TypeError, match="expected another Gaussian, got int"):
            combine(1)


def test_coordinates_may_be_named_in_several_ways():
    for idx in ([1, 0], (1, 0), np.array([1, 0]), [-1, 0]):
        for g in (FULL, Gaussian([0.0, 1.0], [2.0, 1.0])):
            assert g.marginal(idx).mean.tolist() == [1, 0]
            np.testing.assert_array_equal(g.marginal(idx).matrix, g.matrix[::-1, ::-1])
    assert FULL.marginal([False, True]).mean.tolist() == [1]
    assert SURE.condition(0, 0.0).cov.tolist() == [1]  # what is known already
    assert Gaussian(3.0, 2.0).marginal(0).mean == 3
    assert repr(Gaussian(0, np.eye(2))) == "Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])"


def test_kl_of_very_unequal_variances_keeps_its_digits():
    # (r - 1 - log r) / 2; r - 1 alone is -1 + 1e-20 = -1
    for small, large in [(1e-9, 1e11), (1e-300, 1e300), (0.3, 1.0)]:
        log_r = np.log(small) - np.log(large)
        expected = (small / large - 1 - log_r) / 2
        assert Gaussian(0, small).kl(Gaussian(0, large)) == pytest.approx(expected, rel=1e-14)


def test_only_one_of_two_is_sure_of_a_direction():
    line = Gaussian([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]])
    assert FULL.kl(line) == line.kl(FULL) == np.inf


def test_a_flat_gaussian_is_sampled_on_its_line(rng):
    """cov = v v^T has eigenvalues 0, which rounding may put below 0: no draw is NaN for that."""
    for _ in range(20):
        v = rng.normal(size=4)
        draws = Gaussian(np.zeros(4), np.outer(v, v)).sample(50, rng)
        assert np.isfinite(draws).all()
        along = draws @ v / (v @ v)
        # a spread of 0 that rounding made U |v|^2 adds noise of about sqrt(U) |v| across
        np.testing.assert_allclose(draws, along[:, None] * v, atol=1e-6 * np.linalg.norm(v))

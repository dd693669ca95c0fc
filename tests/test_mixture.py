"""mixture.py: the exact denoisers against quadrature, Bayes by components, and the tape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from tinydiff import Tensor
from tinydiff.backend import to_device, to_host
from tinydiff.diffusion import schedules
from tinydiff.diffusion.mixture import GaussianMixture, Points
from tinydiff.diffusion.process import NAMES, Process
from tinydiff.gaussian import Gaussian

PROCESS = Process(schedules.linear(100, 1e-3, 0.2))
TWO_MODES = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])
SKEW = GaussianMixture([0.2, 0.5, 0.3], [-1.5, 0.2, 2.0], [0.04, 0.5, 0.16])
DOTS = Points([-1.0, 0.3, 2.0], [0.5, 0.2, 0.3])


def covariances(form, K=3, d=3):
    rng = np.random.default_rng(3)
    if form == "isotropic":
        return rng.uniform(0.1, 1, K)
    if form == "diagonal":
        return rng.uniform(0.1, 1, (K, d))
    roots = rng.normal(size=(K, d, d))
    return roots @ roots.swapaxes(1, 2) + 0.05 * np.eye(d)


def space(form):
    """Three components in space: in the plane the axes may be symmetric, and hide a transpose."""
    means = np.random.default_rng(4).normal(size=(3, 3)) * 2
    return GaussianMixture([0.2, 0.5, 0.3], means, covariances(form))


FORMS = ["isotropic", "diagonal", "full"]


# --- on the line, by quadrature


@pytest.mark.parametrize("t", [1, 20, 100])
def test_noised_density_is_the_convolution_with_the_kernel(t):
    scale, variance = PROCESS.q_between(0, t)
    kernel = Gaussian(0.0, variance)
    noised = SKEW.noised(PROCESS, t)
    for x in (-1.2, 0.0, 1.9):
        right = quad(
            lambda x0, x=x: np.exp(SKEW.logpdf(x0)) * kernel.pdf(x - scale * x0),
            *(-12, 12),
            points=[x / scale],
            epsabs=1e-12,
            limit=400,
        )[0]
        np.testing.assert_allclose(np.exp(noised.logpdf(x)), right, rtol=1e-8)


@pytest.mark.parametrize("t", [1, 20, 100])
def test_mean_and_variance_of_x0_are_bayes_on_a_grid(t):
    scale, variance = PROCESS.q_between(0, t)
    x0 = np.linspace(-10, 10, 40001)
    for xt in (-1.2, 0.0, 1.9):
        mass = np.exp(SKEW.logpdf(x0) - (xt - scale * x0) ** 2 / (2 * variance))
        mass /= mass.sum()
        mean = mass @ x0
        np.testing.assert_allclose(SKEW.mean_x0(PROCESS, xt, t), mean, rtol=1e-10)
        var = mass @ (x0 - mean) ** 2
        np.testing.assert_allclose(SKEW.var_x0(PROCESS, xt, t), var, rtol=1e-9)


@given(st.integers(1, 100), st.floats(-5, 5))
def test_points_are_a_sum_over_the_points(t, xt):
    scale, variance = PROCESS.q_between(0, t)
    p, w = np.array([-1.0, 0.3, 2.0]), np.array([0.5, 0.2, 0.3])
    energy = (xt - scale * p) ** 2 / (2 * variance)
    mass = w * np.exp(-(energy - energy.min()))
    mean = mass @ p / mass.sum()
    var = mass @ (p - mean) ** 2 / mass.sum()
    # energies up to 6e4 carry rounding errors of 6e4 u into the exponent
    np.testing.assert_allclose(DOTS.mean_x0(PROCESS, xt, t), mean, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(DOTS.var_x0(PROCESS, xt, t), var, atol=1e-10)
    log_density = np.log(np.sum(w * np.exp(-(xt - scale * p) ** 2 / 2 / variance) + 1e-300))
    if log_density > -600:
        left = DOTS.noised(PROCESS, t).logpdf(xt) + np.log(2 * np.pi * variance) / 2
        np.testing.assert_allclose(left, log_density, rtol=1e-9, atol=1e-9)


def test_points_are_components_of_vanishing_width(rng):
    x = rng.normal(size=(5, 2, 3))
    narrow = GaussianMixture(None, x, np.full(5, 1e-13))
    points = Points(x)
    xt = rng.normal(size=(4, 2, 3))
    for name in ("mean_x0", "var_x0", "score", "score_divergence"):
        for t in (3, np.array([1, 30, 60, 100])):
            left, right = (getattr(data, name)(PROCESS, xt, t) for data in (points, narrow))
            # at t = 1 a width of 1e-13 is 1e-10 of the noise
            np.testing.assert_allclose(left, right, rtol=1e-7, atol=1e-8)


# --- in space, component by component


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("t", [1, 30, 100])
def test_posteriors_are_those_of_the_components(form, t, rng):
    data = space(form)
    scale, variance = PROCESS.q_between(0, t)
    xt = rng.normal(size=3) * 1.5
    parts = [Gaussian(m, c) for m, c in zip(data.means, data.covs)]
    noised = [g.affine(scale) + Gaussian(np.zeros(3), variance) for g in parts]
    log_joint = np.log(data.weights) + [g.logpdf(xt) for g in noised]
    p = np.exp(log_joint - np.logaddexp.reduce(log_joint))
    np.testing.assert_allclose(data.log_posterior(PROCESS, xt, t), np.log(p), atol=1e-9)
    posts = [g.bayes(scale, variance, xt) for g in parts]
    mean = sum(k * g.mean for k, g in zip(p, posts))
    second = sum(k * (g.matrix + np.outer(g.mean, g.mean)) for k, g in zip(p, posts))
    np.testing.assert_allclose(data.mean_x0(PROCESS, xt, t), mean, rtol=1e-9)
    var = np.diag(second) - mean**2
    np.testing.assert_allclose(data.var_x0(PROCESS, xt, t), var, rtol=1e-8, atol=1e-12)
    q = data.noised(PROCESS, t)
    np.testing.assert_allclose(q.logpdf(xt), np.logaddexp.reduce(log_joint), rtol=1e-10)
    assert q.covs.shape == data.covs.shape


@pytest.mark.parametrize("data", [*map(space, FORMS), Points([[0.0, 1.0, 0.5], [2.0, -1.0, 0.0]])])
@pytest.mark.parametrize("t", [2, 50])
def test_score_is_the_gradient_of_log_q_and_divergence_its_trace(data, t, rng):
    x = rng.normal(size=(4, 3))
    leaf = Tensor(x, requires_grad=True)
    data.noised(PROCESS, t).logpdf(leaf).backward(np.ones(4))  # the rows do not interact
    np.testing.assert_allclose(data.score(PROCESS, x, t), leaf.grad, rtol=1e-9, atol=1e-9)
    trace = 0.0
    for i in range(3):
        leaf = Tensor(x, requires_grad=True)
        data.score(PROCESS, leaf, t)[:, i].backward(np.ones(4))
        trace = trace + leaf.grad[:, i]
    # the score divides differences by variances down to 5e-4, the trace once more
    np.testing.assert_allclose(data.score_divergence(PROCESS, x, t), trace, rtol=1e-7, atol=1e-7)


# --- shapes, types, places


@pytest.mark.parametrize("predicts", NAMES)
def test_model_predicts_by_every_name(predicts, rng):
    xt, t = rng.normal(size=(3, 3)), np.array([1, 50, 100])
    data = space("full")
    x0 = data.mean_x0(PROCESS, xt, t)
    model = data.model(PROCESS, predicts)
    right = PROCESS.convert(x0, xt, t, "x0", predicts)
    np.testing.assert_allclose(model(xt, t), right, rtol=1e-12)
    rows = [model(xt[i : i + 1], int(t[i])) for i in range(3)]
    np.testing.assert_allclose(np.concatenate(rows), right, rtol=1e-12)


@pytest.mark.parametrize("data", [TWO_MODES, DOTS])
def test_data_on_the_line_takes_any_shape(data, rng):
    x = rng.normal(size=(3, 2, 4))
    t = np.array([1, 50, 100])
    out = data.mean_x0(PROCESS, x, t)
    assert out.shape == x.shape
    np.testing.assert_allclose(out[1, 1, 3], data.mean_x0(PROCESS, x[1, 1, 3], 50), rtol=1e-14)
    assert data.score_divergence(PROCESS, x, t).shape == x.shape
    assert data.sample(5, rng).shape == (5,)


@pytest.mark.parametrize("data", [space("full"), space("diagonal"), Points(np.eye(3))])
@pytest.mark.parametrize("t", [7, np.array([1, 7, 99])])
def test_float32_on_any_device_is_float64_rounded(data, t, device, rng):
    x = rng.normal(size=(3, 3)).astype("f")
    out = data.model(PROCESS)(to_device(x, device), t)
    assert isinstance(out, type(to_device(x, device)))
    assert out.dtype == np.float32
    right = data.model(PROCESS)(x.astype(float), t)
    np.testing.assert_allclose(to_host(out), right, rtol=1e-6)


@pytest.mark.parametrize("data", [TWO_MODES, DOTS])
def test_ints_are_answered_in_float64(data):
    x = np.array([0, 1, 2])
    for name in ("mean_x0", "var_x0", "score", "score_divergence"):
        left, right = (getattr(data, name)(PROCESS, a, 30) for a in (x, x.astype(float)))
        assert left.dtype == float
        np.testing.assert_array_equal(left, right)
    model = data.model(PROCESS)
    np.testing.assert_array_equal(model(x, 9), model(x.astype(float), 9))
    np.testing.assert_array_equal(TWO_MODES.logpdf(x), TWO_MODES.logpdf(x.astype(float)))


def test_nan_is_not_taken_for_no_probability():
    assert np.isnan(TWO_MODES.logpdf(np.nan)) and TWO_MODES.logpdf(np.inf) == -np.inf


def test_points_far_from_zero_keep_their_digits():
    near, t = Points([0.0, 1.0]), 20
    shifted = Points([1e6, 1e6 + 1])
    scale = np.sqrt(PROCESS.alphas_bar[t])
    x = np.array([0.2, 0.7])
    for name in ("mean_x0", "var_x0"):
        left = getattr(shifted, name)(PROCESS, x + scale * 1e6, t) - (name == "mean_x0") * 1e6
        # x_t itself is rounded to 1e6 u = 1e-10, and divided by n^2 = 0.3 or so
        np.testing.assert_allclose(left, getattr(near, name)(PROCESS, x, t), atol=2e-9)


def test_the_law_of_x_t_belongs_to_one_time():
    for data in (TWO_MODES, DOTS):
        with pytest.raises(TypeError, match="expected one time t, an int, got array"):
            data.noised(PROCESS, np.array([1, 2]))


def test_a_tensor_gives_a_tensor(rng):
    x = Tensor(rng.normal(size=(3, 3)).astype("f"), requires_grad=True)
    for data in (space("full"), Points(np.eye(3))):
        out = data.model(PROCESS)(x, np.array([1, 2, 3]))
        assert isinstance(out, Tensor)
        assert out.dtype == np.float32
        assert out.creator is not None


def test_images_are_flattened_inside(rng):
    means = rng.normal(size=(2, 2, 3))
    data = GaussianMixture([0.4, 0.6], means, rng.uniform(0.1, 1, (2, 2, 3)))
    flat = GaussianMixture([0.4, 0.6], means.reshape(2, 6), data.covs.reshape(2, 6))
    x = rng.normal(size=(4, 2, 3))
    np.testing.assert_array_equal(data.logpdf(x), flat.logpdf(x.reshape(4, 6)))
    left = data.score(PROCESS, x, 5)
    assert left.shape == (4, 2, 3)
    np.testing.assert_array_equal(left.reshape(4, 6), flat.score(PROCESS, x.reshape(4, 6), 5))
    assert data.sample(3, rng).shape == (3, 2, 3)


class Chosen:
    """A generator that draws given components and given normal numbers."""

    def __init__(self, k, z):
        self.k, self.z = k, z

    def choice(self, n, size, p):
        return np.array(self.k)

    def standard_normal(self, shape):
        return np.reshape(self.z, shape)


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_is_a_mean_plus_a_root_of_its_covariance(form, rng):
    data = space(form)
    for k in range(3):
        x = data.sample(3, Chosen([k, k, k], np.eye(3)))
        root = (x - data.means[k]).T
        np.testing.assert_allclose(root @ root.T, Gaussian(data.means[k], data.covs[k]).matrix)
    shares = np.bincount(Points(np.arange(3.0), [0.2, 0.5, 0.3]).sample(10000, rng).astype(int))
    # binomial: 5 standard deviations of at most 50
    assert np.abs(shares - [2000, 5000, 3000]).max() < 250


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_weights_and_means_decide_far_from_the_other_modes(seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet([5, 5])
    data = GaussianMixture(weights, [-50.0, 50.0], [1.0, 2.0])
    x = rng.normal()
    left = data.logpdf(50 + x)
    right = np.log(weights[1]) + Gaussian(0.0, 2.0).logpdf(x)
    np.testing.assert_allclose(left, right, rtol=1e-12)


REFUSED = [
    (lambda: GaussianMixture([0.5, 0.6], [0.0, 1.0], [1, 1]), "2 positive numbers of sum 1"),
    (lambda: GaussianMixture([1.5, -0.5], [0.0, 1.0], [1, 1]), "2 positive numbers of sum 1"),
    (lambda: GaussianMixture([1.0], [0.0, 1.0], [1, 1]), "2 positive numbers of sum 1"),
    (lambda: GaussianMixture([1.0], 0.0, [1]), "finite points"),
    (lambda: GaussianMixture([1.0], [np.nan], [1]), "finite points"),
    (lambda: Points([]), "finite points"),
    (lambda: GaussianMixture([1.0], [0.0], [0.0]), "Points have variance 0"),
    (lambda: GaussianMixture([1.0], [0.0], [np.inf]), "finite and positive definite"),
    (lambda: GaussianMixture(None, [[0.0, 0.0]], [[[1.0, 0.5], [0.4, 1.0]]]), "symmetric"),
    (lambda: GaussianMixture(None, [[0.0, 0.0]], [[[1.0, 2.0], [2.0, 1.0]]]), "positive definite"),
    (lambda: GaussianMixture([0.5, 0.5], [0.0, 1.0], 1.0), r"covs must be \(2,\)"),
    (lambda: space("full").mean_x0(PROCESS, np.ones(2), 1), r"\(3,\), which does not end \(2,\)"),
    (lambda: TWO_MODES.mean_x0(PROCESS, np.ones(3), 0), r"1 \.\.\. 100"),
    (lambda: TWO_MODES.noised(PROCESS, 101), r"1 \.\.\. 100"),
    (lambda: DOTS.noised(PROCESS, 0), r"1 \.\.\. 100"),
    (lambda: DOTS.logpdf(0.3), "no density; use .noised"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_is_no_mixture_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""The likelihood by the probability-flow ODE, against densities that are known."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from tinydiff import Tensor, no_grad, ops, to_device
from tinydiff.backend.errors import GraphError
from tinydiff.diffusion import likelihood, schedules
from tinydiff.diffusion.mixture import GaussianMixture
from tinydiff.diffusion.process import Process, cast
from tinydiff.gaussian import Gaussian

LINE = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])
LONG, SHORT = Process(schedules.linear(1000)), Process(schedules.linear(100, rescale=True))


def shrinking(process, A=0.7):
    """A model of v_hat = -sin(phi) A x, with the flow x(phi) = e^{(cos phi - 1) A} x."""

    def model(xt, t):
        n = cast(np.sqrt(process.one_minus_alphas_bar[t]), xt)
        return (xt * A if np.ndim(A) == 0 else ops.matmul(xt, A.T)) * -n

    return model


# --- exact divergence


def test_logp_of_a_mixture_and_the_price_of_a_normal_prior():
    """Within 1e-6 nats of the analytic log p with p_T itself as the prior; measured, 1e-8.

    With N(0, I) for p_T the error is the terminal mismatch (alpha_bar_T = 4e-5): up to 2e-4 nats
    where the data is, 1e-3 four standard deviations outside.
    """
    x = np.array([-3.2, -2.3, -2.0, -1.1, 0.0, 0.4, 1.7, 2.0, 2.2, 3.2])
    logp, stderr = likelihood.ode_logp(LINE.model(LONG), LONG, x, prior=LINE.noised(LONG, 1000))
    assert logp.dtype == np.float64 and logp.shape == stderr.shape == (10,) and not stderr.any()
    np.testing.assert_allclose(logp, LINE.logpdf(x), rtol=0, atol=1e-7)
    logp, _ = likelihood.ode_logp(LINE.model(LONG), LONG, x, rtol=1e-6, atol=1e-6)
    error = np.abs(logp - LINE.logpdf(x))
    near = np.abs(np.abs(x) - 2) < 0.6
    assert 1e-5 < error[near].max() < 3e-4 and 5e-4 < error.max() < 2e-3


@pytest.mark.parametrize("predicts", ["eps", "x0", "v", "score", "mu"])
def test_any_prediction_gives_the_density_at_T_100_as_well(predicts):
    x = np.array([-2.2, -1.0, 0.1, 2.4])
    logp, _ = likelihood.ode_logp(
        LINE.model(SHORT, predicts), SHORT, x, predicts=predicts, prior=LINE.noised(SHORT, 100),
        rtol=1e-7, atol=1e-7,
    )  # fmt: skip
    np.testing.assert_allclose(logp, LINE.logpdf(x), rtol=0, atol=1e-6)


def test_logp_in_the_plane(rng):
    data = GaussianMixture(
        [0.3, 0.7],
        [[-1.0, 0.5], [1.0, -0.2]],
        [[[0.5, 0.3], [0.3, 0.4]], [[0.3, -0.1], [-0.1, 0.6]]],
    )
    x = data.sample(5, rng)
    logp, _ = likelihood.ode_logp(data.model(SHORT), SHORT, x, prior=data.noised(SHORT, 100))
    np.testing.assert_allclose(logp, data.logpdf(x), rtol=0, atol=1e-6)


def test_without_signal_at_T_the_normal_prior_is_exact():
    process = Process(schedules.zero_terminal_snr(schedules.linear(200, rescale=True)))
    x = np.array([-2.2, -1.0, 0.1, 2.4])
    logp, _ = likelihood.ode_logp(
        LINE.model(process, "v"), process, x, predicts="v", rtol=1e-7, atol=1e-7
    )
    np.testing.assert_allclose(logp, LINE.logpdf(x), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="eps does not determine v"):
        likelihood.ode_logp(LINE.model(process), process, x)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 2, 1, 2)])
def test_a_flow_that_is_known(shape, rng, device):
    """x_T = e^I x_0, and div v integrates to D I, with I = 0.7 (cos phi_T - 1)."""
    x0 = rng.standard_normal(shape)
    D, grown = x0[0].size, 0.7 * (math.sqrt(SHORT.alphas_bar[100]) - 1)
    x = x0.reshape(4, -1) * math.exp(grown)
    expected = -(x**2).sum(axis=1) / 2 - D / 2 * math.log(2 * math.pi) + D * grown
    logp, _ = likelihood.ode_logp(shrinking(SHORT), SHORT, to_device(x0, device), predicts="v")
    assert type(logp) is np.ndarray
    np.testing.assert_allclose(logp, expected, rtol=0, atol=1e-6)


def test_single_precision_gives_what_it_can(rng):
    x0 = rng.standard_normal((4, 2))
    ends = [
        likelihood.ode_logp(shrinking(SHORT), SHORT, x0.astype(d), predicts="v", rtol=1e-5)[0]
        for d in (np.float32, np.float64)
    ]
    assert ends[0].dtype == np.float64
    np.testing.assert_allclose(*ends, atol=1e-4)


def test_the_density_of_any_model_is_normalised():
    """Whatever the network computes, its flow carries a density: the sum over the line is 1."""

    def model(xt, t):
        return ops.tanh(xt * 1.3 + 0.4) * 0.6 + ops.sin(xt * 2.0) * 0.2

    x = np.linspace(-9, 9, 361)
    logp, _ = likelihood.ode_logp(model, SHORT, x, predicts="v", rtol=1e-6, atol=1e-6)
    assert abs(np.exp(logp).sum() * (x[1] - x[0]) - 1) < 1e-4


def test_the_model_is_asked_at_whole_times_only():
    seen, T = set(), 20
    process = Process(schedules.cosine(T))

    def model(xt, t):
        assert t.dtype.kind == "i" and t.shape == xt.shape[:1]
        seen.update(t.tolist())
        return shrinking(process)(xt, t)

    likelihood.ode_logp(model, process, np.ones((2, 1)), predicts="v", rtol=1e-5)
    assert seen == set(range(1, T + 1))


def test_gradients_of_the_parameters_are_left_alone():
    W = Tensor(np.array([[0.5]]), requires_grad=True)
    with no_grad():
        likelihood.ode_logp(
            lambda xt, t: ops.matmul(xt, W), SHORT, np.ones((2, 1)), predicts="v", rtol=1e-4
        )
    assert W.grad is None


# --- Hutchinson's estimate


def test_hutchinson_is_the_trace_with_the_spread_that_it_reports(rng):
    """z^T A z has mean tr A and variance sum_{i != j} A_ij (A_ij + A_ji) over signs z."""
    A, x0 = rng.standard_normal((3, 3)), rng.standard_normal((4, 3))
    options = {"predicts": "v", "rtol": 1e-6, "atol": 1e-6}
    exact, _ = likelihood.ode_logp(shrinking(SHORT, A), SHORT, x0, **options)
    estimate, stderr = likelihood.ode_logp(
        shrinking(SHORT, A), SHORT, x0, divergence="hutchinson", probes=64, rng=rng, **options
    )
    off = A - np.diag(np.diag(A))
    length = 1 - math.sqrt(SHORT.alphas_bar[100])
    predicted = length * math.sqrt((off * (off + off.T)).sum() / 64)
    # the spread of 64 bounded draws is known to about 1 / sqrt(2 * 64) = 9 %: four times that
    np.testing.assert_allclose(stderr, predicted, rtol=0.36)
    assert (np.abs(estimate - exact) < 4 * stderr).all()


@pytest.mark.parametrize("probes", [2, 5])
def test_the_error_of_hutchinson_is_that_of_the_mean_over_its_probes(probes, rng):
    """v = -n A x: each probe z gives log p its z^T A z, times -(1 - cos phi_T)."""
    A, x0 = rng.standard_normal((3, 3)), rng.standard_normal((4, 3))
    estimate, stderr = likelihood.ode_logp(
        shrinking(SHORT, A), SHORT, x0, predicts="v", divergence="hutchinson", probes=probes,
        rng=np.random.default_rng(5),
    )  # fmt: skip
    z = np.random.default_rng(5).choice([-1.0, 1.0], size=(probes, 3))
    forms = (z @ A * z).sum(axis=1) * (math.sqrt(SHORT.alphas_bar[100]) - 1)
    np.testing.assert_allclose(stderr, forms.std(ddof=1) / math.sqrt(probes), rtol=1e-6)
    exact, _ = likelihood.ode_logp(shrinking(SHORT, A), SHORT, x0, predicts="v")
    trace = np.trace(A) * (math.sqrt(SHORT.alphas_bar[100]) - 1)
    np.testing.assert_allclose(estimate - exact, forms.mean() - trace, atol=1e-6)


def test_the_choices_unless_asked_otherwise():
    options = inspect.signature(likelihood.ode_logp).parameters
    assert options["probes"].default == 16
    assert options["rtol"].default == options["atol"].default == 1e-8


def test_hutchinson_with_signs_is_exact_for_a_diagonal_jacobian(rng):
    A, x0 = np.diag([0.3, -0.8, 1.1]), rng.standard_normal((4, 3))
    exact, _ = likelihood.ode_logp(shrinking(SHORT, A), SHORT, x0, predicts="v")
    estimate, stderr = likelihood.ode_logp(
        shrinking(SHORT, A), SHORT, x0, predicts="v", divergence="hutchinson", probes=2, rng=rng
    )
    np.testing.assert_allclose(estimate, exact, rtol=0, atol=1e-6)
    np.testing.assert_allclose(stderr, 0, atol=1e-9)


# --- between the times


@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 3))
def test_interpolation_is_exact_for_odd_polynomials(T, place, power):
    """Through 12 nodes that are their own mirror image near 0: exact up to degree 11, or 2T."""
    phi = likelihood.angles(Process(schedules.cosine(T)))
    degree = min(2 * power + 1, 11, 2 * T - 1)
    at = place * phi[-1]
    t, w = likelihood.interpolation(phi, at)
    assert t.dtype.kind == "i" and (t >= 1).all() and (t <= T).all() and len(set(t)) == len(t)
    np.testing.assert_allclose(w @ phi[t] ** degree, at**degree, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("T", [1, 5, 30])
def test_interpolation_at_a_time_is_the_model_there(T):
    phi = likelihood.angles(Process(schedules.linear(T, 0.1, 0.3)))
    for k in range(1, T + 1):
        t, w = likelihood.interpolation(phi, phi[k])
        np.testing.assert_allclose(w, t == k, atol=1e-12)
    assert not np.any(likelihood.interpolation(phi, 0.0)[1])


def test_interpolation_asks_the_twelve_nearest_times():
    """Six on either side; near 0 the mirror image serves, and at T there is nothing beyond."""
    phi = likelihood.angles(Process(schedules.cosine(40)))
    for below, times in ((20, range(15, 27)), (0, range(1, 7)), (2, range(1, 9)),
                         (34, range(29, 41)), (39, range(29, 41))):  # fmt: skip
        t, _ = likelihood.interpolation(phi, 0.5 * (phi[below] + phi[below + 1]))
        assert sorted(t.tolist()) == list(times)


# --- dequantisation


def test_dequantize_spreads_each_level_over_its_own_bin(rng):
    k = np.arange(5).repeat(4000)
    x = likelihood.dequantize(k, 5, rng)
    away = x.reshape(5, -1) - np.linspace(-1, 1, 5)[:, None]
    assert (np.abs(away) <= 0.25).all()
    # uniform on +-0.25: mean 0 with error 0.25 / sqrt(3 * 4000), variance 0.25^2 / 3
    assert np.abs(away.mean(axis=1)).max() < 4 * 0.25 / math.sqrt(3 * 4000)
    np.testing.assert_allclose(away.var(axis=1), 0.25**2 / 3, rtol=0.1)
    assert x.shape == k.shape and likelihood.dequantize(np.zeros((2, 3), int), 5, rng).shape == (
        2,
        3,
    )


def test_bits_per_dim_of_known_densities():
    """Uniform over all bins is log2(levels); the density of one bin is 0 bits."""
    volume = 2 + 2 / 255  # of [-1, 1] and half a bin on each side
    logp = np.array([-12 * math.log(volume), -12 * math.log(2 / 255)])
    np.testing.assert_allclose(
        likelihood.bits_per_dim(logp, (2, 2, 3), 256), [8, 0], rtol=1e-12, atol=1e-12
    )


def test_dequantised_bits_bound_those_of_the_levels(rng):
    """Jensen: E -log p(x) - log width >= -log P(k), by little where p is smooth."""
    data, levels = Gaussian(np.array([0.2]), 0.1), 17
    x = likelihood.dequantize(np.full(20000, 11), levels, rng)
    bits = likelihood.bits_per_dim(data.logpdf(x[:, None]), (1,), levels).mean()
    edge = (11 + np.array([-0.5, 0.5])) / 8 - 1
    p = np.diff(ndtr((edge - 0.2) / math.sqrt(0.1)))[0]
    # the gap is the spread of log p in the bin, of order (width / std)^2 / 24 = 0.007 here
    assert -1e-3 < bits + math.log2(p) < 0.02


# --- refusals


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"prior": "uniform"}, ValueError, "prior is 'normal' or an object with logpdf"),
        ({"prior": 3}, ValueError, "prior is 'normal' or an object with logpdf"),
        ({"divergence": "trace"}, ValueError, "divergence is 'exact' or 'hutchinson', got 'trace'"),
        ({"divergence": "hutchinson"}, TypeError, "needs rng, a np.random.Generator"),
        (
            {"divergence": "hutchinson", "rng": np.random.default_rng(0), "probes": 1},
            ValueError,
            "ode_logp: probes must be an int >= 2, got 1",
        ),
        (
            {"divergence": "hutchinson", "rng": np.random.default_rng(0), "probes": 2.5},
            ValueError,
            "ode_logp: probes must be an int >= 2, got 2.5",
        ),
        ({"predicts": "noise"}, ValueError, "ode_logp: predicts is one of eps, .* got 'noise'"),
        ({"x0": np.ones((0, 1))}, ValueError, r"at least one example, got shape \(0, 1\)"),
        ({"x0": np.ones((2, 1), dtype=int)}, TypeError, "x0 must be a floating-point array"),
        ({"x0": [1.0]}, TypeError, "x0 must be a floating-point array"),
        ({"x0": np.array([np.nan])}, ValueError, "x0 holds NaN or infinity"),
        (
            {"model": lambda x, t: x * np.nan},
            ValueError,
            "ode_logp at phi = 0: the model returned NaN",
        ),
        ({"model": lambda x, t: x.data}, (TypeError, GraphError), "leaves no tape|Tensor"),
        ({"model": lambda x, t: Tensor(x.data * 2)}, TypeError, "its output .* leaves no tape"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    model, x0 = change.pop("model", shrinking(SHORT)), change.pop("x0", np.ones((2, 1)))
    with pytest.raises(error, match=message):
        likelihood.ode_logp(model, SHORT, x0, **change)


@pytest.mark.parametrize("k", [np.array([0, 5]), np.array([-1]), np.array([0.5])])
def test_levels_out_of_range_are_named(k, rng):
    with pytest.raises(ValueError, match=r"k must be ints in 0 \.\.\. levels - 1 = 4"):
        likelihood.dequantize(k, 5, rng)


@pytest.mark.parametrize("levels", [1, 4.0, True])
def test_one_level_holds_no_bits(levels, rng):
    with pytest.raises(ValueError, match="dequantize: levels must be an int >= 2"):
        likelihood.dequantize(np.array([0]), levels, rng)
    with pytest.raises(ValueError, match="bits_per_dim: levels must be an int >= 2"):
        likelihood.bits_per_dim(np.zeros(1), (4,), levels)

"""process.py: the tables against mpmath, the kernels against each other and against Bayes."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinydiff import Tensor
from tinydiff.backend import to_device, to_host
from tinydiff.diffusion import schedules
from tinydiff.diffusion.process import Process, at
from tinydiff.gaussian import Gaussian

U = np.finfo(float).eps / 2
MAKERS = {
    "linear": schedules.linear,
    "quadratic": schedules.quadratic,
    "cosine": schedules.cosine,
    "sigmoid": schedules.sigmoid,
    "zero": lambda T: schedules.zero_terminal_snr(schedules.linear(T)),
}


def exact_alphas_bar(betas):
    """The product of 1 - beta over the table's own betas, with 60 digits."""
    products = [mp.mpf(1)]
    with mp.workdps(60):
        for beta in betas[1:]:
            products.append(products[-1] * (1 - mp.mpf(float(beta))))
    return products


def assert_tables_are_exact(process):
    ab = exact_alphas_bar(process.betas)
    with mp.workdps(60):
        noise = [float(1 - a) for a in ab]
        log_snr = [float(mp.log(a / (1 - a))) for a in ab[1:-1]]
        snr = [float(a / (1 - a)) for a in ab[1:]]
    np.testing.assert_allclose(process.one_minus_alphas_bar, noise, rtol=1e-12)
    np.testing.assert_allclose(process.alphas_bar, [float(a) for a in ab], rtol=1e-12)
    np.testing.assert_allclose(process.snr[1:], snr, rtol=2e-12)
    np.testing.assert_allclose(process.log_snr[1:-1], log_snr, rtol=1e-12, atol=1e-12)
    # float32 rounds the right number once
    np.testing.assert_array_max_ulp(
        process.one_minus_alphas_bar.astype("f"), np.array(noise, "f"), maxulp=1
    )


@pytest.mark.parametrize("T", [1, 2, 150, 1000])
@pytest.mark.parametrize("name", MAKERS)
def test_tables_are_exact_at_every_t(name, T):
    assert_tables_are_exact(Process(MAKERS[name](T)))


@settings(max_examples=50)
@given(st.lists(st.floats(1e-12, 0.9), min_size=1, max_size=60))
def test_tables_are_exact_for_any_betas(betas):
    assert_tables_are_exact(Process([0.0, *betas]))


def test_the_clean_end_of_the_tables():
    process = Process(schedules.linear(5))
    assert process.T == 5
    tables = ["betas", "alphas", "alphas_bar", "one_minus_alphas_bar"]
    for name in (*tables, "snr", "log_snr", "posterior_variance"):
        assert getattr(process, name).shape == (6,)
        assert getattr(process, name).dtype == np.float64
    assert [t[0] for t in (process.betas, process.one_minus_alphas_bar)] == [0, 0]
    assert [t[0] for t in (process.alphas, process.alphas_bar)] == [1, 1]
    assert process.snr[0] == process.log_snr[0] == np.inf
    assert process.posterior_variance[:2].tolist() == [0, 0]
    assert process.one_minus_alphas_bar[1] == process.betas[1]
    assert not np.signbit(process.one_minus_alphas_bar[0])
    with pytest.raises(ValueError, match="read-only"):
        process.alphas_bar[1] = 0.5
    assert repr(process) == "Process(T=5, alpha_bar_T=0.951)"


def test_a_step_that_replaces_all_signal_leaves_none():
    process = Process([0.0, 0.5, 1.0, 0.25])
    assert process.alphas_bar[2:].tolist() == [0, 0]
    assert process.one_minus_alphas_bar[2:].tolist() == [1, 1]
    assert process.snr[2] == 0
    assert process.log_snr[3] == -np.inf
    assert process.q_between(1, 3) == (0, 1)
    assert process.q_between(2, 3) == (np.sqrt(0.75), 0.25)


# --- forward kernels


@pytest.mark.parametrize("T", [1, 6, 150])
def test_steps_of_noise_add_up_to_the_closed_form(T):
    """With unit vectors for x_0 and each eps, the coordinates of x_t are its coefficients."""
    process = Process(schedules.linear(T, 1e-4, 0.3))
    basis = np.eye(T + 1)
    x = basis[:1]
    for t in range(1, T + 1):
        x = process.q_step(x, t, basis[t : t + 1])
        closed = process.q_sample(np.ones(1), t, np.zeros(1)), process.q_sample(
            np.zeros(1), t, np.ones(1)
        )
        np.testing.assert_allclose(x[0, 0], closed[0], rtol=4 * T * U)
        np.testing.assert_allclose(np.linalg.norm(x[0, 1:]), closed[1], rtol=4 * T * U)


@settings(max_examples=60)
@given(st.sampled_from(sorted(MAKERS)), st.integers(2, 1000), st.data())
def test_any_stretch_of_the_chain_is_its_own_product(name, T, data):
    process = Process(MAKERS[name](T))
    s = data.draw(st.integers(0, T - 1))
    t = data.draw(st.integers(s + 1, T))
    scale, variance = process.q_between(s, t)
    with mp.workdps(60):
        product = exact_alphas_bar([0.0, *process.betas[s + 1 : t + 1]])[-1]
        right = float(mp.sqrt(product)), float(1 - product)
    np.testing.assert_allclose((scale, variance), right, rtol=1e-12)
    # Chapman and Kolmogorov: s -> u -> t is s -> t
    u = data.draw(st.integers(s, t - 1))
    if u > s:
        (a, v), (b, w) = process.q_between(s, u), process.q_between(u, t)
        np.testing.assert_allclose((b * a, b * b * v + w), right, rtol=2e-12, atol=1e-300)


def test_a_stretch_from_the_start_or_of_one_step_is_read_from_the_tables():
    process = Process(schedules.cosine(9))
    assert process.q_between(0, 7)[1] == process.one_minus_alphas_bar[7]
    assert process.q_between(0, 7)[0] == np.sqrt(process.alphas_bar[7])
    assert process.q_between(6, 7) == (np.sqrt(process.alphas[7]), process.betas[7])
    scales, variances = process.q_between(np.array([0, 6, 2]), np.array([7, 7, 9]))
    each = [process.q_between(0, 7), process.q_between(6, 7), process.q_between(2, 9)]
    assert list(zip(scales, variances)) == each
    assert process.q_between(2, np.array([7, 9]))[0].shape == (2,)
    for s, t in ((4, 4), (5, 4)):
        with pytest.raises(ValueError, match=f"s < t, got s = {s} and t = {t}"):
            process.q_between(s, t)


# --- posterior


@pytest.mark.parametrize(("s", "t"), [(4, 5), (1, 2), (2, 9), (1, 10), (7, 10)])
def test_posterior_is_bayes_on_a_grid(s, t):
    process = Process(schedules.linear(10, 0.01, 0.3))
    x0, xt = 0.7, -0.4
    grid = np.linspace(-6, 6, 4001)
    scale, variance = process.q_between(s, t)
    prior = Gaussian(np.sqrt(process.alphas_bar[s]) * x0, process.one_minus_alphas_bar[s])
    joint = prior.pdf(grid) * np.exp(-((xt - scale * grid) ** 2) / (2 * variance))
    mass = joint / joint.sum()  # the plain sum is exact for what vanishes at both ends
    mean, var = process.q_posterior(x0, xt, t, s)
    np.testing.assert_allclose(mean, mass @ grid, rtol=1e-12)
    np.testing.assert_allclose(var, mass @ (grid - mean) ** 2, rtol=1e-11)
    # and the algebra of Gaussians says the same
    law = prior.bayes(scale, variance, xt)
    np.testing.assert_allclose((mean, var), (law.mean, law.cov), rtol=1e-13)
    if s == t - 1:
        assert process.q_posterior(x0, xt, t) == (mean, var)
        assert process.posterior_variance[t] == var


@pytest.mark.parametrize("name", MAKERS)
def test_the_posterior_ends_in_x0_to_the_last_bit(name, rng):
    process = Process(MAKERS[name](30))
    x0, xt = rng.normal(size=(2, 4, 3)).astype("f")
    for mean, var in (
        process.q_posterior(x0, xt, 1),
        process.q_posterior(x0, xt, 30, 0),
        process.q_posterior(x0, xt, np.array([1, 2, 15, 30]), 0),
    ):
        np.testing.assert_array_equal(mean, x0)
        assert not np.any(var)


# --- what x and t may be


@pytest.mark.parametrize("t", [2, np.array([1, 2, 5])])
def test_arrays_of_any_device_keep_dtype_and_place(xp, device, t, rng):
    process = Process(schedules.linear(5))
    x0, eps = (to_device(a, device) for a in rng.normal(size=(2, 3, 2)).astype("f"))
    xt = process.q_sample(x0, t, eps)
    mean, var = process.q_posterior(x0, xt, t)
    for out in (xt, process.q_step(x0, t, eps), mean, process.convert(eps, xt, t, "eps", "v")):
        assert isinstance(out, type(x0))
        assert out.dtype == np.float32
    host = process.q_sample(to_host(x0).astype(float), t, to_host(eps).astype(float))
    np.testing.assert_allclose(to_host(xt), host, rtol=1e-6, atol=1e-7)
    assert isinstance(var, float) if isinstance(t, int) else var.shape == (3, 1)


@pytest.mark.parametrize("t", [2, np.array([1, 2, 5])])
def test_tensors_are_recorded(t, rng):
    process = Process(schedules.linear(5))
    x0, eps = rng.normal(size=(2, 3, 2))
    for pair in ((x0, Tensor(eps, requires_grad=True)), (Tensor(x0, requires_grad=True), eps)):
        leaf = next(v for v in pair if isinstance(v, Tensor))
        xt = process.q_sample(pair[0], t, pair[1])
        np.testing.assert_array_equal(xt.data, process.q_sample(x0, t, eps))
        xt.backward(np.ones((3, 2)))
        table = process.alphas_bar if leaf is pair[0] else process.one_minus_alphas_bar
        slope = np.broadcast_to(np.sqrt(at(table, t, x0)), (3, 2))
        np.testing.assert_allclose(leaf.grad, slope, rtol=1e-15)


def test_numbers_are_allowed():
    process = Process(schedules.linear(5))
    assert process.q_sample(2.0, np.int64(3), -1.0) == process.q_sample(
        np.array([2.0]), 3, np.array([-1.0])
    )


def test_at_gathers_casts_and_shapes(rng):
    x = rng.normal(size=(2, 3, 4)).astype("f")
    table = np.array([1.0, 0.1, 0.3])
    assert at(table, 2, x) == 0.3
    assert type(at(table, 2, x)) is float
    column = at(table, np.array([0, 2]), x)
    assert column.shape == (2, 1, 1)
    assert column.dtype == np.float32
    np.testing.assert_array_equal(column.ravel(), np.array([1.0, 0.3], "f"))
    with pytest.raises(ValueError, match=r"0 \.\.\. 2, got 3"):
        at(table, 3, x)


X = np.ones((2, 3))
BAD_TIMES = [
    (0, ValueError, r"1 \.\.\. 5, got 0"),
    (-1, ValueError, "got -1"),
    (6, ValueError, "got 6"),
    (np.array([1, 6]), ValueError, "got .1 6"),
    (np.array([0, 1]), ValueError, "got .0 1"),
    (2.0, TypeError, "got 2.0"),
    (True, TypeError, "got True"),
    ([1, 2], TypeError, r"got \[1, 2\]"),
    (np.array([1.0, 2.0]), TypeError, "an int or a host NumPy int array"),
    (np.array([True, True]), TypeError, "an int or a host NumPy int array"),
    (np.array(2), TypeError, "an int or a host NumPy int array"),
    (np.array([[1, 2]]), TypeError, "an int or a host NumPy int array"),
    (np.array([1, 2, 3]), ValueError, r"3 values of t do not fit x of shape \(2, 3\)"),
]


@pytest.mark.parametrize(("t", "error", "message"), BAD_TIMES)
def test_a_wrong_t_is_an_error_and_never_wraps(t, error, message):
    process = Process(schedules.linear(5))
    calls = [
        lambda: process.q_sample(X, t, X),
        lambda: process.q_step(X, t, X),
        lambda: process.q_posterior(X, X, t),
        lambda: process.convert(X, X, t, "eps", "x0"),
    ]
    for call in calls:
        with pytest.raises(error, match=message):
            call()


def test_a_wrong_t_is_found_where_nothing_is_computed():
    process = Process(schedules.linear(5))
    for call in (
        lambda: process.convert(X, X, 6, "eps", "eps"),
        lambda: process.q_between(-1, 3),
        lambda: process.q_between(0, 6),
        lambda: process.posterior_weights(0),
    ):
        with pytest.raises(ValueError, match=r"t must lie in"):
            call()


def test_wrong_arrays_are_refused():
    process = Process(schedules.linear(5))
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(2, 1\)"):
        process.q_sample(X, 1, X[:, :1])
    for dtype in ("uint8", "int64", "bool", "complex128"):
        with pytest.raises(TypeError, match=f"floating point, got {dtype}; scale"):
            process.q_sample(X.astype(dtype), 1, X)
    for x in ([1.0, 2.0], None, "x"):
        with pytest.raises(TypeError, match=f"floating point, got {type(x).__name__}; scale"):
            process.q_sample(x, 1, x)
    with pytest.raises(ValueError, match=r"2 values of t do not fit x of shape \(\)"):
        process.q_sample(1.0, np.array([1, 2]), 1.0)

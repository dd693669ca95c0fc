"""Schedules against their definitions, computed by mpmath with 40 digits."""

import warnings

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydiff.diffusion import schedules
from tinydiff.diffusion.process import Process

steps = st.integers(1, 1000)


def betas_by_definition(alpha_bar, T, cap=1.0):
    """min(1 - alpha_bar_t / alpha_bar_{t-1}, cap) from a function of t that mpmath evaluates."""
    with mp.workdps(40):
        ab = [alpha_bar(mp.mpf(t)) for t in range(T + 1)]
        betas = [min(1 - ab[t] / ab[t - 1], mp.mpf(cap)) for t in range(1, T + 1)]
        return np.array([0.0, *map(float, betas)])


@pytest.mark.parametrize("T", [1, 2, 3, 10, 150, 1000])
@pytest.mark.parametrize(("s", "cap"), [(0.008, 0.999), (0.0, 0.999), (0.3, 1.0)])
def test_cosine_holds_its_definition(T, s, cap):
    right = betas_by_definition(
        lambda t: mp.cos((t / T + mp.mpf(s)) / (1 + mp.mpf(s)) * mp.pi / 2) ** 2, T, cap
    )
    # The angle under the second sine nears pi, pi / 2T away at s = 0: its rounding, pi u, counts
    # 2 T u there, 2.2e-13 at T = 1000. The subtraction would leave 1e-11 at t = 1.
    np.testing.assert_allclose(schedules.cosine(T, s, cap), right, rtol=1e-12)


@pytest.mark.parametrize("T", [1, 2, 3, 10, 150, 1000])
@pytest.mark.parametrize(("start", "end", "tau"), [(-3, 3, 1), (0, 3, 0.7), (-3, 3, 0.1)])
def test_sigmoid_holds_its_definition(T, start, end, tau):
    def S(u):
        return 1 / (1 + mp.exp(-u))

    def alpha_bar(t):
        at = (start + t / T * (end - start)) / mp.mpf(tau)
        top, last = S(start / mp.mpf(tau)), S(end / mp.mpf(tau))
        return (last - S(at)) / (last - top)

    right = betas_by_definition(alpha_bar, T, 0.999)
    # S is the exponential of a logarithm of up to 30, whose rounding counts 30 u
    np.testing.assert_allclose(schedules.sigmoid(T, start, end, tau), right, rtol=1e-13)
    assert schedules.sigmoid(T, start, end, tau, cap=1.0)[T] == pytest.approx(1, rel=1e-15)


def test_linear_and_quadratic_lines():
    np.testing.assert_allclose(schedules.linear(3, 0.1, 0.3), [0, 0.1, 0.2, 0.3], rtol=1e-15)
    right = [0, 0.01, 0.04, 0.09]
    np.testing.assert_allclose(schedules.quadratic(3, 0.01, 0.09), right, rtol=1e-14)
    betas = schedules.linear(1000)
    assert (betas[1], betas[1000]) == (1e-4, 0.02)
    assert schedules.linear(1)[1] == schedules.quadratic(1)[1] == 1e-4


def test_rescaling_keeps_the_end_of_the_chain():
    np.testing.assert_allclose(
        schedules.linear(200, rescale=True), schedules.linear(200, 5e-4, 0.1), rtol=1e-15
    )
    np.testing.assert_array_equal(schedules.linear(1000, rescale=True), schedules.linear(1000))
    ends = [Process(schedules.linear(T, rescale=True)).alphas_bar[T] for T in (1000, 200, 100)]
    # unscaled it is 0.13 at T = 200 and 0.36 at T = 100
    np.testing.assert_allclose(ends, [4.036e-5, 3.032e-5, 2.039e-5], rtol=3e-4)
    with pytest.raises(ValueError, match=r"beta_12 = 1\.04.*more steps"):
        schedules.linear(15, rescale=True)


@given(
    steps,
    st.sampled_from(["linear", "quadratic", "cosine", "sigmoid"]),
    st.booleans(),
)
def test_every_schedule_is_a_table_of_variances(T, name, zero):
    betas = getattr(schedules, name)(T)
    betas = schedules.zero_terminal_snr(betas) if zero else betas
    assert betas.dtype == np.float64
    assert betas.shape == (T + 1,)
    assert betas[0] == 0
    assert (betas[1:] > 0).all()
    assert (betas[1:] <= 1).all()
    assert (np.diff(Process(betas).alphas_bar) < 0).all()


@given(steps, st.sampled_from(["linear", "quadratic", "cosine", "sigmoid"]))
def test_a_schedule_is_found_again_in_its_own_tables(T, name):
    process = Process(getattr(schedules, name)(T))
    again = schedules.from_alphas_bar(process.alphas_bar)
    # alphas_bar has absolute error T u; beta_t divides it by alpha_bar_{t-1}, relative to beta_t
    error = 4 * T * 1.1e-16
    np.testing.assert_allclose(again, process.betas, atol=error, rtol=1e-14)
    again = schedules.from_log_snr(process.log_snr)
    # as does log SNR, whose own error is T u relative to log alpha_bar, at most 30 here
    np.testing.assert_allclose(again, process.betas, atol=30 * error, rtol=30 * error)


def test_log_snr_keeps_all_digits_of_small_steps():
    l = np.array([np.inf, 30.0, 30.0 - 1e-9, 0.0, -40.0, -np.inf])  # noqa: E741
    with mp.workdps(40):
        ab = [mp.mpf(1), *[1 / (1 + mp.exp(-mp.mpf(float(v)))) for v in l[1:-1]], mp.mpf(0)]
        right = [float(1 - ab[t] / ab[t - 1]) for t in range(1, 6)]
    np.testing.assert_allclose(schedules.from_log_snr(l)[1:], right, rtol=1e-14)


@pytest.mark.parametrize("T", [2, 3, 10, 1000])
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_zero_terminal_snr_holds_its_definition(T, name):
    before = getattr(schedules, name)(T)
    betas = schedules.zero_terminal_snr(before)
    with mp.workdps(60):
        ab = [mp.mpf(1)]
        for beta in before[1:]:
            ab.append(ab[-1] * (1 - mp.mpf(float(beta))))
        root = [mp.sqrt(a) for a in ab]
        scaled = [(r - root[T]) * root[1] / (root[1] - root[T]) for r in root]
        right = [1 - ab[1], *[1 - (scaled[t] / scaled[t - 1]) ** 2 for t in range(2, T + 1)]]
        right = np.array([0.0, *map(float, right)])
    # the products and sums of up to T positive terms: 4 T u
    np.testing.assert_allclose(betas, right, rtol=5e-13)
    assert betas[1] == before[1]
    assert betas[T] == 1
    assert Process(betas).snr[T] == 0
    # a schedule that ends in noise already is left as it is
    np.testing.assert_allclose(schedules.zero_terminal_snr(betas), betas, rtol=1e-12)


def test_zero_terminal_snr_of_a_signal_that_all_but_vanishes():
    # alpha_bar_T = 1e-322, whose root is a number still and whose square is none
    betas = schedules.zero_terminal_snr(schedules.linear(100_000))
    assert betas[-1] == 1 and (betas[1:] > 0).all() and (np.diff(betas[-50:]) > 0).all()


def test_zero_terminal_snr_of_one_step_replaces_all_signal():
    np.testing.assert_array_equal(schedules.zero_terminal_snr([0.0, 0.3]), [0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "T", "ab", "cost"),
    # L_T = -1/2 log(1 - alpha_bar_T) at E x0^2 = 1
    [("lab", 150, "0.2192", "0.1237"), ("ch327-200", 200, "0.1322", "0.0709")]
    + [("ch327-100", 100, "0.3636", "0.2259")],
)
def test_named_schedules_tell_the_price_of_an_early_end(name, T, ab, cost):
    message = rf"'{name}' ends at alpha_bar_T = {ab}, not 0, which costs {cost} nats"
    with pytest.warns(schedules.TerminalNoiseWarning, match=message) as caught:
        betas = schedules.named(name)
    assert caught[0].filename == __file__  # the caller's line, not the schedule's
    np.testing.assert_array_equal(betas, schedules.linear(T))


def test_the_schedule_of_a_thousand_steps_costs_nothing_worth_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(schedules.named("ddpm"), schedules.linear(1000))


REFUSED = [
    (lambda: schedules.linear(0), "at least 1, got 0"),
    (lambda: schedules.linear(10.0), "an int of at least 1"),
    (lambda: schedules.cosine(True), "an int of at least 1"),
    (lambda: schedules.linear(3, 0.0, 0.1), r"0 < beta_t <= 1 is needed, got beta_1 = 0\.0"),
    (lambda: schedules.linear(3, -0.1, 0.3), r"got beta_1 = -0\.1"),
    (lambda: schedules.linear(3, 0.1, 1.1), r"got beta_3 = 1\.1"),
    (lambda: schedules.linear(3, 0.1, np.nan), "got beta_1 = nan|got beta_2 = nan"),
    (lambda: schedules.quadratic(3, -0.1), "first and last must be positive"),
    (lambda: schedules.quadratic(3, last=np.nan), "got beta_|must be positive"),
    (lambda: schedules.cosine(3, s=-0.1), "s must be a number >= 0"),
    (lambda: schedules.cosine(3, s=np.inf), "s must be a number >= 0"),
    (lambda: schedules.cosine(3, s=np.nan), "s must be a number >= 0"),
    (lambda: schedules.cosine(3, cap=0.0), "0 < cap <= 1, got 0"),
    (lambda: schedules.sigmoid(3, cap=1.5), "0 < cap <= 1, got 1.5"),
    (lambda: schedules.sigmoid(3, 3, -3), "start < end and tau > 0"),
    (lambda: schedules.sigmoid(3, tau=0), "start < end and tau > 0"),
    (lambda: schedules.sigmoid(3, end=np.inf), "start < end and tau > 0"),
    (lambda: schedules.from_alphas_bar([1.0, 0.5, 0.5]), "fall strictly from 1"),
    (lambda: schedules.from_alphas_bar([0.9, 0.5]), "fall strictly from 1"),
    (lambda: schedules.from_alphas_bar([1.0, -0.1]), "stay >= 0"),
    (lambda: schedules.from_alphas_bar([1.0, 0.5, -0.1]), "stay >= 0"),
    (lambda: schedules.from_alphas_bar([1.0, np.nan]), "fall strictly from 1"),
    (lambda: schedules.from_alphas_bar([1.0]), "fall strictly from 1"),
    (lambda: schedules.from_alphas_bar([[1.0, 0.5]]), "fall strictly from 1"),
    (lambda: schedules.from_log_snr([5.0, 1.0]), r"log_snr\[0\] = inf"),
    (lambda: schedules.from_log_snr([np.inf, 1.0, 1.0]), "fall strictly"),
    (lambda: schedules.from_log_snr([np.inf]), "fall strictly"),
    (lambda: schedules.zero_terminal_snr([0.0, 0.5, 1.0, 0.5]), "alpha_bar is 0 before T"),
    (lambda: schedules.zero_terminal_snr([0.1, 0.5]), "start with 0"),
    (lambda: schedules.check_betas([0.0]), "length T"),
    (lambda: schedules.check_betas([[0.0, 0.1]]), r"length T \+ 1 .* \(1, 2\)"),
    (lambda: schedules.check_betas(0.0), "length T"),
    (lambda: schedules.check_betas(np.linspace(0.1, 0.2, 900)), r"got \[0.1 +0.1001.*\], \(900,\)"),
    (lambda: schedules.named("ddim"), "expected one of ddpm, lab"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_is_no_schedule_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_one_is_a_variance_and_nothing_is_changed_in_the_callers_table():
    betas = np.array([0.0, 0.5, 1.0])
    table = schedules.check_betas(betas)
    table[1] = 0.1
    assert betas[1] == 0.5

"""verify.py: right samplers and models pass, and each plausible mistake fails."""

import inspect
from functools import partial

import numpy as np
import pytest

from tinydiff import Tensor
from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.mixture import GaussianMixture, Points, verify_model, verify_sampler
from tinydiff.diffusion.process import Process
from tinydiff.diffusion.verify import PROCESS, Report, Row, _distance, _TwoModes

RIGHT = [
    samplers.ddpm,
    partial(samplers.ddpm, variance="beta"),
    samplers.ddim,
    partial(samplers.ddim, eta=0.5),
    partial(samplers.ddim, eta=1.0),
    samplers.euler,
    samplers.heun,
    samplers.dpmpp_2m,
]


@pytest.mark.parametrize("sampler", RIGHT)
def test_right_samplers_pass(sampler):
    report = verify_sampler(sampler)
    assert report.ok, f"\n{report}"


def by_hand(model, process, x, *, noise, ts, mistake=None, eta=1.0):
    """DDIM written out, DDPM with eta = 1, with one mistake if it is named."""
    c, n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)
    for t, s in zip(ts, [*ts[1:], 0]):
        eps = model(x, max(t - 1, 1) if mistake == "eps of t - 1" else t)
        x0 = (x - n[t] * eps) / c[t]
        scale, variance = process.q_between(s, t)
        std = eta * n[s] / n[t] * np.sqrt(variance)
        if mistake == "beta unscaled":
            std = eta * np.sqrt(process.betas[t])
        keep = n[s] ** 2 - std**2
        mean = c[s] * x0 + np.sqrt(max(keep, 0)) * eps
        if mistake == "alpha_bar for alpha":  # erratum of nus-l8
            mean = mean * scale / c[t]
        if mistake == "variance for std":  # erratum of nus-l8
            std = std**2
        if mistake == "noise at the end" and s == 0:
            std = 0.01
        if mistake == "no noise":
            std = 0.0
        x = mean + std * noise(s, x.shape) if std else mean
        yield s + (mistake == "t for s"), x


MISTAKES = [
    ("eps of t - 1", 1.0, "kernel"),
    ("eps of t - 1", 0.0, "kernel"),
    ("beta unscaled", 1.0, "kernel"),
    ("alpha_bar for alpha", 1.0, "density"),
    ("variance for std", 1.0, "kernel"),
    ("noise at the end", 1.0, "kernel: from t = 1 to 0"),
    ("no noise", 1.0, "kernel"),
    ("t for s", 1.0, "times"),
]


@pytest.mark.parametrize(("mistake", "eta", "row"), MISTAKES)
def test_each_mistake_fails(mistake, eta, row):
    report = verify_sampler(partial(by_hand, mistake=mistake, eta=eta))
    assert not report.ok
    assert row in "\n".join(r.name for r in report.rows if not r.ok)


def test_without_a_mistake_the_hand_written_sampler_passes():
    for eta in (0.0, 0.3, 1.0):
        assert verify_sampler(partial(by_hand, eta=eta)).ok


def test_a_wrong_memory_shows_in_the_path():
    """2M with the wrong sign of its correction: every first step is right, the way is not."""

    def wrong(model, process, x, *, noise, ts):
        c, n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)
        before = None
        for t, s in zip(ts, [*ts[1:], 0]):
            x0 = (x - n[t] * model(x, t)) / c[t]
            D = x0 if before is None else x0 - (x0 - before)
            before = x0
            x = n[s] / n[t] * x + (c[s] - c[t] * n[s] / n[t]) * D
            yield s, x

    report = verify_sampler(wrong)
    assert [r.ok for r in report.rows if r.name.startswith("kernel")] == [True] * 9
    assert [r.name.partition(":")[0] for r in report.rows if not r.ok] == ["path"]


def test_what_is_checked():
    """The steps, the two kinds of data, the grid and the tolerances."""
    seen = []

    def watched(model, process, x, *, noise, ts):
        seen.append((model, x))
        return samplers.ddpm(model, process, x, noise=noise, ts=ts)

    report = verify_sampler(watched)
    steps = [(100, 99), (60, 59), (20, 19), (2, 1), (1, 0), (50, 48), (20, 18), (8, 5), (3, 0)]
    names = [f"kernel: from t = {t} to {s}" for t, s in steps]
    assert [r.name for r in report.rows[1:-1]] == names
    assert report.rows[0] == ("times: T - 1, ..., 0", 0.0, 0.0)
    assert {r.tolerance for r in report.rows[1:-1]} == {1e-9}
    # as in test_grid, for the same schedule on another grid
    assert report.rows[-1].tolerance == 0.05
    assert report.rows[-1].value == pytest.approx(0.04465, abs=2e-5)
    np.testing.assert_array_equal(PROCESS.betas, schedules.linear(100, 1e-3, 0.2))
    one, two = GaussianMixture(None, [0.0], [0.25]), GaussianMixture(None, [-2.0, 2.0], [0.09] * 2)
    for (model, x), data in ((seen[0], one), (seen[-1], two)):
        for t in (1, 50, 100):
            np.testing.assert_allclose(model(x, t), data.model(PROCESS)(x, t), rtol=1e-8, atol=1e-9)
    # on both sides of 0, but not the same places, so that a wrong sign shows as well
    np.testing.assert_array_equal(seen[0][1], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5])
    np.testing.assert_array_equal(seen[-1][1], np.linspace(-8, 8, 801))
    defaults = inspect.signature(verify_model).parameters
    assert (defaults["n"].default, defaults["tol"].default) == (2000, 0.05)


@pytest.mark.parametrize("sampler", [samplers.ddim, samplers.euler, samplers.heun])
def test_the_path_is_measured_against_the_flow(sampler):
    """N(0, 1/4) under the ODE keeps x / sqrt(variance)."""
    report = verify_sampler(sampler)
    row = report.rows[-2]
    assert row.name.startswith("path") and row.tolerance == 1.05
    data, x = GaussianMixture(None, [0.0], [0.25]), np.linspace(-2.5, 3.5, 7)
    exact = x * 0.5 / np.sqrt(0.25 * PROCESS.alphas_bar[100] + PROCESS.one_minus_alphas_bar[100])
    errors = [
        np.abs(samplers.last(s(data.model(PROCESS), PROCESS, x)) - exact).max()
        for s in (sampler, samplers.ddim)
    ]
    assert row.value == pytest.approx(errors[0] / errors[1], rel=1e-6)
    assert all(r.value >= 0 for r in report.rows)
    if sampler is samplers.heun:  # a step nearer to the flow than DDIM's is right as it is
        assert report.rows[2].value == 0


def test_a_step_is_one_kernel_at_every_start():
    data, mean = _TwoModes(PROCESS, 0.0, 0.5), data_mean(60, 59, 0.1)
    std = np.full(7, 0.1)
    assert _distance(data, 60, 59, mean, std, 59) < 1e-12
    assert _distance(data, 60, 59, mean, std, 58) == np.inf
    for uneven, ok in ((1e-9, True), (1.1e-9, False)):
        spread = np.zeros(7)
        spread[3] = uneven
        distance = _distance(data, 60, 59, data_mean(60, 59, 0.0), spread, 59)
        assert np.isfinite(distance) == ok


def data_mean(t, s, std):
    """DDIM's mean at the places that are checked, for N(0, 1/4)."""
    x, data = np.linspace(-2.5, 3.5, 7), GaussianMixture(None, [0.0], [0.25])
    eps = data.model(PROCESS)(x, t)
    x0 = PROCESS.convert(eps, x, t, "eps", "x0")
    return np.sqrt(PROCESS.alphas_bar[s]) * x0 + np.sqrt(
        PROCESS.one_minus_alphas_bar[s] - std**2
    ) * eps


def test_tolerances_can_be_set():
    loose = verify_sampler(partial(by_hand, mistake="eps of t - 1"), kernel=1.0)
    assert loose.ok
    strict = verify_sampler(samplers.ddpm, density=0.01)
    assert [r.name.partition(":")[0] for r in strict.rows if not r.ok] == ["density"]
    assert not verify_sampler(samplers.ddim, path=0.5).ok


def test_the_checks_use_the_exact_denoiser():
    modes = _TwoModes(PROCESS, 2.0, 0.3)
    data = GaussianMixture([0.5, 0.5], [-2.0, 2.0], [0.09, 0.09])
    x = np.linspace(-4, 4, 9)
    for t in (1, 30, 100):
        np.testing.assert_allclose(modes.eps(x, t), data.model(PROCESS)(x, t), rtol=1e-9)
    np.testing.assert_allclose(modes.density(x), np.exp(data.logpdf(x)), rtol=1e-12)


def test_a_report_reads_like_a_table():
    report = Report((Row("good", 1e-3, 1e-2), Row("bad", np.nan, 1.0), Row("ugly", 2.0, 1.0)))
    assert [row.ok for row in report.rows] == [True, False, False]
    assert not report.ok
    lines = str(report).splitlines()
    assert lines[0].split() == ["check", "value", "tolerance"]
    assert [line.split()[-1] for line in lines[1:]] == ["ok", "FAIL", "FAIL"]
    assert Report(report.rows[:1]).ok


# --- models

DATA = GaussianMixture([0.3, 0.7], [[-2.0], [1.0]], [0.09, 0.2])
LINEAR = Process(schedules.linear(200, rescale=True))


@pytest.mark.parametrize("predicts", ["eps", "x0", "v", "score", "mu"])
def test_the_exact_model_passes(predicts):
    report = verify_model(DATA.model(LINEAR, predicts), LINEAR, DATA, predicts=predicts)
    assert report.ok, f"\n{report}"
    assert len(report.rows) == 8
    # float32 in between: the error of eps_hat relative to 1 is some 2^-24 / sqrt(1 - alpha_bar_1)
    assert max(row.value for row in report.rows) < 1e-8


def test_the_excess_is_what_a_worse_model_adds():
    """eps_hat + 0.3 loses exactly 0.09 more; as a Tensor, called with t of every row."""
    exact = DATA.model(LINEAR)

    def model(xt, t):
        assert t.shape == (2000,)
        assert xt.dtype == np.float32
        return Tensor(exact(xt, t) + np.float32(0.3))

    report = verify_model(model, LINEAR, DATA)
    assert not report.ok
    np.testing.assert_allclose([row.value for row in report.rows], 0.09, rtol=1e-4)
    assert verify_model(model, LINEAR, DATA, tol=0.1).ok
    first = report.rows[0]
    assert first.name == f"t = 1: eps-loss above the least, {DATA.mse(LINEAR, 1):.4f}"


def test_a_model_that_answers_another_question_fails():
    assert not verify_model(DATA.model(LINEAR, "x0"), LINEAR, DATA).ok
    points = Points([[0.0, 1.0], [2.0, 0.0]])
    assert verify_model(points.model(LINEAR), LINEAR, points, dtype=np.float64, n=100).ok
    with pytest.raises(ValueError, match=r"returned shape \(2000,\) for x of \(2000, 1\)"):
        verify_model(lambda xt, t: xt[:, 0], LINEAR, DATA)

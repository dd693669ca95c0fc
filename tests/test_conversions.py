"""Process.convert: eps, x0, v, score and mu, five names for one thing."""

import mpmath as mp
import numpy as np
import pytest

from tinydiff.diffusion import schedules
from tinydiff.diffusion.process import NAMES, Process
from tinydiff.gaussian import Gaussian


def by_definition(process, t):
    """Each quantity as exact coefficients (of x0, of eps), from the table's own betas."""
    with mp.workdps(60):
        ab = [mp.mpf(1)]
        for b_t in process.betas[1 : t + 1]:
            ab.append(ab[-1] * (1 - mp.mpf(float(b_t))))
        c, n = mp.sqrt(ab[t]), mp.sqrt(1 - ab[t])
        beta = mp.mpf(float(process.betas[t]))
        a = mp.sqrt(ab[t - 1]) * beta / (1 - ab[t])
        b = mp.sqrt(1 - beta) * (1 - ab[t - 1]) / (1 - ab[t])
        mu = (a + b * c, b * n)
        return {"x0": (1, 0), "eps": (0, 1), "v": (-n, c), "score": (0, -1 / n), "mu": mu}, (c, n)


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_conversions_have_exact_coefficients(source, target, t):
    process = Process(schedules.linear(1000))
    exact, (c, n) = by_definition(process, t)
    with mp.workdps(60):  # solve target = p source + q x_t for the coefficients of x0 and eps
        (s0, s1), (t0, t1) = exact[source], exact[target]
        det = s0 * n - s1 * c
        p, q = (t0 * n - t1 * c) / det, (s0 * t1 - s1 * t0) / det
    units = [(1.0, 0.0), (0.0, 1.0)]
    left = [process.convert(value, xt, t, source, target) for value, xt in units]
    # no coefficient is a difference, so each is right to the accuracy of the tables, 1e-12, however
    # small the signal or the noise; a coefficient of 0 comes out as 0
    np.testing.assert_allclose(left, (float(p), float(q)), rtol=1e-12, atol=1e-50)


def test_conversions_go_row_by_row(rng):
    process = Process(schedules.cosine(20))
    x0, eps = rng.normal(size=(2, 4, 2, 3))
    t = np.array([1, 20, 7, 7])
    xt = process.q_sample(x0, t, eps)
    for target in NAMES:
        rows = process.convert(eps, xt, t, "eps", target)
        each = [process.convert(eps[i], xt[i], int(t[i]), "eps", target) for i in range(4)]
        np.testing.assert_allclose(rows, each, rtol=1e-14)


def test_conversions_that_need_a_signal_say_so():
    process = Process([0.0, 0.3, 1.0, 0.5])  # no signal from t = 2 on
    xt = np.array([0.8])
    refused = {
        2: {("eps", "x0"), ("eps", "v"), ("score", "x0"), ("score", "v")}
        # x_2 is fresh noise: mu depends on x0 alone, which eps does not know
        | {("eps", "mu"), ("score", "mu")},
        # x_3 forgets x0 and so does mu
        3: {("eps", "x0"), ("eps", "v"), ("score", "x0"), ("score", "v")}
        | {("mu", "x0"), ("mu", "v")},
    }
    for t, pairs in refused.items():
        for source in NAMES:
            for target in NAMES:
                if (source, target) in pairs:
                    message = rf"{source} does not determine {target} at t = \[{t}\]"
                    with pytest.raises(ValueError, match=message):
                        process.convert(xt, xt, t, source, target)
                else:
                    assert np.isfinite(process.convert(xt, xt, t, source, target)).all()
    with pytest.raises(ValueError, match=r"at t = \[2 3\]"):
        process.convert(np.ones(3), np.ones(3), np.array([3, 1, 2]), "eps", "x0")
    # with v the same rows are no trouble: at SNR 0 v = -x0
    assert process.convert(xt, xt, 2, "v", "x0") == -xt
    with pytest.raises(ValueError, match="'epsilon'"):
        process.convert(xt, xt, 1, "epsilon", "x0")


def test_tweedie_on_a_gaussian():
    process = Process(schedules.linear(100))
    data = Gaussian(1.5, 0.25)
    for t in (1, 40, 100):
        scale, variance = process.q_between(0, t)
        law = data.affine(scale) + Gaussian(0.0, variance)
        score = (law.mean - 0.3) / law.cov
        right = data.bayes(scale, variance, 0.3).mean
        np.testing.assert_allclose(process.tweedie(0.3, t, score), right, rtol=1e-12)

"""The training losses: one weight in five forms, the bound they are part of, learned variances."""

import numpy as np
import pytest
from double import forbid
from hypothesis import given, settings
from hypothesis import strategies as st

import tinydiff as td
from tinydiff.backend import standard_normal, to_host, xp_of
from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.process import Process

SCHEDULES = [schedules.linear(1000), schedules.cosine(50), schedules.linear(1, 0.3, 0.3)]
PREDICTIONS = ["eps", "x0", "v", "score", "mu"]
WEIGHTS = ["vlb", "snr", "min_snr", "p2"]


def setting(seed, process, n=5, shape=(2, 3)):
    """(t, x0, eps, prediction of eps) for n rows."""
    rng = np.random.default_rng(seed)
    x0, eps, eps_hat = rng.standard_normal((3, n, *shape))
    return rng.integers(1, process.T + 1, n), x0, eps, eps_hat


@given(which=st.integers(0, 2), seed=st.integers(0, 999), weight=st.sampled_from(WEIGHTS))
def test_the_weighted_loss_is_the_same_whatever_is_predicted(which, seed, weight):
    process = Process(SCHEDULES[which])
    t, x0, eps, eps_hat = setting(seed, process)
    losses = []
    for predicts in PREDICTIONS:

        def model(xt, t, predicts=predicts):
            return process.convert(eps_hat, xt, t, "eps", predicts)

        losses.append(bound.loss(model, process, x0, t, eps, weight, predicts).item())
    # through x0, eps loses u / sqrt(SNR_T) of itself, mu as much as 1 / beta: 1e-12 at T = 1000
    np.testing.assert_allclose(losses, losses[0], rtol=1e-9)


@settings(max_examples=20)
@given(which=st.integers(0, 1), seed=st.integers(0, 999))
def test_weights_by_their_names(which, seed):
    """What the literature gives each prediction (Hang et al. 2023, table 1; Choi et al. 2022)."""
    process = Process(SCHEDULES[which])
    t, x0, eps, hat = setting(seed, process)
    snr = process.snr[t][:, None, None]
    s, n = np.sqrt(process.alphas_bar[t])[:, None, None], np.sqrt(1 / (1 + snr))
    a, b, var = (c[:, None, None] for c in process.posterior_weights(t))
    var = np.where(t[:, None, None] == 1, process.betas[1], var)
    xt = s * x0 + n * eps
    target = {"eps": eps, "x0": x0, "v": s * eps - n * x0, "score": -eps / n, "mu": a * x0 + b * xt}
    expected = {
        ("simple", name): 1 for name in PREDICTIONS
    } | {
        ("snr", "eps"): 1, ("snr", "x0"): snr, ("snr", "v"): snr / (snr + 1),
        ("min_snr", "x0"): np.minimum(snr, 5), ("min_snr", "eps"): np.minimum(snr, 5) / snr,
        ("min_snr", "v"): np.minimum(snr, 5) / (snr + 1), ("p2", "eps"): 1 / (1 + snr),
        ("vlb", "mu"): 1 / (2 * var), ("vlb", "x0"): a**2 / (2 * var),
    }  # fmt: skip
    for (weight, predicts), w in expected.items():
        out = bound.row_losses(lambda xt, t: hat, process, x0, t, eps, weight, predicts)
        right = (w * (hat - target[predicts]) ** 2).mean(axis=(1, 2))
        np.testing.assert_allclose(out.numpy(), right, rtol=1e-10)
        total = bound.loss(lambda xt, t: hat, process, x0, t, eps, weight, predicts)
        assert total.shape == () and total.item() == pytest.approx(right.mean(), rel=1e-10)


@pytest.mark.parametrize("betas", SCHEDULES)
def test_the_bound_is_T_times_the_mean_of_the_vlb_loss(betas, rng):
    """L_vlb = T E_t L_t; the loss leaves out the constants L_T and log(2 pi beta_1) / 2."""
    process = Process(betas)
    x0 = rng.standard_normal((2, 3))
    eps = rng.standard_normal((process.T + 1, *x0.shape))

    def model(xt, t):
        return 0.8 * xt

    b = bound.terms(model, process, x0, noise=lambda t, s: eps[t])
    every = range(1, process.T + 1)
    losses = [bound.loss(model, process, x0, t, eps[t], "vlb").item() for t in every]
    constant = b.L_T.mean() / 3 + 0.5 * np.log(2 * np.pi * process.betas[1])
    left = constant + process.T * np.mean(losses)
    assert left == pytest.approx(b.total.mean() / 3, rel=1e-12)


def test_an_int_t_and_a_t_of_each_row_agree(rng):
    process = Process(schedules.linear(10, 0.01, 0.2))
    x0, eps = rng.standard_normal((2, 4, 3))
    for weight in ("simple", "vlb"):
        one = bound.row_losses(lambda xt, t: xt, process, x0, 7, eps, weight, "v")
        each = bound.row_losses(lambda xt, t: xt, process, x0, np.full(4, 7), eps, weight, "v")
        np.testing.assert_allclose(one.numpy(), each.numpy(), rtol=1e-14)


def test_importance_weights_belong_to_the_rows(rng):
    process, x0 = Process(schedules.linear(10, 0.01, 0.2)), rng.standard_normal((4, 3))
    t, w, eps = np.array([1, 4, 4, 10]), rng.uniform(0.5, 2, 4), rng.standard_normal((4, 3))
    rows = bound.rows(process, t, x0, "p2", "eps", importance=w)
    left = bound.row_losses(lambda xt, t: xt, process, x0, t, eps, rows=rows).numpy()
    right = bound.row_losses(lambda xt, t: xt, process, x0, t, eps, "p2").numpy() * w
    np.testing.assert_allclose(left, right, rtol=1e-13)
    for one, each in zip(
        bound.rows(process, 4, x0, "p2", importance=w),
        bound.rows(process, np.full(4, 4), x0, "p2", importance=w),
    ):
        np.testing.assert_array_equal(one, each)


@pytest.mark.parametrize("weight", ["simple", *WEIGHTS])
def test_the_gradient_of_the_loss(weight, rng):
    process = Process(schedules.linear(10, 0.01, 0.2))
    x0, eps = rng.standard_normal((2, 4, 3))
    t = np.array([1, 2, 9, 10])

    def f(W):
        return bound.loss(lambda xt, t: xt @ W, process, x0, t, eps, weight, "v")

    td.gradcheck(f, rng.standard_normal((3, 3)), rng=rng)


# --- devices, dtypes, edges


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_and_devices(xp, dtype, rng):
    process = Process(schedules.linear(1000))
    t, x0, eps, _ = setting(1, process)
    x, e = (xp.asarray(a.astype(dtype)) for a in (x0, eps))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12  # rounding, times some ten operations
    for predicts in ("eps", "v"):
        for weight in ("simple", *WEIGHTS):
            args = weight, predicts
            out = bound.loss(lambda xt, t: xt * 0.9, process, x, t, e, *args)
            assert out.dtype == dtype and type(out.data) is type(x)
            right = bound.loss(lambda xt, t: xt * 0.9, process, x0, t, eps, *args).item()
            assert out.item() == pytest.approx(right, rel=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_on_devices(xp, dtype, rng):
    """Bookkeeping in float64, on the device of x0; what depends on dtype is only what is given."""
    process = Process(schedules.linear(8, 0.02, 0.3))
    x0, eps = rng.standard_normal((2, 4, 3)).astype(dtype)
    draws = np.arange(1, 9), np.linspace(0.5, 2, 8)

    tolerance = 1e-5 if dtype == np.float32 else 1e-13  # x_t is rounded; weights reach 25

    def one(xt, t):
        return xt * 0.5

    def two(xt, t):
        return xp_of(xt).concatenate([xt * 0.5, xt * xt], axis=1)

    def evaluate(x0, eps, variance, ts):
        learned = isinstance(variance, str) and variance == "learned"
        var_x0 = np.ones(9) if ts is draws else None
        return bound.terms(
            two if learned else one, process, x0, noise=lambda t, s: eps, ts=ts, predicts="v",
            variance=variance, var_x0=var_x0,
        )  # fmt: skip

    for variance in ("posterior", "beta", "optimal", "learned", np.full(9, 0.1)):
        with pytest.raises(ValueError, match="NaN"):  # on a device too, where nobody looks
            bound.terms(
                lambda xt, t: xt * (np.nan if t[0] == 5 else 0.5), process, xp.asarray(x0),
                noise=lambda t, s: xp.asarray(eps), predicts="v",
            )  # fmt: skip
        for ts in (None, [1, 5, 8], draws):
            b = evaluate(xp.asarray(x0), xp.asarray(eps), variance, ts)
            right = evaluate(x0.astype(float), eps.astype(float), variance, ts)
            assert isinstance(b.L, np.ndarray) and b.L.dtype == b.total.dtype == np.float64
            np.testing.assert_allclose(b.total, right.total, rtol=tolerance)


def test_prefetched_rows_leave_nothing_to_upload(device, rng):
    """What a training step computes with is on the device before the step begins."""
    process = Process(schedules.linear(1000))
    x0 = standard_normal(rng, (4, 3), np.float32, device)
    eps = standard_normal(rng, (4, 3), np.float32, device)
    t = np.array([1, 4, 700, 1000])
    W = td.Tensor(to_host(x0[:3]), requires_grad=True, device=device)
    both = td.concatenate([W, W], axis=1)
    with forbid() as counts:
        rows = bound.rows(process, t, x0, "min_snr", "v")
    assert counts["h2d"] <= 1 and counts["d2h"] == counts["sync"] == 0
    with forbid("h2d", "d2h", "sync"):
        loss = bound.loss(lambda xt, t: td.matmul(xt, W), process, x0, t, eps, rows=rows)
        loss.backward()
        bound.hybrid_loss(
            lambda xt, t: td.matmul(xt, both), process, x0, t, eps, rows=rows
        ).backward()  # fmt: skip
        bound.loss(lambda xt, t: td.matmul(xt, W), process, x0, 7, eps).backward()  # int t: floats
    again = bound.loss(lambda xt, t: td.matmul(xt, W), process, x0, t, eps, "min_snr", "v")
    assert loss.item() == again.item()


@pytest.mark.parametrize("beta", [1e-12, 1e-6, 0.5])
def test_tiny_variances(beta):
    """Nothing cancels: with x0_hat off by one sigma, L_0 is the entropy-like constant."""
    process = Process(np.array([0, beta, beta]))
    x0 = np.array([[0.7], [-1.2]])
    off = np.sqrt(beta)
    b = bound.terms(
        lambda xt, t: x0 + off, process, x0, noise=np.random.default_rng(0), predicts="x0"
    )
    np.testing.assert_allclose(b.L[:, 1], 0.5 * np.log(2 * np.pi * beta) + 0.5, rtol=1e-9)
    np.testing.assert_allclose(b.L[:, 2], beta * (process.snr[1] - process.snr[2]) / 2, rtol=1e-9)
    ab = (1 - beta) ** 2
    right = 0.5 * (ab * (x0[:, 0] ** 2 - 1) - np.log(beta * (2 - beta)))
    np.testing.assert_allclose(b.L_T, right, rtol=1e-9)


@pytest.mark.parametrize("ab", [1e-10, 1e-3, 0.2, 0.5, 0.8, 1 - 1e-3, 1 - 1e-10])
def test_the_prior_keeps_its_digits_at_either_end(ab):
    """At x0 = 1 only -log(1 - alpha_bar_T) / 2 is left, tiny if nothing is left of the data."""
    # in two steps: of one step 1 - beta_1 is exact, and either logarithm has all its digits
    log_snr = [np.log(a) - np.log1p(-a) for a in (ab**0.5, ab)]
    process, x0 = Process(schedules.from_log_snr([np.inf, *log_snr])), np.ones((2, 3, 4))
    end, noise = process.alphas_bar[2], process.one_minus_alphas_bar[2]
    right = 6 * (np.log1p(end / (1 - end)) if ab < 0.1 else -np.log(noise))
    np.testing.assert_allclose(bound.prior(process, x0), right, rtol=1e-12)


def test_zero_terminal_snr(rng):
    process = Process(schedules.zero_terminal_snr(schedules.linear(10, 0.01, 0.3)))
    x0 = rng.standard_normal((3, 2))
    for predicts in ("v", "x0"):
        for weight in ("simple", *WEIGHTS):
            t = np.array([1, 9, 10])
            loss = bound.loss(lambda xt, t: xt, process, x0, t, x0 + 1, weight, predicts)
            assert np.isfinite(loss.item())
    b = bound.terms(lambda xt, t: xt, process, x0, noise=rng, predicts="v")
    assert (b.L_T == 0).all() and np.isfinite(b.L).all()
    for predicts in ("eps", "score"):
        with pytest.raises(ValueError, match=f"SNR 0.*{predicts} says nothing of x0"):
            bound.loss(lambda xt, t: xt, process, x0, np.array([1, 2, 10]), x0, "snr", predicts)
        bound.loss(lambda xt, t: xt, process, x0, np.array([1, 2, 9]), x0, "snr", predicts)


def test_mistakes_are_named(rng):
    process, x0 = Process(schedules.linear(5, 0.1, 0.3)), rng.standard_normal((3, 2))
    t = np.array([1, 2, 5])

    def loss(x0=x0, t=t, eps=x0, model=lambda xt, t: xt, **more):
        return bound.loss(model, process, x0, t, eps, **more)

    def terms(model=lambda xt, t: xt, x0=x0, noise=rng, **more):
        return bound.terms(model, process, x0, noise=noise, **more)

    for error, match, call in [
        (ValueError, "unknown weight 'p3': expected one of simple, vlb", lambda: loss(weight="p3")),
        (ValueError, "unknown prediction 'noise'", lambda: loss(predicts="noise")),
        (ValueError, "t must lie in 1", lambda: loss(t=np.array([0, 1, 2]))),
        (ValueError, "t must lie in 1", lambda: loss(t=6)),
        (ValueError, "2 values of t for 3 rows", lambda: loss(t=np.array([1, 2]))),
        (TypeError, "floating point, got int64", lambda: loss(x0=np.ones((3, 2), int))),
        (ValueError, r"eps of shape \(2,\)", lambda: loss(eps=np.ones(2))),
        (ValueError, r"returned shape \(3, 4\)", lambda: loss(model=lambda xt, t: np.ones((3, 4)))),
        (ValueError, "variance='big' has no table", lambda: terms(variance="big")),
        (ValueError, "T \\+ 1 = 6 entries", lambda: terms(variance=np.ones(5))),
        (ValueError, "sigma_1.*got 0.0", lambda: terms(variance=process.posterior_variance)),
        (ValueError, "got inf at t = 3", lambda: terms(variance=np.array([0, 1, 1, np.inf, 1, 1]))),
        (ValueError, "got nan at t = 1", lambda: terms(variance=np.full(6, np.nan))),
        (ValueError, "var_x0 has T", lambda: terms(variance="optimal", var_x0=np.ones(3))),
        (ValueError, "give var_x0", lambda: terms(variance="optimal", x0=x0[:1])),
        (ValueError, "give var_x0", lambda: terms(variance="optimal", ts=(t, np.ones(3)))),
        (ValueError, r"\(3, 2\), expected .* \(3, 4\)", lambda: terms(variance="learned")),
        (ValueError, "no error at t = 1", lambda: terms(lambda xt, t: x0, predicts="x0",
                                                        variance="optimal")),
        (TypeError, "noise must be", lambda: terms(noise=None)),
        (ValueError, "at least one row", lambda: terms(x0=x0[:0])),
        (TypeError, "floating-point x", lambda: terms(x0=np.ones((3, 2), int))),
    ]:  # fmt: skip
        with pytest.raises(error, match=match):
            call()

"""The Bound as an estimate: shares of evaluated terms, standard errors, the table."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.bound import Bound
from tinydiff.diffusion.estimate import choose, collect, join
from tinydiff.diffusion.process import Process


def values_at(L, t):
    """The entries of a full table L (N, T+1) that an evaluation at t (K,) or (K, N) would give."""
    return L[:, t].T if t.ndim == 1 else L[np.arange(len(L)), t]


def estimate(L_T, L, ts, dims=1):
    T = L.shape[1] - 1
    t, weight = choose(ts, T, len(L))
    return collect(L_T, values_at(L, t), t, weight, T, dims)


@given(n=st.integers(1, 4), T=st.integers(1, 5), seed=st.integers(0, 999))
def test_any_choice_of_t_is_unbiased(n, T, seed):
    """The average over all subsets, and over all draws, is the total of the full evaluation."""
    rng = np.random.default_rng(seed)
    L, L_T = rng.standard_normal((n, T + 1)), rng.standard_normal(n)
    L[:, 0] = 0
    full = estimate(L_T, L, None)
    np.testing.assert_allclose(full.total, L_T + L.sum(axis=1), rtol=1e-12, atol=1e-12)
    for k in range(1, T + 1):
        subsets = list(itertools.combinations(range(1, T + 1), k))
        totals = np.mean([estimate(L_T, L, list(ts)).total for ts in subsets], axis=0)
        np.testing.assert_allclose(totals, full.total, rtol=1e-11, atol=1e-11)
    p = rng.dirichlet(np.ones(T)) * 0.9 + 0.1 / T
    expected = 0
    for pair in itertools.product(range(1, T + 1), repeat=2):  # two draws for each row
        t = np.repeat(pair, n)
        chance = p[pair[0] - 1] * p[pair[1] - 1]
        expected = expected + chance * estimate(L_T, L, (t, 1 / (T * p[t - 1]))).total
    np.testing.assert_allclose(expected, full.total, rtol=1e-10, atol=1e-10)


def test_entries_are_the_terms_themselves(rng):
    L, L_T = rng.standard_normal((3, 6)), np.zeros(3)
    b = estimate(L_T, L, [4, 1])
    np.testing.assert_array_equal(b.L[:, [1, 4]], L[:, [1, 4]])
    assert np.isnan(b.L[:, [2, 3, 5]]).all() and (b.L[:, 0] == 0).all()
    np.testing.assert_array_equal(b.share, [0, 2.5, 0, 0, 2.5, 0])
    t = np.array([5, 2, 1, 5, 3, 4])  # two draws for each of three rows: (5, 5), (2, 3), (1, 4)
    b = estimate(L_T, L, (t, np.arange(1.0, 7)))
    seen = np.isfinite(b.L)
    assert seen.sum(axis=1).tolist() == [2, 3, 3]
    np.testing.assert_array_equal(b.L[:, 1:][seen[:, 1:]], L[:, 1:][seen[:, 1:]])
    np.testing.assert_array_equal(b.share[0], [0, 0, 0, 0, 0, 2.5 * (1 + 4)])
    np.testing.assert_array_equal(b.share[1], [0, 0, 2.5 * 2, 2.5 * 5, 0, 0])


@pytest.mark.parametrize("k", [3, 8, 20])
@pytest.mark.parametrize("how", ["subset", "draws"])
def test_the_standard_error_is_the_spread_of_the_estimate(how, k, rng):
    """Effects of rows, of t and of both, drawn anew 1500 times."""
    n, T = 12, 20
    column = 2.0 * rng.standard_normal(T + 1)

    def one():
        L = 0.7 * rng.standard_normal((n, 1)) + column + 1.5 * rng.standard_normal((n, T + 1))
        if how == "subset":
            ts = rng.choice(np.arange(1, T + 1), k, replace=False)
        else:
            ts = bound.UniformT(T).sample(k * n, rng)
        b = estimate(rng.standard_normal(n), L, ts)
        return b.total.mean(), b.stderr**2

    means, variances = np.array([one() for _ in range(1500)]).T
    # unbiased, but for the rare negative estimate of a variance; 1500 give 3.7 % of a variance
    assert variances.mean() == pytest.approx(means.var(), rel=0.16)


def test_the_parts_of_the_standard_error(rng):
    """A subset that is all of 1 ... T adds nothing; equal rows leave the draw of t alone."""
    L, L_T = rng.standard_normal((4, 9)), rng.standard_normal(4)
    every = estimate(L_T, L, list(range(1, 9)))
    assert every.stderr == estimate(L_T, L, None).stderr
    column = np.tile(L[:1], (4, 1))
    b = estimate(np.ones(4), column, [2, 3, 7])
    spread = 8 * L[0, [2, 3, 7]]  # T times an entry estimates the sum
    assert b.stderr == pytest.approx(((1 - 3 / 8) * spread.var(ddof=1) / 3) ** 0.5, rel=1e-12)


def test_the_standard_error_of_a_subset_by_analysis_of_variance(rng):
    """Sums of squares as a table of rows and t is taken apart (Cochran 1977): a second formula."""
    n, T, ts = 5, 9, [2, 3, 6, 8]
    k, L = len(ts), rng.standard_normal((n, T + 1)) + 3.0 * rng.standard_normal(T + 1)
    y = T * L[:, ts]  # a row's mean over the t estimates its total
    whole = ((y - y.mean()) ** 2).sum()
    between_rows = k * ((y.mean(axis=1) - y.mean()) ** 2).sum()
    between_t = n * ((y.mean(axis=0) - y.mean()) ** 2).sum()
    residual = (whole - between_rows - between_t) / ((n - 1) * (k - 1))  # the mean square
    of_t = (between_t / (k - 1) - residual) / n
    assert of_t > 0
    right = between_rows / (k * (n - 1) * n) + (1 - k / T) / k * of_t
    assert estimate(np.zeros(n), L, ts).stderr == pytest.approx(right**0.5, rel=1e-12)


def test_no_negative_variance_is_added(rng):
    """Where the t differ by noise alone their variance may be estimated below 0: then it is 0."""
    L = np.array([[0.0, 1.0, -1.0, 5.0], [0.0, -1.0, 1.0, 7.0], [0.0, 0.5, -0.5, 0.0]])
    b = estimate(np.array([0.1, 0.4, 0.9]), L, [1, 2])
    # each row's two terms add up to 0, and the t to nearly 0: L_T is all that varies
    assert b.stderr == pytest.approx(np.std([0.1, 0.4, 0.9], ddof=1) / 3**0.5, rel=1e-12)


def test_the_times_are_handed_out_as_python_ints(rng):
    """A noise function and a caller's dict keyed by t see 1 ... T, not NumPy's scalars."""
    process, x0, seen = Process(schedules.linear(3, 0.05, 0.3)), rng.standard_normal((4, 2)), []

    def noise(t, shape):
        seen.append(t)
        return np.ones(shape)

    bound.terms(lambda xt, t: xt, process, x0, noise=noise)
    bound.terms(lambda xt, t: xt, process, x0, noise=noise, ts=[3, 1])
    assert seen == [1, 2, 3, 3, 1] and {type(t) for t in seen} == {int}


def test_a_standard_error_needs_rows_and_times():
    L, L_T = np.ones((4, 6)) * np.arange(4)[:, None], np.zeros(4)
    assert np.isnan(estimate(L_T[:1], L[:1], None).stderr)
    assert np.isnan(estimate(L_T, L, [3]).stderr)
    assert estimate(L_T, L, [3, 4]).stderr > 0
    assert Bound(L_T[:1], L[:1], exact=True).stderr == 0


@pytest.mark.parametrize("T", [1, 2, 3, 7, 150, 1000])
def test_the_table_adds_up(T, rng):
    L, L_T = rng.standard_normal((5, T + 1)), rng.standard_normal(5)
    L[:, 0] = 0
    b = Bound(L_T, L, dims=3)
    for n_rows in (1, 4, 12):
        *rows, total = b.table(n_rows)
        for key in ("nats", "bits_per_dim"):
            assert sum(r[key] for r in rows) == pytest.approx(total[key], abs=1e-11)
        assert total["nats"] == pytest.approx(b.total.mean()) and total["stderr"] == b.stderr
        assert total["bits_per_dim"] == pytest.approx(b.bits_per_dim)
        times = [t for r in rows[:-1] for t in range(r["first"], r["last"] + 1)]
        assert times == list(range(1, T + 1))
        assert [r["term"] for r in rows] == ["L_0", *["KL"] * (len(rows) - 2), "L_T"]
        assert len(rows) - 2 <= n_rows
        # each row's error is that of its own sum
        for r in rows[:-1]:
            sums = L[:, r["first"] : r["last"] + 1].sum(axis=1)
            assert r["stderr"] == pytest.approx(sums.std(ddof=1) / 5**0.5)
        assert rows[-1]["stderr"] == pytest.approx(L_T.std(ddof=1) / 5**0.5)
    assert len(b.table()) <= 12 + 3 and (T < 1000 or len(b.table()) == 12 + 3)
    assert json.loads(json.dumps(b.table()))[-1]["last"] == T
    assert f"{b.total.mean():.6f}" in str(b).splitlines()[-1]
    assert repr(b) == (
        f"Bound({b.total.mean():.5f} +- {b.stderr:.5f} nats, {b.bits_per_dim:.5f} bits/dim, "
        f"5 rows, T = {T})"
    )
    ends = [(r["first"], r["last"]) for r in b.table() if r["term"] != "KL"]
    assert ends == [(1, 1), (T, T), (1, T)]
    spans = [line.split()[1] for line in str(b).splitlines()[-2:]]
    assert spans == [str(T), f"1-{T}" if T > 1 else "1"]


def test_the_table_of_an_estimate_adds_up_too(rng):
    L, L_T = rng.standard_normal((4, 21)), np.zeros(4)
    for ts in ([1, 5, 6, 20], bound.ImportanceT(20).sample(12, rng)):
        *rows, total = estimate(L_T, L, ts).table(5)
        assert sum(r["nats"] for r in rows) == pytest.approx(total["nats"], abs=1e-12)


def test_terms_evaluates_what_is_chosen(rng):
    """The model sees the times that were asked for and no others, a host int array of the rows."""
    process, x0 = Process(schedules.linear(9, 0.05, 0.3)), rng.standard_normal((4, 2))
    eps = rng.standard_normal((10, *x0.shape))
    seen = []

    def model(xt, t):
        assert isinstance(t, np.ndarray) and t.shape == (4,) and t.dtype.kind == "i"
        seen.append(t.tolist())
        return xt * 0.3

    def noise(t, shape):
        return np.stack([eps[k, i] for i, k in enumerate(np.broadcast_to(t, 4))])

    full = bound.terms(model, process, x0, noise=noise)
    assert seen == [[t] * 4 for t in range(1, 10)]
    seen.clear()
    some = bound.terms(model, process, x0, noise=noise, ts=[7, 2])
    assert seen == [[7] * 4, [2] * 4]
    np.testing.assert_allclose(some.L[:, [2, 7]], full.L[:, [2, 7]], rtol=1e-13)
    np.testing.assert_allclose(some.total, full.L_T + 4.5 * full.L[:, [2, 7]].sum(axis=1))
    seen.clear()
    t = np.array([3, 1, 9, 2, 4, 4, 5, 8])
    dealt = bound.terms(model, process, x0, noise=noise, ts=(t, np.ones(8)))
    assert seen == [[3, 1, 9, 2], [4, 4, 5, 8]]
    np.testing.assert_allclose(dealt.L[2, [9, 5]], full.L[2, [9, 5]], rtol=1e-12)
    np.testing.assert_allclose(dealt.total[2], full.L_T[2] + 4.5 * full.L[2, [9, 5]].sum())


def test_bad_choices_are_refused():
    for ts in ([], [2, 2], [[1, 2]]):
        with pytest.raises(ValueError, match="ts must be a sequence of distinct t"):
            choose(ts, 5, 3)
    for ts in ([0, 1], [6], [1.0, 2.0]):
        with pytest.raises(ValueError, match="ts must hold ints from 1 to 5"):
            choose(ts, 5, 3)
    with pytest.raises(ValueError, match="K times 3 entries, K for each row of x0"):
        choose((np.array([1, 2]), np.ones(2)), 5, 3)
    with pytest.raises(ValueError, match="K times 3 entries"):
        choose((np.array([1, 2, 3]), np.ones(2)), 5, 3)
    with pytest.raises(ValueError, match="K times 3 entries"):
        choose((np.array([1, 2, 3]), np.ones(6)), 5, 3)


def test_bounds_of_several_groups_of_rows_join(rng):
    L_T, L = rng.standard_normal(5), rng.standard_normal((5, 7))
    L[:, 0] = 0
    whole = estimate(L_T, L, None)
    parts = join([estimate(L_T[a:b], L[a:b], None) for a, b in ((0, 2), (2, 5))])
    np.testing.assert_array_equal(parts.total, whole.total)
    assert parts.stderr == pytest.approx(whole.stderr, rel=1e-12)
    for mine, row in zip(parts.table(), whole.table(), strict=True):
        assert (mine["term"], mine["first"]) == (row["term"], row["first"])
        assert mine["stderr"] == pytest.approx(row["stderr"], rel=1e-9)


def test_groups_with_draws_of_their_own_join(rng):
    """Row by row the shares differ; together they are what one evaluation of all rows gives."""
    L_T, L = rng.standard_normal(4), rng.standard_normal((4, 6))
    t, weight = rng.integers(1, 6, (3, 4)), rng.uniform(0.5, 2, (3, 4))
    whole = estimate(L_T, L, (t.ravel(), weight.ravel()))
    halves = [slice(0, 1), slice(1, 4)]
    parts = [estimate(L_T[h], L[h], (t[:, h].ravel(), weight[:, h].ravel())) for h in halves]
    np.testing.assert_array_equal(join(parts).total, whole.total)
    assert join(parts).stderr == pytest.approx(whole.stderr, rel=1e-12)


def test_what_does_not_join_is_refused(rng):
    L_T, L = np.zeros(3), rng.standard_normal((3, 6))
    shared = estimate(L_T, L, [4, 1])
    with pytest.raises(ValueError, match="at every t, or at t drawn for each row"):
        join([shared, shared])
    with pytest.raises(ValueError, match="one size, with one T"):
        join([estimate(L_T, L, None), estimate(L_T, L[:, :4], None)])
    with pytest.raises(ValueError, match="one size, with one T"):
        join([estimate(L_T, L, None), estimate(L_T, L, None, dims=2)])


    for weight in (-1.0, 0.0, np.nan, np.inf):  # a share of the sum that would be left out
        with pytest.raises(ValueError, match=r"weights .* must be positive and finite"):
            choose((np.array([1, 2, 3]), np.array([1.0, weight, 1.0])), 5, 3)

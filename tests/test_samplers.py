"""Samplers: their times, what all of them have in common, clipping, and devices."""

import inspect
import math
from itertools import pairwise

import numpy as np
import pytest
from double import forbid
from hypothesis import given
from hypothesis import strategies as st
from sampler_cases import MIX, PROCESS, SAMPLERS, STRIDED, begin, each

from tinydiff import Tensor, to_device, to_host
from tinydiff.backend.errors import DeviceError
from tinydiff.diffusion import samplers
from tinydiff.tensor import current_mode


@pytest.fixture
def x(rng):
    return rng.standard_normal((5, 2))


# --- times


@pytest.mark.parametrize(
    "T, n, spacing, expected",
    [
        (10, 4, "linspace", [10, 7, 4, 1]),
        (10, 4, "quadratic", [10, 5, 2, 1]),
        (10, 4, "leading", [7, 5, 3, 1]),
        (10, 4, "trailing", [10, 8, 5, 3]),
        (1000, 5, "linspace", [1000, 750, 501, 251, 1]),  # halves go up: 750.25, 500.5, 250.75
        (1000, 5, "leading", [801, 601, 401, 201, 1]),
        (1000, 5, "trailing", [1000, 800, 600, 400, 200]),
        (7, 1, "linspace", [7]),
        (7, 1, "trailing", [7]),
        (7, 1, "quadratic", [7]),
        (7, 1, "leading", [1]),
    ],
)
def test_timesteps_are_pinned(T, n, spacing, expected):
    assert samplers.timesteps(T, n, spacing).tolist() == expected


@given(st.data(), st.integers(1, 1200))
def test_timesteps_fall_strictly_between_their_ends(data, T):
    n = data.draw(st.integers(1, T))
    for spacing in ("linspace", "quadratic", "leading", "trailing"):
        ts = samplers.timesteps(T, n, spacing)
        assert ts.dtype == int and len(ts) == n and ts[-1] >= 1 and (np.diff(ts) < 0).all()
        assert ts[0] == (1 + (n - 1) * (T // n) if spacing == "leading" else T)
        if spacing != "trailing" and n > 1:
            assert ts[-1] == 1
        if n == T:
            assert ts.tolist() == list(range(T, 0, -1))


@pytest.mark.parametrize("T, n", [(10, 11), (10, 0), (10, 2.0), (10.0, 2), (True, 1)])
def test_timesteps_refuse_counts_that_do_not_fit(T, n):
    with pytest.raises(ValueError, match="must be an int"):
        samplers.timesteps(T, n)


def test_timesteps_name_the_spacings():
    with pytest.raises(ValueError, match="linspace, leading, trailing or quadratic, got 'karras'"):
        samplers.timesteps(10, 2, "karras")


# --- the contract


@each
def test_a_sampler_yields_the_times_and_leaves_its_input_alone(name, x, rng):
    before, calls = x.copy(), []

    def model(xt, t):
        assert type(xt) is np.ndarray and type(t) is np.ndarray and t.dtype.kind == "i"
        assert t.shape == (len(x),) and (t == t[0]).all()
        assert not current_mode().record
        calls.append(int(t[0]))
        return Tensor(xt * 0.1)

    generator = begin(name, model, x, rng, ts=STRIDED)
    assert inspect.isgenerator(generator)
    times = []
    for s, y in generator:
        assert current_mode().record, "no_grad leaked into the caller"
        assert type(y) is np.ndarray and y.shape == x.shape and y.dtype == x.dtype
        times.append(s)
    assert times == [7, 3, 2, 0] and all(type(s) is int for s in times)
    np.testing.assert_array_equal(x, before)
    _, _, often, once = SAMPLERS[name]
    assert len(calls) == 3 * often + once and calls[0] == 10
    assert set(calls) == set(STRIDED)


@each
def test_without_times_every_one_is_visited(name, x, rng):
    times = [s for s, _ in begin(name, lambda xt, t: xt * 0.1, x, rng)]
    assert times == list(range(PROCESS.T - 1, -1, -1))


@each
def test_the_dtype_of_x_is_kept(name, x, rng):
    model, ones = MIX.model(PROCESS), lambda t, shape: np.ones(shape)
    wide = {"clip": (np.float64(-9), np.float64(9))}  # NumPy scalars, that promote where they can
    wide |= {"eta": np.float64(0.6)} if name == "ddim eta" else {}
    single = samplers.last(begin(name, model, x.astype(np.float32), ones, **wide))
    double = samplers.last(begin(name, model, x, ones, **wide))
    assert single.dtype == np.float32
    # 10 steps with coefficients up to 1 / sqrt(alpha_bar_10) ~ 60 on rounding errors of 6e-8
    np.testing.assert_allclose(single, double, atol=1e-4)


@each
def test_the_model_may_predict_anything(name, x):
    noise = lambda t, shape: np.cos(np.arange(np.prod(shape))).reshape(shape) * t  # noqa: E731
    ends = [
        samplers.last(begin(name, MIX.model(PROCESS, p), x, noise, predicts=p, ts=STRIDED))
        for p in ("eps", "x0", "v", "score", "mu")
    ]
    for other in ends[1:]:
        np.testing.assert_allclose(other, ends[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["ddpm", "ddpm beta", "ddpm table", "ddim eta", "corrector", "inpaint"]
)
def test_noise_is_asked_for_the_time_that_is_left_and_never_at_the_end(name, x):
    asked = []

    def noise(t, shape):
        asked.append(t)
        return np.zeros(shape)

    samplers.last(begin(name, MIX.model(PROCESS), x, noise, ts=STRIDED))
    in_a_step = {
        "corrector": lambda t, s: [t, s, s],  # predict, correct, correct
        "inpaint": lambda t, s: [t, s, s, t, s],  # down, known part, up, down, known part
    }.get(name, lambda t, s: [t])
    assert asked == [u for t, s in pairwise(STRIDED) for u in in_a_step(t, s)]


def test_a_generator_draws_what_the_callable_is_given(x):
    model = MIX.model(PROCESS)
    by_generator = samplers.last(begin("ddpm", model, x, np.random.default_rng(3)))
    source = np.random.default_rng(3)
    by_call = samplers.last(begin("ddpm", model, x, lambda t, s: source.standard_normal(s)))
    np.testing.assert_array_equal(by_generator, by_call)


def test_ddim_gives_one_x0_and_ddpm_many(x):
    model = MIX.model(PROCESS)
    one = [samplers.last(begin("ddim", model, x, np.random.default_rng(i))) for i in range(2)]
    many = [samplers.last(begin("ddpm", model, x, np.random.default_rng(i))) for i in range(2)]
    np.testing.assert_array_equal(*one)
    assert (np.abs(many[0] - many[1]) > 1e-3).all()


def test_the_caller_may_stop_early_and_change_modes_between_steps(x, rng):
    generator = begin("ddpm", MIX.model(PROCESS), x, rng)
    assert next(generator)[0] == 9
    generator.close()
    with pytest.raises(ValueError, match="had ended already"):
        samplers.last(generator)


# --- clipping


def c(t):
    return math.sqrt(PROCESS.alphas_bar[t])


def n(t):
    return math.sqrt(PROCESS.one_minus_alphas_bar[t])


def test_clip_bounds_x0_and_moves_eps_with_it(x):
    for t, y in samplers.ddim(MIX.model(PROCESS), PROCESS, x, ts=[10, 4], clip=(-0.3, 0.2)):
        t_before = {4: 10, 0: 4}[t]
        x0 = np.clip(MIX.mean_x0(PROCESS, x, t_before), -0.3, 0.2)
        eps = (x - c(t_before) * x0) / n(t_before)
        np.testing.assert_allclose(y, c(t) * x0 + n(t) * eps, rtol=1e-12, atol=1e-12)
        x = y
    assert x.min() == -0.3 and x.max() == 0.2


@given(p=st.floats(0.01, 1), size=st.integers(1, 7), seed=st.integers(0, 99))
def test_dynamic_thresholding_is_its_definition_by_quantiles(p, size, seed):
    x = 2 * np.random.default_rng(seed).standard_normal((4, size, 1))
    identity = lambda xt, t: xt  # noqa: E731
    got = samplers.last(
        samplers.ddim(identity, PROCESS, x, ts=[1], predicts="x0", clip=("dynamic", p))
    )
    bound = np.maximum(np.quantile(np.abs(x), p, axis=(1, 2), keepdims=True), 1)
    np.testing.assert_allclose(got, np.clip(x, -bound, bound) / bound, rtol=1e-12)


def test_the_largest_value_may_be_the_bound_of_dynamic_thresholding():
    x = np.array([[0.5, -4.0, 2.0]])
    identity = lambda xt, t: xt  # noqa: E731
    options = {"ts": [1], "predicts": "x0", "clip": ("dynamic", 1)}
    got = samplers.last(samplers.ddim(identity, PROCESS, x, **options))
    np.testing.assert_array_equal(got, x / 4)


# --- shapes


@each
@pytest.mark.parametrize("shape", [(5,), (5, 2, 3), (5, 1, 4, 2)])
def test_any_shape_is_the_same_numbers(name, shape, rng):
    """A model that works element by element: the axes of x mean nothing to it."""
    x, z = rng.standard_normal(shape), rng.standard_normal((11, *shape))
    mask = rng.random(shape) < 0.5
    ends = []
    for flat in (False, True):
        to = (lambda a: a.reshape(-1, 1)) if flat else (lambda a: a)
        options = {"mask": to(mask)} if name == "inpaint" else {}
        noise = lambda t, _, to=to: to(z[t])  # noqa: E731
        ends.append(samplers.last(begin(name, lambda xt, t: xt * 0.5, to(x), noise, **options)))
    np.testing.assert_array_equal(ends[0].ravel(), ends[1].ravel())


# --- devices


def on(device, a):
    return to_device(np.asarray(a), device)


@each
def test_a_step_moves_nothing_and_waits_for_nothing(name, x, device, rng):
    start = on(device, x.astype(np.float32))
    generator = begin(name, lambda xt, t: xt * 0.5, start, rng, ts=STRIDED)
    next(generator)  # a Generator seeds the device's own, once
    with forbid("h2d", "d2h", "sync"):
        for _, y in generator:
            assert type(y) is type(start) and y.dtype == np.float32


@each
@pytest.mark.parametrize("clip", [None, (-0.5, 0.5), ("dynamic", 0.7)])
def test_the_devices_agree_bitwise(name, clip, x, rng, device):
    z = rng.standard_normal((11, *x.shape))

    def end(where):
        noise = lambda t, shape: on(where, z[t])  # noqa: E731
        return samplers.last(begin(name, lambda xt, t: xt * 0.5, on(where, x), noise, clip=clip))

    np.testing.assert_array_equal(end("cpu"), to_host(end(device)))


def test_arrays_of_two_devices_are_refused(x):
    start = on("double", x)
    with pytest.raises(DeviceError, match="meet in one operation"):
        next(begin("ddpm", lambda xt, t: xt, start, lambda t, shape: np.zeros(shape)))
    with pytest.raises(DeviceError, match="meet in one operation"):
        next(begin("ddim", lambda xt, t: x, start, None))


def test_last_finds_nan_on_a_device(x, rng):
    start = on("double", x)
    with pytest.raises(ValueError, match="sampling ended in NaN or infinity"):
        samplers.last(begin("ddpm", lambda xt, t: xt * np.nan, start, rng))

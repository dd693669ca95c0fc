"""What samplers refuse, and in which words: arguments, answers of a model, a T without signal."""

import numpy as np
import pytest
from sampler_cases import MIX, PROCESS, SAMPLERS, STRIDED, begin, each

from tinydiff.diffusion import samplers, schedules
from tinydiff.diffusion.process import Process


@pytest.fixture
def x(rng):
    return rng.standard_normal((5, 2))


@each
@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"ts": [3, 7]}, ValueError, "must fall strictly, but 3 is followed by 7"),
        ({"ts": [7, 7, 1]}, ValueError, "must fall strictly, but 7 is followed by 7"),
        ({"ts": [11, 3]}, ValueError, r"must lie in 1 \.\.\. 10, got 3 \.\.\. 11"),
        ({"ts": [3, 0]}, ValueError, "0 is the clean data, where every sampler ends by itself"),
        ({"ts": []}, TypeError, "a sequence of ints, at least one"),
        ({"ts": [3.0, 1.0]}, TypeError, "a sequence of ints, at least one"),
        ({"ts": 5}, TypeError, "a sequence of ints, at least one"),
        (
            {"predicts": "noise"},
            ValueError,
            "predicts is one of eps, x0, v, score, mu, got 'noise'",
        ),
        ({"clip": (1, -1)}, ValueError, r"clip is None, \(lo, hi\)"),
        ({"clip": (1, 1)}, ValueError, "with lo < hi"),
        ({"clip": (0, 1, 2)}, ValueError, "clip is None"),
        ({"clip": ("dynamic", 1.5)}, ValueError, "0 < p <= 1, got"),
        ({"clip": ("dynamic", 0)}, ValueError, "0 < p <= 1, got"),
        ({"clip": 1.0}, ValueError, "clip is None"),
    ],
)
def test_wrong_arguments_are_named_at_the_call(name, change, error, message, x, rng):
    with pytest.raises(error, match=message) as caught:
        begin(name, MIX.model(PROCESS), x, rng, **change)
    assert str(caught.value).startswith(SAMPLERS[name][0].__name__ + ":")


@pytest.mark.parametrize(
    "x, error, message",
    [
        (np.zeros((2, 2), dtype=int), TypeError, "starts from floating-point x"),
        (np.zeros((2, 2), dtype=bool), TypeError, "starts from floating-point x"),
        (np.zeros((2, 2), dtype=complex), TypeError, "starts from floating-point x"),
        (np.array(1.0), TypeError, r"x of shape \(N, \.\.\.\)"),
        ([[1.0, 2.0]], TypeError, "starts from an array or Tensor, got list"),
        (np.array([[np.nan, 0.0]]), ValueError, "holds NaN or infinity"),
    ],
)
def test_a_wrong_start_is_named(x, error, message, rng):
    with pytest.raises(error, match=f"ddpm {message}" if "starts" in message else message):
        samplers.ddpm(MIX.model(PROCESS), PROCESS, x, noise=rng)


@each
@pytest.mark.parametrize(
    "answer, error, message",
    [
        (
            lambda x: x[:, :1],
            ValueError,
            r"the model returned shape \(5, 1\), expected .* \(5, 2\)",
        ),
        (lambda x: None, ValueError, "the model returned NoneType"),
        (lambda x: x.astype(np.float32), TypeError, "returned float32 for x of float64"),
        (lambda x: x * np.nan, ValueError, "the model returned NaN or infinity"),
    ],
)
def test_a_wrong_answer_names_the_sampler_and_t(name, answer, error, message, x, rng):
    good = MIX.model(PROCESS)
    model = lambda xt, t: answer(xt) if t[0] == 3 else good(xt, t)  # noqa: E731
    with pytest.raises(error, match=message) as caught:
        samplers.last(begin(name, model, x, rng, ts=STRIDED))
    assert str(caught.value).startswith(f"{SAMPLERS[name][0].__name__} at t = 3: ")


@pytest.mark.parametrize(
    "sampler, options, error, message",
    [
        (
            "ddpm",
            {"variance": "small"},
            ValueError,
            "variance is 'posterior', 'beta', 'learned' or",
        ),
        ("ddpm", {"variance": np.ones(10)}, ValueError, r"length T \+ 1 = 11"),
        ("ddpm", {"variance": np.ones(12)}, ValueError, r"length T \+ 1 = 11"),
        ("ddpm", {"variance": np.ones((11, 1))}, ValueError, r"length T \+ 1 = 11"),
        ("ddpm", {"variance": 1 - 2 * np.eye(11)[1]}, ValueError, "a finite table >= 0"),
        ("ddpm", {"variance": -np.ones(11)}, ValueError, "a finite table >= 0"),
        ("ddpm", {"variance": np.eye(11)[1] * np.nan}, ValueError, "a finite table >= 0"),
        ("ddpm", {"noise": 0}, TypeError, "noise must be a np.random.Generator or a function"),
        ("ddim", {"eta": 1.5}, ValueError, r"eta must lie in 0 \.\.\. 1, got 1.5"),
        ("ddim", {"eta": 0.5}, TypeError, "`noise` is needed"),
        ("ddim_invert", {"refine": -1}, ValueError, "refine must be an int >= 0, got -1"),
        ("heun", {"end": "full"}, ValueError, "end is 'ode' or 'x0', got 'full'"),
        ("dpmpp_2m", {"end": None}, ValueError, "end is 'ode' or 'x0', got None"),
        ("predictor_corrector", {"snr": 0.0}, ValueError, "snr must lie between 0 and 1"),
        ("predictor_corrector", {"snr": 1.0}, ValueError, "snr must lie between 0 and 1"),
        (
            "predictor_corrector",
            {"snr": 0.1, "n_corrector": -1},
            ValueError,
            "n_corrector must be an int >= 0",
        ),
        (
            "predictor_corrector",
            {"snr": 0.1, "n_corrector": 1.0},
            ValueError,
            "n_corrector must be an",
        ),
        ("inpaint", {"resample": 0}, ValueError, "resample must be an int >= 1"),
        (
            "inpaint",
            {"x0": np.zeros((1, 2))},
            ValueError,
            r"x0 must be like xT, float64 of \(5, 2\)",
        ),
        ("inpaint", {"mask": np.ones((5, 2))}, TypeError, "mask must be an array of bools"),
        *[
            ("inpaint", {"mask": np.ones(shape, bool)}, ValueError, r"mask must broadcast to .*5")
            for shape in [(5,), (3, 2), (1, 5, 2)]
        ],
    ],
)
def test_wrong_options_are_named(sampler, options, error, message, x, rng):
    if sampler == "inpaint":
        options = {"x0": x, "mask": np.ones((5, 2), dtype=bool)} | options
    if sampler not in ("ddim", "ddim_invert", "heun", "dpmpp_2m"):
        options = {"noise": rng} | options
    with pytest.raises(error, match=message) as caught:
        getattr(samplers, sampler)(MIX.model(PROCESS), PROCESS, x, **options)
    assert str(caught.value).startswith(f"{sampler}:")


def test_noise_of_another_shape_is_named(x):
    with pytest.raises(
        ValueError, match=r"ddpm at t = 10: noise\(t, shape\) .* \(5, 2\), got \(2,\)"
    ):
        next(begin("ddpm", MIX.model(PROCESS), x, lambda t, shape: np.zeros(2)))


def test_a_learned_variance_needs_channels(rng):
    with pytest.raises(ValueError, match="second half of the channels"):
        next(samplers.ddpm(lambda x, t: x, PROCESS, np.ones(3), noise=rng, variance="learned"))


# --- no signal at T


ZERO = Process(schedules.zero_terminal_snr(schedules.linear(20, rescale=True)))


@each
def test_zero_terminal_snr_needs_v_and_works_with_it(name, x):
    ones = lambda t, shape: np.ones(shape)  # noqa: E731
    with pytest.raises(ValueError, match=r"at t = 20: alpha_bar = 0.*use a model that predicts v"):
        begin(name, lambda xt, t: xt, x, ones, process=ZERO, **short(name))
    ends = [
        samplers.last(begin(name, MIX.model(ZERO, p), x, ones, ZERO, predicts=p, **short(name)))
        for p in ("v", "x0")
    ]
    np.testing.assert_allclose(*ends, rtol=1e-9, atol=1e-9)
    assert np.abs(ends[0]).max() < 5  # 1 + 3 sqrt(.3) and some: on the data, not blown up
    with pytest.raises(ValueError, match="at t = 20: alpha_bar = 0, so every x0 would end"):
        samplers.ddim_invert(MIX.model(ZERO, "v"), ZERO, x, predicts="v")


@pytest.mark.parametrize("name", ["ddpm", "ddim", "euler", "heun", "dpmpp_2m"])
def test_two_times_without_signal_are_as_good_as_one(name, x):
    twice = Process([*ZERO.betas, 1.0])
    ones = lambda t, shape: np.ones(shape)  # noqa: E731
    ends = [
        samplers.last(getattr(samplers, name)(MIX.model(p, "x0"), p, x, noise=ones, predicts="x0"))
        for p in (ZERO, twice)
    ]
    # x_20 is x_21 or new noise, and tells nothing of x0 either way
    np.testing.assert_allclose(*ends, rtol=1e-12)


def short(name):
    return {"variance": np.full(21, 0.1)} if name == "ddpm table" else {}

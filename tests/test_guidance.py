"""Guidance against Bayes' rule at every t, exact conditionals, and the densities that it misses."""

import math

import numpy as np
import pytest
from double import forbid
from hypothesis import given
from hypothesis import strategies as st

from tinydiff import Tensor, ops, to_device, to_host
from tinydiff.diffusion import guidance, samplers, schedules
from tinydiff.diffusion.mixture import GaussianMixture, push_density
from tinydiff.diffusion.process import Process
from tinydiff.tensor import current_mode

PROCESS = Process(schedules.linear(100, rescale=True))
PLANE = GaussianMixture(
    [0.2, 0.5, 0.3],
    [[-1.0, 0.5], [1.0, -0.2], [0.3, 1.5]],
    [np.diag([0.1, 0.4]), [[0.3, 0.2], [0.2, 0.3]], np.eye(2) / 5],
)
PREDICTIONS = ("eps", "x0", "v", "score", "mu")


def component(mixture, y):
    """p(x | y): the class is the component."""
    return GaussianMixture([1.0], mixture.means[[y]], mixture.covs[[y]])


def conditional_model(mixture, predicts="eps", process=PROCESS):
    """model(xt, t, y) as classifier-free training would leave it in the limit."""

    def model(xt, t, y):
        data = mixture if y is None else component(mixture, y)
        return data.model(process, predicts)(xt, t)

    return model


def class_log_prob(mixture, y, process=PROCESS):
    """log p(y | x_t): a perfect classifier of noised data."""
    return lambda x, t: mixture.log_posterior(process, x, t)[..., y]


# --- one call


@pytest.mark.parametrize("predicts", PREDICTIONS)
@pytest.mark.parametrize("y", [0, 1, 2])
def test_a_perfect_classifier_at_scale_1_gives_the_conditional_model(predicts, y, rng):
    model = PLANE.model(PROCESS, predicts)
    led = guidance.classifier(model, PROCESS, class_log_prob(PLANE, y), 1.0, predicts)
    x, t = 2 * rng.standard_normal((7, 2)), rng.integers(1, 101, 7)
    expected = conditional_model(PLANE, predicts)(x, t, y)
    # x0 and v are n^2 / c <= 220 times a score, which has errors of some 1e-15 / n^2 = 1e-12
    np.testing.assert_allclose(led(x, t), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("predicts", PREDICTIONS)
@given(scale=st.floats(-3, 8), t=st.integers(1, 100))
def test_both_kinds_of_guidance_are_one(predicts, scale, t):
    """out_c - out_u is, by Bayes' rule, the gradient of log p(y | x_t) times a coefficient."""
    x = np.array([[0.3, -1.0], [1.5, 0.2], [-0.7, 2.0]])
    free = guidance.classifier_free(conditional_model(PLANE, predicts), 1, scale)
    led = guidance.classifier(
        PLANE.model(PROCESS, predicts), PROCESS, class_log_prob(PLANE, 1), scale, predicts
    )
    np.testing.assert_allclose(led(x, np.full(3, t)), free(x, np.full(3, t)), rtol=1e-8, atol=1e-8)


def test_classifier_free_is_its_formula_and_the_two_conventions_are_one(rng):
    x, t = rng.standard_normal((4, 2)), np.full(4, 30)
    model = conditional_model(PLANE)
    u, c = model(x, t, None), model(x, t, 2)
    guided = guidance.classifier_free(model, 2, 3.0)(x, t)
    np.testing.assert_allclose(guided, u + 3 * (c - u), rtol=1e-14)
    w = 2.0
    assert guidance.scale_from_weight(w) == 3.0
    np.testing.assert_allclose(guided, (1 + w) * c - w * u, rtol=1e-12)


@pytest.mark.parametrize("scale, asked", [(0, [None]), (1, [5]), (0.5, [5, None])])
def test_scales_0_and_1_are_the_models_themselves(scale, asked, rng):
    calls, x = [], rng.standard_normal((4, 2))

    def model(xt, t, y):
        calls.append(y)
        return xt * (3.0 if y is None else 7.0)

    out = guidance.classifier_free(model, 5, scale)(x, np.full(4, 1))
    assert calls == asked
    np.testing.assert_allclose(out, {0: 3.0, 1: 7.0, 0.5: 5.0}[scale] * x, rtol=1e-15)


@pytest.mark.parametrize("shape", [(4, 2), (4, 3, 2), (4, 1, 5, 3)])
def test_a_learned_variance_is_not_guided(shape, rng):
    x, t = rng.standard_normal(shape), np.full(4, 9)
    axes = tuple(range(1, x.ndim))

    def both(xt, t, y=None):
        return ops.concatenate([xt * (y or 1), xt * 0 + (y or 1)], axis=-1)

    free = guidance.classifier_free(both, 2, 3.0)(x, t)
    np.testing.assert_allclose(free, np.concatenate([x * 4, 0 * x + 2], axis=-1), rtol=1e-15)
    led = guidance.classifier(both, PROCESS, lambda x, t: ops.sum(x, axis=axes), 2.0)(x, t)
    n = math.sqrt(PROCESS.one_minus_alphas_bar[9])
    np.testing.assert_allclose(led, np.concatenate([x - 2 * n, 0 * x + 1], axis=-1), rtol=1e-14)


def test_a_network_in_and_a_tensor_out():
    x, t = np.ones((2, 2), dtype=np.float32), np.full(2, 3)
    model = lambda xt, t, y: Tensor(xt * (1.0 if y is None else 2.0))  # noqa: E731
    out = guidance.classifier_free(model, 0, np.float64(2))(x, t)
    assert isinstance(out, Tensor) and out.dtype == np.float32 and (out.data == 3).all()
    led = guidance.classifier(
        lambda xt, t: Tensor(xt), PROCESS, lambda x, t: ops.sum(x * x, axis=-1), np.float64(1)
    )
    assert led(x, t).dtype == np.float32


# --- through samplers


@pytest.mark.parametrize("kind", ["free", "classifier"])
def test_sampling_at_scale_1_is_sampling_the_conditional(kind, rng):
    """Any sampler, with the same noise: the guided model is the model of p(x | y)."""
    x = rng.standard_normal((6, 2))
    guided = {
        "free": guidance.classifier_free(conditional_model(PLANE), 2, 1.0),
        "classifier": guidance.classifier(
            PLANE.model(PROCESS), PROCESS, class_log_prob(PLANE, 2), 1.0
        ),
    }[kind]
    exact = component(PLANE, 2).model(PROCESS)
    for sampler in (samplers.ddpm, samplers.heun):
        ends = [
            samplers.last(
                sampler(model, PROCESS, x, noise=np.random.default_rng(1), ts=[100, 60, 25, 8, 1])
            )
            for model in (guided, exact)
        ]
        np.testing.assert_allclose(*ends, rtol=1e-8, atol=1e-8)
    assert current_mode().record


LINE = GaussianMixture([0.5, 0.5], [-0.7, 0.9], [0.5, 0.3])
GRID = np.linspace(-8, 8, 641)


def density(logp):
    p = np.exp(logp - logp.max())
    return p / (p.sum() * (GRID[1] - GRID[0]))


def total_variation(p, q):
    return np.abs(p - q).sum() * (GRID[1] - GRID[0]) / 2


def test_guided_densities_miss_the_tilted_one_and_by_how_much():
    """The target is p(x) p(y|x)^s. The flow of the guided score meets it at s = 0 and 1 only.

    At s = 1 there is left what N(0, 1) is from q(x_T | y): two Gaussians a distance of
    sqrt(alpha_bar_T) 0.9 apart, a total variation of 0.0016. Beyond, more steps do not help.
    """
    start = np.exp(-(GRID**2) / 2) / math.sqrt(2 * math.pi)
    log_p = LINE.logpdf(GRID)
    log_y = component(LINE, 1).logpdf(GRID) + math.log(0.5) - log_p  # log p(y | x0)

    def gap(T, s):
        process = Process(schedules.linear(T, rescale=True))
        model = guidance.classifier_free(conditional_model(LINE, process=process), 1, s)
        pushed = push_density(samplers.heun, process, model, GRID, start)
        return total_variation(pushed, density(log_p + s * log_y))

    assert gap(100, 0.0) < 0.0005
    assert gap(100, 1.0) < 0.0018
    np.testing.assert_allclose([gap(50, 2.0), gap(100, 2.0)], 0.229, atol=2e-3)
    np.testing.assert_allclose(gap(100, 4.0), 0.559, atol=2e-3)


def test_guidance_at_every_level_against_the_tilted_score_at_that_level():
    """The same gap without a sampler: the guided score is not the score of the noised target.

    For N(0, 1) data and log p(y | x) = -(x - 1)^2 / 2 the target is N(s / (1 + s), 1 / (1 + s)).
    Its noised score and the guided score are lines in x; at alpha_bar = 1/2 and s = 3 they differ.
    """
    ab, s = 0.5, 3.0
    x = np.linspace(-2, 2, 9)
    # q(x_t) = N(0, 1); p(y | x_t) is N(y = 1; E[x0 | x_t], Var[x0 | x_t] + 1) in y
    process = Process(np.array([0.0, 1 - ab]))
    mean, var = math.sqrt(ab) * x, 1 - ab
    slope = math.sqrt(ab) * (1 - mean) / (var + 1)
    log_prob = lambda x, t: (1 - math.sqrt(ab) * x) ** 2 * (-0.5 / (var + 1))  # noqa: E731
    data = GaussianMixture([1.0], [0.0], [1.0])
    for scale in (1.0, s):
        model = data.model(process, "score")
        guided = guidance.classifier(model, process, log_prob, scale, "score")(x, 1)
        np.testing.assert_allclose(guided, -x + scale * slope, rtol=1e-12)
        target = GaussianMixture([1.0], [scale / (1 + scale)], [1 / (1 + scale)])
        gap = np.abs(guided - target.score(process, x, 1)).max()
        assert gap < 1e-12 if scale == 1.0 else gap > 0.1


# --- devices and refusals


def test_guided_steps_move_nothing(device, rng):
    x = to_device(rng.standard_normal((3, 2)).astype(np.float32), device)
    free = guidance.classifier_free(lambda xt, t, y: xt * (0.5 if y is None else 0.7), 1, 3.0)
    led = guidance.classifier(
        lambda xt, t: xt * 0.5, PROCESS, lambda x, t: ops.sum(x * x, axis=-1) * -0.5, 3.0
    )
    for model in (free, led):
        generator = samplers.ddpm(model, PROCESS, x, noise=rng, ts=[50, 20, 5])
        next(generator)
        with forbid("h2d", "d2h", "sync"):
            for _, y in generator:
                assert type(y) is type(x) and y.dtype == np.float32
        assert np.isfinite(to_host(y)).all()


@pytest.mark.parametrize("scale", [math.nan, math.inf, "3", True, None])
def test_a_wrong_scale_is_named(scale):
    with pytest.raises(ValueError, match="classifier_free: scale must be a finite number"):
        guidance.classifier_free(lambda x, t, y: x, 0, scale)
    with pytest.raises(ValueError, match="classifier: scale must be a finite number"):
        guidance.classifier(lambda x, t: x, PROCESS, lambda x, t: x, scale)


def test_a_wrong_prediction_is_named_at_the_call():
    with pytest.raises(ValueError, match=r"classifier: predicts is one of eps, .* got 'noise'"):
        guidance.classifier(lambda x, t: x, PROCESS, lambda x, t: x, 1.0, predicts="noise")


def test_no_rows_are_guided_to_no_rows():
    guided = guidance.classifier(lambda x, t: x, PROCESS, lambda x, t: ops.sum(x, axis=1), 2.0)
    assert guided(np.ones((0, 2)), np.ones(0, int)).shape == (0, 2)


@pytest.mark.parametrize(
    "log_prob, got", [(lambda x, t: x, r"\(4, 2\)"), (lambda x, t: ops.sum(x), r"\(\)"), (None, "")]
)
def test_a_wrong_log_prob_is_named(log_prob, got, rng):
    log_prob = log_prob or (lambda x, t: np.zeros(4))
    model = guidance.classifier(lambda x, t: x, PROCESS, log_prob, 1.0)
    with pytest.raises(
        ValueError, match=r"log_prob must return a Tensor of shape \(4,\).*got " + got
    ):
        model(rng.standard_normal((4, 2)), np.full(4, 3))


def test_without_signal_only_eps_and_score_can_be_guided_by_a_classifier(rng):
    process = Process(schedules.zero_terminal_snr(schedules.linear(10, rescale=False)))
    model = guidance.classifier(
        lambda x, t: x, process, lambda x, t: ops.sum(x, axis=-1), 1.0, predicts="v"
    )
    with pytest.raises(ValueError, match=r"score does not determine v at t = \[?10"):
        model(rng.standard_normal((4, 2)), np.full(4, 10))

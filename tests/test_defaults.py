"""What a function does when it is not told: defaults are part of what it promises."""

import inspect

import pytest

import tinydiff as td
from tinydiff.diffusion import bound, likelihood, samplers, schedules
from tinydiff.diffusion.mixture import GaussianMixture, verify_model, verify_sampler

DEFAULTS = [
    (bound.terms, {"variance": "posterior", "predicts": "eps", "decoder": "gaussian",
                   "levels": 256}),
    (bound.loss, {"weight": "simple", "predicts": "eps"}),
    (bound.hybrid_loss, {"weight": "simple", "predicts": "eps", "scale": 1e-3}),
    (bound.Bound.table, {"n_rows": 12}),
    (bound.ImportanceT, {"history": 100, "warmup": 10, "uniform": 1e-3}),
    (GaussianMixture.entropy, {"n": 65536}),
    (GaussianMixture.mse, {"n": 4096}),
    (GaussianMixture.bound, {"n": 4096, "variance": "posterior"}),
    (likelihood.ode_logp, {"prior": "normal", "divergence": "exact", "probes": 16,
                           "rtol": 1e-8, "atol": 1e-8}),
    (samplers.timesteps, {"spacing": "linspace"}),
    (samplers.ddpm, {"ts": None, "variance": "posterior", "predicts": "eps", "clip": None}),
    (samplers.ddim, {"eta": 0.0, "ts": None, "predicts": "eps", "clip": None}),
    (samplers.ddim_invert, {"refine": 0}),
    (samplers.predictor_corrector, {"n_corrector": 1}),
    (samplers.inpaint, {"resample": 1}),
    (schedules.linear, {"first": 1e-4, "last": 0.02, "rescale": False}),
    (schedules.quadratic, {"first": 1e-4, "last": 0.02}),
    (schedules.cosine, {"s": 0.008, "cap": 0.999}),
    (schedules.sigmoid, {"start": -3, "end": 3, "tau": 1, "cap": 0.999}),
    (verify_sampler, {"kernel": 1e-9, "path": 1.05, "density": 0.05}),
    (verify_model, {"n": 2000, "tol": 0.05}),
    (td.conv1d, {"b": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}),
    (td.conv2d, {"b": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}),
    (td.conv_transpose2d, {"b": None, "stride": 1, "padding": 0, "output_padding": 0}),
    (td.layer_norm, {"eps": 1e-5}),
    (td.group_norm, {"eps": 1e-5}),
    (td.batch_norm, {"eps": 1e-5, "mean": None, "var": None}),
    (td.attention, {"mask": None, "causal": False}),
    (td.var, {"axis": None, "keepdims": False, "ddof": 0}),
    (td.concatenate, {"axis": 0}),
    (td.stack, {"axis": 0}),
    (td.split, {"axis": 0}),
    (td.pad, {"value": 0.0}),
    (td.softmax, {"axis": -1}),
    (td.log_softmax, {"axis": -1}),
]  # fmt: skip


@pytest.mark.parametrize("function, expected", DEFAULTS, ids=lambda v: getattr(v, "__name__", ""))
def test_the_defaults_are_the_promised_ones(function, expected):
    found = inspect.signature(function).parameters
    assert {name: found[name].default for name in expected} == expected


NAMED = (
    bound.terms, likelihood.ode_logp, samplers.ddpm, samplers.ddim, samplers.ddim_invert,
    samplers.euler, samplers.heun, samplers.dpmpp_2m, samplers.predictor_corrector,
    samplers.inpaint, verify_sampler, verify_model,
)  # fmt: skip


@pytest.mark.parametrize("function", NAMED, ids=lambda f: f.__name__)
def test_options_are_given_by_name(function):
    """A call reads like the formula: what is not model, process or data stands by its name."""
    for name, parameter in inspect.signature(function).parameters.items():
        by_place = name in ("model", "process", "xT", "x0", "sampler", "data")
        by_place = by_place and (name != "x0" or function is not samplers.inpaint)
        kind = "positional or keyword" if by_place else "keyword-only"
        assert parameter.kind.description == kind, name

"""First weights, whose scale has a reason; what constructors and calls refuse, in which words."""

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def within_sampling_error(w, variance):
    """Whether w may be a sample of N(0, variance).

    The mean of n draws has standard deviation s / sqrt(n), and their mean square one of
    s^2 sqrt(2 / n). Five of these are missed once in 10^6 times.
    """
    mean, square, n = w.mean(dtype=float), np.mean(np.square(w, dtype=float)), w.size
    assert abs(mean) < 5 * np.sqrt(variance / n)
    assert abs(square / variance - 1) < 5 * np.sqrt(2 / n)


# name: (layer, products in each output)
WEIGHTS = {
    "linear": (lambda rng: nn.Linear(400, 50, rng=rng), 400),
    "conv1d": (lambda rng: nn.Conv1d(40, 60, 5, rng=rng), 5 * 40),
    "conv2d": (lambda rng: nn.Conv2d(20, 60, (3, 2), rng=rng), 3 * 2 * 20),
    "conv2d in groups": (lambda rng: nn.Conv2d(20, 60, 3, groups=4, rng=rng), 3 * 3 * 5),
    "conv_transpose2d": (lambda rng: nn.ConvTranspose2d(20, 60, 4, rng=rng), 4 * 4 * 20),
    "conv_transpose2d, stride": (
        lambda rng: nn.ConvTranspose2d(20, 60, 4, stride=2, rng=rng), 2 * 2 * 20),
    "embedding": (lambda rng: nn.Embedding(100, 50, rng=rng), 1),
    "queries, keys, values": (lambda rng: nn.MultiHeadAttention(64, 4, rng=rng).qkv, 64),
}  # fmt: skip


@pytest.mark.parametrize("build, products", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_have_variance_one_over_the_products(build, products, rng):
    layer = build(rng)
    within_sampling_error(layer.W.data, 1 / products)
    assert not np.any(getattr(layer, "b", td.Tensor(0.0)).numpy()), "biases start at 0"


@pytest.mark.parametrize("name, shape", [
    ("linear", (1, 400)), ("conv1d", (1, 5, 40)), ("conv2d", (1, 3, 2, 20)),
    ("conv2d in groups", (1, 3, 3, 20)), ("conv_transpose2d", (1, 8, 8, 20)),
    ("conv_transpose2d, stride", (1, 8, 8, 20)),
])  # fmt: skip
def test_the_products_are_counted_right(name, shape, rng):
    """Ones in, ones as weights: an output away from the border is the number of its products."""
    layer, products = WEIGHTS[name][0](rng), WEIGHTS[name][1]
    layer.W.data[...] = 1
    y = layer(np.ones(shape, np.float32)).numpy()
    middle = y[(0, *(n // 2 for n in y.shape[1:]))]
    assert middle == products


def test_a_fresh_linear_layer_keeps_the_variance(rng):
    n, n_in, n_out = 300, 200, 250
    y = nn.Linear(n_in, n_out, rng=rng)(rng.standard_normal((n, n_in))).numpy()
    # S = mean y^2 with y = x W has E S = 1. Given W, S is a mean of n quadratic forms x A x^T with
    # A = W W^T / n_out, of variance 2 tr A^2 / n, E tr A^2 = (n_in + n_out + 1) / (n_in n_out);
    # and E[S | W] = tr A varies by 2 / (n_in n_out)
    variance = 2 * (n_in + n_out + 1) / (n_in * n_out * n) + 2 / (n_in * n_out)
    assert abs(np.mean(y**2) - 1) < 5 * np.sqrt(variance)


@pytest.mark.parametrize("layer", [nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.BatchNorm(4)], ids=repr)
def test_fresh_norms_only_normalise(layer):
    np.testing.assert_array_equal(layer.gamma.data, 1)
    np.testing.assert_array_equal(layer.beta.data, 0)


def test_equal_generators_give_equal_weights():
    a, b = (nn.MultiHeadAttention(6, 2, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(a.flat.data, b.flat.data)


CONSTRUCTORS = {
    "Linear": lambda rng: nn.Linear(2, 3, rng=rng),
    "Conv1d": lambda rng: nn.Conv1d(2, 3, 3, rng=rng),
    "Conv2d": lambda rng: nn.Conv2d(2, 3, 3, rng=rng),
    "ConvTranspose2d": lambda rng: nn.ConvTranspose2d(2, 3, 3, rng=rng),
    "Embedding": lambda rng: nn.Embedding(2, 3, rng=rng),
    "Dropout": lambda rng: nn.Dropout(0.5, rng=rng),
}


@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize("wrong", [None, 0, np.random.RandomState(0)], ids=type)
def test_random_numbers_need_a_generator(name, wrong):
    with pytest.raises(TypeError, match=rf"{name} .* needs rng=.*, got {type(wrong).__name__}$"):
        CONSTRUCTORS[name](wrong)


# the message, and who is to give it
BAD_SETUPS = {
    "Linear needs whole .* n_in=0": lambda r: nn.Linear(0, 3, rng=r),
    "Linear needs whole .* n_out=2.5": lambda r: nn.Linear(2, 2.5, rng=r),
    "Embedding needs whole .* n=-1": lambda r: nn.Embedding(-1, 3, rng=r),
    "Conv2d needs whole .* c_out=0": lambda r: nn.Conv2d(2, 0, 3, rng=r),
    r"Conv2d needs whole .* size=\(0, 0\)": lambda r: nn.Conv2d(2, 3, 0, rng=r),
    r"Conv2d needs one number or 2 .*, got \(3, 3, 3\)":
        lambda r: nn.Conv2d(2, 3, (3, 3, 3), rng=r),
    r"Conv1d needs one number or 1 .*, got \(3, 3\)": lambda r: nn.Conv1d(2, 3, (3, 3), rng=r),
    "Conv1d needs whole .* groups=0": lambda r: nn.Conv1d(2, 4, 3, groups=0, rng=r),
    "Conv2d needs whole .* stride=0": lambda r: nn.Conv2d(3, 2, 3, stride=0, rng=r),
    "Conv1d needs whole .* dilation=-1": lambda r: nn.Conv1d(3, 2, 3, dilation=-1, rng=r),
    "Conv2d needs groups=3 to divide c_in=4, c_out=6":
        lambda r: nn.Conv2d(4, 6, 3, groups=3, rng=r),
    r"ConvTranspose2d .* stride=\(0, 0\)": lambda r: nn.ConvTranspose2d(2, 3, 3, stride=0, rng=r),
    "LayerNorm needs whole .* channels=0": lambda r: nn.LayerNorm(0),
    "GroupNorm cannot cut 6 channels into 4": lambda r: nn.GroupNorm(4, 6),
    "GroupNorm cannot cut 6 channels into 0": lambda r: nn.GroupNorm(0, 6),
    r"BatchNorm needs a momentum in \[0, 1\], got 2": lambda r: nn.BatchNorm(3, momentum=2),
    "Dropout needs a probability 0 <= p < 1, got 1": lambda r: nn.Dropout(1, rng=r),
    "heads=4 to divide d=6": lambda r: nn.MultiHeadAttention(6, 4, rng=r),
    "MultiHeadAttention needs whole .* heads=0": lambda r: nn.MultiHeadAttention(6, 0, rng=r),
    "even size d >= 2, got 7": lambda r: nn.sinusoidal(np.arange(3), 7),
    "even size d >= 2, got 0": lambda r: nn.sinusoidal(np.arange(3), 0),
    r"times of shape \(N,\), got \(\)": lambda r: nn.sinusoidal(3, 8),
    "needs whole .* n_in=0": lambda r: nn.FiLM(0, 3, rng=r),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD_SETUPS)
def test_a_constructor_refuses(message, rng):
    with pytest.raises(ValueError, match=message):
        BAD_SETUPS[message](rng)


def test_a_sequence_of_layers_is_no_layer(rng):
    with pytest.raises(TypeError, match="Sequential needs layers or functions, got list"):
        nn.Sequential([nn.LayerNorm(3)])


BAD_CALLS = {
    r"Linear\(3, 2\) needs an input whose last axis is 3, got shape \(5, 4\)":
        lambda r, x: nn.Linear(3, 2, rng=r)(x((5, 4))),
    r"needs an input whose last axis is 3, got shape \(\)":
        lambda r, x: nn.Linear(3, 2, rng=r)(x(())),
    r"conv2d\(\) needs images": lambda r, x: nn.Conv2d(3, 2, 3, rng=r)(x((5, 5, 3))),
    r"conv2d\(\) needs images.*\(1, 5, 5, 4\)":
        lambda r, x: nn.Conv2d(3, 2, 3, rng=r)(x((1, 5, 5, 4))),
    "windows of .* do not fit": lambda r, x: nn.Conv2d(3, 2, 3, rng=r)(x((1, 2, 5, 3))),
    "needs padding as": lambda r, x: nn.Conv2d(3, 2, 3, padding=-1, rng=r)(x((1, 5, 5, 3))),
    r"conv1d\(\) needs sequences": lambda r, x: nn.Conv1d(3, 2, 3, rng=r)(x((5, 3))),
    r"conv_transpose2d\(\) needs images":
        lambda r, x: nn.ConvTranspose2d(3, 2, 3, rng=r)(x((1, 5, 5, 4))),
    "output_padding must be 0..stride-1":
        lambda r, x: nn.ConvTranspose2d(3, 2, 3, output_padding=1, rng=r)(x((1, 5, 5, 3))),
    r"layer_norm\(\) needs gamma": lambda r, x: nn.LayerNorm(3)(x((2, 4))),
    r"group_norm\(\) cannot cut": lambda r, x: nn.GroupNorm(2, 4)(x((2, 5))),
    r"group_norm\(\) needs gamma": lambda r, x: nn.GroupNorm(2, 4)(x((2, 6))),
    r"batch_norm\(\) needs gamma": lambda r, x: nn.BatchNorm(3)(x((2, 4))),
    "more than one value per channel": lambda r, x: nn.BatchNorm(3)(x((1, 3))),
    r"MultiHeadAttention needs x of shape \(N, L, 6\), got \(4, 6\)":
        lambda r, x: nn.MultiHeadAttention(6, 2, rng=r)(x((4, 6))),
    r"MultiHeadAttention needs x of shape \(N, L, 6\), got \(1, 4, 5\)":
        lambda r, x: nn.MultiHeadAttention(6, 2, rng=r)(x((1, 4, 5))),
    "mask leaves a query without any key": lambda r, x: nn.MultiHeadAttention(6, 2, rng=r)(
        x((1, 4, 6)), mask=np.zeros((4, 4), bool)),
    r"FiLM needs x \(N, \.\.\., 4\) and a condition \(N, d_cond\), got \(2, 4\) and \(3, 5\)":
        lambda r, x: nn.FiLM(5, 4, rng=r)(x((2, 4)), x((3, 5))),
    r"Linear\(5, 8\) needs": lambda r, x: nn.FiLM(5, 4, rng=r)(x((2, 4)), x((2, 6))),
    r"FiLM needs x .*, got \(2, 3\)": lambda r, x: nn.FiLM(5, 4, rng=r)(x((2, 3)), x((2, 5))),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD_CALLS)
def test_a_call_refuses(message, rng):
    with pytest.raises(ValueError, match=message):
        BAD_CALLS[message](rng, lambda shape: np.ones(shape, np.float32))


def test_an_embedding_refuses_other_ids(rng):
    layer = nn.Embedding(5, 3, rng=rng)
    for ids in ([5], [-1]):
        with pytest.raises(IndexError, match=r"ids must lie in 0\.\.4"):
            layer(np.array(ids))
    with pytest.raises(TypeError, match="needs integer ids, got float64"):
        layer(np.array([1.0]))

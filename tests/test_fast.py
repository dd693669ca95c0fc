"""Every fast form against its readable twin, on both sides of a buffer's edge."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinydiff.backend import fast, fast_numpy
from tinydiff.ops import activations, conv, norm
from tinydiff.ops.softmax import softmax_gradient, softmax_value
from tinydiff.ops.windows import geometry

# Two sums of n products in another order differ by about sqrt(n) u of their largest terms; n is at
# most 9 * 16 here (batch times pixels for dW: 3000), u = 6e-8 and 1.1e-16.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}

GEOMETRIES = [
    {"size": 3, "stride": 1, "padding": 1},
    {"size": 3, "stride": 2, "padding": 1},
    {"size": (3, 2), "stride": (2, 1), "padding": (0, 1), "dilation": (1, 2)},
    {"size": 2, "stride": 1, "padding": 3},
    {"size": 1, "stride": 2, "padding": 0},
]


def close(a, b, dtype):
    assert a.dtype == b.dtype == dtype and a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype] * np.abs(b).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("images_in_buffer", [1, 2, 100])
@pytest.mark.parametrize("how", GEOMETRIES, ids=str)
def test_convolution(rng, monkeypatch, how, images_in_buffer, dtype):
    x = rng.standard_normal((5, 7, 6, 4)).astype(dtype)
    geo = geometry("test", x.shape, **how)
    W = rng.standard_normal((*geo.size, 4, 3)).astype(dtype)
    g = rng.standard_normal((5, *geo.out, 3)).astype(dtype)
    one = np.prod(geo.out) * np.prod(geo.size) * 4 * x.itemsize
    monkeypatch.setattr(fast_numpy, "BUFFER", int(one * images_in_buffer))
    tried = 0
    calls = {"convolve": (x, W), "convolve_input": (g, W), "convolve_weight": (x, g)}
    for name, args in calls.items():
        quick = getattr(fast_numpy, name)(*args, geo)
        if quick is not None:
            close(quick, getattr(conv, name).plain(*args, geo), dtype)
            tried += 1
    assert tried >= 2  # only convolve_input has cases that it leaves to its twin


def test_empty_batch(rng):
    x = np.zeros((0, 5, 5, 2), np.float32)
    geo = geometry("test", x.shape, 3, 1, 1)
    assert fast_numpy.convolve(x, np.zeros((3, 3, 2, 4), np.float32), geo).shape == (0, 5, 5, 4)
    g = np.zeros((0, 5, 5, 4), np.float32)
    assert not fast_numpy.convolve_weight(x, g, geo).any()


def test_the_switch_chooses_the_plain_form(rng, monkeypatch):
    """With the switch off the fast form is not called; on, it is."""
    calls = []
    monkeypatch.setattr(fast_numpy, "convolve", lambda *args: calls.append(args))
    x, W = rng.standard_normal((1, 4, 4, 2)), rng.standard_normal((3, 3, 2, 2))
    geo = geometry("test", x.shape, 3, 1, 1)
    monkeypatch.setattr(fast, "enabled", False)
    conv.convolve(x, W, geo)
    assert not calls
    monkeypatch.setattr(fast, "enabled", True)
    conv.convolve(x, W, geo)  # answers None here, so the plain form still gives the result
    assert len(calls) == 1


def test_the_variable_turns_all_forms_off():
    code = "from tinydiff.backend import fast; print(fast.enabled)"
    for value, expected in [("0", "False"), ("1", "True")]:
        env = os.environ | {"TINYDIFF_FUSED": value}
        out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert out.stdout.strip() == expected


SHAPES = [((5, 7, 2, 3), (1, 3)), ((6, 5), (1,)), ((2, 3, 4), (2,)), ((3, 1, 1, 1), (1, 3)),
          ((5, 4, 2, 3), (0, 1, 2)), ((6, 5), (0,)), ((4, 1), (0,))]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("piece", [1, 50, 10**6])
@pytest.mark.parametrize("shape, axes", SHAPES)
def test_normalisation(rng, monkeypatch, shape, axes, piece, dtype):
    monkeypatch.setattr(fast_numpy, "PIECE", piece)
    x, g = rng.standard_normal((2, *shape)).astype(dtype)
    y, inverse_s = fast_numpy.normalize_forward(x, axes, 1e-5)
    y_plain, inverse_s_plain = norm.normalize_forward.plain(x, axes, 1e-5)
    close(y, y_plain, dtype)
    close(inverse_s, inverse_s_plain, dtype)
    fast_gx = fast_numpy.normalize_backward(g, y, inverse_s, axes)
    plain_gx = norm.normalize_backward.plain(g, y_plain, inverse_s_plain, axes)
    # gx is a difference of terms of size |g| / s, which may cancel to nothing
    scale = np.abs(g * inverse_s).max()
    np.testing.assert_allclose(fast_gx, plain_gx, rtol=0, atol=TOLERANCE[dtype] * scale)


def test_normalisation_leaves_other_layouts_to_its_twin(rng):
    x = rng.standard_normal((4, 5, 6))
    assert fast_numpy.normalize_forward(x, (0, 2), 1e-5) is None
    assert fast_numpy.normalize_forward(x.swapaxes(0, 1), (0, 1), 1e-5) is None
    assert fast_numpy.normalize_forward(x.swapaxes(0, 1), (2,), 1e-5) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("piece", [1, 12, 50, 10**6])
@pytest.mark.parametrize("shape", [(5, 6), (4, 3, 2), (6, 1)])
def test_rows(rng, monkeypatch, shape, piece, dtype):
    """Scale and shift, softmax and their gradients, in blocks of rows."""
    monkeypatch.setattr(fast_numpy, "PIECE", piece)
    x, g = rng.standard_normal((2, *shape)).astype(dtype)
    gamma, beta = rng.standard_normal((2, shape[-1])).astype(dtype)
    plain = norm.scale_and_shift.plain(x, gamma, beta)
    close(fast_numpy.scale_and_shift(x, gamma, beta), plain, dtype)
    quick = fast_numpy.scale_and_shift_gradients(g, x, gamma)
    for a, b in zip(quick, norm.scale_and_shift_gradients.plain(g, x, gamma), strict=True):
        close(a, b, dtype)
    y = fast_numpy.softmax_value(3 * x, -1)
    close(y, softmax_value.plain(3 * x, -1), dtype)
    # a difference of terms of size |g| y, which is 0 where a row has one entry
    plain = softmax_gradient.plain(g, y, -1)
    np.testing.assert_allclose(
        fast_numpy.softmax_gradient(g, y, len(shape) - 1), plain, rtol=0, atol=TOLERANCE[dtype]
    )


def test_rows_leave_other_layouts_and_infinities_to_their_twins(rng):
    x = rng.standard_normal((4, 5))
    assert fast_numpy.softmax_value(x, 0) is None
    assert fast_numpy.softmax_value(x[:0], -1) is None
    assert fast_numpy.scale_and_shift(x[:0], x[0], x[0]).shape == (0, 5)
    assert fast_numpy.softmax_value(x.T, -1) is None
    assert fast_numpy.softmax_value(np.array([[1.0, np.inf]]), -1) is None
    assert fast_numpy.softmax_value(np.full((1, 2), -np.inf), -1) is None
    assert fast_numpy.softmax_value(np.array([[1.0, np.nan]]), -1) is None
    assert fast_numpy.softmax_gradient(x.T, np.ascontiguousarray(x.T), -1) is None
    assert fast_numpy.scale_and_shift(x.T, x[:, 0], x[:, 0]) is None
    assert fast_numpy.scale_and_shift(x, x[0].astype(np.float32), x[0]) is None
    assert fast_numpy.scale_and_shift_gradients(x.T, x.T, x[:, 0]) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 49, 50, 51, 1000])
def test_silu(rng, monkeypatch, size, dtype):
    monkeypatch.setattr(fast_numpy, "PIECE", 50)
    x, g = (4 * rng.standard_normal((2, size))).astype(dtype)
    if size:
        close(fast_numpy.silu_value(x), activations.silu_value.plain(x), dtype)
        close(fast_numpy.silu_gradient(x, g), activations.silu_gradient.plain(x, g), dtype)
    else:
        assert fast_numpy.silu_value(x).shape == fast_numpy.silu_gradient(x, g).shape == (0,)


@pytest.mark.parametrize("size", [0, 1, fast.PIECE - 1, fast.PIECE, 2 * fast.PIECE + 1])
def test_in_pieces_does_what_one_pass_does(rng, size):
    def step(theta, g, rate):
        theta -= rate * g * g

    theta, g = rng.standard_normal((2, size))
    whole = theta.copy()
    step(whole, g, 0.1)
    assert fast.in_pieces(step)(theta, g, 0.1) is None
    np.testing.assert_array_equal(theta, whole)

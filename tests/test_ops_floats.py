"""What would be cut or repeated silently is refused: integer input, biases, argnums."""

import numpy as np
import pytest

import tinydiff as td

INTS = np.array([[1, 2, 4]])


@pytest.mark.parametrize(
    "f",
    [
        lambda: td.layer_norm(INTS, None, None),
        lambda: td.group_norm(INTS, 3, None, None),
        lambda: td.batch_norm(INTS, None, None),
        lambda: td.logsumexp(INTS),
    ],
)
def test_integers_are_refused_where_they_would_be_cut(f):
    with pytest.raises(TypeError, match="needs floating-point input, got int64; use astype"):
        f()


def test_pad_of_integers_holds_integers():
    np.testing.assert_array_equal(td.pad(INTS, 1, 7)[0], [7] * 5)
    with pytest.raises(TypeError, match=r"pad.. of int64 cannot hold the value 0.5; use astype"):
        td.pad(INTS, 1, 0.5)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
@pytest.mark.parametrize("size", [1, 3])
def test_a_bias_has_one_entry_for_each_channel(rng, name, size):
    x, W = rng.standard_normal((1, 5, 5, 2)), rng.standard_normal((3, 3, 2, 4))
    with pytest.raises(ValueError, match=rf"{name}.. needs a bias of shape .4,., got .{size},."):
        getattr(td, name)(x, W, np.ones(size))


def test_an_argument_is_differentiated_once():
    with pytest.raises(ValueError, match=r"argnums .0, 0. does not fit"):
        td.grad(lambda a, b: a * b, argnums=(0, 0))(3.0, 5.0)


def test_info_says_why_a_device_cannot_be_used(monkeypatch):
    from tinydiff.backend.errors import DeviceError
    from tinydiff.cli import info

    def refuse():
        raise DeviceError("no GPU")

    monkeypatch.setattr("tinydiff.backend.get_device", refuse)
    assert info.describe()["device"] == "none: no GPU"

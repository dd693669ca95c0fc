"""Tensor: what it holds and what it refuses."""

import copy
import pickle

import numpy as np
import pytest

import tinydiff as td


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([[1, 2]], np.int64),
        (True, np.bool_),
        (np.float64(2), np.float64),
        (np.ones(2), np.float64),
        (np.ones(2, np.float32), np.float32),
        (np.ones(2, np.uint8), np.uint8),
    ],
    ids=str,
)
def test_dtype_python_floats_become_float32_and_arrays_keep_theirs(data, dtype):
    assert td.Tensor(data).dtype == dtype


def test_dtype_can_be_asked_for():
    assert td.Tensor([1.0], dtype=np.float64).dtype == np.float64
    assert td.Tensor([0.1], dtype=np.float64).item() == 0.1  # not by way of float32
    assert td.Tensor(np.arange(3), dtype="float32", requires_grad=True).requires_grad


def test_an_array_is_shared_not_copied():
    a = np.ones(3)
    assert np.shares_memory(td.Tensor(a).data, a)
    assert td.Tensor(td.Tensor(a)).data is a


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: td.Tensor("text"), "holds real numbers or bools, not <U4"),
        (lambda: td.Tensor([1j]), "holds real numbers or bools, not complex128"),
        (lambda: td.Tensor(None), "holds real numbers or bools, not object"),
        (
            lambda: td.Tensor([1, 2], requires_grad=True),
            "only floating-point tensors have gradients",
        ),
        (lambda: td.Tensor([True], True), "only floating-point tensors have gradients"),
    ],
)
def test_what_is_no_tensor(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_attributes():
    t = td.Tensor(np.zeros((2, 3), np.float32))
    assert (t.shape, t.ndim, t.size, len(t), t.device) == ((2, 3), 2, 6, 2, "cpu")
    assert t.grad is None
    assert t.creator is None
    assert t.T.shape == (3, 2)
    assert [row.shape for row in t] == [(3,), (3,)]


def test_a_typo_in_an_attribute_is_an_error():
    with pytest.raises(AttributeError):
        td.Tensor([1.0]).requires_gard = True


def test_0d_tensors_have_no_length_and_one_item():
    t = td.Tensor(2.5)
    assert t.item() == 2.5
    assert isinstance(t.item(), float)
    with pytest.raises(TypeError, match="len\\(\\) of a 0-d tensor"):
        len(t)
    with pytest.raises(
        ValueError, match="item\\(\\) needs a tensor of one element, this one has \\(2,"
    ):
        td.Tensor([1.0, 2.0]).item()


def test_truth_is_that_of_the_only_element():
    assert td.Tensor([2.0])
    assert not td.Tensor(0.0)
    with pytest.raises(ValueError, match="needs a tensor of one element"):
        bool(td.Tensor([1.0, 2.0]))


def test_repr_shows_values_dtype_and_origin():
    assert repr(td.Tensor([1.0, 2.0])) == "Tensor([1. 2.], dtype=float32)"
    x = td.Tensor(np.ones(1), requires_grad=True)
    assert repr(x) == "Tensor([1.], dtype=float64, requires_grad=True)"
    assert repr(x + 1) == "Tensor([2.], dtype=float64, creator=Add)"
    there = td.Tensor(np.ones(1), device="double")
    assert repr(there) == "Tensor([1.], dtype=float64, device='double')"
    assert len(repr(td.Tensor(np.zeros(10_000)))) < 200


def test_detach_and_numpy():
    x = td.Tensor(np.ones(2), requires_grad=True)
    y = (x * 2).detach()
    assert y.creator is None
    assert not y.requires_grad
    assert isinstance(y.numpy(), np.ndarray)


@pytest.mark.parametrize(
    "twin_of", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_a_copy_is_a_tensor_of_its_own(twin_of):
    """A copy that the walk took for the original would share its gradient."""
    x = td.Tensor(np.ones(2), requires_grad=True)
    twin = twin_of(x)
    (2 * x + 3 * twin).sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert twin.grad.tolist() == [3, 3]
    assert twin_of(x * 2).creator is None
    assert not np.shares_memory(copy.deepcopy(x).data, x.data)


def test_a_tensor_cannot_be_written_into():
    x = td.Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"cannot be written into.*td\.where\(mask, value, x\)"):
        x[0] = 3.0
    y = x
    y += 1  # makes a new tensor
    assert x.data.tolist() == [1, 2]
    assert y.data.tolist() == [2, 3]


def test_moving_to_a_device_and_back_carries_the_gradient():
    x = td.Tensor(np.ones(2, np.float32), requires_grad=True)
    y = x.to("double") * 2
    assert y.device == "double"
    assert x.to("cpu").device == "cpu"
    y.to("cpu").sum().backward()
    assert isinstance(x.grad, np.ndarray)
    assert x.grad.tolist() == [2, 2]
    with pytest.raises(td.DeviceError, match="unknown device 'nowhere'"):
        x.to("nowhere")


def test_astype_carries_the_gradient_between_float_types_only():
    x = td.Tensor(np.ones(2, np.float32), requires_grad=True)
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    (y * np.array([2.0, 3.0])).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [2, 3]
    assert not x.astype(int).requires_grad


def test_new_tensors_go_to_the_chosen_device(device, xp):
    assert td.Tensor([1.0]).device == device
    assert td.Tensor(np.ones(2)).device == device
    assert isinstance(td.Tensor(2.0).data, xp.ndarray)

"""Bad input gets one sentence: what was wrong and what was expected."""

import re

import numpy as np
import pytest
from op_cases.refused import REFUSED

import tinydiff as td


@pytest.mark.parametrize(
    ("call", "error", "message"), REFUSED, ids=[f"{i} {r[2][:40]}" for i, r in enumerate(REFUSED)]
)
def test_bad_input_gets_one_sentence(call, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_arrays_on_two_devices_are_never_mixed():
    here, there = np.ones((2, 2)), td.to_device(np.ones((2, 2)), "double")
    mask, mask_there = here > 0, there > 0
    ids = np.array([0, 1])
    labels = td.to_device(ids, "double")
    for call in (
        lambda: td.add(here, there),
        lambda: td.Tensor(here) * td.Tensor(there, device="double"),
        lambda: td.Tensor(here) > td.Tensor(there, device="double"),
        lambda: td.maximum(there, here),
        lambda: td.matmul(here, there),
        lambda: td.einsum("ij,jk->ik", here, there),
        lambda: td.concatenate([here, there]),
        lambda: td.where(mask, there, there),
        lambda: td.where(mask_there, here, 0.0),
        lambda: td.attention(there, there, there, mask=mask),
        lambda: td.attention(there, there, there, mask=mask, causal=True),
        lambda: td.layer_norm(td.Tensor(there, device="double"), here[0], None),
        lambda: td.conv2d(td.reshape(here, (1, 2, 2, 1)), td.reshape(there, (2, 2, 1, 1))),
    ):
        with pytest.raises(
            td.DeviceError, match=r"arrays on (cpu|double) and on (cpu|double) meet"
        ):
            call()
    # labels and indices are the exception: the host's are uploaded, since they come with the batch
    assert td.backend.device_of(td.getitem(there, ids)) == "double"
    assert td.cross_entropy(here, td.to_host(labels)) == td.to_host(td.cross_entropy(there, ids))


def test_indices_of_a_device_array_are_checked_on_the_host():
    """A GPU would wrap them silently."""
    there = td.Tensor(np.ones((2, 3)), device="double")
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 1"):
        there[:, np.array([0, 3])]
    with pytest.raises(IndexError, match="index 2 is out of bounds for axis 0"):
        td.take(there, [2], 0)

"""Every operation, through values, gradients, dtypes, layouts and devices: see op_cases/."""

import numpy as np
import pytest
from double import forbid
from op_cases import CASES, IDS, ROWS

import tinydiff as td

every_case = pytest.mark.parametrize(("case", "shapes"), CASES, ids=IDS)
STANDARD = [(case, case.shapes[0]) for case in ROWS]
every_row = pytest.mark.parametrize(("case", "shapes"), STANDARD, ids=[str(c) for c in ROWS])
DTYPES = (np.float32, np.float64)


def differentiate(case, arrays, g=None):
    """(y, gradients) of one call on tensors, as bare arrays; g: default ones."""
    tensors = [td.Tensor(a, requires_grad=True) for a in arrays]
    y = case(*tensors)
    xp = td.backend.xp_of(y.data)
    y.backward(xp.ones(y.shape, dtype=y.dtype) if g is None else g)
    zeros = [xp.zeros(t.shape, dtype=t.dtype) for t in tensors]  # of what only a mask is made of
    return y.data, [zero if t.grad is None else t.grad for t, zero in zip(tensors, zeros)]


def assert_same_bits(a, b):
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def test_every_public_operation_has_a_row():
    assert {case.op for case in ROWS} == set(td.ops.__all__)


def test_rows_have_names_of_their_own():
    assert len(set(IDS)) == len(IDS)


@every_case
def test_value(case, shapes, rng):
    """Equal to the definition; 1e-13 is some hundred roundings, more than any of these needs."""
    arrays = case.arrays(rng, shapes)
    expected = case.reference(*arrays)
    y = case(*map(td.Tensor, arrays))
    np.testing.assert_allclose(y.data, expected, rtol=1e-13, atol=1e-13, strict=True)


@every_case
def test_gradient_of_order_1_and_2(case, shapes, rng):
    td.gradcheck(case, *case.arrays(rng, shapes), order=2, rng=rng)


@every_case
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_is_kept_by_value_and_gradient(case, shapes, dtype, rng):
    y, gradients = differentiate(case, case.arrays(rng, shapes, dtype))
    assert y.dtype == dtype
    assert [g.dtype for g in gradients] == [dtype] * len(shapes)


@every_row
def test_float32_is_float64_rounded(case, shapes, rng):
    """Against float64 at the same points: 1e-5 is about a hundred float32 roundings."""
    if case.device_noise:
        pytest.skip("draws other noise in float32")
    arrays = case.arrays(rng, shapes, np.float32)
    y, gradients = differentiate(case, arrays)
    y64, gradients64 = differentiate(case, [a.astype(np.float64) for a in arrays])
    for a, b in zip((y, *gradients), (y64, *gradients64)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max(initial=1))


@every_case
def test_arrays_give_arrays_and_tensors_a_tape(case, shapes, rng):
    arrays = case.arrays(rng, shapes)
    bare = case(*arrays)
    assert not isinstance(bare, td.Tensor)
    constant = case(*map(td.Tensor, arrays))
    assert isinstance(constant.data, np.ndarray)
    assert constant.creator is None
    assert not constant.requires_grad
    recorded = case(*(td.Tensor(a, requires_grad=True) for a in arrays))
    assert recorded.requires_grad
    with td.no_grad():
        assert case(*(td.Tensor(a, requires_grad=True) for a in arrays)).creator is None
    np.testing.assert_allclose(bare, recorded.data, rtol=1e-13, atol=1e-13)
    assert_same_bits(constant.data, recorded.data)


@every_case
def test_inputs_are_only_read(case, shapes, rng):
    """Inputs and g are read-only memory here, so any write into them, or a view of them, raises."""
    arrays = case.arrays(rng, shapes)
    copies = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    g = rng.standard_normal(case(*arrays).shape)
    g = np.asarray(g)
    g.flags.writeable = False
    differentiate(case, arrays, g)
    tensors = [td.Tensor(a, requires_grad=True) for a in arrays]
    case(*tensors).backward(g, create_graph=True)
    for a, copy in zip(arrays, copies):
        assert_same_bits(a, copy)


@every_row
def test_layout_does_not_matter(case, shapes, rng):
    """Arguments in column-major order, and as every other element of a larger array, reversed."""
    arrays = case.arrays(rng, shapes)
    y, gradients = differentiate(case, arrays)
    wide = [np.repeat(a[..., ::-1], 2, axis=-1)[..., ::-2] if a.ndim else a for a in arrays]
    for layout in (map(np.asfortranarray, arrays), wide):
        layout = list(layout)
        for a, b in zip(layout, arrays):
            np.testing.assert_array_equal(a, b)
        y_there, gradients_there = differentiate(case, layout)
        for a, b in zip((y, *gradients), (y_there, *gradients_there)):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@every_row
def test_gradients_of_some_arguments_are_those_of_all(case, shapes, rng):
    """What `needs` leaves out does not change the rest."""
    arrays = case.arrays(rng, shapes)
    g = rng.standard_normal(np.shape(case(*arrays)))
    _, expected = differentiate(case, arrays, np.asarray(g))
    for k in range(len(arrays)):
        tensors = [td.Tensor(a, requires_grad=i == k) for i, a in enumerate(arrays)]
        y = case(*tensors)
        if y.requires_grad:  # a mask is a constant of the tape
            y.backward(g)
            assert_same_bits(tensors[k].grad, expected[k])
        assert all(t.grad is None for i, t in enumerate(tensors) if i != k)
        bare = [td.Tensor(a, requires_grad=True) if i == k else a for i, a in enumerate(arrays)]
        if y.requires_grad:
            case(*bare).backward(g)
            assert_same_bits(bare[k].grad, expected[k])


@every_case
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_double_gives_the_same_bits_and_moves_nothing(case, shapes, dtype, rng):
    """Plain operations are the same arithmetic on every device; fused ones agree to rounding."""
    arrays = case.arrays(rng, shapes, dtype)
    g = np.asarray(rng.standard_normal(np.shape(case(*arrays))), dtype)
    expected = differentiate(case, arrays, g)
    there = [td.to_device(a, "double") for a in arrays]
    g_there = td.to_device(g, "double")
    allowed = ("h2d",) * case.uploads + ("d2h", "sync") * case.waits
    with forbid(*{"h2d", "d2h", "sync"}.difference(allowed)):
        y, gradients = differentiate(case, there, g_there)
    assert all(td.backend.device_of(a) == "double" for a in (y, *gradients))
    if case.device_noise:
        return
    eps = np.finfo(dtype).eps
    for a, b in zip((y, *gradients), (expected[0], *expected[1])):
        a = td.to_host(a)
        if case.fused:
            np.testing.assert_allclose(
                a, b, rtol=64 * eps, atol=64 * eps * np.abs(b).max(initial=1)
            )
        else:
            assert_same_bits(a, b)

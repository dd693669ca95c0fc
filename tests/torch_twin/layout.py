"""Between our layout, channels last, and PyTorch's, channels first; and what "equal" means.

The conversions work on torch tensors and are part of torch's graph: leaves and gradients of both
sides are in our layout, and only the function in between sees the other.
"""

import numpy as np

import tinydiff as td

# an error is measured against the largest entry of the tensor
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def first(x):
    """(N, ..., C) -> (N, C, ...)"""
    return x.movedim(-1, 1)


def last(x):
    """(N, C, ...) -> (N, ..., C)"""
    return x.movedim(1, -1)


def kernel(W):
    """(*size, C_in / groups, C_out) -> (C_out, C_in / groups, *size), of a convolution."""
    return W.movedim((-1, -2), (0, 1))


def transposed_kernel(W):
    """(*size, C_in, C_out) -> (C_in, C_out, *size), of a transposed convolution."""
    return W.movedim((-2, -1), (0, 1))


def assert_close(ours, theirs, dtype, what):
    """Equal shape and dtype, and values within TOLERANCE of the largest entry."""
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape, what
    assert ours.dtype == theirs.dtype, what
    error, largest = np.abs(ours - theirs).max(initial=0), np.abs(theirs).max(initial=0)
    assert error <= TOLERANCE[dtype] * largest, f"{what}: {error:.2e}, largest entry {largest:.2e}"


def compare(torch, ours, theirs, arrays, dtype, rng):
    """ours(*Tensors) and theirs(*torch tensors): values, and gradients along a random covector."""
    arrays = [a.astype(dtype) for a in arrays]
    xs = [td.Tensor(a, requires_grad=True) for a in arrays]
    zs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = ours(*xs), theirs(*zs)
    assert_close(y.numpy(), z, dtype, "value")
    g = rng.standard_normal(y.shape).astype(y.dtype)
    y.backward(g)
    z.backward(torch.tensor(g))
    for k, (x, z) in enumerate(zip(xs, zs)):
        assert_close(x.grad, z.grad, dtype, f"gradient of argument {k}")

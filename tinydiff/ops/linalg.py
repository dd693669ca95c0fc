"""Matrix products."""

import math

from ..backend import xp_of
from ..tensor import Function, Tensor
from .reduce import broadcast_to, common_shape
from .shape import reshape, same_dtype, shape_of, swapaxes


class Matmul(Function):
    """y = a b         a: (..., n, k), b: (..., k, m), y: (..., n, m)

    y_ij = sum_l a_il b_lj, so dL/da_il = sum_j g_ij b_lj and dL/db_lj = sum_i a_il g_ij
    dL/da = g b^T, dL/db = a^T g
    """

    def forward(self, a, b):
        self.save(a=a, b=b)
        return a @ b

    def backward(self, g):
        ga = g @ _transposed(self.b) if self.needs[0] else None
        return ga, _transposed(self.a) @ g if self.needs[1] else None


class Linear(Function):
    """y = x W + b         x: (n, k), W: (k, m), b: (m,), y: (n, m)

    As in Matmul; and every row of y has b in it, so dL/db_j = sum_i g_ij
    dL/dx = g W^T, dL/dW = x^T g, dL/db = sum of the rows of g
    """

    def forward(self, x, W, b):
        self.save(x=x, W=W)
        y = x @ W
        y += b  # into the product: another array would cost as much as the product of small layers
        return y

    def backward(self, g):
        gx = g @ _transposed(self.W) if self.needs[0] else None
        return gx, _transposed(self.x) @ g, g.sum(0)


def _transposed(x):
    return swapaxes(x, -1, -2) if isinstance(x, Tensor) else x.swapaxes(-1, -2)


class Einsum(Function):
    """y = the sum of products x_1 x_2 ... over the letters that are not in the output

    In the gradient of one operand, g takes that operand's place: the same sum with the letters of
    the output and of the operand exchanged, broadcast along letters that no other array has.
    dL/dx_k = einsum over g and the other operands
    """

    def forward(self, *xs, letters, out):
        self.letters, self.out = letters, out
        self.save(**{f"x{k}": x for k, x in enumerate(xs)})
        return xp_of(*xs).einsum(",".join(letters) + "->" + out, *xs)

    def backward(self, g):
        xs = [getattr(self, f"x{k}") for k in range(len(self.letters))]
        return tuple(
            self._gradient(g, xs, k) if need else None for k, need in enumerate(self.needs)
        )

    def _gradient(self, g, xs, k):
        letters = [self.out] + self.letters[:k] + self.letters[k + 1 :]
        own = self.letters[k]
        have = "".join(c for c in own if any(c in w for w in letters))
        gx = Einsum()(g, *xs[:k], *xs[k + 1 :], letters=letters, out=have)
        kept = tuple(n if c in have else 1 for c, n in zip(own, xs[k].shape))
        return broadcast_to(reshape(gx, kept), xs[k].shape)


def matmul(a, b):
    """The matrix product over the last two axes; leading axes broadcast.

    A vector (k,) counts as a row on the left and as a column on the right. A stack (..., n, k)
    times one matrix (k, m) is computed as a single product of (N n, k) and (k, m).
    """
    m, n = shape_of(a), shape_of(b)
    if not m or not n:
        raise ValueError("matmul() needs at least one axis in each operand; use * for numbers")
    if m[-1] != n[-2 if len(n) > 1 else 0]:
        raise ValueError(
            f"matmul() of shapes {m} and {n}: the last axis of the first and the "
            f"{'last but one' if len(n) > 1 else 'only'} axis of the second must be equal"
        )
    if len(m) == len(n) == 2 and a.dtype == b.dtype:
        return Matmul()(a, b)
    batch = m[:-2] if m[:-2] == n[:-2] else common_shape(m[:-2], n[:-2])
    if not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        return xp_of(a, b).matmul(a, b)
    if a.dtype != b.dtype:
        a, b = same_dtype("matmul", (a, b))
    if len(m) == 1:
        return _without(matmul(reshape(a, (1, *m)), b), -2 if len(n) > 1 else -1)
    if len(n) == 1:
        return _without(matmul(a, reshape(b, (*n, 1))), -1)
    if len(m) > 2 and len(n) == 2:
        flat = Matmul()(reshape(a, (math.prod(m[:-1]), m[-1])), b)
        return reshape(flat, (*m[:-1], n[-1]))
    if m[:-2] != n[:-2]:
        a, b = broadcast_to(a, batch + m[-2:]), broadcast_to(b, batch + n[-2:])
    return Matmul()(a, b)


def linear(x, W, b):
    """x W + b of the vectors along the last axis of x.  x: (..., k), W: (k, m), b: (m,)."""
    shape, size = shape_of(x), shape_of(W)
    if len(size) != 2 or shape[-1:] != size[:1] or shape_of(b) != size[1:]:
        raise ValueError(
            f"linear() needs x (..., k), W (k, m) and b (m,), got {shape}, {size} and {shape_of(b)}"
        )
    x, W, b = same_dtype("linear", (x, W, b))
    y = Linear()(reshape(x, (math.prod(shape[:-1]), shape[-1])), W, b)
    return reshape(y, (*shape[:-1], size[1]))


def _without(y, axis):
    shape = list(y.shape)
    del shape[axis]
    return reshape(y, shape)


def einsum(subscripts, *operands):
    """Sums of products by NumPy's subscripts, as "nij,njk->nik"; the output must be written out.

    Ellipsis and a letter twice in one operand are refused: take the diagonal, or name the axes.
    """
    inputs, arrow, out = subscripts.replace(" ", "").partition("->")
    letters = inputs.split(",")
    if not arrow or "." in subscripts:
        raise ValueError(f"einsum() needs letters and '->', as 'ij,jk->ik', got {subscripts!r}")
    if len(letters) != len(operands):
        names = len(letters)
        raise ValueError(f"einsum({subscripts!r}) names {names} operands, got {len(operands)}")
    sizes = {}
    for own, x in zip(letters, operands):
        if len(set(own)) != len(own) or len(own) != len(shape_of(x)):
            raise ValueError(f"einsum() operand {own!r} needs {x.ndim} different letters")
        for letter, n in zip(own, x.shape):
            if sizes.setdefault(letter, n) != n:
                raise ValueError(f"einsum() axes {letter!r} are {sizes[letter]} and {n} long")
    if len(set(out)) != len(out) or not set(out) <= set(inputs):
        raise ValueError(f"einsum() output {out!r} needs different letters of {inputs!r}")
    return Einsum()(*same_dtype("einsum", operands), letters=letters, out=out)



"""Gradients of layers: each an adjoint, checked with random covectors against loops and
Jacobians."""

import itertools

import numpy as np

from .. import functional, ops
from ..tensor import Tensor
from .entry import Param, equation
from .settings import ROUNDING, SEED, normals

LOOPS = 1e-12  # sums of some hundred products


def pulled(f, x, g):
    """The gradient of sum(g * f(x)) by the tape."""
    x = Tensor(x, requires_grad=True)
    f(x).backward(g)
    return x.grad


def convolved(x, W, stride, padding):
    """y[n, i, j, d] = sum over p, q, c of x[n, i s + p, j s + q, c] W[p, q, c, d], in plain
    loops."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    kh, kw = W.shape[:2]
    rows = range(0, x.shape[1] - kh + 1, stride)
    cols = range(0, x.shape[2] - kw + 1, stride)
    y = [[np.tensordot(x[:, i : i + kh, j : j + kw], W, 3) for j in cols] for i in rows]
    return np.array(y).transpose(2, 0, 1, 3)


IMAGES = {
    "size": Param(6, 4, 7), "k": Param(3, 1, 3), "stride": Param(2, 1, 3),
    "padding": Param(1, 0, 2),
    "channels": Param(2, 1, 3), "seed": SEED,
}  # fmt: skip


def image_and_weights(size, k, channels, seed):
    return normals(seed, (2, size, size, channels), (k, k, channels, 3))


@equation(
    "gradient.convolution",
    "Convolution: every window times the same weights.",
    r"y_{nijd} = \sum_{pqc} x_{n,\, is+p,\, js+q,\, c}\, W_{pqcd}",
    source="ub-slides L5, L6; ub-lecture L564; Goodfellow et al. 2016, equation 9.8",
    implements="tinydiff.ops:conv2d", tolerance=LOOPS, **IMAGES,
)  # fmt: skip
def convolution(size, k, stride, padding, channels, seed):
    """Left: a matrix product over windows. Right: loops."""
    x, W = image_and_weights(size, k, channels, seed)
    left = ops.conv2d(x, W, stride=stride, padding=padding)
    return left, convolved(x, W, stride, padding)


@equation(
    "gradient.convolution-adjoint",
    "The gradient of a convolution in its image is its adjoint.",
    r"\langle g,\ x * W \rangle = \langle C_W^T g,\ x \rangle",
    source="Dumoulin and Visin 2016, section 4.1",
    implements="tinydiff.ops.conv:ConvInput.forward", tolerance=LOOPS, **IMAGES,
)  # fmt: skip
def convolution_adjoint(size, k, stride, padding, channels, seed):
    """C_W is linear, so its transpose is the gradient. Left: the gradient for a random g. Right:
    the same loops on each unit image, a column of C_W at a time."""
    x, W = image_and_weights(size, k, channels, seed)
    (g,) = normals(seed + 1, convolved(x, W, stride, padding).shape)
    left = pulled(lambda x: ops.conv2d(x, W, stride=stride, padding=padding), x, g)
    units = np.eye(x[0].size).reshape(-1, *x.shape[1:])
    columns = convolved(units, W, stride, padding)  # (pixels of x, *pixels of y)
    return left, np.einsum("mijd,nijd->nm", columns, g).reshape(x.shape)


@equation(
    "gradient.convolution-weights",
    "In its weights, a convolution's adjoint correlates image and gradient.",
    r"\frac{\partial L}{\partial W_{pqcd}} = \sum_{nij} g_{nijd}\, x_{n,\, is+p,\, js+q,\, c}",
    source="Goodfellow et al. 2016, section 9.5",
    implements="tinydiff.ops.conv:ConvWeight.forward", tolerance=LOOPS, **IMAGES,
)  # fmt: skip
def convolution_weights(size, k, stride, padding, channels, seed):
    """Left: the gradient for a random g. Right: the loops with each unit weight."""
    x, W = image_and_weights(size, k, channels, seed)
    (g,) = normals(seed + 1, convolved(x, W, stride, padding).shape)
    left = pulled(lambda W: ops.conv2d(x, W, stride=stride, padding=padding), W, g)
    right = np.zeros_like(W)
    for place in itertools.product(*map(range, W.shape)):
        unit = np.zeros_like(W)
        unit[place] = 1
        right[place] = (convolved(x, unit, stride, padding) * g).sum()
    return left, right


@equation(
    "gradient.transposed-convolution",
    "A transposed convolution is the adjoint used as a layer.",
    r"\langle x^T_{\mathrm{conv}}(y),\ x \rangle = \langle y,\ \mathrm{conv}(x) \rangle",
    source="ub-lecture L564 (the U-Net's way up); Dumoulin and Visin 2016, section 4",
    implements="tinydiff.ops:conv_transpose2d", tolerance=LOOPS,
    size=Param(4, 2, 6), k=Param(3, 2, 3), stride=Param(2, 1, 2), channels=Param(2, 1, 3),
    seed=SEED,
)  # fmt: skip
def transposed_convolution(size, k, stride, channels, seed):
    """Left: the layer. Right: each pixel of y pastes a copy of the weights into the result."""
    y, W = normals(seed, (2, size, size, channels), (k, k, channels, 3))
    right = np.zeros((2, (size - 1) * stride + k, (size - 1) * stride + k, 3))
    for i, j in itertools.product(range(size), repeat=2):
        window = (slice(None), slice(i * stride, i * stride + k), slice(j * stride, j * stride + k))
        right[window] += np.einsum("nc,pqcd->npqd", y[:, i, j], W)
    return ops.conv_transpose2d(y, W, stride=stride), right


@equation(
    "gradient.broadcasting",
    "Broadcasting copies; its adjoint sums over the copies.",
    r"\langle g,\ B x \rangle = \langle B^T g,\ x \rangle,\qquad B^T g = \sum_{copies} g",
    source="Griewank and Walther 2008, section 3.2",
    implements="tinydiff.ops.reduce:BroadcastTo.backward", tolerance=ROUNDING,
    n=Param(3, 1, 5), d=Param(4, 1, 5), seed=SEED,
)  # fmt: skip
def broadcasting(n, d, seed):
    """Left: the gradient of a bias (d,) and of a column (n, 1), broadcast to (2, n, d). Right:
    loops."""
    bias, column, g = normals(seed, d, (n, 1), (2, n, d))
    spread = lambda x: ops.broadcast_to(x, (2, n, d))  # noqa: E731
    left = pulled(spread, bias, g), pulled(spread, column, g)
    of_bias, of_column = np.zeros(d), np.zeros((n, 1))
    for k, i, j in itertools.product(range(2), range(n), range(d)):
        of_bias[j] += g[k, i, j]
        of_column[i, 0] += g[k, i, j]
    return left, (of_bias, of_column)


@equation(
    "gradient.matrix-product",
    "The gradients of a matrix product are matrix products.",
    r"y = ab:\quad \frac{\partial L}{\partial a} = g\, b^T,\qquad \frac{\partial L}{\partial b}"
    r" = a^T g",
    source="ub-lecture L24; Goodfellow et al. 2016, section 6.5.6",
    implements="tinydiff.ops.linalg:Matmul.backward", tolerance=ROUNDING,
    n=Param(3, 1, 5), d=Param(4, 1, 5), seed=SEED,
)  # fmt: skip
def matrix_product(n, d, seed):
    """Left: for a random g. Right: L = sum g_ij a_il b_lj is linear in each: its value at unit
    matrices."""
    a, b, g = normals(seed, (n, d), (d, 2), (n, 2))
    left = pulled(lambda a: ops.matmul(a, b), a, g), pulled(lambda b: ops.matmul(a, b), b, g)
    of_a = [[(g[i] * b[m]).sum() for m in range(d)] for i in range(n)]
    of_b = [[(g[:, j] * a[:, m]).sum() for j in range(2)] for m in range(d)]
    return left, (np.array(of_a), np.array(of_b))


@equation(
    "gradient.softmax",
    "The Jacobian of softmax.",
    r"\frac{\partial y_i}{\partial x_k} = y_i\left([i=k] - y_k\right)",
    source="ub-lecture L353-358; Bishop 2006, equation 4.106",
    implements="tinydiff.ops.softmax:Softmax.backward", tolerance=ROUNDING,
    d=Param(5, 2, 8), seed=SEED,
)  # fmt: skip
def softmax(d, seed):
    """Left: the gradient for a random g. Right: the Jacobian as a matrix, transposed, times g."""
    x, g = normals(seed, d, d)
    y = np.exp(x) / np.exp(x).sum()
    return pulled(ops.softmax, x, g), (np.diag(y) - np.outer(y, y)).T @ g


@equation(
    "gradient.log-sum-exp",
    "The gradient of log-sum-exp is softmax.",
    r"\frac{\partial}{\partial x_i} \log\sum_j e^{x_j} = \frac{e^{x_i}}{\sum_j e^{x_j}}",
    source="Bishop 2006, section 4.3.2; ub-slides L86",
    implements="tinydiff.ops.softmax:LogSumExp.backward", tolerance=ROUNDING,
    d=Param(5, 1, 8), seed=SEED, g=Param(0.7, 0.1, 3.0),
)  # fmt: skip
def log_sum_exp(d, seed, g):
    """Left: for a random upstream gradient. Right: the formula."""
    (x,) = normals(seed, d)
    return pulled(ops.logsumexp, x, np.array(g)), g * np.exp(x) / np.exp(x).sum()


@equation(
    "gradient.cross-entropy",
    "Cross-entropy: probabilities minus what was true.",
    r"\frac{\partial}{\partial x_{nk}} \frac{1}{N}\sum_n -\log\mathrm{softmax}(x_n)_{y_n}"
    r" = \frac{\mathrm{softmax}(x_n)_k - [k = y_n]}{N}",
    source="ub-slides L34; Bishop 2006, equation 4.109",
    implements="tinydiff.ops.softmax:CrossEntropy.backward", tolerance=ROUNDING,
    n=Param(4, 1, 6), d=Param(5, 2, 8), seed=SEED,
)  # fmt: skip
def cross_entropy(n, d, seed):
    """Right: the formula, row by row."""
    (x,) = normals(seed, (n, d))
    labels = np.random.default_rng(seed).integers(0, d, n)
    right = [(np.exp(x[i]) / np.exp(x[i]).sum() - np.eye(d)[labels[i]]) / n for i in range(n)]
    return pulled(lambda x: ops.cross_entropy(x, labels), x, np.ones(())), np.array(right)


@equation(
    "gradient.normalisation",
    "Normalisation: its gradient loses its mean and its part along y.",
    r"\frac{\partial y_j}{\partial x_i} = \frac{1}{s}\left([i=j] - \frac{1}{n} - \frac{y_i"
    r" y_j}{n}\right)",
    source="Ba et al. 2016, section 5.1; Ioffe and Szegedy 2015, section 3",
    implements="tinydiff.ops.norm:Normalize.backward", tolerance=1e-10,
    d=Param(5, 2, 8), seed=SEED,
)  # fmt: skip
def normalisation(d, seed):
    """Left: for a random g. Right: the Jacobian as a matrix, with s = sqrt(var + eps)."""
    x, g = normals(seed, d, d)
    s = np.sqrt(x.var() + 1e-5)
    y = (x - x.mean()) / s
    jacobian = (np.eye(d) - 1 / d - np.outer(y, y) / d) / s
    left = pulled(lambda x: ops.layer_norm(x, None, None), x[None], g[None])[0]
    return 1 + left, 1 + jacobian.T @ g


@equation(
    "gradient.least-squares",
    "The gradient of the squared error of a line or a plane.",
    r"\nabla_w \frac{1}{n}\|Xw - y\|^2 = \frac{2}{n} X^T (Xw - y)",
    source="ub-lecture L22, L24; ub-slides L16, L39",
    implements="tinydiff.functional:grad", tolerance=ROUNDING,
    n=Param(5, 2, 8), d=Param(2, 1, 4), seed=SEED,
)  # fmt: skip
def least_squares(n, d, seed):
    """Left: by the tape. Right: the formula. It is 0 where X^T X w = X^T y, the normal
    equations."""
    X, y, w = normals(seed, (n, d), n, d)
    left = functional.grad(lambda w: ops.mse(ops.matmul(X, w), y))(w)
    return left, 2 / n * X.T @ (X @ w - y)

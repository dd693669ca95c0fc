"""What operations refuse: a call, its error, and what the message says."""

import numpy as np

import tinydiff as td

x = np.zeros((2, 3), np.float32)
image = np.zeros((1, 4, 4, 2), np.float32)
kernel = np.zeros((3, 3, 2, 4), np.float32)
ids = np.array([0, 1])
rng = np.random.default_rng(0)

REFUSED = [
    # types
    (lambda: td.exp("text"), TypeError, "expected a Tensor, an array or a number, got str"),
    (lambda: td.add(x, None), TypeError, "expected a Tensor, an array or a number, got NoneType"),
    (lambda: td.sum([1.0, 2.0]), TypeError, "expected a Tensor or an array, got list"),
    (lambda: td.reshape([1.0], (1,)), TypeError, "expected an array"),
    (lambda: td.transpose(1.0), TypeError, "expected a Tensor or an array, got float"),
    (lambda: td.matmul(x, 2.0), TypeError, "expected a Tensor or an array, got float"),
    (lambda: td.Tensor(x) @ 2.0, TypeError, "expected a Tensor or an array, got float"),
    (lambda: td.softmax("text"), TypeError, "expected a Tensor or an array, got str"),
    (lambda: td.concatenate([x, 1.0]), TypeError, "expected a Tensor or an array, got float"),
    (
        lambda: td.einsum("i,i->", [1.0], [1.0]),
        TypeError,
        "expected a Tensor or an array, got list",
    ),
    (lambda: td.conv2d(image, [1]), TypeError, "expected a Tensor or an array, got list"),
    (
        lambda: td.layer_norm([1.0], None, None),
        TypeError,
        "expected a Tensor or an array, got list",
    ),
    (lambda: td.max_pool2d([1.0], 2), TypeError, "expected a Tensor or an array, got list"),
    (lambda: td.attention(x, x, [1.0]), TypeError, "expected a Tensor or an array, got list"),
    (lambda: td.mse(x, 0.0), TypeError, "expected a Tensor or an array, got float"),
    (lambda: td.embedding([1.0], ids), TypeError, "expected a Tensor or an array, got list"),
    (lambda: td.sum(x, axis=0.5), TypeError, "integer argument expected, got float"),
    # axes
    (
        lambda: td.sum(x, 2),
        np.exceptions.AxisError,
        "axis 2 is out of bounds for array of dimension 2",
    ),
    (lambda: td.mean(x, (0, -3)), np.exceptions.AxisError, "axis -3 is out of bounds"),
    (lambda: td.sum(x, (0, -2)), ValueError, "axis (0, -2) names one axis of shape (2, 3) twice"),
    (lambda: td.cumsum(x, None), TypeError, "cannot be interpreted as an integer"),
    (lambda: td.cumsum(x, 5), np.exceptions.AxisError, "axis 5 is out of bounds"),
    (lambda: td.flip(x, 2), np.exceptions.AxisError, "axis 2 is out of bounds"),
    (lambda: td.swapaxes(x, 0, 2), np.exceptions.AxisError, "axis 2 is out of bounds"),
    (lambda: td.take(x, ids, 2), np.exceptions.AxisError, "axis 2 is out of bounds"),
    (lambda: td.split(x, 2, 2), np.exceptions.AxisError, "axis 2 is out of bounds"),
    (lambda: td.concatenate([x, x], 2), np.exceptions.AxisError, "axis 2 is out of bounds"),
    (lambda: td.concatenate([td.sum(x), td.sum(x)]), np.exceptions.AxisError, "out of bounds"),
    (lambda: td.stack([x, x], 3), np.exceptions.AxisError, "axis 3 is out of bounds"),
    (
        lambda: td.transpose(x, (0, 0)),
        ValueError,
        "transpose() needs each of 2 axes once, got (0, 0)",
    ),
    (lambda: td.transpose(x, (0,)), ValueError, "transpose() needs each of 2 axes once, got (0,)"),
    (
        lambda: td.softmax(x, (0, 1)),
        ValueError,
        "softmax() needs one non-empty axis, got axis=(0, 1)",
    ),
    (
        lambda: td.log_softmax(np.zeros((2, 0))),
        ValueError,
        "log_softmax() needs one non-empty axis",
    ),
    # nothing to reduce
    (
        lambda: td.mean(np.zeros((2, 0))),
        ValueError,
        "mean() over axes (0, 1) of shape (2, 0) has no",
    ),
    (
        lambda: td.max(np.zeros((2, 0)), 1),
        ValueError,
        "max() over axes (1,) of shape (2, 0) has no",
    ),
    (lambda: td.min(np.zeros(0)), ValueError, "min() over axes (0,) of shape (0,) has no element"),
    (
        lambda: td.logsumexp(np.zeros(0)),
        ValueError,
        "logsumexp() over axes (0,) of shape (0,) has no",
    ),
    (lambda: td.var(np.zeros(0)), ValueError, "var() over axes (0,) of shape (0,) has no element"),
    (lambda: td.var(np.ones(2), ddof=5), ValueError, "ddof=5 needs more than 5 element(s), got 2"),
    (lambda: td.var(np.ones(1), ddof=1), ValueError, "ddof=1 needs more than 1 element(s), got 1"),
    (lambda: td.layer_norm(np.zeros((2, 0)), None, None), ValueError, "normalize() over axes (1,)"),
    (
        lambda: td.cross_entropy(np.zeros((0, 3)), ids[:0]),
        ValueError,
        "of an empty batch: logits have",
    ),
    (
        lambda: td.concatenate([np.ones((2, 3)), np.ones(2)], 1),
        ValueError,
        "needs equal shapes but for axis 1",
    ),
    (lambda: td.concatenate([]), ValueError, "concatenate() needs at least one array"),
    (lambda: td.stack([]), ValueError, "stack() needs at least one array"),
    # shapes
    (lambda: td.Tensor(x) + x.T, ValueError, "shapes (2, 3) and (3, 2) do not broadcast"),
    (lambda: td.where(x > 0, x.T, 0.0), ValueError, "shapes (2, 3) and (3, 2) do not broadcast"),
    (lambda: td.reshape(x, (4,)), ValueError, "cannot reshape array of size 6 into shape (4,)"),
    (lambda: td.broadcast_to(x, (2,)), ValueError, "cannot repeat shape (2, 3) to (2,)"),
    (lambda: td.broadcast_to(x, (4, 3)), ValueError, "cannot repeat shape (2, 3) to (4, 3)"),
    (lambda: td.repeat(x, -1, 0), ValueError, "needs a whole number >= 0 of repeats, got -1"),
    (lambda: td.repeat(x, 1.5, 0), ValueError, "needs a whole number >= 0 of repeats, got 1.5"),
    (lambda: td.split(x, 2, 1), ValueError, "split() cannot cut an axis of 3 into 2 equal parts"),
    (lambda: td.split(x, 0, 1), ValueError, "split() cannot cut an axis of 3 into 0 equal parts"),
    (
        lambda: td.concatenate([x, x.T]),
        ValueError,
        "equal shapes but for axis 0, got (2, 3), (3, 2)",
    ),
    (
        lambda: td.concatenate([x, x[0]], 1),
        ValueError,
        "equal shapes but for axis 1, got (2, 3), (3,)",
    ),
    (lambda: td.stack([x, x.T]), ValueError, "stack() needs equal shapes, got (2, 3), (3, 2)"),
    (
        lambda: td.pad(x, ((1, 1),)),
        ValueError,
        "pad() needs (before, after) >= 0 for each of 2 axes",
    ),
    (lambda: td.pad(x, -1), ValueError, "pad() needs (before, after) >= 0 for each of 2 axes"),
    (lambda: td.pad(x, (1, 1)), ValueError, "pad() needs (before, after) >= 0 for each of 2 axes"),
    (
        lambda: td.matmul(x, x),
        ValueError,
        "matmul() of shapes (2, 3) and (2, 3): the last axis of the",
    ),
    (lambda: td.matmul(x, x[0, :2]), ValueError, "the only axis of the second must be equal"),
    (lambda: td.matmul(x, td.sum(x)), ValueError, "needs at least one axis in each operand; use *"),
    (
        lambda: td.matmul(np.zeros((2, 1, 1)), np.zeros((3, 1, 1))),
        ValueError,
        "(2,) and (3,) do not",
    ),
    (lambda: td.mse(x, x[0]), ValueError, "mse() of shapes (2, 3) and (3,): they must be equal"),
    # indices
    (lambda: td.Tensor(x)[2], IndexError, "index 2 is out of bounds for axis 0 with size 2"),
    (lambda: td.Tensor(x)[np.array([0, 5])], IndexError, "index 5 is out of bounds"),
    (lambda: td.Tensor(x)[0.5], IndexError, "only integers, slices"),
    (lambda: td.Tensor(x)[x], IndexError, "an index array holds ints or bools, not float32"),
    (lambda: td.Tensor(x)[[0.5]], IndexError, "an index array holds ints or bools, not float64"),
    (lambda: td.Tensor(x)[0, 0, 0], IndexError, "too many indices"),
    (lambda: td.take(x, np.array([3]), 1), IndexError, "index 3 is out of bounds for axis 1"),
    (lambda: td.embedding(x, np.array([2])), IndexError, "embedding() ids must lie in 0..1"),
    (lambda: td.embedding(x, np.array([-1])), IndexError, "embedding() ids must lie in 0..1"),
    (lambda: td.embedding(x, np.array([0.5])), TypeError, "needs integer ids, got float64"),
    # einsum
    (lambda: td.einsum("ij", x), ValueError, "needs letters and '->', as 'ij,jk->ik', got 'ij'"),
    (lambda: td.einsum("...j->j", x), ValueError, "needs letters and '->'"),
    (lambda: td.einsum("ij,jk->ik", x), ValueError, "names 2 operands, got 1"),
    (lambda: td.einsum("ii->i", x), ValueError, "einsum() operand 'ii' needs 2 different letters"),
    (lambda: td.einsum("ijk->i", x), ValueError, "operand 'ijk' needs 2 different letters"),
    (lambda: td.einsum("ij->ik", x), ValueError, "output 'ik' needs different letters of 'ij'"),
    (lambda: td.einsum("ij->ii", x), ValueError, "output 'ii' needs different letters of 'ij'"),
    (lambda: td.einsum("ij,jk->ik", x, x), ValueError, "axes 'j' are 3 and 2 long"),
    (lambda: td.einsum("ij,jk->ik", x[:, :1], x), ValueError, "axes 'j' are 1 and 2 long"),
    # choices
    (lambda: td.where(x, x, x), TypeError, "where() needs a bool array as its condition"),
    (lambda: td.where(True, x, x), TypeError, "where() needs a bool array as its condition"),
    (
        lambda: td.clip(x, 1, -1),
        ValueError,
        "needs a bound, and low <= high, got low=1 and high=-1",
    ),
    (lambda: td.clip(x, None, None), ValueError, "needs a bound"),
    (lambda: td.clip(x, float("nan"), 1.0), ValueError, "low <= high, got low=nan"),
    (lambda: td.dropout(x, 1.0, rng), ValueError, "needs a probability 0 <= p < 1, got 1.0"),
    (lambda: td.dropout(x, 1.5, rng), ValueError, "needs a probability 0 <= p < 1, got 1.5"),
    (lambda: td.dropout(x, -0.1, rng), ValueError, "needs a probability 0 <= p < 1, got -0.1"),
    # losses
    (lambda: td.cross_entropy(x, ids + 2), ValueError, "labels must lie in 0..2"),
    (lambda: td.cross_entropy(x, ids - 1), ValueError, "labels must lie in 0..2"),
    (lambda: td.cross_entropy(x, np.zeros(2)), ValueError, "(2, 3) and (2,) of float64"),
    (
        lambda: td.cross_entropy(x, np.zeros(3, int)),
        ValueError,
        "needs logits (N, K) and integer labels",
    ),
    (lambda: td.cross_entropy(image, ids), ValueError, "needs logits (N, K) and integer labels"),
    # layers
    (lambda: td.layer_norm(x, ids, None), ValueError, "needs gamma and beta of shape (3,)"),
    (
        lambda: td.group_norm(image, 3, None, None),
        ValueError,
        "cannot cut the channels of (1, 4, 4, 2)",
    ),
    (
        lambda: td.group_norm(image, 0, None, None),
        ValueError,
        "cannot cut the channels of (1, 4, 4, 2)",
    ),
    (lambda: td.group_norm(x[0], 1, None, None), ValueError, "cannot cut the channels of (3,)"),
    (lambda: td.batch_norm(x[0], None, None), ValueError, "needs x (N, ..., C), got shape (3,)"),
    (
        lambda: td.batch_norm(x, None, None, mean=x[0]),
        ValueError,
        "mean and var together, or neither",
    ),
    (lambda: td.conv2d(x, kernel), ValueError, "conv2d() needs images (N, H, W, C_in) and weights"),
    (lambda: td.conv2d(image, kernel[:, :, :1]), ValueError, "got (1, 4, 4, 2), (3, 3, 1, 4) and"),
    (lambda: td.conv2d(image, kernel, groups=2), ValueError, "and groups=2"),
    (
        lambda: td.conv2d(image, kernel[:, :, :1, :3], groups=2),
        ValueError,
        "C_out a multiple of groups",
    ),
    (lambda: td.conv2d(image, kernel, groups=0), ValueError, "and groups=0"),
    (
        lambda: td.conv2d(image, kernel, stride=0),
        ValueError,
        "stride as one or two whole numbers >= 1",
    ),
    (
        lambda: td.conv2d(image, kernel, padding=-1),
        ValueError,
        "padding as one or two whole numbers >=",
    ),
    (lambda: td.conv2d(image, kernel, padding=0.5), ValueError, "whole numbers >= 0, got 0.5"),
    (
        lambda: td.conv2d(image, kernel, dilation=(1, 2, 3)),
        ValueError,
        "dilation as one or two whole",
    ),
    (
        lambda: td.conv2d(image, kernel, dilation=2),
        ValueError,
        "(3, 3) with dilation (2, 2) do not fit",
    ),
    (
        lambda: td.conv1d(image, kernel),
        ValueError,
        "needs sequences (N, L, C_in) and weights (k, C_in",
    ),
    (
        lambda: td.conv_transpose2d(x, kernel),
        ValueError,
        "conv_transpose2d() needs images (N, H, W,",
    ),
    (
        lambda: td.conv_transpose2d(image, kernel, output_padding=1),
        ValueError,
        "must be 0..stride-1",
    ),
    (lambda: td.conv_transpose2d(image, kernel, padding=9), ValueError, "leaves no image: size (-"),
    (lambda: td.conv2d(image[..., :0], kernel[:, :, :0]), ValueError, "no size 0"),
    (lambda: td.conv2d(image, kernel[..., :0]), ValueError, "no size 0"),
    (lambda: td.attention(x[:, :0], x[:, :0], x), ValueError, "D >= 1"),
    (lambda: td.conv_transpose2d(image, kernel, output_padding=-1), ValueError, "one or two whole"),
    (
        lambda: td.conv_transpose2d(image, kernel, stride=0),
        ValueError,
        "stride as one or two whole",
    ),
    (
        lambda: td.max_pool2d(image, 5),
        ValueError,
        "max_pool2d(): windows of (5, 5) with dilation (1, 1)",
    ),
    (lambda: td.avg_pool2d(image, 0), ValueError, "size as one or two whole numbers >= 1, got 0"),
    (
        lambda: td.max_pool2d(x, 1),
        ValueError,
        "needs an image batch (N, H, W, C), got shape (2, 3)",
    ),
    (lambda: td.upsample2d(image, 0), ValueError, "needs a whole factor >= 1, got 0"),
    (
        lambda: td.upsample2d(x, 2),
        ValueError,
        "needs an image batch (N, H, W, C), got shape (2, 3)",
    ),
    (lambda: td.attention(x, x[:, :2], x), ValueError, "needs q (..., L, D), k (..., S, D) and v"),
    (
        lambda: td.attention(x[0], x[0], x[0]),
        ValueError,
        "needs q (..., L, D), k (..., S, D) and v",
    ),
    (
        lambda: td.attention(x, x[:1], x[:1], causal=True),
        ValueError,
        "needs keys = queries, got 1 and 2",
    ),
    (
        lambda: td.attention(x, x, x, mask=np.ones((2, 2))),
        TypeError,
        "attention() needs a bool mask",
    ),
    (
        lambda: td.attention(x, x, x, mask=x[:, :2] > 0),
        ValueError,
        "leaves a query without any key",
    ),
    (lambda: td.attention(x, x, x, ids[None, ::-1, None] > 0 * ids), ValueError, "without any key"),
    (
        lambda: td.attention(x, x, x, ~np.tri(2, dtype=bool), causal=True),
        ValueError,
        "without any key",
    ),
]

"""What layers are made of: normalisation, convolution, pooling, embedding, attention."""

import numpy as np

import tinydiff as td

from .case import apart, first_positive, normal, positive, table
from .references import (
    attend,
    convolve,
    convolve_transposed,
    grouped,
    nearest,
    normalized,
    pooled,
)

ROWS, row = table()
row(
    "layer_norm",
    lambda x, g, b: normalized(x, -1) * g + b,
    ((2, 3), (3,), (3,)),
    ((1, 1), (1,), (1,)),
    ((0, 3), (3,), (3,)),
    ((2, 2, 3), (3,), (3,)),
    fused=True,
)
row(
    "group_norm",
    lambda x, g, b: grouped(x, 2) * g + b,
    ((2, 2, 2, 4), (4,), (4,)),
    ((1, 2), (2,), (2,)),
    ((2, 3, 4), (4,), (4,)),
    f=lambda x, g, b: td.group_norm(x, 2, g, b),
    fused=True,
)
row(
    "batch_norm",
    lambda x, g, b: normalized(x, (0, 1, 2)) * g + b,
    ((2, 2, 2, 3), (3,), (3,)),
    ((1, 1, 1, 2), (2,), (2,)),
    fused=True,
)
row(
    "batch_norm",
    lambda x, m, v: (x - m) / np.sqrt(v + 0.1),
    ((4, 3), (3,), (3,)),
    note="given statistics",
    f=lambda x, m, v: td.batch_norm(x, None, None, 0.1, m, v),
    draw=(normal, normal, positive),
)
for note, options, *shapes in (
    ("", {}, ((2, 3, 4, 2), (2, 2, 2, 3), (3,)), ((1, 1, 1, 1), (1, 1, 1, 1), (1,))),
    ("pointwise", {}, ((2, 2, 3, 2), (1, 1, 2, 3), (3,))),
    ("pointwise, padded", {"padding": (1, 0)}, ((2, 2, 3, 2), (1, 1, 2, 3), (3,))),
    ("pointwise, padded below", {"padding": (0, 1)}, ((2, 2, 3, 2), (1, 1, 2, 3), (3,))),
    ("pointwise, strided", {"stride": (1, 2)}, ((2, 2, 3, 2), (1, 1, 2, 3), (3,))),
    ("pointwise groups", {"groups": 2}, ((2, 2, 3, 4), (1, 1, 2, 6), (6,))),
    ("no image", {}, ((0, 2, 2, 1), (1, 1, 1, 2), (2,))),
    (
        "not square",
        {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
        ((1, 4, 3, 1), (2, 3, 1, 2), (2,)),
    ),
    ("strided", {"stride": 2, "padding": 1}, ((2, 3, 4, 1), (3, 3, 1, 1), (1,))),
    ("dilated", {"dilation": 2, "padding": 1}, ((1, 4, 3, 1), (2, 2, 1, 2), (2,))),
    ("groups", {"groups": 2, "padding": 1}, ((1, 2, 3, 4), (2, 2, 2, 4), (4,))),
    ("depthwise", {"groups": 3}, ((1, 3, 2, 3), (2, 2, 1, 3), (3,))),
):
    row(
        "conv2d",
        lambda *xs, o=options: convolve(*xs, **o),
        *shapes,
        note=note,
        fused=True,
        f=lambda *xs, o=options: td.conv2d(*xs, **o),
    )
row(
    "conv1d",
    lambda x, W, b: convolve(x[:, None], W[None], b, stride=(1, 2), padding=(0, 1))[:, 0],
    ((2, 5, 2), (3, 2, 3), (3,)),
    f=lambda *xs: td.conv1d(*xs, stride=2, padding=1),
    fused=True,
)
for note, options, *shapes in (
    ("", {}, ((2, 2, 3, 2), (2, 2, 2, 1), (1,)), ((1, 1, 1, 1), (1, 1, 1, 1), (1,))),
    (
        "strided",
        {"stride": 2, "padding": 1, "output_padding": 1},
        ((1, 2, 3, 1), (3, 3, 1, 2), (2,)),
    ),
):
    row(
        "conv_transpose2d",
        lambda *xs, o=options: convolve_transposed(*xs, **o),
        *shapes,
        note=note,
        fused=True,
        f=lambda *xs, o=options: td.conv_transpose2d(*xs, **o),
    )
for name, reduce in (("max_pool2d", np.max), ("avg_pool2d", np.mean)):
    pool = getattr(td, name)
    row(
        name,
        lambda x, r=reduce: pooled(x, (2, 2), (2, 2), r),
        ((2, 2, 4, 2),),
        ((1, 5, 3, 1),),
        ((0, 2, 2, 1),),
        f=lambda x, p=pool: p(x, 2),
        draw=apart,
    )
    row(
        name,
        lambda x, r=reduce: pooled(x, (3, 2), (1, 2), r),
        ((1, 4, 4, 2),),
        f=lambda x, p=pool: p(x, (3, 2), (1, 2)),
        draw=apart,
        note="overlapping",
    )
    for note, size, stride in (
        ("sizes that divide", (2, 2), (1, 2)),
        ("gaps", (1, 2), (2, 2)),
        ("wide gaps", (2, 1), (2, 3)),
    ):
        row(
            name,
            lambda x, r=reduce, k=size, s=stride: pooled(x, k, s, r),
            ((1, 4, 6, 2),),
            f=lambda x, p=pool, k=size, s=stride: p(x, k, s),
            draw=apart,
            note=note,
        )
row(
    "upsample2d",
    lambda x: nearest(x, 2),
    ((1, 2, 3, 2),),
    ((0, 1, 1, 2),),
    f=lambda x: td.upsample2d(x, 2),
)
row(
    "embedding",
    lambda W: W[[[1, 0], [2, 1]]],
    ((3, 2),),
    uploads=True,
    f=lambda W: td.embedding(W, np.array([[1, 0], [2, 1]])),
)
row(
    "dropout",
    lambda x: x * (np.random.default_rng(3).random(x.shape) >= 0.4) / 0.6,
    ((3, 4),),
    ((),),
    ((0, 3),),
    f=lambda x: td.dropout(x, 0.4, np.random.default_rng(3)),
    device_noise=True,
)
row(
    "attention",
    attend,
    ((2, 3, 2), (2, 4, 2), (2, 4, 3)),
    ((1, 1), (1, 1), (1, 1)),
    ((0, 2), (3, 2), (3, 1)),
    ((2, 1, 2, 2), (3, 2, 2), (3, 2, 1)),
    fused=True,
)
row(
    "attention",
    lambda q, k, v: attend(q, k, v, np.tri(q.shape[-2], dtype=bool)),
    ((2, 3, 2),) * 3,
    f=lambda q, k, v: td.attention(q, k, v, causal=True),
    note="causal",
    fused=True,
)
row(
    "attention",
    lambda q, k, v, m: attend(q, k, v, m > 0),
    ((2, 2, 2), (2, 3, 2), (2, 3, 2), (2, 3)),
    ((2, 2, 2), (2, 3, 2), (2, 3, 2), (2, 2, 3)),
    f=lambda q, k, v, m: td.attention(q, k, v, m > 0),
    note="masked",
    draw=(normal, normal, normal, first_positive),
    fused=True,
)
row(
    "attention",
    lambda q, k, v, m: attend(q, k, v, (m > 0) & np.tri(3, dtype=bool)),
    ((3, 2),) * 3 + ((3, 3),),
    f=lambda q, k, v, m: td.attention(q, k, v, m > 0, causal=True),
    note="masked and causal",
    draw=(normal, normal, normal, first_positive),
    fused=True,
)

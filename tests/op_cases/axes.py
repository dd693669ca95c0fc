"""Over axes: reductions, softmax and its relatives, broadcasting."""

import numpy as np

import tinydiff as td

from .case import apart, table
from .references import cumulative, softmax

ROWS, row = table()
SIZES = (((3, 4),), ((2, 1, 3),), ((),), ((1,),), ((0, 3),))
AXES = ((3, 4, 2),)
row("sum", lambda x: x.sum(), *SIZES)
row(
    "sum",
    lambda x: x.sum(1),
    AXES,
    ((1, 1),),
    ((0, 3),),
    ((3, 0),),
    f=lambda x: td.sum(x, 1),
    note="axis",
)
row(
    "sum",
    lambda x: x.sum((0, 2), keepdims=True),
    AXES,
    ((2, 0, 3),),
    note="axes, kept",
    f=lambda x: td.sum(x, (0, -1), keepdims=True),
)
row("mean", lambda x: x.sum() / x.size, ((3, 4),), ((),), ((1,),))
row(
    "mean",
    lambda x: x.sum((0, 2)) / 6,
    AXES,
    ((3, 0, 2),),
    f=lambda x: td.mean(x, (0, 2)),
    note="axes",
)
row("var", lambda x: (x**2).mean(-1) - x.mean(-1) ** 2, AXES, ((0, 3),), f=lambda x: td.var(x, -1))
row(
    "var",
    lambda x: ((x - x.mean()) ** 2).sum() / (x.size - 1),
    ((3, 4),),
    note="ddof=1",
    f=lambda x: td.var(x, ddof=1),
)
for name in ("max", "min"):
    pick, f = getattr(np, name), getattr(td, name)
    row(name, pick, ((3, 4),), ((),), ((1,),), draw=apart)
    row(
        name,
        lambda x, p=pick: p(x, (0, 2)),
        AXES,
        ((2, 0, 1),),
        f=lambda x, f=f: f(x, (0, -1)),
        draw=apart,
        note="axes",
    )
    row(
        name,
        lambda x, p=pick: p(x, 1, keepdims=True),
        AXES,
        f=lambda x, f=f: f(x, 1, True),
        draw=apart,
        note="kept",
    )
row("logsumexp", lambda x: np.log(np.exp(x).sum()), ((3, 4),), ((),), ((1,),))
row(
    "logsumexp",
    lambda x: np.log(np.exp(x).sum((0, 2), keepdims=True)),
    AXES,
    ((2, 0, 1),),
    f=lambda x: td.logsumexp(x, (0, -1), keepdims=True),
    note="axes, kept",
)
row("cumsum", lambda x: cumulative(x, 1), AXES, ((2, 1),), ((2, 0),), f=lambda x: td.cumsum(x, 1))
row("softmax", softmax, ((3, 4),), ((1,),), ((0, 3),), fused=True)
row("softmax", lambda x: softmax(x, 1), AXES, f=lambda x: td.softmax(x, 1), note="axis")
row("log_softmax", lambda x: np.log(softmax(x)), ((3, 4),), ((1,),), ((0, 3),))
row(
    "log_softmax",
    lambda x: np.log(softmax(x, 0)),
    AXES,
    f=lambda x: td.log_softmax(x, 0),
    note="axis",
)
row(
    "cross_entropy",
    lambda x: -np.mean([np.log(softmax(x))[n, n % 2] for n in range(len(x))]),
    ((3, 4),),
    ((1, 2),),
    f=lambda x: td.cross_entropy(x, np.arange(x.shape[0]) % 2),
    uploads=True,
)
row(
    "broadcast_to",
    lambda x: np.ones((2, 3, 4)) * x,
    ((3, 1),),
    ((),),
    ((1, 1),),
    ((2, 3, 4),),
    f=lambda x: td.broadcast_to(x, (2, 3, 4)),
)
row(
    "repeat",
    lambda x: np.repeat(x, 3, 1),
    ((2, 3, 2),),
    ((2, 0),),
    ((1, 1),),
    f=lambda x: td.repeat(x, 3, axis=1),
)

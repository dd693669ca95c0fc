"""Moving elements, and sums of products."""

import numpy as np

import tinydiff as td

from .case import apart, table

ROWS, row = table()
SIZES = (((3, 4),), ((2, 1, 3),), ((),), ((1,),), ((0, 3),))
row(
    "reshape",
    lambda x: x.reshape(6, 2),
    ((3, 4),),
    ((2, 2, 3),),
    f=lambda x: td.reshape(x, (-1, 2)),
)
row(
    "reshape", lambda x: x.reshape(()), ((1, 1),), f=lambda x: td.reshape(x, ()), note="to a scalar"
)
row("reshape", lambda x: x.reshape(3, 0), ((0, 3),), f=lambda x: x.reshape(3, 0), note="of nothing")
row("transpose", np.transpose, *SIZES)
row(
    "transpose",
    lambda x: np.einsum("ijk->kij", x),
    ((2, 3, 4),),
    f=lambda x: td.transpose(x, (-1, 0, 1)),
    note="axes",
)
row("swapaxes", lambda x: np.einsum("ijk->kji", x), ((2, 3, 4),), f=lambda x: td.swapaxes(x, 0, -1))
row(
    "concatenate",
    lambda a, b: np.concatenate([a, b], -1),
    ((2, 3), (2, 1)),
    ((2, 0), (2, 1)),
    ((0,), (0,)),
    f=lambda a, b: td.concatenate([a, b], -1),
)
row(
    "stack",
    lambda a, b: np.stack([a, b], 1),
    ((2, 3), (2, 3)),
    ((1,), (1,)),
    ((0,), (0,)),
    f=lambda a, b: td.stack([a, b], 1),
)
row(
    "stack",
    lambda a, b: np.stack([a, b], -1),
    ((2, 3), (2, 3)),
    ((), ()),
    f=lambda a, b: td.stack([a, b], -1),
    note="last",
)
row(
    "split",
    lambda x: x[:, 2:] - x[:, :2],
    ((3, 4),),
    ((0, 4),),
    note="in parts",
    f=lambda x: td.subtract(*td.split(x, 2, axis=1)[::-1]),
)
row(
    "split",
    lambda x: x[[0, 2, 1]],
    ((3, 2),),
    note="at places",
    f=lambda x: td.concatenate([td.split(x, [1, 2])[k] for k in (0, 2, 1)]),
)
for note, index in {
    "slices": np.s_[1:, ::-2],
    "an int": 1,
    "ints": np.s_[1, 2],
    "a new axis": np.s_[..., None, 0],
    "nothing": np.s_[1:1],
}.items():
    row(
        "getitem",
        lambda x, i=index: x[i],
        ((3, 4),),
        f=lambda x, i=index: td.getitem(x, i),
        note=note,
    )
for note, index in {
    "an array": np.array([2, 0, 2]),
    "a list": [2, 0, -1],
    "two arrays": (np.array([[0], [2]]), np.array([1, 1, 3])),
    "an array and a slice": (slice(None), np.array([[3, 3], [0, 1]])),
    "no index": np.array([], int),
}.items():
    row(
        "getitem",
        lambda x, i=index: x[i],
        ((3, 4),),
        f=lambda x, i=index: td.getitem(x, i),
        note=note,
        uploads=True,
    )
row(
    "getitem",
    lambda x: x[x > 0],
    ((3, 4),),
    ((),),
    ((0, 2),),
    f=lambda x: td.getitem(x, x > 0),
    draw=apart,
    note="a mask",
    waits=True,
)
row(
    "take",
    lambda x: x[:, [1, 1, 0]],
    ((3, 2),),
    ((0, 2),),
    ((1, 2, 2),),
    uploads=True,
    f=lambda x: td.take(x, np.array([1, -1, 0]), axis=1),
)
row(
    "pad",
    lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=0.5),
    ((2, 3),),
    ((0, 1),),
    f=lambda x: td.pad(x, ((1, 0), (0, 2)), 0.5),
)
row("pad", lambda x: np.pad(x, 2), ((2, 3),), f=lambda x: td.pad(x, 2), note="zeros")
row("flip", lambda x: x[:, ::-1], ((2, 3),), ((2, 1, 3),), ((2, 0),), f=lambda x: td.flip(x, 1))
row("astype", np.array, *SIZES, f=lambda x: td.astype(td.astype(x, np.float64), x.dtype))

row(
    "matmul",
    lambda a, b: np.einsum("ij,jk->ik", a, b),
    ((3, 4), (4, 2)),
    ((1, 1), (1, 1)),
    ((2, 0), (0, 3)),
)
row(
    "matmul",
    lambda a, b: np.einsum("...ij,...jk->...ik", a, b),
    ((2, 3, 4), (4, 2)),
    ((2, 3, 2), (2, 2, 3)),
    ((2, 1, 3, 2), (3, 2, 2)),
    ((2, 3), (4, 3, 2)),
    ((2, 3, 0), (0, 4)),
    ((0, 2, 3), (3, 1)),
    note="stacks",
)
row("matmul", lambda a, b: np.einsum("j,jk->k", a, b), ((3,), (3, 4)), note="a row")
row(
    "matmul",
    lambda a, b: np.einsum("j,njk->nk", a, b),
    ((3,), (2, 3, 4)),
    note="a row, a stack",
)
row(
    "matmul",
    lambda a, b: np.einsum("nij,j->ni", a, b),
    ((2, 3, 4), (4,)),
    note="a stack, a column",
)
row("matmul", lambda a, b: np.einsum("ij,j->i", a, b), ((2, 3), (3,)), note="a column")
row("matmul", lambda a, b: np.einsum("j,j->", a, b), ((3,), (3,)), note="two vectors")
row(
    "linear",
    lambda x, W, b: np.einsum("...j,jk->...k", x, W) + b,
    ((3, 4), (4, 2), (2,)),
    ((2, 3, 4), (4, 2), (2,)),
    ((4,), (4, 1), (1,)),
    ((0, 3, 2), (2, 3), (3,)),
    ((2, 0), (0, 3), (3,)),
)
for subscripts, *shapes in (
    ("ij,jk->ik", ((2, 3), (3, 4)), ((0, 2), (2, 1))),
    ("nhd,nkd->nhk", ((2, 3, 2), (2, 1, 2))),
    ("ij->ji", ((2, 3),)),
    ("ij->i", ((2, 3),), ((2, 0),)),
    ("i,j->", ((2,), (3,))),
    ("ij,jk,k->i", ((2, 3), (3, 2), (2,))),
    ("ij,ij->ij", ((2, 2), (2, 2)), ((1, 1), (1, 1))),
):
    row(
        "einsum",
        lambda *xs, s=subscripts: np.einsum(s, *xs),
        *shapes,
        note=subscripts,
        f=lambda *xs, s=subscripts: td.einsum(s, *xs),
    )

"""One table of all operations; their tests run it through values, gradients, dtypes and devices."""

from . import axes, elementwise, layers, moves

ROWS = [*elementwise.ROWS, *axes.ROWS, *moves.ROWS, *layers.ROWS]
CASES = [(case, shapes) for case in ROWS for shapes in case.shapes]
IDS = [f"{case} {' '.join(str(s).replace(' ', '') for s in shapes)}" for case, shapes in CASES]

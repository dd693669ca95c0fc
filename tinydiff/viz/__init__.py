"""Pictures. Every function returns a matplotlib Figure, or writes a GIF; matplotlib comes in late.

Images are grey, -1 white and 1 black, as ink on paper.
"""

from .curves import animate_curves, curve_grid, noising_curves
from .line import noising_numbers, schedule
from .maps import embedding
from .pictures import animate, grid, loss_curve, mosaic, noising
from .plane import field, over_lines, scatter
from .style import save
from .tape import draw
from .text import rounding

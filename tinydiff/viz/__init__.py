"""Pictures. Every function returns a matplotlib Figure, or writes a GIF; matplotlib comes in late.

Images are grey, -1 white and 1 black, as ink on paper; those of three channels are in colour.
"""

from .classes import boundary, layers
from .curves import animate_curves, curve_grid, noising_curves
from .fits import fits
from .line import against_densities, noising_numbers, paths, schedule
from .maps import embedding
from .pictures import animate, grid, loss_curve, mosaic, noising, over_steps
from .plane import field, over, over_lines, scatter, side_by_side, trails
from .samples import animate_samples, samples
from .style import save
from .tape import draw
from .text import rounding

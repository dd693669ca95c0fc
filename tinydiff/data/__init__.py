"""Data sets: arrays in [-1, 1], channels last, with their levels, source and licence; and a text.

Nothing here touches the network, except `openml.fetch`, which `tinydiff data fetch` calls.
"""

from .catalogue import RECIPES, load, recipe
from .dataset import Dataset, scaled
from .idx import read_idx, write_idx
from .labcurves import curves
from .split import interleaved, stratified

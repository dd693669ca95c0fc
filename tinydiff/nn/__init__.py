"""Layers: Modules whose Parameters live in one flat buffer."""

from ..parameter import Flat, Parameter, flatten
from .attention import FiLM, MultiHeadAttention, on_device_of, sinusoidal
from .conv import Conv1d, Conv2d, ConvTranspose2d
from .linear import Dropout, Embedding, Linear, Sequential
from .module import Module
from .norm import BatchNorm, GroupNorm, LayerNorm

"""Layers: Modules whose Parameters live in one flat buffer."""

from .attention import FiLM, MultiHeadAttention, on_device_of, sinusoidal
from .conv import Conv1d, Conv2d, ConvTranspose2d
from .linear import Dropout, Embedding, Linear, Sequential
from .module import Flat, Module, Parameter, flatten
from .norm import BatchNorm, GroupNorm, LayerNorm

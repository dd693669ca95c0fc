"""Diffusion on bare mathematics: a model is any callable model(xt, t), network or formula."""

from . import bound, guidance, likelihood, mixture, process, samplers, schedules
from .process import Process

"""ch327's DDPM1D, on top of Process: the forward process on numbers, and where the chapter errs.

Two things differ from the chapter's class. Its table `alpha_bars` begins with the first noised
step, so that its "t = 0" has noise in it already and t = -1 is the noisiest of all (D1): here t
runs from 0, clean data, to T. And its schedule does not end in noise: with T = 200 and beta up to
0.02 a share of alpha_bar_T = 0.132 of the signal's variance is left (D2), with `rescale` 3e-5.
"""

import math

import numpy as np

from ..diffusion import schedules
from ..diffusion.process import Process


class DDPM1D:
    """The forward process of a DDPM for numbers x0 (N,).

    rescale: multiply the betas by 1000 / T, so that any T ends close to N(0, 1).
    Source: ch327; Ho et al. 2020, equation 4.
    """

    def __init__(self, T=100, beta_start=1e-4, beta_end=0.02, rescale=False):
        self.T = T
        self.process = Process(schedules.linear(T, beta_start, beta_end, rescale=rescale))

    @property
    def betas(self):
        """beta_0 = 0, beta_1, ..., beta_T: (T+1,)."""
        return self.process.betas

    @property
    def alpha_bars(self):
        """1, alpha_bar_1, ..., alpha_bar_T: the signal's share for data of variance 1 (D3)."""
        return self.process.alphas_bar

    def q_sample(self, x0, t, rng):
        """(x_t, eps) with x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps, eps ~ N(0, 1).

        t: int from 0, which gives x0 back, to T. Raises ValueError outside.
        """
        eps = rng.standard_normal(x0.shape)
        return (x0.copy() if t == 0 else self.process.q_sample(x0, t, eps)), eps

    def noise_level_at(self, t):
        """sqrt(1 - alpha_bar_t), a standard deviation, 0 at t = 0. ValueError outside 0 ... T."""
        if not (isinstance(t, (int, np.integer)) and 0 <= t <= self.T):
            raise ValueError(f"t must be an int from 0 to T = {self.T}, got {t!r}")
        return math.sqrt(self.process.one_minus_alphas_bar[t])

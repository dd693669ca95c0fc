"""The last step p(x0 | x1) for data on `levels` equally spaced values in [-1, 1], such as pixels.

A level x_k = -1 + 2k / (levels - 1) is the middle of a bin of half-width h = 1 / (levels - 1); the
two outermost bins reach to infinity, so that the levels' probabilities add up to 1:

    log p(x | mean, sigma^2) = log [F((x + h - mean) / sigma) - F((x - h - mean) / sigma)]

F is the normal distribution function in `discretized` and an approximation of it in `tanh`. Only
its logarithm is used, in the left tail, where it loses no digit. Arrays and Tensors alike.
Source: Ho et al. 2020, equation 13.
"""

import math

from ..backend import xp_of
from ..ops import abs, exp, expm1, log, log1p, log_ndtr, maximum, minimum, softplus, where
from .denoise import check_count


def discretized(x, mean, log_var, levels=256):
    """log p(x | mean, exp(log_var)) in nats per element, by the exact distribution function."""
    return _log_bin(x, mean, log_var, levels, log_ndtr)


def tanh(x, mean, log_var, levels=256):
    """As `discretized`, with F(z) ~ (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))) / 2.

    Often used for want of erf (Dhariwal and Nichol 2021, say). F is off by up to 1.8e-4, but log p
    by much more: with 256 levels and sigma = 1/255 by -0.107 nats two bins off the mean, by -1.8 at
    three and -23 at five; with wide sigma by -0.04 at 3 sigma, -0.4 at 4 and -1.6 at 5.
    """
    return _log_bin(x, mean, log_var, levels, _log_sigmoid_cdf)


def _log_sigmoid_cdf(z):
    # (1 + tanh u) / 2 = 1 / (1 + e^-2u)
    return -softplus((z + 0.044715 * z * z * z) * (-2 * math.sqrt(2 / math.pi)))


def _log_bin(x, mean, log_var, levels, log_cdf):
    """log of F's mass in the bin of x.

    With d = |x - mean| the bin's mirror image [-h - d, h - d] / sigma has the same mass and starts
    left of 0. With a <= b: log (F(b) - F(a)) = log F(b) + log (1 - e^(log F(a) - log F(b))).
    """
    h = 1 / (levels - 1)
    inverse = exp(log_var * -0.5)
    offset = x - mean
    distance = abs(offset)
    below, above = log_cdf((-h - distance) * inverse), log_cdf((h - distance) * inverse)
    inside = above + _log_one_minus_exp(below - above)
    first, last = log_cdf((offset + h) * inverse), log_cdf((h - offset) * inverse)
    return where(x < h - 1, first, where(x > 1 - h, last, inside))


def _log_one_minus_exp(d):
    """log(1 - e^d) for d < 0: by expm1 near 0 and by log1p far from it (Maechler 2012)."""
    near = log(-expm1(maximum(d, -math.log(2))))
    return where(d > -math.log(2), near, log1p(-exp(minimum(d, -math.log(2)))))


def log_probability(name, levels, x0):
    """log p(x | mean, exp(log_var)) of a decoder by name, after a look at x0; None for gaussian."""
    if name == "gaussian":
        return None
    if name not in ("discretized", "tanh"):
        raise ValueError(f"unknown decoder {name!r}: expected gaussian, discretized or tanh")
    check_levels(x0, levels)
    decoder = discretized if name == "discretized" else tanh
    return lambda x, mean, log_var: decoder(x, mean, log_var, levels)


def check_levels(x, levels):
    """Raise a ValueError unless x lies on `levels` equally spaced values from -1 to 1."""
    check_count("decoder", "levels", levels, least=2)
    xp = xp_of(x)
    k = (x + 1) * ((levels - 1) / 2)
    off = float(xp.abs(k - xp.rint(k)).max())
    low, high = float(x.min()), float(x.max())
    if not (off < 0.01 and low > -1.001 and high < 1.001):  # float32 pixels are within 1e-4 steps
        raise ValueError(
            f"a decoder of {levels} levels needs data on {levels} equally spaced values from -1 to "
            f"1; this lies in {low:g} ... {high:g}, up to {off:.2g} steps away from them"
        )

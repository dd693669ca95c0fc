"""One step of ancestral sampling, x_s ~ p(x_s | x_t), and the choices of its variance."""

from math import sqrt

import numpy as np

from ..backend import xp_of


def ancestral_step(ask, draw, variance):
    """The step (x_t, t, s) -> x_s, the mean of q(x_s | x_t, x0_hat) and noise; none at s = 0."""
    process = ask.process
    variance = variance_of_step(ask.sampler, process, variance)

    def step(x, t, s):
        channels = x.shape[-1]
        out = ask.answer(x, t, heads=1 if variance else 2)
        (x0,) = ask.forms(out[..., :channels], x, t, "x0")
        mean, _ = process.q_posterior(x0, x, t, s)
        if s == 0:
            return mean
        if variance:
            return mean + sqrt(variance(t, s)) * draw(t, x)
        learned = learned_variance(process, out[..., channels:], t, s)
        return mean + xp_of(x).sqrt(learned) * draw(t, x)

    return step


def variance_of_step(sampler, process, variance):
    """The function variance(t, s) -> float; None if the model gives it."""
    if isinstance(variance, str):
        choices = {
            "posterior": lambda t, s: float(process.posterior_weights(t, s)[2]),
            "beta": lambda t, s: process.q_between(s, t)[1],
            "learned": None,
        }
        if variance in choices:
            return choices[variance]
    elif np.shape(variance) == (process.T + 1,):
        table = np.asarray(variance, dtype=np.float64)
        if np.isfinite(table[1:]).all() and (table[1:] >= 0).all():
            return lambda t, s: float(table[t])
    raise ValueError(
        f"{sampler}: variance is 'posterior', 'beta', 'learned' or a finite table >= 0 of length "
        f"T + 1 = {process.T + 1}, got {variance!r}"
    )


def learned_variance(process, f, t, s):
    """exp(f log beta + (1 - f) log beta-tilde) of the step t -> s > 0, where beta-tilde > 0.

    f: the second half of the model's channels (Nichol and Dhariwal 2021, equation 15). With strides
    both ends are those of the whole step.
    """
    high = np.log(process.q_between(s, t)[1])
    low = np.log(process.posterior_weights(t, s)[2])
    return xp_of(f).exp(f * float(high - low) + float(low))

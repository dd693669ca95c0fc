"""Samplers that solve the probability-flow ODE: no noise, so that one x_T gives one x_0, and back.

With y = x_t / c_t and sigma = n_t / c_t (c_t = sqrt(alpha_bar_t), n_t = sqrt(1 - alpha_bar_t)) the
process reads y = x0 + sigma eps, and the ODE with the same marginals q(x_t) is

    dy / d sigma = E[eps | y, sigma] = -sigma grad log q(y; sigma)

(Song et al. 2021, equation 13; Karras et al. 2022, equation 1). In sigma its solutions bend least:
where the data looks like one point they are straight lines. The steps below are this ODE's times
c_s, so that sigma = infinity (alpha_bar_T = 0) is allowed.

The last step. At sigma = 0 the slope is known without the model: -sigma grad log q = 0. Near it
the slope is proportional to sigma, so the ODE leads from (y, sigma_t) to y - sigma_t eps_hat / 2,
halfway to x0_hat = y - sigma_t eps_hat, up to O(sigma_t^4). Going all the way errs by O(sigma_t^2),
by which a second-order method ends as one of first order. end="ode" goes half the way. end="x0"
returns x0_hat, without the last noise of size sigma_t / 2: better where the data fills no volume
(pixels of 256 levels) and the last t is well above 1.

Arguments and errors are those of `samplers`.
"""

from itertools import pairwise

import numpy as np

from .denoise import Denoiser, check_count, run
from .process import combine


def euler(model, process, xT, *, noise=None, ts=None, predicts="eps", clip=None):
    """y_s = y_t + (sigma_s - sigma_t) eps_hat(x_t, t): order 1, the numbers of `ddim` at eta = 0.

    For y_t = x0_hat + sigma_t eps_hat, so y_s = x0_hat + sigma_s eps_hat.
    """
    ask = Denoiser("euler", model, process, predicts, clip)
    x, ts = ask.start(xT, ts)
    return run(lambda x, t, s: _line(process, s, *ask(x, t, "x0", "eps")), x, ts)


def _line(process, s, x0, eps):
    """c_s x0 + n_s eps."""
    c, n = np.sqrt(process.alphas_bar[s]), np.sqrt(process.one_minus_alphas_bar[s])
    return combine(c, x0, n, eps)


def heun(model, process, xT, *, noise=None, ts=None, predicts="eps", clip=None, end="ode"):
    """Euler's step to x', then again with the mean of the slopes at both ends: order 2.

        y_s = y_t + (sigma_s - sigma_t) (eps_hat(x_t, t) + eps_hat(x', s)) / 2
            = y' + (sigma_s - sigma_t) (eps_hat(x', s) - eps_hat(x_t, t)) / 2

    Two calls of the model a step. Karras et al. 2022, algorithm 1, is this with end="x0". A step
    from alpha_bar = 0 stays Euler's.
    """
    _check_end("heun", end)
    ask = Denoiser("heun", model, process, predicts, clip)
    x, ts = ask.start(xT, ts)
    c, n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)

    def step(x, t, s):
        x0, eps = ask(x, t, "x0", "eps")
        x = _line(process, s, x0, eps)
        if c[t] == 0 or (s == 0 and end == "x0"):
            return x
        (eps_s,) = ask(x, s, "eps") if s else (0.0,)
        half = (n[s] - n[t] * c[s] / c[t]) / 2  # c_s (sigma_s - sigma_t) / 2
        return x + float(half) * (eps_s - eps)

    return run(step, x, ts)


def dpmpp_2m(model, process, xT, *, noise=None, ts=None, predicts="eps", clip=None, end="ode"):
    """DPM-Solver++(2M): order 2 with one call of the model a step (Lu et al. 2022b, algorithm 2).

    With lambda = -log sigma the ODE is d(y / sigma) / d lambda = e^lambda x0_hat. Over a step of
    length h = lambda_s - lambda_t with x0_hat constant, = D, its solution is

        x_s = (n_s / n_t) x_t + c_s (1 - e^-h) D.

    D = x0_hat gives `ddim`. Here D = x0_hat + (h / 2h') (x0_hat - x0_hat'), primes for the step
    before: the value in the middle of the step, on the line through the last two. The first step
    has D = x0_hat. Order 2 is in h. The last steps of a linear schedule do not shorten in lambda as
    T grows (sigma_1 / sigma_2 stays), so it shows at a fixed T, over ever more of its times.
    """
    _check_end("dpmpp_2m", end)
    ask = Denoiser("dpmpp_2m", model, process, predicts, clip)
    x, ts = ask.start(xT, ts)
    c, n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)

    def solve(x):
        before = None  # (x0_hat', h')
        for t, s in pairwise([*ts, 0]):
            x0, eps = ask(x, t, "x0", "eps")
            if s == 0:
                half = n[t] / c[t] / 2 if end == "ode" and c[t] else 0.0
                yield 0, x0 + float(half) * eps
                return
            # infinite from alpha_bar = 0, where nothing earlier tells more of x0
            h = float(process.log_snr[s] - process.log_snr[t]) / 2 if c[t] else np.inf
            D = x0 if before is None or not c[t] else x0 + h / before[1] / 2 * (x0 - before[0])
            x, before = combine(n[s] / n[t], x, -c[s] * np.expm1(-h), D), (x0, h)
            yield s, x

    return solve(x)


def _check_end(sampler, end):
    if end not in ("ode", "x0"):
        raise ValueError(f"{sampler}: end is 'ode' or 'x0', got {end!r}")


def ddim_invert(model, process, x0, *, noise=None, ts=None, predicts="eps", clip=None, refine=0):
    """From data up to the noise that `ddim` (eta = 0) takes back to it; the last t_next is ts[0].

    A step of ddim is x_s = (c_s / c_t) x_t + (n_s - n_t c_s / c_t) eps_hat(x_t, t). Its inverse,

        x_t = (c_t / c_s) x_s + (n_t - n_s c_t / c_s) eps_hat(x_t, t),

    asks for x_t on the right as well. With x_s there instead it errs by the square of the step;
    each of `refine` repetitions puts in the x_t just found, a fixed-point iteration that ends in
    the inverse itself where the steps are short enough for it to contract.
    """
    check_count("ddim_invert", "refine", refine, least=0)
    ask = Denoiser("ddim_invert", model, process, predicts, clip)
    x, ts = ask.start(x0, ts)
    if process.alphas_bar[ts[0]] == 0:
        raise ValueError(
            f"ddim_invert at t = {ts[0]}: alpha_bar = 0, so every x0 would end in the same place; "
            "let ts begin below"
        )
    c, n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)

    def climb(x):
        for s, t in pairwise([0, *reversed(ts)]):
            ratio, start = c[t] / c[s], x
            for _ in range(refine + 1):
                (eps,) = ask(x, t, "eps")
                x = combine(ratio, start, n[t] - n[s] * ratio, eps)
            yield t, x

    return climb(x)

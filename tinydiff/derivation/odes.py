"""Samplers without noise, the order of their error, and log p by the ODE."""

import math

import numpy as np

from ..diffusion import likelihood, samplers, schedules
from ..diffusion.mixture import GaussianMixture
from ..diffusion.process import Process
from .entry import Param, equation
from .sampling import SAMPLERS, answer, first
from .settings import (
    MIXTURE,
    SCHEDULE,
    SEED,
    STEPS_2,
    TIME_2,
    normal_logpdf,
    normals,
    process_of,
)

EARLIER = Param(400, 1, "t-1")
WELL_BEHAVED = Param(0.4, 0.05, 3.0, log=True)


def sigmas(process):
    """sigma_t = sqrt(1 / alpha_bar_t - 1), the noise of x_t / sqrt(alpha_bar_t), and
    sqrt(alpha_bar_t)."""
    c = np.sqrt(process.alphas_bar)
    return np.sqrt(process.one_minus_alphas_bar) / c, c


@equation(
    "ode.euler",
    "DDIM without noise is Euler's method for an ODE.",
    r"\frac{dy}{d\sigma} = \epsilon_\theta,\quad y = \frac{x_t}{\sqrt{\bar\alpha_t}},"
    r"\ \sigma = \sqrt{\frac{1-\bar\alpha_t}{\bar\alpha_t}}:\quad"
    r" y_s = y_t + (\sigma_s - \sigma_t)\,\epsilon_\theta(x_t, t)",
    source="Song, Meng and Ermon 2021, equation 13; Song et al. 2021, equation 13; ch327 L72",
    implements=f"{SAMPLERS}:euler", tolerance=1e-10,  # sigma is up to 1e5
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, s=EARLIER, seed=SEED,
)  # fmt: skip
def euler(schedule, T, t, s, seed):
    """Left: the first step of the solver, and of DDIM with eta = 0. Right: Euler's formula in y."""
    process = process_of(schedule, T)
    (xt,) = normals(seed, (4, 1))
    sigma, c = sigmas(process)
    left = first(samplers.euler(answer, process, xt, ts=[t, s]))
    ddim = first(samplers.ddim(answer, process, xt, ts=[t, s]))
    right = c[s] * (xt / c[t] + (sigma[s] - sigma[t]) * answer(xt, np.full(4, t)))
    return (left, ddim), (right, right)


@equation(
    "ode.heun",
    "Heun's method: the mean of the slopes at both ends.",
    r"y_s = y_t + (\sigma_s - \sigma_t)\,\frac{\epsilon_\theta(x_t, t) + \epsilon_\theta(x'_s,"
    r" s)}{2}",
    source="Karras et al. 2022, algorithm 1",
    implements=f"{SAMPLERS}:heun", tolerance=1e-10,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, s=EARLIER, seed=SEED,
)  # fmt: skip
def heun(schedule, T, t, s, seed):
    """Right: the formula, with x'_s from Euler's step."""
    process = process_of(schedule, T)
    (xt,) = normals(seed, (4, 1))
    sigma, c = sigmas(process)
    here = answer(xt, np.full(4, t))
    step = sigma[s] - sigma[t]
    there = answer(c[s] * (xt / c[t] + step * here), np.full(4, s))
    left = first(samplers.heun(answer, process, xt, ts=[t, s]))
    return left, c[s] * (xt / c[t] + step * (here + there) / 2)


@equation(
    "ode.multistep",
    "DPM-Solver++(2M): order two, with one call of the model a step.",
    r"x_s = \frac{\sigma'_s}{\sigma'_t} x_t - \sqrt{\bar\alpha_s}\left(e^{-h} - 1\right) D,\quad"
    r" D = \left(1 + \frac{h}{2h'}\right)\tilde x_0 - \frac{h}{2h'}\,\tilde x_0'",
    source="Lu et al. 2022b, algorithm 2",
    implements=f"{SAMPLERS}:dpmpp_2m", tolerance=1e-9,
    schedule=SCHEDULE, T=Param(1000, 3, 1000), t=Param(500, 3, "T"), s=Param(400, 2, "t-1"),
    r=Param(300, 1, "s-1"), seed=SEED,
)  # fmt: skip
def multistep(schedule, T, t, s, r, seed):
    """Left: the second step, t -> s -> r. Right: the formula as published, with lambda =
    log(signal / noise) from the betas."""
    process = process_of(schedule, T)
    (xt,) = normals(seed, (4, 1))
    c, n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)
    x0 = lambda x, i: (x - n[i] * answer(x, np.full(4, i))) / c[i]  # noqa: E731
    lam = np.log(c[[t, s, r]] / n[[t, s, r]])
    h_before, h = np.diff(lam)
    xs = n[s] / n[t] * xt - c[s] * np.expm1(-h_before) * x0(xt, t)
    D = (1 + h / (2 * h_before)) * x0(xs, s) - h / (2 * h_before) * x0(xt, t)
    steps = samplers.dpmpp_2m(answer, process, xt, ts=[t, s, r])
    next(steps)
    return first(steps), n[r] / n[s] * xs - c[r] * np.expm1(-h) * D


def measured_order(sampler, mean, v, T):
    """log2 of the ratio of errors at T and 2 T steps, on data N(mean, v), whose flow is exact.

    Steps of equal length in log SNR from -4 to 16. The ODE keeps (x_t - c mean) / std(x_t)."""
    errors = []
    for steps in (T, 2 * T):
        process = Process(schedules.from_log_snr(np.append(np.inf, np.linspace(16, -4, steps))))
        model = GaussianMixture([1.0], [mean], [v]).model(process)
        c2, noise = process.alphas_bar[-1], process.one_minus_alphas_bar[-1]
        std = np.sqrt(c2 * v + noise)
        xT = np.sqrt(c2) * mean + std * np.array([-1.5, 0.5, 2.0])
        exact = mean + np.sqrt(v) * np.array([-1.5, 0.5, 2.0])
        errors.append(np.abs(samplers.last(sampler(model, process, xT)) - exact).max())
    return np.log2(errors[0] / errors[1])


@equation(
    "ode.order-of-euler",
    "Twice the steps halve the error of Euler and DDIM.",
    r"|x_0^{(T)} - x_0| = O(T^{-1})",
    source="Karras et al. 2022, section 3; ch327 L72",
    implements=f"{SAMPLERS}:euler", tolerance=0.05,  # the error's next term is 1 / T of the first
    mean=Param(1.0, -2.0, 2.0), v=WELL_BEHAVED,
)  # fmt: skip
def order_of_euler(mean, v):
    """Left: measured at 64 and 128 steps, for Euler and for DDIM, both judged in units of their
    order."""
    both = measured_order(samplers.euler, mean, v, 64), measured_order(samplers.ddim, mean, v, 64)
    return both, (1.0, 1.0)


@equation(
    "ode.order-of-heun",
    "Twice the steps divide Heun's error by four.",
    r"|x_0^{(T)} - x_0| = O(T^{-2})",
    source="Karras et al. 2022, section 3",
    implements=f"{SAMPLERS}:heun", tolerance=0.05,  # +- 0.1 of an order
    mean=Param(1.0, -2.0, 2.0), v=WELL_BEHAVED,
)  # fmt: skip
def order_of_heun(mean, v):
    """As for Euler. The last step, to sigma = 0, goes half the way: see `end` of the sampler."""
    return measured_order(samplers.heun, mean, v, 64), 2.0


@equation(
    "ode.order-of-multistep",
    "So they do that of DPM-Solver++(2M), at half the cost.",
    r"|x_0^{(T)} - x_0| = O(T^{-2})",
    source="Lu et al. 2022b, theorem 4.1",
    implements=f"{SAMPLERS}:dpmpp_2m", tolerance=0.1,  # +- 0.2 of an order
    mean=Param(1.0, -2.0, 2.0), v=WELL_BEHAVED,
)  # fmt: skip
def order_of_multistep(mean, v):
    """As for Euler."""
    return measured_order(samplers.dpmpp_2m, mean, v, 64), 2.0


@equation(
    "ode.inversion",
    "DDIM without noise can be run backwards, from data to its x_T.",
    r"x_t = \sqrt{\frac{\bar\alpha_t}{\bar\alpha_s}}\,x_s + \left(\sqrt{1-\bar\alpha_t} -"
    r" \sqrt{1-\bar\alpha_s}\sqrt{\frac{\bar\alpha_t}{\bar\alpha_s}}\right)\epsilon_\theta(x_t, t)",
    source="Song, Meng and Ermon 2021, section 4.3",
    implements=f"{SAMPLERS}:ddim_invert", tolerance=1e-7,  # a round leaves a fifth of the error
    T=Param(40, 10, 60), v=Param(0.6, 0.3, 3.0, log=True),
)  # fmt: skip
def inversion(T, v):
    """Left: x_T by inversion with 20 rounds a step, then also back down by DDIM. Right: x_T
    solved for exactly, the model of N(0, v) being linear; and the data. Schedule linear."""
    process = process_of("linear", T)
    (x0,) = normals(T, (4, 1))
    model = GaussianMixture([1.0], [[0.0]], [[v]]).model(process)
    up = samplers.last(samplers.ddim_invert(model, process, x0, refine=20))
    down = samplers.last(samplers.ddim(model, process, up))
    c, n = np.sqrt(process.alphas_bar), np.sqrt(process.one_minus_alphas_bar)
    x = x0
    for t in range(1, T + 1):
        slope = n[t] / (c[t] ** 2 * v + n[t] ** 2)  # eps_hat = slope x_t
        x = c[t] / c[t - 1] * x / (1 - (n[t] - n[t - 1] * c[t] / c[t - 1]) * slope)
    return (up, down), (x, x0)


@equation(
    "ode.log-likelihood",
    "The ODE carries densities too: log p of data under the model.",
    r"\log p(x_0) = \log p_T(x_T) + \int_0^{\phi_T} \nabla\cdot \hat v(x_\phi, \phi)\, d\phi",
    source="Chen et al. 2018, theorem 1; Song et al. 2021, equation 39",
    implements="tinydiff.diffusion.likelihood:ode_logp",
    tolerance=1e-6,  # the solver's, 1e-8 a step
    x=Param(1.7, -3.0, 3.0),
)  # fmt: skip
def log_likelihood(x):
    """Left: the solver, on the mixture with its exact model and its exact q(x_T) for the prior.
    Right: log p in closed form."""
    process = process_of("linear", 200)
    model = MIXTURE.model(process, predicts="eps")
    prior = MIXTURE.noised(process, 200)
    x0 = np.array([x, x + 0.5])
    left, _ = likelihood.ode_logp(model, process, x0, prior=prior)
    modes = normal_logpdf(x0, -2, 0.09), normal_logpdf(x0, 2, 0.09)
    return left, np.logaddexp(*modes) - math.log(2)

"""Samplers: from noise x_T to data x_0 along the learned reverse process.

    ddpm                  ancestral sampling with any of four variances
    ddim                  a family between ddpm (eta = 1) and no noise (eta = 0)
    ddim_invert           ddim backwards, from data to noise (ode.py)
    euler, heun, dpmpp_2m      solvers of the probability-flow ODE, of order 1, 2 and 2 (ode.py)
    predictor_corrector, inpaint      (revisit.py)

A sampler is a generator. It yields (t_next, x) after every step, the last t_next being 0, and
leaves pictures, logs and stopping early to its caller; `last` takes the end only. In common:

    model     any callable model(xt, t), t a host int array (N,) as in training; returns an array or
              Tensor like xt, with variance="learned" one of twice its channels (the last axis)
    process   the forward process whose reverse is sampled
    xT        (N, ...) array, left as it is; x keeps its dtype and device all the way
    noise     a np.random.Generator, which draws on the device of x; or a function noise(t, shape)
              that returns an array there, t being the time that the step leaves. The last step
              draws none. Solvers of the ODE accept noise, so that all can be called alike, and
              draw none at all
    ts        the times visited, falling, within T ... 1 (see `timesteps`); all of them by default
    predicts  what the model returns: "eps", "x0", "v", "score" or "mu"
    clip      None, (lo, hi) or ("dynamic", p): bounds on the predicted x0, see `Denoiser`

Coefficients come from the float64 tables as Python floats: a step uploads nothing and waits for
nothing. Wrong arguments raise ValueError or TypeError at the call, a wrong answer of the model
raises at its step; both name the sampler, and t.

In formulas s is the time after t, c_t = sqrt(alpha_bar_t), n_t = sqrt(1 - alpha_bar_t), so that
x_t = c_t x0 + n_t eps; x0_hat and eps_hat are the model's. The DDIM paper calls alpha_bar alpha.
"""

from math import sqrt
from numbers import Real

from ..backend import xp_of
from .ancestral import ancestral_step
from .denoise import Denoiser, noise_source, run, timesteps
from .ode import ddim_invert, dpmpp_2m, euler, heun
from .process import combine
from .revisit import inpaint, predictor_corrector

__all__ = [  # noqa: RUF022 (in the order of the list above)
    "ddpm", "ddim", "ddim_invert", "euler", "heun", "dpmpp_2m", "predictor_corrector", "inpaint",
    "timesteps", "last",
]  # fmt: skip


def last(generator):
    """x_0: the x of the last step. Raises ValueError if it is not finite, on any device."""
    x = None
    for _, x in generator:  # noqa: B007 (the last x is the result)
        pass
    if x is None:
        raise ValueError("last() got a sampler that had ended already")
    if not xp_of(x).isfinite(x).all():
        raise ValueError(
            "sampling ended in NaN or infinity; the same run on the CPU names the step where the "
            "model first returns it"
        )
    return x


def ddpm(model, process, xT, *, noise, ts=None, variance="posterior", predicts="eps", clip=None):
    """Ancestral sampling: x_s = mean + sqrt(variance) z, the mean of q(x_s | x_t, x0_hat).

    From t to t - 1 the mean is (x_t - beta_t / n_t eps_hat) / sqrt(alpha_t): Ho et al. 2020,
    algorithm 2; nus-l8. A longer step has the coefficients of its own q(x_s | x_t, x0).

    variance   "posterior"  beta-tilde, exact where the data is one point
               "beta"       that of q(x_t | x_s), exact where the data is N(0, I)
               "learned"    between the two, by the model: see `learned_variance`
               an array     (T + 1,): entry t for the step that leaves t, whatever its length
    """
    ask = Denoiser("ddpm", model, process, predicts, clip)
    x, ts = ask.start(xT, ts)
    return run(ancestral_step(ask, noise_source("ddpm", noise), variance), x, ts)


def ddim(model, process, xT, *, noise=None, ts=None, eta=0.0, predicts="eps", clip=None):
    """x_s = c_s x0_hat + sqrt(n_s^2 - sigma^2) eps_hat + sigma z,  sigma^2 = eta^2 beta-tilde.

    With the true x0 and eps, x_s ~ q(x_s | x0) for every eta, so that one model serves them all
    (Song, Meng and Ermon 2021, equation 12). eta = 0 draws no noise: one x_T gives one x_0. eta = 1
    is `ddpm` with the posterior variance.
    """
    if not (isinstance(eta, Real) and 0 <= eta <= 1):
        raise ValueError(f"ddim: eta must lie in 0 ... 1, got {eta!r}")
    eta = float(eta)  # an np.float64 would turn x into float64
    if eta and noise is None:
        raise TypeError("ddim: eta > 0 draws noise, so `noise` is needed, such as a Generator")
    ask = Denoiser("ddim", model, process, predicts, clip)
    x, ts = ask.start(xT, ts)
    draw = noise_source("ddim", noise) if eta else None

    def step(x, t, s):
        x0, eps = ask(x, t, "x0", "eps")
        if s == 0:
            return x0
        # beta-tilde = r n_s^2, which makes n_s^2 - sigma^2 a product, never below 0 by rounding
        r = process.q_between(s, t)[1] / process.one_minus_alphas_bar[t]
        n2 = process.one_minus_alphas_bar[s]
        x_s = combine(sqrt(process.alphas_bar[s]), x0, sqrt(n2 * (1 - eta**2 * r)), eps)
        return x_s + eta * sqrt(n2 * r) * draw(t, x) if eta else x_s

    return run(step, x, ts)

"""Samplers with noise: ancestral steps, the DDIM family, correction, inpainting, times,
clipping."""

import numpy as np

from ..diffusion import grid as transport
from ..diffusion import samplers
from ..diffusion.mixture import GaussianMixture
from ..gaussian import Gaussian
from .entry import Param, equation
from .settings import (
    ROUNDING,
    SCHEDULE,
    SEED,
    STEPS,
    STEPS_2,
    TIME_2,
    normals,
    process_of,
)

SAMPLERS = "tinydiff.diffusion.samplers"
ETA = Param(0.5, 0.0, 1.0)


def answer(xt, t):
    """Some model of eps: any function of x_t and t will do."""
    return np.tanh(xt) * (1 + 0.1 * np.cos(t)).reshape(-1, 1)


def first(generator):
    """x after the first step."""
    return next(generator)[1]


def always(z):
    """A noise source that returns the same array at every step."""
    return lambda t, shape: z


@equation(
    "sampler.ancestral-step",
    "One step of sampling: the model's mean and sigma(t) of noise.",
    r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}"
    r"\,\epsilon_\theta(x_t, t)\right) + \sigma(t)\, z,\quad z \sim \mathcal{N}(0, I)",
    source="nus-l8 L563, L565, L567, L569, L645, L647, L649 (where it is sigma^2 z, and "
    "1/sqrt(alpha_bar)); ub-lecture L561; ch327 L68-71; Ho et al. 2020, algorithm 2",
    implements=f"{SAMPLERS}:ddpm", tolerance=1e-10,  # x_0 in between divides by sqrt(alpha_bar)
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, seed=SEED,
)  # fmt: skip
def ancestral_step(schedule, T, t, seed):
    """Left: the first step of the sampler, with the noise given. Right: the formula."""
    process = process_of(schedule, T)
    xt, z = normals(seed, (4, 1), (4, 1))
    left = first(samplers.ddpm(answer, process, xt, noise=always(z), ts=[t, t - 1]))
    beta, noise = process.betas[t], process.one_minus_alphas_bar
    mean = (xt - beta / np.sqrt(noise[t]) * answer(xt, np.full(4, t))) / np.sqrt(1 - beta)
    return left, mean + np.sqrt(beta * noise[t - 1] / noise[t]) * z


@equation(
    "sampler.last-step",
    "The last step adds no noise: it returns the model's x_0.",
    r"x_0 = \tilde x_0(x_1) = \frac{x_1 - \sqrt{1-\bar\alpha_1}\,\epsilon_\theta(x_1, 1)}"
    r"{\sqrt{\bar\alpha_1}}",
    source="nus-l8 L425, L567; Ho et al. 2020, algorithm 2",
    implements=f"{SAMPLERS}:ddpm", tolerance=ROUNDING,
    schedule=SCHEDULE, T=STEPS, seed=SEED, variance=Param("beta", choices=("beta", "posterior")),
)  # fmt: skip
def last_step(schedule, T, seed, variance):
    """Whatever variance is chosen, and whatever noise there would be: here 1e9."""
    process = process_of(schedule, T)
    (x1,) = normals(seed, (4, 1))
    noise = always(np.full((4, 1), 1e9))
    left = samplers.last(samplers.ddpm(answer, process, x1, noise=noise, ts=[1], variance=variance))
    c, n = np.sqrt(process.alphas_bar[1]), np.sqrt(process.one_minus_alphas_bar[1])
    return left, (x1 - n * answer(x1, np.ones(4))) / c


@equation(
    "sampler.gaussian-reverse",
    "On Gaussian data, with the best variance, the step is the true reverse.",
    r"q(x_{t-1}) = \int p_\theta(x_{t-1} \mid x_t)\, q(x_t)\, dx_t",
    source="Sohl-Dickstein et al. 2015, section 2.2; ub-lecture L562",
    implements=f"{SAMPLERS}:ddpm", tolerance=1e-8,  # x_0 divides by alpha_bar_t
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, m=Param(0.7, -2.0, 2.0),
    v=Param(0.4, 0.05, 3.0, log=True),
)  # fmt: skip
def gaussian_reverse(schedule, T, t, m, v):
    """Data N(m, v). Left: q(x_t) carried through the sampler's kernel, which is read off at x =
    0 and 1, with noise 0 and 1. Right: q(x_{t-1}). Not a sample is drawn."""
    process = process_of(schedule, T)
    c2, noise = process.alphas_bar, process.one_minus_alphas_bar
    a = np.append(0.0, np.sqrt(c2[:-1]) * process.betas[1:] / noise[1:])
    best = process.posterior_variance + a**2 * v * noise / (c2 * v + noise)
    model = GaussianMixture([1.0], [[m]], [[v]]).model(process)
    x, z = np.array([[0.0], [1.0], [0.0]]), np.array([[0.0], [0.0], [1.0]])
    ends = first(samplers.ddpm(model, process, x, noise=always(z), ts=[t, t - 1], variance=best))[
        :, 0
    ]
    offset, slope, std = ends[0], ends[1] - ends[0], ends[2] - ends[0]
    at = slope * np.sqrt(c2[t]) * m + offset, slope**2 * (c2[t] * v + noise[t]) + std**2
    return np.array(at), np.array([np.sqrt(c2[t - 1]) * m, c2[t - 1] * v + noise[t - 1]])


@equation(
    "sampler.ddim-step",
    "The DDIM family: some of the noise is the model's, the rest fresh.",
    r"x_s = \sqrt{\bar\alpha_s}\,\tilde x_0 +"
    r" \sqrt{1-\bar\alpha_s-\sigma^2}\;\epsilon_\theta(x_t, t)"
    r" + \sigma z,\quad \sigma^2 = \eta^2\,\frac{1-\bar\alpha_s}{1-\bar\alpha_t}"
    r"\left(1 - \frac{\bar\alpha_t}{\bar\alpha_s}\right)",
    source="Song, Meng and Ermon 2021, equations 12 and 16; ch327 L72",
    implements=f"{SAMPLERS}:ddim", tolerance=1e-10,
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, s=Param(400, 1, "t-1"), eta=ETA, seed=SEED,
)  # fmt: skip
def ddim_step(schedule, T, t, s, eta, seed):
    """Left: the first step, over any stride. Right: the formula; 1 - alpha_bar_t / alpha_bar_s
    from the betas in between, and the variance left for the model's noise as a difference, as
    printed."""
    process = process_of(schedule, T)
    xt, z = normals(seed, (4, 1), (4, 1))
    left = first(samplers.ddim(answer, process, xt, noise=always(z), ts=[t, s], eta=eta))
    eps = answer(xt, np.full(4, t))
    noise = process.one_minus_alphas_bar
    x0 = (xt - np.sqrt(noise[t]) * eps) / np.sqrt(process.alphas_bar[t])
    added = -np.expm1(np.log1p(-process.betas[s + 1 : t + 1]).sum())
    sigma2 = eta**2 * noise[s] / noise[t] * added
    rest = max(noise[s] - sigma2, 0.0)
    return left, np.sqrt(process.alphas_bar[s]) * x0 + np.sqrt(rest) * eps + np.sqrt(sigma2) * z


@equation(
    "sampler.ddim-is-ddpm",
    "With eta = 1 DDIM is DDPM with the posterior variance.",
    r"\eta = 1:\quad \sigma^2 = \tilde\beta_t,\qquad"
    r" \sqrt{\bar\alpha_{t-1}}\,\tilde x_0 +"
    r" \sqrt{1-\bar\alpha_{t-1}-\tilde\beta_t}\;\epsilon_\theta"
    r" = \mu_\theta(x_t, t)",
    source="Song, Meng and Ermon 2021, section 4.1",
    implements=f"{SAMPLERS}:ddim", tolerance=1e-9,  # 60 steps, each through x_0
    schedule=SCHEDULE, T=Param(40, 1, 60), seed=SEED,
)  # fmt: skip
def ddim_is_ddpm(schedule, T, seed):
    """Left: the whole chain by DDIM. Right: a loop of the posterior's formulas, with the same
    noise."""
    process = process_of(schedule, T)
    xT, *z = normals(seed, (4, 1), *[(4, 1)] * (T + 1))
    left = samplers.last(samplers.ddim(answer, process, xT, noise=lambda t, shape: z[t], eta=1.0))
    x = xT
    for t in range(T, 0, -1):
        beta, noise = process.betas[t], process.one_minus_alphas_bar
        x = (x - beta / np.sqrt(noise[t]) * answer(x, np.full(4, t))) / np.sqrt(1 - beta)
        x = x + np.sqrt(beta * noise[t - 1] / noise[t]) * z[t]
    return left, x


@equation(
    "sampler.ddim-marginals",
    "Every eta has the same marginals q(x_s | x_0).",
    r"\int q_\sigma(x_s \mid x_t, x_0)\, q(x_t \mid x_0)\, dx_t ="
    r" \mathcal{N}\left(\sqrt{\bar\alpha_s}\,x_0,\ (1-\bar\alpha_s) I\right)",
    source="Song, Meng and Ermon 2021, lemma 1",
    implements=f"{SAMPLERS}:ddim", tolerance=1e-8,  # moments are read off differences of ends
    schedule=SCHEDULE, T=STEPS_2, t=TIME_2, s=Param(400, 1, "t-1"), eta=ETA,
    x0=Param(0.7, -2.0, 2.0),
)  # fmt: skip
def ddim_marginals(schedule, T, t, s, eta, x0):
    """The model knows x_0, so the kernel is linear: read off at two x_t, and with noise 1. Left:
    what it makes of q(x_t | x_0). Right: q(x_s | x_0). This is why one network serves every eta."""
    process = process_of(schedule, T)
    c, noise = np.sqrt(process.alphas_bar), process.one_minus_alphas_bar
    knows = lambda xt, i: (xt - c[t] * x0) / np.sqrt(noise[t])  # noqa: E731
    typical = c[t] * x0 + np.sqrt(noise[t]) * np.array([[0.0], [1.0], [0.0]])
    z = np.array([[0.0], [0.0], [1.0]])
    ends = first(samplers.ddim(knows, process, typical, noise=always(z), ts=[t, s], eta=eta))[:, 0]
    left = ends[0], (ends[1] - ends[0]) ** 2 + (ends[2] - ends[0]) ** 2
    return np.array([*left, 1.0]), np.array([c[s] * x0, noise[s], 1.0])


@equation(
    "sampler.one-or-many",
    "From one x_T, DDIM makes one x_0 and DDPM many.",
    r"\mathrm{Var}_{ddim}(x_0 \mid x_T) = 0,\qquad"
    r" \mathrm{Var}_{ddpm}(x_0 \mid x_T) = \alpha_1 - \bar\alpha_T \quad (q(x_0) ="
    r" \mathcal{N}(0, 1))",
    source="ch327 L72; nus-l8 L721; Song, Meng and Ermon 2021, section 5",
    implements=f"{SAMPLERS}:ddpm", tolerance=1e-9,
    schedule=SCHEDULE, T=Param(40, 2, 60),
)  # fmt: skip
def one_or_many(schedule, T):
    """Data N(0, 1), whose exact eps is sqrt(1 - alpha_bar) x_t. Each of T runs gets noise 1 at
    one step and 0 elsewhere. Left: variance of x_0, the sum of squared responses, for ddpm; then
    the spread of DDIM's. Right: each step is x_{t-1} = sqrt(alpha_t) x_t + sqrt(beta_t) z and
    the last one has no z, so the variance is alpha_1 (1 - alpha_2 ... alpha_T)."""
    process = process_of(schedule, T)
    model = lambda xt, t: xt * np.sqrt(process.one_minus_alphas_bar[t]).reshape(-1, 1)  # noqa: E731
    xT = np.full((T + 1, 1), 0.5)
    one_hot = lambda t, shape: np.eye(T + 1)[t][:, None]  # noqa: E731  (run t is moved at step t)
    ends = samplers.last(samplers.ddpm(model, process, xT, noise=one_hot, variance="beta"))[:, 0]
    alike = samplers.last(samplers.ddim(model, process, xT, noise=one_hot, eta=0.0))
    alphas = 1 - process.betas
    right = alphas[1] * (1 - np.prod(alphas[2:]))
    return (((ends - ends[0]) ** 2).sum(), float(np.ptp(alike))), (right, 0.0)


@equation(
    "sampler.transport",
    "A sampler moves a density, with no Monte-Carlo noise.",
    r"p_{t-1}(x) = \int \mathcal{N}\left(x;\ \mu_\theta(x_t, t),\ \sigma_t^2\right) p_t(x_t)\,"
    r" dx_t",
    source="nus-l8 L567",
    implements="tinydiff.diffusion.grid:push_density", tolerance=1e-6,  # splines on a grid of 0.01
    T=Param(10, 2, 15), v=Param(0.4, 0.1, 2.0, log=True),
)  # fmt: skip
def transported(T, v):
    """Data N(0, v), schedule cosine, variance beta: every step is linear. Left: N(0, 1) pushed
    through all of them on a grid. Right: the Gaussian that the same steps make, by its variance
    alone."""
    process = process_of("cosine", T)
    model = GaussianMixture([1.0], [0.0], [v]).model(process)
    x = np.linspace(-10, 10, 2001)
    left = transport.push_density(
        samplers.ddpm, process, model, x, Gaussian(0.0, 1.0).pdf(x), variance="beta"
    )
    variance = 1.0
    for t in range(T, 0, -1):
        c2, noise = process.alphas_bar[t], process.one_minus_alphas_bar[t]
        eps = np.sqrt(noise) / (c2 * v + noise)  # the exact model's slope
        slope = (1 - process.betas[t] / np.sqrt(noise) * eps) / np.sqrt(1 - process.betas[t])
        variance = slope**2 * variance + (process.betas[t] if t > 1 else 0.0)
    return left, Gaussian(0.0, variance).pdf(x)

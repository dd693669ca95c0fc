"""Errata of other implementations and their notes, where the wrong number can be computed here.

DDPM is the linear schedule 1e-4 ... 0.02 with T = 1000.
"""

import math

import numpy as np

from .. import nn, ops
from ..diffusion import ancestral, bound, forms, guidance, samplers
from ..diffusion.process import Process
from ..functional import grad
from . import entry
from .entry import erratum
from .errata_nus import DIGITS
from .forward import moments
from .sampling import always
from .settings import DDPM, MIXTURE, hermite
from .terms import kl_by_quadrature
from .variance import unexplained

UDLBOOK = np.append(0.0, np.full(100, 0.01511))  # one beta for all of its 100 steps


@erratum(
    "E-P1", "labml writes L_{t-1} with sigma^2 = beta and drops its constant.", verdict="WRONG",
    printed=r"L_{t-1} = \mathbb{E}\left[\tfrac{1}{2\sigma^2}\|\cdot\|^2\right]",
    correct=r"\cdots + \tfrac12\left(\log\tfrac{\beta}{\tilde\beta} +"
    r" \tfrac{\tilde\beta}{\beta} - 1\right)",
    source="labml annotated ddpm/__init__.py, line 113", tolerance=DIGITS,
    implements="tinydiff.diffusion.forms:kl_form",
)  # fmt: skip
def p1():
    """DDPM: over t = 2 ... 1000 the constant is 0.337 nats, 0.486 bits a dimension, with the
    means equal. Left: 0 as printed; the divergences added up. Right: by quadrature, in units of
    beta-tilde."""
    zero = np.zeros((999, 1))
    tilde, beta = DDPM.posterior_variance[2:, None], DDPM.betas[2:, None]
    nats = forms.kl_form(zero, tilde, zero, beta).sum()
    right = sum(kl_by_quadrature(0.0, 1.0, 0.0, ratio) for ratio in (beta / tilde)[:, 0])
    return (0.0, (nats, nats / math.log(2))), (0.0, (right, right / math.log(2)))


@erratum(
    "E-P2", "labml's guidance formula has the sign of its second term wrong.", verdict="WRONG",
    printed=r"s\,\epsilon_c + (s-1)\,\epsilon_u", correct=r"s\,\epsilon_c - (s-1)\,\epsilon_u",
    source="labml annotated stable_diffusion/sampler/__init__.py, lines 50, 66, 91, 113",
    implements="tinydiff.diffusion.guidance:classifier_free", tolerance=DIGITS,
)  # fmt: skip
def p2():
    """s = 7.5 and eps_c = eps_u = 1, a condition that changes nothing: 14 instead of 1."""
    one = np.ones((1, 1))
    left = guidance.classifier_free(lambda xt, t, y: one, 1, 7.5)(one, np.ones(1, int))[0, 0]
    return (7.5 * 1 + 6.5 * 1, left), (14.0, 1.0)


@erratum(
    "E-P3", "labml's sampler adds noise in the last step as well.", verdict="WRONG",
    printed=r"x_0 = \mu_\theta + \sqrt{\beta_1}\,z", correct=r"x_0 = \mu_\theta",
    source="labml annotated ddpm/__init__.py, line 260", tolerance=DIGITS,
    implements="tinydiff.diffusion.samplers:ddpm",
)  # fmt: skip
def p3():
    """DDPM, a model that returns 0: from x_1 = 1 with z = 1, 1.01005 instead of 1 /
    sqrt(alpha_1)."""
    x1, zero = np.ones((1, 1)), lambda xt, t: 0 * xt
    step = samplers.ddpm(zero, DDPM, x1, noise=always(x1), ts=[1], variance="beta")
    right = 1 / math.sqrt(1 - 1e-4)
    return (right + math.sqrt(DDPM.betas[1]), samplers.last(step)[0, 0]), (1.01005000, right)


@erratum(
    "E-P4", "deep-learning-from-scratch-5 reads alpha_bar_0 at the end of its table.",
    verdict="WRONG",
    printed=r"\texttt{alpha\_bars[t\_idx-1]},\ t = 1", correct=r"\bar\alpha_0 = 1",
    source="deep-learning-from-scratch-5 step09/diffusion_model.py, line 138", tolerance=DIGITS,
    implements="tinydiff.diffusion.process:Process.__init__",
)  # fmt: skip
def p4():
    """DDPM: the noise of the last step has standard deviation 0.99998 instead of 0."""
    table = np.cumprod(1 - DDPM.betas[1:])
    beta = DDPM.betas[1]
    process = Process(DDPM.betas)
    printed = math.sqrt(beta * (1 - table[0 - 1]) / (1 - table[0]))
    return (printed, (process.posterior_variance[1], process.alphas_bar[0])), (
        0.999979821,
        (0.0, 1.0),
    )


@erratum(
    "E-P5", "deep-learning-from-scratch-5 gives a cosine another frequency than its sine.",
    verdict="WRONG", printed=r"\cos\left(t / 10000^{i/D}\right),\ i \text{ odd}",
    correct=r"\cos\left(t / 10000^{(i-1)/D}\right)", tolerance=1e-5,
    source="deep-learning-from-scratch-5 step09/diffusion_model.py, line 37",
    implements="tinydiff.nn:sinusoidal",
)  # fmt: skip
def p5():
    """D = 16, t = 10: sin^2 + cos^2 of the pair 2, 3 is 0.0429 instead of 1. The tolerance is
    float32's."""
    w = 10000.0 ** (-np.arange(16) / 16)
    printed = math.sin(10 * w[2]) ** 2 + math.cos(10 * w[3]) ** 2
    embedded = nn.sinusoidal(np.array([10]), 16)[0].astype(float)
    return (printed, (embedded**2).sum() / 8), (0.0428628278, 1.0)


@erratum(
    "E-P6", "The udlbook notebooks end their chain well short of N(0, 1).", verdict="MISLEADING",
    printed=r"z_T \sim \mathcal{N}(0, 1),\ T = 100",
    correct=r"\bar\alpha_T = (1-\beta)^{100} = 0.218,\ \beta = 0.01511",
    source="udlbook notebooks 18.3 and 18.4", implements="tinydiff.diffusion.bound:prior",
    tolerance=DIGITS,
)  # fmt: skip
def p6():
    """L_T at x_0 = 1 is taken to be 0; it is 0.1231 nats. Right: by quadrature."""
    process = Process(UDLBOOK)
    ab = process.alphas_bar[-1]
    right = kl_by_quadrature(math.sqrt(ab), 1 - ab, 0.0, 1.0)
    return ((0.0, ab), bound.prior(process, np.ones((1, 1)))[0]), ((0.0, 0.218158827), right)


@erratum(
    "E-P7", "Tables in float32 lose digits of 1 - alpha_bar in the first steps.",
    verdict="MISLEADING",
    printed=r"\texttt{1 - cumprod}\ \text{in float32}", correct=r"-\mathrm{expm1}\sum\log(1-\beta)",
    source="diffusers scheduling_ddpm.py (the golden sum 387.9466 of its tests contains the error)",
    implements="tinydiff.diffusion.process:Process.__init__", tolerance=DIGITS,
)  # fmt: skip
def p7():
    """DDPM at t = 1: 1.00017e-4 instead of 1e-4. Right: beta_1 itself."""
    betas = np.linspace(1e-4, 0.02, 1000, dtype=np.float32)
    printed = 1 - np.cumprod(np.float32(1) - betas)[0]
    return (float(printed), Process(DDPM.betas).one_minus_alphas_bar[1]), (1.00016594e-4, 1e-4)


@erratum(
    "E-P8", "diffusers takes the root of a log variance.", verdict="WRONG",
    printed=r"\sigma = \sqrt{\log\beta_t}", correct=r"\sigma = \sqrt{\exp(\log\beta_t)}",
    source="diffusers 0.42.1 DDPMScheduler(variance_type='fixed_large_log')", tolerance=DIGITS,
    implements="tinydiff.diffusion.ancestral:learned_variance",
)  # fmt: skip
def p8():
    """DDPM: log beta_t is negative at every t, so all 999 noisy steps are NaN. Left: how many;
    the variance of the step from t = 500 by its logarithm. Right: beta_500."""
    with np.errstate(invalid="ignore"):
        broken = np.isnan(np.sqrt(np.log(DDPM.betas[2:]))).sum()
    left = ancestral.learned_variance(DDPM, np.ones(1), 500, 499)[0]
    return (broken, left), (999, np.linspace(1e-4, 0.02, 1000)[499])


@erratum(
    "E-P9", "The variance said to give 'a better decoder log likelihood' may give a worse one.",
    verdict="MISLEADING", printed=r"\sigma_1^2 = \tilde\beta_2",
    correct=r"\sigma_1^2 = \beta_1,\ \text{on this data}",
    source="improved-diffusion gaussian_diffusion.py, line 279", tolerance=1e-5,
    implements="tinydiff.diffusion.bound:terms",
)  # fmt: skip
def p9():
    """The mixture under DDPM: L_0 is -3.0735 with beta-tilde_2 and -3.1867 with beta_1. Left:
    both by the bound, x_0 and the noise at Hermite's nodes. Right: recorded; (log 2 pi beta_1 +
    E Var / beta_1) / 2."""
    z, w = hermite(40)
    x0 = 2 + 0.3 * np.repeat(z, 40)[:, None]
    eps, weight = np.tile(z, 40)[:, None], np.outer(w, w).ravel()
    model, left = MIXTURE.model(DDPM), []
    for first in (DDPM.posterior_variance[2], DDPM.betas[1]):
        table = np.append([0.0, first], DDPM.betas[2:])
        found = bound.terms(
            lambda xt, t: model(xt[:, 0], t)[:, None], DDPM, x0, noise=lambda t, shape: eps,
            ts=[1], variance=table,
        )  # fmt: skip
        left.append(weight @ found.L[:, 1])
    error = unexplained(DDPM.alphas_bar[1], DDPM.one_minus_alphas_bar[1])
    return tuple(left), (-3.07345527, (math.log(2 * math.pi * 1e-4) + error / 1e-4) / 2)


@erratum(
    "E-P10", "smalldiffusion's tests compare tensors by a signed sum.", verdict="WRONG",
    printed=r"\sum_i (a_i - b_i) = 0", correct=r"\max_i |a_i - b_i| = 0",
    source="smalldiffusion tests/test_diffusion.py, line 27", tolerance=DIGITS,
    implements="tinydiff.derivation.entry:distance",
)  # fmt: skip
def p10():
    """(1, -1) against (2, -2): the signed sum is 0, the largest difference half the largest
    entry."""
    a, b = np.array([1.0, -1.0]), np.array([2.0, -2.0])
    return ((a - b).sum(), entry.distance(a, b)), (0.0, 0.5)


@erratum(
    "E-P11", "denoising-diffusion-pytorch clamped min-SNR weights from the wrong side.",
    verdict="WRONG",
    printed=r"\max(\mathrm{SNR}, 5)", correct=r"\min(\mathrm{SNR}, 5)",
    source="denoising-diffusion-pytorch, continuous time, until pull request 363", tolerance=DIGITS,
    implements="tinydiff.diffusion.bound:x0_weight",
)  # fmt: skip
def p11():
    """DDPM at t = 2 and 500: 4546 and 5 instead of 5 and 0.0853."""
    snr = DDPM.snr[[2, 500]]
    signal = [np.prod(1 - DDPM.betas[1 : t + 1]) for t in (2, 500)]
    left = tuple(bound.x0_weight(DDPM, np.array([2, 500]), "min_snr"))
    right = min(signal[0] / (1 - signal[0]), 5.0), min(signal[1] / (1 - signal[1]), 5.0)
    return (tuple(np.maximum(snr, 5)), left), ((4546.35766, 5.0), right)


@erratum(
    "E-P12", "DeZero's batch normalisation is differentiated once, not twice.", verdict="WRONG",
    printed=r"\frac{\partial}{\partial x} \left[\tfrac1\sigma \left(g - \bar g -"
    r" \hat x\,\overline{g \hat x}\right)\right],\ \sigma \text{ constant}",
    correct=r"\sigma = \sigma(x)", source="DeZero functions.py, BatchNorm.backward", tolerance=1e-7,
    implements="tinydiff.ops:batch_norm",
)  # fmt: skip
def p12():
    """Its gradient is right, but computed with the batch's 1 / sigma as a number without history,
    so that the gradient of the gradient lacks what sigma contributes. Five numbers: off by up to
    6.8, where the largest is 5.4. Left: both by the tape. Right: recorded; differences of the
    gradient, written out."""
    x, g, w = np.random.default_rng(0).standard_normal((3, 5, 1))

    def slope(x, inverse):
        """The gradient of sum(g * y), 1 / sigma given."""
        mean = lambda v: ops.mean(v, axis=0, keepdims=True)  # noqa: E731
        y = (x - mean(x)) * inverse
        return inverse * (g - g.mean() - y * mean(g * y))

    def of(x):
        return 1 / np.sqrt(x.var() + 1e-5)

    once = grad(lambda x: ops.sum(g * ops.batch_norm(x, None, None, 1e-5)))
    twice = grad(lambda x: ops.sum(w * once(x)))(x)
    fixed = of(x)
    printed = grad(lambda x: ops.sum(w * slope(x, fixed)))
    steps = 1e-5 * np.eye(5)[:, :, None]
    ends = [[(w * slope(x + s * e, of(x + s * e))).sum() for s in (1, -1)] for e in steps]
    recorded = np.array([-0.323095018, -0.306935804, 7.65347270, -4.69550472, -2.32793716])
    return (printed(x).ravel(), twice.ravel()), (recorded, np.subtract(*np.transpose(ends)) / 2e-5)


@erratum(
    "E-P13", "smalldiffusion's samplers end at the smallest noise of training, not at none.",
    verdict="MISLEADING", printed=r"\sigma: \sigma_T, \dots, \sigma_1",
    correct=r"\sigma_T, \dots, \sigma_1, 0", source="smalldiffusion diffusion.py, line 33",
    implements="tinydiff.diffusion.samplers:ddim", tolerance=DIGITS,
)  # fmt: skip
def p13():
    """DDPM's schedule, all data at 1: what it returns is still off by 0.0100 eps. Left: that; x_0
    by `ddim` from x_T = -2 and 3. Right: the point itself, twice."""
    sigma = math.sqrt(1 / DDPM.alphas_bar[1] - 1)
    model = lambda xt, t: 1 + 0 * xt  # noqa: E731
    ends = samplers.last(samplers.ddim(model, DDPM, np.array([-2.0, 3.0]), predicts="x0"))
    return (sigma, ends), (0.0100005000, np.ones(2))


@erratum(
    "E-P14", "The udlbook notebooks add noise in the last step as well.", verdict="WRONG",
    printed=r"\texttt{for t in range(T,0,-1): if t>0: } z_{t-1} \mathrel{+}= \sigma_t\epsilon",
    correct=r"t > 1", source="udlbook notebooks 18.3 and 18.4", tolerance=DIGITS,
    implements="tinydiff.diffusion.samplers:ddpm",
)  # fmt: skip
def p14():
    """Its sigma_t is 0.12288, so that the narrowest mode of its data, 0.075 wide, ends 0.144 wide.
    Left: from z_1 = 1 with eps = 1 and a model that returns 0. Right: 1 / sqrt(1 - beta)."""
    z1, zero = np.ones((1, 1)), lambda xt, t: 0 * xt
    last = samplers.ddpm(zero, Process(UDLBOOK), z1, noise=always(z1), ts=[1], variance="beta")
    right = 1 / math.sqrt(1 - 0.01511)
    printed = right + 0.12288, math.hypot(0.075, 0.12288)
    return (printed, samplers.last(last)[0, 0]), ((1.13052171, 0.143960044), right)


@erratum(
    "E-P15", "The udlbook notebooks train the model of t + 1 on data of time t.", verdict="WRONG",
    printed=r"\texttt{all\_models[t]}: z_{t+1} \mapsto \epsilon,\ \text{trained at } (1-\beta)^t",
    correct=r"(1-\beta)^{t+1}", source="udlbook notebooks 18.3 and 18.4", tolerance=DIGITS,
    implements="tinydiff.diffusion.process:Process.q_sample",
)  # fmt: skip
def p15():
    """Index 0 and 50: it sees noise of standard deviation 0 and 0.730, where it is asked at 0.123
    and 0.735. Index 0 has nothing to learn from. Right: step by step."""
    process, x = Process(UDLBOOK), np.zeros(1)
    printed = [math.sqrt(1 - (1 - 0.01511) ** t) for t in (0, 50)]
    left = [moments(lambda x, eps, t=t: process.q_sample(x, t, eps), x)[1][0] for t in (1, 51)]
    variances = [0.0]
    for _ in range(51):
        variances.append((1 - 0.01511) * variances[-1] + 0.01511)
    return (tuple(printed), tuple(left)), (
        (0.0, 0.730017291), (math.sqrt(variances[1]), math.sqrt(variances[51])),
    )  # fmt: skip

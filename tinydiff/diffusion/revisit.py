"""Samplers that visit a time more than once: to correct x there, or to fit it to what is known.

Arguments and errors are those of `samplers`.
"""

from math import sqrt
from numbers import Real

from ..backend import check_devices, is_array, xp_of
from .ancestral import ancestral_step
from .denoise import Denoiser, check_count, check_start, noise_source, run


def predictor_corrector(
    model, process, xT, *, noise, snr, n_corrector=1, ts=None,
    variance="posterior", predicts="eps", clip=None,
):  # fmt: skip
    """An ancestral step to s, then n_corrector steps of Langevin dynamics at s:

        x <- x + e score(x, s) + sqrt(2 e) z,     e = 2 alpha_s (snr n_s)^2.

    These leave q(x_s) as it is, up to O(e), and so repair what the predictor has spoilt. Song et
    al. 2021, algorithm 5, has |z| / |score| in place of n_s. As score = -eps / n_s, the two agree
    where the model's eps is as large as z; with n_s the step is one kernel, whatever the batch. At
    s = 0 there is no score, and nothing is corrected. noise(s, shape) is the corrector's.
    """
    if not (isinstance(snr, Real) and 0 < snr < 1):
        raise ValueError(f"predictor_corrector: snr must lie between 0 and 1, got {snr!r}")
    check_count("predictor_corrector", "n_corrector", n_corrector, least=0)
    ask = Denoiser("predictor_corrector", model, process, predicts, clip)
    x, ts = ask.start(xT, ts)
    draw = noise_source(ask.sampler, noise)
    predict = ancestral_step(ask, draw, variance)
    heads = 2 if isinstance(variance, str) and variance == "learned" else 1

    def step(x, t, s):
        x = predict(x, t, s)
        e = float(2 * process.alphas[s] * snr**2 * process.one_minus_alphas_bar[s])
        for _ in range(n_corrector if s else 0):
            out = ask.answer(x, s, heads)[..., : x.shape[-1]]
            (score,) = ask.forms(out, x, s, "score")
            x = x + e * score + sqrt(2 * e) * draw(s, x)
        return x

    return run(step, x, ts)


def inpaint(
    model, process, xT, *, x0, mask, noise, resample=1, ts=None,
    variance="posterior", predicts="eps", clip=None,
):  # fmt: skip
    """Sample the part of x0 where `mask` is False, given the part where it is True.

    After every step t -> s the known part is replaced by x0 noised to s, drawn anew. The unknown
    part was sampled before that draw, so the two need not fit. Going back up, x_t ~ q(x_t | x_s),
    and down again, `resample` times in all, lets them agree (Lugmayr et al. 2022, algorithm 1).
    This nears the model's conditional without reaching it, since the known part is drawn from
    q(x_s | x0), blind to the unknown one; and it repeats the error of the step's variance, so that
    "posterior" ends too narrow. noise(s, shape) serves the known part and the way up.
    """
    check_count("inpaint", "resample", resample, least=1)
    ask = Denoiser("inpaint", model, process, predicts, clip)
    x, ts = ask.start(xT, ts)
    known = check_start("inpaint", x0)
    if known.shape != x.shape or known.dtype != x.dtype:
        raise ValueError(
            f"inpaint: x0 must be like xT, {x.dtype} of {x.shape}, got {known.dtype} of "
            f"{known.shape}"
        )
    if not is_array(mask) or mask.dtype != bool:
        raise TypeError("inpaint: mask must be an array of bools, True where x0 is known")
    check_devices((x, known, mask))
    xp = xp_of(x)
    try:
        mask = xp.broadcast_to(mask, x.shape)
    except ValueError:
        raise ValueError(
            f"inpaint: mask must broadcast to the shape {x.shape} of xT, got {mask.shape}"
        ) from None
    draw = noise_source(ask.sampler, noise)
    reverse = ancestral_step(ask, draw, variance)

    def step(x, t, s):
        if s == 0:
            return xp.where(mask, known, reverse(x, t, 0))
        scale, spread = process.q_between(s, t)
        for visit in range(resample):
            if visit:
                x = scale * x + sqrt(spread) * draw(s, x)
            x = reverse(x, t, s)
            x = xp.where(mask, process.q_sample(known, s, draw(s, x)), x)
        return x

    return run(step, x, ts)

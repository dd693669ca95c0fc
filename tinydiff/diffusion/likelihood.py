"""The log-likelihood of data under a model, by the probability-flow ODE.

With phi_t = arctan(sqrt(1 - alpha_bar_t) / sqrt(alpha_bar_t)), x_t = cos(phi) x0 + sin(phi) eps
turns from data (phi = 0) to noise, and the ODE with the marginals q(x_t) is (Salimans and Ho 2022,
appendix D; the slope is the quantity that they call v)

    dx / d phi = E[cos(phi) eps - sin(phi) x0 | x] = v_hat(x, phi).

A density that it carries along changes by d log p(x) / d phi = -div v_hat (Chen et al. 2018), so

    log p(x0) = log p_T(x_T) + integral_0^phi_T div v_hat d phi,

in nats: exact for the density that the model's own ODE makes of the prior p_T.

The solver asks for v_hat between the times 1 ... T, at which alone a model is trained. A polynomial
in phi is put through the 12 nearest. Below t = 1 their mirror image serves: -phi is the noise -eps,
so that v_hat(x, -phi) = -v_hat(x, phi). On a mixture with modes 0.3 wide this leaves an error of
3e-7 nats at T = 100, and less than 1e-10 at T = 1000.
"""

import math

import numpy as np

from .. import ops
from ..backend import is_array, to_device_of, to_host
from ..functional import vjp
from ..tensor import Tensor
from .conversions import NAMES
from .denoise import check_count
from .process import cast

NODES = 12


def ode_logp(
    model, process, x0, *, predicts="eps", prior="normal", divergence="exact",
    rng=None, probes=16, rtol=1e-8, atol=1e-8,
):  # fmt: skip
    """(log p, its standard error) of each example of x0 (N, ...): host float64 (N,), in nats.

    model       must compute with Tensors: div v_hat is read off the tape
    prior       p_T: "normal", or an object whose logpdf takes (N, ...) and returns (N,), such as
                mixture.noised(process, T). N(0, I) errs by what is left of the data at T
    divergence  "exact": the trace, one backward pass for each dimension; standard error 0.
                "hutchinson": div v = E z^T (dv/dx) z over random signs z (Grathwohl et al. 2019).
                `probes` of them are drawn once from rng, each gives an estimate of log p, and the
                mean of the estimates and its standard error come back
    rtol, atol  of scipy's DOP853. The model computes in the dtype of x0; float32 limits the result
                to about 1e-5
    """
    x0 = x0.data if isinstance(x0, Tensor) else x0
    _check(x0, prior, predicts)
    D = math.prod(x0.shape[1:])
    z = _probes(divergence, rng, probes, D).reshape((-1, 1, *x0.shape[1:]))  # (K, 1, ...)
    v_hat = _field(model, process, predicts)
    here = lambda a: to_device_of(a.astype(x0.dtype), x0)  # noqa: E731

    def slope(phi, state):
        x = here(state[: x0.size].reshape(x0.shape))
        v, pull = vjp(lambda x: v_hat(x, phi), x)
        rows = [here(np.broadcast_to(row, x0.shape)) for row in z]
        traces = [to_host(row * pull(row)[0]).reshape(len(x0), D).sum(axis=1) for row in rows]
        found = np.concatenate([to_host(v.data).ravel(), *traces])
        if not np.isfinite(found).all():
            raise ValueError(f"ode_logp at phi = {phi:.4g}: the model returned NaN or infinity")
        return found

    from scipy.integrate import solve_ivp  # 0.2 s to import, so only when asked for

    start = np.concatenate([to_host(x0).ravel(), np.zeros(len(z) * len(x0))])
    end = solve_ivp(slope, (0, angles(process)[-1]), start, "DOP853", rtol=rtol, atol=atol)
    if not end.success:
        raise ValueError(f"ode_logp: the solver stopped at phi = {end.t[-1]:.4g}: {end.message}")
    x_T = end.y[: x0.size, -1].reshape(x0.shape)
    estimates = end.y[x0.size :, -1].reshape(len(z), len(x0))
    if divergence == "exact":
        integral, stderr = estimates.sum(axis=0), np.zeros(len(x0))
    else:
        integral, stderr = estimates.mean(axis=0), estimates.std(axis=0, ddof=1) / math.sqrt(probes)
    return _log_prior(prior, x_T) + integral, stderr


def _check(x0, prior, predicts):
    if not is_array(x0) or x0.dtype.kind != "f" or x0.ndim == 0:
        raise TypeError("ode_logp: x0 must be a floating-point array or Tensor (N, ...)")
    if not x0.size:
        raise ValueError(f"ode_logp: x0 needs at least one example, got shape {x0.shape}")
    if not np.isfinite(to_host(x0)).all():
        raise ValueError("ode_logp: x0 holds NaN or infinity")
    if predicts not in NAMES:
        raise ValueError(f"ode_logp: predicts is one of {', '.join(NAMES)}, got {predicts!r}")
    if not (prior == "normal" if isinstance(prior, str) else hasattr(prior, "logpdf")):
        raise ValueError(f"ode_logp: prior is 'normal' or an object with logpdf, got {prior!r}")


def _probes(divergence, rng, probes, D):
    """The vectors z, (K, D), for which z^T (dv/dx) z is integrated."""
    if divergence == "exact":
        return np.eye(D)
    if divergence != "hutchinson":
        raise ValueError(f"ode_logp: divergence is 'exact' or 'hutchinson', got {divergence!r}")
    if not isinstance(rng, np.random.Generator):
        raise TypeError("ode_logp: divergence='hutchinson' needs rng, a np.random.Generator")
    check_count("ode_logp", "probes", probes, least=2)  # fewer have no standard error
    return rng.choice([-1.0, 1.0], size=(probes, D))


def _log_prior(prior, x):
    if prior == "normal":
        x = x.reshape(len(x), -1)
        return -(x**2).sum(axis=1) / 2 - x.shape[1] / 2 * math.log(2 * math.pi)
    return np.asarray(prior.logpdf(x)).reshape(len(x))


def angles(process):
    """phi_t for t = 0 ... T: 0 for data, pi / 2 for pure noise; float64 (T + 1,)."""
    return np.arctan2(np.sqrt(process.one_minus_alphas_bar), np.sqrt(process.alphas_bar))


def _field(model, process, predicts):
    """v_hat(x, phi) for Tensors x (N, ...) and any phi in 0 ... phi_T."""
    phi_t = angles(process)

    def v_hat(x, phi):
        times, weights = interpolation(phi_t, phi)
        t = np.repeat(times, len(x))
        many = ops.reshape(ops.broadcast_to(x, (len(times), *x.shape)), (len(t), *x.shape[1:]))
        out = model(many, t)
        if not isinstance(out, Tensor) or not out.requires_grad:
            raise TypeError(
                "ode_logp differentiates the model, but its output for a Tensor leaves no tape; "
                "write the model with Tensor operators and td.ops, without no_grad or .data"
            )
        v = process.convert(out, many, t, predicts, "v") * cast(np.repeat(weights, len(x)), many)
        return ops.sum(ops.reshape(v, (len(times), *x.shape)), axis=0)

    return v_hat


def interpolation(phi_t, phi):
    """(times, weights) with f(phi) ~ sum_i weights_i f(phi at times_i), for an f that is odd.

    Lagrange's polynomial through the NODES nearest of phi_-T ... phi_T, phi_-t = -phi_t; the values
    at -t are -1 times those at t, and that at 0 is 0.
    """
    T = len(phi_t) - 1
    nodes = np.concatenate([-phi_t[:0:-1], phi_t])  # phi_t stands at T + t
    below = int(np.searchsorted(phi_t, phi, side="right")) - 1
    first = min(T + below - NODES // 2 + 1, len(nodes) - NODES)
    picked = np.arange(max(first, 0), max(first, 0) + min(NODES, len(nodes)))
    weights = {}
    for i in picked:
        others = nodes[picked[picked != i]]
        t, weight = int(i) - T, np.prod((phi - others) / (nodes[i] - others))
        weights[abs(t)] = weights.get(abs(t), 0.0) + math.copysign(weight, t * weight)
    weights.pop(0, None)
    return np.array(list(weights)), np.array(list(weights.values()))


def dequantize(k, levels, rng):
    """Levels k = 0 ... levels - 1 as points of [-1, 1], spread uniformly over their bins.

    Level k stands at -1 + 2k / (levels - 1), amid a bin that is as wide as the levels are apart,
    so the outermost bins reach past -1 and 1. By Jensen's inequality the mean log density in a bin,
    plus the log of its size, is at most the log probability of the bin (Theis et al. 2016): this is
    what `bits_per_dim` rests on.
    """
    check_count("dequantize", "levels", levels, least=2)
    k = np.asarray(k)
    if k.dtype.kind not in "iu" or not (k.size == 0 or 0 <= k.min() <= k.max() < levels):
        raise ValueError(f"dequantize: k must be ints in 0 ... levels - 1 = {levels - 1}")
    return (2 * (k + rng.random(k.shape)) - levels) / (levels - 1)


def bits_per_dim(logp, shape, levels):
    """-log2 of the probability per dimension: logp in nats of dequantised x0 (N, *shape)."""
    check_count("bits_per_dim", "levels", levels, least=2)
    return -(logp / math.prod(shape) + math.log(2 / (levels - 1))) / math.log(2)

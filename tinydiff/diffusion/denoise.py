"""What every sampler needs besides its formula: the times, the noise, and the model's answer.

A sampler is a step x_t -> x_s with s < t; `run` repeats it down the times. `Denoiser` asks the
model, checks what it returns, and gives it in the form that the step is written in.
"""

from itertools import pairwise
from numbers import Real

import numpy as np

from ..backend import check_devices, device_of, is_array, standard_normal, xp_of
from ..tensor import Tensor, no_grad
from .conversions import NAMES


def run(step, x, ts):
    """Yield (s, x_s) for every step t -> s of the descending times ts, the last one ending at 0.

    The caller's code runs between two steps, so no context may be entered here.
    """
    for t, s in pairwise([*ts, 0]):
        x = step(x, t, s)
        yield s, x


def timesteps(T, n, spacing="linspace"):
    """n falling times within T ... 1, for the `ts` of a sampler.           T = 10, n = 4:

    linspace   evenly from T to 1, both included                             10  7  4  1
    quadratic  from T to 1, both included, closer together near 1            10  5  2  1
    leading    1, 1 + k, 1 + 2k, ... with k = T // n: includes 1              7  5  3  1
    trailing   T, T - T/n, T - 2T/n, ...: includes T                         10  8  5  3

    Halves are rounded up. x_T is noise, so the first time should be T: "leading" misses it, a known
    fault (Lin et al. 2023, section 3.3), and is here for comparison with samplers that have it.
    """
    check_count("timesteps", "n", n, least=1)
    check_count("timesteps", "T", T, least=n)
    k = np.arange(n)  # 0 is the first time
    part = k / max(n - 1, 1)
    if spacing == "linspace":
        times = T - (T - 1) * part
    elif spacing == "quadratic":
        # n - k: where the parabola falls by less than 1 a step, every time is taken once
        times = np.maximum(1 + (T - 1) * (1 - part) ** 2, n - k)
    elif spacing == "leading":
        times = 1 + (T // n) * (n - 1 - k)
    elif spacing == "trailing":
        times = T - T * k / n
    else:
        raise ValueError(
            f"timesteps: spacing is linspace, leading, trailing or quadratic, got {spacing!r}"
        )
    return np.floor(times + 0.5).astype(int)


def check_times(sampler, ts, T):
    """ts as a list of ints that fall strictly within T ... 1; all of them when ts is None."""
    if ts is None:
        return list(range(T, 0, -1))
    given = np.asarray(ts)
    if given.ndim != 1 or not given.size or given.dtype.kind not in "iu":
        raise TypeError(f"{sampler}: ts must be a sequence of ints, at least one, got {ts!r}")
    ts = given.tolist()
    if min(ts) < 1 or max(ts) > T:
        raise ValueError(
            f"{sampler}: ts must lie in 1 ... {T}, got {min(ts)} ... {max(ts)}; "
            "0 is the clean data, where every sampler ends by itself"
        )
    for t, s in pairwise(ts):
        if s >= t:
            raise ValueError(f"{sampler}: ts must fall strictly, but {t} is followed by {s}")
    return ts


def check_count(sampler, name, n, least):
    """Raise unless n is an int, `least` or more."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < least:
        raise ValueError(f"{sampler}: {name} must be an int >= {least}, got {n!r}")


def check_start(sampler, x):
    """The bare array a sampler starts from."""
    x = x.data if isinstance(x, Tensor) else x
    if not is_array(x):
        raise TypeError(f"{sampler} starts from an array or Tensor, got {type(x).__name__}")
    if x.dtype.kind != "f" or x.ndim == 0:
        raise TypeError(
            f"{sampler} starts from floating-point x of shape (N, ...), got {x.dtype} of {x.shape}"
        )
    if broken(x):
        raise ValueError(f"{sampler} starts from x that holds NaN or infinity")
    return x


def broken(x):
    """Whether a host array holds NaN or infinity. A device array is not asked: that would wait."""
    return isinstance(x, np.ndarray) and not np.isfinite(x).all()


def noise_source(sampler, noise):
    """The function (t, x) -> noise like x, given a host Generator or a callable noise(t, shape).

    A Generator draws on the device of x, so that nothing is uploaded. The array of a callable is
    cast to the dtype of x, and must already be on its device.
    """
    if isinstance(noise, np.random.Generator):
        return lambda t, x: standard_normal(noise, x.shape, x.dtype, device_of(x))
    if not callable(noise):
        raise TypeError(
            f"{sampler}: noise must be a np.random.Generator or a function noise(t, shape), "
            f"got {type(noise).__name__}"
        )

    def draw(t, x):
        z = noise(t, x.shape)
        if not is_array(z) or z.shape != x.shape:
            raise ValueError(
                f"{sampler} at t = {t}: noise(t, shape) must return an array of shape {x.shape}, "
                f"got {getattr(z, 'shape', type(z).__name__)}"
            )
        check_devices((x, z))
        return z.astype(x.dtype, copy=False)

    return draw


class Denoiser:
    """The model's answer at (x, t), checked, clipped, and in any of the forms of `Process.convert`.

    The model is called with t as a host int array (N,), under no_grad; its Tensor is unwrapped. A
    host answer must be finite; a device answer is left unlooked-at, because looking would wait for
    the device in every step: `last` looks once, at the end.

    clip: None; (lo, hi) bounds x0; ("dynamic", p) bounds it by q, the p-quantile of |x0| in each
    example, or by 1 if q < 1, and divides by that bound (Saharia et al. 2022, section 2.3). A
    clipped x0 moves the other forms with it: they stay forms of the same x_t.
    """

    def __init__(self, sampler, model, process, predicts, clip=None):
        if not callable(model):
            raise TypeError(f"{sampler}: model must be callable, got {type(model).__name__}")
        if predicts not in NAMES:
            raise ValueError(f"{sampler}: predicts is one of {', '.join(NAMES)}, got {predicts!r}")
        self.sampler, self.model, self.process = sampler, model, process
        self.predicts, self.clip = predicts, _check_clip(sampler, clip)

    def start(self, x, ts):
        """The bare array that sampling starts from and the times to visit, both checked."""
        ts = check_times(self.sampler, ts, self.process.T)
        if self.predicts in ("eps", "score") and self.process.alphas_bar[ts[0]] == 0:
            raise ValueError(
                f"{self.sampler} at t = {ts[0]}: alpha_bar = 0, so x_t is all noise and "
                f"{self.predicts} says nothing of x0; use a model that predicts v (or x0)"
            )
        return check_start(self.sampler, x), ts

    def answer(self, x, t, heads=1):
        """The model's output: like x, but with `heads` times its channels on the last axis."""
        if heads > 1 and x.ndim == 1:
            raise ValueError(
                f"{self.sampler}: a learned variance is a second half of the channels, so x must "
                f"have an axis for them, (N, ..., C), got {x.shape}"
            )
        with no_grad():
            out = self.model(x, np.full(len(x), t))
        out = out.data if isinstance(out, Tensor) else out
        where = f"{self.sampler} at t = {t}: the model returned"
        expected = (*x.shape[:-1], heads * x.shape[-1])
        if not is_array(out) or out.shape != expected:
            got = f"shape {out.shape}" if is_array(out) else type(out).__name__
            raise ValueError(f"{where} {got}, expected an array of shape {expected}")
        check_devices((x, out))
        if out.dtype != x.dtype:
            raise TypeError(f"{where} {out.dtype} for x of {x.dtype}; start from x of its dtype")
        if broken(out):
            raise ValueError(f"{where} NaN or infinity")
        return out

    def forms(self, value, x, t, *names):
        """The model's `value` in each of the forms asked for, clipped first."""
        source = self.predicts
        if self.clip:
            value = self.process.convert(value, x, t, source, "x0")
            value, source = _clipped(value, self.clip), "x0"
        return [self.process.convert(value, x, t, source, name) for name in names]

    def __call__(self, x, t, *names):
        return self.forms(self.answer(x, t), x, t, *names)


def _check_clip(sampler, clip):
    if clip is None:
        return None
    if isinstance(clip, tuple) and len(clip) == 2:
        lo, hi = clip
        if lo == "dynamic" and isinstance(hi, Real) and 0 < hi <= 1:
            return lo, float(hi)
        if isinstance(lo, Real) and isinstance(hi, Real) and lo < hi:
            return float(lo), float(hi)
    raise ValueError(
        f"{sampler}: clip is None, (lo, hi) with lo < hi, or ('dynamic', p) with 0 < p <= 1, "
        f"got {clip!r}"
    )


def _clipped(x0, clip):
    xp = xp_of(x0)
    if clip[0] != "dynamic":
        return xp.clip(x0, *clip)
    size = xp.sort(xp.abs(x0).reshape(len(x0), -1), axis=1)  # (N, D), each row ascending
    rank = clip[1] * (size.shape[1] - 1)
    below = int(rank)
    above = min(below + 1, size.shape[1] - 1)
    bound = size[:, below] + (rank - below) * (size[:, above] - size[:, below])
    bound = xp.maximum(bound, 1).reshape((-1,) + (1,) * (x0.ndim - 1))
    return xp.clip(x0, -bound, bound) / bound

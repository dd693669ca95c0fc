"""Noise schedules: the variances beta_1 ... beta_T of the forward process.

Every function returns `betas`, float64 of length T + 1 with betas[0] = 0: index t is time t, as in
the papers, and alphas_bar[0] = 1 is clean data. alpha_t = 1 - beta_t, and alpha_bar_t = alpha_1 ...
alpha_t. Where a schedule is defined by alpha_bar, beta_t = 1 - alpha_bar_t / alpha_bar_{t-1} would
subtract nearly equal numbers; a difference formula keeps all digits.
"""

import warnings

import numpy as np


class TerminalNoiseWarning(UserWarning):
    """x_T is visibly not N(0, I), where sampling starts."""


def check_betas(betas):
    """`betas` as a float64 table, or a ValueError that says what is wrong with it."""
    betas = np.array(betas, dtype=np.float64, ndmin=1)
    if betas.ndim != 1 or len(betas) < 2 or betas[0] != 0:
        raise ValueError(f"betas of length T + 1 >= 2 start with 0, got {betas[:2]}, {betas.shape}")
    inside = (betas[1:] > 0) & (betas[1:] <= 1)  # False for NaN as well
    if not inside.all():
        t = 1 + int(inside.argmin())
        raise ValueError(f"0 < beta_t <= 1 is needed, got beta_{t} = {betas[t]}; try more steps")
    return betas


def _times(T, cap=1.0):
    """1 ... T as floats."""
    if isinstance(T, bool) or not isinstance(T, (int, np.integer)) or T < 1:
        raise ValueError(f"T is the number of steps, an int of at least 1, got {T!r}")
    if not 0 < cap <= 1:
        raise ValueError(f"cap must satisfy 0 < cap <= 1, got {cap}")
    return np.arange(1.0, T + 1)


def _table(betas):
    return check_betas(np.append(0.0, betas))


def linear(T, first=1e-4, last=0.02, rescale=False):
    """beta_t on a straight line from `first` to `last` (Ho et al. 2020, section 4).

    The default end points belong to T = 1000; at T = 100 they leave alpha_bar_T = 0.36. `rescale`
    multiplies the betas by 1000 / T, which keeps their sum, and with it roughly alpha_bar_T = prod
    (1 - beta_t) ~ exp(-sum beta_t): 4.0e-5 at T = 1000, 2.0e-5 at T = 100. It needs T >= 20.
    """
    return _table(np.linspace(first, last, len(_times(T))) * (1000 / T if rescale else 1))


def quadratic(T, first=1e-4, last=0.02):
    """sqrt(beta_t) on a straight line from sqrt(first) to sqrt(last)."""
    if not min(first, last) > 0:
        raise ValueError(f"first and last must be positive, got {first} and {last}")
    return _table(np.linspace(first**0.5, last**0.5, len(_times(T))) ** 2)


def cosine(T, s=0.008, cap=0.999):
    """alpha_bar_t = f(t) / f(0), f(t) = cos^2(pi/2 (t/T + s) / (1 + s)), beta_t at most `cap`.

    Nichol and Dhariwal 2021, equation 17. With c_t = pi/2 (1 - t/T) / (1 + s) the cosine is
    sin c_t, and sin^2 a - sin^2 b = sin(a - b) sin(a + b) gives
        beta_t = sin(c_{t-1} - c_t) sin(c_{t-1} + c_t) / sin^2 c_{t-1}.
    """
    t = _times(T, cap)
    if not 0 <= s < np.inf:
        raise ValueError(f"s must be a number >= 0, got {s}")
    unit = np.pi / 2 / (T * (1 + s))  # c_t = unit (T - t)
    betas = np.sin(unit) * np.sin(unit * (2 * (T - t) + 1)) / np.sin(unit * (T - t + 1)) ** 2
    return _table(np.minimum(betas, cap))


def sigmoid(T, start=-3, end=3, tau=1, cap=0.999):
    """alpha_bar_t falls like a logistic curve, beta_t at most `cap` (Jabri et al. 2022).

    With u_t on a line from start/tau to end/tau and S the logistic function, alpha_bar_t =
    (S(u_T) - S(u_t)) / (S(u_T) - S(u_0)). As S(b) - S(a) = S(b) S(-a) (1 - e^{a-b}),
        beta_t = (1 - e^{u_{t-1} - u_t}) / (1 - e^{u_{t-1} - u_T}) S(u_t) / S(u_T).
    """
    t = _times(T, cap)
    if not (tau > 0 and start < end and np.isfinite([start, end, tau]).all()):
        raise ValueError(f"expected start < end and tau > 0, got {start}, {end} and {tau}")
    u, step = end / tau, (end - start) / (tau * T)
    shares = np.expm1(-step) / np.expm1(-step * (T - t + 1))
    return _table(np.minimum(shares * _logistic(u - step * (T - t)) / _logistic(u), cap))


def _logistic(u):
    return np.exp(-np.logaddexp(0, -u))


def from_alphas_bar(ab):
    """The betas of a table alphas_bar: length T + 1, from 1 at t = 0 strictly down, never < 0."""
    ab = np.asarray(ab, dtype=np.float64)
    falls = ab.ndim == 1 and len(ab) > 1 and (ab[1:] < ab[:-1]).all()
    if not (falls and ab[0] == 1 and ab[-1] >= 0):
        raise ValueError(f"alphas_bar must fall strictly from 1 and stay >= 0, got {ab}")
    return _table((ab[:-1] - ab[1:]) / ab[:-1])


def from_log_snr(log_snr):
    """The betas of l_t = log(alpha_bar_t / (1 - alpha_bar_t)): length T + 1, from l_0 = inf down.

    beta_t = 1 - alpha_bar_t / alpha_bar_{t-1} = (1 - SNR_t / SNR_{t-1}) (1 - alpha_bar_t), and
    1 - alpha_bar_t = S(-l_t) with the logistic function S. l_T = -inf is zero terminal SNR.
    """
    snr = np.asarray(log_snr, dtype=np.float64)
    if snr.ndim != 1 or len(snr) < 2 or snr[0] != np.inf or not (snr[1:] < snr[:-1]).all():
        raise ValueError(f"log_snr must fall strictly from log_snr[0] = inf, got {snr}")
    return _table(-np.expm1(snr[1:] - snr[:-1]) * _logistic(-snr[1:]))


def zero_terminal_snr(betas):
    """The schedule shifted and scaled to alpha_bar_T = 0; alpha_bar_1 stays (Lin et al. 2023).

    sqrt(alpha_bar_t) becomes proportional to r_t = sqrt(alpha_bar_t) - sqrt(alpha_bar_T), a sum of
    falls sqrt(alpha_bar_{i-1}) (1 - sqrt(alpha_i)) > 0, and beta_t = 1 - (r_t / r_{t-1})^2 =
    (r_{t-1} - r_t) (r_{t-1} + r_t) / r_{t-1}^2. A single step must replace all signal: beta_1 = 1.
    """
    betas = check_betas(betas)
    root = np.sqrt(1 - betas)
    falls = np.cumprod(root)[1:-1] * betas[2:] / (1 + root[2:])  # r_{t-1} - r_t for t > 1
    if not (falls > 0).all():
        raise ValueError("alpha_bar is 0 before T: this schedule has zero terminal SNR already")
    r = np.append(np.cumsum(falls[::-1])[::-1], 0.0)  # r_1 ... r_T
    later = np.minimum(falls / r[:-1] * (1 + r[1:] / r[:-1]), 1)  # no square: it may underflow
    return _table(np.append(betas[1] if len(later) else 1, later))


NAMED = {"ddpm": 1000, "lab": 150, "ch327-100": 100, "ch327-200": 200}  # T


def named(name):
    """linear(T) as the sources run it, T = 1000, 150, 100 or 200 (nus-l8, ch327).

    Where that leaves x_T far from N(0, I), a warning tells the price: L_T = KL(q(x_T | x_0) ||
    N(0, 1)) = (alpha_bar_T (x_0^2 - 1) - log(1 - alpha_bar_T)) / 2 nats a dimension; E x_0^2 = 1.
    """
    if name not in NAMED:
        raise ValueError(f"unknown schedule {name!r}: expected one of {', '.join(NAMED)}")
    betas = linear(NAMED[name])
    ab = np.prod(1 - betas)
    cost = -np.log1p(-ab) / 2
    if cost > 1e-3:
        price = f"alpha_bar_T = {ab:.4f}, not 0, which costs {cost:.4f} nats a dimension"
        message = f"{name!r} ends at {price}; linear({NAMED[name]}, rescale=True) repairs it"
        warnings.warn(message, TerminalNoiseWarning, stacklevel=2)
    return betas

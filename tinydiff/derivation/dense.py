"""Whole paths of a linear reverse process as Gaussian vectors, with dense covariance matrices."""

import numpy as np


def dense_chain(process, mean, spread, x0, variance):
    """(model, log p(x_0), KL of q(x_{1:T} | x_0) from p(x_{1:T} | x_0)) for data N(mean, spread).

    model(xt, t) is the exact E[x_0 | x_t], linear in x_t, so p(x_{t-1} | x_t) = N(k x_t + l,
    sigma_t^2) and the path (x_0, ..., x_T) is Gaussian. It is built from T down: x = R noise +
    offset."""
    T = process.T

    def regression(t):
        """E[x_0 | x_t] = slope x_t + intercept."""
        c, noise = np.sqrt(process.alphas_bar[t]), process.one_minus_alphas_bar[t]
        slope = c * spread / (c**2 * spread + noise)
        return slope, mean * (1 - slope * c)

    def model(xt, t):
        slope, intercept = np.array([regression(i) for i in t]).T.reshape(2, -1, 1)
        return slope * xt + intercept

    response, offset = np.zeros((T + 1, T + 1)), np.zeros(T + 1)
    response[T, T] = 1.0  # x_T ~ N(0, 1)
    for t in range(T, 0, -1):
        slope, intercept = regression(t)
        noise, before = process.one_minus_alphas_bar[t], process.one_minus_alphas_bar[t - 1]
        a = np.sqrt(process.alphas_bar[t - 1]) * process.betas[t] / noise
        b = np.sqrt(process.alphas[t]) * before / noise
        tilde = process.betas[t] * before / noise
        sigma2 = process.betas[t] if variance == "beta" or t == 1 else tilde
        response[t - 1] = (a * slope + b) * response[t]
        response[t - 1, t - 1] += np.sqrt(sigma2)
        offset[t - 1] = (a * slope + b) * offset[t] + a * intercept
    p_cov = response @ response.T

    log_evidence = (
        -((x0 - offset[0]) ** 2) / (2 * p_cov[0, 0]) - np.log(2 * np.pi * p_cov[0, 0]) / 2
    )
    gain = p_cov[1:, 0] / p_cov[0, 0]
    p_mean = offset[1:] + gain * (x0 - offset[0])
    p_cov = p_cov[1:, 1:] - np.outer(gain, p_cov[0, 1:])

    ab, noise = process.alphas_bar[1:], process.one_minus_alphas_bar[1:]
    earlier, later = np.minimum.outer(range(T), range(T)), np.maximum.outer(range(T), range(T))
    q_mean, q_cov = np.sqrt(ab) * x0, np.sqrt(ab[later] / ab[earlier]) * noise[earlier]
    shift = p_mean - q_mean
    gap = np.trace(np.linalg.solve(p_cov, q_cov)) - T + shift @ np.linalg.solve(p_cov, shift)
    gap += np.linalg.slogdet(p_cov)[1] - np.linalg.slogdet(q_cov)[1]
    return model, log_evidence, gap / 2

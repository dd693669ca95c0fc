"""The coefficients of `Process.convert`: each of the five names of a prediction from each other."""

import numpy as np

NAMES = ("eps", "x0", "v", "score", "mu")


class Coefficients:
    """At t: x_t = s x0 + n eps = r x_{t-1} + sqrt(beta) noise, and mu = a x0 + b x_t."""

    def __init__(self, process, t):
        self.s, self.n = np.sqrt(process.alphas_bar[t]), np.sqrt(process.one_minus_alphas_bar[t])
        self.r, self.beta = np.sqrt(process.alphas[t]), process.betas[t]
        self.a, self.b, _ = process.posterior_weights(t)


# target = p source + q x_t. None of these p, q contains a difference, so none loses digits.
CONVERSIONS = {
    ("x0", "eps"): lambda k: (-k.s / k.n, 1 / k.n),
    ("x0", "v"): lambda k: (-1 / k.n, k.s / k.n),
    ("x0", "score"): lambda k: (k.s / k.n**2, -1 / k.n**2),
    ("x0", "mu"): lambda k: (k.a, k.b),
    ("eps", "x0"): lambda k: (-k.n / k.s, 1 / k.s),
    ("eps", "v"): lambda k: (1 / k.s, -k.n / k.s),
    ("eps", "score"): lambda k: (-1 / k.n, 0 * k.n),
    ("eps", "mu"): lambda k: (-k.beta / (k.n * k.r), 1 / k.r),
    ("v", "x0"): lambda k: (-k.n, k.s),
    ("v", "eps"): lambda k: (k.s, k.n),
    ("v", "score"): lambda k: (-k.s / k.n, -1 + 0 * k.n),
    ("v", "mu"): lambda k: (-k.a * k.n, k.r),
    ("score", "x0"): lambda k: (k.n**2 / k.s, 1 / k.s),
    ("score", "eps"): lambda k: (-k.n, 0 * k.n),
    ("score", "v"): lambda k: (-k.n / k.s, -k.n / k.s),
    ("score", "mu"): lambda k: (k.beta / k.r, 1 / k.r),
    ("mu", "x0"): lambda k: (1 / k.a, -k.b / k.a),
    ("mu", "eps"): lambda k: (-k.r * k.n / k.beta, k.n / k.beta),
    ("mu", "v"): lambda k: (-1 / (k.a * k.n), k.r / (k.a * k.n)),
    ("mu", "score"): lambda k: (k.r / k.beta, -1 / k.beta),
}

"""A diffusion model on K states, where every expectation in the bound is a finite sum.

Nothing in the derivation of the bound needs Gaussians. On this chain each of its lines is a number,
free of rounding but for the last digits, so that two lines can be compared to 1e-14.
"""

import numpy as np


def divergence(p1, p2):
    """D_KL(p1 || p2) = sum p1 log(p1 / p2) over the last axis, in nats; both positive."""
    return (p1 * np.log(p1 / p2)).sum(axis=-1)


class DiscreteChain:
    """Forward transitions q, reverse transitions p and the prior p(x_T), all positive.

    forward: (T, K, K), forward[t-1][i, j] = q(x_t = j | x_{t-1} = i).
    reverse: (T, K, K), reverse[t-1][j, i] = p(x_{t-1} = i | x_t = j).
    prior: (K,). A start x0 is an int, a path x_1 ... x_T an index into a table with T axes.
    """

    def __init__(self, forward, reverse, prior):
        self.forward, self.reverse, self.prior = forward, reverse, prior
        self.T, self.K = len(forward), len(prior)

    @classmethod
    def random(cls, K, T, rng):
        """Independent random transitions: the reverse knows nothing of the forward process."""
        rows = lambda *shape: rng.dirichlet(np.full(K, 2.0), size=shape) * 0.98 + 0.02 / K  # noqa: E731
        return cls(rows(T, K), rows(T, K), rows())

    def reversed_exactly(self, data):
        """The chain whose p is q itself: for x_0 ~ data (K,), reverse by Bayes and prior q(x_T)."""
        reverse, at = [], data
        for q in self.forward:
            joint = at[:, None] * q  # (x_{t-1}, x_t)
            at = joint.sum(axis=0)
            reverse.append((joint / at).T)
        return DiscreteChain(self.forward, np.array(reverse), at)

    def marginal(self, x0, t):
        """q(x_t | x_0), (K,)."""
        at = np.eye(self.K)[x0]
        for q in self.forward[:t]:
            at = at @ q
        return at

    def posterior(self, x0, t):
        """q(x_{t-1} | x_t, x_0) for t >= 2, as (x_t, x_{t-1}): Bayes' theorem."""
        joint = self.marginal(x0, t - 1)[:, None] * self.forward[t - 1]
        return (joint / self.marginal(x0, t)).T

    def log_forward(self, x0):
        """log q(x_{1:T} | x_0) of every path: a table with T axes."""
        table = np.log(self.forward[0][x0])
        for q in self.forward[1:]:
            table = table[..., None] + np.log(q)
        return table

    def log_joint(self, x0):
        """log p(x_{0:T}) of every path that ends in this x_0: a table with T axes."""
        table = np.log(self.reverse[0][:, x0])
        for p in self.reverse[1:]:
            table = table[..., None] + np.log(p.T)
        return table + np.log(self.prior)

    def log_evidence(self, x0):
        """log p(x_0): the prior taken back through every reverse step, K^2 products a step."""
        at = self.prior
        for p in self.reverse[::-1]:
            at = at @ p
        return np.log(at[x0])

    def first_term(self, x0):
        """E log [p(x_T) p(x_0 | x_1) / q(x_1 | x_0)], by the marginals of x_1 and x_T."""
        first = self.marginal(x0, 1)
        return self.marginal(x0, self.T) @ np.log(self.prior) + first @ (
            np.log(self.reverse[0][:, x0]) - np.log(first)
        )

    def second_term(self, x0):
        """E sum over t >= 2 of log [p(x_{t-1} | x_t) / q(x_t | x_{t-1})], by pairs of
        neighbours."""
        total = 0.0
        for t in range(2, self.T + 1):
            q = self.forward[t - 1]
            pair = self.marginal(x0, t - 1)[:, None] * q
            total += (pair * (np.log(self.reverse[t - 1].T) - np.log(q))).sum()
        return total

    def telescoped(self, x0):
        """E log [q(x_1 | x_0) / q(x_T | x_0)]: what is left of a product over t = 2 ... T."""
        first, last = self.marginal(x0, 1), self.marginal(x0, self.T)
        return first @ np.log(first) - last @ np.log(last)

    def reconstruction(self, x0):
        """Term 1: E log p(x_0 | x_1)."""
        return self.marginal(x0, 1) @ np.log(self.reverse[0][:, x0])

    def prior_divergence(self, x0):
        """Minus term 2: D_KL(q(x_T | x_0) || p(x_T))."""
        return divergence(self.marginal(x0, self.T), self.prior)

    def step_divergence(self, x0, t):
        """A summand of minus term 3: E D_KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), t >= 2."""
        return self.marginal(x0, t) @ divergence(self.posterior(x0, t), self.reverse[t - 1])

    def bound(self, x0):
        """The lower bound on log p(x_0): the sum of the three terms."""
        steps = sum(self.step_divergence(x0, t) for t in range(2, self.T + 1))
        return self.reconstruction(x0) - self.prior_divergence(x0) - steps

"""The bound in three terms, each a divergence or an expectation over one or two times, on the
chain.

As in `elbo`, exponentials of nats are compared where terms of order 1 may cancel.
"""

import math

import numpy as np
from scipy.special import rel_entr

from . import chain as discrete
from .elbo import CHAIN, EXACT, WORLD, chain_of, expect, forward_marginals, paths
from .entry import Param, equation


@equation(
    "elbo.cancelled",
    "q(x_1 | x_0) cancels between the two terms.",
    r"\mathbb{E}\left[\log \frac{p(x_T)\,p(x_0 \mid x_1)}{q(x_1 \mid x_0)}\right]"
    r" + \mathbb{E}\left[\log \frac{q(x_1 \mid x_0)}{q(x_T \mid x_0)}\right]"
    r" = \mathbb{E}\left[\log p(x_0 \mid x_1)\right]"
    r" + \mathbb{E}\left[\log \frac{p(x_T)}{q(x_T \mid x_0)}\right]",
    source="nus-l8 L177-187",
    implements=f"{CHAIN}.telescoped", tolerance=EXACT, **WORLD,
)  # fmt: skip
def cancelled(K, T, seed, x0):
    """Left: the first term and the telescoped ends. Right: terms 1 and 2, over whole paths."""
    chain = chain_of(K, T, seed)
    at = forward_marginals(chain, x0)

    def terms_1_and_2(path):
        last = path.x[T]
        return math.log(chain.reverse[0][path.x[1], x0]) + math.log(chain.prior[last] / at[T][last])

    left = chain.first_term(x0) + chain.telescoped(x0)
    return math.exp(left), math.exp(expect(chain, x0, terms_1_and_2))


@equation(
    "elbo.term-1",
    "Term 1 depends on x_1 only.",
    r"\mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log p(x_0 \mid x_1)\right]"
    r" = \mathbb{E}_{q(x_1 \mid x_0)}\left[\log p(x_0 \mid x_1)\right]",
    source="nus-l8 L193, L195, L421",
    implements=f"{CHAIN}.reconstruction", tolerance=EXACT, **WORLD,
)  # fmt: skip
def term_1(K, T, seed, x0):
    """The other times sum to 1. Left: over x_1. Right: over all paths."""
    chain = chain_of(K, T, seed)
    right = expect(chain, x0, lambda path: math.log(chain.reverse[0][path.x[1], x0]))
    return chain.reconstruction(x0), right


@equation(
    "elbo.term-2",
    "Term 2 is minus the divergence of q(x_T | x_0) from the prior.",
    r"\mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log \frac{p(x_T)}{q(x_T \mid x_0)}\right]"
    r" = -D_{KL}\left(q(x_T \mid x_0)\,\|\,p(x_T)\right)",
    source="nus-l8 L197, L199, L201",
    implements=f"{CHAIN}.prior_divergence", tolerance=EXACT, **WORLD,
)  # fmt: skip
def term_2(K, T, seed, x0):
    """Left: minus the divergence. Right: over all paths."""
    chain = chain_of(K, T, seed)
    at = forward_marginals(chain, x0)[T]
    right = expect(chain, x0, lambda path: math.log(chain.prior[path.x[T]] / at[path.x[T]]))
    return math.exp(-chain.prior_divergence(x0)), math.exp(right)


@equation(
    "elbo.divergence",
    "The Kullback-Leibler divergence; not symmetric, never negative.",
    r"D_{KL}(p_1 \| p_2) = -\mathbb{E}_{p_1}\left[\log \frac{p_2(x)}{p_1(x)}\right]"
    r" = \int p_1(x) \log \frac{p_1(x)}{p_2(x)}\, dx",
    source="nus-l8 L203, L219",
    implements="tinydiff.derivation.chain:divergence", tolerance=EXACT, **WORLD,
)  # fmt: skip
def divergence(K, T, seed, x0):
    """Left: of q(x_T | x_0) from the prior, and the other way round. Right: scipy's relative
    entropy, whose terms p log(p/q) - p + q are all positive, plus the sums that cancel."""
    chain = chain_of(K, T, seed)
    p1, p2 = forward_marginals(chain, x0)[T], chain.prior
    left = np.array([discrete.divergence(p1, p2), discrete.divergence(p2, p1)])
    return np.exp(left), np.exp([rel_entr(p1, p2).sum(), rel_entr(p2, p1).sum()])


@equation(
    "elbo.pair",
    "Two neighbouring times: posterior times marginal.",
    r"q(x_{t-1}, x_t \mid x_0) = q(x_{t-1} \mid x_t, x_0)\, q(x_t \mid x_0)",
    source="nus-l8 L209-217, L221",
    implements=f"{CHAIN}.marginal", tolerance=EXACT, **WORLD, t=Param(2, 2, "T"),
)  # fmt: skip
def pair(K, T, seed, x0, t):
    """Left: the product, summed over x_{t-1} and as it is. Right: paths counted."""
    chain = chain_of(K, T, seed)
    counted = np.zeros((K, K))
    for path in paths(chain, x0):
        counted[path.x[t], path.x[t - 1]] += path.q
    left = chain.marginal(x0, t)
    conditional = counted / counted.sum(axis=1, keepdims=True)
    return (left, conditional * left[:, None]), (counted.sum(axis=1), counted)


@equation(
    "elbo.term-3",
    "Term 3 is minus a sum of expected divergences, one a step.",
    r"\mathbb{E}\left[\log \prod_{t=2}^T \frac{p(x_{t-1} \mid x_t)}{q(x_{t-1} \mid x_t,"
    r" x_0)}\right]"
    r" = -\sum_{t=2}^T \mathbb{E}_{q(x_t \mid x_0)}"
    r" D_{KL}\left(q(x_{t-1} \mid x_t, x_0)\,\|\,p(x_{t-1} \mid x_t)\right)",
    source="nus-l8 L165, L209-217, L219, L221",
    implements=f"{CHAIN}.step_divergence", tolerance=EXACT, **WORLD,
)  # fmt: skip
def term_3(K, T, seed, x0):
    """log prod = sum log; each summand depends on two times only, so the others sum to 1. Left: the
    divergences. Right: E log of the whole product, along every path."""
    chain = chain_of(K, T, seed)
    at = forward_marginals(chain, x0)

    def log_product(path):
        total = 0.0
        for t in range(2, T + 1):
            i, j = path.x[t - 1], path.x[t]
            posterior = at[t - 1][i] * chain.forward[t - 1][i, j] / at[t][j]
            total += math.log(chain.reverse[t - 1][j, i] / posterior)
        return total

    left = -math.fsum(chain.step_divergence(x0, t) for t in range(2, T + 1))
    return left, expect(chain, x0, log_product)


@equation(
    "elbo.three-terms",
    "The lower bound: reconstruction, prior, and one divergence a step.",
    r"\log p(x_0) \ge \mathbb{E}_{q(x_1 \mid x_0)}\left[\log p(x_0 \mid x_1)\right]"
    r" - D_{KL}\left(q(x_T \mid x_0)\,\|\,p(x_T)\right) - \sum_{t=2}^T \mathbb{E}_{q(x_t \mid x_0)}"
    r" D_{KL}\left(q(x_{t-1} \mid x_t, x_0)\,\|\,p(x_{t-1} \mid x_t)\right)",
    source="nus-l8 L177-187, L249",
    implements=f"{CHAIN}.bound", tolerance=EXACT, **WORLD,
)  # fmt: skip
def three_terms(K, T, seed, x0):
    """Left: the three terms; then, whether they lie strictly below log p(x_0). Right: the line
    after Jensen's inequality, over whole paths. So one inequality is made in the derivation, and
    only one."""
    chain = chain_of(K, T, seed)
    left = chain.bound(x0)
    right = expect(chain, x0, lambda path: math.log(path.p / path.q))
    evidence = math.log(math.fsum(path.p for path in paths(chain, x0)))
    return (left, float(left < evidence)), (right, 1.0)

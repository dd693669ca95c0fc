"""The derivation of the bound line by line, on a discrete chain: every expectation is a sum."""

import itertools
import math

import numpy as np
import pytest


def toy_chain(rng, K=4, T=3):
    """Random q(x_0), forward[t][x_{t-1}, x_t] and a model p(x_T), reverse[t][x_t, x_{t-1}]."""
    data, prior = rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K))
    forward, reverse = rng.dirichlet(np.ones(K), size=(2, T + 1, K))  # t = 0 is not used
    return data, forward, prior, reverse


def lines_of_the_bound(x0, forward, prior, reverse):
    """log p(x0), then each line of its lower bound, by a sum over all paths x_1 ... x_T."""
    T, K = len(forward) - 1, len(prior)
    q_t = [np.eye(K)[x0]]  # q(x_t | x0)
    for t in range(1, T + 1):
        q_t.append(q_t[-1] @ forward[t])
    evidence, lines = [], {name: [] for name in ("jensen", "chain", "bayes", "telescoped", "three")}
    for path in itertools.product(range(K), repeat=T):
        x = (x0, *path)
        q = math.prod(forward[t][x[t - 1], x[t]] for t in range(1, T + 1))
        p = prior[x[T]] * math.prod(reverse[t][x[t], x[t - 1]] for t in range(1, T + 1))
        evidence.append(p)
        first = math.log(prior[x[T]] * reverse[1][x[1], x0] / forward[1][x0, x[1]])
        back = [math.log(reverse[t][x[t], x[t - 1]]) for t in range(2, T + 1)]
        ahead = [math.log(forward[t][x[t - 1], x[t]]) for t in range(2, T + 1)]
        # Bayes: q(x_{t-1} | x_t, x0) = q(x_t | x_{t-1}) q(x_{t-1} | x0) / q(x_t | x0)
        known = [math.log(q_t[t][x[t]]) for t in range(T + 1)]
        post = [a + known[t - 1] - known[t] for t, a in enumerate(ahead, start=2)]
        ratio = sum(back) - sum(post)
        lines["jensen"].append(q * math.log(p / q))
        lines["chain"].append(q * (first + sum(b - a for b, a in zip(back, ahead))))
        flip = sum(known[t - 1] - known[t] for t in range(2, T + 1))
        lines["bayes"].append(q * (first + ratio + flip))
        lines["telescoped"].append(q * (first + ratio + known[1] - known[T]))
        term_1, term_2 = math.log(reverse[1][x[1], x0]), math.log(prior[x[T]]) - known[T]
        lines["three"].append(q * (term_1 + term_2 + ratio))
    # the last line: each term from the marginals that it needs, the KL divergences as such
    last = [a * math.log(reverse[1][i, x0]) for i, a in enumerate(q_t[1])]
    last += [-a * math.log(a / b) for a, b in zip(q_t[T], prior)]
    for t in range(2, T + 1):
        for i in range(K):
            posterior = forward[t][:, i] * q_t[t - 1] / q_t[t][i]
            for j in range(K):
                last.append(
                    -q_t[t][i] * posterior[j] * math.log(posterior[j] / reverse[t][i, j])
                )
    return math.log(math.fsum(evidence)), [math.fsum(v) for v in (*lines.values(), last)]


@pytest.mark.parametrize("T", [1, 2, 3])
def test_every_line_of_the_derivation(T, rng):
    """Jensen is the one inequality, and strict; with the true reverse chain it is an equality."""
    data, forward, prior, reverse = toy_chain(rng, T=T)
    marginals = [data]
    for t in range(1, T + 1):
        marginals.append(marginals[-1] @ forward[t])
    true = [None] + [
        (marginals[t - 1][:, None] * forward[t] / marginals[t]).T for t in range(1, T + 1)
    ]
    for x0 in range(4):
        evidence, lines = lines_of_the_bound(x0, forward, prior, reverse)
        np.testing.assert_allclose(lines, lines[0], rtol=0, atol=1e-14)
        assert evidence - lines[0] > 0.05
        evidence, lines = lines_of_the_bound(x0, forward, marginals[T], true)
        np.testing.assert_allclose(lines, evidence, rtol=0, atol=1e-14)
        assert evidence == pytest.approx(math.log(data[x0]), abs=1e-14)

"""Every line of the derivation of the bound, on a chain of K states and T steps.

The right sides enumerate the K^T paths one by one, in plain loops over the definitions. Where
terms of order 1 may cancel, both sides are exponentials of nats: an absolute error becomes a
relative one."""

import itertools
import math

import numpy as np
from scipy.special import rel_entr

from .chain import DiscreteChain
from .entry import Param, equation
from .settings import SEED

EXACT = 1e-13  # sums of up to 4^5 = 1024 products of 11 factors: 1e3 u for a result of order 1
CHAIN = "tinydiff.derivation.chain:DiscreteChain"
WORLD = {"K": Param(3, 2, 4), "T": Param(4, 2, 5), "seed": SEED, "x0": Param(1, 0, "K-1")}


def chain_of(K, T, seed):
    return DiscreteChain.random(K, T, np.random.default_rng(seed))


class Path:
    """One path x_1 ... x_T from x_0 and the probabilities of its steps."""

    def __init__(self, chain, x0, steps):
        self.x = (x0, *steps)
        self.q = math.prod(chain.forward[t][i, j] for t, i, j in self._steps())
        self.p = chain.prior[self.x[-1]] * math.prod(
            chain.reverse[t][j, i] for t, i, j in self._steps()
        )

    def _steps(self):
        return ((t, i, j) for t, (i, j) in enumerate(itertools.pairwise(self.x)))


def paths(chain, x0):
    return [Path(chain, x0, steps) for steps in itertools.product(range(chain.K), repeat=chain.T)]


def expect(chain, x0, f):
    """E f(path) over q(x_{1:T} | x_0)."""
    return math.fsum(path.q * f(path) for path in paths(chain, x0))


def forward_marginals(chain, x0):
    """q(x_t | x_0), (T+1, K), by counting paths."""
    table = np.zeros((chain.T + 1, chain.K))
    for path in paths(chain, x0):
        table[range(chain.T + 1), path.x] += path.q
    return table


@equation(
    "elbo.marginal",
    "The data's probability sums the joint over all paths.",
    r"\log p(x_0) = \log \int p(x_{0:T})\, dx_{1:T}",
    source="nus-l8 L134; ub-slides L142",
    implements=f"{CHAIN}.log_evidence", tolerance=EXACT, **WORLD,
)  # fmt: skip
def marginal(K, T, seed, x0):
    """Left: K^2 products a step, from the prior down. Right: all K^T paths."""
    chain = chain_of(K, T, seed)
    return chain.log_evidence(x0), math.log(math.fsum(path.p for path in paths(chain, x0)))


@equation(
    "elbo.expectation",
    "Multiply and divide by q: the evidence is an expectation.",
    r"\log p(x_0) = \log \mathbb{E}_{q(x_{1:T} \mid x_0)}"
    r"\left[\frac{p(x_{0:T})}{q(x_{1:T} \mid x_0)}\right]",
    source="nus-l8 L134, L141",
    implements=f"{CHAIN}.log_evidence", tolerance=EXACT, **WORLD,
)  # fmt: skip
def expectation(K, T, seed, x0):
    """int p(x) f(x) dx = E f(x): the integral of the joint, weighted by q / q = 1."""
    chain = chain_of(K, T, seed)
    return chain.log_evidence(x0), math.log(expect(chain, x0, lambda path: path.p / path.q))


@equation(
    "elbo.jensen",
    "Jensen's gap is the divergence of q from the model's posterior of paths.",
    r"\log p(x_0) - \mathbb{E}_q\left[\log \frac{p(x_{0:T})}{q(x_{1:T} \mid x_0)}\right]"
    r" = D_{KL}\left(q(x_{1:T} \mid x_0)\,\|\,p(x_{1:T} \mid x_0)\right) \ge 0",
    source="nus-l8 L141",
    implements=f"{CHAIN}.log_evidence", tolerance=EXACT, **WORLD,
)  # fmt: skip
def jensen(K, T, seed, x0):
    """log is concave, so E log f <= log E f; with p(x_{0:T}) = p(x_0) p(x_{1:T} | x_0) the
    difference is a divergence: 0 only if q is p's own posterior. Left: evidence. Right: bound +
    divergence, the divergence summed path by path. The inequality is strict here: the last part
    says so."""
    chain = chain_of(K, T, seed)
    evidence = math.fsum(path.p for path in paths(chain, x0))
    bound = expect(chain, x0, lambda path: math.log(path.p / path.q))
    gap = math.fsum(rel_entr(path.q, path.p / evidence) for path in paths(chain, x0))
    left = chain.log_evidence(x0)
    return (left, float(left > bound)), (bound + gap, 1.0)


@equation(
    "elbo.tight",
    "Where p is q itself the bound is an equality.",
    r"p = q:\quad \mathbb{E}_q\left[\log \frac{p(x_{0:T})}{q(x_{1:T} \mid x_0)}\right] = \log"
    r" q(x_0)",
    source="nus-l8 L141; Ho et al. 2020, section 2",
    implements=f"{CHAIN}.bound", tolerance=EXACT, **WORLD,
)  # fmt: skip
def tight(K, T, seed, x0):
    """This is why forward and reverse need two letters: with one, nothing is bounded. The reverse
    chain is made by Bayes from q and random data; all three terms together must give log q(x_0)."""
    data = np.random.default_rng(seed + 1).dirichlet(np.full(K, 2.0)) * 0.9 + 0.1 / K
    return chain_of(K, T, seed).reversed_exactly(data).bound(x0), math.log(data[x0])


@equation(
    "elbo.chain-rule-backward",
    "The joint factorises along the reverse chain.",
    r"p(x_{0:T}) = p(x_T)\, p(x_0 \mid x_1) \prod_{t=2}^T p(x_{t-1} \mid x_t)",
    source="nus-l8 L145; ub-slides L129",
    implements=f"{CHAIN}.log_joint", tolerance=EXACT, **WORLD,
)  # fmt: skip
def chain_rule_backward(K, T, seed, x0):
    """Left: the table of the joint, and its conditional of x_{T-1} given x_T, summed out of it.
    Right: each path's product of factors, and the transition the chain was built with."""
    chain = chain_of(K, T, seed)
    joint = np.exp([chain.log_joint(start) for start in range(K)])
    pair = joint.reshape(-1, K, K).sum(axis=0)  # (x_{T-1}, x_T)
    left = joint[x0].ravel(), (pair / pair.sum(axis=0)).T
    return left, (np.array([path.p for path in paths(chain, x0)]), chain.reverse[-1])


@equation(
    "elbo.chain-rule-forward",
    "The forward path factorises along its steps.",
    r"q(x_{1:T} \mid x_0) = q(x_1 \mid x_0) \prod_{t=2}^T q(x_t \mid x_{t-1}, x_0)",
    source="nus-l8 L147",
    implements=f"{CHAIN}.log_forward", tolerance=EXACT, **WORLD,
)  # fmt: skip
def chain_rule_forward(K, T, seed, x0):
    """As above; the conditional of x_2 given x_1, summed out of the table, is the transition:
    x_0 adds nothing to it."""
    chain = chain_of(K, T, seed)
    table = np.exp(chain.log_forward(x0))
    pair = table.reshape(K, K, -1).sum(axis=2)  # (x_1, x_2)
    left = table.ravel(), pair / pair.sum(axis=1, keepdims=True)
    return left, (np.array([path.q for path in paths(chain, x0)]), chain.forward[1])


@equation(
    "elbo.first-term",
    "Both chain rules in, the factors without a partner form the first term.",
    r"\mathbb{E}_q\left[\log \frac{p(x_{0:T})}{q(x_{1:T} \mid x_0)}\right] ="
    r" \underbrace{\mathbb{E}_q\left[\log \frac{p(x_T)\, p(x_0 \mid x_1)}{q(x_1 \mid x_0)}\right]}"
    r"_{first} + \underbrace{\mathbb{E}_q\left[\log \prod_{t=2}^T"
    r" \frac{p(x_{t-1} \mid x_t)}{q(x_t \mid x_{t-1}, x_0)}\right]}_{second}",
    source="nus-l8 L149, L177",
    implements=f"{CHAIN}.first_term", tolerance=EXACT, **WORLD,
)  # fmt: skip
def first_term(K, T, seed, x0):
    """From here on every line is an equality. Left: the two terms from marginals and pairs.
    Right: the log ratio of whole paths."""
    chain = chain_of(K, T, seed)
    left = chain.first_term(x0) + chain.second_term(x0)
    return left, expect(chain, x0, lambda path: math.log(path.p / path.q))


@equation(
    "elbo.bayes-flip",
    "Bayes' theorem, given x_0, turns a forward step round.",
    r"q(x_t \mid x_{t-1}, x_0) = \frac{q(x_{t-1} \mid x_t, x_0)\, q(x_t \mid x_0)}"
    r"{q(x_{t-1} \mid x_0)}",
    source="nus-l8 L157, L159",
    implements=f"{CHAIN}.posterior", tolerance=EXACT, **WORLD, t=Param(2, 2, "T"),
)  # fmt: skip
def bayes_flip(K, T, seed, x0, t):
    """Left: the posterior times q(x_t | x_0) / q(x_{t-1} | x_0). Right: the step itself. The
    marginals on the left are counted path by path."""
    chain = chain_of(K, T, seed)
    at = forward_marginals(chain, x0)
    left = chain.posterior(x0, t).T * at[t] / at[t - 1][:, None]
    return left, chain.forward[t - 1]


@equation(
    "elbo.telescoping",
    "The product of marginals cancels but for its ends.",
    r"\prod_{t=2}^T \frac{q(x_{t-1} \mid x_0)}{q(x_t \mid x_0)} = \frac{q(x_1 \mid x_0)}{q(x_T"
    r" \mid x_0)}",
    source="nus-l8 L161, L163",
    implements=f"{CHAIN}.telescoped", tolerance=EXACT, **WORLD,
)  # fmt: skip
def telescoping(K, T, seed, x0):
    """Left: E log of the two ends. Right: E log of the whole product, along every path."""
    chain = chain_of(K, T, seed)
    at = forward_marginals(chain, x0)

    def product(path):
        return math.prod(at[t - 1][path.x[t - 1]] / at[t][path.x[t]] for t in range(2, T + 1))

    right = expect(chain, x0, lambda path: math.log(product(path)))
    return math.exp(chain.telescoped(x0)), math.exp(right)


@equation(
    "elbo.second-term",
    "The second term: one divergence a step, and the telescoped ends.",
    r"\mathbb{E}\left[\log \prod_{t=2}^T \frac{p(x_{t-1} \mid x_t)}{q(x_t \mid x_{t-1},"
    r" x_0)}\right] ="
    r" \mathbb{E}\left[\log \prod_{t=2}^T \frac{p(x_{t-1} \mid x_t)}{q(x_{t-1} \mid x_t,"
    r" x_0)}\right]"
    r" + \mathbb{E}\left[\log \frac{q(x_1 \mid x_0)}{q(x_T \mid x_0)}\right]",
    source="nus-l8 L157, L161, L163, L165",
    implements=f"{CHAIN}.second_term", tolerance=EXACT, **WORLD,
)  # fmt: skip
def second_term(K, T, seed, x0):
    """log(ab) = log a + log b. Left: the second term before Bayes, by pairs. Right: after it."""
    chain = chain_of(K, T, seed)
    steps = math.fsum(chain.step_divergence(x0, t) for t in range(2, T + 1))
    at = forward_marginals(chain, x0)
    ends = expect(chain, x0, lambda path: math.log(at[1][path.x[1]] / at[T][path.x[T]]))
    return math.exp(chain.second_term(x0)), math.exp(ends - steps)

"""SNE and t-SNE: neighbour probabilities, perplexity, the cost of a map and its gradients."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import entr, rel_entr

from .. import manifold
from .entry import Param, equation
from .settings import ROUNDING, SEED, normals

MANIFOLD = "tinydiff.manifold"
POINTS = Param(8, 4, 14)
SLOPES = 1e-6  # central differences of step 1e-4 of second order: 1e-8 of the third derivative
CLOUD = {"n": POINTS, "seed": SEED}


def cloud(n, seed, d=5):
    """(X, y): n points in d dimensions and in the plane."""
    return normals(seed, (n, d), (n, 2))


def distances(X):
    """Squared distances, pair by pair."""
    return ((X[:, None] - X[None]) ** 2).sum(axis=2)


def normalised(weight, axis=None):
    """Weights without their diagonal, divided by their sum over `axis`."""
    weight = weight * (1 - np.eye(len(weight)))
    return weight / weight.sum(axis=axis, keepdims=axis is not None)


def random_joint(n, seed):
    """A symmetric distribution over pairs."""
    weight = np.exp(normals(seed + 1, (n, n))[0])
    return normalised(weight + weight.T)


def slopes(cost, y, h=1e-4):
    """The gradient of cost(y) by central differences, entry by entry."""
    gradient = np.zeros_like(y)
    for i in np.ndindex(*y.shape):
        step = np.zeros_like(y)
        step[i] = h
        gradient[i] = (cost(y + step) - cost(y - step)) / (2 * h)
    return gradient


@equation(
    "neighbours.distances",
    "Squared distances by one matrix product.",
    r"\|x_i - x_j\|^2 = \|x_i\|^2 + \|x_j\|^2 - 2 x_i^T x_j",
    source="ub-lecture L301, L325, L348-351",
    implements=f"{MANIFOLD}:squared_distances", tolerance=1e-9,
    **CLOUD, offset=Param(1.0, 1e-3, 1e5, log=True),
)  # fmt: skip
def squared_distances(n, seed, offset):
    """Right: differences, squared. All points are moved by `offset`, which changes no distance:
    a point near 1e5 has 1e-11 of rounding left in it."""
    X, _ = cloud(n, seed)
    return manifold.squared_distances(X + offset), distances(X + offset)


@equation(
    "neighbours.conditional",
    "Who is whose neighbour: a Gaussian around each point.",
    r"p_{j|i} = \frac{\exp(-\|x_i-x_j\|^2 / 2\sigma_i^2)}{\sum_{k\ne i} \exp(-\|x_i-x_k\|^2 /"
    r" 2\sigma_i^2)},"
    r"\qquad p_{i|i} = 0",
    source="ub-lecture L290, L305, L353-365; Hinton and Roweis 2002, equation 1",
    implements=f"{MANIFOLD}:conditional", tolerance=1e-8,  # widths are found to 1e-12
    **CLOUD, perplexity=Param(2.5, 1.05, 2.95),
)  # fmt: skip
def conditional(n, seed, perplexity):
    """Left: p, and the widths. Right: each row's width by scipy's root finder on log sigma, then
    the formula."""
    D = distances(cloud(n, seed)[0])
    perplexity = min(perplexity, n - 1.05)

    def row(i, log_sigma):
        gap = np.delete(D[i], i) - np.delete(D[i], i).min()
        weight = np.exp(-gap / (2 * np.exp(2 * log_sigma)))
        return np.insert(weight / weight.sum(), i, 0.0)

    def excess(log_sigma, i):
        return entr(row(i, log_sigma)).sum() - np.log(perplexity)

    roots = [brentq(excess, -6, 6, args=(i,), xtol=1e-13) for i in range(n)]
    right = np.array([row(i, root) for i, root in enumerate(roots)])
    return manifold.conditional(D, perplexity), (right, np.exp(roots))


@equation(
    "neighbours.perplexity",
    "The perplexity is the effective number of neighbours.",
    r"\mathrm{Perp}(P_i) = 2^{H(P_i)},\qquad H(P_i) = -\sum_j p_{j|i} \log_2 p_{j|i}",
    source="ub-lecture L307, L379-382; Hinton and Roweis 2002, section 2",
    implements=f"{MANIFOLD}:perplexity", tolerance=ROUNDING,
    **CLOUD, k=Param(3, 1, 4),
)  # fmt: skip
def perplexity(n, seed, k):
    """Left: of random rows, and of k equal neighbours. Right: 2 to the entropy in bits; and k."""
    p = normalised(np.exp(normals(seed, (n, n))[0]), axis=1)
    equal = np.zeros((1, n))
    equal[0, :k] = 1 / k
    right = 2 ** (entr(p).sum(axis=1) / np.log(2))
    return (manifold.perplexity(p), manifold.perplexity(equal)), (right, np.array([k]))


@equation(
    "neighbours.joint",
    "Symmetrised: one distribution over all pairs.",
    r"p_{ij} = \frac{p_{j|i} + p_{i|j}}{2N},\qquad \sum_{ij} p_{ij} = 1,\quad \sum_j p_{ij} >"
    r" \frac{1}{2N}",
    source="ub-lecture L317, L329, L401, L402; van der Maaten and Hinton 2008, section 3.1",
    implements=f"{MANIFOLD}:joint", tolerance=ROUNDING,
    **CLOUD,
)  # fmt: skip
def joint(n, seed):
    """Left: the table, its sum, and whether even an outlier keeps a share of more than 1 / 2N.
    Right: pair by pair."""
    p = normalised(np.exp(3 * normals(seed, (n, n))[0]), axis=1)
    left = manifold.joint(p)
    right = np.array([[(p[i, j] + p[j, i]) / (2 * n) for j in range(n)] for i in range(n)])
    return (left, left.sum(), float((left.sum(axis=1) > 1 / (2 * n)).all())), (right, 1.0, 1.0)


@equation(
    "neighbours.gaussian-map",
    "SNE's map: Gaussians of one width, over all pairs.",
    r"q_{ij} = \frac{\exp(-\|y_i-y_j\|^2)}{\sum_{k\ne l} \exp(-\|y_k-y_l\|^2)}",
    source="ub-lecture L292, L395-399; van der Maaten and Hinton 2008, section 3.1",
    implements=f"{MANIFOLD}:gaussian_joint", tolerance=ROUNDING,
    **CLOUD,
)  # fmt: skip
def gaussian_map(n, seed):
    """Right: the formula."""
    y = cloud(n, seed)[1]
    return manifold.gaussian_joint(y), normalised(np.exp(-distances(y)))


@equation(
    "neighbours.student-map",
    "t-SNE's map: a heavy tail, Student's t with one degree of freedom.",
    r"q_{ij} = \frac{(1 + \|y_i-y_j\|^2)^{-1}}{\sum_{k\ne l} (1 + \|y_k-y_l\|^2)^{-1}}",
    source="ub-lecture L331, L427-432; van der Maaten and Hinton 2008, equation 4",
    implements=f"{MANIFOLD}:student_joint", tolerance=ROUNDING,
    **CLOUD,
)  # fmt: skip
def student_map(n, seed):
    """Left: q and its weights. Right: the formula."""
    y = cloud(n, seed)[1]
    weight = 1 / (1 + distances(y)) - np.eye(n)
    return manifold.student_joint(y), (normalised(weight), weight)


@equation(
    "neighbours.cost",
    "The cost of a map is a divergence, never negative.",
    r"C = D_{KL}(P \,\|\, Q) = \sum_{ij} p_{ij} \log\frac{p_{ij}}{q_{ij}}",
    source="ub-lecture L294, L319, L321",
    implements=f"{MANIFOLD}:divergence", tolerance=1e-10,
    **CLOUD,
)  # fmt: skip
def cost(n, seed):
    """Right: scipy's relative entropy."""
    p, q = random_joint(n, seed), manifold.gaussian_joint(cloud(n, seed)[1])
    return manifold.divergence(p, q), rel_entr(p, q).sum()


@equation(
    "neighbours.sne-gradient",
    "SNE's gradient: springs as strong as the mismatch, both ways.",
    r"\frac{\partial C}{\partial y_i} = 2\sum_j \left(p_{j|i} - q_{j|i} + p_{i|j} -"
    r" q_{i|j}\right)(y_i - y_j)",
    source="Hinton and Roweis 2002, equation 5",
    implements=f"{MANIFOLD}:sne_gradient", tolerance=SLOPES,
    **CLOUD,
)  # fmt: skip
def sne_gradient(n, seed):
    """Right: central differences of sum_i D_KL(p(. | i) || q(. | i)), written out."""
    X, y = cloud(n, seed)
    p = normalised(np.exp(-distances(X) / 4), axis=1)

    def cost(y):
        return rel_entr(p, normalised(np.exp(-distances(y)), axis=1)).sum()

    return manifold.sne_gradient(p, y), slopes(cost, y)


@equation(
    "neighbours.symmetric-sne-gradient",
    "The gradient of symmetric SNE.",
    r"\frac{\partial C}{\partial y_i} = 4\sum_j (p_{ij} - q_{ij})(y_i - y_j)",
    source="ub-lecture L335, L411-416",
    implements=f"{MANIFOLD}:symmetric_sne_gradient", tolerance=SLOPES,
    **CLOUD,
)  # fmt: skip
def symmetric_sne_gradient(n, seed):
    """Right: central differences of the cost."""
    y, p = cloud(n, seed)[1], random_joint(n, seed)
    cost = lambda y: rel_entr(p, normalised(np.exp(-distances(y)))).sum()  # noqa: E731
    return manifold.symmetric_sne_gradient(p, y), slopes(cost, y)


@equation(
    "neighbours.tsne-gradient",
    "The gradient of t-SNE.",
    r"\frac{\partial C}{\partial y_i} = 4\sum_j \frac{(p_{ij} - q_{ij})(y_i - y_j)}{1 + \|y_i -"
    r" y_j\|^2}",
    source="ub-lecture L335, L418-425; van der Maaten and Hinton 2008, equation 5",
    implements=f"{MANIFOLD}:tsne_gradient", tolerance=SLOPES,
    **CLOUD,
)  # fmt: skip
def tsne_gradient(n, seed):
    """Right: central differences of the cost."""
    y, p = cloud(n, seed)[1], random_joint(n, seed)
    cost = lambda y: rel_entr(p, normalised(1 / (1 + distances(y)))).sum()  # noqa: E731
    return manifold.tsne_gradient(p, y), slopes(cost, y)

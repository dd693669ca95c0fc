"""Neighbour embedding: from distances to probabilities, and the maps that keep them.

SNE (Hinton and Roweis 2002) and t-SNE (van der Maaten and Hinton 2008) describe data by who is
whose neighbour: p(j | i), a Gaussian around point i whose width is set by a perplexity, a number of
neighbours. The map y (N, 2) has probabilities q of the same kind, and minimises D_KL(p || q).

    embedding = manifold.tsne(X, perplexity=30)     # embedding.y, .kl, .p, .sigmas, .perplexity

Arrays of either library, float64 advised: D are squared distances (N, N), p and q (N, N) with a
diagonal of 0. Source: ub-lecture, whose search for the width leaves point i among its own
neighbours for all i but the first; here it is left out by its place."""

from .costs import (
    divergence,
    gaussian_conditional,
    gaussian_joint,
    sne_gradient,
    student_joint,
    symmetric_sne_gradient,
    tsne_cost,
    tsne_gradient,
)
from .embed import Embedding, principal_axes, sne, tsne
from .neighbours import conditional, joint, perplexity, squared_distances

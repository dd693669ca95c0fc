"""The whole ledger: importing a topic enters its equations, or its errata."""

from . import (
    adjoints,
    elbo,
    errata_ch327,
    errata_nus,
    errata_peers,
    errata_steps,
    errata_tsne,
    errata_ub,
    forward,
    gaussian_laws,
    gaussians,
    generative,
    losses,
    neighbours,
    networks,
    noise,
    odes,
    posterior,
    probability,
    reparametrisation,
    revisits,
    sampling,
    terms,
    threeterms,
    variance,
)
from .entry import registered

# fmt: off
TOPICS = (  # in the order of the derivation
    probability, gaussians, gaussian_laws, noise, forward, posterior, elbo, threeterms, terms,
    variance, losses, reparametrisation, sampling, odes, revisits, generative, neighbours,
    networks, adjoints,
    errata_nus, errata_steps, errata_ub, errata_tsne, errata_ch327, errata_peers,
)
# fmt: on


def all_entries():
    """{id: Entry} in the order of TOPICS, and of each file."""
    order = {topic.__name__: place for place, topic in enumerate(TOPICS)}
    return dict(sorted(registered().items(), key=lambda item: order[item[1].check.__module__]))

"""The game of a generative adversarial network, in terms of the discriminator's logit l(x).

D(x) = sigmoid(l(x)) is the probability that x is data. Everything is written with softplus, as
log D = -softplus(-l) and log(1 - D) = -softplus(l), which do not overflow. Arrays or Tensors.
Source: Goodfellow et al. 2014.
"""

from ..ops import mean, sigmoid, softplus


def optimal_discriminator(log_data, log_model):
    """D(x) = p_data(x) / (p_data(x) + p_model(x)), given both log densities at x.

    At every x it maximises p_data log D + p_model log(1 - D); its logit is log p_data - log
    p_model."""
    return sigmoid(log_data - log_model)


def value(logits_data, logits_model):
    """E_data log D + E_model log(1 - D), which the discriminator maximises and the generator
    minimises.

    The logits at draws of the data and of the model. Where D is optimal this is 2 JS - log 4,
    with the Jensen-Shannon divergence of the two densities."""
    return -mean(softplus(-logits_data)) - mean(softplus(logits_model))


def generator_loss(logits_model):
    """-E_model log D, which has a slope where log(1 - D) is flat: when the generator is still
    poor."""
    return mean(softplus(-logits_model))

"""The game of a generative adversarial network, in terms of the discriminator's logit l(x).

D(x) = sigmoid(l(x)) is the probability that x is data. Everything is written with softplus, as
log D = -softplus(-l) and log(1 - D) = -softplus(l), which do not overflow. Arrays or Tensors.
Wasserstein's game has a critic in the place of l, any function with slope 1.
Sources: Goodfellow et al. 2014; Arjovsky et al. 2017; Gulrajani et al. 2017.
"""

from ..functional import grad
from ..nn import Module
from ..ops import mean, relu, sigmoid, softplus, sqrt, square, sum, tanh
from .mlp import mlp


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


def critic_gap(scores_data, scores_model):
    """E_data f - E_model f, which the critic maximises and the generator minimises.

    Over all f of slope at most 1 its largest value is Wasserstein's distance, the least mean way
    that mass has to go to turn one law into the other: a function that rises along a way of length
    r rises by r at most (Kantorovich and Rubinstein). So it has a slope where the two laws do not
    overlap, and where the game above is flat.
    """
    return mean(scores_data) - mean(scores_model)


def between(data, model, u):
    """u x + (1 - u) y, row by row: places on the straight ways from draws of the model to data.

    The best critic has slope 1 along the ways that mass goes, so this is where it is asked for.
    data, model: (N, ...) arrays; u: (N, 1 ...) within [0, 1].
    """
    return u * data + (1 - u) * model


def gradient_penalty(critic, x):
    """(|grad f(x)| - 1)^2 of each row x (N, d): (N,), a Tensor that can be differentiated again.

    Rows do not see each other in f, so the gradient of sum_n f(x_n) holds that of each row. The
    slope is recorded with a tape of its own, and its own gradient, by the critic's parameters, is
    the second derivative of f. 1e-12 under the root keeps that finite where the slope is 0.
    """
    slope = grad(lambda x: sum(critic(x)))(x)
    return square(sqrt(sum(square(slope), axis=-1) + 1e-12) - 1)


class Generator(Module):
    """x = unit MLP(z): draws z (N, latent) ~ N(0, I) to points (N, d), unit: about their scale."""

    def __init__(self, latent, hidden, d=2, unit=1 / 3, *, rng):
        self.latent, self.unit = latent, unit
        self.net = mlp(latent, *hidden, d, activation=relu, rng=rng)

    def forward(self, z):
        return self.net(z) * self.unit


class ImageGenerator(Module):
    """x = tanh(MLP(z)): draws z (N, latent) ~ N(0, I) to rows of pixels (N, d) in [-1, 1]."""

    def __init__(self, latent, hidden, d, *, rng):
        self.latent, self.net = latent, mlp(latent, *hidden, d, activation=relu, rng=rng)

    def forward(self, z):
        return tanh(self.net(z))


class Critic(Module):
    """f(x) = unit MLP(x / unit), (N, d) -> (N,).

    The slope of f is that of the MLP, and unit is the length on which it bends: details much
    smaller than that it would learn late.
    """

    def __init__(self, hidden, d=2, unit=1 / 3, *, rng):
        self.net, self.unit = mlp(d, *hidden, 1, activation=relu, rng=rng), unit

    def forward(self, x):
        return self.net(x * (1 / self.unit))[..., 0] * self.unit

"""The autoencoder: an image squeezed through a few numbers, and made again from them."""

from ..nn import Module
from .coders import dense


class Autoencoder(Module):
    """decoder(encoder(x)), (N, *shape) -> (N, *shape), through (N, latent).

    Without hidden layers both are linear, and the best that they can do is known: least squared
    error has the projection on the `latent` principal axes (Bourlard and Kamp 1988). rng:
    np.random.Generator of the weights.
    """

    def __init__(self, shape, latent=8, hidden=(256, 256), *, rng):
        self.encoder, self.decoder = dense(tuple(shape), latent, latent, hidden, rng=rng)

    def forward(self, x):
        return self.decoder(self.encoder(x))

"""What the lectures have beside diffusion: functions, classes, codes, games, energies, maps."""

from ..autoencoder import AutoencoderSettings
from ..classify import Classification
from ..energy import EnergyModel
from ..gan import Gan
from ..neighbours import NeighbourMap
from ..regression import Regression
from ..text import Text
from ..vae import Vae

LECTURES = (
    Vae(
        name="vae",
        about="variational autoencoder of digits by MLPs, 8 latent numbers",
        steps=2500,
    ),
    Vae(
        name="vae-plane",
        about="the same with 2 latent numbers, to look at",
        task="vae",
        latent=2,
        steps=2500,
    ),
    Gan(
        name="gan",
        about="WGAN-GP on a ring of 8 Gaussians",
        steps=1500,
    ),
    Gan(
        name="gan-ns",
        about="the same networks in the first, non-saturating game",
        task="gan",
        objective="non-saturating",
        steps=1500,
    ),
    EnergyModel(
        name="energy",
        about="energy of two moons by denoising score matching, log Z by two routes",
        steps=2000,
    ),
    EnergyModel(
        name="energy-explicit",
        about="the same by explicit score matching: the trace of the score's slope",
        task="energy",
        loss="explicit",
        steps=1500,
    ),
    EnergyModel(
        name="energy-sliced",
        about="the same by sliced score matching: that slope along one direction",
        task="energy",
        loss="sliced",
        steps=2000,
    ),
    Text(
        name="text",
        about="diffusion of characters, and an autoregressive twin",
        steps=1500,
    ),
    NeighbourMap(
        name="tsne",
        about="all digits in the plane by t-SNE (method: sne, conditional-sne)",
    ),
    Regression(
        name="regression",
        about="a wave learned from noisy values by an MLP, beside least squares",
        steps=1000,
    ),
    Regression(
        name="regression-linear",
        about="the lecture's line w x + b by gradient descent",
        task="regression",
        truth="line",
        model="linear",
        steps=100,
        lr=0.3,
        ema=0.0,
    ),
    Classification(
        name="boundary",
        about="an MLP between two spiral arms (data: moons, circles, blobs)",
        data="spiral",
        noise=0.05,
        batch=256,
        lr=5e-3,
        steps=2000,
    ),
    AutoencoderSettings(
        name="autoencoder",
        about="digits through 8 numbers and back by MLPs",
        steps=2000,
    ),
    AutoencoderSettings(
        name="autoencoder-linear",
        about="the same without hidden layers",
        task="autoencoder",
        layers=0,
        batch=1438,  # all rows
        lr=3e-2,
        steps=2000,
    ),
    Vae(
        name="vae-conv",
        about="the VAE of digits with convolutions",
        task="vae",
        network="conv",
        hidden=16,
        lr=3e-3,
        steps=2500,
    ),
    Vae(
        name="vae-linear",
        about="the linear VAE of digits, beside probabilistic PCA in closed form",
        task="vae",
        network="linear",
        likelihood="gaussian",
        batch=1438,  # all rows
        lr=2e-2,
        steps=1500,
    ),
    Gan(
        name="gan-digits",
        about="WGAN-GP on digits by MLPs",
        task="gan",
        data="digits",
        penalty=10.0,
        latent=16,
        hidden=256,
        layers=2,
        batch=192,
        lr=1e-3,
        ema=0.995,
        steps=6000,
    ),
    Classification(
        name="classifier",
        about="convolutional network on digits, and what its layers see",
        steps=600,
    ),
)

"""What to expect of each preset: its size, its time, its figures. `tinydiff train --list` shows it.

size: how many numbers are learned (tested). takes: on two cores that do nothing else, with its
report, rounded up. figures: those of the report of the committed run.
"""

from typing import NamedTuple


class Expected(NamedTuple):
    size: int
    takes: str
    figures: str


EXPECTED = {
    "digits": Expected(
        627_396, "3 min", "top probability of samples 0.94, Frechet distance 6.3 (data: 3.1)"
    ),
    "digits-learned": Expected(
        629_704, "4 min", "the same; -log p of held-out digits below 132 nats, 2.97 bits/dim"
    ),
    "digits-labels": Expected(
        628_804, "4 min", "every sample is the digit asked for, by the judge; Frechet distance 4.9"
    ),
    "lab1": Expected(842_241, "1 h", "loss 0.060 after 2000 steps (published: after 7200)"),
    "lab1-best": Expected(841_089, "1 h", "eps-MSE 0.0229, 1.02 times the least possible"),
    "small": Expected(
        1_662_916, "15 min", "top probability of samples 0.91, Frechet distance 45; 2.23 bits/dim"
    ),
    "lab2": Expected(6_621_076, "a GPU", "never run whole: a step takes seconds on a CPU"),
    "unet": Expected(4_261_505, "a GPU", "never run whole: a step takes seconds on a CPU"),
    "two_gaussians": Expected(
        35_457, "30 s", "loss within 1 % of the least possible; density 0.07 from the exact one"
    ),
    "moons": Expected(
        35_714, "40 s", "loss within 0.5 % of the least possible; 95 % of samples among the data"
    ),
    "vae": Expected(171_152, "20 s", "bound on held-out digits 100.4 nats, 2.26 bits/dim"),
    "vae-plane": Expected(166_532, "20 s", "bound on held-out digits 107.9 nats"),
    "gan": Expected(17_219, "20 s", "8 of 8 modes, 88 % of samples in one (data: 99 %)"),
    "gan-ns": Expected(17_219, "10 s", "7 of 8 modes"),
    "energy": Expected(17_025, "15 s", "score within 11 % of the exact one; log Z 2.64 and 2.62"),
    "energy-explicit": Expected(17_025, "1 min", "score within 17 % of the exact one"),
    "energy-sliced": Expected(17_025, "30 s", "score within 18 % of the exact one"),
    "text": Expected(725_508, "5 min", "nats per character: 2.68, its twin 1.55, unigram 3.10"),
    "tsne": Expected(3_594, "10 s", "KL divergence 0.681, trustworthiness 0.995"),
    "regression": Expected(1_153, "5 s", "squared error 0.0396, where the noise alone has 0.04"),
    "regression-linear": Expected(2, "5 s", "the line of least squares, to 1e-6"),
    "boundary": Expected(4_482, "5 s", "98.4 % right, the true probabilities 98.2 %"),
    "autoencoder": Expected(169_032, "10 s", "squared error 0.041 a pixel, 8 principal axes 0.098"),
    "autoencoder-linear": Expected(1_096, "30 s", "the error of 8 principal axes, 0.098"),
    "vae-conv": Expected(26_033, "40 s", "bound on held-out digits 100.7 nats, 2.27 bits/dim"),
    "vae-linear": Expected(1_097, "5 s", "bound within 0.001 nats of probabilistic PCA's, -30.04"),
    "gan-digits": Expected(
        169_281, "2 min", "top probability of samples 0.93, Frechet distance 4.9"
    ),
    "classifier": Expected(73_162, "10 s", "99.4 % of held-out digits right"),
}

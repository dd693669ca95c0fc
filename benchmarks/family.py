"""One training of a family of generative models on the ring, and the figures of its samples.

    python -m benchmarks.family FAMILY SEED SECONDS FOLDER

prints them as JSON; of seed 0 the samples are left in FOLDER. benchmarks/families.py runs it.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from tinydiff.data import load
from tinydiff.data.points import NOISE
from tinydiff.diffusion.samplers import last
from tinydiff.tensor import no_grad
from tinydiff.train.build import sampling
from tinydiff.train.config import Config
from tinydiff.train.distances import energy_distance
from tinydiff.train.gan import NEAR, SAMPLES, Gan, GanLearner, coverage
from tinydiff.train.laws import law
from tinydiff.train.trainer import Trainer
from tinydiff.train.vae import Vae, VaeLearner

TIMED, REPEATS = 1000, 5  # samples drawn at once when time is measured, and how often
REFERENCE = 5000  # draws of the data that samples are held against
WARMUP = 50  # steps
DIFFUSION = {  # how one trained network is sampled
    "diffusion, 100 steps": {"sampler": "ddpm", "sample_steps": 100},
    "diffusion, 20 steps": {"sampler": "dpmpp_2m", "sample_steps": 20},
}


def settings():
    """{family: Settings}: 35,628 to 35,808 parameters each, both networks of a pair counted."""
    gan = Gan("families", hidden=93)
    diffusion = Config(
        "families", data="blobs", model="mlp", T=100, predicts="v", batch=256, lr=2e-3,
    )  # fmt: skip
    return {
        "GAN, Wasserstein": gan,
        "GAN, non-saturating": gan.changed({"objective": "non-saturating"}),
        "VAE": Vae(
            "families", data="blobs", latent=2, hidden=130, likelihood="gaussian", batch=256
        ),
        "diffusion": diffusion,
    }


def learner(family, seed):
    """What is trained."""
    chosen, data = settings()[family].changed({"seed": seed}), load("blobs")
    if isinstance(chosen, Gan):
        return GanLearner(chosen, data)
    return VaeLearner(chosen, data) if isinstance(chosen, Vae) else Trainer(chosen, data)


def parameters(learner):
    """How many numbers are trained."""
    parts = ("model", "generator", "critic")
    return sum(owner.flat.data.size for name, owner in learner.owners.items() if name in parts)


def train(learner, seconds):
    """Train for `seconds` of this process's CPU time; returns the last loss."""
    began, highest = time.process_time(), learner.settings.lr

    def rate(step):
        part = min(1.0, (time.process_time() - began) / seconds)
        return highest * min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + np.cos(np.pi * part))

    learner.lr, loss = rate, np.nan
    while time.process_time() - began < seconds:
        loss, _ = learner.update(*learner.batch())
    return float(loss)


def drawers(family, learner):
    """{name of the row: (draw(n): samples (n, 2), how often a network is computed for them)}."""
    if family.startswith("GAN"):
        return {family: (learner.made, 1)}
    if family == "VAE":
        return {family: (lambda n: vae_samples(learner.model, n, learner.rng), 1)}
    return {
        name: (lambda n, way=way: diffusion_samples(learner, n, way), way["sample_steps"])
        for name, way in DIFFUSION.items()
    }


def vae_samples(model, n, rng):
    """Draws of z, of p(x | z)."""
    z, eps = rng.standard_normal((n, model.latent)), rng.standard_normal((n, *model.shape))
    with no_grad():
        mean = model.decode(z.astype(np.float32)).data
    return mean + np.exp(0.5 * np.clip(model.log_var_x.data, -8, 4)) * eps


def diffusion_samples(learner, n, way):
    """Samples of a Trainer's network by the sampler and its number of steps in `way`."""
    config = learner.settings.changed(way)
    return last(sampling(config, learner.model, learner.process, n, (2,), learner.rng))


def figures(samples):
    """The figures of samples (N, 2) that do not depend on how they were made."""
    modes, inside, rarest = coverage(samples)
    found = {"modes": modes, "inside": inside, "rarest": rarest, "width": width(samples)}
    reference = law("blobs").sample(REFERENCE, np.random.default_rng(1))
    return found | {"energy": 1000 * energy_distance(samples.astype(np.float64), reference)}


def width(samples):
    """Root mean square distance from the centre, per coordinate, over the data's; NaN if none."""
    apart = np.linalg.norm(samples[:, None] - law("blobs").means, axis=-1).min(axis=1)
    near = apart[apart < NEAR * NOISE]
    return float(np.sqrt((near**2).mean() / 2) / NOISE) if len(near) else np.nan


def failure(row):
    """Why a row counts as failed, or ""."""
    if not (np.isfinite(row["loss"]) and np.isfinite(row["energy"])):
        return "diverged"
    return "" if row["modes"] == 8 else "modes"


def run(family, seed, seconds):
    """([rows without settings], {row's name: samples}) of one training, in this process."""
    if family == "data":
        samples = law("blobs").sample(SAMPLES, np.random.default_rng(1000 + seed))
        row = {"family": family, "seed": seed, "loss": 0.0, **figures(samples)}
        return [row | {"failed": failure(row)}], {family: samples}
    taught = learner(family, seed)
    loss = train(taught, seconds)
    rows, kept = [], {}
    with taught.average.applied():
        for name, (draw, evaluations) in drawers(family, taught).items():
            try:
                samples, ms = draw(SAMPLES), milliseconds(draw)
            except ValueError:  # a sampler refuses what is not finite
                samples, ms = np.full((SAMPLES, 2), np.nan), np.nan
            row = {
                "family": name, "seed": seed, "parameters": parameters(taught),
                "steps": taught.step, "loss": loss, "evaluations": evaluations, "ms": ms,
                **figures(samples),
            }  # fmt: skip
            rows.append(row | {"failed": failure(row)})
            kept[name] = samples
    return rows, kept


def milliseconds(draw):
    """CPU milliseconds of drawing TIMED samples; once before, to warm up."""
    draw(TIMED)
    began = time.process_time()
    for _ in range(REPEATS):
        draw(TIMED)
    return 1000 * (time.process_time() - began) / REPEATS


def main(family, seed, seconds, folder):
    rows, samples = run(family, int(seed), float(seconds))
    if seed == "0":
        for name, points in samples.items():
            np.save(Path(folder) / f"{name}.npy", points.astype(np.float32))
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])

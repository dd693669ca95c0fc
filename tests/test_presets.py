"""What `tinydiff train --list` says of the presets: their sizes are true, and all have words."""

import numpy as np
import pytest

from tinydiff.data import load
from tinydiff.nn import Module
from tinydiff.train.autoencoder import AutoencoderLearner
from tinydiff.train.build import build
from tinydiff.train.classify import ClassifierLearner, rows
from tinydiff.train.energy import EnergyLearner
from tinydiff.train.gan import GanLearner
from tinydiff.train.presets import PRESETS
from tinydiff.train.presets.expected import EXPECTED
from tinydiff.train.regression import RegressionLearner
from tinydiff.train.text import TextLearner
from tinydiff.train.vae import learner_of

LEARNERS = {
    "vae": lambda s: learner_of(s, load(s.data)),
    "gan": lambda s: GanLearner(s, load(s.data)),
    "energy": lambda s: EnergyLearner(s, load("moons")),
    "regression": RegressionLearner,
    "classifier": lambda s: ClassifierLearner(s, rows(s, "train")),
    "text": lambda s: TextLearner(s, load(s.data)),
    "autoencoder": lambda s: AutoencoderLearner(s, load(s.data)),
}


def size(settings):
    """How many numbers a run learns: all its models', or the map's coordinates."""
    if settings.kind == "diffusion":
        models = [build(settings, np.random.default_rng(0))[0]]
    elif settings.kind == "neighbours":
        return 2 * (len(load("digits")) + len(load("digits", "test")))
    else:
        owners = LEARNERS[settings.kind](settings).owners.values()
        models = [owner for owner in owners if isinstance(owner, Module)]
    return sum(p.size for model in models for p in model.parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_the_size_that_is_listed_is_true(name):
    assert EXPECTED[name].size == size(PRESETS[name])


def test_every_preset_says_how_long_it_takes_and_what_to_expect():
    assert list(EXPECTED) == list(PRESETS)
    for name, expected in EXPECTED.items():
        about = PRESETS[name].about
        assert about and expected.takes and expected.figures, name
        assert len(about) <= 72 and len(expected.figures) <= 80, name

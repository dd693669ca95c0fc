"""A model so small that it trains in a moment, and what the tests of training share."""

import numpy as np

from tinydiff.data import load
from tinydiff.train.config import Config
from tinydiff.train.trainer import Trainer

NET = {"patch": 2, "widths": (8, 8), "blocks": 1, "heads": (2, 0), "d": 8, "groups": 4}


def config(**changes):
    tiny = Config(
        name="tiny", net=NET, T=20, steps=6, batch=16, warmup=2, lr=1e-2, log_every=2, save_every=4,
        sample_steps=3, n_judged=12, judge_steps=2,
    )  # fmt: skip
    return tiny.changed(changes)


def trainer(threads=1, **changes):
    return Trainer(config(**changes), load("digits", limit=50), threads=threads)


def state(trained):
    """All that a checkpoint holds of a Trainer, as one dict of arrays."""
    owners = trained.owners.items()
    arrays = {f"{part}/{k}": v for part, owner in owners for k, v in owner.state_dict().items()}
    return arrays | {"rng": trained.rng.bit_generator.state["state"]["state"], "step": trained.step}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name)

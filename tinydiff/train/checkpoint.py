"""A checkpoint: one .npz with everything that training needs to go on as if it had not stopped.

    version   int, the layout described here
    config    JSON: the resolved settings, from which the model is built again
    step      int, how many steps have been made
    rng       JSON: the state of the random generator
    PART/*    the arrays of the state_dicts: of model, ema and optim for a diffusion model

Nothing in it is pickled (allow_pickle=False), so opening a stranger's checkpoint runs no code.
"""

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from ..backend.errors import CheckpointError

VERSION = 1


def save(path, *, config, step, rng, states):
    """Write a checkpoint, whole or not at all: to a temporary file, which then is renamed.

    config: a dict of JSON values; rng: np.random.Generator; states: {part: state_dict}. Raises
    CheckpointError if the disk refuses; a checkpoint of this name written before is then kept.
    """
    arrays = {
        "version": VERSION,
        "config": json.dumps(config),
        "step": step,
        "rng": json.dumps(rng.bit_generator.state),
    }
    for part, state in states.items():
        arrays |= {f"{part}/{name}": value for name, value in state.items()}
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the old one goes
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; one written before is unharmed"
        ) from error


def load(path):
    """The checkpoint at `path` as a dict: config, step, rng (a state), states {part: state_dict}.

    Raises CheckpointError: there is none, it is damaged, or of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint at {path}, so that is no run; `tinydiff train` makes one"
        )
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as entries:
            arrays = {name: entries[name] for name in entries.files}
    except ValueError as error:  # NumPy would go on to advise unpickling
        raise CheckpointError(f"{path} is damaged: it is not an .npz of plain arrays") from error
    except (OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise CheckpointError(f"{path} is damaged and cannot be read: {error}") from error
    try:
        version = int(arrays.get("version", 0))
        if version != VERSION:
            raise CheckpointError(
                f"{path} has the layout of version {version}, this tinydiff reads version {VERSION}"
            )
        found = {name: json.loads(str(arrays[name])) for name in ("config", "rng")}
        found["step"] = int(arrays["step"])
        np.random.default_rng().bit_generator.state = found["rng"]  # refuses what is none
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error!r}") from error
    if not isinstance(found["config"], dict):
        raise CheckpointError(f"{path} is damaged: config is not an object, but {found['config']}")
    if arrays["step"].dtype.kind not in "iu" or found["step"] < 0:
        raise CheckpointError(f"{path} is damaged: step {arrays['step']} is no number of steps")
    found["states"] = {}
    for name in arrays:
        part, slash, rest = name.partition("/")
        if slash:
            found["states"].setdefault(part, {})[rest] = arrays[name]
    if name := lost(found["states"]):
        raise CheckpointError(f"{path} is damaged: {name} holds NaN")
    return found


def lost(states):
    """The name of an array in {part: state_dict} that holds NaN, as a checkpoint has it, or None.

    Infinity may be meant: it is the best loss of a plateau before the first epoch.
    """
    for part, state in states.items():
        for name, value in state.items():
            if value.dtype.kind == "f" and np.isnan(value).any():
                return f"{part}/{name}"
    return None


def restore(owner, state):
    """owner.load_state_dict(state), for arrays that may be missing or of another model."""
    try:
        owner.load_state_dict(state)
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"the checkpoint does not fit this {type(owner).__name__}: {error}"
        ) from error

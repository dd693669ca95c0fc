"""The folder of a run: begun, gone on with, and the small files in it."""

import json
import os
import time
from contextlib import contextmanager

from ..backend.errors import ConfigError
from . import checkpoint
from .build import settings_of


def start(folder):
    """Make the folder of a new run. Raises ConfigError if it holds a run already."""
    for name in ("checkpoint.npz", "report.json"):  # without both there is nothing to lose
        if (folder / name).exists():
            go_on = "go on with it by --resume, " if name == "checkpoint.npz" else ""
            raise ConfigError(
                f"{folder} already holds a run: {go_on}choose another folder by --out, or remove it"
            )
    folder.mkdir(parents=True, exist_ok=True)


def resume(folder, given):
    """(Settings, checkpoint) of the run in `folder`. given: settings that must be those of the run.

    Raises CheckpointError if there is none, ConfigError if it has other settings.
    """
    saved = checkpoint.load(folder / "checkpoint.npz")
    config = settings_of(saved)
    wanted = config.changed(given)
    differing = [
        f"{name} is {getattr(config, name)!r}, not {getattr(wanted, name)!r}"
        for name in given
        if getattr(config, name) != getattr(wanted, name)
    ]
    if differing:
        raise ConfigError(
            f"the run in {folder} has its own settings ({'; '.join(differing)}): --resume goes on "
            "with those; leave these flags out, or start another run with --out"
        )
    return config, saved


def write_config(folder, settings, versions):
    """config.json: the resolved settings, and the versions of what they ran on."""
    write_json(folder / "config.json", {"config": settings.to_dict(), "versions": versions})


def write_json(path, value):
    """Write JSON for people to read, whole or not at all. ValueError for NaN and infinity."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")
    os.replace(temporary, path)


class Clock:
    """Seconds by name: `with clock("training"): ...`"""

    def __init__(self):
        self.seconds = {}

    @contextmanager
    def __call__(self, name):
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - begin, 2)

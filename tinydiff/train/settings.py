"""Settings: the frozen dataclass that every training run is made of.

A preset is an instance; a TOML file and the flags of the command change it. What results is what a
run saves, and all that is needed to build its model again.
"""

import math
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

from ..backend.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """What all kinds of runs have in common. Raises ConfigError for an impossible value.

    A kind of run is a subclass, `class Vae(Settings, kind="vae")`, with more fields, what is asked
    of their values (`choices`, `at_least`, `positive`), and `run`.
    """

    name: str  # of the preset, and of the folder under runs/
    about: str = ""  # what it is, in one line, for people
    task: str = ""  # what `tinydiff train TASK` finds it by; default: the name
    seed: int = 0
    steps: int = 1000
    log_every: int = 20  # steps between two looks at the loss
    save_every: int = 500

    kinds: ClassVar[dict] = {}
    kind: ClassVar[str]
    choices: ClassVar[dict] = {}
    at_least: ClassVar[dict] = {}
    positive: ClassVar[tuple] = ()
    fractions: ClassVar[tuple] = ()  # within [0, 1)

    def __init_subclass__(cls, kind, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.kind, Settings.kinds[kind] = kind, cls

    def __post_init__(self):
        for key in fields(self):
            value = getattr(self, key.name)
            if key.type is float and type(value) is int:
                known = float(value) if abs(value) < 2**1023 else math.inf  # more would overflow
                object.__setattr__(self, key.name, known)
            elif key.type is dict and type(value) is dict:  # JSON and TOML know no tuples
                known = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
                object.__setattr__(self, key.name, known)
            elif type(value) is not key.type:
                raise ConfigError(f"{key.name} must be of type {key.type.__name__}, got {value!r}")
            if key.type is float and not math.isfinite(known := getattr(self, key.name)):
                raise ConfigError(f"{key.name} must be a finite number, got {known}")
        object.__setattr__(self, "task", self.task or self.name)
        self.check()

    def check(self):
        """Raise ConfigError unless every value is possible."""
        for name, choices in self.choices.items():
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} is unknown; choose {', '.join(choices)}"
                )
        least = {"seed": 0, "steps": 0, "log_every": 1, "save_every": 1} | self.at_least
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ConfigError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        for name in self.positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        for name in self.fractions:
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must lie in [0, 1), got {getattr(self, name)}")

    def changed(self, changes):
        """These settings with the dict `changes`; a dict is merged into the dict that it changes.

        Raises ConfigError naming the valid keys if one is unknown.
        """
        valid = [key.name for key in fields(self)]
        unknown = sorted(set(changes) - set(valid))
        if unknown:
            raise ConfigError(
                f"unknown setting {', '.join(map(repr, unknown))}; valid are {', '.join(valid)}"
            )
        merged = {
            k: getattr(self, k) | v if isinstance(v, dict) and isinstance(getattr(self, k), dict)
            else v
            for k, v in changes.items()
        }  # fmt: skip
        return replace(self, **merged)

    def to_dict(self):
        """The settings as JSON values, with their kind."""
        return {"kind": self.kind} | asdict(self)

    def run(self, folder, saved=None, *, threads=1, versions=None, show=lambda *_: None):
        """Train and report in `folder` (a Path): a list of report.Figure, or None if interrupted.

        saved: a loaded checkpoint to go on from. versions: a dict for config.json. show(phase,
        done, steps, row): called now and then, with the latest row of the metrics.
        """
        raise TypeError(f"{type(self).__name__} has no run")


def from_dict(values):
    """The Settings that `to_dict` turned into JSON values. Raises ConfigError."""
    values = dict(values)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in Settings.kinds:
        raise ConfigError(f"unknown kind of run {kind!r}; known: {', '.join(Settings.kinds)}")
    try:
        return Settings.kinds[kind](**values)
    except TypeError as error:
        raise ConfigError(f"these are not the settings of a {kind} run: {error}") from error


def read_toml(path):
    """The settings in a TOML file, as a dict. Raises ConfigError if it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error}; its lines are like `steps = 200`"
        ) from error

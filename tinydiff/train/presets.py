"""What a training run is made of: one frozen dataclass, and the presets of `tinydiff train`.

A preset is the start; a TOML file and the flags of the command override it. The resolved Config is
what a run saves, and all that is needed to build its model again.
"""

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from ..backend.errors import ConfigError

CHOICES = {
    "model": ("unet",),
    "schedule": ("linear", "cosine", "sigmoid"),
    "predicts": ("eps", "x0", "v", "score"),
    "weight": ("simple", "vlb", "snr", "min_snr", "p2"),
    "sampler": ("ddpm", "ddim", "euler", "heun", "dpmpp_2m"),
}
AT_LEAST = {
    "T": 1, "steps": 0, "batch": 1, "warmup": 0, "log_every": 1, "save_every": 1,
    "sample_steps": 1, "judge_steps": 1, "n_judged": 10, "seed": 0,
}  # fmt: skip
POSITIVE = ("lr", "grad_clip")


@dataclass(frozen=True)
class Config:
    """The settings of one run. Raises ConfigError for an impossible value."""

    name: str  # of the preset, and of the folder under runs/
    about: str = ""  # one line for people: what to expect, and how long it takes
    data: str = "digits"
    model: str = "unet"
    net: dict = field(default_factory=dict)  # arguments of the model's constructor
    # the process
    schedule: str = "cosine"
    T: int = 1000
    # what is learned
    predicts: str = "v"
    weight: str = "simple"
    # how it is learned
    steps: int = 1000
    batch: int = 64
    lr: float = 1e-3
    warmup: int = 50  # steps of rising learning rate; then it falls along a cosine
    beta2: float = 0.99
    grad_clip: float = 1.0
    ema: float = 0.995
    seed: int = 0
    log_every: int = 20
    save_every: int = 500
    # what is made of it
    sampler: str = "ddim"
    sample_steps: int = 50
    n_judged: int = 500  # samples in the report
    judge_steps: int = 500  # training steps of the classifier that judges them

    def __post_init__(self):
        for key in fields(self):
            value = getattr(self, key.name)
            if key.type is float and type(value) is int:
                object.__setattr__(self, key.name, float(value))
            elif type(value) is not key.type:
                raise ConfigError(f"{key.name} must be of type {key.type.__name__}, got {value!r}")
        net = {k: tuple(v) if isinstance(v, list) else v for k, v in self.net.items()}
        object.__setattr__(self, "net", net)  # JSON and TOML know no tuples
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} is unknown; choose {', '.join(choices)}"
                )
        for name, least in AT_LEAST.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("ema", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if self.sample_steps > self.T:
            raise ConfigError(
                f"sample_steps = {self.sample_steps} visits more times than there are: T = {self.T}"
            )

    def changed(self, changes):
        """This Config with the dict `changes`; a dict under `net` is merged into net.

        Raises ConfigError naming the valid keys if one is unknown.
        """
        valid = [key.name for key in fields(self)]
        unknown = sorted(set(changes) - set(valid))
        if unknown:
            raise ConfigError(
                f"unknown setting {', '.join(map(repr, unknown))}; valid are {', '.join(valid)}"
            )
        changes = dict(changes)
        if isinstance(changes.get("net"), dict):
            changes["net"] = self.net | changes["net"]
        return replace(self, **changes)

    def to_dict(self):
        """The settings as JSON values."""
        return asdict(self)


PRESETS = {
    "digits": Config(
        name="digits",
        about="U-Net DDPM on scikit-learn's 8x8 digits; under 3 minutes on 2 cores",
        net={"patch": 2, "widths": (64, 64), "blocks": 1, "heads": (4, 0)},
        T=200,
        steps=750,
        batch=128,
        lr=3e-3,
        warmup=30,
        sampler="ddpm",
        judge_steps=600,
    ),
}


def preset(name):
    """The Config called `name`. Raises ConfigError naming those there are."""
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}; known: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def read_toml(path):
    """The settings in a TOML file, as a dict. Raises ConfigError if it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error

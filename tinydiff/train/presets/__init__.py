"""The presets of `tinydiff train`: settings that are known to work, with what to expect of them."""

import difflib

from ...backend.errors import ConfigError
from .digits import DIGITS
from .labs import LABS
from .lectures import LECTURES
from .points import POINTS

PRESETS = {settings.name: settings for settings in (*DIGITS, *LABS, *POINTS, *LECTURES)}


def find(task=None, name=None):
    """The preset called `name`; else the first one of `task`, or the one of that name (default:
    digits).

    Raises ConfigError naming those there are.
    """
    tasks = {settings.task for settings in PRESETS.values()}
    if task is not None and task not in tasks:
        if task not in PRESETS:
            raise ConfigError(unknown("NAME", task, tasks))
        task, name = None, name or task
    if name is None:
        return next(s for s in PRESETS.values() if s.task == (task or "digits"))
    fitting = [s.name for s in PRESETS.values() if task in (None, s.task)]
    if name not in fitting:
        raise ConfigError(unknown(f"preset of {task}" if task else "preset", name, fitting))
    return PRESETS[name]


def unknown(what, name, known):
    """What to say of a name that is none of those known."""
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"unknown {what} {name!r}: {meant}There are {', '.join(sorted(known))}"

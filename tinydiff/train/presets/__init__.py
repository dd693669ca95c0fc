"""The presets of `tinydiff train`: settings that are known to work, with what to expect of them."""

from ...backend.errors import ConfigError
from .digits import DIGITS
from .labs import LABS
from .lectures import LECTURES
from .points import POINTS

PRESETS = {settings.name: settings for settings in (*DIGITS, *LABS, *POINTS, *LECTURES)}


def find(task=None, name=None):
    """The preset called `name`; else the first one of `task` (default: digits).

    Raises ConfigError naming those there are.
    """
    tasks = {settings.task for settings in PRESETS.values()}
    if task is not None and task not in tasks:
        raise ConfigError(f"unknown task {task!r}; known: {', '.join(sorted(tasks))}")
    if name is None:
        return next(s for s in PRESETS.values() if s.task == (task or "digits"))
    fitting = [s.name for s in PRESETS.values() if task in (None, s.task)]
    if name not in fitting:
        of_task = f" of task {task!r}" if task else ""
        raise ConfigError(f"unknown preset {name!r}{of_task}; known: {', '.join(sorted(fitting))}")
    return PRESETS[name]

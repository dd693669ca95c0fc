"""CuPy's surface as make_table.py wrote it down, and the check of one call against it."""

import json
from pathlib import Path

TABLE = json.loads(Path(__file__).with_name("cupy_api.json").read_text())
VERSION = TABLE["version"]


class Signature:
    """The parameters of one CuPy function; `check` refuses a call that CuPy would refuse.

    variadic: the place of `*args` among the parameters, or None.
    """

    def __init__(self, name, parameters):
        self.name = name
        self.parameters = [p.lstrip("*") for p in parameters]
        self.keywords = frozenset(p for p in parameters if not p.startswith("*"))
        stars = [i for i, p in enumerate(parameters) if p.startswith("*") and p[1] != "*"]
        self.variadic = stars[0] if stars else None
        self.any_keyword = any(p.startswith("**") for p in parameters)

    def check(self, args, keywords):
        if not self.any_keyword and not self.keywords.issuperset(keywords):
            unknown = sorted(set(keywords) - self.keywords)[0]
            raise TypeError(
                f"{self.name}() got an unexpected keyword argument {unknown!r}: "
                f"NumPy may have it, CuPy {VERSION} does not"
            )
        if len(args) > len(self.parameters) and self.variadic is None:
            raise TypeError(
                f"{self.name}() takes {len(self.parameters)} positional arguments "
                f"but {len(args)} were given"
            )

    def parameter(self, i):
        """The name of the parameter that takes the positional argument i."""
        return self.parameters[i if self.variadic is None else min(i, self.variadic)]

"""Runs tests against one mutant in a forked child, which sees the mutated source of one module."""

import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves the mutated text as the source of one module."""

    def __init__(self, path, source):
        self.path, self.code = str(ROOT / path), source
        self.name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        package = self.path.endswith("__init__.py")
        return importlib.util.spec_from_file_location(
            name, self.path, loader=self,
            submodule_search_locations=[os.path.dirname(self.path)] if package else None,
        )

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self.code, self.path, "exec"), module.__dict__)


def preload():
    """Import what is slow to import, but nothing of tinydiff, nor what pytest rewrites."""
    for name in ("mpmath", "numpy.testing", "scipy.integrate", "scipy.special", "scipy.stats"):
        importlib.import_module(name)


def run_all(jobs, workers, deadline=float("inf")):
    """Judge jobs (mutant or None, test files, seconds allowed), `workers` at a time.

    Yields (mutant, outcome, seconds) as they end. The outcome is "survived" when all tests pass,
    "killed" when one fails or the module does not load, "timeout", or "not run" after the deadline.
    """
    waiting, running = list(reversed(jobs)), {}
    while waiting or running:
        while waiting and len(running) < workers:
            mutant, tests, limit = waiting.pop()
            if time.monotonic() > deadline:
                yield mutant, "not run", 0.0
                continue
            running[_start(mutant, tests)] = mutant, time.monotonic(), limit
        for pid, (mutant, started, limit) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            seconds = time.monotonic() - started
            if done:
                survived = os.waitstatus_to_exitcode(status) == 0
                yield mutant, "survived" if survived else "killed", seconds
            elif seconds > limit:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                yield mutant, "timeout", seconds
            else:
                continue
            del running[pid]
        time.sleep(0.02)


def _start(mutant, tests):
    """Fork a child that runs the tests; returns its process id."""
    source = mutant and mutant.source()
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        if mutant is not None:
            sys.meta_path.insert(0, _Mutated(mutant.module, source))
        os.chdir(ROOT)
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    finally:
        os._exit(code)

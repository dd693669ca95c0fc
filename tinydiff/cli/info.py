"""`tinydiff info`: what this machine computes with."""

import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from ..backend.errors import DeviceError

DESCRIPTION = """\
Show versions, the device that new tensors go to, and the BLAS library with its threads.

  tinydiff info                          for people
  tinydiff info --json                   for programs
  OPENBLAS_NUM_THREADS=1 tinydiff info   BLAS takes its threads from the environment
  TINYDIFF_DEVICE=cuda tinydiff info     is the GPU found?
"""

PACKAGES = ("tinydiff", "numpy", "scipy", "matplotlib", "scikit-learn", "threadpoolctl")
CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")  # one library, distributed under several names


def add(subparsers):
    parser = subparsers.add_parser(
        "info",
        help="versions, device, BLAS and its threads",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args):
    found = describe()
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    found["blas"] = f"{found['blas']['name']} {found['blas']['version']}"
    for name, value in found.items():
        print(f"{name:14} {'not installed' if value is None else value}")
    return 0


def describe():
    """Everything that `tinydiff info` says, as JSON values."""
    import numpy as np

    from ..train.shards import cores

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return versions() | {
        "device": _device(),
        "cores": cores(),
        "blas": {"name": blas["name"], "version": blas["version"]},
        "blas_threads": _blas_threads(),
    }


def _device():
    """The device of new tensors; if it cannot be used, why."""
    from ..backend import get_device

    try:
        return get_device()
    except DeviceError as error:
        return f"none: {error}"


def versions():
    """{name: version, or None if it is not installed} of Python, the platform and the packages."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    found |= {name: _version(name) for name in PACKAGES}
    return found | {"cupy": next(filter(None, map(_version, CUPY)), None)}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _blas_threads():
    """How many threads NumPy's BLAS uses, or what the environment says if nobody can tell."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return os.environ.get("OPENBLAS_NUM_THREADS", "unknown: install threadpoolctl")
    return max((b["num_threads"] for b in threadpool_info() if b["user_api"] == "blas"), default=1)

"""The shared fixtures: that they set the device, repeat their numbers, and notice leaks."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
from double import xp as double_xp

from tinydiff.backend import get_device

HERE = Path(__file__).parent

LEAKS = """
import numpy as np
import tinydiff as td

def test_device():
    td.set_device("double")

def test_mode():
    global held  # a forgotten context would end by itself
    held = td.no_grad()
    held.__enter__()

def test_clean(rng):
    assert td.get_device() == "cpu"
    assert td.exp(td.Tensor([1.0], requires_grad=True)).requires_grad

def test_device_fixture(device):
    with td.no_grad():
        assert td.get_device() == device
"""


def test_a_leak_fails_the_test_that_leaks_and_no_other(tmp_path):
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # starts twice as fast
    environment["COLUMNS"] = "200"  # pytest shortens its summary to this
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rE", "-p", "conftest", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = result.stdout
    assert "5 passed, 2 errors" in said, said + result.stderr
    assert "ERROR test_leaks.py::test_device - AssertionError: the test left the device" in said
    assert "ERROR test_leaks.py::test_mode - AssertionError: the test left the mode at Mode" in said


def test_device_and_xp_go_together(device, xp):
    assert get_device() == device
    assert xp is {"cpu": np, "double": double_xp}[device]


def test_rng_is_the_same_in_every_run(rng):
    seed = zlib.crc32(b"tests/test_conftest.py::test_rng_is_the_same_in_every_run")
    assert rng.random() == np.random.default_rng(seed).random()

"""The second lab's U-Net against its twin, in the short form of the benchmark."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.torch
def test_gradients_and_losses_of_two_steps_agree(torch):
    """In a process of its own, as it is run by hand: the benchmark is no part of the package."""
    command = [sys.executable, "-m", "benchmarks.twins.lab2", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("pass") == 3

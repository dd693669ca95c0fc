"""The training of the VAE against its twin, in a short form of the benchmark."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.torch
def test_both_end_at_the_same_bound(torch):
    """In a process of its own, as it is run by hand: the benchmark is no part of the package. 30
    steps magnify rounding less than the 2500 of the preset, so that they agree to 0.01 nats."""
    command = [sys.executable, "-m", "benchmarks.twins.vae", "--steps", "30"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    apart = float(done.stdout.partition("bounds apart: ")[2].split()[0])
    assert apart < 0.01

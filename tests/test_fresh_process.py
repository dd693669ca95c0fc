"""What a new Python process loads on `import tinydiff`, and what it says of a missing GPU."""

import json
import os
import subprocess
import sys

import pytest
from rules.source import ROOT

from tinydiff.backend import memory_is_kept
from tinydiff.backend.cupy import REMEDY


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_cuda_for_real():
    """On this machine as it is: without a GPU, one sentence and no traceback of CuPy's."""
    code = (
        "import tinydiff as td\n"
        "try: td.set_device('cuda')\n"
        "except td.DeviceError as error: print(error)\n"
        "else: print('usable')"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    said = result.stdout.strip()
    if said == "usable":
        pytest.skip("this machine has a usable GPU, so nothing is refused")
    assert said.endswith(REMEDY)
    assert "\n" not in said and "needs" in said


def test_import_is_light():
    """`import tinydiff` loads nothing that is slow or optional, and starts no thread."""
    code = (
        "import json, os, sys, threading, numpy\n"
        "tasks = lambda: len(os.listdir('/proc/self/task')) if os.path.isdir('/proc') else 0\n"
        "before = tasks()\n"
        "import tinydiff\n"
        "print(json.dumps([sorted(sys.modules), threading.active_count(), tasks() - before]))"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    modules, python_threads, new_threads = json.loads(result.stdout)
    heavy = {"cupy", "matplotlib", "sklearn", "scipy.special", "torch"}
    assert "tinydiff.tensor" in modules
    assert not heavy & set(modules)
    assert (python_threads, new_threads) == (1, 0)


def test_the_larger_packages_come_when_they_are_named():
    code = (
        "import sys, tinydiff as td; assert 'tinydiff.diffusion' not in sys.modules; "
        "td.diffusion.Process, td.data.load, td.gaussian.Gaussian; "
        "td.manifold.tsne, td.derivation.entries; "
        "assert not hasattr(td, 'nonsense')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


FAULTS = """
import resource
import numpy as np
{}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.zeros(20 << 20, np.uint8).fill(1)
before = faults()
for _ in range(20):
    np.empty(20 << 20, np.uint8).fill(1)
print(faults() - before)
"""


@pytest.mark.skipif(not memory_is_kept, reason="the memory of this system is not kept: no glibc")
def test_freed_memory_is_kept():
    """20 MB are 5120 pages, or 10 huge ones: in 20 rounds, or only once, they come anew."""

    def faults(code, **environment):
        return int(run_python(FAULTS.format(code), **environment).stdout)

    assert faults("import tinydiff") < 100
    if faults("") > 190:  # else the environment keeps memory already
        assert faults("import tinydiff", TINYDIFF_KEEP_MEMORY="0") > 190

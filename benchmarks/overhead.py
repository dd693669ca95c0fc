"""What one recorded operation costs beyond its arithmetic: forward plus backward, per node.

    python -m benchmarks.overhead [--quick]

A chain of some thousand operations on arrays of one element is built and differentiated. On such
arrays arithmetic costs nothing, so what is left above the same chain of bare NumPy calls is the
price of the tape. PyTorch and HIPS autograd are measured beside it where they are installed; each
library runs in processes of its own (their thread pools would disturb each other), in alternation,
without the cyclic garbage collector (as in timeit). CPU time is counted, and the least of all
repetitions: whatever else the machine does can only add to it. The exit code is 1 if an operation
is above BAR, but for --quick, whose few short chains a busy machine can delay as a whole.
"""

import argparse
import gc
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BAR = 8.0  # microseconds above NumPy's own call
OPERATIONS = 20_000  # of each kind, in one process: so many repetitions of a chain


def links(lib, one):
    """{name: (operations in a link of the chain, the link)}; lib: a namespace; one: [[1]]."""
    return {
        "add": (1, lambda y: lib.add(y, one)),
        "multiply": (1, lambda y: lib.multiply(y, one)),
        "exp, log": (2, lambda y: lib.log(lib.exp(y))),  # in turn, so that values stay finite
        "tanh": (1, lambda y: lib.tanh(y)),
        "reshape": (1, lambda y: lib.reshape(y, (1, 1))),
        "matmul": (1, lambda y: lib.matmul(y, one)),
    }


def chain(link, x, length):
    for _ in range(length):
        x = link(x)
    return x


def numpy_run(lib, link, x, length):
    """Forward alone: NumPy's own calls."""
    chain(link, x, length)


def tinydiff_run(lib, link, x, length):
    chain(link, lib.Tensor(x, requires_grad=True), length).backward()


def torch_run(lib, link, x, length):
    chain(link, lib.tensor(x, requires_grad=True), length).backward()


def autograd_run(lib, link, x, length):
    grad = importlib.import_module("autograd").grad
    grad(lambda x: lib.sum(chain(link, x, length)))(x)


# library: (its namespace with NumPy's names, how to run a chain)
LIBRARIES = {
    "numpy": ("numpy", numpy_run),
    "tinydiff": ("tinydiff", tinydiff_run),
    "torch": ("torch", torch_run),
    "autograd": ("autograd.numpy", autograd_run),
}


def measure(library, length):
    """{name: microseconds per operation} in this process."""
    namespace, run = LIBRARIES[library]
    lib, one = importlib.import_module(namespace), np.ones((1, 1), np.float32)
    constant = lib.tensor(one) if library == "torch" else one
    gc.disable()
    best = {}
    for name, (operations, link) in links(lib, constant).items():
        repetitions = OPERATIONS // length
        seconds = min(timed(run, lib, link, one, length) for _ in range(repetitions))
        best[name] = 1e6 * seconds / (length * operations)
    return best


def timed(run, *args):
    gc.collect()
    start = time.process_time()
    run(*args)
    return time.process_time() - start


def measure_elsewhere(library, length):
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--child", library, str(length)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(result.stdout)


def installed(library):
    return importlib.util.find_spec(library.partition(".")[0]) is not None


def table(length, rounds):
    """{library: {name: microseconds per operation}}, the fastest of all rounds."""
    libraries = [name for name in LIBRARIES if name == "tinydiff" or installed(name)]
    best = {}
    for _ in range(rounds):
        for library in libraries:
            for name, t in measure_elsewhere(library, length).items():
                times = best.setdefault(library, {})
                times[name] = min(t, times.get(name, t))
    return best


def show(best):
    """Print the table; return the largest overhead of tinydiff, in microseconds."""
    others = [library for library in best if library != "numpy"]
    print("forward + backward, microseconds per operation on one element (above NumPy's own call)")
    print(f"{'operation':<10} {'NumPy':>7}" + "".join(f"{library:>18}" for library in others))
    for name, own in best["numpy"].items():
        times = [best[library][name] for library in others]
        print(f"{name:<10} {own:7.2f}" + "".join(f"{t:9.2f} ({t - own:6.2f})" for t in times))
    for library in LIBRARIES:
        if library not in best:
            print(f"{library} is not installed")
    return max(t - best["numpy"][name] for name, t in best["tinydiff"].items())


def main():
    parser = argparse.ArgumentParser(description="Overhead of the tape, per operation.")
    parser.add_argument("--quick", action="store_true", help="shorter chains and fewer rounds")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child[0], int(args.child[1]))))
        return 0
    worst = show(table(1_000, rounds=1) if args.quick else table(10_000, rounds=5))
    bar = 3 * BAR if args.quick else BAR  # one short round on a busy machine is no measurement
    print(f"tinydiff: at most {worst:.2f} microseconds of overhead, the bar is {bar:g}")
    return 1 if worst > bar else 0


if __name__ == "__main__":
    sys.exit(main())

"""How long `import tinydiff` takes beyond NumPy's own import, in fresh processes taken in turn.

    python -m benchmarks.import_time

Prints the median of the differences; exit status 1 if it is over the bar.
"""

import statistics
import subprocess
import sys

BAR, ROUNDS = 0.2, 9  # seconds
CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(module):
    """The wall time of one import in a process of its own."""
    command = [sys.executable, "-c", CODE.format(module)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    seconds("tinydiff")  # compiles and fills the disk cache
    pairs = [(seconds("numpy"), seconds("tinydiff")) for _ in range(ROUNDS)]
    beyond = statistics.median(whole - numpy for numpy, whole in pairs)
    print(f"import tinydiff: {beyond:.3f} s beyond NumPy (median of {ROUNDS}), the bar is {BAR:g}")
    return 1 if beyond > BAR else 0


if __name__ == "__main__":
    sys.exit(main())

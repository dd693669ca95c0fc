"""One library at one work: `python -m benchmarks.speed.child SPEC` prints a line of JSON.

SPEC, in JSON: library's module here (`code`), `maker`, `arguments`, `threads`, `shards`, `compile`;
`warm`, `steps` and `seconds` of works.Work; `count`: whether to count what a step asks of the
machine; `spawned`: when the parent started this process, by time.time().

A library's module imports nothing but its library at its head, so that what is imported before the
first step is what a user's program would import.
"""

import importlib
import json
import os
import resource
import sys
import time


def peak():
    """The most memory this process has held so far, in bytes.

    Linux keeps it in /proc for each program; what getrusage says there counts the parent too, whose
    memory a new process shares for a moment.
    """
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(spec):
    """{times, first, memory, parameters}: seconds of each step, and as in works.Row.

    With `count` also the floating-point operations and bytes of a step, if it has any.
    """
    library = importlib.import_module(f".{spec['code']}", __package__)
    bare = peak()
    job = getattr(library, spec["maker"])(spec, **spec["arguments"])
    first, times = None, []
    for _ in range(spec["warm"]):
        job.step()
        first = first or time.time() - spec["spawned"]
    begun = time.perf_counter()
    while len(times) < spec["steps"] or time.perf_counter() - begun < spec["seconds"]:
        start = time.perf_counter()
        job.step()
        times.append(time.perf_counter() - start)
        first = first or time.time() - spec["spawned"]
    found = {
        "times": times, "first": first, "memory": peak() - bare, "parameters": job.parameters
    }  # fmt: skip
    if spec["count"] and job.traced:
        from .physics import asked

        found |= asked(job)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))), flush=True)
    os._exit(0)  # what libraries do at the end of a process is not timed, and may hang

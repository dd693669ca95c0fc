"""What the machine can do at most, and how much of it a work asks for: a roofline.

The limit of a work is the longer of two times: its floating-point operations at the rate of a large
matrix product, and its bytes at the rate of a large copy (Williams, Waterman and Patterson 2009).
Both rates are measured in the same run, on the same number of threads.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .job import Job

GEMM, COPY = {"n": 2048}, {"n": 1 << 24}  # 2048^3 products; 64 MiB, far more than a cache holds


def gemm(spec, n):
    """The product of two n x n matrices, float32."""
    a, b, c = np.ones((3, n, n), np.float32)
    return Job(lambda: np.matmul(a, b, out=c))


def copy(spec, n):
    """n float32 copied, a part by each thread."""
    a, b = np.ones((2, n), np.float32)
    threads = spec["threads"]
    parts = [slice(n * k // threads, n * (k + 1) // threads) for k in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def part(piece):
        b[piece] = a[piece]

    return Job(lambda: list(pool.map(part, parts)))


def rates(gemm_seconds, copy_seconds, gemm=GEMM, copy=COPY):
    """(operations, bytes) a second: 2 n^3 of a product; each number of a copy is read, written."""
    return 2 * gemm["n"] ** 3 / gemm_seconds, 8 * copy["n"] / copy_seconds


def product(row):
    """(operations, elements read and written) of a row of td.trace, (0, 0) if it is no product."""
    *inputs, out = row["shapes"]
    if row["op"] in ("Matmul", "Linear"):
        operations = 2 * math.prod(out) * inputs[0][-1]
    elif row["op"] == "Conv2d":
        operations = 2 * math.prod(out) * math.prod(inputs[1][:-1])
    elif row["op"] == "ConvInput":  # every pixel of the input meets the whole kernel
        operations = 2 * math.prod(inputs[0]) * math.prod(inputs[1][:-1])
    else:
        return 0, 0
    return operations, sum(map(math.prod, row["shapes"]))


def asked(job):
    """{flops, bytes}: what a step asks of the machine at the least.

    Products alone are counted, as if all else were done in passing. Backward makes another product
    of the same size for each operand that wants a gradient. A product reads its operands and writes
    its result once; Adam reads four arrays of all parameters and writes three.
    """
    from tinydiff import trace

    flops = elements = 0
    for row in trace(job.traced()).rows:
        operations, size = product(row)
        # the last operand of Linear is its bias, which takes no product
        wanted = sum(of != "const" for of in row["inputs"][:2]) if job.trains else 0
        flops, elements = flops + operations * (1 + wanted), elements + size * (1 + wanted)
    optimizer = 7 * job.parameters if job.trains else 0
    return {"flops": flops * job.passes, "bytes": 4 * (elements * job.passes + optimizer)}

"""Keep freed memory, instead of giving it back to the system and asking for it again.

A training step makes and drops the same arrays over and over. The C library hands large blocks back
at once, and the system clears every page that is asked for again, which takes as long as to compute
with it.
On Linux with glibc, `keep` tells it to keep blocks of up to 32 MiB, which is the most it allows
(mallopt(3)). The process then holds on to its peak. TINYDIFF_KEEP_MEMORY=0 turns this off.
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
LARGEST, PAD, NEVER = 32 << 20, 64 << 20, 2**31 - 1  # bytes


def keep():
    """Whether freed memory is kept from now on: False on other systems, or if it is turned off."""
    if not sys.platform.startswith("linux") or os.environ.get("TINYDIFF_KEEP_MEMORY") == "0":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    settings = (M_MMAP_THRESHOLD, LARGEST), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, PAD)
    return sum(mallopt(*setting) for setting in settings) == len(settings)  # 1 each: all accepted

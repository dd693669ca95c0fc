"""A GPU's double: NumPy's arithmetic behind CuPy's surface and CuPy's refusals.

`xp` stands for the module `cupy` and `DeviceArray` for `cupy.ndarray`. Code that runs on the double
uses only names and keywords that CuPy has (`cupy_api.json`, made from the real CuPy), mixes no host
arrays in, and moves data or waits for the device only where it says so. Every upload ("h2d"),
download ("d2h") and wait ("sync") is counted, and `forbid` turns them into errors:

    with forbid("h2d", "d2h", "sync"):
        train_step()

What CuPy leaves undefined is made to show: fresh memory is NaN, a gather out of bounds wraps, and
an assignment to one place twice is an error. Where the double is stricter than CuPy, it is because
what CuPy does there is slow (a hidden upload), surprising (np.exp of a device array) or wrong.
"""

from .array import DeviceArray
from .counters import Forbidden, counts, forbid
from .namespace import special, xp
from .table import VERSION

__all__ = ["VERSION", "DeviceArray", "Forbidden", "counts", "forbid", "special", "xp"]

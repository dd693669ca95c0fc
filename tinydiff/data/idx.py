"""IDX files, the format of MNIST: arrays of any number of axes, with a header of a few bytes.

    bytes 0, 1     zero
    byte 2         the type of the numbers
    byte 3         n, the number of axes
    4 n bytes      the sizes, each a big-endian 32-bit number without sign
    the rest       the numbers, big-endian, last axis fastest

Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
"""

import gzip
import io
import math
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

from ..backend.errors import DataError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
CODES = {np.dtype(name): code for code, name in TYPES.items()}
GZIP = b"\x1f\x8b"
MAX_BYTES = 2**30  # of one array; the largest file of MNIST has 47 MB
MAX_AXES = 64  # NumPy has no more
CHUNK = 2**18


def read_idx(source):
    """The array in an IDX file, in the byte order of this machine.

    source: a path, or the bytes of a file; gzip is recognised by its first two bytes, whatever the
    name. Raises DataError for anything but a complete IDX file of at most MAX_BYTES: the sizes that
    the header claims are checked before memory is asked for, and a packed file is unpacked only as
    far as they say. So the peak of memory is the array itself, plus less than 1 MiB.
    """
    is_bytes = isinstance(source, (bytes, bytearray))
    name = "the IDX data" if is_bytes else str(source)
    with io.BytesIO(source) if is_bytes else Path(source).open("rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        try:
            return _read(gzip.GzipFile(fileobj=file) if packed else file, name)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name}: the gzip file is damaged: {error}") from None


def _read(file, name):
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(
            f"{name} is not an IDX file: it must begin with two zero bytes, a type and a number of "
            f"axes, and begins with {magic.hex(' ') or 'nothing'}"
        )
    if magic[2] not in TYPES:
        known = ", ".join(f"{code:#04x} = {kind}" for code, kind in TYPES.items())
        raise DataError(f"{name} has the unknown IDX type {magic[2]:#04x}; known: {known}")
    if magic[3] > MAX_AXES:
        raise DataError(f"{name} claims {magic[3]} axes; at most {MAX_AXES} can be read")
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DataError(f"{name} is cut off in its header; get it again")
    shape = struct.unpack(f">{magic[3]}I", header)
    dtype = np.dtype(TYPES[magic[2]])
    # An empty axis makes no absurd size reasonable: NumPy refuses it as well.
    if math.prod(max(n, 1) for n in shape) * dtype.itemsize > MAX_BYTES:
        raise DataError(f"{name} claims the shape {shape} of {dtype}: more than {MAX_BYTES} bytes")
    values = np.empty(math.prod(shape) * dtype.itemsize, dtype=np.uint8)
    got = _fill(file, memoryview(values))
    if got < len(values):
        raise DataError(
            f"{name} is cut off: shape {shape} of {dtype} needs {len(values)} bytes after the "
            f"header, there are {got}; get it again"
        )
    if file.read(1):
        raise DataError(f"{name} goes on after the {len(values)} bytes that its header announces")
    array = values.view(dtype).reshape(shape)
    return array.byteswap(inplace=True) if sys.byteorder == "little" else array


def _fill(file, view):
    """How many bytes of the file went into `view`: all of them, or those that there are."""
    got = 0
    while got < len(view):
        n = file.readinto(view[got : got + CHUNK])
        if not n:
            break
        got += n
    return got


def write_idx(path, array):
    """Write an array as an IDX file, packed by gzip if the name ends in .gz.

    Raises TypeError for numbers that IDX does not know, such as int64: nothing is converted
    silently.
    """
    array = np.asarray(array)
    code = CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(map(str, CODES))
        raise TypeError(f"IDX holds {known}; got {array.dtype}: choose one with .astype")
    if any(n >= 2**32 for n in array.shape):
        raise ValueError(f"IDX holds axes of fewer than 2^32 entries, got shape {array.shape}")
    data = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    data += array.astype(array.dtype.newbyteorder(">"), copy=False).tobytes()
    if Path(path).suffix == ".gz":
        data = gzip.compress(data, mtime=0)  # the same array always gives the same file
    Path(path).write_bytes(data)

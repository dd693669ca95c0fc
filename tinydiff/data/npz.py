"""Arrays out of an .npz file that somebody else may have written."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..backend.errors import DataError
from .idx import MAX_BYTES


def read_npz(path, wanted):
    """{name: array} of those of the names `wanted` that the file holds.

    Nothing is unpickled, and no array of more than MAX_BYTES is unpacked: zipfile stops at the size
    that was checked. Raises DataError for a file that is damaged or no .npz file.
    """
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as entries:
                there = {name: f"{name}.npy" for name in wanted}
                there = {k: v for k, v in there.items() if v in entries.namelist()}
                for entry in there.values():
                    if entries.getinfo(entry).file_size > MAX_BYTES:
                        raise DataError(f"{path}: {entry} has more than {MAX_BYTES} bytes")
                return {name: _read(entries, entry) for name, entry in there.items()}
        except DataError:
            raise
        except (
            *(zipfile.BadZipFile, zlib.error, EOFError),
            *(ValueError, RuntimeError, MemoryError),  # no array, encrypted, absurd shape
        ) as error:
            raise DataError(
                f"{path} cannot be read as an .npz file of arrays: {error}; get it again"
            ) from error


def _read(entries, entry):
    with entries.open(entry) as file:
        return np.lib.format.read_array(file, allow_pickle=False)

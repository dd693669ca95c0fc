"""IDX files: what is written is read again, and nothing that is not whole is read."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinydiff as td
from tinydiff.data import idx, read_idx, write_idx

DTYPES = [np.dtype(t) for t in ("u1", "i1", "i2", "i4", "f4", "f8")]


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda t: hnp.arrays(t, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, array, packed, swapped, transposed):
    """Bit for bit, NaN and all, whatever the byte order and the layout in memory."""
    path = tmp_path_factory.getbasetemp() / ("a.idx.gz" if packed else "a.idx")
    kept = array.T if transposed else array
    write_idx(path, kept.astype(kept.dtype.newbyteorder()) if swapped else kept)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == packed
    for read in (read_idx(path), read_idx(path.read_bytes())):
        assert read.dtype == array.dtype
        assert read.dtype.isnative
        assert read.shape == kept.shape
        assert read.tobytes() == kept.tobytes()
        assert read.flags.writeable


@pytest.mark.parametrize(
    "dtype, code, byte_form",
    [
        ("u1", 0x08, "01 02"),
        ("i1", 0x09, "01 02"),
        ("i2", 0x0B, "0001 0002"),
        ("i4", 0x0C, "00000001 00000002"),
        ("f4", 0x0D, "3f800000 40000000"),
        ("f8", 0x0E, "3ff0000000000000 4000000000000000"),
    ],
)
def test_the_bytes_are_those_of_the_format(tmp_path, dtype, code, byte_form):
    """Written out by hand: a reader and a writer that err alike would pass the round trip."""
    path = tmp_path / "a"
    write_idx(path, np.array([[1], [2]], dtype=dtype))
    header = bytes([0, 0, code, 2]) + bytes.fromhex("00000002 00000001")
    assert path.read_bytes() == header + bytes.fromhex(byte_form)
    np.testing.assert_array_equal(read_idx(path), [[1], [2]])


def test_gzip_is_known_by_its_content(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(5, dtype=np.int32))
    (tmp_path / "a.gz").rename(tmp_path / "a.idx")
    np.testing.assert_array_equal(read_idx(tmp_path / "a.idx"), np.arange(5))
    write_idx(tmp_path / "b", np.arange(5, dtype=np.int32))
    (tmp_path / "b").rename(tmp_path / "b.gz")
    np.testing.assert_array_equal(read_idx(tmp_path / "b.gz"), np.arange(5))


def test_the_same_array_makes_the_same_packed_file(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(5, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def header(code, *shape, zeros=b"\0\0", axes=None):
    return (
        zeros
        + bytes([code, len(shape) if axes is None else axes])
        + struct.pack(f">{len(shape)}I", *shape)
    )


GOOD = header(8, 2, 3) + bytes(6)
BAD = [
    (b"", "begins with nothing"),
    (b"\0\0\x08", "begins with 00 00 08"),
    (b"\x89PNG", "begins with 89 50 4e 47"),
    (header(8, 2, 3, zeros=b"\0\1") + bytes(6), "must begin with two zero bytes"),
    (header(0x0A, 2) + bytes(2), "unknown IDX type 0x0a; known: 0x08 = u1"),
    (header(8, 1, axes=65), "claims 65 axes; at most 64"),
    (header(8, 2, axes=2), "cut off in its header"),
    (GOOD[:-1], r"shape \(2, 3\) of uint8 needs 6 bytes after the header, there are 5"),
    (GOOD + b"\0", "goes on after the 6 bytes"),
    (header(0x0E, 2) + bytes(15), "needs 16 bytes after the header, there are 15"),
    (header(8, 2**31, 2**31), "more than 1073741824 bytes"),
    (header(0x0E, 2**27 + 1), "more than 1073741824 bytes"),
    (header(8, 0, 2**32 - 1, 2**32 - 1), "more than 1073741824 bytes"),
]


@pytest.mark.parametrize("data, message", BAD, ids=lambda v: str(v)[:30])
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_not_a_whole_idx_file_is_refused(tmp_path, data, message, packed):
    path = tmp_path / "bad.idx"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(td.DataError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_damaged_gzip_file_is_refused(tmp_path):
    whole = gzip.compress(header(8, 4096) + np.random.default_rng(0).bytes(4096))
    wrong_sum = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    middle = bytearray(whole)
    middle[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    for data in (whole[:-20], wrong_sum, bytes(middle), whole + b"more"):
        with pytest.raises(td.DataError, match="the IDX data"):
            read_idx(data)


def test_memory_is_bounded_by_what_the_header_claims():
    """A packed file of a thousandth of its size, and a header that claims more than there is."""
    bomb = gzip.compress(header(8, 100) + bytes(2**26))
    empty_promise = header(8, 2**28) + bytes(10)
    tracemalloc.start()
    try:
        with pytest.raises(td.DataError, match="goes on after the 100 bytes"):
            read_idx(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
    with pytest.raises(td.DataError, match="there are 10"):
        read_idx(empty_promise)


def test_the_bound_is_on_bytes_and_counts_them_exactly(monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 24)
    assert read_idx(header(0x0E, 1, 3, 1) + bytes(24)).shape == (1, 3, 1)
    assert read_idx(header(8, 0, 24)).shape == (0, 24)
    with pytest.raises(td.DataError, match=r"shape \(25,\) of uint8: more than 24 bytes"):
        read_idx(header(8, 25) + bytes(25))


def test_reading_keeps_one_copy(tmp_path):
    """The array and a chunk, not the file's bytes beside it, also where bytes are swapped."""
    write_idx(tmp_path / "a.gz", np.zeros(2**20, dtype=np.float64))
    tracemalloc.start()
    try:
        read_idx(tmp_path / "a.gz")
        assert tracemalloc.get_traced_memory()[1] < 2**23 + 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["i8", "u2", "bool", "c8", "f2", "O", "U1"])
def test_a_type_that_idx_does_not_know_is_not_converted(tmp_path, dtype):
    with pytest.raises(TypeError, match=r"IDX holds uint8, .*; got .*astype"):
        write_idx(tmp_path / "a", np.zeros(2, dtype=dtype))
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nowhere")

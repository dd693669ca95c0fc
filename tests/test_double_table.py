"""The table of CuPy's surface: of the right version, and what the installed CuPy says of itself."""

import pytest
from double import VERSION, make_table
from double.table import TABLE, Signature


def test_table_is_of_the_pinned_cupy():
    assert VERSION.startswith("14.2.")
    assert set(TABLE) == {"version", *make_table.SECTIONS}
    assert make_table.PATH.read_text() == make_table.text(TABLE)  # sorted, one name a line


@pytest.mark.parametrize(
    "section, name, entry",
    [
        ("cupy", "exp", "ufunc"),
        ("cupy", "pi", "constant"),
        ("cupy", "float32", "type"),
        ("cupy", "sum", ["a", "axis", "dtype", "out", "keepdims"]),
        ("cupy.ndarray", "shape", "attribute"),
        ("cupy.ndarray", "reshape", ["*shape", "order", "copy"]),
        ("cupy.lib.stride_tricks", "as_strided", ["x", "shape", "strides"]),
        ("cupy.random.RandomState", "standard_normal", ["size", "dtype"]),
        ("cupyx.scipy.special", "log_ndtr", "ufunc"),
    ],
)
def test_table_entry(section, name, entry):
    assert TABLE[section][name] == entry


def test_table_is_what_the_installed_cupy_says():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed, so its surface is unknown")
    if cupy.__version__ != VERSION:
        pytest.skip(f"CuPy {cupy.__version__} is installed, the table is of {VERSION}")
    assert make_table.text(make_table.table()) == make_table.PATH.read_text()


def test_generator_reads_compiled_signatures():
    class Compiled:
        __doc__ = "f(self, a, axis=(0, 1), *args, dtype=None, \\*\\*rest) -> ndarray\n\nText."

    assert make_table.documented_parameters(Compiled()) == ["a", "axis", "*args", "dtype", "**rest"]
    Compiled.__doc__ = "No signature here."
    with pytest.raises(ValueError, match="does not begin with a signature"):
        make_table.documented_parameters(Compiled())


def test_signature_counts_positional_arguments():
    Signature("f", ["a", "b"]).check((1, 2), {})
    Signature("f", ["*a", "b"]).check((1, 2, 3), {"b": 1})
    Signature("f", ["a", "**rest"]).check((1,), {"c": 1})
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        Signature("f", ["a", "b"]).check((1, 2, 3), {})
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'a'.*CuPy 14\.2"):
        Signature("f", ["*a"]).check((), {"a": 1})

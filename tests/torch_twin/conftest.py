"""PyTorch, where it is installed."""

import warnings

import pytest


@pytest.fixture(scope="session")
def torch():
    """The module torch, on one thread; a skip where it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    module.set_num_threads(1)
    return module

"""Whether operations are recorded: by context, thread and task."""

import contextvars
import threading

import pytest

import tinydiff as td
from tinydiff.tensor import current_mode


def test_no_grad_and_enable_grad_nest():
    x = td.Tensor(1.0, requires_grad=True)
    with td.no_grad():
        assert (x * 2).creator is None
        with td.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_modes_end_with_an_exception():
    with pytest.raises(ZeroDivisionError), td.no_grad():
        _ = 1 / 0
    assert current_mode().record


def test_no_grad_is_a_decorator_too():
    x = td.Tensor(1.0, requires_grad=True)

    @td.no_grad()
    def twice():
        return x * 2

    assert not twice().requires_grad
    assert not twice().requires_grad


def test_each_thread_has_its_own_mode():
    x = td.Tensor(1.0, requires_grad=True)
    inside, seen = threading.Event(), []

    def other():
        inside.wait(5)
        seen.append((x * 2).requires_grad)
        with td.no_grad():
            seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    with td.no_grad():
        inside.set()
        thread.join()
        assert not (x * 2).requires_grad
    assert seen == [True, False]


def test_a_copied_context_carries_the_mode():
    x = td.Tensor(1.0, requires_grad=True)
    with td.no_grad():
        context = contextvars.copy_context()
    assert not context.run(lambda: (x * 2).requires_grad)
    assert (x * 2).requires_grad

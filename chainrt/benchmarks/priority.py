"""Work at real-time priority, in a thread of its own: what the calling thread starts later must not inherit it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..machine import ask_for_priority

Result = TypeVar("Result")


def at_priority(work: Callable[[], Result]) -> Result:
    """What `work` returns; at ordinary priority where the system permits no other."""
    with ThreadPoolExecutor(1, initializer=ask_for_priority) as thread:
        return thread.submit(work).result()

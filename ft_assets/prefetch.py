"""Work that is done ahead: items made by a thread while those before them are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Made(Generic[T]):
    item: T


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None


@contextmanager
def prefetched(items: Iterable[T], ahead: int) -> Iterator[Iterator[T]]:
    """The same items in the same order, made by a thread that is at most ``ahead`` items in front of their use.

    What goes wrong in the making is raised where the item would have come. Leaving the ``with`` ends the thread.

    Args:
        items: made in the thread, one by one.
        ahead: items that wait to be used, at least 1.

    Example:
        >>> with prefetched(iter("abc"), ahead=2) as letters:
        ...     list(letters)
        ['a', 'b', 'c']
    """
    waiting: queue.Queue[_Made[T] | _Ended] = queue.Queue(maxsize=ahead)
    unwanted = threading.Event()

    def put(entry: _Made[T] | _Ended) -> None:
        while not unwanted.is_set():
            try:
                return waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(_Made(item))
                if unwanted.is_set():
                    return
        except BaseException as error:  # raised again where the items are used
            put(_Ended(error))
        else:
            put(_Ended(None))

    def taken() -> Iterator[T]:
        while isinstance(entry := waiting.get(), _Made):
            yield entry.item
        if entry.error is not None:
            raise entry.error

    thread = threading.Thread(target=make, name="ft_assets-prefetch", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        unwanted.set()
        thread.join()

"""Items made ahead: in order, a few at a time, with their errors, by a thread that ends."""

import threading
from collections.abc import Iterator

import pytest

from ft_assets.prefetch import prefetched


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ft_assets-prefetch"]


@pytest.mark.parametrize("count", [0, 1, 100])
def test_items_come_in_order_from_another_thread_which_ends(count: int) -> None:
    makers = set()

    def make() -> Iterator[int]:
        for item in range(count):
            makers.add(threading.current_thread().name)
            yield item

    with prefetched(make(), ahead=3) as items:
        assert list(items) == list(range(count))
    assert makers == ({"ft_assets-prefetch"} if count else set())
    assert threads() == []


def test_no_more_is_made_than_may_wait_and_the_thread_ends_though_items_are_left() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for item in range(1_000):
            made.append(item)
            yield item

    with prefetched(make(), ahead=2) as items:
        assert next(items) == 0
    assert len(made) <= 5  # one used, two waiting, one or two in the hand
    assert threads() == []


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise KeyError("the second")

    with prefetched(make(), ahead=4) as items:
        assert next(items) == 1
        with pytest.raises(KeyError, match="the second"):
            next(items)
    assert threads() == []

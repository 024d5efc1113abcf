"""The newest answer of a question on files, kept for who asks it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ft_assets.lake import Slice

T = TypeVar("T")
Question = tuple[object, ...]


class Newest(Generic[T]):
    """The newest answer of a question, kept in this process until another is asked for, and no longer.

    A question names the files that are read: a file is never written twice, so what was read of it stays true, and a table that
    has changed has other files. Steps and checks of a day ask one after the other where they share a process; where each has
    one of its own, each finds its own answer.
    """

    def __init__(self) -> None:
        self.kept: tuple[Question, T] | None = None

    def answer(self, question: Question, find: Callable[[], T]) -> T:
        """What is kept, where it answers the question, else what is found."""
        if self.kept is None or self.kept[0] != question:
            self.kept = None  # first let go of, so that there are never two
            self.kept = question, find()
        return self.kept[1]


def files_of(*slices: Slice) -> tuple[tuple[str, ...], ...]:
    """The files of each."""
    return tuple(tuple(slice_.file_uris()) for slice_ in slices)

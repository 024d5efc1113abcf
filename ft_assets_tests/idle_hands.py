"""A worker that says its task back, and starts at once: for what is asked of processes, not of days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Idle:
    """Does nothing to a task."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self.tell = tell

    def do(self, task: Any) -> Any:
        """The task, as it came."""
        return task

    def hear(self, news: Any) -> None:
        """Say it back."""
        self.tell(news)

    def close(self) -> None:
        """There is nothing to let go of."""

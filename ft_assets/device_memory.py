"""What to do when a device runs out of memory: halve the work and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

R = TypeVar("R")
W = TypeVar("W")


class Halves(Protocol[W]):
    """Split work in two; what cannot be split gives itself alone."""

    def __call__(self, work: W, /) -> tuple[W, ...]:
        """The parts, in order."""
        ...


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch means that the device has no memory left: cuda has an error of its own, mps has words."""
    import torch

    is_own = isinstance(error, torch.OutOfMemoryError)
    return is_own or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower())


@dataclass
class Fitting:
    """How much a device takes at once: all of it, until it runs out of memory; from then on half of what was too much.

    Attributes:
        most: the size of work that is not tried in one piece any more; None while all has fitted.
        halvings: how often the device ran out of memory.
    """

    most: int | None = None
    halvings: int = 0

    def run(self, do: Callable[[W], R], whole: W, size: Callable[[W], int], halves: Halves[W]) -> list[R]:
        """Do work, in as many parts as it takes.

        Args:
            do: the work; it may raise that the device is out of memory.
            whole: what is to be done.
            size: of a piece of work.
            halves: splits it.

        Returns:
            What each part gave, in order.

        Raises:
            RuntimeError: torch's own, where a part that cannot be split does not fit.
        """
        left, done = [whole], []
        while left:
            part = left.pop()
            parts = halves(part) if self.most is not None and size(part) > self.most else (part,)
            if len(parts) > 1:
                left.extend(reversed(parts))
                continue
            try:
                done.append(do(part))
                continue
            except RuntimeError as error:
                parts = halves(part)
                if len(parts) == 1 or not is_out_of_memory(error):
                    raise
            # Out of the handler, so that the error, which holds what did not fit, is gone.
            self.most, self.halvings = max(1, size(part) // 2), self.halvings + 1
            _release()
            left.extend(reversed(parts))
        return done


def _release() -> None:
    """Give back what torch keeps of the device for later: in pieces that may be too small now."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()

"""Which of several processes does a piece of work: a claim holds as long as its process lives, and no longer.

A claim is a file that names what its owner is about to do, beside a lock that the system frees when the owner ends, however
it does. Whoever looks sees the claims of the living; what the dead left is anybody's again at once, without a time to wait.
It reaches as far as file locks do: the processes of one machine, and of those that share a file system which has them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

LOOK_AGAIN = 0.1  # seconds


@dataclass(frozen=True)
class Share:
    """What became of the names that a process wanted.

    Attributes:
        is_mine: of each name, whether it is this process's to do; else another has claimed it.
        owners: claims that hold some of the others.
    """

    is_mine: pa.BooleanArray
    owners: list[Path]


class Claims:
    """The claims in a folder, made on first use.

    Args:
        folder: local, the same for all processes that share the work.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def claimed(self, wanted: Callable[[], pa.StringArray]) -> Iterator[Share]:
        """Claim what nobody else has; the block does it, and its end lets it go, done or not.

        Args:
            wanted: names of what there is to do. It is asked once the claims of others have been read: what one of them did
                before it let go is then known to be done.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "claims.lock", poll_interval=LOOK_AGAIN / 4):
            others = dict(self._of_others())
            names = wanted()
            claimed = pa.chunked_array(others.values(), pa.string()).combine_chunks()
            is_theirs = pc.is_in(names, value_set=claimed)
            mine = names.filter(pc.invert(is_theirs))
            owners = [owner for owner, theirs in others.items() if pc.any(pc.is_in(names, value_set=theirs)).as_py()]
            own = self.folder / f"{uuid.uuid4().hex}.claim"
            lock = FileLock(_lock_of(own), timeout=0)
            lock.acquire()
            own.write_text("\n".join(mine.to_pylist()), encoding="utf-8")
        try:
            yield Share(pc.invert(is_theirs), owners)
        finally:
            own.unlink(missing_ok=True)
            lock.release()
            _lock_of(own).unlink(missing_ok=True)

    def _of_others(self) -> Iterator[tuple[Path, pa.StringArray]]:
        """The claims of the living; those of the dead are taken away. For who holds the folder's lock."""
        for claim in sorted(self.folder.glob("*.claim")):
            try:
                with FileLock(_lock_of(claim), timeout=0):
                    claim.unlink(missing_ok=True)
                _lock_of(claim).unlink(missing_ok=True)
            except Timeout:
                try:
                    yield claim, pa.array(claim.read_text(encoding="utf-8").split("\n"), pa.string())
                except FileNotFoundError:  # let go meanwhile
                    continue

    def wait_for(self, owners: list[Path]) -> None:
        """Wait until these claims have been let go, or their processes have ended."""
        for owner in owners:
            if owner.exists():
                with FileLock(_lock_of(owner), poll_interval=LOOK_AGAIN):
                    owner.unlink(missing_ok=True)  # its process died, else it would be gone
                _lock_of(owner).unlink(missing_ok=True)


def _lock_of(claim: Path) -> Path:
    return claim.with_suffix(".lock")


@contextmanager
def device_turn(folder: Path, device: str | None) -> Iterator[None]:
    """Wait until no other process is at work on a GPU, and keep it for the block; what runs on the CPU waits for nobody.

    Args:
        folder: local, the same for all processes that share the device.
        device: as torch names it; None where no device is used.
    """
    kind, _, number = (device or "cpu").partition(":")
    if kind == "cpu":
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{kind}_{number or 0}.lock", poll_interval=LOOK_AGAIN):
        yield

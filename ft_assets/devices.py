"""Which of several GPUs a process takes: one that no other process of ft_assets has."""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

_held: dict[str, FileLock] = {}


def may_have_gpu() -> bool:
    """Whether torch may see a GPU here: a quick look, which is wrong only where it says yes."""
    if sys.platform != "linux":
        return True
    drivers = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of NVIDIA, of Windows' Linux, of AMD
    return any(Path(driver).exists() for driver in drivers)


@cache
def free_gpu(gpus: int) -> str:
    """Take a GPU for the rest of this process; the system gives it back when the process ends, however it ends.

    A run of a day is a process (or several, one after the other), so as many days at once as there are GPUs use one each.
    Processes of other programs are not known.

    Args:
        gpus: how many there are, at least 1.

    Returns:
        ``cuda:<index>``: the first that is free, or where none is, ``cuda:0``, shared.
    """
    for index in range(gpus):
        lock = FileLock(Path(tempfile.gettempdir()) / f"ft_assets-cuda-{index}.lock")
        try:
            lock.acquire(timeout=0)
        except (Timeout, PermissionError):  # held; or it is another user's
            continue
        _held[f"cuda:{index}"] = lock
        return f"cuda:{index}"
    return "cuda:0"

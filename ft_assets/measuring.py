"""What a step cost: its seconds, the device that it ran on, and the most memory that it held at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
SLACK_MIB = 16  # what may come and go between two looks
# Linux tells the highest resident memory of a process, and forgets it when 5 is written there.
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
THIS_STEP, THE_PROCESS = "this process during this step", "this process since it began"


@dataclass
class Measured:
    """What is known when the step has ended.

    Attributes:
        seconds: how long it took.
        peak_memory_mib: most resident memory, or None where the system does not tell.
        peak_memory_of: what that is of: this step where the system lets one start anew, else the whole process.
        device: what the kernels or the model ran on, by name; None where there are none.
        cuda_peak_memory_mib: most memory allocated on the GPU, where there is one.
        parts: seconds of parts of it, by name.
    """

    seconds: float = 0.0
    peak_memory_mib: float | None = None
    peak_memory_of: str = THE_PROCESS
    device: str | None = None
    cuda_peak_memory_mib: float | None = None
    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Take the time of a part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - began

    def as_metadata(self) -> dict[str, float | str]:
        """Numbers that the UI plots, and words; what is not known is left out."""
        known: dict[str, float | str | None] = {
            "seconds": round(self.seconds, 3),
            **{f"seconds_{name}": round(seconds, 3) for name, seconds in self.parts.items()},
            "peak_memory_mib": self.peak_memory_mib,
            "peak_memory_of": self.peak_memory_of if self.peak_memory_mib is not None else None,
            "device": self.device,
            "cuda_peak_memory_mib": self.cuda_peak_memory_mib,
        }
        return {name: value for name, value in known.items() if value is not None}


@contextmanager
def measured(device: str | None = None) -> Iterator[Measured]:
    """Measure what is done inside; the numbers are there at its end.

    Args:
        device: the torch device that it runs on, if any: ``cuda``, ``cuda:1``, ``mps``, ``cpu``.

    Example:
        >>> with measured() as cost:
        ...     _ = bytes(1000)
        >>> cost.seconds >= 0, cost.device
        (True, None)
    """
    cost = Measured(device=device_name(device) if device else None)
    starts_anew = _forget_peak()
    on_cuda = device is not None and device.startswith("cuda")
    if on_cuda:
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - began
        cost.peak_memory_mib = _peak_mib()
        cost.peak_memory_of = THIS_STEP if starts_anew else THE_PROCESS
        if on_cuda:
            cost.cuda_peak_memory_mib = round(torch.cuda.max_memory_allocated(device) / MIB, 1)


def device_name(device: str) -> str:
    """A device as people know it: the name of the GPU, else ``mps`` or ``cpu``."""
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device}: {torch.cuda.get_device_name(device)}"


def _forget_peak() -> bool:
    """Let the system's highest mark begin anew; whether it does: it is then no higher than what is held now."""
    try:
        _FORGET.write_text("5")
    except OSError:  # not Linux, or not permitted here
        return False
    highest, now = _status_mib("VmHWM"), _status_mib("VmRSS")
    return highest is not None and now is not None and highest < now + SLACK_MIB


def _status_mib(name: str) -> float | None:
    """What the system says of this process's memory, where it does."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(f"{name}:")), None)


def _peak_mib() -> float | None:
    if (mark := _status_mib("VmHWM")) is not None:
        return mark
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (MIB if sys.platform == "darwin" else 1024), 1)

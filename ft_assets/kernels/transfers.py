"""Between the host and a device, without waiting.

A copy from ordinary host memory makes the host wait for all that a GPU has been given to do. From pinned memory it is
queued behind that work, and so is a copy back, which is waited for when its values are asked for.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Landing", "moved", "pinned"]

# Where a copy need not be waited for. mps shares its memory with the host and has no pinned memory.
_WAITS = ("cpu", "mps")


def pinned(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A host tensor in memory that a GPU can copy from by itself; the tensor as it is for any other device.

    Args:
        tensor: on the host, else it is returned.
        device: where it will go.
    """
    is_for_cuda = torch.device(device).type == "cuda" and tensor.device.type == "cpu"
    return tensor.pin_memory() if is_for_cuda and not tensor.is_pinned() else tensor


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; from the host to a GPU without waiting for the GPU.

    Args:
        tensor: anywhere. It may be let go at once: torch keeps pinned memory until the copy is made.
        device: where it is wanted.

    Example:
        >>> moved(torch.ones(2), "meta").device.type
        'meta'
    """
    device = torch.device(device)
    if tensor.device.type != "cpu" or device.type in _WAITS:
        return tensor.to(device)
    return pinned(tensor, device).to(device, non_blocking=True)


class Landing:
    """Values on their way from a device to the host.

    Args:
        values: on any device. On a GPU the copy is queued behind what makes them, and nothing waits.

    Example:
        >>> Landing(torch.ones(2)).wait().tolist()
        [1.0, 1.0]
    """

    def __init__(self, values: Tensor) -> None:
        self._event = None
        if values.device.type != "cuda":
            self._host = values.detach().cpu()
            return
        self._host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        self._host.copy_(values.detach(), non_blocking=True)
        self._event = torch.cuda.current_stream(values.device).record_event()

    def wait(self) -> Tensor:
        """The values on the host; on a GPU, when they are there."""
        if self._event is not None:
            self._event.synchronize()
        return self._host

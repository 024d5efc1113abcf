"""What a step cost: its own seconds and memory, not those of the steps before it."""

import sys
import time
from pathlib import Path

import pytest

from ft_assets import measuring
from ft_assets.measuring import MIB, THE_PROCESS, THIS_STEP, measured

FORGETS = Path("/proc/self/clear_refs").exists()


def test_the_seconds_are_those_inside_and_parts_add_up():
    with measured() as cost:
        for _ in range(2):
            with cost.part("waiting"):
                time.sleep(0.01)
    assert cost.seconds >= cost.parts["waiting"] >= 0.02
    assert set(cost.as_metadata()) == {"seconds", "seconds_waiting", "peak_memory_mib", "peak_memory_of"}


def test_a_step_that_fails_is_measured_too():
    with pytest.raises(ValueError, match="no"), measured("cpu") as cost:
        raise ValueError("no")
    assert (cost.device, cost.seconds > 0) == ("cpu", True)


@pytest.mark.skipif(not FORGETS, reason="only Linux forgets a peak")
def test_the_memory_of_a_step_is_its_own():
    with measured() as heavy:
        len(b"x" * (200 * MIB))
    with measured() as light:
        pass
    assert heavy.peak_memory_of == THIS_STEP
    assert heavy.peak_memory_mib > light.peak_memory_mib + 150


def test_where_the_system_does_not_forget_the_memory_is_said_to_be_the_whole_process(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "_FORGET", tmp_path / "missing" / "clear_refs")
    with measured() as cost:
        pass
    assert (cost.peak_memory_of, cost.peak_memory_mib > 0) == (THE_PROCESS, True)


@pytest.mark.skipif(sys.platform == "win32", reason="no getrusage")
def test_without_proc_the_memory_is_what_getrusage_says(monkeypatch, tmp_path):
    with measured() as told:
        pass
    monkeypatch.setattr(measuring, "_FORGET", tmp_path / "missing" / "clear_refs")
    monkeypatch.setattr(measuring, "_STATUS", tmp_path / "missing" / "status")
    with measured() as cost:
        pass
    assert cost.peak_memory_of == THE_PROCESS
    assert cost.peak_memory_mib >= 0.9 * told.peak_memory_mib

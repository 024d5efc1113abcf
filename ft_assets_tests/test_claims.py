"""Claims of processes that live, end and die."""

import os
import signal
import subprocess
import sys
import threading
import time

import pyarrow as pa
import pytest

from ft_assets.claims import Claims, device_turn

CLAIMER = """
import sys, time
from pathlib import Path
import pyarrow as pa
from ft_assets.claims import Claims, device_turn
folder, *names = sys.argv[1:]
with device_turn(Path(folder), "cuda"), Claims(Path(folder)).claimed(lambda: pa.array(names, pa.string())) as share:
    print(share.is_mine.to_pylist(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def claimer(tmp_path):
    """Another process, which holds a claim on a and b, and the GPU, until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMER, str(tmp_path), "a", "b"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "[True, True]\n"
        yield process
        process.kill()


def mine(folder, *names):
    with Claims(folder).claimed(lambda: pa.array(names, pa.string())) as share:
        return [name for name, is_mine in zip(names, share.is_mine.to_pylist(), strict=True) if is_mine], share.owners


def test_what_a_living_process_has_claimed_is_nobody_elses(tmp_path, claimer):
    assert mine(tmp_path, "a", "c")[0] == ["c"]
    assert mine(tmp_path, "d") == (["d"], [])


def test_what_a_dead_process_claimed_is_anybodys_at_once_and_leaves_nothing(tmp_path, claimer):
    os.kill(claimer.pid, signal.SIGKILL)
    claimer.wait()
    assert mine(tmp_path, "a", "c") == (["a", "c"], [])
    assert not list(tmp_path.glob("*.claim"))


@pytest.mark.parametrize("ends", ["well", "killed"])
def test_who_waits_for_a_claim_goes_on_when_its_process_ends(tmp_path, claimer, ends):
    _, owners = mine(tmp_path, "a")
    assert len(owners) == 1
    waiter = threading.Thread(target=Claims(tmp_path).wait_for, args=[owners], daemon=True)
    waiter.start()
    time.sleep(0.3)
    assert waiter.is_alive()
    claimer.stdin.close() if ends == "well" else claimer.kill()
    waiter.join(20)
    assert not waiter.is_alive()
    assert mine(tmp_path, "a", "b") == (["a", "b"], [])


def test_the_block_lets_go_of_what_it_claimed_also_when_it_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), Claims(tmp_path).claimed(lambda: pa.array(["a"])):
        raise ZeroDivisionError
    assert mine(tmp_path, "a") == (["a"], [])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["claims.lock"]


def test_what_there_is_to_do_is_asked_behind_the_claims_of_others(tmp_path, claimer):
    """Else a name could be let go, done, between the question and the look at the claims, and would be done again."""

    def wanted():
        claimer.stdin.close()
        claimer.wait()
        return pa.array(["a"])

    with Claims(tmp_path).claimed(wanted) as share:
        assert share.is_mine.to_pylist() == [False]


def test_one_process_at_a_time_is_at_work_on_a_gpu_and_any_number_on_the_cpu(tmp_path, claimer):
    at_work = threading.Event()

    def take(device):
        with device_turn(tmp_path, device):
            at_work.set()

    take("cpu")
    take(None)
    take("cuda:1")
    at_work.clear()
    waiter = threading.Thread(target=take, args=["cuda:0"], daemon=True)
    waiter.start()
    assert not at_work.wait(0.5)
    claimer.kill()
    assert at_work.wait(20)

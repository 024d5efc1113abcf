"""Processes that do one task after another beside this one, and end when it ends, however it does.

Each is started anew (nothing is forked, so no lock of a library's threads is copied) and has what it needs imported before
its first task. Both ends talk in pickled pairs over pipes of their own, which no other process holds open: a worker that
reads the end of its pipe has lost its owner, and ends at once, whatever it is doing.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Protocol

PROGRAM = "import sys; from ft_assets.workers import serve; serve(sys.argv[1])"
PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
LEAST = 19  # of priorities


class Hand(Protocol):
    """What a worker is: made in it of a function that tells its owner things."""

    def do(self, task: Any) -> Any:
        """Do a task; the answer goes back."""
        ...

    def hear(self, news: Any) -> None:
        """Take note of what the owner says meanwhile; called on another thread."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Worker:
    """A worker as its owner sees it."""

    def __init__(self, hand: str, heard: queue.Queue[tuple[Worker, str, Any]], environment: Mapping[str, str]) -> None:
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, hand],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )
        self._heard = heard
        self.was_asked = False
        self._thread = threading.Thread(target=self._listen, name="ft_assets-worker", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its process has not ended."""
        return self._process.poll() is None

    def do(self, task: Any) -> None:
        """Give it a task; the answer is heard as ``("done", answer)``."""
        self.was_asked = True
        self._say("do", task)

    def tell(self, news: Any) -> None:
        """Say something to it, also while it is busy."""
        self._say("hear", news)

    def _say(self, kind: str, what: Any) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump((kind, what), self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:  # it has died: that is heard, too
            return

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                self._heard.put((self, *pickle.load(self._process.stdout)))
        except (EOFError, pickle.UnpicklingError, OSError, ValueError):
            self._heard.put((self, "died", self._process.wait()))

    def dismiss(self) -> None:
        """Let it end by itself, when it has done what it was given."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def end(self, *, at_once: bool) -> None:
        """Let it end by itself, or at once; it has ended when this returns."""
        assert self._process.stdout is not None
        if at_once:
            self._process.kill()
        self.dismiss()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()


class Workers:
    """Some workers, ended with the ``with`` block: by themselves where it ends well, else at once, as is who never had a task.

    Args:
        hand: ``module:name`` of what makes a ``Hand`` of a function that tells; imported in the worker.
        environment: variables that the workers have beside those of this process.
    """

    def __init__(self, hand: str, environment: Mapping[str, str]) -> None:
        self._hand, self._environment = hand, environment
        self._heard: queue.Queue[tuple[Worker, str, Any]] = queue.Queue()
        self.all: list[Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.all:
            worker.end(at_once=error is not None or not worker.was_asked)

    def start(self) -> Worker:
        """One more."""
        self.all.append(Worker(self._hand, self._heard, self._environment))
        return self.all[-1]

    def heard(self) -> tuple[Worker, str, Any]:
        """Wait for what one says next: ``told`` and what, ``done`` and the answer, or ``died`` and its exit status."""
        worker, kind, what = self._heard.get()
        if kind == "died" and worker in self.all:
            self.all.remove(worker)
            worker.end(at_once=True)
        return worker, kind, what


def serve(hand: str) -> None:
    """Be a worker: do the tasks that come on standard input, answer on what was standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the owner says what is to end
    _die_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed here must not get between the answers
    lock = threading.Lock()

    def say(kind: str, what: Any) -> None:
        with lock:
            pickle.dump((kind, what), answers)
            answers.flush()

    def make() -> Hand:
        module, _, name = hand.partition(":")
        made: Hand = getattr(importlib.import_module(module), name)(lambda what: say("told", what))
        gc.freeze()  # what is imported stays: it need not be looked through for what nobody holds any more
        return made

    with ThreadPoolExecutor(1, initializer=_give_way) as beforehand:
        made = beforehand.submit(make).result()
    for task in _tasks(made, sys.stdin.buffer):
        say("done", made.do(task))
    made.close()
    atexit._run_exitfuncs()
    os._exit(0)  # all that is left is memory: to take it apart piece by piece takes the interpreter a second


def _tasks(hand: Hand, stream: BinaryIO) -> Iterator[Any]:
    """Tasks as they come; news is heard at once, and the end of the stream ends a busy process."""
    waiting: queue.Queue[tuple[Any] | None] = queue.Queue()
    lock, undone = threading.Lock(), 0

    def listen() -> None:
        nonlocal undone
        try:
            while True:
                kind, what = pickle.load(stream)
                if kind == "do":
                    with lock:
                        undone += 1
                    waiting.put((what,))
                else:
                    hand.hear(what)
        except EOFError:
            waiting.put(None)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        with lock:
            if undone:
                os._exit(1)

    threading.Thread(target=listen, name="ft_assets-owner", daemon=True).start()
    while (task := waiting.get()) is not None:
        yield task[0]
        with lock:
            undone -= 1


def _give_way() -> None:
    """Let this thread run where others do not: it may be started while others are at work, and nobody waits for it yet."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LEAST)


def _die_with_parent() -> None:
    """Where the system can, be killed the moment the owner ends, also amid a computation that lets no thread of Python run."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)

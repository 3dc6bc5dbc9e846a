"""What worker processes do in the tests; a module of its own, so that they start quickly."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from kmc_transport.errors import InputError, Problem, TooManyStates


def prepare(value: int, should_stop: Callable[[], bool], report: Callable[[Any], None]) -> None:
    _state["value"], _state["stop"], _state["report"] = value, should_stop, report


_state: dict[str, Any] = {}


def add(x: int) -> tuple[int, int]:
    print("this must not get between the answers")
    _state["report"](x)
    return x + int(_state["value"]), os.getpid()


def rest(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def die(code: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL) if code < 0 else os._exit(code)


def die_in_the_middle_of_the_answer(share: float) -> bytes:
    def send_part(pipe: Connection, content: Any, write: Any = os.write) -> None:
        write(pipe.fileno(), bytes(content)[: int(share * len(content))])
        os.kill(os.getpid(), signal.SIGKILL)

    Connection._send = send_part
    return bytes(1000)


def open_files() -> list[str]:
    folder = "/proc/self/fd"
    return [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder) if os.path.islink(f"{folder}/{fd}")]


def fail() -> None:
    raise TooManyStates(5, 4, "a test")


class LockedError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")
        self.lock = threading.Lock()


def fail_with_a_lock() -> None:
    raise LockedError("two", "words")


def until_stopped() -> str:
    """Reports its process, then that it waits."""
    _state["report"](os.getpid())
    _state["report"]("here")
    while not _state["stop"]():
        time.sleep(0.01)
    return "stopped"


def fail_to_prepare(*_: Any) -> None:
    raise InputError(Problem("no such rule"))


def never_come_back() -> None:
    """Deaf to everything, as a compiled routine is."""
    import numba

    @numba.njit(nogil=True)
    def busy(n: int) -> float:
        x = 1.0
        for _ in range(n):
            x = (x * 1.0000001 + 1.0 / x) % 3.0
        return x

    busy(1)
    _state["report"](os.getpid())
    busy(2**62)


class _NoMemory:
    def __reduce__(self) -> Any:
        raise MemoryError


def no_memory_for_the_answer() -> _NoMemory:
    return _NoMemory()


class _Unreadable:
    def __reduce__(self) -> Any:
        return int, ("no number",)


def unreadable_answer() -> _Unreadable:
    return _Unreadable()

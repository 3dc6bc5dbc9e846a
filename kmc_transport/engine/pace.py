"""How much one call of a kernel may do, so that Python can look at clocks and signals in between."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["CALL_SECONDS", "FEWEST", "MOST", "Pace", "ShouldStop", "Stopped", "never"]

ShouldStop = Callable[[], bool]
"""Asked some times a second whether to come back."""

CALL_SECONDS = 0.2
"""Time that a call is meant to take."""

FEWEST, MOST = 1024, 2**25
"""Attempts of a call: of the first one, and at the most."""


class Stopped(Exception):
    """Something was told to stop that cannot be gone on with: the preparation of a replica."""


def never() -> bool:
    """Nobody wants it to stop."""
    return False


class Pace:
    """Attempts that the next call may make, by the measured speed of those before. Results must not depend on it."""

    def __init__(self) -> None:
        self.work = FEWEST

    def start(self) -> None:
        """A call begins."""
        self._start = time.perf_counter()

    def end(self, done: float) -> None:
        """The call is over and has done as much work as so many attempts."""
        speed = done / max(1e-9, time.perf_counter() - self._start)
        self.work = int(min(MOST, max(FEWEST, min(4 * self.work, speed * CALL_SECONDS))))

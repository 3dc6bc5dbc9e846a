"""Hand out points, take back outcomes, try again where a worker was lost, and say how far it is."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import InputError, KmcTransportError
from ..store import Failure
from .grid import GridPoint
from .job import Outcome, Standing
from .pools import Pool
from .processes import WorkerLost

__all__ = ["Progress", "Tracker", "run_points"]

LOST_ATTEMPTS, ATTEMPTS = 3, 2
"""How often a point is tried whose worker dies, and one that ends with an error nobody expected."""
TICK, GATHER = 0.2, 0.05  # s
PATIENCE = 10.0
"""Seconds to wait for points that were told to stop."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a sweep is.

    points : those asked for. kept : found finished when the run began. done : finished, the kept ones among them.
    inaccurate : finished in this run without the asked accuracy. failed : could not be simulated. outside : points in
    the folder that this grid does not ask for. running : at work now, the one farthest from its accuracy first.
    worst : finished and running ones of this run that are farthest from it. hops : of this run. seconds : since the
    run began. rate : points per second. seconds_left : None while unknown. finished : the run is over. damaged : files
    of points that were found damaged, or to hold another point, and count as missing.
    """

    points: int
    kept: int
    done: int
    inaccurate: int
    failed: int
    outside: int
    running: tuple[Standing, ...]
    worst: tuple[Standing, ...]
    hops: int
    seconds: float
    rate: float
    seconds_left: float | None
    stage: str = ""
    finished: bool = False
    damaged: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the file that `status` reads; names the process and the time."""
        content = asdict(self)
        content["running"] = [asdict(s) for s in self.running[:20]]
        return content | {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }


N_WORST = 8


@dataclass(kw_only=True)
class Tracker:
    """Counts what happens; `progress` says how far it is."""

    points: int
    kept: int
    outside: int = 0
    stage: str = ""
    done: int = 0
    inaccurate: int = 0
    failed: int = 0
    hops: int = 0
    start: float = field(default_factory=time.monotonic)
    running: dict[str, Standing] = field(default_factory=dict)
    worst: list[Standing] = field(default_factory=list)
    damaged: Sequence[str] = ()

    def report(self, standing: Standing) -> None:
        """From any thread: how a point at work stands."""
        self.running[standing.key] = standing

    def end(self, outcome: Outcome) -> None:
        """A point ended."""
        standing = outcome.standing
        self.running.pop(standing.key, None)
        if outcome.failure is not None:
            self.failed += 1
            return
        if outcome.stopped:
            return
        self.done += 1
        self.hops += standing.events
        if not standing.converged:
            self.inaccurate += 1
            self.worst = sorted([*self.worst, standing], key=_badness)[:N_WORST]

    def progress(self, finished: bool = False) -> Progress:
        running = sorted(list(self.running.values()), key=_badness)
        seconds = time.monotonic() - self.start
        ended = self.done + self.failed
        shares = ended + sum(_share(s) for s in running)
        to_do = self.points - self.kept
        left = (to_do - shares) * seconds / shares if shares > 0.5 and not finished else None
        return Progress(
            points=self.points,
            kept=self.kept,
            done=self.kept + self.done,
            inaccurate=self.inaccurate,
            failed=self.failed,
            outside=self.outside,
            running=tuple(running),
            worst=tuple(sorted([*running, *self.worst], key=_badness)[:N_WORST]),
            hops=self.hops + sum(s.events for s in running),
            seconds=seconds,
            rate=ended / seconds if seconds > 0 else 0.0,
            seconds_left=0.0 if finished else left,
            stage=self.stage,
            finished=finished,
            damaged=tuple(self.damaged),
        )


def _badness(standing: Standing) -> float:
    return -(standing.ratio if standing.ratio is not None else -1.0)


def _share(standing: Standing) -> float:
    """Part of a point that is done: the error falls as the square root of the work."""
    return min(0.99, standing.ratio**-2) if standing.ratio else 0.0


def run_points(
    points: Sequence[GridPoint],
    pool: Pool,
    tracker: Tracker,
    *,
    on_end: Callable[[Sequence[tuple[GridPoint, Outcome]]], None],
    on_tick: Callable[[], None] = lambda: None,
) -> None:
    """Simulate points in any order; what becomes of them is told to ``on_end``, in this thread, several at a time where
    they end in quick succession.

    A point whose worker is lost is tried `LOST_ATTEMPTS` times, one that ends with an unexpected error `ATTEMPTS`
    times; then it counts as failed, and the rest goes on. Errors of the store (no space, no permission) and of
    the workers' installation end the sweep, and so does whatever is raised here (Ctrl-C): points at work are
    told to stop, and what they have is saved.
    """
    queue = deque((point, 1) for point in points)
    pending: dict[Future[Outcome], tuple[GridPoint, int]] = {}
    ended: SimpleQueue[Future[Outcome]] = SimpleQueue()
    try:
        while queue or pending:
            while queue and len(pending) < pool.window(len(queue)):
                point, attempt = queue.popleft()
                future = pool.submit(point)
                pending[future] = (point, attempt)
                future.add_done_callback(ended.put)
            outcomes = []
            for future in _some(ended, (len(pending) - pool.workers) // 2) or _forgotten(pending, pool):
                if future not in pending:  # was found before it said so
                    continue
                point, attempt = pending[future]
                outcome = _outcome(future, point, attempt)
                if outcome is None:
                    queue.append((point, attempt + 1))
                    del pending[future]
                else:
                    outcomes.append((future, point, outcome))
            on_end([(point, outcome) for _, point, outcome in outcomes])
            for future, _, outcome in outcomes:
                del pending[future]
                tracker.end(outcome)
            on_tick()
    except BaseException:
        pool.stop()
        for future in pending:
            future.cancel()
        done = wait(pending, timeout=PATIENCE).done  # what was at its end when the sweep was stopped
        done = {future for future in done if not future.cancelled() and future.exception() is None}
        on_end([(pending[future][0], future.result()) for future in done])
        raise


def _some(ended: SimpleQueue[Future[Outcome]], spare: int) -> Sequence[Future[Outcome]]:
    """What has ended; waits a moment for the first, and a shorter one for more up to ``spare``, when all workers have
    work still: what ends in quick succession is saved at once, and nobody idles meanwhile."""
    found = []
    with suppress(Empty):
        found.append(ended.get(timeout=TICK))
        until = time.monotonic() + GATHER
        while len(found) < spare and (left := until - time.monotonic()) > 0:
            found.append(ended.get(timeout=left))
        while True:
            found.append(ended.get_nowait())
    return found


def _forgotten(pending: Iterable[Future[Outcome]], pool: Pool) -> list[Future[Outcome]]:
    """What has ended without a word (there was no memory for it); an error where nothing more will."""
    done = [future for future in pending if future.done()]
    if not done:
        pool.check()
    return done


def _outcome(future: Future[Outcome], point: GridPoint, attempt: int) -> Outcome | None:
    """What became of a point; None to try again."""
    try:
        return future.result()
    except InputError:  # of the store, or of the workers' installation
        raise
    except (BrokenProcessPool, CancelledError) as e:
        raise KmcTransportError(
            f"the workers are gone ({type(e).__name__}: {e}); finished points are kept, run again to go on"
        ) from e
    except Exception as e:
        lost, given_up = (
            isinstance(e, WorkerLost),
            type(e).__name__ == "KilledWorker",
        )  # Dask has tried already
        if not given_up and attempt < (LOST_ATTEMPTS if lost else ATTEMPTS):
            return None
        said = str(e) if (lost or given_up) and str(e) else f"{type(e).__name__}: {e}"
        reason, detail = said.splitlines()[0], "".join(traceback.format_exception(e))
    vector = (float(point.field[0]), float(point.field[1]), float(point.field[2]))
    failure = Failure(
        temperature=point.temperature,
        field=vector,
        reason=reason,
        attempts=attempt,
        detail=detail,
        coordinates=dict(point.coordinates),
    )
    standing = Standing(
        key=point.key,
        temperature=point.temperature,
        field=vector,
        events=0,
        seconds=0.0,
        ratio=None,
        relative_error=None,
        exit_reason="failed",
        coordinates=point.coordinates,
    )
    return Outcome(standing=standing, failure=failure)

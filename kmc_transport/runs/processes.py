"""Worker processes of this machine, as an executor that outlives the death of a worker.

Each is a loky executor of its own, so that the death of one breaks no other. They are forked where that is safe (Linux,
no other thread in this process), which takes some milliseconds, or else started afresh, which takes about a second; one
that replaces a dead one always is. They do not run the user's script, so that it needs no ``if __name__ ==
"__main__"``. A pipe tells each when to stop; a worker whose driver has died finds it closed: it saves what it is at and
ends.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import multiprocessing.util
import os
import pickle
import select
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..errors import KmcTransportError
from .threads import CannotStart

__all__ = ["WorkerLost", "WorkerProcesses", "can_fork"]

PATIENCE = 10.0
"""Seconds to wait for what was told to stop."""
_NO_THREAD = 11
"""Exit code of a worker that cannot start its threads."""
_STOPPING = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


class WorkerLost(KmcTransportError):
    """A worker process died: killed, or out of memory."""


def can_fork() -> bool:
    """Whether a copy of this process would work: nobody else may hold a lock in it that nobody then releases.

    The threads of OpenBLAS stop for a fork, those of OpenMP do not.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    try:
        loaded = Path("/proc/self/maps").read_text(errors="replace")
    except OSError:
        return False
    return not any(name in loaded for name in ("libgomp", "libiomp", "libomp"))


@dataclass(eq=False)
class _Task:
    """What was submitted. alone : it was part of a call that failed as a whole; nobody knows whose fault it was."""

    future: Future
    call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    alone: bool = False


_CALLS, _TOGETHER = 2, 16
"""Calls that a process has at hand: one at work, and one for the moment when that ends; and most tasks of a call."""


class _Worker:
    """One process, started with its first task and again when it has died.

    Tasks that come while it has its calls at hand wait, and then go together in one call: handing over and answering
    costs about a millisecond of the processors, whatever is in it.
    """

    def __init__(self, set_up: bytes) -> None:
        self.pipe: Connection | None = None
        self._calls: list[tuple[Future, list[_Task]]] = []  # the first one is at work
        self._waiting: deque[_Task] = deque()  # those that go alone first
        self._set_up = set_up
        self._executor: Any = None  # of loky
        self._process: Any = None
        self._told = self._closed = False
        self._lock = threading.RLock()  # callbacks of finished calls may come at once

    @property
    def tasks(self) -> list[_Task]:
        """All that are not done."""
        with self._lock:
            return [task for _, tasks in self._calls for task in tasks] + list(self._waiting)

    def start(self, *, fork: bool = False) -> None:
        """CannotStart where the system allows no more."""
        from loky import ProcessPoolExecutor

        self.pipe, theirs = multiprocessing.Pipe()
        _drivers_ends.add(self.pipe)
        context = multiprocessing.get_context("fork") if fork else None
        try:
            executor = ProcessPoolExecutor(
                1, context=context, initializer=_begin, initargs=(self._set_up, theirs)
            )
            with _signals_held():
                executor.submit(_nothing)
            # none: it is dead already, and loky says so at the next call
            self._process = next(iter(executor._processes.values()), None)
            # else who dies in the middle of an answer is waited for: the pipe would have an end that lives
            executor._result_queue._writer.close()
        except (OSError, RuntimeError) as e:
            self.pipe.close()
            raise CannotStart("a worker process", e) from None
        finally:
            theirs.close()
        self._executor = executor
        if self._told:
            self.stop()

    def take(self, task: _Task) -> None:
        """CannotStart as `start`."""
        with self._lock:
            if self._executor is None:
                self.start()
            self._waiting.append(task)
            try:
                self._hand_over()
            except Exception:
                with suppress(ValueError):  # it went, and another did not
                    self._waiting.remove(task)
                raise

    def _hand_over(self, at_most: float = _CALLS) -> None:
        while self._waiting and len(self._calls) < at_most:
            tasks = [self._waiting.popleft()]
            while self._waiting and not tasks[0].alone and len(tasks) < _TOGETHER:
                tasks.append(self._waiting.popleft())
            try:
                inner = self._executor.submit(_run_all, [task.call for task in tasks])
            except BrokenProcessPool:
                self._waiting.extendleft(reversed(tasks))
                if self._calls:  # they are about to be told
                    return
                self._executor = None
                self.start()  # it died while it had nothing to do
            except BaseException:  # the interpreter ends
                self._waiting.extendleft(reversed(tasks))
                raise
            else:
                self._calls.append((inner, tasks))
                inner.add_done_callback(self._ended)

    def _ended(self, inner: Future) -> None:
        error = inner.exception()
        with self._lock:
            index = next((i for i, (call, _) in enumerate(self._calls) if call is inner), None)
            if index is None:  # handed out again meanwhile
                return
            dead, process = _is_death(error), self._process
            _, tasks = self._calls.pop(0 if dead else index)
            gone = isinstance(error, BrokenExecutor)  # whatever the reason, loky ends the process
            if gone:
                self._waiting.extendleft(reversed([task for _, others in self._calls for task in others]))
                self._calls.clear()
                self._executor = None
            if error is not None and len(tasks) > 1 and not self._closed:
                for task in tasks:
                    task.alone = True
                self._waiting.extendleft(reversed(tasks))
                tasks = []
        if not gone:
            self._go_on(error)
        elif not dead and process is not None:  # loky ends it too, but after this
            from loky.backend.utils import kill_process_tree

            kill_process_tree(process)
        for k, task in enumerate(tasks):
            failure, value = (error, None) if error is not None else inner.result()[k]
            if failure is None:
                task.future.set_result(value)
            else:
                task.future.set_exception(_how_it_died(process) if dead else failure)
        if gone:
            self._go_on(error)

    def _go_on(self, error: BaseException | None) -> None:
        """With what waits, in a new process where this one is gone; what cannot be handed over is told so."""
        refused: tuple[BaseException | None, list[_Task]] = (None, [])
        with self._lock:
            try:
                if self._waiting and self._executor is None:
                    if self._closed:
                        raise error or AssertionError
                    self.start()
                if self._executor is not None:
                    self._hand_over()
            except Exception as e:
                refused = e, list(self._waiting)
                self._waiting.clear()
        for task in refused[1]:
            task.future.set_exception(refused[0])

    def stop(self) -> None:
        self._told = True
        if self.pipe is not None:
            with suppress(OSError):  # it is dead already
                self.pipe.send(None)

    def messages(self) -> Iterator[Any]:
        pipe = self.pipe  # another takes its place when the process has died
        with suppress(EOFError, OSError):
            while pipe is not None and pipe.poll():
                yield pipe.recv()

    def shutdown(self, *, wait: bool, kill: bool) -> None:
        with self._lock:
            self._closed = True
            for task in self._waiting:
                task.alone = True  # nobody can do it again
            if self._executor is not None:
                self._hand_over(math.inf)
            executor = self._executor
        if executor is not None:
            executor.shutdown(wait=wait, kill_workers=kill)


class WorkerProcesses(Executor):
    """Python processes that work on one task after the other; a task whose process dies fails with `WorkerLost`.

    Parameters
    ----------
    n : processes, fewer where the system allows no more; each is started with its first task.
    fork : start all of them at once as copies of this process; only where `can_fork`.
    setup, arguments : ``setup(*arguments, should_stop, report)`` is called first in each process; ``should_stop``
        tells whether `stop` was called (or this process died), ``report`` sends a message to ``on_message``.
    on_message : called by `listen`.

    Functions and arguments must be importable by name and be picklable.
    """

    def __init__(
        self,
        n: int,
        setup: Callable[..., None],
        arguments: tuple[Any, ...] = (),
        on_message: Callable[[Any], None] = lambda _: None,
        *,
        fork: bool = False,
    ) -> None:
        set_up = pickle.dumps((setup, arguments))
        self._on_message, self._closed = on_message, False
        self._workers = [_Worker(set_up) for _ in range(n)]
        for i, worker in enumerate(self._workers if fork else ()):
            try:
                worker.start(fork=True)
            except CannotStart:
                if not i:
                    raise
                del self._workers[i:]
                break

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """To the process with the fewest tasks; CannotStart where there can be none."""
        if self._closed:
            raise RuntimeError("the workers are shut down")
        task = _Task(Future(), (fn, args, kwargs))
        task.future.set_running_or_notify_cancel()  # it may begin at once: too late to cancel it
        candidates = list(self._workers)
        while True:
            worker = min(candidates, key=lambda w: len(w.tasks))
            try:
                worker.take(task)
            except CannotStart:
                candidates.remove(worker)
                if not candidates:
                    raise
                if not worker.tasks:
                    self._workers.remove(worker)
            else:
                return task.future

    def listen(self) -> None:
        """Pass on what the processes have reported."""
        for worker in self._workers:
            for message in worker.messages():
                self._on_message(message)

    def stop(self) -> None:
        """Tell the tasks at work to stop; those that ask `should_stop` do."""
        for worker in self._workers:
            worker.stop()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """cancel_futures : tasks that are not done within some seconds are ended."""
        self._closed = True
        left = [t for w in self._workers for t in w.tasks]
        end = time.monotonic() + PATIENCE
        for task in left if wait else ():
            with suppress(Exception):
                task.future.exception(max(0.0, end - time.monotonic()) if cancel_futures else None)
        for worker in self._workers:
            worker.shutdown(wait=wait, kill=cancel_futures and bool(worker.tasks))


def _how_it_died(process: Any) -> KmcTransportError:
    process.join(PATIENCE)
    code = process.exitcode
    if code == _NO_THREAD:
        return CannotStart("a thread of a worker process", "the system allows no more")
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else str(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return WorkerLost(f"the worker process was ended by {name}{hint}")
    return WorkerLost(f"the worker process ended by itself, with code {code}")


def _is_death(error: BaseException | None) -> bool:
    """loky's other ends (an answer that cannot be read, say) are told as they are."""
    if not isinstance(error, BrokenExecutor):
        return False
    cut_off = any(sign in str(error.__cause__) for sign in ("EOFError", "got end of file during message"))
    return cut_off or type(error).__name__ == "TerminatedWorkerError"


@contextmanager
def _signals_held() -> Iterator[None]:
    """No handler of the driver may run in a worker that begins; `_begin` lets them through again."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# in a worker -------------------------------------------------------------------------------------------

_drivers_ends: weakref.WeakSet[Connection] = weakref.WeakSet()
"""Pipes to workers; a forked worker must not hold those of the others open."""
_stopping, _at_work = threading.Event(), threading.Lock()
_broken: list[BaseException] = []


def _nothing() -> None:
    return None


def _end() -> None:
    """Without taking the interpreter to pieces, which takes a fifth of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _begin(set_up: bytes, pipe: Connection) -> None:
    os.dup2(2, 1)  # what is printed here is not the driver's answer
    if _drivers_ends:
        _leave_the_driver()
    for number in _STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the driver says what to do
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    with suppress(ImportError, AttributeError):  # a large model is no leak
        from loky import process_executor

        process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    try:
        threading.Thread(target=_listen, args=(pipe,), daemon=True).start()
    except RuntimeError:  # the system allows no more threads
        os._exit(_NO_THREAD)
    multiprocessing.util.Finalize(None, _end, exitpriority=-100)
    sending = threading.Lock()

    def report(message: Any) -> None:
        with sending, suppress(OSError):  # a driver that is gone, or busy for long, hears nothing
            if select.select([], [pipe], [], 0.0)[1]:
                pipe.send(message)

    try:
        setup, arguments = pickle.loads(set_up)
        setup(*arguments, _stopping.is_set, report)
    except Exception as e:  # told with the first task
        _broken.append(e)


def _leave_the_driver() -> None:
    """In a forked worker: what the driver has is the driver's to clean up; its files, and locks on them, to let go."""
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for end in list(_drivers_ends):
        end.close()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            name = os.readlink(f"/proc/self/fd/{fd}")
            if fd > 2 and name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
                os.dup2(nothing, fd, inheritable=False)  # its number stays taken: objects that own it exist


def _listen(pipe: Connection) -> None:
    """Until the driver says stop, then until it is gone: what does not come back in time is ended."""
    with suppress(EOFError, OSError):
        while True:
            pipe.recv()
            _stopping.set()
    _stopping.set()
    _at_work.acquire(timeout=PATIENCE)
    os._exit(1)


def _run_all(
    calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]],
) -> list[tuple[Any, Any]]:
    """For each call its error, or None, and its value."""
    return [_run(*call) for call in calls]


def _run(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    from loky.process_executor import _ExceptionWithTraceback

    with _at_work:
        try:
            if _broken:
                raise _broken[0]
            return None, fn(*args, **kwargs)
        except BaseException as e:
            try:
                pickle.loads(pickle.dumps(e))
            except Exception:  # it cannot travel
                error = RuntimeError(f"{type(e).__name__}: {e}")
                error.__cause__ = e
                return _ExceptionWithTraceback(error), None
            return _ExceptionWithTraceback(e), None

"""Worker processes of this machine, as an executor that outlives the death of a worker.

They are forked where that is safe (Linux, no other thread in this process), which takes some milliseconds, or else
started afresh, which takes about a second; one that replaces a dead one always is. They talk over pipes, and do not run
the user's script, so that it needs no ``if __name__ == "__main__"``. A worker whose driver has died finds its input
closed: it saves what it is at and ends.
"""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from ..errors import KmcTransportError
from .threads import CannotStart

__all__ = ["WorkerLost", "WorkerProcesses", "can_fork", "serve"]

_SIZE = struct.Struct("<Q")
QUICK = 0.5
"""A process that twice answers within this time (s) gets its next tasks before it has finished the one at work, so that
it never waits for one; not where few tasks are left, which another process might do sooner."""


PATIENCE = 10.0
"""Seconds to wait for what was told to stop."""
_NO_THREAD = 11
"""Exit code of a worker that cannot start its threads."""


class WorkerLost(KmcTransportError):
    """A worker process died: killed, or out of memory."""


def _send(pipe: IO[bytes], message: object) -> None:
    block = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_SIZE.pack(len(block)) + block)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    """Next message. EOFError at the end."""
    head = pipe.read(_SIZE.size)
    if len(head) < _SIZE.size:
        raise EOFError
    (size,) = _SIZE.unpack(head)
    block = pipe.read(size)
    if len(block) < size:
        raise EOFError
    return pickle.loads(block)


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


class _Forked:
    """A forked process, to be used as a `subprocess.Popen`."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        pause = 0.0005
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("forked worker", timeout or 0.0)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


_Process = subprocess.Popen | _Forked


@dataclass(eq=False)
class _Task:
    """What was submitted; ``running`` since it was first sent to a process."""

    future: Future
    content: Any
    running: bool = False

    def begin(self) -> bool:
        """Whether it is still wanted."""
        self.running = self.running or self.future.set_running_or_notify_cancel()
        return self.running


class WorkerProcesses(Executor):
    """Python processes that work on one task after the other; a task whose process dies fails with `WorkerLost`.

    Parameters
    ----------
    n : processes; each is started with its first task, and again when it has died.
    fork : start all of them at once as copies of this process; only where `can_fork`.
    threads : of a process, which share its tasks; more than one where tasks wait for something.
    setup, arguments : ``setup(*arguments, should_stop, report)`` is called first in each process; ``should_stop``
        tells whether `stop` was called (or this process died), ``report`` sends a message to ``on_message``.
    on_message : called in a thread of this process.

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
        threads: int = 1,
    ) -> None:
        self._ahead = max(2, threads)
        start = (setup, arguments, threads)
        self._setup = pickle.dumps(start)
        self._on_message = on_message
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._processes: set[_Process] = set()
        self._lock = threading.Lock()
        self._stopping = self._closed = False
        self._broken: BaseException | None = None
        first: list[_Process | None] = list(_forked(start, n)) if fork else [None] * n
        self._processes.update(p for p in first if p is not None)
        self._threads: list[threading.Thread] = []
        for p in first:
            thread = threading.Thread(target=self._drive, args=(p,), daemon=True)
            try:
                thread.start()
            except RuntimeError as e:
                if p is not None:
                    self._end(p)
                if not self._threads:
                    raise CannotStart("a thread", e) from None
            else:
                self._threads.append(thread)

    @property
    def pids(self) -> list[int]:
        """Processes that live now."""
        with self._lock:
            return [p.pid for p in self._processes]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        if self._closed:
            raise RuntimeError("the workers are shut down")
        self.check()
        future: Future = Future()
        self._tasks.put(_Task(future, (fn, args, kwargs)))
        return future

    def check(self) -> None:
        """KmcTransportError when a thread that drives a process has died, so that tasks will never be done."""
        if isinstance(self._broken, CannotStart):
            raise self._broken
        if self._broken is not None:
            raise KmcTransportError(
                f"a worker has been given up ({type(self._broken).__name__}: {self._broken}); finished points are "
                "kept, run again to go on, with fewer --workers perhaps"
            )

    def stop(self) -> None:
        """Tell the tasks at work to stop; those that ask `should_stop` do."""
        with self._lock:
            self._stopping = True
            for process in self._processes:
                self._tell_to_stop(process)

    @staticmethod
    def _tell_to_stop(process: _Process) -> None:
        try:
            assert process.stdin is not None
            _send(process.stdin, None)
        except (OSError, ValueError):
            pass  # it is dead already

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed = True
        if cancel_futures:
            while True:
                try:
                    item = self._tasks.get_nowait()
                except queue.Empty:
                    break
                if item is not None:
                    item.future.cancel()
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join(PATIENCE if cancel_futures else None)
            with self._lock:
                left = list(self._processes) if cancel_futures else []
            for process in left:  # it does not come back from what it is at
                process.kill()
                self._end(process)

    def _start(self) -> _Process:
        code = (
            f"import sys; sys.path[:] = {[os.path.abspath(p) for p in sys.path]!r}; "
            f"from {__name__} import serve; serve()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        with self._lock:
            self._processes.add(process)
            with suppress(OSError):  # seen when its answer is read
                _send(process.stdin, self._setup)
            if self._stopping:
                self._tell_to_stop(process)
        return process

    def _end(self, process: _Process) -> None:
        with self._lock:
            self._processes.discard(process)
            for pipe in (process.stdin, process.stdout):
                try:
                    assert pipe is not None
                    pipe.close()
                except OSError:
                    pass
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _drive(self, process: _Process | None) -> None:
        """One thread for each process: hand it tasks, take its answers."""
        sent: dict[int, _Task] = {}  # oldest first
        try:
            self._hand_out(process, sent)
        except BaseException as e:  # no memory, say: nobody else looks after these tasks
            self._broken = e
            for task in sent.values():
                if not task.future.done():
                    task.future.set_exception(e)

    def _hand_out(self, process: _Process | None, sent: dict[int, _Task]) -> None:
        back: deque[_Task] = deque()  # from a process that died before it came to them
        open_ = True
        number, quick, since = 0, 0, 0.0
        while True:
            ahead = self._ahead if quick > 1 and self._tasks.qsize() >= len(self._threads) else 1
            while len(sent) < ahead and (open_ or back):
                try:
                    task = back.popleft() if back else self._tasks.get(block=not sent)
                except queue.Empty:
                    break
                if task is None:
                    open_ = False
                elif task.begin() and (block := _packed(task, number)) is not None:
                    try:
                        process = self._start() if process is None else process
                    except (OSError, RuntimeError) as e:
                        task.future.set_exception(CannotStart("a worker process", e))
                        continue
                    since = since if sent else time.monotonic()
                    sent[number] = task
                    number += 1
                    with suppress(OSError):  # it died; seen when its answer is read
                        self._write(process, block)
            if not sent:
                break
            assert process is not None
            try:
                which, good, content = self._answer(process)
            except (EOFError, OSError, pickle.UnpicklingError):
                self._end(process)
                first, *others = sent.values()
                code = process.returncode
                lost: KmcTransportError = WorkerLost(_how_it_died(code))
                if code == _NO_THREAD:
                    lost = CannotStart("a thread of a worker process", "the system allows no more")
                first.future.set_exception(lost)
                back.extend(others)
                sent.clear()
                process, quick = None, 0
                continue
            since, seconds = time.monotonic(), time.monotonic() - since
            quick = quick + 1 if seconds < QUICK else 0
            future = sent.pop(which).future
            if good:
                future.set_result(content)
            else:
                future.set_exception(content)
        if process is not None:
            self._end(process)

    def _write(self, process: _Process, block: bytes) -> None:
        assert process.stdin is not None
        with self._lock:
            process.stdin.write(_SIZE.pack(len(block)) + block)
            process.stdin.flush()

    def _answer(self, process: _Process) -> tuple[int, bool, Any]:
        """Number of a task, whether it went well, its result or error."""
        assert process.stdout is not None
        while True:
            kind, which, content = _receive(process.stdout)
            if kind == "report":
                self._on_message(content)
            else:
                return which, kind == "result", content


def _forked(start: _Start, n: int) -> list[_Forked]:
    """Up to ``n`` copies of this process, as many as the system allows; `CannotStart` for none."""
    made: list[_Forked] = []
    for _ in range(n):
        try:
            made.append(_fork(start))
        except OSError as e:
            if not made:
                raise CannotStart("a worker process", e) from None
            break
    return made


def _packed(task: _Task, number: int) -> bytes | None:
    """The task as it is sent; None, and the task fails, where it cannot travel."""
    try:
        return pickle.dumps((number, task.content), protocol=pickle.HIGHEST_PROTOCOL)
    except BaseException as e:
        task.future.set_exception(e)
        return None


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else str(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker process was ended by {name}{hint}"
    return f"the worker process ended by itself, with code {code}"


def serve() -> None:
    """Main program of a worker process that was started afresh."""
    source = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed here must not get between the answers
    try:
        block = _receive(source)
    except (BrokenPipeError, EOFError):  # the driver is gone
        os._exit(0)
    _serve(source, answers, lambda: pickle.loads(block))


_Start = tuple[Callable[..., None], tuple[Any, ...], int]
"""Set-up, its arguments, threads."""


def _fork(start: _Start) -> _Forked:
    """A copy of this process that serves."""
    to_read, stdin = os.pipe()
    stdout, to_write = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()  # or the copy would print it again
    # no handler of the driver may run in the copy
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        with warnings.catch_warnings():  # of threads that hold no lock: see `can_fork`
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for fd in (to_read, stdin, stdout, to_write):
            os.close(fd)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(to_read)
        os.close(to_write)
        return _Forked(pid, os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"))
    try:
        gc.freeze()  # what the driver has is the driver's to clean up
        _let_go_of_files(to_read, to_write)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _serve(os.fdopen(to_read, "rb"), os.fdopen(to_write, "wb"), lambda: start)
    finally:
        os._exit(1)


def _let_go_of_files(*kept: int) -> None:
    """Locks and pipes of the driver are not this process's. Their numbers stay taken: objects that own them exist."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(2, 1)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd not in (1, 2, nothing, *kept):
            with suppress(OSError):
                os.fstat(fd)
                os.dup2(nothing, fd, inheritable=False)


def _serve(source: IO[bytes], answers: IO[bytes], get: Callable[[], _Start]) -> NoReturn:
    """Work on the tasks that come from ``source`` until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the driver says what to do
    stopping = threading.Event()
    tasks: queue.SimpleQueue[tuple[int, Any] | None] = queue.SimpleQueue()
    sending = threading.Lock()

    def listen() -> None:
        try:
            while True:
                message = _receive(source)
                if message is None:
                    stopping.set()
                else:
                    tasks.put(message)
        except (EOFError, OSError, pickle.UnpicklingError):
            stopping.set()
            tasks.put(None)
            time.sleep(PATIENCE)  # what it is at may not come back: nobody waits for it
        finally:
            os._exit(1)

    def tell(kind: str, which: int, content: Any) -> None:
        with sending:
            _send(answers, (kind, which, content))

    def answer(which: int, fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        try:
            if broken is not None:
                raise broken
            kind, content = "result", fn(*args, **kwargs)
        except BaseException as e:
            kind, content = "error", _portable(e)
        tell(kind, which, content)

    def work() -> None:
        try:
            while (task := tasks.get()) is not None:
                answer(task[0], *task[1])
        except (OSError, ValueError):
            stopping.set()  # the driver is gone
        except BaseException as e:  # no memory, say; the driver sees the process end
            os.write(2, f"kmc-transport: a worker process ends: {type(e).__name__}: {e}\n".encode())
            os._exit(1)
        tasks.put(None)  # for the next thread

    broken: BaseException | None = None
    threads = 1
    try:
        setup, arguments, threads = get()
        setup(*arguments, stopping.is_set, lambda content: tell("report", -1, content))
    except Exception as e:
        broken = e
    try:
        threading.Thread(target=listen, daemon=True).start()
    except RuntimeError:  # the system allows no more threads
        os._exit(_NO_THREAD)
    others = [threading.Thread(target=work, daemon=True) for _ in range(threads - 1)]
    for i, thread in enumerate(others):
        try:
            thread.start()
        except RuntimeError:
            del others[i:]
            break
    work()
    for thread in others:  # they may be saving
        thread.join()
    os._exit(0)


def _portable(error: BaseException) -> BaseException:
    """The error with its traceback as text; another one when it cannot travel."""
    import traceback

    text = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    copy.__dict__["worker_traceback"] = text
    return copy

"""Worker processes of this machine, as an executor that outlives the death of a worker.

The processes are started afresh (never forked: threads, locks and compiled code do not survive a fork) and talk over
their standard input and output. They do not import the user's script, so that it needs no ``if __name__ ==
"__main__"``. A worker whose driver has died finds its input closed: it saves what it is at and ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import IO, Any

from ..errors import KmcTransportError

__all__ = ["WorkerLost", "WorkerProcesses", "serve"]

_SIZE = struct.Struct("<Q")


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


class WorkerProcesses(Executor):
    """Python processes that work on one task each; a task whose process dies fails with `WorkerLost`.

    Parameters
    ----------
    n : processes; each is started with its first task, and again when it has died.
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
    ) -> None:
        self._setup = pickle.dumps((setup, arguments))
        self._on_message = on_message
        self._tasks: queue.SimpleQueue[tuple[Future, Any] | None] = queue.SimpleQueue()
        self._processes: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._stopping = self._closed = False
        self._threads = [threading.Thread(target=self._drive, daemon=True) for _ in range(n)]
        for thread in self._threads:
            thread.start()

    @property
    def pids(self) -> list[int]:
        """Processes that live now."""
        with self._lock:
            return [p.pid for p in self._processes]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        if self._closed:
            raise RuntimeError("the workers are shut down")
        future: Future = Future()
        self._tasks.put((future, (fn, args, kwargs)))
        return future

    def stop(self) -> None:
        """Tell the tasks at work to stop; those that ask `should_stop` do."""
        with self._lock:
            self._stopping = True
            for process in self._processes:
                self._tell_to_stop(process)

    @staticmethod
    def _tell_to_stop(process: subprocess.Popen) -> None:
        try:
            assert process.stdin is not None
            _send(process.stdin, ("stop",))
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
                    item[0].cancel()
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _start(self) -> subprocess.Popen:
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

    def _end(self, process: subprocess.Popen) -> None:
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

    def _drive(self) -> None:
        """One thread for each process: hand it tasks, wait for its answers."""
        process: subprocess.Popen | None = None
        while (item := self._tasks.get()) is not None:
            future, task = item
            if not future.set_running_or_notify_cancel():
                continue
            if process is None:
                try:
                    process = self._start()
                except OSError as e:
                    future.set_exception(WorkerLost(f"no worker process could be started: {e}"))
                    continue
            try:
                value = self._ask(process, task)
            except (EOFError, OSError, pickle.UnpicklingError):
                self._end(process)
                future.set_exception(WorkerLost(_how_it_died(process.returncode)))
                process = None
            except BaseException as e:  # the task is not picklable
                future.set_exception(e)
            else:
                good, content = value
                if good:
                    future.set_result(content)
                else:
                    future.set_exception(content)
        if process is not None:
            self._end(process)

    def _ask(self, process: subprocess.Popen, task: Any) -> tuple[bool, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        block = pickle.dumps(("task", task))
        with self._lock:
            process.stdin.write(_SIZE.pack(len(block)) + block)
            process.stdin.flush()
        while True:
            kind, content = _receive(process.stdout)
            if kind == "report":
                self._on_message(content)
            else:
                return kind == "result", content


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else str(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker process was ended by {name}{hint}"
    return f"the worker process ended by itself, with code {code}"


def serve() -> None:
    """Main program of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the driver says what to do
    source = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed here must not get between the answers
    stopping = threading.Event()
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                message = _receive(source)
                if message[0] == "stop":
                    stopping.set()
                else:
                    tasks.put(message[1])
        except (EOFError, OSError, pickle.UnpicklingError):
            stopping.set()
            tasks.put(None)

    def report(content: Any) -> None:
        _send(answers, ("report", content))

    def answer(task: Any) -> None:
        fn, args, kwargs = task
        try:
            if broken is not None:
                raise broken
            message = ("result", fn(*args, **kwargs))
        except BaseException as e:
            message = ("error", _portable(e))
        _send(answers, message)

    try:
        broken: BaseException | None = None
        block = _receive(source)
        try:
            setup, arguments = pickle.loads(block)
            setup(*arguments, stopping.is_set, report)
        except Exception as e:
            broken = e
        threading.Thread(target=listen, daemon=True).start()
        while (task := tasks.get()) is not None:
            answer(task)
    except (BrokenPipeError, EOFError):
        pass  # the driver is gone
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

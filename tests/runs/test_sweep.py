"""Sweeps: the same numbers whoever simulates; failed points are recorded and the rest goes on."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from loky.backend import fork_exec
from loky.process_executor import _ExecutorManagerThread

from kmc_transport.errors import InputError, KmcTransportError, Problem, StoreError, TooManyStates
from kmc_transport.records import ExitReason
from kmc_transport.runs import pipeline as simulation
from kmc_transport.runs import pools, processes, schedule
from kmc_transport.runs.grid import GridPoint, grid_points, of_shard
from kmc_transport.runs.job import Job, Outcome, Standing, simulate_point
from kmc_transport.runs.pipeline import Progress, run
from kmc_transport.runs.processes import WorkerLost, WorkerProcesses, can_fork
from kmc_transport.runs.schedule import Tracker, run_points
from kmc_transport.runs.threads import CannotStart
from kmc_transport.store import PointStore, open_results, points_folder, read_status
from tests.processes import HANGS, ROOT, started, wait_until
from tests.runs import worker_tasks
from tests.runs.sweeps import INPUT, N_POINTS, assert_same_table, points_of, sweep_model


@pytest.fixture(scope="module")
def whole() -> Any:
    """Undisturbed, on one thread."""
    return run(sweep_model(), executor="threads", workers=1)


# the same numbers, whoever simulates ------------------------------------------------------------------


def test_processes_change_nothing(tmp_path: Path, whole: Any) -> None:
    path = tmp_path / "a.h5"
    assert_same_table(run(sweep_model(), output=path, executor="processes", workers=2), whole)
    assert_same_table(open_results(path), whole)


@pytest.mark.parametrize("fork", [False, True])
def test_processes_take_over_from_threads_where_many_short_points_are_left(
    whole: Any, monkeypatch: pytest.MonkeyPatch, fork: bool
) -> None:
    if fork and not can_fork():
        pytest.skip("other threads live here")
    monkeypatch.setattr(pools, "can_fork", lambda: fork)
    for name in ("WORTH", "WORTH_FORK", "SHORT"):  # whatever a point takes on a busy machine
        monkeypatch.setattr(pools, name, 1e9)
    started: list[Any] = []
    real = pools.ProcessPool.__init__

    def start(self: Any, *args: Any) -> None:
        started.append(self)
        real(self, *args)

    monkeypatch.setattr(pools.ProcessPool, "__init__", start)
    assert_same_table(run(sweep_model(), workers=2), whole)
    assert not started  # it is not worth it
    monkeypatch.setattr(pools, "WORTH", 1e-6)
    monkeypatch.setattr(pools, "WORTH_FORK", 1e-6)
    assert_same_table(run(sweep_model(), workers=2), whole)
    assert len(started) == 1
    assert active_children() == []  # nobody is left behind
    monkeypatch.setattr(pools, "SHORT", 1e-6)  # long points do not need them
    run(sweep_model(), workers=2)
    assert len(started) == 1


def test_a_fork_that_has_become_unsafe_is_not_made(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, False])
    monkeypatch.setattr(pools, "can_fork", lambda: next(answers))
    monkeypatch.setattr(pools, "SHORT", 1e9)  # whatever a point takes on a busy machine
    monkeypatch.setattr(pools, "WORTH_FORK", 1e-6)
    assert_same_table(run(sweep_model(), workers=2), whole)
    assert next(answers, None) is None  # asked twice


def test_any_executor_will_do(tmp_path: Path, whole: Any) -> None:
    with ThreadPoolExecutor(2) as threads:
        assert_same_table(run(sweep_model(), executor=threads), whole)
        assert_same_table(run(sweep_model(), executor=threads, output=tmp_path / "a.h5"), whole)
        assert threads.submit(int, "1").result() == 1  # it is still the caller's
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert_same_table(run(sweep_model(), executor=processes, output=tmp_path / "b.h5"), whole)
    assert not (tmp_path / "b.points" / ".stop").exists()


def test_workers_that_do_not_reach_the_folder_send_their_points_back(
    tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Job, "store", lambda self: None)
    with ThreadPoolExecutor(2) as threads:
        run(sweep_model(), executor=threads, output=tmp_path / "a.h5")
    assert_same_table(open_results(tmp_path / "a.h5"), whole)
    assert len(points_of(tmp_path / "a.points")) == N_POINTS


@pytest.mark.parametrize("value", ["gpu", 3])
def test_an_unknown_executor_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="executor"):
        run(sweep_model(), executor=value)


def test_three_shards_in_turn(tmp_path: Path, whole: Any) -> None:
    path, model = tmp_path / "a.h5", sweep_model()
    points = grid_points(model, 3)
    parts = [{p.key for p in of_shard(points, simulation.Shard(i, 3))} for i in (1, 2, 3)]
    assert set.union(*parts) == {p.key for p in points}
    assert sum(map(len, parts)) == N_POINTS
    for i in (2, 1):
        part = run(model, output=path, shard=(i, 3), executor="threads")
        assert not path.exists()
        assert int(part["complete"].sum()) == 4
    last = run(model, output=path, shard=(3, 3), executor="threads")
    assert_same_table(last, whole)
    assert_same_table(open_results(path), whole)


@pytest.mark.parametrize(
    ("shard", "output"),
    [((0, 3), "a.h5"), ((4, 3), "a.h5"), ((1, 2), None)],
    ids=["zero", "too many", "no file"],
)
def test_a_wrong_shard_is_refused(tmp_path: Path, shard: tuple[int, int], output: str | None) -> None:
    with pytest.raises(InputError, match="share"):
        run(sweep_model(), output=None if output is None else tmp_path / output, shard=shard)


def test_a_shard_cannot_delete_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    run(sweep_model(), output=path, shard=(1, 3))
    with pytest.raises(InputError, match="other shards"):
        run(sweep_model(), output=path, shard=(2, 3), overwrite=True)
    assert len(points_of(points_folder(path))) == 4


def test_shards_of_a_run_without_a_seed_share_one(tmp_path: Path) -> None:
    model = sweep_model(INPUT.replace("seed: 3, ", ""))
    seeds = {run(model, output=tmp_path / "a.h5", shard=(i, 2)).attrs["seed"] for i in (1, 2)}
    assert len(seeds) == 1


# Dask -------------------------------------------------------------------------------------------------

distributed = pytest.importorskip("distributed")


@pytest.mark.filterwarnings("ignore")
def test_dask_local_cluster(tmp_path: Path, whole: Any) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        data = run(sweep_model(), executor=client.get_executor(pure=False), output=tmp_path / "a.h5")
        assert_same_table(data, whole)
        data = run(sweep_model(), scheduler=cluster.scheduler_address)
        assert_same_table(data, whole)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def dask_process(*arguments: str, folder: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with (
        (folder / f"{arguments[0]}.log").open("ab") as log,
        started(command, cwd=folder, env=env, stdout=log, stderr=log) as process,
    ):
        yield process


@pytest.mark.filterwarnings("ignore")
def test_dask_over_tcp_with_a_worker_killed(tmp_path: Path, whole: Any) -> None:
    address, path = f"tcp://127.0.0.1:{free_port()}", tmp_path / "a.h5"
    worker = ("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    file = tmp_path / "scheduler.json"
    killed = []
    with (
        dask_process(
            *("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2]),
            *("--no-dashboard", "--scheduler-file", str(file)),
            folder=tmp_path,
        ),
        dask_process(*worker, folder=tmp_path) as victim,
    ):

        def kill_one(progress: Progress) -> None:
            if progress.done >= 2 and not killed:
                killed.append(victim.pid)
                victim.kill()
                stack.enter_context(dask_process(*worker, folder=tmp_path))

        from contextlib import ExitStack

        wait_until(file.exists)
        with ExitStack() as stack:
            data = run(sweep_model(), scheduler_file=file, output=path, on_progress=kill_one)
    assert killed
    assert_same_table(data, whole)
    assert_same_table(open_results(path), whole)


def test_a_scheduler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kmc_transport.runs import cluster

    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    with pytest.raises(InputError, match="does not answer"):
        run(sweep_model(), scheduler=f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match="no such file"):
        run(sweep_model(), scheduler_file=tmp_path / "none.json")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="pip install dask distributed"):
        run(sweep_model(), scheduler="tcp://127.0.0.1:1")


# worker processes -------------------------------------------------------------------------------------


def test_worker_processes() -> None:
    reports: list[Any] = []
    pool = WorkerProcesses(1, worker_tasks.prepare, (40,), reports.append)
    assert active_children() == []  # nothing is started for nothing
    value, pid = pool.submit(worker_tasks.add, 2).result()
    assert value == 42
    pool.listen()
    assert reports == [2]
    assert [p.pid for p in active_children()] == [pid]
    with pytest.raises(TooManyStates) as caught:
        pool.submit(worker_tasks.fail).result()
    assert caught.value.problems[0].value == 5
    assert "in fail" in str(caught.value.__cause__)
    with pytest.raises(WorkerLost, match="SIGKILL"):
        pool.submit(worker_tasks.die, -9).result()
    with pytest.raises(WorkerLost, match="code 3"):
        pool.submit(worker_tasks.die, 3).result()
    again = pool.submit(worker_tasks.add, 1).result()
    assert again[0] == 41
    assert again[1] != pid
    with pytest.raises(Exception, match="pickle"):
        pool.submit(worker_tasks.add, threading.Lock()).result()
    waiting = pool.submit(worker_tasks.until_stopped)
    while reports[-1] != "here":
        pool.listen()
        time.sleep(0.01)
    pool.stop()
    assert waiting.result(timeout=300) == "stopped"
    pool.shutdown()
    assert active_children() == []
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(worker_tasks.add, 1)


def test_the_death_of_one_worker_leaves_the_others_at_work() -> None:
    reports: list[Any] = []
    pool = WorkerProcesses(2, worker_tasks.prepare, (40,), reports.append)
    waiting = pool.submit(worker_tasks.until_stopped)
    while "here" not in reports:
        pool.listen()
        time.sleep(0.01)
    with pytest.raises(WorkerLost, match="SIGKILL"):
        pool.submit(worker_tasks.die, -9).result()
    assert pool.submit(worker_tasks.add, 1).result()[0] == 41
    (idle,) = {p.pid for p in active_children()} - {waiting_pid(reports)}
    os.kill(idle, signal.SIGKILL)  # one that has nothing to do
    with suppress(WorkerLost):  # before the death was noticed
        pool.submit(worker_tasks.add, 2).result()
    assert pool.submit(worker_tasks.add, 2).result()[0] == 42
    assert not waiting.done()
    pool.stop()
    assert waiting.result(timeout=HANGS) == "stopped"
    pool.shutdown()


def waiting_pid(reports: list[Any]) -> int:
    return int(reports[reports.index("here") - 1])


def test_points_in_quick_succession_are_saved_at_once() -> None:
    """As many as leave every worker busy; one whose workers would idle is not waited for."""
    ended: SimpleQueue[Any] = SimpleQueue()
    for k in range(3):
        ended.put(k)
    assert schedule._some(ended, 2) == [0, 1, 2]  # what is there is taken in any case
    ended.put(3)
    threading.Timer(0.01, ended.put, [4]).start()
    assert schedule._some(ended, 2) == [3, 4]
    ended.put(5)
    later = threading.Timer(0.5, ended.put, [6])
    later.start()
    start = time.monotonic()
    assert schedule._some(ended, 0) == [5]
    ended.put(7)
    assert schedule._some(ended, 2) == [7]  # no longer than a moment
    assert time.monotonic() - start < 0.45
    later.cancel()


def test_a_death_in_the_middle_of_an_answer_is_noticed() -> None:
    pool = WorkerProcesses(1, worker_tasks.prepare, (40,))
    for share in (0.001, 0.5):  # in the length, in the content
        with pytest.raises(WorkerLost, match="SIGKILL"):
            pool.submit(worker_tasks.die_in_the_middle_of_the_answer, share).result(timeout=HANGS)
        assert pool.submit(worker_tasks.add, 1).result(timeout=HANGS)[0] == 41
    pool.shutdown()


def test_tasks_that_wait_behind_a_dying_one_are_not_lost() -> None:
    """Quick tasks are handed over ahead of time."""
    pool = WorkerProcesses(1, worker_tasks.prepare, (40,))
    for _ in range(3):
        quick = [pool.submit(worker_tasks.add, i) for i in range(10)]
        dying = pool.submit(worker_tasks.die, 3)
        later = [pool.submit(worker_tasks.add, i) for i in range(10, 20)]
        assert [f.result()[0] for f in quick] == list(range(40, 50))
        with pytest.raises(WorkerLost, match="code 3"):
            dying.result()
        assert [f.result()[0] for f in later] == list(range(50, 60))
    pool.shutdown()


def test_tasks_that_go_together_are_told_apart() -> None:
    """What comes while a process is busy goes in one call; each task has its own end all the same."""
    pool = WorkerProcesses(1, worker_tasks.prepare, (40,))
    pool.submit(worker_tasks.add, 0).result()
    rests = [pool.submit(worker_tasks.rest, 0.2) for _ in range(2)]
    bad = [
        (worker_tasks.fail, TooManyStates, "a test"),
        (worker_tasks.fail_with_a_lock, RuntimeError, "two words"),
    ]
    together = [pool.submit(worker_tasks.add, 1), *(pool.submit(task) for task, _, _ in bad)]
    together.append(pool.submit(worker_tasks.add, 2))
    assert [len(tasks) for _, tasks in pool._workers[0]._calls] == [1, 1]
    assert len(pool._workers[0]._waiting) == 4
    assert [together[k].result(timeout=HANGS)[0] for k in (0, 3)] == [41, 42]
    for future, (task, kind, said) in zip(together[1:3], bad, strict=True):
        with pytest.raises(kind, match=said) as caught:
            future.result()
        assert f"in {task.__name__}" in str(caught.value.__cause__)
    # what fails as a whole is done again one by one: who cannot travel is found, and so is who dies
    for culprit, arguments, kind in (
        (worker_tasks.no_memory_for_the_answer, (), MemoryError),
        (worker_tasks.add, (threading.Lock(),), pickle.PicklingError),
        (worker_tasks.unreadable_answer, (), BrokenExecutor),
        (worker_tasks.die, (-9,), WorkerLost),
    ):
        rests = [pool.submit(worker_tasks.rest, 0.1) for _ in range(2)]
        before = [pool.submit(worker_tasks.add, k) for k in range(3)]
        wrong = pool.submit(culprit, *arguments)
        after = [pool.submit(worker_tasks.add, k) for k in range(3, 6)]
        assert len(pool._workers[0]._waiting) == 7
        assert [f.result(timeout=HANGS)[0] for f in [*before, *after]] == list(range(40, 46))
        assert isinstance(wrong.exception(timeout=HANGS), kind), culprit
    rests += [pool.submit(worker_tasks.rest, 0.05) for _ in range(5)]
    pool.shutdown(wait=False)
    assert len({f.result(timeout=HANGS) for f in rests}) == 2  # one process before the death, one after
    assert pool._workers[0].tasks == []


def test_no_task_is_forgotten_where_no_other_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = WorkerProcesses(1, worker_tasks.prepare, (40,))
    pool.submit(worker_tasks.add, 0).result()

    def start(self: Any, **how: Any) -> None:
        raise CannotStart("a worker process", "no memory")

    for culprit in (
        worker_tasks.unreadable_answer,
        worker_tasks.no_memory_for_the_answer,
        partial(worker_tasks.die, 3),
    ):
        resting = pool.submit(worker_tasks.rest, 0.1)
        with monkeypatch.context() as patch:
            patch.setattr(processes._Worker, "start", start)
            wrong = pool.submit(culprit)
            others = [pool.submit(worker_tasks.add, k) for k in range(3)]
            assert resting.result(timeout=HANGS)
            assert wrong.exception(timeout=HANGS)
            for future in others:
                error = future.exception(timeout=HANGS)
                assert error is None or isinstance(error, CannotStart)
        assert pool.submit(worker_tasks.add, 1).result(timeout=HANGS)[0] == 41
    pool.shutdown()


def test_whoever_listens_does_not_wait_for_the_next_process() -> None:
    """One that takes the place of a dead one says nothing for a while."""
    worker = processes._Worker(b"")

    class Closed:
        def poll(self) -> bool:
            worker.pipe = Silent()  # by another thread
            return True

        def recv(self) -> None:
            raise EOFError

    class Silent:
        def poll(self) -> bool:
            return False

        def recv(self) -> None:
            raise AssertionError("waits for ever")

    worker.pipe = Closed()
    assert list(worker.messages()) == []


FORKED = """
import os, sys
from multiprocessing import active_children
from kmc_transport.runs.processes import WorkerLost, WorkerProcesses, can_fork
from tests.runs import worker_tasks as t

assert can_fork()
kept = open(sys.argv[1], "w")
reports = []
pool = WorkerProcesses(2, t.prepare, (40,), reports.append, fork=True)
first = {p.pid for p in active_children()}
assert len(first) == 2, first
assert not can_fork()  # there are threads now
values = [f.result() for f in [pool.submit(t.add, i) for i in range(50)]]
assert [v for v, _ in values] == list(range(40, 90))
assert {p for _, p in values} <= first
pool.listen()
assert sorted(reports) == list(range(50))
for name in pool.submit(t.open_files).result():  # locks and pipes of the driver are its own
    assert "kept" not in name, name
lost = pool.submit(t.die, -9)
others = [pool.submit(t.add, i) for i in range(20)]
assert isinstance(lost.exception(), WorkerLost), lost
assert "SIGKILL" in str(lost.exception())
assert [f.result()[0] for f in others] == list(range(40, 60))
waiting = pool.submit(t.until_stopped)
pool.stop()
assert waiting.result(timeout=300) == "stopped"
pids = [p.pid for p in active_children()]
pool.shutdown()
for pid in pids:
    assert not os.path.exists(f"/proc/{pid}"), "a worker is left"
print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="not forked elsewhere")
def test_forked_workers(tmp_path: Path) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started([sys.executable, "-c", FORKED, str(tmp_path / "kept")], cwd=ROOT, **pipes) as process:
        out, err = process.communicate(timeout=HANGS)
    assert process.returncode == 0, err
    assert out == "done\n"
    assert err.count("must not get between") == 70


WITHOUT_GUARD = """
import os
import pickle
print("begins", flush=True)
from kmc_transport.runs.processes import WorkerProcesses
from tests.runs import worker_tasks as t
pool = WorkerProcesses(1, t.prepare, (40,))
print(pool.submit(t.add, 2).result()[0], flush=True)
pool.shutdown()
"""


def test_workers_do_not_run_the_script_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_GUARD)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started([sys.executable, str(script)], **pipes) as process:
        out, err = process.communicate(timeout=HANGS)
    assert (process.returncode, out) == (0, "begins\n42\n"), err


def test_no_fork_beside_other_threads() -> None:
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    assert not can_fork()
    end.set()
    other.join()


def test_a_broken_set_up_is_told() -> None:
    pool = WorkerProcesses(1, worker_tasks.fail_to_prepare)
    with pytest.raises(InputError, match="no such rule"):
        pool.submit(worker_tasks.add, 1).result()
    pool.shutdown()


def test_a_worker_ends_with_its_driver(tmp_path: Path) -> None:
    """SIGKILL of the driver: the worker finds its input closed, stops, and is gone."""
    code = (
        "from kmc_transport.runs.processes import WorkerProcesses\n"
        "from tests.runs import worker_tasks as t\n"
        "pool = WorkerProcesses(1, t.prepare, (1,), lambda m: print(m, flush=True))\n"
        "future = pool.submit(t.until_stopped)\n"
        "while not future.done(): pool.listen()\n"
    )
    with started([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        driver.kill()
        driver.wait()
        wait_until(lambda: is_gone(pid))


DEAF = """
import os
import pickle
from kmc_transport.runs import processes
from tests.runs import worker_tasks as t
processes.PATIENCE = 0.5
pool = processes.WorkerProcesses(1, t.prepare, (1,), lambda m: print(m, flush=True), fork=True)
future = pool.submit(t.never_come_back)
while not future.done(): pool.listen()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="not forked elsewhere")
def test_a_worker_that_does_not_come_back_ends_with_its_driver_too() -> None:
    with started([sys.executable, "-c", DEAF], cwd=ROOT, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        driver.kill()
        driver.wait()
        wait_until(lambda: is_gone(pid))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have taken note."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


# what the system does not allow -----------------------------------------------------------------------


def test_fewer_threads_where_no_more_can_be_started(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, allowed = threading.Thread.start, [1]

    def start(self: threading.Thread) -> None:
        if not allowed:
            raise RuntimeError("can't start new thread")
        allowed.pop()
        real(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert_same_table(run(sweep_model(), executor="threads", workers=3), whole)
    for executor in ("threads", "processes"):
        with pytest.raises(InputError, match="could not be started") as caught:
            run(sweep_model(), executor=executor, workers=3)
        assert "ulimit -u" in caught.value.problems[0].remedy


def test_threads_where_no_process_can_be_started(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr(fork_exec, "fork_exec", lambda *_, **__: fork())
    for name, seconds in (("WORTH", 1e-6), ("WORTH_FORK", 1e-6), ("SHORT", 1e9)):
        monkeypatch.setattr(pools, name, seconds)
    if can_fork():
        assert_same_table(run(sweep_model(), workers=2), whole)
    with pytest.raises(InputError, match="a worker process could not be started"):
        run(sweep_model(), executor="processes", workers=2)


class DyingFuture(Future):
    def set_exception(self, _: BaseException | None) -> None:
        raise MemoryError  # not even to say so


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any, **__: Any) -> Outcome:
        raise MemoryError

    monkeypatch.setattr(pools, "simulate_point", die)
    monkeypatch.setattr("kmc_transport.runs.threads.Future", DyingFuture)
    monkeypatch.setattr("kmc_transport.runs.schedule.PATIENCE", 0.1)
    with pytest.raises(KmcTransportError, match=r"thread has died .*run again"):
        run(sweep_model(), executor="threads", workers=2, output=tmp_path / "a.h5")
    assert open_results(tmp_path / "a.h5") is not None


def test_an_answer_for_which_there_is_no_memory_is_told() -> None:
    """Not a driver that waits for ever."""
    pool = WorkerProcesses(1, worker_tasks.prepare, (1,))
    lost = [pool.submit(worker_tasks.no_memory_for_the_answer) for _ in range(3)]
    for future in lost:
        assert isinstance(future.exception(timeout=HANGS), MemoryError)
    assert pool.submit(worker_tasks.add, 1).result()[0] == 2
    pool.shutdown()


def test_an_error_that_cannot_travel_is_told_in_words() -> None:
    pool = WorkerProcesses(1, worker_tasks.prepare, (1,))
    error = pool.submit(worker_tasks.fail_with_a_lock).exception(timeout=HANGS)
    assert str(error) == "LockedError: two words"
    assert "in fail_with_a_lock" in str(error.__cause__)
    pool.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_a_driving_thread_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = WorkerProcesses(1, worker_tasks.prepare, (1,))

    def no_memory(_: Any) -> Any:
        raise MemoryError

    pool.submit(worker_tasks.add, 1).result()
    with monkeypatch.context() as patch:
        patch.setattr(_ExecutorManagerThread, "wait_result_broken_or_wakeup", no_memory)
        future = pool.submit(worker_tasks.until_stopped)
        error = future.exception(timeout=HANGS)
    assert isinstance(error, BrokenProcessPool)
    with pytest.raises(KmcTransportError, match="workers are gone"):
        play({"a": [error]})
    pool.shutdown(cancel_futures=True)
    assert active_children() == []


def test_errors_keep_their_problems_on_the_way() -> None:
    import pickle

    for error in (
        StoreError(Problem(message="m", key="k", value=3, allowed="a", remedy="r", file="f")),
        TooManyStates(5, 4, "a test"),
    ):
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error)
        assert back.problems == error.problems
        assert str(back) == str(error)


# failures ---------------------------------------------------------------------------------------------


class Scripted:
    """A pool that does what a test says: key → list of outcomes (or errors) of its attempts."""

    workers = 4

    def __init__(self, script: dict[str, list[Any]]) -> None:
        self.script, self.calls, self.stopped = script, [], False

    def window(self, left: int) -> int:
        return 4

    def submit(self, point: GridPoint) -> Future[Outcome]:
        self.calls.append(point.key)
        future: Future[Outcome] = Future()
        what = self.script[point.key].pop(0)
        if isinstance(what, BaseException):
            future.set_exception(what)
        else:
            future.set_result(
                Outcome(
                    standing=Standing(
                        key=point.key, temperature=300, field=(0, 0, 0), events=5, seconds=0.1, converged=True
                    )
                )
            )
        return future

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        pass


def play(script: dict[str, list[Any]]) -> tuple[Scripted, dict[str, Outcome], Tracker]:
    points = [GridPoint(temperature=300, field=np.zeros(3), key=key) for key in script]
    pool, ends, tracker = Scripted(script), {}, Tracker(points=len(points), kept=0)
    run_points(points, pool, tracker, on_end=lambda ended: ends.update({p.key: o for p, o in ended}))
    return pool, ends, tracker


def test_lost_workers_are_tried_again_and_then_given_up() -> None:
    lost = [WorkerLost("killed"), WorkerLost("killed"), WorkerLost("killed")]
    pool, ends, tracker = play({"a": [None], "b": lost[:2] + [None], "c": list(lost), "d": [None]})
    assert [pool.calls.count(k) for k in "abcd"] == [1, 3, 3, 1]
    assert ends["b"].failure is None
    failure = ends["c"].failure
    assert failure is not None
    assert (failure.reason, failure.attempts) == ("killed", 3)
    progress = tracker.progress(finished=True)
    assert (progress.done, progress.failed, progress.finished) == (3, 1, True)


def test_unexpected_errors_are_tried_twice_and_explained() -> None:
    pool, ends, _ = play({"a": [ZeroDivisionError("one / zero")] * 2, "b": [None]})
    assert pool.calls.count("a") == 2
    failure = ends["a"].failure
    assert failure is not None
    assert failure.reason == "ZeroDivisionError: one / zero"
    assert "Traceback" in failure.detail or "ZeroDivisionError" in failure.detail
    assert ends["b"].failure is None


def test_a_full_disk_ends_the_sweep() -> None:
    with pytest.raises(StoreError, match="no space"):
        play({"a": [None], "b": [StoreError("no space")], "c": [None]})


def test_dead_executors_end_the_sweep() -> None:
    with pytest.raises(KmcTransportError, match="workers are gone"):
        play({"a": [BrokenProcessPool("x")]})


COLD = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[2, 300, 400]")


def test_rates_out_of_range_fail_their_points_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    data = run(sweep_model(COLD), output=path, executor="threads")
    assert data["complete"].sel(temperature=2).values.tolist() == [[False], [False]]
    assert bool(data["complete"].sel(temperature=[300, 400]).all())
    reasons = data["exit_reason"].sel(temperature=2).values.ravel()
    assert all(r.startswith("failed: ") and "out of range" in r for r in reasons)
    assert not data["converged"].sel(temperature=2).any()
    kept = open_results(path)
    assert_same_table(kept, data)
    found = read_status(path)
    assert (found.points, found.done, found.failed, found.missing) == (6, 4, 2, 0)
    assert "out of range" in found.failures[0].reason
    before = points_of(points_folder(path))
    run(sweep_model(COLD), output=path, executor="threads")  # what failed is tried again, what is done is not
    assert points_of(points_folder(path)) == before


def test_a_failed_point_that_succeeds_later_is_no_longer_failed(
    tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    with monkeypatch.context() as patch:
        real = pools.simulate_point

        def fails_when_hot(job: Job, point: GridPoint, **how: Any) -> Outcome:
            if point.temperature > 500:
                raise MemoryError("no room")
            return real(job, point, **how)

        patch.setattr(pools, "simulate_point", fails_when_hot)
        data = run(sweep_model(), output=path, executor="threads", workers=2)
    assert int(data["complete"].sum()) == N_POINTS - 2
    assert "MemoryError: no room" in str(data["exit_reason"].sel(temperature=550, field=0).values)
    assert len(PointStore(points_folder(path)).failed_keys()) == 2
    assert_same_table(run(sweep_model(), output=path), whole)
    assert not PointStore(points_folder(path)).failed_keys()


def test_nothing_that_can_be_simulated_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="out of range"):
        run(sweep_model(INPUT.replace("[300, 350, 400, 450, 500, 550]", "[1, 2]")), output=tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_point_is_done_when_the_driver_has_saved_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = PointStore.save_all

    def save_all(self: PointStore, records: dict[str, Any], **how: Any) -> None:
        seen.extend((key, os.getpid(), tracker.done) for key in records)
        real(self, records, **how)
        assert set(records) <= set(self.keys())

    monkeypatch.setattr(PointStore, "save_all", save_all)
    model = sweep_model()
    points, tracker = grid_points(model, 3)[:2], Tracker(points=2, kept=0)
    job, store = Job(model=model, root=3, folder=tmp_path), PointStore(tmp_path)
    pool = pools.ThreadPool(job, 1, 2, tracker.report)
    run_points(
        points, pool, tracker, on_end=lambda ended: store.save_all({p.key: o.record for p, o in ended})
    )
    pool.close()
    assert [(key, driver) for key, driver, _ in seen] == [(p.key, os.getpid()) for p in points]
    assert seen[0][2] == 0
    assert seen[1][2] < 2
    assert all(store.get(p.key) is not None for p in points)


def test_a_worker_of_another_version_is_refused() -> None:
    point = grid_points(sweep_model(), 3)[0]
    with pytest.raises(InputError, match="another version"):
        simulate_point(Job(model=sweep_model(), root=3, version="0.0.1"), point)


# segments of long points ------------------------------------------------------------------------------

LONG = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[300]").replace("[0, 1e8]", "[1e8]")
LONG = LONG.replace("events: 2000", "relative_error: 0.2 %")


def test_long_points_save_segments_and_go_on_from_them_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmc_transport.engine.pace.CALL_SECONDS", 1e-3)  # how often it looks at the clock
    model = sweep_model(LONG)
    (point,) = grid_points(model, 3)
    undisturbed = simulate_point(Job(model=model, root=3), point).record
    assert undisturbed is not None
    assert undisturbed.values["exit_reason"] == ExitReason.ACCURACY_REACHED.value
    job = Job(model=model, root=3, folder=tmp_path, checkpoint=0.0)
    store, saved = PointStore(tmp_path), []
    real = PointStore.save_partial

    class Killed(BaseException):
        pass

    def save_and_die(self: PointStore, key: str, snapshot: Any) -> None:
        real(self, key, snapshot)
        saved.append(key)
        if len(saved) % 2:
            raise Killed

    PointStore.save_partial = save_and_die  # type: ignore[method-assign]
    try:
        for _ in range(1000):
            try:
                end = simulate_point(job, point)
                break
            except Killed:
                assert store.partial_keys() == [point.key]
    finally:
        PointStore.save_partial = real  # type: ignore[method-assign]
    assert len(saved) >= 4
    from kmc_transport.runs.verify import differences

    assert end.record is not None
    assert differences(undisturbed, end.record) == []
    store.save(point.key, end.record, keep_partial=end.goes_on)
    assert store.partial_keys() == []


def test_segments_are_saved_in_time(tmp_path: Path) -> None:
    model = sweep_model(LONG)
    (point,) = grid_points(model, 3)
    saved = []
    real = PointStore.save_partial
    PointStore.save_partial = lambda self, key, s: saved.append(key) or real(self, key, s)  # type: ignore
    try:
        simulate_point(Job(model=model, root=3, folder=tmp_path, checkpoint=3600.0), point)
        assert saved == []
    finally:
        PointStore.save_partial = real  # type: ignore[method-assign]


# progress ---------------------------------------------------------------------------------------------


def test_progress_counts_and_ends(tmp_path: Path) -> None:
    seen: list[Progress] = []
    path = tmp_path / "a.h5"
    run(sweep_model(), output=path, on_progress=seen.append, executor="threads", workers=2)
    assert (seen[0].points, seen[0].kept, seen[0].done) == (N_POINTS, 0, 0)
    done = [p.done for p in seen]
    assert done == sorted(done)
    last = seen[-1]
    assert last.finished
    assert (last.done, last.failed, last.running, last.seconds_left) == (N_POINTS, 0, (), 0.0)
    assert last.hops > N_POINTS * 2000
    run(sweep_model(INPUT.replace("550]", "600]")), output=path, on_progress=seen.append)
    again = seen[seen.index(last) + 1]
    assert (again.points, again.kept, again.outside) == (N_POINTS, N_POINTS - 2, 2)


def test_time_left_is_what_the_rate_says() -> None:
    tracker = Tracker(points=10, kept=0)
    tracker.start -= 20.0
    for k in range(4):
        tracker.end(
            Outcome(
                standing=Standing(
                    key=f"{k}",
                    temperature=300,
                    field=(0, 0, 0),
                    events=100,
                    seconds=1.0,
                    converged=k != 0,
                    ratio=2.0,
                )
            )
        )
    tracker.report(
        Standing(
            key="running",
            temperature=300,
            field=(0, 0, 0),
            events=7,
            seconds=1.0,
            ratio=1.2,
            relative_error=0.1,
        )
    )
    progress = tracker.progress()
    share = 4 + 1.2**-2
    assert progress.seconds_left == pytest.approx((10 - share) * 20 / share, rel=0.01)
    assert progress.rate == pytest.approx(0.2, rel=0.01)
    assert (progress.inaccurate, progress.hops) == (1, 407)
    assert [s.key for s in progress.worst] == ["0", "running"]


def test_ctrl_c_stops_all_workers_and_keeps_their_work(tmp_path: Path) -> None:
    """Points that take for ever: what they have reached is on disk, in processes and through the stop file."""
    text = INPUT.replace("events: 2000", "relative_error: 0.001 %")

    def interrupt(progress: Progress) -> None:
        began.append(time.monotonic())
        # processes say when they are at work; foreign workers do not
        if len(progress.running) == 2 or (foreign and began[-1] - began[0] > 1.5):
            raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as threads:
        for name, executor in (("a", "processes"), ("b", threads)):
            path, began, foreign = tmp_path / f"{name}.h5", [], executor is threads  # type: ignore[var-annotated]
            with pytest.raises(KeyboardInterrupt):
                run(sweep_model(text), output=path, executor=executor, workers=2, on_progress=interrupt)
            assert len(PointStore(points_folder(path)).partial_keys()) == 2, name
            assert not open_results(path)["complete"].any()
            assert not (points_folder(path) / ".stop").exists()

"""A running Dask cluster as an executor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from ..errors import InputError, Problem

__all__ = ["dask_executor"]

CONNECT = 30.0
"""Seconds to wait for the scheduler."""


@contextmanager
def dask_executor(
    address: str | None, scheduler_file: str | os.PathLike[str] | None = None
) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """Executor on the cluster of a scheduler (``tcp://host:port`` or its file), and how many points it holds now.

    Raises InputError when Dask is not installed or the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            Problem(
                "needs the package distributed",
                "--scheduler",
                address or str(scheduler_file),
                remedy="pip install dask distributed",
            )
        ) from None
    given = (
        {"address": address} if address is not None else {"scheduler_file": os.fspath(scheduler_file or "")}
    )
    if address is None and not os.path.exists(given["scheduler_file"]):
        raise InputError(
            Problem(
                "there is no such file",
                "--scheduler-file",
                given["scheduler_file"],
                remedy="start the scheduler first: dask scheduler --scheduler-file FILE",
            )
        )
    try:
        client = Client(**given, timeout=CONNECT, set_as_default=False, name="kmc_transport")
    except (OSError, TimeoutError, ValueError) as e:
        raise InputError(
            Problem(
                message=f"the Dask scheduler does not answer: {e}",
                key="--scheduler" if address is not None else "--scheduler-file",
                value=next(iter(given.values())),
                allowed="the address that `dask scheduler` prints, such as tcp://127.0.0.1:8786",
                remedy="start it, or leave the option out",
            )
        ) from None
    asked, threads = -1e9, 1

    def capacity() -> int:
        nonlocal asked, threads
        if time.monotonic() - asked > 2.0:  # workers come and go
            asked, threads = time.monotonic(), max(1, sum(client.nthreads().values()))
        return threads

    try:
        yield client.get_executor(pure=False), capacity
    finally:
        client.close()

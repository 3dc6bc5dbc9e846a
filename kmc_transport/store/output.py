"""Who may write where: one run at a time, one input per output, nothing deleted that is not ours."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import Problem, StoreError
from .atomic import is_temporary, owner_file, read_bytes, write_text_once
from .provenance import Provenance
from .results import read_provenance

__all__ = [
    "OutputState",
    "Shard",
    "begin_run",
    "check_output",
    "lock_output",
    "owner_mark",
    "points_folder",
    "read_run",
    "refuse_foreign",
    "refuse_old",
    "result_path",
    "run_is_alive",
    "start_over",
]

FORMAT = "kmc_transport_run"
VERSION = 2
_RUN, _LOCK = "run.json", ".lock"
_OURS = re.compile(
    r"[0-9a-f]{8,64}(\.partial|\.round)?\.h5|[0-9a-f]{8,64}\.failed\.json|(frame|plan)\.h5|rounds\.json"
    r"|(frame|plan)\.npz|[0-9a-f]{8,64}\.partial\.npz|points(-\d+-of-\d+)?\.sqlite(-journal|\.damaged)?"
    r"|progress(-\d+-of-\d+)?\.json|\.lock-\d+-of-\d+|\.owner-[0-9a-f]+|\.stop"
)
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}
"""What file systems say that cannot lock files (Lustre without its flock option)."""
_held: set[Path] = set()


@dataclass(frozen=True)
class Shard:
    """Share ``number`` (from 1) of ``of`` of the points of a sweep: every ``of``-th one."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


def points_folder(path: str | Path) -> Path:
    """Folder of the points of a result file: ``NAME.points`` beside ``NAME.h5`` (links resolved)."""
    path = Path(os.path.realpath(path))
    return path.with_name(path.name.removesuffix(".h5") + ".points")


def result_path(run: str | Path) -> Path:
    """The result file of a run, given that file or its folder of points."""
    path = Path(run)
    return path.with_suffix(".h5") if path.suffix == ".points" else path


def owner_mark(provenance: Provenance) -> str:
    """What tells the points of one model and seed from all others'."""
    return hashlib.sha256(f"{provenance.identity} {provenance.seed}".encode()).hexdigest()[:16]


@contextmanager
def lock_output(path: str | Path, shard: Shard | None = None) -> Iterator[None]:
    """Keep other runs away from a result file and its points while the body runs.

    The shards of a sweep may run at once, each once. The lock ends with the process, however that ends. Files
    left behind by a killed run are removed. Raises StoreError when another run holds it, or the folder cannot
    be made.
    """
    path = Path(os.path.realpath(path))
    folder = points_folder(path)
    lock = folder / _LOCK
    with ExitStack() as stack:
        try:
            # a whole run keeps everything away; a shard lets other shards in
            _hold(stack, lock, path, shared=shard is not None)
            if shard is not None:
                _hold(stack, folder / f"{_LOCK}-{shard}", path, shared=False)
        except OSError as e:
            raise StoreError(
                Problem(f"cannot be locked: {e}", file=str(folder), remedy="choose an -o in another folder")
            ) from e
        _held.add(folder)
        stack.callback(_held.discard, folder)
        if shard is None:
            left = [f for f in folder.iterdir() if is_temporary(f.name)]
            left += [f for f in path.parent.glob(".*") if is_temporary(f.name, path.name)]
            for file in left:
                file.unlink(missing_ok=True)
        yield


def _hold(stack: ExitStack, lock: Path, path: Path, *, shared: bool) -> None:
    """Hold a lock file until the stack is closed; the last holder removes it."""
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            continue  # another run has just removed the empty folder
        if _try_lock(fd, lock, path, shared):
            break
    if not shared:
        os.ftruncate(fd, 0)
        os.write(fd, f"process {os.getpid()}".encode())
    stack.callback(_release, fd, lock, shared)


def _release(fd: int, lock: Path, shared: bool) -> None:
    import fcntl

    try:
        if shared:  # the last one has it alone
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.unlink(missing_ok=True)
        lock.parent.rmdir()
    except OSError:
        pass  # others hold it, or the folder is not empty
    finally:
        os.close(fd)


def _try_lock(fd: int, lock: Path, path: Path, shared: bool) -> bool:
    """Lock an open file. False, and closed, when it is no longer the one called ``lock``: open it again."""
    import fcntl

    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(lock)):
            return True
    except FileNotFoundError:
        pass  # the last holder removed it before we had it
    except BlockingIOError:
        holder = os.read(fd, 100).decode(errors="replace").strip()
        os.close(fd)
        raise StoreError(
            Problem(
                "another run is writing to this output" + (f" ({holder})" if holder else ""),
                file=str(path),
                remedy="wait for it to end, or choose another -o",
            )
        ) from None
    except OSError as e:
        if e.errno in _NO_LOCKS:
            warnings.warn(
                f"{lock.parent}: this file system cannot lock files; see to it that only one run writes here",
                stacklevel=2,
            )
            return True
        os.close(fd)
        raise
    os.close(fd)
    return False


def run_is_alive(path: str | Path) -> bool:
    """Whether a run (or a shard) holds the lock of this output now. Nothing is changed."""
    import fcntl

    try:
        fd = os.open(points_folder(path) / _LOCK, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:  # shards share it: then it cannot be had alone
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        return True
    finally:
        os.close(fd)


@dataclass(frozen=True)
class OutputState:
    """What is there of an earlier run of the same input."""

    result: Provenance | None
    """Of the result file."""
    run: Provenance | None
    """What `begin_run` noted in the folder of points."""

    @property
    def has_result(self) -> bool:
        return self.result is not None

    @property
    def seed(self) -> int | None:
        """The one to go on with."""
        earlier = self.run or self.result
        return None if earlier is None else earlier.seed

    @property
    def fresh(self) -> bool:
        """Nothing is there."""
        return not self.has_result and self.run is None


def begin_run(path: str | Path, provenance: Provenance) -> Provenance:
    """Note in the folder of points whose they are, before the first one is written; what is noted there.

    When another shard has just done so, its note (with its seed) counts.
    """
    folder = points_folder(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StoreError(
            Problem(f"the folder cannot be made: {e}", file=str(folder), remedy="choose another -o")
        ) from e
    content = {FORMAT: VERSION, **asdict(provenance)}
    content["seed"] = str(provenance.seed)
    note = folder / _RUN
    earlier = read_run(path)
    if earlier is None and not write_text_once(note, json.dumps(content, indent=1)):
        earlier = read_run(path)  # another shard was first
    noted = earlier or provenance
    mark = folder / owner_file(owner_mark(noted))
    try:
        mark.touch()
    except OSError as e:
        raise StoreError(
            Problem(f"could not be written: {e}", file=str(mark), remedy="check the folder's permissions")
        ) from e
    return noted


def read_run(path: str | Path) -> Provenance | None:
    """What `begin_run` noted for this result file, or None. StoreError when it is damaged or too new."""
    file = points_folder(path) / _RUN
    if not os.path.lexists(file):
        return None
    try:
        content = json.loads(read_bytes(file))
        version = content.pop(FORMAT)
        if version > VERSION:
            raise ValueError("it was written by a newer version of kmc_transport")
        content["seed"] = int(content["seed"])
        found = Provenance(**content)
        found.check()
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise StoreError(
            Problem(f"cannot be read: {e}", file=str(file), remedy="choose another -o, or delete the folder")
        ) from e


def check_output(path: str | Path, identity: str) -> OutputState:
    """Whether a run may write to ``path``: nothing there, or an earlier run of the same input.

    identity : fingerprint of what the input means. Raises StoreError when a different input wrote there, or
    something that is not ours lies there.
    """
    path = Path(path)
    result = read_provenance(path) if path.exists() else None
    run = read_run(path)
    folder = points_folder(path)
    refuse_old(folder)
    if run is None and folder.exists():
        try:
            refuse_foreign(folder)
        except StoreError:
            run = read_run(path)  # another shard may have begun since: its note is its first file
            if run is None:
                raise
    for found, where in ((result, path), (run, folder)):
        if found is not None and found.identity != identity:
            raise StoreError(
                Problem(
                    "a different input wrote this output",
                    value=found.input_path or None,
                    file=str(where),
                    remedy="choose another -o, or start over with --overwrite",
                )
            )
    return OutputState(result, run)


def refuse_old(folder: Path) -> None:
    """StoreError for a folder of format 1, which had one HDF5 file for each point."""
    if (folder / "frame.h5").exists() or (folder / "plan.h5").exists():
        raise StoreError(
            Problem(
                "was written by an older version of kmc_transport, with one file for each point",
                file=str(folder),
                remedy="its result file (NAME.h5) can be read; to go on, use the version named in its run.json, choose "
                "another -o, or start over with --overwrite",
            )
        )


def refuse_foreign(folder: Path) -> None:
    """StoreError when a folder without our note holds anything but what a lock leaves."""
    if not folder.is_dir() or any(
        not p.name.startswith(_LOCK) and not is_temporary(p.name) for p in folder.iterdir()
    ):
        raise StoreError(
            Problem(
                "holds files that kmc_transport did not write, or lost its run.json",
                file=str(folder),
                remedy="choose another -o, or move it away",
            )
        )


def start_over(path: str | Path) -> None:
    """Delete the result file and its points; files that are not ours stay.

    Raises StoreError, before anything is deleted, when the file or the folder is not ours, or another run is
    at work there. May be called with or without `lock_output` held.
    """
    if points_folder(path) not in _held:
        if not Path(path).exists() and not points_folder(path).exists():
            return
        with lock_output(path):
            start_over(path)
        return
    path, folder = Path(os.path.realpath(path)), points_folder(path)
    if path.exists():
        read_provenance(path)
    if read_run(path) is None:
        refuse_foreign(folder)
    path.unlink(missing_ok=True)
    for file in folder.iterdir():
        if _OURS.fullmatch(file.name) or is_temporary(file.name):
            file.unlink()
    (folder / _RUN).unlink(missing_ok=True)  # last: until then the folder is known as ours

"""The databases of a folder of points: one for each writer (a run, or a shard), SQLite, read together.

Rows are found by key. Of a key that several databases hold, the row with the highest version counts that is intact.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path
from urllib.parse import quote

from ..errors import DamagedFile, Problem, StoreError
from .atomic import unreadable
from .pack import Pack

__all__ = ["Databases"]

NAME = re.compile(r"points(-\d+-of-\d+)?\.sqlite")
_TABLES = ("points", "tallies", "failures")
SYNCHRONOUS = "FULL"
"""A point that was reported as done survives a power cut."""
_PATIENCE = 60.0
"""Seconds to wait for another process that is just writing or reading."""
_DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_CUT_OFF = 522
"""SQLITE_IOERR_SHORT_READ."""
_WRITING = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS}


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code == _CUT_OFF or code & 0xFF in _DAMAGE


class Databases:
    """All databases of ``folder``; ``own`` is the name of the one that is written."""

    def __init__(self, folder: str, own: str = "points.sqlite") -> None:
        self.folder, self.own = folder, own
        self.broken: list[str] = []
        """Names of databases of which not all could be read."""
        self._open: dict[str, tuple[tuple[int, int], sqlite3.Connection]] = {}

    def names(self) -> list[str]:
        """Databases that are there."""
        try:
            return sorted(n for n in os.listdir(self.folder) if NAME.fullmatch(n))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _connection(self, name: str, *, create: bool = False) -> sqlite3.Connection:
        path = self.path(name)
        try:
            there = os.stat(path)
            if not stat.S_ISREG(there.st_mode):
                raise unreadable(path, "it is not a regular file")
            known = self._open.get(name)
            if known is not None and known[0] == (there.st_dev, there.st_ino):
                return known[1]
        except FileNotFoundError:
            if not create:
                raise
        # "ro" could not take back what a killed run left half written
        connection = _connect(path, "rwc" if create else "rw")
        connection.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
        connection.execute("PRAGMA cell_size_check=ON")
        if create:
            for table in _TABLES:
                connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, version INTEGER, layout BLOB, "
                    "texts BLOB, data BLOB, digest BLOB)"
                )
        there = os.stat(path)
        self._open[name] = ((there.st_dev, there.st_ino), connection)
        return connection

    def close(self) -> None:
        for _, connection in self._open.values():
            connection.close()
        self._open.clear()

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Damage is noted in ``broken``; whatever else keeps us from reading is a StoreError."""
        try:
            yield
        except FileNotFoundError:
            return
        except sqlite3.Error as e:
            if not _is_damage(e):
                raise unreadable(self.path(name), str(e)) from e
            if name not in self.broken:
                self.broken.append(name)

    def keys(self, table: str) -> set[str]:
        """Keys of all rows that can be found."""
        found: set[str] = set()
        for name in self.names():
            with self._reading(name):
                # as bytes: ten times as quick as texts that may be damaged
                rows = self._connection(name).execute(f"SELECT CAST(key AS BLOB) FROM {table}")
                found.update(bytes(key or b"").decode(errors="replace") for (key,) in rows)
        return found

    def rows(self, table: str, key: str) -> list[tuple[str, Pack | None]]:
        """(database, row) of a key, the highest version first; None for a row that is damaged."""
        found: list[tuple[int, str, Pack | None]] = []
        question = f"SELECT version, layout, texts, data, digest FROM {table} WHERE key = ?"
        for name in self.names():
            with self._reading(name):
                for row in self._connection(name).execute(question, (key,)):
                    found.append((row[0] if isinstance(row[0], int) else -1, name, _intact(row)))
        return [(name, row) for _, name, row in sorted(found, key=lambda r: r[:2], reverse=True)]

    def _highest(self, names: Iterable[str], tables: Iterable[str], key: str) -> int:
        """Version of a key; 0 where it is not."""
        highest = 0
        for name, table in product(names, tables):
            with self._reading(name):
                rows = self._connection(name).execute(f"SELECT version FROM {table} WHERE key = ?", (key,))
                highest = max([highest, *(v for (v,) in rows if isinstance(v, int))])
        return highest

    def put(self, rows: Mapping[str, Mapping[str, Pack]]) -> None:
        """Write the rows of keys, by key and table, into the own database, and nothing else of them there; all or
        nothing."""
        names = self.names()
        versions = {key: 1 + self._highest(names, found, key) for key, found in rows.items()}
        with self._writing() as connection:
            for key, found in rows.items():
                for table in _TABLES:
                    connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))
                for table, p in found.items():
                    values = (key, versions[key], p.layout, p.texts, p.data, p.digest(versions[key]))
                    connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", values)

    def drop(self, key: str) -> None:
        """Delete what every database holds of a key."""
        for name in self.names():
            with self._writing(name) as connection:
                for table in _TABLES:
                    connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))

    @contextmanager
    def _writing(self, name: str = "") -> Iterator[sqlite3.Connection]:
        name = name or self.own
        try:
            connection = self._connection(name, create=True)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as e:
            if _is_damage(e):
                raise self._damaged(name, str(e)) from e
            code = _WRITING.get(getattr(e, "sqlite_errorcode", 0) & 0xFF)
            raise StoreError(
                Problem(
                    f"could not be written: {os.strerror(code) if code else e}",
                    file=self.path(name),
                    remedy="check the folder, its permissions and the free space, or choose another -o",
                )
            ) from e

    def _damaged(self, name: str, why: str) -> DamagedFile:
        return DamagedFile(
            Problem(
                f"is damaged: {why}",
                file=self.path(name),
                remedy="keep what is intact in it: kmc-transport verify NAME.points --discard-damaged",
            )
        )

    def mend(self) -> list[Path]:
        """Write the broken databases anew from their intact rows; the old ones stay as ``NAME.damaged``."""
        kept = []
        # a shard leaves those of others alone: they may be at work
        for name in [n for n in self.broken if self.own in (n, "points.sqlite")]:
            path, aside = Path(self.path(name)), Path(self.path(name + ".damaged"))
            rows = {table: dict(self._salvaged(name, table)) for table in _TABLES}
            whole = rows["points"].keys() & rows["tallies"].keys()  # one without the other is of no use
            for table in ("points", "tallies"):
                rows[table] = {key: rows[table][key] for key in sorted(whole)}
            self.close()
            os.replace(path, aside)
            path.with_name(name + "-journal").unlink(missing_ok=True)
            with self._writing(name) as connection:
                for table, found in rows.items():
                    marks = [(key, *row) for key, row in found.items()]
                    connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", marks)
            kept.append(aside)
            self.broken.remove(name)
        return kept

    def _salvaged(self, name: str, table: str) -> Iterator[tuple[str, tuple]]:
        """Intact rows of a broken database, over the gaps that damage has left."""
        last, gaps = 0, 0
        question = f"SELECT rowid, * FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid"
        with closing(_connect(self.path(name), "rw")) as connection:
            with suppress(sqlite3.Error):  # SQLite reads a file that is shorter than its header says only so
                connection.execute("PRAGMA writable_schema=ON")
            while gaps < 10_000:
                try:
                    for rowid, key, *row in connection.execute(question, (last,)):
                        last = rowid
                        if _intact(tuple(row)) is not None:
                            yield str(key), tuple(row)
                    return
                except sqlite3.Error as e:
                    if getattr(e, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
                        return
                    last, gaps = last + 1, gaps + 1


def _connect(path: str, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode={mode}",
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = lambda b: b.decode(errors="replace")
    return connection


def _intact(row: tuple) -> Pack | None:
    version, layout, texts, data, digest = row
    if not (isinstance(version, int) and all(isinstance(part, bytes) for part in row[1:])):
        return None
    found = Pack(layout, texts, data)
    return found if found.digest(version) == digest else None

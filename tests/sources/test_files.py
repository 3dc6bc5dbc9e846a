"""The one way in for files of other codes: what is opened, what is refused before it costs anything."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path

import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import files
from tests.fuzz.mutate import in_child

TEXT = "comment with Å\n1.0 2.0\n"
PACKERS = [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]


def read(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return files.read_packed_text(path, "a test file")


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        files.read_packed_text(path, "a test file")
    (problem,) = error.value.problems
    assert problem.file == str(path)
    assert problem.remedy


@pytest.mark.parametrize(("ending", "pack"), PACKERS)
def test_packed_files_are_told_by_their_content(tmp_path: Path, ending: str, pack) -> None:
    assert read(tmp_path / f"a.{ending}", pack(TEXT.encode())) == TEXT
    assert read(tmp_path / "a.txt", pack(TEXT.encode())) == TEXT
    assert read(tmp_path / f"unpacked_by_the_browser.{ending}", TEXT.encode()) == TEXT
    assert files.bare_name(Path(f"POSCAR.{ending}")) == "POSCAR"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, newline: str) -> None:
    assert read(tmp_path / "a", TEXT.replace("\n", newline).encode(encoding)) == TEXT


@pytest.mark.parametrize(("ending", "pack"), PACKERS)
def test_damaged_archives_are_refused(tmp_path: Path, ending: str, pack) -> None:
    whole = pack(os.urandom(3000).hex().encode())
    path = tmp_path / f"a.{ending}"
    for end in (5, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        refused(path, "cannot be read or unpacked")
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 255]) + whole[41:])
    refused(path, "cannot be read or unpacked")
    path.write_bytes(pack(b" \n"))
    refused(path, "is empty")


@pytest.mark.parametrize(("ending", "pack"), PACKERS)
def test_what_unpacks_to_much_is_refused_without_memory(
    tmp_path: Path, ending: str, pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(pack(b"0" * (20 << 20)))
    assert len(files.read_packed_text(path, "a test file")) == 20 << 20  # the control
    monkeypatch.setattr(files, "_USUAL", 10 << 20)
    assert in_child(lambda: refused(path, "too large"), memory=12 << 20) == ""


def test_large_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(files.LARGEST + 1)
    assert in_child(lambda: refused(path, "too large.*\n.*1024 MiB"), memory=1 << 26) == ""


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert in_child(lambda: refused(tmp_path / "pipe", "a pipe or a device"), seconds=10) == ""
    for device in ("/dev/zero", "/dev/null"):
        assert in_child(lambda device=device: refused(Path(device), "a pipe or a device"), seconds=10) == ""
    refused(tmp_path, "is a folder")
    refused(tmp_path / "absent", "no such file")
    refused(tmp_path / "a\0b", "cannot be opened|no such file")
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty", "is empty")


def test_what_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "OUTCAR"
    path.write_bytes(b"first\nsecond\n" + b"\0" * 4096 + b"\nlast\n")
    refused(path, r":3: .*4096 NUL bytes")
    path.write_bytes(bytes(range(128, 256)))
    refused(path, "not a text file")
    path.write_bytes(b"\x7fELF\x02\x01" * 9)
    refused(path, "control characters")
    path.write_bytes(b"\xff\xfe\x00\xd8")
    refused(path, "UTF-16")

"""The event list as a table of comma-separated values."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..records import TrajectoryHeader
from .block import FrameBlock

__all__ = ["write_csv"]

_ABOUT = ("seed", "model_identity", "input_path", "command", "package_versions", "time")


def write_csv(path: Path, header: TrajectoryHeader, blocks: Iterable[FrameBlock]) -> None:
    """One line for each hop; lines that begin with ``#`` before them say where they come from."""
    h = header
    with path.open("w", encoding="utf-8") as file:
        for key in _ABOUT:
            if h.provenance.get(key):
                file.write(f"# {key}: {h.provenance[key]}\n")
        for line in str(h.provenance.get("input", "")).splitlines():
            file.write(f"# input: {line}\n")
        file.write("time_s,carrier,species,hop,hop_class,origin_site,target_site\n")
        for block in blocks:
            e = block.events
            if e is None:
                continue
            file.writelines(
                f"{t!r},{c},{h.names[h.species[c]]},{hop},{one},{a},{b}\n"
                for t, c, hop, one, a, b in zip(
                    e.time.tolist(),
                    e.carrier.tolist(),
                    e.hop.tolist(),
                    e.hop_class.tolist(),
                    e.origin.tolist(),
                    e.target.tolist(),
                    strict=True,
                )
            )

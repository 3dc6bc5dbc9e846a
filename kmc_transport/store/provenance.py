"""Where a result comes from: enough to run it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["Provenance", "package_versions"]

_PACKAGES = ("numpy", "numba", "scipy", "h5py", "h5netcdf", "xarray")


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; those not installed are left out."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from .._version import __version__

    found = {"python": platform.python_version(), "kmc_transport": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The input, the seed and the programs behind a result.

    identity : fingerprint of what the input means; two inputs with the same one give the same numbers.
    seed : root seed, any non-negative integer. time : UTC, ISO 8601. files : texts of the structure files that
    the input names; ``load_model_text(input_text, files=files)`` is the model again.
    """

    identity: str
    input_text: str
    seed: int
    input_path: str = ""
    command: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=package_versions)
    time: str = field(default_factory=_now)

    def check(self) -> None:
        """ValueError when this is not what it should be: it was read from a damaged file."""
        texts = (self.identity, self.input_text, self.input_path, self.command, self.time)
        pairs = [*self.files.items(), *self.versions.items()]
        if self.seed < 0 or not all(
            isinstance(t, str) for t in (*texts, *(t for pair in pairs for t in pair))
        ):
            raise ValueError("it does not say where the results come from")

    def to_attributes(self) -> dict[str, str]:
        """Attributes of the result file (strings only: a seed may have more than 64 bits)."""
        return {
            "model_identity": self.identity,
            "input": self.input_text,
            "input_sha256": hashlib.sha256(self.input_text.encode()).hexdigest(),
            "input_path": _storable(self.input_path),
            "seed": str(self.seed),
            "command": _storable(self.command),
            "input_files": json.dumps(dict(self.files)),
            "package_versions": json.dumps(dict(self.versions), sort_keys=True),
            "time": self.time,
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Provenance:
        """Inverse of `to_attributes`. KeyError or ValueError when something is missing or damaged."""
        found = cls(
            identity=str(attributes["model_identity"]),
            input_text=str(attributes["input"]),
            seed=int(attributes["seed"]),
            input_path=str(attributes["input_path"]),
            command=str(attributes["command"]),
            files=json.loads(attributes["input_files"]),
            versions=json.loads(attributes["package_versions"]),
            time=str(attributes["time"]),
        )
        found.check()
        if hashlib.sha256(found.input_text.encode()).hexdigest() != attributes["input_sha256"]:
            raise ValueError("the input in it is not the one that was written")
        return found


def _storable(text: str) -> str:
    """Names of files may hold bytes that are no text."""
    return text.encode(errors="backslashreplace").decode()

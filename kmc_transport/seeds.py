"""Random streams: one recorded root, one stream per (point, replica), whatever the order or the threads."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["draw_root", "point_digest", "replica_stream", "system_root"]


def draw_root() -> int:
    """A fresh root seed for a run that does not give one; it is recorded with the results."""
    return secrets.randbits(63)


def system_root(root: int, coordinates: Sequence[tuple[str, float]]) -> int:
    """Root of one composition and sample, a function of name and value of its axes; the same root without axes."""
    if not coordinates:
        return root
    text = " ".join(f"{name}={float(value).hex()}" for name, value in sorted(coordinates))
    return int.from_bytes(hashlib.sha256(f"{root} {text}".encode()).digest()[:8], "little") >> 1


def point_digest(temperature: float, field: npt.ArrayLike) -> bytes:
    """Digest of the conditions of a point: temperature (K) and field vector (3,) (V/Å), to the last bit."""
    numbers = np.array([temperature, *np.asarray(field, dtype=np.float64)], dtype="<f8") + 0.0  # -0.0 is 0.0
    return hashlib.sha256(numbers.tobytes()).digest()


def replica_stream(
    root: int, temperature: float, field: npt.ArrayLike, replica: int
) -> np.random.SeedSequence:
    """Stream of one replica of one point; a function of the conditions, not of their place in a grid."""
    words = np.frombuffer(point_digest(temperature, field)[:16], dtype="<u4")
    return np.random.SeedSequence(root, spawn_key=(*(int(w) for w in words), replica))

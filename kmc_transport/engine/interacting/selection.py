"""Which algorithm suits carriers that interact."""

from __future__ import annotations

__all__ = ["WORTHWHILE_INTERACTING", "faster"]

WORTHWHILE_INTERACTING = 0.05
"""Null events are taken above this share of executed attempts (docs/development/performance.md)."""


def faster(acceptance: float) -> str:
    """Algorithm by the share of null-event attempts that are executed."""
    return "rejection_free" if acceptance < WORTHWHILE_INTERACTING else "null_event"

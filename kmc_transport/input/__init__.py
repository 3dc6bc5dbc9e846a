"""The input file, from text to the frozen `kmc_transport.model.Model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazily

_WHERE = {
    "input_schema": "schema",
    "load_model": "build",
    "load_model_text": "build",
}

__all__ = [
    "input_schema",
    "load_model",
    "load_model_text",
]

if TYPE_CHECKING:
    from .build import load_model, load_model_text
    from .schema import input_schema

__getattr__ = lazily(__name__, _WHERE)

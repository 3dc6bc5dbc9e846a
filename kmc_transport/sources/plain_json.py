"""Parses JSON, but for documents nested so deeply that the parser would run out of stack and take Python with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .common import fail

__all__ = ["parse_json"]

_DEEPEST = 500  # brackets within brackets; structures need some ten


def parse_json(file: Path, text: str) -> Any:
    """The document.

    Raises
    ------
    InputError : not whole JSON, with the line where it breaks off; nested too deeply.
    """
    content = np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8)
    steps = np.isin(content, [91, 123]).astype(np.int32) - np.isin(content, [93, 125])
    if steps.size and int(np.cumsum(steps).max()) > _DEEPEST:
        raise fail(
            file, "this JSON is nested too deeply", "write the file again", allowed=f"{_DEEPEST} levels"
        )
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise fail(
            file, f"this is not whole JSON ({error.msg})", "write the file again", line=error.lineno
        ) from error
    except (RecursionError, ValueError) as error:  # ValueError: numbers of thousands of digits
        raise fail(file, f"this is no JSON ({str(error)[:80]})", "write the file again") from error

"""The one place that holds the options of the just-in-time compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["OPTIONS", "jit"]

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""No fastmath: the plain-Python twin must give the same bits."""


def jit(function: F) -> F:
    """Compile ``function``, keeping the machine code on disk where a cache folder can be written.

    numba raises while decorating when neither the package's folder, ``NUMBA_CACHE_DIR`` nor the home folder
    can be written; then every process compiles for itself. All kernels live in one module: numba notices a
    change of the file that holds the kernel it loads, not of a function inlined from elsewhere.
    """
    try:
        return numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:
        return numba.njit(**OPTIONS)(function)

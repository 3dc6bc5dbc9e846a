"""The one place that holds the options of the just-in-time compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["OPTIONS", "jit", "part", "prefetch", "wide_multiply"]

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


def part(function: F) -> F:
    """Compile a part of a kernel, which Python itself never calls (its wrappers would cost compile time)."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **OPTIONS}
    return numba.njit(**options)(function)


def _wide_multiply(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    product = int(a) * int(b)
    return np.uint64(product >> 64), np.uint64(product & (2**64 - 1))


def _prefetch(array: np.ndarray, index: np.uint64) -> None:
    return None


@intrinsic
def _jitted_wide_multiply(typing_context, a, b):  # type: ignore[no-untyped-def]
    """One machine instruction, which numba has no word for."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        wide, word = ir.IntType(128), ir.IntType(64)
        product = builder.mul(*(builder.zext(x, wide) for x in arguments))
        high = builder.trunc(builder.lshr(product, wide(64)), word)
        return context.make_tuple(builder, signature.return_type, [high, builder.trunc(product, word)])

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate


@intrinsic
def _jitted_prefetch(typing_context, array, index):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, flag(1), flag(3), flag(1)])  # to write, keep close, data
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


PLAIN = bool(getattr(numba.config, "DISABLE_JIT"))  # noqa: B009

wide_multiply: Callable[..., Any] = _wide_multiply if PLAIN else _jitted_wide_multiply
"""(high, low) 64 bits of the product of two 64-bit numbers."""

prefetch: Callable[..., Any] = _prefetch if PLAIN else _jitted_prefetch
"""Tell the cache that ``array[index]`` (1-D, 64-bit numbers) is needed soon; has no other effect."""

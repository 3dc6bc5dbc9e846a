"""The one place that holds the options of the just-in-time compiler."""

from __future__ import annotations

import hashlib
import math
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.ccallback import CFunc
from numba.core.runtime import rtsys
from numba.extending import intrinsic

__all__ = [
    "OPTIONS",
    "call_rule",
    "inlined",
    "jit",
    "jit_plain",
    "part",
    "prefetch",
    "rule_address",
    "spliced",
    "wide_multiply",
]

F = TypeVar("F", bound=Callable[..., Any])

PLAIN = bool(getattr(numba.config, "DISABLE_JIT"))  # noqa: B009
"""Whether the kernels run as plain Python."""

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""No fastmath: the reference in plain Python must give the same bits."""


UNCOUNTED: dict[str, Any] = {"_nrt": False}
"""Arrays are borrowed, their references not counted."""


def jit(function: F, **more: Any) -> F:
    """Compile ``function``, keeping the machine code on disk where a cache folder can be written.

    numba raises while decorating when neither the package's folder, ``NUMBA_CACHE_DIR`` nor the home folder
    can be written; then every process compiles for itself. numba notices a change of the file that holds the
    kernel it loads, not of a function inlined from elsewhere, so the sources of all kernels are made part of the
    version that it compares (before it reads on: a class that is gone would fail there). Where that is not possible
    (another numba), every process compiles for itself.
    """
    try:
        compiled = numba.njit(cache=True, **OPTIONS, **more)(function)
        if not PLAIN:
            _keep(compiled._cache)
    except (AttributeError, RuntimeError):
        return numba.njit(**OPTIONS, **more)(function)
    return compiled


class _KernelFiles(IndexDataCacheFile):
    """Machine code on disk, each signature in a file of its own, which begins with what it was compiled from.

    numba numbers the files and keeps an index of them: of two processes that compile a kernel for two signatures at
    once, one then finds the other one's machine code under its own signature, or nothing, and compiles anew.
    """

    def save(self, key: Any, data: Any) -> None:
        with self._open_for_write(self._path(key)) as file:
            file.write(pickle.dumps((self._version, self._source_stamp)) + self._dump((key, data)))

    def load(self, key: Any) -> Any:
        try:
            with open(self._path(key), "rb") as file:
                if pickle.load(file) != (self._version, self._source_stamp):
                    return None
                found, data = pickle.load(file)
        except (FileNotFoundError, EOFError, pickle.UnpicklingError):  # or damaged: compiled anew
            return None
        return data if found == key else None

    def _path(self, key: Any) -> str:
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return f"{self._index_path.removesuffix('nbi')}{digest}.code"


class _KernelCache(FunctionCache):
    """Loads machine code without what numba needs to compile, which takes a process longer than all kernels that it
    loads."""

    def load_overload(self, signature: Any, context: Any) -> Any:
        rtsys.initialize(context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(signature, context)


def _keep(cache: Any, *more: Any) -> None:
    """Let a cache of numba's work as those above, and know what its machine code depends on, with ``more`` of it."""
    file = cache._cache_file
    file._version = (file._version, _sources(), *more)
    file.__class__, cache.__class__ = _KernelFiles, _KernelCache


def jit_plain(function: F) -> F:
    """As `jit`, without counting references to arrays: for kernels that make none."""
    return jit(function, **UNCOUNTED)


@cache
def _sources() -> str:
    """Digest of this file and of all kernel files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("kernels*.py")):
        digest.update(path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def part(function: F) -> F:
    """Compile a part of a kernel, which Python itself never calls (its wrappers would cost compile time).

    It must neither make nor return an array. Counting references to each array of each tuple that a call passes would
    cost 5 ns each, and a third of the time to compile.
    """
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**options, **OPTIONS, **UNCOUNTED)(function)


def spliced(function: F) -> F:
    """Copy a part of a kernel into its callers before they are compiled, for one that mostly calls others.

    What is compiled apart goes through the optimiser again in each caller, with all that it calls itself.
    """
    return numba.njit(inline="always", **OPTIONS)(function)


def inlined(function: F) -> F:
    """As `part`, compiled into its callers."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
    return numba.njit(**options, **OPTIONS, **UNCOUNTED)(function)


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


wide_multiply: Callable[..., Any] = _wide_multiply if PLAIN else _jitted_wide_multiply
"""(high, low) 64 bits of the product of two 64-bit numbers."""

prefetch: Callable[..., Any] = _prefetch if PLAIN else _jitted_prefetch
"""Tell the cache that ``array[index]`` (1-D, 64-bit numbers) is needed soon; has no other effect."""


_PLAIN_RULES: list[Callable[..., Any]] = []
_COMPILED_RULES: dict[Callable[..., Any], Any] = {}
_one_at_a_time = threading.Lock()


def rule_address(scalar: Callable[..., tuple[float, bool]]) -> int:
    """Where kernels find a barrier rule's `scalar`: the address of its machine code, kept on disk.

    A kernel that calls rules by their addresses need not be compiled anew for each of them.
    """
    if PLAIN:
        if scalar not in _PLAIN_RULES:
            _PLAIN_RULES.append(scalar)
        return _PLAIN_RULES.index(scalar)
    with _one_at_a_time:  # of two threads' results one would be freed, whose address is in use
        return _compiled_rule(scalar)


def _compiled_rule(scalar: Callable[..., tuple[float, bool]]) -> int:
    if scalar not in _COMPILED_RULES:
        inner = numba.njit(forceinline=True, **OPTIONS)(scalar)
        double = types.float64

        def rule(difference, work, saddle_work, pointer):  # type: ignore[no-untyped-def]
            energy, clamped = inner(difference, work, saddle_work, numba.carray(pointer, (16,)))
            return math.copysign(energy, -1.0 if clamped else 1.0)

        depends = _depends_on(scalar)
        digest = hashlib.sha256(repr((scalar.__code__.co_code, scalar.__code__.co_consts, depends)).encode())
        # machine code is found by its name, that which other processes have compiled too
        rule.__module__ = scalar.__module__
        rule.__qualname__ = f"{scalar.__qualname__}.rule_{digest.hexdigest()[:16]}"
        arguments = (double, double, double, types.CPointer(double))
        compiled: Any = CFunc(rule, (arguments, double), {}, OPTIONS)
        if depends is not None:
            with suppress(AttributeError, RuntimeError):  # as in `jit`
                kept = FunctionCache(scalar)
                _keep(kept, depends)
                compiled._cache = kept
        compiled.compile()
        _COMPILED_RULES[scalar] = compiled
    return int(_COMPILED_RULES[scalar].address)


def _depends_on(scalar: Callable[..., tuple[float, bool]]) -> tuple[tuple[str, float], ...] | None:
    """Numbers from outside that a function's arithmetic takes. None where it takes more than these and `math`: then
    nobody can tell from its file whether it has changed."""
    code = scalar.__code__
    if scalar.__closure__ or any(isinstance(x, CodeType) for x in code.co_consts):
        return None
    used = [(name, scalar.__globals__[name]) for name in code.co_names if name in scalar.__globals__]
    numbers = tuple((name, x) for name, x in used if isinstance(x, int | float))
    rest = [x for _, x in used if not isinstance(x, int | float)]
    return numbers if all(x is math or getattr(x, "__module__", "") == "math" for x in rest) else None


def _call_rule(
    address: np.uint64, difference: float, work: float, saddle_work: float, p: np.ndarray, first: int
) -> float:
    scalar = _PLAIN_RULES[int(address)]
    energy, clamped = scalar(float(difference), float(work), float(saddle_work), p[int(first) :])
    return math.copysign(energy, -1.0 if clamped else 1.0)


@intrinsic
def _jitted_call_rule(typing_context, address, difference, work, saddle_work, p, first):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[4])(context, builder, arguments[4]).data
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double, double, double, double.as_pointer()])
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(function, [*arguments[1:4], builder.gep(data, [arguments[5]])])

    d = types.float64
    return d(types.uint64, d, d, d, p, types.uint64), generate


call_rule: Callable[..., Any] = _call_rule if PLAIN else _jitted_call_rule
"""Activation energy by the rule at an address; its sign bit is set where the energy is clamped.

Arguments: address, energy difference, work, saddle work, array of parameters (1-D), index of the rule's first one.
"""

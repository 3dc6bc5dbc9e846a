# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Compiled sampling: second moments of displacements over blocks of 1, 2, 4, ... samples, for all kernels.

A block of 2**(l+1) samples is made of two of level l: the first one waits in ``pending[l]``. At an odd sample the block
of level 0 is put there; at an even one it is joined with the one that waits, and so on: two joins a sample on average.
Displacements in whole cells add up exactly; where charge centres are not those of the cells, a block keeps the base
rows at its ends beside the cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..jit import part, spliced
from .kernels_shared import (
    ATTEMPTS,
    FOLDED,
    LOW21,
    OFFSET,
    SAMPLE,
    STEP_ZERO,
    U0,
    U21,
    U42,
    WINDOW,
    U,
    fold_all,
)

BLOCK = 256
"""Carriers that the sampling treats at a time, so that its scratch stays in the fastest cache."""


class SamplingPlan(NamedTuple):
    """What is sampled."""

    levels: int
    windows_per_row: int
    integer_steps: bool  # whether all displacements are whole cells
    base_shift: np.uint64  # bits of a carrier's record below its base row


class Tally(NamedTuple):
    """Arrays of the sampling."""

    plan: SamplingPlan
    first: np.ndarray  # (S,) uint64: number of the species' first carrier
    number: np.ndarray  # (S,) uint64: its carriers
    record: np.ndarray  # (2 N,) uint64: place and base row; displacement since the last sample
    counts: np.ndarray  # (R,) int64 executed since the last sample
    held: np.ndarray  # (3, N) int32: cells folded out of the record since the last sample, or (3, 0)
    clock: np.ndarray  # (5,) int64
    vector: np.ndarray  # (R, 3) float64, Å
    species: np.ndarray  # (R,) int64
    centre: np.ndarray  # (R, 3) float64, by base row, Å
    lattice: np.ndarray  # (3, 3) float64, Å
    pending_counts: np.ndarray  # (L, R) int64
    pending: np.ndarray  # (L, 3, N) int16 or int32: a block of 2**l samples that waits for its partner
    pending_base: np.ndarray  # (L, N), same type: base row at the start of that block, or (L, 0)
    last_base: np.ndarray  # (N,) or, for integer steps, (0,), same type: base row at the last sample
    home: np.ndarray  # (3, N) int32 or int64: unwrapped cell at the start of the window
    events: np.ndarray  # (R,) int64 executed in the complete windows of this row
    collective: np.ndarray  # ((L + 1) 9 S S,) float64
    tracer: np.ndarray  # ((L + 1) 6 S,) float64
    total: np.ndarray  # (3 S,) float64: scratch
    moments: np.ndarray  # (L + 1, 6) float64: scratch
    cell_moments: np.ndarray  # (L + 1, 6) int64: scratch
    scratch: np.ndarray  # (3, BLOCK) int32
    before: np.ndarray  # (BLOCK,) int32: scratch


class Counted(NamedTuple):
    """Finished tallies, to be taken over by the caller (`tallies.RawTallies`)."""

    events: np.ndarray  # (n, R) int64
    attempts: np.ndarray  # (n,) int64
    collective: np.ndarray  # (n, (L + 1) 9 S S) float64
    tracer: np.ndarray  # (n, (L + 1) 6 S) float64
    finished: np.ndarray  # (1,) int64


@part
def sample_hops(tally, k):
    """Collective displacements of the blocks that end with sample ``k`` of the window, from counts of the rows."""
    counts, total, collective = tally.counts, tally.total, tally.collective
    n_rows, n_total, levels = len(counts), len(total), tally.plan.levels
    level = 0
    while True:
        for i in range(n_total):
            total[i] = 0.0
        for row in range(n_rows):
            if counts[row] != 0:
                s = 3 * tally.species[row]
                for i in range(3):
                    total[s + i] += counts[row] * tally.vector[row, i]
        for i in range(n_total):
            for j in range(n_total):
                collective[(level * n_total + i) * n_total + j] += total[i] * total[j]
        if level == levels:
            for row in range(n_rows):
                tally.events[row] += counts[row]
            break
        if (k >> level) & 1:
            for row in range(n_rows):
                tally.pending_counts[level, row] = counts[row]
            break
        for row in range(n_rows):
            counts[row] += tally.pending_counts[level, row]
        level += 1
    for row in range(n_rows):
        counts[row] = 0


@part
def unpack(words, x, y, z, all_bits):
    """Displacements since the last sample, out of the packed counters of ``words``, which begin anew.

    The places in between are written back with a mask that keeps all of them. The compiler does not know that, and
    so reads and writes whole vectors; stores to every second word would go one by one, which takes twice as long.
    """
    for i in range(len(words) >> 1):
        v = words[2 * i + 1]
        x[i] = np.int32(v & LOW21) - OFFSET
        y[i] = np.int32((v >> U21) & LOW21) - OFFSET
        z[i] = np.int32(v >> U42) - OFFSET
        words[2 * i] &= all_bits
        words[2 * i + 1] = STEP_ZERO


@part
def add_products(moments, x, y, z):
    """xx, yy, zz, yz, xz, xy."""
    moments[0] += x * x
    moments[1] += y * y
    moments[2] += z * z
    moments[3] += y * z
    moments[4] += x * z
    moments[5] += x * y


@part
def add_cells(moments, d, n):
    """Products of ``n`` displacements in cells, exactly; sums in registers, which the compiler makes vectors of."""
    xx = yy = zz = yz = xz = xy = 0
    for i in range(n):
        x, y, z = np.int64(d[0, i]), np.int64(d[1, i]), np.int64(d[2, i])
        xx += x * x
        yy += y * y
        zz += z * z
        yz += y * z
        xz += x * z
        xy += x * y
    moments[0] += xx
    moments[1] += yy
    moments[2] += zz
    moments[3] += yz
    moments[4] += xz
    moments[5] += xy


@part
def along(lattice, centre, u, v, w, a, b, axis):
    """Component of a displacement by cells (u, v, w) from base row ``a`` to ``b``, Å."""
    cells = u * lattice[0, axis] + v * lattice[1, axis] + w * lattice[2, axis]
    return cells + (centre[b, axis] - centre[a, axis])


@part
def sample_carriers(tally, s, k):
    """Second moments of the displacements of species ``s``: in cells, exactly, where all steps are whole cells,
    else in Å, carrier by carrier."""
    levels, integer_steps, base_shift = tally.plan.levels, tally.plan.integer_steps, tally.plan.base_shift
    cell_moments, moments, lattice, centre = tally.cell_moments, tally.moments, tally.lattice, tally.centre
    d, before = tally.scratch, tally.before
    all_bits = U0 - U(levels >= 0)
    for level in range(levels + 1):
        for j in range(6):
            cell_moments[level, j] = 0
            moments[level, j] = 0.0
    first, last = np.int64(tally.first[s]), np.int64(tally.first[s] + tally.number[s])
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        n = end - start
        words, now = tally.record[2 * start : 2 * end], tally.last_base[start:end]
        unpack(words, d[0], d[1], d[2], all_bits)
        if tally.clock[FOLDED]:
            for j in range(3):
                held = tally.held[j, start:end]
                for i in range(n):
                    d[j, i] += held[i]
                    held[i] = 0
        if not integer_steps:
            for i in range(n):
                before[i] = now[i]
                now[i] = np.int32(words[2 * i] >> base_shift)
        level = 0
        while True:
            if integer_steps:
                add_cells(cell_moments[level], d, n)
            else:
                for i in range(n):
                    u, v, w, a, b = d[0, i], d[1, i], d[2, i], before[i], now[i]
                    x = along(lattice, centre, u, v, w, a, b, 0)
                    y = along(lattice, centre, u, v, w, a, b, 1)
                    z = along(lattice, centre, u, v, w, a, b, 2)
                    add_products(moments[level], x, y, z)
            if level == levels:
                for j in range(3):
                    home = tally.home[j, start:end]
                    for i in range(n):
                        home[i] += d[j, i]
                break
            first_half = (k >> level) & 1
            for j in range(3):
                waiting = tally.pending[level, j, start:end]
                for i in range(n):
                    if first_half:
                        waiting[i] = d[j, i]
                    else:
                        d[j, i] += waiting[i]
            if not integer_steps:
                base = tally.pending_base[level, start:end]
                for i in range(n):
                    if first_half:
                        base[i] = before[i]
                    else:
                        before[i] = base[i]
            if first_half:
                break
            level += 1
    for level in range(levels + 1):
        at = (level * len(tally.number) + s) * 6
        for j in range(6):
            tally.tracer[at + j] += np.float64(cell_moments[level, j]) if integer_steps else moments[level, j]


@part
def hand_over(tallied, row):
    for i in range(len(tallied)):
        row[i] = tallied[i]
        tallied[i] = 0


@spliced
def sample(tally, out):
    """Tally the blocks that end with this sample, and hand a row over when it is complete."""
    clock = tally.clock
    clock[SAMPLE] += 1
    sample_hops(tally, clock[SAMPLE])
    for s in range(len(tally.number)):
        sample_carriers(tally, s, clock[SAMPLE])
    clock[FOLDED] = 0
    if clock[SAMPLE] < 1 << tally.plan.levels:
        return
    clock[SAMPLE] = 0
    clock[WINDOW] += 1
    if clock[WINDOW] < tally.plan.windows_per_row:
        return
    n = out.finished[0]
    out.finished[0] = n + 1
    out.attempts[n] = clock[ATTEMPTS]
    clock[ATTEMPTS] = clock[WINDOW] = 0
    hand_over(tally.events, out.events[n])
    hand_over(tally.collective, out.collective[n])
    hand_over(tally.tracer, out.tracer[n])


@spliced
def end_attempts(hops, tally, out, n, goes_on):
    """After ``n`` attempts: the sample ends here, or in the next call."""
    hops.clock[ATTEMPTS] += n
    if goes_on:
        fold_all(hops)
    else:
        sample(tally, out)

"""Finished rows as the kernels count them, before they are put into the catalog's words and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LOG_COLUMNS", "RawRows"]

LOG_COLUMNS = 6
"""Of the log of executed hops: sample (of those of the call); carrier; table row; when in the sample (null events: at
which attempt; else the time in intervals); with interactions energy difference and barrier shift in quanta, or of a
compiled kernel of codes the number of the code among those of all rows, and nothing."""


@dataclass
class RawRows:
    """n rows; R table rows, L levels, S species.

    events : (n, R). attempts : (n,). collective : (n, L+1, 3S, 3S) Å².
    tracer : (n, L+1, S, 6) xx, yy, zz, yz, xz, xy: in cells where `Tables.integer_steps`, else in Å.
    """

    events: npt.NDArray[np.int64]
    attempts: npt.NDArray[np.int64]
    collective: npt.NDArray[np.float64]
    tracer: npt.NDArray[np.float64]

    @staticmethod
    def empty(n: int, n_table_rows: int, levels: int, n_species: int) -> RawRows:
        return RawRows(
            np.zeros((n, n_table_rows), np.int64),
            np.zeros(n, np.int64),
            np.zeros((n, levels + 1, 3 * n_species, 3 * n_species)),
            np.zeros((n, levels + 1, n_species, 6)),
        )

    def __len__(self) -> int:
        return len(self.attempts)

    def part(self, which: slice) -> RawRows:
        """Some of the rows."""
        return RawRows(self.events[which], self.attempts[which], self.collective[which], self.tracer[which])

    def head(self, n: int) -> RawRows:
        """The first ``n`` rows."""
        return self.part(slice(0, n))

    def pairs(self) -> RawRows:
        """Neighbours added up; needs an even number of rows."""
        a, b = self.part(slice(0, None, 2)), self.part(slice(1, None, 2))
        return RawRows(
            a.events + b.events, a.attempts + b.attempts, a.collective + b.collective, a.tracer + b.tracer
        )

    @staticmethod
    def concatenate(parts: list[RawRows]) -> RawRows:
        return RawRows(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in ("events", "attempts", "collective", "tracer")
            )
        )

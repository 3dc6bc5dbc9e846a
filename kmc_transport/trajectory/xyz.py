"""Extended XYZ: trajectories and the immobile sites of the crystal, as ASE, OVITO and others read them.

``pos`` is inside the supercell, ``unwrapped`` where the carrier has come to; times are in ps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ..ndarrays import BoolArray, FloatArray
from ..records import TrajectoryHeader
from .block import FrameBlock
from .elements import element_of, elements_of, joined

__all__ = ["write_host_xyz", "write_xyz"]

PS = 1e-12
_ABOUT = (
    "seed",
    "replica",
    "model_identity",
    "package_versions",
    "input_path",
    "command",
    "input_files",
    "input",
)


def _cell_text(cell: FloatArray, periodic: BoolArray) -> str:
    numbers = " ".join(f"{x:.12g}" for x in (cell + 0.0).ravel())
    return f'Lattice="{numbers}" pbc="{" ".join("T" if p else "F" for p in periodic)}"'


def write_xyz(
    path: Path, header: TrajectoryHeader, blocks: Iterable[FrameBlock], elements: Mapping[str, str]
) -> None:
    """Write frames one after the other.

    The column ``carrier`` has the names of the carriers, ``species`` symbols that viewers know; ``carriers`` in the
    first comment says which symbol stands for which name. That comment holds the provenance too, percent-encoded
    (`urllib.parse.unquote`), since no reader takes line ends and quotes there.
    """
    h = header
    names = [joined(name) for name in h.names]
    symbols = elements_of(h.names, elements)
    charge = [f"{q:g}" for q in h.charge[h.species]]
    # MDAnalysis takes the first four columns for name and position: the position comes second
    columns = "species:S:1:pos:R:3:carrier:S:1:id:I:1:unwrapped:R:3:site:I:1:charge:R:1"
    begin = [f"{names[s]} {i + 1}" for i, s in enumerate(h.species)]
    symbol = [symbols[s] for s in h.species]
    steady = f"{_cell_text(h.cell, h.periodic)} Properties={columns}"
    field = " ".join(f"{x * 1e10:.9g}" for x in h.field)
    told = " ".join(f"{symbol}:{name}" for symbol, name in zip(symbols, names, strict=True))
    told = told.replace('"', "'")  # would end the text
    about = f' carriers="{told}" temperature={h.temperature:g} field_V_per_m="{field}" ' + " ".join(
        f"{key}={quote(str(h.provenance[key]), safe='')}" for key in _ABOUT if h.provenance.get(key)
    )
    with path.open("w", encoding="utf-8") as file:
        for block in blocks:
            wrapped = h.wrapped(block.positions)
            for f in range(len(block)):
                number = block.first + f
                time = number * (h.every / PS)
                extra = about if number == 0 else ""
                file.write(f"{h.n_carriers}\n{steady} Time={time:.15g} time_unit=ps step={number}{extra}\n")
                file.writelines(
                    f"{e} {x:.10g} {y:.10g} {z:.10g} {b} {u:.10g} {v:.10g} {w:.10g} {s} {q}\n"
                    for e, (x, y, z), b, (u, v, w), s, q in zip(
                        symbol,
                        (wrapped[f] + 0.0).tolist(),
                        begin,
                        (block.positions[f] + 0.0).tolist(),
                        block.occupation[f].tolist(),
                        charge,
                        strict=True,
                    )
                )


def write_host_xyz(
    path: Path,
    header: TrajectoryHeader,
    immobile: BoolArray,
) -> int:
    """One frame with the sites (``immobile`` (n_sites,), of each cell) that no carrier visits; their number."""
    h = header
    own = np.flatnonzero(immobile)
    cells = np.indices(h.supercell).reshape(3, -1).T
    frac = (cells[:, None] + h.site_frac[own]) / np.array(h.supercell)
    positions = h.wrapped((frac @ h.cell).reshape(-1, 3)) + 0.0
    labels = [joined(h.site_labels[i]) for i in own]
    symbols = [element_of(label) for label in labels]
    with path.open("w", encoding="utf-8") as file:
        file.write(
            f"{len(positions)}\n{_cell_text(h.cell, h.periodic)} Properties=species:S:1:pos:R:3:label:S:1\n"
        )
        file.writelines(
            f"{symbols[i % len(own)]} {x:.10g} {y:.10g} {z:.10g} {labels[i % len(own)]}\n"
            for i, (x, y, z) in enumerate(positions.tolist())
        )
    return len(positions)

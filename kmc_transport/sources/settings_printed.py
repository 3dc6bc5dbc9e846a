"""Settings in the printed outputs of codes that ASE reads: CASTEP, FHI-aims, GPAW."""

from __future__ import annotations

import re

__all__ = ["printed_settings"]

# k-points by their mesh, which symmetry leaves as it is
_PATTERNS = {
    "cutoff": r"plane wave basis set cut-off\s*:\s*([\d.]+)|Cutoff energy:\s*([\d.]+) *eV",
    "k-points": r"MP grid size for SCF calculation is\s+(\d+\s+\d+\s+\d+)|Found k-point grid:\s+(\d+\s+\d+\s+\d+)|"
    r"(\d+ x \d+ x \d+) Monkhorst-Pack",
    "electrons": r"number of +electrons\s*:\s*([\d.]+)|and a total of\s+([\d.]+) electrons",
    "functional": r"using functional\s*:\s*(\S[^\n]*)|^\s+xc:?\s+(\S+)\s*$",
    "spin": r"treating system as ((?:non-)?spin-polarized)|^\s+spin\s+(none|collinear)\s*$",
}


def printed_settings(text: str) -> dict[str, str]:
    """The last value of each setting that the text names, as printed."""
    told = {}
    for name, pattern in _PATTERNS.items():
        if found := re.findall(pattern, text, re.MULTILINE):
            last = found[-1] if isinstance(found[-1], str) else next(x for x in found[-1] if x)
            told[name] = " ".join(last.replace(" x ", " ").split()).rstrip(".")
    return told

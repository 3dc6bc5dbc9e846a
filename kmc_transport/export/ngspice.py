"""``ngspice``: subcircuits with the drift velocity of an ion, and with a memristor cell that it switches."""

from __future__ import annotations

from pathlib import Path

from ..analysis.fieldlaw import FieldLawFit
from ..errors import InputError
from ..units import ANGSTROM, K_B
from .drift import D_MA, LAW_OR_TABLE, MAX_FIELD, drift_data
from .drift_table import DriftTable, dense_table
from .drift_words import HELD, commented, drift_head, numbers
from .files import write_files
from .record import TransportRecord

__all__ = ["export_ngspice"]

OPTIONS = {"law": LAW_OR_TABLE, "max_field": MAX_FIELD, "d_ma": D_MA}

_USE = [
    "",
    "kmc_drift: drift velocity in m/s (node v) from the field in V/m (node field) and the temperature in K (node temp)",
    "kmc_memristor: ionic drift between two electrodes (Strukov, Nature 453, 80 (2008); here with v(E, T)):",
    "  dx/dt = v(V/l, T)/l, 0 <= x <= 1;  I = V/(ron x + roff (1 - x));  T = TEMPER + 273.15 + rth V I",
    "  x: share of the film between plus and the front. A positive velocity (along the field) makes x grow.",
    "  l: m. ron, roff: Ohm. x0: x at the start. rth: K/W, self-heating without delay. These are yours to choose.",
    "Use: .include this file; Xcell in 0 x ok kmc_memristor l=5n x0=0.1; .tran ... uic (uic: x starts at x0).",
]


def export_ngspice(
    record: TransportRecord,
    path: Path,
    *,
    carrier: str = "",
    overwrite: bool = False,
    law: str = "sinh",
    max_field: float = 0.0,
    d_ma: float = 0.0,
) -> list[Path]:
    """Write the library, and beside it ``NAME.table`` where ``law`` is ``table``.

    Raises InputError where a law does not hold, and for a name with upper-case letters: ngspice turns them into
    lower case, does not find the file, and goes on with zeros.
    """
    if path.name != path.name.lower():
        raise InputError(
            "ngspice reads names of files in lower case, does not find this one, and goes on with zeros",
            key="-o",
            value=path.name,
            allowed="a name without upper-case letters",
            remedy=f"-o {path.with_name(path.name.lower())}",
        )
    data = drift_data(record, carrier=carrier, max_field=max_field)
    table = path.with_suffix(".table")
    motion = dense_table(data) if law == "table" else data.fit(law)
    head = drift_head(record, data, motion, beyond=HELD, d_ma=d_ma, about=_USE)
    (cold, hot), (_, strong) = motion.temperature_range, motion.field_range
    limits = f"emax={strong:.10g} tmin={cold:.10g} tmax={hot:.10g}"
    if isinstance(motion, FieldLawFit):
        return write_files(
            {path: commented(head, "*") + _law(motion, limits) + _MEMRISTOR}, overwrite=overwrite
        )
    head.append(f"The table is in {table.name}; start ngspice in the folder where it lies.")
    texts = {
        path: commented(head, "*") + _table(motion, limits, table.name) + _MEMRISTOR,
        table: commented([*head, *_COLUMNS], "*") + _rows(motion),
    }
    return write_files(texts, overwrite=overwrite)


_COLUMNS = ["", "columns: E/emax, rows: 1000/T in 1/K, values: ln(|mu| T)"]

_INSIDE = """\
Bt t 0 V = min(max(v(temp), {tmin}), {tmax})
Be e 0 V = min(abs(v(field)), {emax})
Bok ok 0 V = (abs(v(field)) > {emax}*1.000001) || (v(temp) < {tmin}*0.999999) || (v(temp) > {tmax}*1.000001) ? 0 : 1
"""


def _law(fit: FieldLawFit, limits: str) -> str:
    numbers = f"ea={fit.activation_energy:.10g} lna={fit.log_prefactor:.10g} kb={K_B:.10g} sign={fit.sign:+g}"
    if fit.law == "sinh":
        numbers += f" pa={fit.field_parameter * ANGSTROM:.10g}"
        field = [
            "Bx arg 0 V = max({pa}*v(e)/(2*{kb}*v(t)), 1e-6)",
            "Bmu mu 0 V = {sign}*exp({lna} - {ea}/({kb}*v(t)))*sinh(v(arg))/v(arg)/v(t)",
        ]
    else:
        numbers += f" beta={fit.field_parameter:.10g}"
        field = ["Bmu mu 0 V = {sign}*exp({lna} - ({ea} - {beta}*sqrt(v(e)))/({kb}*v(t)))/v(t)"]
    lines = [
        ".subckt kmc_drift field temp v ok",
        f".param {numbers} {limits}",
        _INSIDE + "\n".join(field),
        "Bv v 0 V = v(mu)*v(field)",
        ".ends kmc_drift",
    ]
    return "\n".join(lines) + "\n"


def _table(table: DriftTable, limits: str, name: str) -> str:
    """The axes of the table are E/emax and 1000/T: ngspice's tolerances are made for volts."""
    lines = [
        ".subckt kmc_drift field temp v ok",
        f".param {limits} sign={table.sign:+g}",
        _INSIDE + "Ben en 0 V = v(e)/{emax}",
        "Bin in 0 V = 1000/v(t)",
        "Atable %v(en) %v(in) %v(lm) lookup",
        f'.model lookup table2d (offset=0 gain=1 order=2 file="{name}")',
        "Rlm lm 0 1k",
        "Bmu mu 0 V = {sign}*exp(v(lm))/v(t)",
        "Bv v 0 V = v(mu)*v(field)",
        ".ends kmc_drift",
    ]
    return "\n".join(lines) + "\n"


_MEMRISTOR = """
.subckt kmc_memristor plus minus x ok params: l=5n ron=1k roff=100k x0=0.1 rth=0
Bfield field 0 V = v(plus,minus)/{l}
Bshare s 0 V = min(max(v(x), 0), 1)
Bcell plus minus I = v(plus,minus)/({ron}*v(s) + {roff}*(1 - v(s)))
Btemp temp 0 V = temper + 273.15 + {rth}*v(plus,minus)*v(plus,minus)/({ron}*v(s) + {roff}*(1 - v(s)))
Xdrift field temp v ok kmc_drift
Brate 0 x I = (v(v) > 0) ? ((v(x) < 1) ? v(v)/{l} : 0) : ((v(x) > 0) ? v(v)/{l} : 0)
Cx x 0 1 ic={x0}
.ends kmc_memristor
"""


def _rows(table: DriftTable) -> str:
    """The file of table2d: numbers of columns and rows, both axes, values."""
    axes = (table.field / table.field[-1], 1000 * table.inverse_temperature)
    rows = [*(str(len(a)) for a in axes), *(numbers(a) for a in axes), *(numbers(r) for r in table.log_mu_t)]
    return "\n".join(rows) + "\n"

"""``jart``: the parameters of the JART VCM v1b compact model that the hops of a vacancy determine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..analysis.fieldlaw import FieldLawFit
from ..errors import InputError, Problem
from ..units import ANGSTROM
from .drift import D_MA, MAX_FIELD, DriftData, drift_data
from .drift_words import commented, drift_head
from .files import write_files
from .record import TransportRecord

__all__ = ["JartParameter", "export_jart", "jart_parameters"]

OPTIONS = {
    "max_field": MAX_FIELD,
    "d_ma": D_MA,
    "beyond": "yes: write values outside the published ranges too, with wider ranges and a mark (default: no)",
}

_CHARGE = 2.0
_ABOUT = [
    "",
    "Parameters of the JART VCM v1b model (F. Cueppers et al., APL Materials 7, 091105 (2019)) that the hops of the",
    "vacancy determine. All others (electrodes, geometry, concentrations, heat) are the model's own.",
    "The model's ions drift at v = 2 a ny0 exp(-dWa/kT) sinh(zvo e a E/2kT) as long as zvo e a E << pi dWa; so a is",
    "the length that goes with the charge zvo = 2, along the field, and ny0 = v0/2a counts all ways forward.",
    "zvo is a constant of the model.",
]


@dataclass(frozen=True, kw_only=True)
class JartParameter:
    """One parameter: its value, standard error, unit, and the range that the published model allows."""

    name: str
    value: float
    stderr: float
    unit: str
    least: float
    most: float

    @property
    def inside(self) -> bool:
        return self.least <= self.value <= self.most


def jart_parameters(data: DriftData, fit: FieldLawFit) -> list[JartParameter]:
    """``a``, ``ny0``, ``dWa``, ``zvo``, ranges not yet checked.

    fit : of the sinh law. Raises InputError for carriers of another charge than +2 e.
    """
    if abs(data.charge - _CHARGE) > 1e-6:
        raise InputError(
            "the JART model is one of oxygen vacancies of charge +2 e",
            key="--carrier",
            value=f"{data.carrier}, {data.charge:+g} e",
            remedy="export another carrier, or another format (verilog-a, ngspice)",
        )
    energy_err, _, product_err = fit.stderr
    a = fit.length(_CHARGE) * ANGSTROM
    ny0 = fit.velocity_prefactor / (2 * a)  # proportional to A/p²
    log_error = (fit.covariance[1, 1] - 4 * fit.covariance[1, 2] / fit.field_parameter
                 + 4 * fit.covariance[2, 2] / fit.field_parameter**2) ** 0.5  # fmt: skip
    relative_a = float(product_err) / fit.field_parameter
    return [
        JartParameter(name="a", value=a, stderr=a * relative_a, unit="m", least=0.1e-9, most=1e-9),
        JartParameter(name="ny0", value=ny0, stderr=ny0 * log_error, unit="Hz", least=1e10, most=1e14),
        JartParameter(
            name="dWa",
            value=fit.activation_energy,
            stderr=float(energy_err),
            unit="eV",
            least=0.8,
            most=1.5,
        ),
        JartParameter(name="zvo", value=_CHARGE, stderr=0.0, unit="", least=_CHARGE, most=_CHARGE),
    ]


def export_jart(
    record: TransportRecord,
    path: Path,
    *,
    carrier: str = "",
    overwrite: bool = False,
    max_field: float = 0.0,
    d_ma: float = 0.0,
    beyond: bool = False,
) -> list[Path]:
    """Write Verilog-A lines with the parameters.

    Raises InputError as `jart_parameters` does, where the sinh law does not hold, and for values outside the published
    ranges without ``beyond``.
    """
    data = drift_data(record, carrier=carrier, max_field=max_field)
    fit = data.fit("sinh")
    parameters = jart_parameters(data, fit)
    outside = [p for p in parameters if not p.inside]
    if outside and not beyond:
        raise InputError(
            [
                Problem(
                    "is outside the range of the published model, which would refuse it",
                    key=p.name,
                    value=f"{p.value:.6g} +- {p.stderr:.2g} {p.unit}",
                    allowed=f"{p.least:g} to {p.most:g} {p.unit}",
                    remedy="--option beyond=yes writes it with a wider range and a mark; or take verilog-a",
                )
                for p in outside
            ]
        )
    lines = [_line(p) for p in parameters if p.name != "zvo"]
    lines.append(f"localparam real zvo = {_CHARGE:g}; // constant of the model")
    head = drift_head(record, data, fit, beyond="the model does not know the ranges", d_ma=d_ma, about=_ABOUT)
    return write_files({path: commented(head, "//") + "\n".join(lines) + "\n"}, overwrite=overwrite)


def _line(p: JartParameter) -> str:
    least, most = (p.least, p.most) if p.inside else (min(p.least, p.value / 2), max(p.most, 2 * p.value))
    mark = "" if p.inside else f", OUTSIDE THE PUBLISHED RANGE {p.least:g} to {p.most:g}"
    return f"parameter real {p.name} = {p.value:.8g} from [{least:.3g}:{most:.3g}]; // +- {p.stderr:.2g} {p.unit}{mark}"

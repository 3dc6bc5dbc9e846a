"""``verilog-a``: a compact model with the same drift and the same cell as the ngspice library."""

from __future__ import annotations

from pathlib import Path

from ..units import ANGSTROM, K_B
from .drift import D_MA, LAW, MAX_FIELD, drift_data
from .drift_words import HELD, commented, drift_head
from .files import write_files
from .record import TransportRecord

__all__ = ["export_verilog_a"]

OPTIONS = {"law": LAW, "max_field": MAX_FIELD, "d_ma": D_MA}

_USE = [
    "",
    "kmc_memristor: ionic drift between two electrodes (Strukov, Nature 453, 80 (2008); here with v(E, T)):",
    "  dx/dt = v(V/l, T)/l, 0 <= x <= 1;  I = V/(ron x + roff (1 - x));  T = $temperature + rth V I",
    "  x: share of the film between plus and the front. A positive velocity (along the field) makes x grow.",
    "  l: m. ron, roff: Ohm. x0: x at the operating point. rth: K/W, self-heating without delay. These are yours.",
    "Compile with OpenVAF (openvaf-r FILE.va) for simulators that load OSDI: VACASK, or an ngspice that was built with",
    "it (Debian's was not).",
]

_MODULE = """\
`include "disciplines.vams"

module kmc_memristor(plus, minus, x, ok);
  inout plus, minus;
  output x, ok;
  electrical plus, minus, x, ok, moved;

  (* type="instance" *) parameter real l = 5e-9 from (0:inf);
  (* type="instance" *) parameter real ron = 1e3 from (0:inf);
  (* type="instance" *) parameter real roff = 1e5 from (0:inf);
  (* type="instance" *) parameter real x0 = 0.1 from [0:1];
  (* type="instance" *) parameter real rth = 0 from [0:inf);
{parameters}
  localparam real kb = {kb:.10g};

  real resistance, share, state, field, temp, strength, kelvin, {more}velocity;

  analog begin
    state = x0 + V(moved);
    share = min(max(state, 0), 1);
    resistance = ron*share + roff*(1 - share);
    field = V(plus, minus)/l;
    temp = $temperature + rth*V(plus, minus)*V(plus, minus)/resistance;
    strength = min(abs(field), emax);
    kelvin = min(max(temp, tmin), tmax);
{law}
    if (velocity > 0 && state >= 1 || velocity < 0 && state <= 0)
      velocity = 0;
    I(plus, minus) <+ V(plus, minus)/resistance;
    if (analysis("static"))
      I(moved) <+ V(moved);
    else
      I(moved) <+ ddt(V(moved)) - velocity/l;
    V(x) <+ state;
    V(ok) <+ abs(field) <= emax*1.000001 && temp >= tmin*0.999999 && temp <= tmax*1.000001 ? 1 : 0;
  end
endmodule
"""

_SINH = """\
    arg = max(pa*strength/(2*kb*kelvin), 1e-6);
    velocity = sign*exp(lna - ea/(kb*kelvin))*sinh(arg)/arg/kelvin*field;"""
_POOLE_FRENKEL = """\
    velocity = sign*exp(lna - (ea - beta*sqrt(strength))/(kb*kelvin))/kelvin*field;"""


def export_verilog_a(
    record: TransportRecord,
    path: Path,
    *,
    carrier: str = "",
    overwrite: bool = False,
    law: str = "sinh",
    max_field: float = 0.0,
    d_ma: float = 0.0,
) -> list[Path]:
    """Write the module. Raises InputError where the law does not hold."""
    data = drift_data(record, carrier=carrier, max_field=max_field)
    fit = data.fit(law)
    (cold, hot), (_, strong) = fit.temperature_range, fit.field_range
    sinh = fit.law == "sinh"
    own = {"pa": fit.field_parameter * ANGSTROM} if sinh else {"beta": fit.field_parameter}
    values = {"sign": fit.sign, "ea": fit.activation_energy, "lna": fit.log_prefactor, **own}
    values |= {"emax": strong, "tmin": cold, "tmax": hot}
    head = drift_head(record, data, fit, beyond=HELD, d_ma=d_ma, about=_USE)
    module = _MODULE.format(
        parameters="\n".join(f"  parameter real {n} = {v:.10g};" for n, v in values.items()),
        kb=K_B,
        more="arg, " if sinh else "",
        law=_SINH if sinh else _POOLE_FRENKEL,
    )
    return write_files({path: commented(head, "//") + module}, overwrite=overwrite)

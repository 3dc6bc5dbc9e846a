"""The report of a run, written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..store import REPORT_MARK, check_free, write_text
from .content import page_content

if TYPE_CHECKING:
    import xarray

    from ..model.model import Model
    from ..store import Provenance

__all__ = ["render_report", "write_report"]


def render_report(
    dataset: xarray.Dataset, provenance: Provenance, model: Model | None = None, *, name: str = ""
) -> str:
    """The report as HTML: one text with styles, scripts and pictures inside.

    dataset : of `kmc_transport.open_results`. provenance : of `kmc_transport.store.read_provenance`. model : adds what
    was simulated, carriers, hops and their energies. name : of the run.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((folder / n).read_text(encoding="utf-8") for n in ("report.css", "report.js"))
    content = page_content(dataset, provenance, model, name)
    return environment.get_template("report.html.j2").render(
        content, style=style, script=script, mark=REPORT_MARK
    )


def write_report(
    path: str | Path,
    dataset: xarray.Dataset,
    provenance: Provenance,
    model: Model | None = None,
    *,
    name: str = "",
    overwrite: bool = False,
) -> None:
    """`render_report` to a file; StoreError where that would replace what is no report of ours."""
    check_free(path, "report", overwrite=overwrite)
    write_text(Path(path), render_report(dataset, provenance, model, name=name or Path(path).stem))

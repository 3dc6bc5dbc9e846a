"""The report of a run: one file, whole without a script, and laid out so that nothing sticks out."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from kmc_transport.cli.app import main
from kmc_transport.errors import StoreError
from kmc_transport.html.write import render_report, write_report
from kmc_transport.report import results_table
from kmc_transport.runs.table import table_of
from kmc_transport.store import Provenance
from tests.store.results import grid_model, records

INPUT = Path(__file__).parents[2] / "inputs" / "namn3o7.yaml"
BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
PROVENANCE = Provenance(identity="0" * 8, input_text="title: <b>&\n", seed=7, input_path="some/study.yaml")


def made_up(temperatures: Sequence[float], fields: Sequence[float]) -> xarray.Dataset:
    model = grid_model(temperatures, fields)
    return table_of(model, records(model), error_factor=np.full((len(temperatures), 1, 1), np.nan))


@pytest.fixture(scope="module")
def page(chain_run: tuple[Path, xarray.Dataset], tmp_path_factory: pytest.TempPathFactory) -> str:
    """As the command line writes it."""
    out = tmp_path_factory.mktemp("report") / "out.html"
    with pytest.raises(SystemExit) as code:
        main(["report", str(chain_run[0]), "-o", str(out)])
    assert not code.value.code
    return out.read_text(encoding="utf-8")


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what stands around them."""
    monkeypatch.setattr("kmc_transport.html.content.result_pictures", lambda *_: [])


def texts(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_every_number_of_the_table_is_on_the_page(chain_run: tuple[Path, xarray.Dataset], page: str) -> None:
    told = texts(page)
    table = results_table(chain_run[1])
    for row in table.cells:
        assert all(cell in told for cell in row)
    for note in table.notes:
        assert note in told
    rows = page.count("<tr>")
    assert rows > len(table.rows)


def test_it_says_what_was_simulated_and_how_to_do_it_again(page: str) -> None:
    told = texts(page)
    for words in (
        "P4/mmm",
        "hole_polaron",
        "0.242",
        "constant 6.12e+12",
        "Lei and I. I. Abate",
        "What these numbers are not",
    ):
        assert words in told
    assert "kmc-transport run namn3o7.yaml" in told
    assert INPUT.read_text(encoding="utf-8").strip() in html.unescape(page)
    assert "<string>" not in told
    assert "agree within two standard errors" in told


def test_it_needs_nothing_else(page: str) -> None:
    inside = re.sub(r"<pre>.*?</pre>", "", page, flags=re.S)
    references = re.findall(r'(?:src|href|xlink:href)="([^"]+)"', inside)
    assert references
    assert all(r.startswith(("#", "data:image/png;base64,")) for r in references)
    assert "@import" not in inside
    assert "url(http" not in inside
    ids = re.findall(r'(?<=\s)id="([^"]+)"', inside)
    assert len(ids) == len(set(ids))
    assert {r[1:] for r in references if r[0] == "#"} <= set(ids)


def test_pictures_hold_text_and_all_digits(page: str) -> None:
    assert page.count("<svg") >= 5
    assert re.search(r"fit of T · mobility: 0\.2\d{2,}\(\d+\) eV", page)


@pytest.mark.usefixtures("no_pictures")
def test_what_comes_from_the_input_is_no_markup() -> None:
    data = made_up([300, 400], [0, 1e7]).assign_attrs(title="<script>alert(1)</script>")
    page = render_report(data, PROVENANCE, name="x")
    assert "<script>alert" not in page
    assert "title: &lt;b&gt;&amp;" in page
    assert "study.yaml" in page


def test_a_grid_of_twenty_by_twenty_is_small() -> None:
    data = made_up(np.linspace(300, 680, 20), [0, *np.logspace(6, 9, 19)])
    page = render_report(data, PROVENANCE, name="grid")
    assert len(page.encode()) < 2_000_000
    assert page.count("<tr>") > 400


@pytest.mark.usefixtures("no_pictures")
def test_a_report_replaces_a_report_only(tmp_path: Path) -> None:
    data, path = made_up([300], [0]), tmp_path / "a.html"
    for _ in range(2):
        write_report(path, data, PROVENANCE)
    path.write_text("<html>mine</html>")
    with pytest.raises(StoreError, match="no report"):
        write_report(path, data, PROVENANCE)
    write_report(path, data, PROVENANCE, overwrite=True)


MEASURE = """
<iframe id="f" width="WIDTH" height="3000" src="PAGE"></iframe><pre id="out"></pre>
<script>
document.getElementById("f").addEventListener("load", () => {
  const d = document.getElementById("f").contentDocument, w = d.documentElement.clientWidth;
  const free = [...d.querySelectorAll("body *")].filter((e) => !e.closest("FREE"));
  const out = free.filter((e) => e.getBoundingClientRect().right > w + 1)
    .map((e) => e.tagName + " " + e.textContent.slice(0, 40));
  const header = d.querySelector("table.sortable th:nth-child(5) button");
  if (header) header.click();
  const cells = [...d.querySelectorAll("table.sortable")][0].tBodies[0].rows;
  const sorted = [...cells].map((r) => r.cells[4].dataset.s);
  const select = d.querySelector(".filters select");
  if (select) { select.selectedIndex = 1; select.dispatchEvent(new Event("change", { bubbles: true })); }
  const svg = [...d.querySelectorAll("figure svg")].map((s) => {
    const box = s.getBoundingClientRect();
    return [...s.querySelectorAll("text")].filter((t) => {
      const b = t.getBoundingClientRect();
      return b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1;
    }).map((t) => t.textContent);
  }).flat();
  document.getElementById("out").textContent = JSON.stringify({
    scroll: d.documentElement.scrollWidth, width: w, out, svg, sorted,
    hidden: [...cells].filter((r) => r.hidden).length,
    folded: [...d.querySelectorAll("details > :not(summary, .filters)")].filter((e) => !e.checkVisibility()).length });
});
</script>
"""


def measure(page: str, width: int, free: str, folder: Path) -> dict[str, Any]:
    """What a browser makes of a page; free : selector of what may stick out."""
    assert BROWSER is not None
    (folder / "page.html").write_text(page, encoding="utf-8")
    outer = folder / "outer.html"
    text = MEASURE.replace("WIDTH", str(width)).replace("PAGE", "page.html").replace("FREE", free)
    outer.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"),
            *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=8000"),
            *("--window-size=1400,3200", "--dump-dom", outer.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.S)
    assert found is not None
    return dict(json.loads(html.unescape(found[1])))


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")


@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_layout_in_a_browser(page: str, width: int, tmp_path: Path) -> None:
    found = measure(page, width, ".wide, pre, svg, details:not([open])", tmp_path)
    assert found["width"] > width - 25
    assert found["scroll"] <= found["width"]
    assert found["out"] == []
    assert found["svg"] == []
    assert found["folded"] > 0
    numbers = [float(s) for s in found["sorted"] if s]
    assert numbers == sorted(numbers)
    assert 0 < found["hidden"] < len(found["sorted"])


@needs_browser
def test_layout_on_paper(page: str, tmp_path: Path) -> None:
    """178 mm wide: no table is cut off, nothing stays folded away, the pictures are whole."""
    found = measure(page.replace("@media print", "@media all"), 673, "svg", tmp_path)
    assert found["out"] == []
    assert found["svg"] == []
    assert found["folded"] == 0


def test_without_a_script_nothing_is_lost(page: str, chain_run: tuple[Path, xarray.Dataset]) -> None:
    """Tables, notes and pictures stand in the page itself; only what would do nothing is hidden."""
    still = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    told, table = texts(still), results_table(chain_run[1])
    assert all(cell in told for row in table.cells for cell in row)
    assert still.count("<svg") == page.count("<svg")
    hidden = re.findall(r"<([^>]*\shidden[^>]*)>", re.sub(r"<svg.*?</svg>", "", still, flags=re.S))
    assert hidden
    assert all(tag == 'p class="filters" hidden' for tag in hidden)
    style = re.sub(r"@media print.*", "", re.search(r"<style>(.*?)</style>", still, re.S)[1], flags=re.S)  # type: ignore[index]
    assert re.findall(r"([^{}]+)\{[^{}]*(?:display: *none|visibility: *hidden)", style) == [
        "\n.filters[hidden] "
    ]
    assert "<button" not in still


@pytest.mark.usefixtures("no_pictures")
def test_report_from_the_command_line(
    chain_run: tuple[Path, xarray.Dataset], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.html"
    with pytest.raises(SystemExit) as code:
        main(["report", str(chain_run[0]), "-o", str(out)])
    assert not code.value.code
    assert "Report:" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(SystemExit) as code:
        main(["report", str(chain_run[0]), "-o", str(tmp_path / "out.pdf")])
    assert code.value.code == 2

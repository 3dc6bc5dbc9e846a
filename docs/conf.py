"""The documentation as a site: sphinx-build -W -b html docs site (extra `docs`)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kmc_transport import __version__  # noqa: E402

project = "kmc_transport"
author = "the authors of kmc_transport"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "figures/**/README.md"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"kmc_transport {__version__}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False, "exclude-members": "__init__, __new__"}
autodoc_type_aliases = {"FloatArray": "FloatArray", "IntArray": "IntArray", "BoolArray": "BoolArray"}
python_use_unqualified_type_names = True
suppress_warnings = [
    "misc.highlighting_failure",  # mermaid, which is shown as text
    "ref.python",  # words of a docstring that happen to be names
]

_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#\s]+)(#[^)]*)?\)")


def _outside(app: Any, docname: str, source: list[str]) -> None:
    """Links to files of the repository that are no pages become their names."""
    folder = (ROOT / "docs" / docname).parent

    def named(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return match[0]
        path = target.relative_to(ROOT).as_posix()
        text = match[1].strip("`")
        return f"`{path}`" if text in path else f"{match[1]} (`{path}`)"

    source[0] = _LINK.sub(named, source[0])


_TERM = re.compile(r"([\w(][\w, .()]*?) : (.*)")


def _house_style(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings of the house as reStructuredText: ``name : what`` is a list, a rule makes a heading."""
    out: list[str] = []
    for k, line in enumerate(lines):
        after = lines[k + 1] if k + 1 < len(lines) else ""
        listed = bool(out) and out[-1].startswith(("* ", "  "))
        if after and set(after) == {"-"}:
            out += ["", f".. rubric:: {line}", ""]
            continue
        if line and set(line) == {"-"}:
            continue
        if term := _TERM.match(line):
            out += [""] if out and out[-1] and not listed else []
            line = f"* ``{term[1]}`` : {term[2]}"
        elif line.strip() and line[0] != " " and after.startswith("    ") and len(line.split()) < 3:
            line = f"* ``{line}``"
        elif line.strip() and listed:
            line = "  " + line.strip()
        parts = re.split(r"(`+[^`]*`+)", line)
        parts[::2] = [text.replace("|", "\\|") for text in parts[::2]]
        out.append("".join(parts))
    lines[:] = out


def setup(app: Any) -> None:
    app.connect("source-read", _outside)
    app.connect("autodoc-process-docstring", _house_style)

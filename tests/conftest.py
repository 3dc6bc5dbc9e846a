"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# examples may compile a kernel or meet a busy machine; where nobody can look at a new example, take the known ones
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")

# pytest-xdist tells its workers a width of 80 columns; tests of tables say their own
os.environ.pop("COLUMNS", None)

"""Files of real codes, from a folder beside the repository."""

from __future__ import annotations

import os

import pytest

DATA = os.environ.get("KMC_TRANSPORT_TEST_DATA", "")
real_files = pytest.mark.skipif(
    not DATA, reason="KMC_TRANSPORT_TEST_DATA names no folder of files of real codes"
)

"""Public modules that moved answer to their old names for one release, with a warning."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from kmc_transport._moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_same_module(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, f"kmc_transport.{old}", raising=False)
    new = import_module(f"kmc_transport.{MOVED[old]}")
    with pytest.warns(DeprecationWarning, match=rf"kmc_transport\.{MOVED[old]} now") as caught:
        assert import_module(f"kmc_transport.{old}") is new
    assert all(w.filename.startswith("<frozen") or "_moved" not in w.filename for w in caught)
    assert new.__name__ == new.__spec__.name == f"kmc_transport.{MOVED[old]}"


def test_names_that_left_the_model() -> None:
    from kmc_transport.input import load_model

    with pytest.warns(DeprecationWarning, match="kmc_transport.input.load_model now"):
        from kmc_transport.model import load_model as old
    assert old is load_model


def test_other_names_stay_unknown() -> None:
    assert find_spec("kmc_transport.nothing") is None
    with pytest.raises(ImportError):
        import_module("kmc_transport.rates.nothing")
    with pytest.raises(ImportError):
        from kmc_transport.model import nothing  # noqa: F401

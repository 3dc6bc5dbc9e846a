"""Single values of an input file replaced in its text, so that the record of a run holds what was run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import InputError
from .document import parse_yaml

__all__ = ["with_settings"]

_NOTHING = object()


def with_settings(text: str, settings: Sequence[str]) -> str:
    """The text of an input with some values replaced; comments stay.

    settings : ``KEY=VALUE``, such as ``sampling.replicas=8`` or ``conditions.temperature={from: 300, to: 600,
    points: 20}``; the value is YAML, list items are ``hops[0]``. Keys may be new; what is wrong with them the
    input's own checks say.

    Raises InputError for a setting that has no ``=``, is no YAML, or leads through something that is no mapping.
    """
    if not settings:
        return text
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 10_000
    try:
        parse_yaml(text)
    except InputError:
        return text  # the checks of the input say it with its name
    data = _loaded(yaml, text)
    if not isinstance(data, dict):
        return text
    for setting in settings:
        key, equals, value = setting.partition("=")
        steps = [int(i) if i else k for k, i in re.findall(r"([^.\[\]]+)|\[(\d{1,9})\]", key.strip())]
        if not equals or not steps:
            raise _wrong(setting, "is no setting")
        # the checks of an input hold for what is put into it: no tags, numbers and texts of a readable size
        parse_yaml("value:\n  " + value.replace("\n", "\n  "), f"--set {setting}")
        new = _loaded(yaml, value)
        if new is _NOTHING:
            raise _wrong(setting, "its value is not YAML")
        _put(data, steps, new, setting)
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def _loaded(yaml: YAML, text: str) -> Any:
    """Data with its comments, or `_NOTHING` where it is no YAML."""
    try:
        return yaml.load(text)
    except (YAMLError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, AttributeError):
        return _NOTHING


def _put(data: Any, steps: Sequence[str | int], new: Any, setting: str) -> None:
    place = data
    for k, step in enumerate(steps):
        last = k == len(steps) - 1
        if isinstance(step, int):
            if not isinstance(place, list) or step >= len(place):
                raise _wrong(setting, f"there is no item [{step}]")
        elif not isinstance(place, dict):
            raise _wrong(setting, f"there is nothing below which {step} could stand")
        elif not last and step not in place:
            place[step] = {}
        if last:
            place[step] = new
        else:
            place = place[step]


def _wrong(setting: str, message: str) -> InputError:
    return InputError(
        message,
        key="--set",
        value=setting,
        allowed="KEY=VALUE with a key of the input, and YAML",
        remedy="such as --set sampling.replicas=8 "
        "or --set 'conditions.temperature={from: 300, to: 600, points: 20}'",
    )

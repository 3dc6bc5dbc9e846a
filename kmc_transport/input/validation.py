"""From plain data to the validated input: pydantic's errors become problems with line, key and remedy."""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .document import Document, KeyPath, nearest
from .schema import Input

__all__ = ["Sections", "validate"]

MOST = 200
"""Problems that are worded; the others are counted."""


class Sections:
    """The validated sections of the file; a section that is missing or wrong is None.

    With the sound ones the later checks go on, so that all problems are found at once.
    """

    def __init__(self, whole: Input | None, parts: dict[str, Any]) -> None:
        self.whole = whole
        self.parts = parts

    def __getattr__(self, name: str) -> Any:
        if self.whole is not None:
            return getattr(self.whole, name)
        return self.parts.get(name)


def validate(doc: Document) -> Sections:
    """Check ``doc.data`` against the schema; problems go to ``doc``."""
    try:
        return Sections(Input.model_validate(doc.data), {})
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for e in errors[:MOST]:
        _report(doc, e)
    if len(errors) > MOST:
        doc.add(
            _file_path(doc.data, tuple(errors[MOST]["loc"]))[0], f"and {len(errors) - MOST} more like this"
        )
    return Sections(None, _sound_parts(doc.data, [tuple(e["loc"]) for e in errors]))


def _sound_parts(data: dict[str, Any], bad: list[KeyPath]) -> dict[str, Any]:
    """Sections without errors; of `hops`, the entries without (None in place of the others)."""
    bad_sections = {loc[0] for loc in bad if loc}
    bad_hops = {loc[1] for loc in bad if loc[:1] == ("hops",) and len(loc) > 1}
    parts: dict[str, Any] = {}
    for name, info in Input.model_fields.items():
        annotation: Any = info.annotation
        if name == "hops" and isinstance(data.get(name), list) and bad_hops:
            each = _adapter(get_args(_bare(annotation))[0])
            parts[name] = [
                None if i in bad_hops else each.validate_python(hop) for i, hop in enumerate(data[name])
            ]
        elif name in bad_sections:
            continue
        elif name in data:
            parts[name] = _adapter(annotation).validate_python(data[name])
        elif not info.is_required():
            parts[name] = info.get_default(call_default_factory=True, validated_data={})
    return parts


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    """What checks values of this type, built once: building takes longer than checking."""
    return TypeAdapter(annotation)


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


# ------------------------------------------------------------------------------------------- one error


def _file_path(data: Any, loc: tuple[str | int, ...]) -> tuple[KeyPath, str | int | None]:
    """Path within the file for pydantic's location (which also names members of unions), and what is beyond."""
    path: list[str | int] = []
    node, beyond = data, None
    for part in loc:
        if (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        ):
            node = node[part]  # type: ignore[index]
            path.append(part)
            beyond = None
        else:
            beyond = part
    return tuple(path), beyond


def _members(annotation: Any) -> list[Any]:
    """The alternatives of a union, without None."""
    annotation = _bare(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return [m for a in get_args(annotation) for m in _members(a)]
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _names(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _models_at(path: KeyPath, tags: tuple[str | int, ...]) -> tuple[list[type[BaseModel]], FieldInfo | None]:
    """Models that may stand at ``path``, and the field that led there."""
    here: list[Any] = [Input]
    field: FieldInfo | None = None
    for part in path:
        following: list[Any] = []
        for annotation in here:
            if _is_model(annotation):
                info = _names(annotation).get(str(part))
                if info is not None:
                    field = info
                    following += _members(info.annotation)
            elif get_origin(annotation) is dict:
                following += _members(get_args(annotation)[1])
            elif get_origin(annotation) is list:
                following += _members(get_args(annotation)[0])
        here = following
    models = [a for a in here if _is_model(a)]
    # of a union of models take the one whose tag pydantic names
    tagged = [m for m in models if any(str(t) in _tag_words(m) for t in tags)]
    return tagged or models, field


def _tag_words(model: type[BaseModel]) -> set[str]:
    return {
        "HopVectorSites": {"site_to_site"},
        "HopVectorCartesian": {"cartesian_vector"},
    }.get(model.__name__, set())


_TYPE_WORDS = {
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "list_type": "a list",
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
_BOUNDS = {"greater_than": ("gt", ">"), "greater_than_equal": ("ge", ">="), "less_than_equal": ("le", "<=")}


def _example(name: str, info: FieldInfo | None) -> str:
    if info is None or not info.examples:
        return ""
    return f"for example  {name}: {_flow(info.examples[0])}"


def _flow(value: Any) -> str:
    """``value`` as one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _short(value: object) -> object:
    text = "null" if value is None else _flow(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _report(doc: Document, error: Any) -> None:
    loc, kind = tuple(error["loc"]), str(error["type"])
    ctx = error.get("ctx") or {}
    path, beyond = _file_path(doc.data, loc)
    models, info = _models_at(path, loc)
    last = next((str(p) for p in reversed(path) if isinstance(p, str)), "")
    value = _short(error["input"])

    if kind == "extra_forbidden":
        parents, _ = _models_at(path[:-1], loc)
        known = list(dict.fromkeys(n for m in parents for n in _names(m)))
        remedy = nearest(str(path[-1]), known) or "remove it, or choose one of the keys above"
        doc.add(path, f"unknown key '{path[-1]}'", allowed=", ".join(known), remedy=remedy)
    elif kind == "missing":
        name = str(beyond)
        field = next((_names(m)[name] for m in models if name in _names(m)), None)
        doc.add((*path, name), f"the key '{name}' is missing", remedy=_example(name, field))
    elif kind == "input":
        doc.add(path, ctx["message"], value=value, allowed=ctx["allowed"], remedy=ctx["remedy"])
    elif kind in _TYPE_WORDS:
        doc.add(path, f"must be {_TYPE_WORDS[kind]}", value=value, remedy=_example(last, info))
    elif kind in _BOUNDS:
        key, sign = _BOUNDS[kind]
        doc.add(path, "outside the allowed range", value=value, allowed=f"{sign} {ctx[key]}")
    elif kind in ("too_short", "too_long"):
        low, high = ctx.get("min_length"), ctx.get("max_length")
        number = f"at least {low}" if high is None else f"at most {high}"
        doc.add(path, f"must have {number} entries", value=value, allowed=number, remedy=_example(last, info))
    elif kind == "literal_error":
        words = [w.strip(" '") for w in str(ctx["expected"]).replace(" or ", ",").split(",")]
        remedy = nearest(str(error["input"]), words)
        doc.add(path, "not one of the choices", value=value, allowed=", ".join(words), remedy=remedy)
    elif kind == "string_pattern_mismatch":
        doc.add(path, "a name has no spaces and none of : # [ ]", value=value, remedy="rename it")
    else:
        message = str(error["msg"])
        doc.add(path, message[:1].lower() + message[1:], value=value, remedy=_example(last, info))

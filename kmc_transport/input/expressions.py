"""Expressions of named numbers (``x/4``, ``2*(x + y)``): parsed by their grammar, never run as code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["EXPRESSION", "Expression", "is_expression", "parse_expression"]

MAX_LENGTH = 200
EXPRESSION = rf"^[A-Za-z0-9_.+\-*/() ]{{1,{MAX_LENGTH}}}$"
"""Characters of an expression."""
ALLOWED = "numbers, names, + - * / and parentheses"

_BINARY: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_UNARY: dict[type, Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


@dataclass(frozen=True)
class Expression:
    """A text, and the names in it in the order of their first use."""

    text: str
    names: tuple[str, ...]

    def value(self, numbers: Mapping[str, float]) -> float:
        """Its value. KeyError for a name without a number, ZeroDivisionError, OverflowError."""
        return _value(_tree(self.text), numbers)


def is_expression(given: object) -> bool:
    """Whether a text is meant as an expression, not as a number (with a unit)."""
    if not isinstance(given, str) or re.fullmatch(EXPRESSION, given) is None:
        return False
    try:
        float(given)
    except ValueError:
        return re.match(r" *[A-Za-z_]", given) is not None or any(c in "+-*/()" for c in given)
    return False


def parse_expression(text: str) -> Expression:
    """ValueError, with what is wrong, when it is none."""
    names: dict[str, None] = {}
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Name):
            names[node.id] = None
    return Expression(text.strip(), tuple(names))


def _tree(text: str) -> ast.expr:
    if re.fullmatch(EXPRESSION, text) is None:
        raise ValueError("it has other characters, or too many")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("it breaks off, or something is missing between its parts") from None
    _check(tree)
    return tree


def _check(node: ast.expr) -> None:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left)
            _check(right)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            _check(operand)
        case ast.Name():
            pass
        case ast.Constant(value=number) if type(number) in (int, float):
            pass
        case _:
            raise ValueError(f"'{ast.unparse(node)}' is none of them")


def _value(node: ast.expr, numbers: Mapping[str, float]) -> float:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, numbers), _value(right, numbers))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, numbers))
        case ast.Name(id=name):
            return float(numbers[name])
        case ast.Constant(value=number):
            return float(number)  # type: ignore[arg-type]
    raise AssertionError(node)

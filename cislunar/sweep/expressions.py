"""Arithmetic and comparisons over the axes of a trade, from text, without executing any of it.

An expression is parsed to a syntax tree, every node of it must be on a short list, and the tree is
walked: no attribute, no call but the named functions, no loop, and powers of bounded size, so that
text from a file can neither reach the interpreter nor keep it busy.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from orbits.errors import InputError

MAX_LENGTH = 500  # characters
MAX_POWER = 64.0
ALLOWED = (
    "numbers, text, axis names, + - * / // % **, comparisons, and, or, not, "
    "min, max, abs, sqrt, floor, ceil, sin_deg, cos_deg"
)

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": math.sqrt,
    "floor": math.floor,
    "ceil": math.ceil,
    "sin_deg": lambda x: math.sin(math.radians(x)),
    "cos_deg": lambda x: math.cos(math.radians(x)),
}


@lru_cache(maxsize=1024)  # a million variants meet the same constraint
def _parsed(text: str) -> ast.expr:
    return parse(text)


def parse(text: str) -> ast.expr:
    """The syntax tree of an expression; InputError for anything that is not on the list.

    >>> parse("__import__('os')")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    orbits.errors.InputError: "__import__('os')" calls '__import__'; allowed: numbers, text, ...
    """
    if not isinstance(text, str):
        raise InputError(f"{text!r} is not an expression", value=text, allowed=ALLOWED)
    if len(text) > MAX_LENGTH:
        raise InputError(f"an expression of {len(text)} characters", allowed=f"{MAX_LENGTH}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        for node in ast.walk(tree):
            _check(node, text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(f"{text!r} is not an expression", value=text, allowed=ALLOWED) from None
    return tree


def _check(node: ast.AST, text: str) -> None:
    fault = None
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else "something"
        if name not in _FUNCTIONS or node.keywords or not node.args:
            fault = f"calls {name!r}"
        elif any(isinstance(a, ast.Starred) for a in node.args):
            fault = "unpacks arguments"
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, (bool, int, float, str)):
            fault = f"holds {node.value!r}"
    elif not isinstance(
        node,
        (
            ast.BinOp,
            ast.UnaryOp,
            ast.BoolOp,
            ast.Compare,
            ast.Name,
            ast.Load,
            ast.operator,
            ast.unaryop,
            ast.boolop,
            ast.cmpop,
        ),
    ):
        fault = f"has a {type(node).__name__.lower()}"
    elif isinstance(node, ast.BinOp) and type(node.op) not in _BINARY:
        fault = f"has the operator {type(node.op).__name__}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        fault = "has the operator ~"
    elif isinstance(node, ast.Compare) and any(type(o) not in _COMPARE for o in node.ops):
        fault = "has a comparison that is not allowed"
    if fault:
        raise InputError(f"{text!r} {fault}", value=text, allowed=ALLOWED)


def names_in(text: str) -> set[str]:
    """The axis names that an expression uses."""
    tree = parse(text)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called}


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression; InputError where it has none (an unknown name, 1/0, text + 1).

    >>> evaluate("planes * per_plane <= 12 and planes > 1", {"planes": 2, "per_plane": 4})
    True
    """
    try:
        value = _value(_parsed(text), names, text)
        if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"{text!r} has no finite value", value=text)
        return value
    except (TypeError, ArithmeticError, ValueError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(f"{text!r} has no value: {fault}", value=text) from None


def _value(node: ast.expr, names: Mapping[str, Any], text: str) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise InputError(
                f"{text!r} asks for {node.id!r}", value=text, allowed=", ".join(names) or "no name"
            )
        return names[node.id]
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, names, text)
        return (
            (not value)
            if isinstance(node.op, ast.Not)
            else (-value if isinstance(node.op, ast.USub) else +value)
        )
    if isinstance(node, ast.BoolOp):
        wanted = isinstance(node.op, ast.Or)
        return (any if wanted else all)(_value(v, names, text) for v in node.values)
    if isinstance(node, ast.Compare):
        left = _value(node.left, names, text)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = _value(right_node, names, text)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        return _FUNCTIONS[node.func.id](*(_value(a, names, text) for a in node.args))
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left, names, text), _value(node.right, names, text)
    if any(isinstance(v, str) for v in (left, right)):  # no 'x' * 10**9, no '%999d' % 1
        raise TypeError("arithmetic with text")
    if isinstance(node.op, ast.Pow):
        if abs(right) > MAX_POWER:
            raise ArithmeticError(f"a power beyond {MAX_POWER:g}")
        left = float(left)
    return _BINARY[type(node.op)](left, right)

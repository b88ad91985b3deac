"""YAML files read safely: bounded size, depth and expansion, no tags, no duplicate keys.

Numbers follow YAML 1.2 (``7e4`` is a number) and dates stay text. Every fault is an
:class:`InputError` that names the file and, where known, the line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orbits.errors import InputError

MAX_BYTES = 10_000_000
MAX_DEPTH = 60
MAX_ALIASES = 1000
MAX_NODES = 1_000_000  # with every alias written out
MAX_WRITTEN = 250_000  # values and keys as they stand in the text

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIRST_OF_NUMBER = list("-+.0123456789")


class _Loader(_Base):
    """The safe loader with YAML 1.2 scalars: no yes/no, no sexagesimals, no dates."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  (a PyYAML class attribute)


def _resolver(tag: str, pattern: str, first: list[str]) -> None:
    import re

    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)


_resolver("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF"))
_resolver("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""])
_resolver("int", r"^[-+]?[0-9]+$", _FIRST_OF_NUMBER)
_resolver(
    "float",
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN))$",
    _FIRST_OF_NUMBER,
)
_resolver("merge", r"^(?:<<)$", ["<"])


def _int(loader, node):
    text = loader.construct_scalar(node)
    return int(text) if len(text) < 400 else float("inf")


def _float(loader, node):
    text = loader.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan")
    return float(text)


_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def _scan(text: str, file: str) -> None:
    """Refuses tags, deep nesting and many aliases, without building anything."""
    depth = aliases = values = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError(
                    f"nested too deeply at line {event.start_mark.line + 1}",
                    file=file, allowed=f"{MAX_DEPTH} levels",
                )  # fmt: skip
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MAX_ALIASES:
                raise InputError("too many aliases", file=file, allowed=f"{MAX_ALIASES}")
        if isinstance(event, yaml.NodeEvent):
            values += 1
            if values > MAX_WRITTEN:
                raise InputError("holds too much", file=file, allowed=f"{MAX_WRITTEN} values")
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in ("!",):
            raise InputError(
                f"the tag {tag!r} at line {event.start_mark.line + 1} is refused",
                file=file, allowed="plain YAML without tags",
            )  # fmt: skip


def _measure(node: yaml.Node, file: str, sizes: dict[int, int], open_: set[int]) -> int:
    """Number of nodes with aliases written out; refuses cycles and duplicate keys."""
    if id(node) in sizes:
        return sizes[id(node)]
    if id(node) in open_:
        raise InputError("an alias contains itself", file=file, allowed="no recursion")
    open_.add(id(node))
    total = 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise InputError(
                    f"a key at line {name.start_mark.line + 1} is not text",
                    file=file, allowed="text keys",
                )  # fmt: skip
            if name.value in seen and name.value != "<<":
                raise InputError(
                    f"given twice, again at line {name.start_mark.line + 1}",
                    file=file, key=name.value, allowed="each key once",
                )  # fmt: skip
            seen.add(name.value)
            total += 1 + _measure(value, file, sizes, open_)
    elif isinstance(node, yaml.SequenceNode):
        total += sum(_measure(value, file, sizes, open_) for value in node.value)
    if total > MAX_NODES:
        raise InputError(
            "aliases expand to too much", file=file, allowed=f"{MAX_NODES} values in all"
        )
    open_.discard(id(node))
    sizes[id(node)] = total
    return total


def _one_line(fault: yaml.YAMLError) -> str:
    mark = getattr(fault, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or str(fault)
    return f"not YAML: {' '.join(str(problem).split())}{where}"


def parse_yaml(text: str, file: str) -> Any:
    """The content of YAML text, with the checks of this module; ``file`` names it in messages.

    >>> parse_yaml("{amplitude_km: 7e4, service_start: 2028-07-01}", "x.yaml")
    {'amplitude_km': 70000.0, 'service_start': '2028-07-01'}
    """
    try:
        _scan(text, file)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _measure(node, file, {}, set())
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as fault:
        raise InputError(_one_line(fault), file=file) from fault
    except (ValueError, TypeError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(f"not YAML: {fault}", file=file) from fault


def read_mapping(path: str | Path, what: str = "scenario") -> dict[str, Any]:
    """The mapping in a YAML file, or an :class:`InputError` that says what is wrong with it."""
    path = Path(path)
    file = str(path)
    try:
        if path.is_dir():
            raise InputError("is a folder", file=file, allowed="a YAML file")
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InputError("not a file", file=file, allowed="a YAML file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                f"{size / 1e6:.1f} MB is too large for a {what}",
                file=file, allowed=f"{MAX_BYTES / 1e6:.0f} MB",
            )  # fmt: skip
        with path.open("rb") as source:
            raw = source.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise InputError(f"too large for a {what}", file=file, allowed="10 MB")
    except FileNotFoundError as fault:
        raise InputError("no such file", file=file, allowed="an existing YAML file") from fault
    except OSError as fault:
        raise InputError(
            f"cannot be read ({fault.strerror or fault})", file=file, allowed="a readable file"
        ) from fault
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise InputError("is not UTF-8 text", file=file, allowed="a YAML file") from fault
    content = parse_yaml(text, file)
    if content is None:
        raise InputError("is empty", file=file, allowed=f"a {what} in YAML")
    if not isinstance(content, dict):
        raise InputError(
            f"holds a {type(content).__name__}, not a mapping", file=file,
            allowed=f"a {what}: keys and values",
        )  # fmt: skip
    return content

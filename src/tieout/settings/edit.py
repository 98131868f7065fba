"""
A value set in a YAML text without touching the rest of it.

Only the characters that must change are replaced, so comments, order, quotation marks and
indentation of everything else stay as their author left them. What was made is read again and
compared, so an edit is either right or refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from tieout.core.errors import ConfigurationError
from tieout.settings.problems import render_problems
from tieout.settings.yaml_file import Located, parse_yaml, resolve

_FILE: Final = "settings"


def set_value(text: str, path: Sequence[str], value: object) -> str:
    """
    The text with the value at this path of keys, replaced or added.

    A key that is missing is added behind the last one of its map, in that map's own form, and
    so are the maps above it. Raises ConfigurationError if the text is no YAML that we take, if
    the path leads through something that is not a map, or if the path is empty.
    """
    if not path:
        raise ConfigurationError("a path names at least one key")
    before = _read(text)
    if before.kind == "scalar" and before.value is None and not before.text:
        after = _appended(text, f"{_block(path, value, 0)}\n")
    else:
        after = _edited(before, text, path, value)
    if _read(after).data() != _with(before.data(), path, _plain(value)):
        raise ConfigurationError(
            f"{'.'.join(path)} cannot be set without rewriting what stands around it",
            hint="Change it in the file.",
        )
    return after


def render_value(value: object) -> str:
    """A value on one line, quoted only where it would else be read as something different."""
    match value:
        case Enum():
            return render_value(value.value)
        case Mapping():
            inner = ", ".join(f"{_key(key)}: {render_value(item)}" for key, item in value.items())
            return f"{{{inner}}}"
        case str():
            return _text(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case Sequence():
            return f"[{', '.join(map(render_value, value))}]"
    raise ConfigurationError(f"a {type(value).__name__} cannot stand in a settings file")


def _read(text: str) -> Located:
    tree = parse_yaml(text, file=_FILE)
    if isinstance(tree, list):
        raise ConfigurationError(render_problems(tree))
    return tree


def _edited(tree: Located, text: str, path: Sequence[str], value: object) -> str:
    parent, depth = tree, 0
    while depth < len(path) - 1 and (child := parent.find(path[depth])) is not None:
        if child.kind == "scalar" and child.value is None and not child.style:
            break  # `tables:` with nothing behind it becomes a map
        parent, depth = child, depth + 1
    if parent.kind != "map":
        raise ConfigurationError(f"{'.'.join(path[:depth])} is not a group of keys")
    rest = path[depth:]
    present = parent.find(rest[0])
    if present is None:
        return _added(parent, text, rest, value)
    return _replaced(text, present, _nested(rest[1:], value))


def _replaced(text: str, node: Located, value: object) -> str:
    rendered = render_value(value)
    gap = " " if node.start == node.end else ""  # an empty value begins right behind its colon
    return text[: node.start] + gap + rendered + text[_content_end(text, node) :]


def _content_end(text: str, node: Located) -> int:
    """Where the last thing in a node ends, without the comments and blank lines behind it."""
    while node.kind != "scalar" and not node.flow:
        below = [entry.value for entry in node.entries.values()] or list(node.items)
        if node.kind == "list" and below[-1].start == below[-1].end:  # a dash with nothing
            return len(text[: below[-1].start].rstrip())
        node = below[-1]
    if node.style in ("|", ">"):
        return node.start + len(text[node.start : node.end].rstrip())
    return node.end


def _added(parent: Located, text: str, path: Sequence[str], value: object) -> str:
    if parent.flow:
        return _added_in_flow(parent, text, path, value)
    last = list(parent.entries.values())[-1]
    first = next(iter(parent.entries.values()))
    indent = parent.document.place(first.key.start).column - 1
    end = _end_of_entry(text, last.value, last.key)
    line = _block(path, value, indent)
    newline = "\r\n" if "\r\n" in text else "\n"
    line = line.replace("\n", newline)
    if end < len(text) or text.endswith("\n"):
        return text[:end] + line + newline + text[end:]
    return text + newline + line


def _end_of_entry(text: str, value: Located, key: Located) -> int:
    """Behind the line on which the last thing of an entry stands, its comment included."""
    end = max(key.end, _content_end(text, value))
    stop = text.find("\n", end)
    return len(text) if stop < 0 else stop + 1


def _added_in_flow(parent: Located, text: str, path: Sequence[str], value: object) -> str:
    entry = f"{_key(path[0])}: {render_value(_nested(path[1:], value))}"
    if not parent.entries:
        return text[: parent.start] + "{" + entry + "}" + text[parent.end :]
    last = list(parent.entries.values())[-1]
    end = max(last.value.end, last.key.end)
    return f"{text[:end]}, {entry}{text[end:]}"


def _appended(text: str, line: str) -> str:
    return f"{text}\n{line}" if text and not text.endswith("\n") else text + line


def _block(path: Sequence[str], value: object, indent: int) -> str:
    """The keys one below the other, the value behind the last one."""
    heads = [f"{' ' * (indent + 2 * depth)}{_key(key)}:" for depth, key in enumerate(path)]
    return "\n".join(heads) + f" {render_value(value)}"


def _nested(path: Sequence[str], value: object) -> object:
    for key in reversed(path):
        value = {key: value}
    return value


def _plain(value: object) -> object:
    """The value as it is after reading it from a file."""
    match value:
        case Enum():
            return _plain(value.value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case str() | bool() | None | int():
            return value
        case Decimal():
            return resolve(format(value, "f"))
        case date():
            return value.isoformat()
        case Sequence():
            return [_plain(item) for item in value]
    return value


def _with(data: object, path: Sequence[str], value: object) -> object:
    copy: dict[str, Any] = dict(data) if isinstance(data, dict) else {}
    head, *rest = path
    copy[head] = _with(copy.get(head), rest, value) if rest else value
    return copy


# Unquoted only what no YAML reader takes for anything but a text.
_PLAIN_TEXT = re.compile(r"[^\W\d_][\w ./+()-]*[\w.)]|[^\W\d_]")
_RISKY_WORDS: Final = frozenset(
    ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf")
)


def _key(key: object) -> str:
    return _text(str(key))


def _text(text: str) -> str:
    plain = _PLAIN_TEXT.fullmatch(text) and text.casefold() not in _RISKY_WORDS
    if plain:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\U{number:08x}"

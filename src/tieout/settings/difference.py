"""What is different between two versions of a configuration, in lines that a person reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tieout.settings.bridge import Configuration
from tieout.settings.bridge_canonical import canonical
from tieout.settings.edit import render_value

Leaves = dict[tuple[str, ...], Any]


def diff(old: Configuration, new: Configuration) -> list[str]:
    """
    The differences in meaning, in the order of the file's sections; none for other comments.

    `flows.documents.approve_above: ~ 50000 -> 100000`, `tables.items: + "Montage plus": MON-2`.
    """
    before, after = _leaves(old), _leaves(new)
    keys = list(before) + [key for key in after if key not in before]
    order = {section: index for index, section in enumerate(_SECTIONS)}
    keys.sort(key=lambda key: (order.get(key[0], len(order)), key))
    return [
        _line(key, before.get(key), after.get(key))
        for key in keys
        if before.get(key) != after.get(key)
    ]


_SECTIONS = ("bridge", "crm", "books", "flows", "brakes", "mapping", "tables")


def _leaves(configuration: Configuration) -> Leaves:
    data = canonical(configuration.model, configuration.written, configuration.values, whole=True)
    books = data.pop("books")
    data["books"] = {book["connection"]: _without(book, "connection") for book in books}
    leaves = dict(_flat(data, ()))
    leaves["books",] = [book["connection"] for book in books]
    return leaves


def _without(group: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != key}


def _flat(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if path[:1] == ("mapping",) and len(path) == 3:
        # A row of the mapping is read as a whole, in its short form where it has one.
        yield path, value["from"] if set(value) == {"from"} else value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, (*path, key))
    else:
        yield path, value


def _line(key: tuple[str, ...], before: Any, after: Any) -> str:
    if key[0] == "tables":
        *path, source = key
        shown = f"{json.dumps(source, ensure_ascii=False)}: "
    else:
        path, shown = list(key), ""
    name = ".".join(path)
    if before is None:
        return f"{name}: + {shown}{render_value(after)}"
    if after is None:
        return f"{name}: - {shown}{render_value(before)}"
    return f"{name}: ~ {shown}{render_value(before)} -> {render_value(after)}"

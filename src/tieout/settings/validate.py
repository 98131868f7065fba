"""A tree of settings checked against a Pydantic model: the model, or all problems with places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tieout.core.mapping import Expr
from tieout.settings.expressions import parse
from tieout.settings.problems import Place, Problem, did_you_mean, problem_at, suggestion
from tieout.settings.yaml_file import Located

Model = TypeVar("Model", bound=BaseModel)
Loc: TypeAlias = tuple[str | int, ...]


def validate(model_class: type[Model], tree: Located) -> Model | list[Problem]:
    """
    The settings as a model, or everything that is wrong with them, in the order of the file.

    A key that the model does not have is an `unknown_key` with the nearest known one; the
    model forbids extra keys for that.
    """
    try:
        return model_class.model_validate(tree.data())
    except ValidationError as error:
        found = [
            _problem(model_class, tree, details)
            for details in error.errors(include_url=False, include_context=True)
        ]
    return sorted(_without_doubles(found), key=lambda problem: (problem.line, problem.column))


def parse_at(tree: Located, *path: str | int) -> Expr | list[Problem]:
    """The expression in the scalar at this path, problems with their places in the file."""
    node = tree.find(*path)
    key = tuple(map(str, path))
    if node is None or node.kind != "scalar":
        message = "an expression is missing here"
        return [problem_at(tree.place(*path), "expression", message, key=key)]
    return parse(node.text, place=node)


def json_schema(model_class: type[BaseModel], *, title: str) -> dict[str, Any]:
    """The JSON Schema by which editors complete and check the file."""
    schema = model_class.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _without_doubles(found: Iterable[Problem]) -> list[Problem]:
    """A value that fits no form of a union is one problem, not one for each form."""
    kept: dict[tuple[int, int, str], Problem] = {}
    for problem in found:
        kept.setdefault((problem.line, problem.column, problem.code), problem)
    return list(kept.values())


def _problem(model_class: type[BaseModel], tree: Located, details: ErrorDetails) -> Problem:
    path = _path_in(tree, details["loc"], missing=details["type"] == "missing")
    key = tuple(map(str, path))
    value = details["input"]
    shown = "" if isinstance(value, dict | list) or value is None else str(value)
    kind = details["type"]
    if kind == "extra_forbidden":
        return _unknown_key(model_class, tree, path)
    if kind == "missing":
        name = str(details["loc"][-1])
        place = _missing_place(tree, path)
        return problem_at(place, "missing_key", f"the key {name} is missing here.", key=key)
    context: Mapping[str, Any] = details.get("ctx", {})
    place = tree.place(*path)
    code, message, hint = _words(kind, context, shown, details["msg"])
    return problem_at(place, code, message, hint=hint, key=key, value=shown)


def _path_in(tree: Located, loc: Loc, *, missing: bool) -> Loc:
    """The location without what Pydantic adds: names of union members, a key's own mark."""
    path: list[str | int] = []
    node = tree
    for step in loc[:-1] if missing else loc:
        child = node.find(step if isinstance(step, int) or node.kind != "list" else str(step))
        if child is not None:
            path.append(step)
            node = child
    return tuple(path)


def _missing_place(tree: Located, path: Loc) -> Place:
    return tree.key_place(*path) if path else tree.place()


def _unknown_key(model_class: type[BaseModel], tree: Located, path: Loc) -> Problem:
    name = str(path[-1]) if path else ""
    place, key = tree.key_place(*path), tuple(map(str, path))
    said = _SAID_OF.get(name) if len(path) == 1 else None
    if said is None and name.isdecimal():
        said = "A comma parts two entries here; write a number as 50000.00."
    known = _known_keys(model_class, path[:-1])
    near = did_you_mean(name, known)
    message = f'"{name}": did you mean {near}?' if near else f'there is no key "{name}" here.'
    hint = "" if near or not known else f"There are: {', '.join(sorted(known))}."
    if said is not None:
        message, hint = f'there is no key "{name}" here.', said
    return problem_at(place, "unknown_key", message, hint=hint, key=key, value=name)


# What people look for in the file and find elsewhere.
_SAID_OF: Final = {
    "alerts": "Nobody is told by mail or chat: exit codes and tieout status say what is wrong, and "
    "flows.reconcile.alert names whose exception it is.",
    "connections": "Connections are not in this file: tieout connection add.",
    "schedule": "How often is said by flows.NAME.every, and by tieout run --every 1m.",
}


def _known_keys(model_class: type[BaseModel], path: Loc) -> set[str]:
    """The keys of the models that may stand at this path."""
    models: set[type[BaseModel]] = {model_class}
    for step in path:
        inner: set[type[BaseModel]] = set()
        named = False
        for model in models:
            for name, info in model.model_fields.items():
                if step in (info.alias, name):
                    inner |= _models_in(info.annotation)
                    named = True
        # A list's index or a dictionary's key leads to the same models again.
        models = inner if named else models
    return {info.alias or name for model in models for name, info in model.model_fields.items()}


def _models_in(annotation: object) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return set[type[BaseModel]]().union(*map(_models_in, get_args(annotation)))


Words: TypeAlias = tuple[str, str, str]
"""Code, message, hint."""

_KEYS: Final = "keys with values"
_TYPES: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": _KEYS,
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "date_type": "a date such as 2026-10-31",
    "date_parsing": "a date such as 2026-10-31",
    "date_from_datetime_parsing": "a date such as 2026-10-31",
    "time_delta_type": "a duration",
    "time_delta_parsing": "a duration",
}

_LIMITS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "greater_than": lambda ctx: f"this has to be more than {ctx['gt']}.",
    "greater_than_equal": lambda ctx: f"{ctx['ge']} is the least that is allowed.",
    "less_than": lambda ctx: f"this has to be less than {ctx['lt']}.",
    "less_than_equal": lambda ctx: f"{ctx['le']} is the most that is allowed.",
    "string_too_short": lambda ctx: f"at least {ctx['min_length']} characters are needed.",
    "string_too_long": lambda ctx: f"at most {ctx['max_length']} characters are allowed.",
    "too_short": lambda ctx: f"at least {ctx['min_length']} are needed.",
    "too_long": lambda ctx: f"at most {ctx['max_length']} are allowed.",
    "decimal_max_digits": lambda ctx: f"at most {ctx['max_digits']} digits are allowed.",
    "decimal_whole_digits": lambda ctx: (
        f"at most {ctx['whole_digits']} digits are allowed before the point."
    ),
    "finite_number": lambda _ctx: "a number with an end belongs here.",
    "decimal_max_places": lambda ctx: f"at most {ctx['decimal_places']} decimals are allowed.",
    "string_pattern_mismatch": lambda _ctx: "this is not written as it has to be.",
}


def _words(kind: str, context: Mapping[str, Any], shown: str, message: str) -> Words:
    if kind in _TYPES:
        now = f', not "{shown}"' if shown else ""
        belongs = "belong" if _TYPES[kind] == _KEYS else "belongs"
        hint = 'Begin each of its entries with "- ".' if _TYPES[kind] == "a list" else ""
        if kind == "decimal_parsing" and re.search(r"\d[ ,'.]\d", shown):
            hint = "Write it as 50000.00."
        return "wrong_type", f"{_TYPES[kind]} {belongs} here{now}.", hint
    if kind in ("literal_error", "enum"):
        allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        near = suggestion(shown, allowed)
        hint = near or f"There are: {', '.join(allowed)}."
        return "not_allowed", f'"{shown}" is not among the words allowed here.', hint
    if kind in _LIMITS:
        return "value_wrong", _LIMITS[kind](context), ""
    if kind in ("value_error", "assertion_error"):
        return "value_wrong", str(context.get("error", message)), ""
    return (
        "value_wrong",
        "this value does not fit here.",
        message.replace("Input should", "It has to"),
    )

"""
The vendors' descriptions of their APIs, held against requests: operation, query, headers, body.

`problems` says of one request what its vendor does not know or take. Every test that talks to a
simulator in this process is held against them (`tests/conftest.py`), so no call can be left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tieout.connectors.http.json import loads
from tieout.ports import HttpRequest


class Webcrm:
    """webCRM's document, and what was seen beside it."""

    def __init__(self, folder: Path) -> None:
        text = (folder / "webcrm-rest-v1.swagger.json").read_text(encoding="utf-8")
        document = json.loads(text)
        self.models: dict[str, Any] = document["definitions"]
        self._paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path, methods)
            for path, methods in document["paths"].items()
        ]
        seen = json.loads((folder / "observed-additions.json").read_text(encoding="utf-8"))
        self._seen = {(one["method"], one["path"]): one for one in seen["endpoints"]}
        self.tables = seen["queryTables"]
        self.templates: set[str] = set()

    def problems(self, request: HttpRequest) -> Iterator[str]:
        """What of a request the vendor does not know or take."""
        parts = urlsplit(request.url)
        where = f"{request.method} {parts.path}"
        asked = {name for name, _ in parse_qsl(parts.query)}
        beside = self._seen.get((request.method, parts.path))
        if beside is not None:
            self.templates.add(parts.path)
            yield from (f"{where}: {name}" for name in asked - set(beside.get("query", {})))
            return
        fitting = [
            (path, methods[request.method.lower()])
            for pattern, path, methods in self._paths
            if pattern.match(parts.path) and request.method.lower() in methods
        ]
        if not fitting:
            yield f"{where}: no such operation"
            return
        path, operation = min(fitting, key=lambda found: found[0].count("{"))
        self.templates.add(path)
        known = operation.get("parameters", ())
        allowed = {one["name"] for one in known if one["in"] == "query"}
        yield from (f"{where}: parameter {name}" for name in sorted(asked - allowed))
        body = next((one for one in known if one["in"] == "body"), None)
        if body is not None and not request.body:
            yield f"{where}: needs a body"
        elif body is not None:
            yield from self._value(loads(request.body), body["schema"], where)
        elif request.body and not any(one["in"] == "formData" for one in known):
            yield f"{where}: takes no body"

    def _value(self, value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
        if "$ref" in schema:
            yield from self._object(value, schema["$ref"].rpartition("/")[2], where)
            return
        kinds: dict[str, tuple[type, ...]] = {
            "string": (str,),
            "boolean": (bool,),
            "integer": (int,),
            "number": (int, Decimal),
            "array": (list,),
        }
        if not isinstance(value, kinds[schema["type"]]):
            yield f"{where} is {schema['type']}, not {value!r}"
        elif schema["type"] == "array":
            for item in value:
                yield from self._value(item, schema["items"], where)
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{where} is none of {schema['enum']}: {value!r}"
        elif isinstance(value, str) and len(value) > schema.get("maxLength", 1_000_000):
            yield f"{where} has {len(value)} characters"
        elif schema.get("format") == "date-time" and not re.match(r"\d{4}-\d\d-\d\dT", str(value)):
            yield f"{where} is no time: {value!r}"

    def _object(self, value: Any, model: str, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where}: {model} is an object"
            return
        fields = self.models[model]["properties"]
        for name in self.models[model].get("required", ()):
            if name not in value:
                yield f"{where}: {name} is required"
        for name, given in value.items():
            if name not in fields:
                yield f"{where}: {model} has no {name}"
            elif given is None:
                yield f"{where}: {name} is null"
            else:
                yield from self._value(given, fields[name], f"{where}: {name}")


# The company is told in a header where a sign-in sees several: no operation names it, all take it.
_OWN = {"accept", "authorization", "content-type", "ipp-company-id"}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "date-time": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, Decimal),
}


# The identity service has a description of its own, the standard.
_SIGN_IN = {("POST", "/connect/token"), ("GET", "/connect/authorize")}


class VismaNet:
    """Visma.net's operations and field tables; sales orders have a host and rules of their own."""

    def __init__(self, folder: Path) -> None:
        path = folder / "erp-service-api-subset.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        self.definitions: dict[str, dict[str, dict[str, Any]]] = data["definitions"]
        # The vendor does not look at the case of a path.
        self._operations = [
            (op["method"], re.compile(re.sub(r"\{[^}]+\}", "[^/]+", op["path"]) + "$", re.I), op)
            for op in data["operations"]
        ]
        path = folder / "salesorder-v3-subset.json"
        self._orders = _Orders(json.loads(path.read_text(encoding="utf-8")))

    def operation(self, request: HttpRequest) -> dict[str, Any] | None:
        """The operation of a request; one with fewer ids in its path goes first."""
        path = urlsplit(request.url).path
        fitting = [
            op
            for method, pattern, op in self._operations
            if method == request.method and pattern.match(path)
        ]
        return min(fitting, key=lambda op: op["path"].count("{"), default=None)

    def problems(self, request: HttpRequest) -> list[str]:
        """What of a request the vendor does not know or take."""
        path = urlsplit(request.url).path
        if (request.method, path) in _SIGN_IN:
            return []
        if path.startswith("/api/v3/"):
            return self._orders.problems(request)
        operation = self.operation(request)
        where = f"{request.method} {urlsplit(request.url).path}"
        if operation is None:
            return [f"{where}: no such operation"]
        asked = {name for name, _ in parse_qsl(urlsplit(request.url).query)}
        unknown = sorted(asked - set(operation.get("query") or ()))
        found = [f"{where}: parameter {name}" for name in unknown]
        headers = {name.lower() for name in operation.get("headers") or ()}
        sent = {name.lower() for name in request.headers} - _OWN
        found += [f"{where}: header {name}" for name in sorted(sent - headers)]
        model = operation.get("body")
        if request.body and model in self.definitions:
            found += self._body(loads(request.body), model, where)
        elif request.body and request.body != b"{}":
            found.append(f"{where}: takes no body like this")
        return found

    def _body(self, value: Any, model: str, where: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{where}: {model} is an object"]
        found = []
        for name, given in value.items():
            told = self.definitions[model].get(name)
            if told is None:
                found.append(f"{where}: {model} has no {name}")
            elif told.get("value_wrapped"):
                if not isinstance(given, dict) or set(given) != {"value"}:
                    found.append(f"{where}: {name} is wrapped")
                else:
                    found += self._value(given["value"], told, f"{where}: {name}")
            else:
                found += self._value(given, told, f"{where}: {name}")
        return found

    def _value(self, given: Any, told: dict[str, Any], where: str) -> list[str]:
        if given is None:
            return [f"{where} is null"]
        if "array_of" in told:
            if not isinstance(given, list):
                return [f"{where} is a list"]
            return [p for item in given for p in self._body(item, told["array_of"], where)]
        if "ref" in told:
            return self._body(given, told["ref"], where)
        if "enum" in told:
            return [] if given in told["enum"] else [f"{where} is none of {told['enum']}"]
        if not isinstance(given, _KINDS[told["type"]]):
            return [f"{where} is {told['type']}, not {given!r}"]
        if told["type"] == "date-time" and not re.fullmatch(r"\d{4}-\d\d-\d\d", given):
            return [f"{where} is no plain date"]
        return []


class _Orders:
    """The Sales Order service: plain JSON, a version in `If-Match`, models of its own."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._models: dict[str, dict[str, dict[str, Any]]] = data["definitions"]
        self._operations = [
            (op["method"], re.compile(re.sub(r"\{[^}]+\}", "[^/]+", op["path"]) + "$"), op)
            for op in data["operations"]
        ]

    def problems(self, request: HttpRequest) -> list[str]:
        """What of a request the service does not know or take."""
        parts = urlsplit(request.url)
        where = f"{request.method} {parts.path}"
        fitting = [
            op
            for method, pattern, op in self._operations
            if method == request.method and pattern.match(parts.path)
        ]
        if not fitting:
            return [f"{where}: no such operation"]
        operation = min(fitting, key=lambda op: op["path"].count("{"))
        known = {parameter["name"] for parameter in operation.get("query") or ()}
        asked = {name for name, _ in parse_qsl(parts.query)}
        found = [f"{where}: parameter {name}" for name in sorted(asked - known)]
        sent = {name.lower() for name in request.headers}
        if operation.get("if_match") == "required" and "if-match" not in sent:
            found.append(f"{where}: If-Match is required")
        if request.body and "body" in operation:
            found += self._value(loads(request.body), operation["body"], where)
        elif request.body:
            found.append(f"{where}: takes no body")
        return found

    def _value(self, value: Any, kind: str, where: str) -> list[str]:
        if kind.startswith("Array<"):
            if not isinstance(value, list):
                return [f"{where} is a list"]
            return [p for item in value for p in self._value(item, kind[6:-1], where)]
        if kind not in self._models:
            fits = kind not in _KINDS or value is None or isinstance(value, _KINDS[kind])
            return [] if fits else [f"{where} is {kind}, not {value!r}"]
        if not isinstance(value, dict):
            return [f"{where}: {kind} is an object"]
        fields = self._models[kind]
        missing = [name for name, told in fields.items() if told.get("required")]
        found = [f"{where}: {name} is required" for name in missing if name not in value]
        for name, given in value.items():
            if name not in fields:
                found.append(f"{where}: {kind} has no {name}")
            else:
                found += self._value(given, fields[name]["type"], f"{where}: {name}")
        return found


Description = Callable[[HttpRequest], list[str]]


def descriptions(specs: Path) -> dict[str, Description]:
    """What is wrong with a request, by the name of the simulator that it goes to."""
    webcrm, visma_net = Webcrm(specs / "webcrm"), VismaNet(specs / "visma-net")
    return {
        "webcrm": lambda request: list(webcrm.problems(request)),
        "visma_net": visma_net.problems,
    }

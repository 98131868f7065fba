"""Tryton's JSON-RPC, spoken the way its own clients speak it: values, session, kinds of error."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

# What a call takes and answers is only known by the model that is asked.
Value = Any
Row = dict[str, Any]

_SHARED = ("/rpc/", "common.server.version")


class TrytonError(Exception):
    """
    A call was not done.

    `kind` is the server's word (`UserError`, `UserWarning`, `ConcurrencyException`,
    `LoginException`), `internal` for its own trouble, or `http` with the `status`. `name` is
    what a `UserWarning` is skipped by.
    """

    def __init__(self, kind: str, message: str, *, status: int = 200, name: str = "") -> None:
        super().__init__(f"{kind}: {message}" if status == 200 else f"{status}: {message}")
        self.kind = kind
        self.message = message
        self.status = status
        self.name = name


def encode(value: Value) -> Value:
    """The value as Tryton's JSON has it. A float is refused: money would lose its scale."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        fields = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{name: getattr(value, name) for name in fields}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, bytes):
        return {"__class__": "bytes", "base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return {name: encode(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [encode(inner) for inner in value]
    raise TypeError(f"Tryton's JSON has no {type(value).__name__}")


def _decode(found: Row) -> Value:
    kind = found.get("__class__")
    if kind is None:
        return found
    if kind == "Decimal":
        return Decimal(found["decimal"])
    if kind == "date":
        return date(found["year"], found["month"], found["day"])
    if kind == "datetime":
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        # The server's instants are UTC and say no zone; they go back the same way.
        return datetime(*(found[part] for part in parts))  # noqa: DTZ001
    if kind == "bytes":
        return base64.b64decode(found["base64"])
    if kind == "timedelta":
        return timedelta(microseconds=int(found["seconds"] * 1_000_000))
    raise ValueError(f"unknown class in Tryton's JSON: {kind}")


class Tryton:
    """
    One user's session with one database. `company` goes into the context of every call.

    It holds no connection open, so threads may share it.
    """

    def __init__(self, port: int, database: str, *, company: int | None = None) -> None:
        self.port = port
        self.database = database
        self.company = company
        self.user: int | None = None
        self._session = ""

    def version(self) -> str:
        """The series of the server, like "8.0"; needs no session."""
        answer: str = self._post(_SHARED[0], _SHARED[1], [])
        return answer

    def log_in(self, login: str, password: str) -> None:
        """Open a session. Waits until the server has loaded the database's models."""
        params = [login, {"password": password}, "en"]
        user, key, _ = self._post(self._path(), "common.db.login", params)
        self.user = user
        self._session = base64.b64encode(f"{login}:{user}:{key}".encode()).decode("ascii")

    def call(self, method: str, *params: Value, context: Row | None = None) -> Value:
        """The result of a method with its positional parameters. Raises TrytonError."""
        known: Row = {} if self.company is None else {"company": self.company}
        return self._post(self._path(), method, [*params, {**known, **(context or {})}])

    def search(
        self, model: str, domain: Value, names: Iterable[str], *, limit: int | None = None
    ) -> list[Row]:
        """The records that fulfil the domain, by id, with the named fields and `id`."""
        method = f"model.{model}.search_read"
        found: list[Row] = self.call(method, domain, 0, limit, [["id", "ASC"]], [*names])
        return found

    def one(self, model: str, domain: Value, *names: str) -> Row:
        """The only record that fulfils the domain. Raises LookupError if there is not one."""
        found = self.search(model, domain, names, limit=2)
        if len(found) != 1:
            raise LookupError(f"{len(found) or 'no'} {model} where {domain}")
        return found[0]

    def read(self, model: str, record: int, *names: str) -> Row:
        """The named fields of one record."""
        found: list[Row] = self.call(f"model.{model}.read", [record], [*names])
        return found[0]

    def create(self, model: str, values: Row) -> int:
        """The id of a new record."""
        made: list[int] = self.call(f"model.{model}.create", [values])
        return made[0]

    def write(self, model: str, record: int, values: Row) -> None:
        """Change one record."""
        self.call(f"model.{model}.write", [record], values)

    def wizard(self, name: str, *steps: tuple[str, Row], context: Row | None = None) -> list[Value]:
        """What a wizard answered to each step; a step is a button's state and the form's data."""
        session = self.call(f"wizard.{name}.create", context=context)[0]
        try:
            return [
                self.call(f"wizard.{name}.execute", session, data, state, context=context)
                for state, data in steps
            ]
        finally:
            self.call(f"wizard.{name}.delete", session, context=context)

    def _path(self) -> str:
        return f"/{self.database}/rpc/"

    def _post(self, path: str, method: str, params: list[Value]) -> Value:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if self._session:
            headers["Authorization"] = f"Session {self._session}"
        # These three keys and no other: with a fourth the server speaks another protocol.
        body = json.dumps({"id": 1, "method": method, "params": encode(params)})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            raw = response.read()
            if response.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            status = response.status
        finally:
            connection.close()
        if status != 200:
            text = raw.decode("utf-8", "replace")[:300]
            raise TrytonError("http", f"{method} {text}".strip(), status=status)
        return _result(json.loads(raw, parse_float=Decimal, object_hook=_decode))


def _result(answer: Row) -> Value:
    if "error" not in answer:
        return answer["result"]
    kind, rest = answer["error"]
    if kind == "UserWarning":
        raise TrytonError(kind, rest[1], name=rest[0])
    if kind == "UserError":
        raise TrytonError(kind, " ".join(part for part in rest[:2] if part))
    if kind == "LoginException":
        raise TrytonError(kind, rest[1], name=rest[0])
    if kind == "ConcurrencyException":
        raise TrytonError(kind, str(rest))
    raise TrytonError("internal", str(kind))

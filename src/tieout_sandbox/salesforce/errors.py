"""What Salesforce says when it refuses: one exception, two spellings."""

from __future__ import annotations

from collections.abc import Iterable


class SalesforceError(Exception):
    """A refusal with the vendor's code, text, HTTP status and the fields it names."""

    def __init__(
        self, code: str, message: str, *, status: int = 400, fields: Iterable[str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = None if fields is None else list(fields)

    def as_request_error(self) -> dict[str, object]:
        """The element of the array that a plain REST call answers (`errorCode`)."""
        found: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            found["fields"] = self.fields
        return found

    def as_item_error(self) -> dict[str, object]:
        """The element of `errors` in a collection's answer (`statusCode`)."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields or []}

    def as_csv_error(self) -> str:
        """The `sf__Error` cell of a bulk job's failed row: `CODE:message:fields --`."""
        return f"{self.code}:{self.message}:{','.join(self.fields or [])} --"


class SeveralMatchesError(Exception):
    """An external id names several rows: the answer is 300 with their addresses."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} rows match")
        self.ids = ids


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    """The 404 of an unknown path, object or row."""
    return SalesforceError("NOT_FOUND", message, status=404)


def deleted() -> SalesforceError:
    """The 404 of a row that lies in the recycle bin."""
    return SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404, fields=[])


def session_invalid() -> SalesforceError:
    """The 401 of a token that ran out, was revoked, or never was one."""
    return SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)

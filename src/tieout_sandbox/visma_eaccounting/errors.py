"""The vendor's error codes and error body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_eaccounting.assumptions import Assumptions

VALIDATION = 2000
NOT_FOUND = 3000
NO_FISCAL_YEAR = 3001
ACCOUNT_NOT_FOUND = 3002
CONFLICT = 4000
CANNOT_DELETE = 4001
CANNOT_UPDATE = 4002  # the same number says "no access to module", with 403
COMPANY_NOT_ACTIVE = 4004
NOT_AUTHORIZED = 4005
NO_SCOPE = 4006
NO_VARIANT = 4009
TOO_MANY = 4010
CANNOT_BOOK = 4013
READ_ONLY_USER = 4019
FUTURE_DATE = 4023
SALES_ACCOUNT_MISSING = 4024
INVALID_VAT_NUMBER = 4025
REVERSED_VAT_ZERO = 4027
ORDER_NOT_VOIDABLE = 4028
INVALID_SSN = 4029
NOT_IN_SANDBOX = 4034
INVALID_FORCE_VAT = 4035
NO_DOMESTIC_AMOUNT = 4039
EXTERNAL_VALIDATION = 4100
PROJECT_ENDED = 5005
INACTIVE_COST_CENTER = 5006
QUERY_PARAMETER = 6000
INVALID_INPUT = 6001

_STATUS = {
    COMPANY_NOT_ACTIVE: 403,
    NOT_AUTHORIZED: 401,
    NO_SCOPE: 403,
    NO_VARIANT: 403,
    TOO_MANY: 429,
    READ_ONLY_USER: 403,
}


class VismaError(Exception):
    """The call is refused; nothing was done. `field` names the property at fault, where one is."""

    def __init__(
        self,
        code: int,
        text: str,
        *,
        errors: Sequence[dict[str, Any]] | None = None,
        field: str | None = None,
        kind: str = "Invalid",
        status: int | None = None,
        path_id: bool = False,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status
        self.path_id = path_id
        self.errors = list(errors) if errors is not None else None
        if field is not None:
            self.errors = [fault(field, kind, text)]

    def response(self, assumptions: Assumptions, error_id: str) -> Response:
        """The answer as the vendor writes it."""
        body = {
            "ErrorCode": self.code,
            "DeveloperErrorMessage": self.text,
            "ErrorId": error_id,
            "Errors": self.errors if self.errors is not None else [],
        }
        if self.code == NOT_FOUND and self.path_id and not assumptions.not_found_path_body:
            return Response(status=404)
        return json_response(self._status(assumptions), body)

    def _status(self, assumptions: Assumptions) -> int:
        if self.status is not None:
            return self.status
        if self.code == NOT_FOUND:
            where = "path" if self.path_id else "body"
            return int(getattr(assumptions, f"status_not_found_{where}"))
        if self.code == CONFLICT:
            return assumptions.status_conflict
        return _STATUS.get(self.code, assumptions.status_error)


def fault(field: str, kind: str, text: str) -> dict[str, Any]:
    """One entry of `Errors`."""
    return {"Field": field, "ErrorCode": kind, "Message": text, "Key": field}


def no_module(module: str, assumptions: Assumptions) -> VismaError:
    """The plan lacks a module."""
    return VismaError(
        CANNOT_UPDATE,
        f"ForbiddenRequestException - No access to module: {module}",
        status=assumptions.status_module,
    )

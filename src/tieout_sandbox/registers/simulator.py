"""
VIES (`check-vat-number`, its test service, `check-status`) and Brønnøysund's `enheter`.

VIES reports its own troubles with status 200 and `errorWrappers`; which status it uses for which
code is not documented, so that a fault of the kind `status` can give any. A number that nobody
registered is not valid, unless `answer_all` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tieout_sandbox.kit import Action, ActionError, Request, Response, Simulator, json_response
from tieout_sandbox.kit.clock import instant_text
from tieout_sandbox.kit.faults import KINDS, WEBHOOK_KINDS
from tieout_sandbox.registers.fixtures import ENTITIES, STATES, TEST_CODES

VIES = "/taxation_customs/vies/rest-api"
BRREG = "/enhetsregisteret/api"
_NOT_TOLD = "---"
_NOTHING_FOR = {"search_lag", "key_expiry", "token_expired", "token_revoked", "stale", "batch_cut"}


def credentials() -> dict[str, str]:
    """Nobody signs in to a public register; these are the paths."""
    return {"vies_path": VIES, "brreg_path": BRREG}


class RegistersSimulator(Simulator):
    """Both registers on one address; see `credentials` for their paths."""

    name = "registers"
    fault_kinds = KINDS - WEBHOOK_KINDS - _NOTHING_FOR

    def build(self) -> None:
        self.numbers: dict[str, dict[str, Any]] = {}
        self.entities_: dict[str, dict[str, Any]] = {
            number: dict(row) for number, row in ENTITIES.items()
        }
        self.silent: dict[str, str] = {}
        self.all_valid: bool | None = None
        self.asked: list[dict[str, Any]] = []

    def template(self, request: Request) -> str:
        if request.path.startswith(f"{BRREG}/enheter/"):
            return f"{BRREG}/enheter/{{id}}"
        return request.path

    def vendor(self, request: Request) -> Response:
        match (request.method, request.path):
            case ("POST", path) if path == f"{VIES}/check-vat-number":
                return self._check(request)
            case ("POST", path) if path == f"{VIES}/check-vat-test-service":
                return self._test_service(request)
            case ("GET", path) if path == f"{VIES}/check-status":
                return self._status()
            case ("GET", path) if path == f"{BRREG}/enheter":
                return self._search(request)
            case ("GET", path) if path.startswith(f"{BRREG}/enheter/"):
                return self._entity(path.rpartition("/")[2])
        return json_response(404, {"status": 404, "error": "Not Found", "path": request.path})

    # VIES.

    def _check(self, request: Request) -> Response:
        asked = _object(request)
        state, number = str(asked.get("countryCode", "")), str(asked.get("vatNumber", ""))
        if state not in STATES or not re.fullmatch("[A-Z0-9+*]{2,12}", number):
            return _failed("INVALID_INPUT")
        by = str(asked.get("requesterMemberStateCode", ""))
        own = str(asked.get("requesterNumber", ""))
        if (by or own) and (by not in STATES or not re.fullmatch("[A-Z0-9+*]{2,12}", own)):
            return _failed("INVALID_REQUESTER_INFO")
        code = self.silent.get("") or self.silent.get(state) or self.silent.get(state + number)
        if code:
            return _failed(code)
        found = self.numbers.get(state + number)
        valid = bool(self.all_valid) if found is None else bool(found["valid"])
        name = str(found["name"]) if found and valid and found["name"] else _NOT_TOLD
        proof = f"WAPIAAAAX{len(self.asked) + 1:07}" if own else ""
        self.asked.append(
            {
                "number": state + number,
                "requester": by + own,
                "valid": valid,
                "consultation": proof,
                "at": instant_text(self.clock.now()),
            }
        )
        return json_response(200, self._answer(state, number, valid, name, proof))

    def _answer(
        self, state: str, number: str, valid: bool, name: str, proof: str
    ) -> dict[str, Any]:
        return {
            "countryCode": state,
            "vatNumber": number,
            "requestDate": instant_text(self.clock.now()),
            "valid": valid,
            "requestIdentifier": proof,
            "name": name,
            "address": _NOT_TOLD,
            "traderName": _NOT_TOLD,
            "traderStreet": _NOT_TOLD,
            "traderPostalCode": _NOT_TOLD,
            "traderCity": _NOT_TOLD,
            "traderCompanyType": _NOT_TOLD,
            "traderNameMatch": "NOT_PROCESSED",
            "traderStreetMatch": "NOT_PROCESSED",
            "traderPostalCodeMatch": "NOT_PROCESSED",
            "traderCityMatch": "NOT_PROCESSED",
            "traderCompanyTypeMatch": "NOT_PROCESSED",
        }

    def _test_service(self, request: Request) -> Response:
        """Answers by the number alone, whatever the state."""
        asked = _object(request)
        state, number = str(asked.get("countryCode", "")), str(asked.get("vatNumber", ""))
        if number in ("100", "200"):
            valid = number == "100"
            name = "John Doe" if valid else _NOT_TOLD
            return json_response(200, self._answer(state, number, valid, name, ""))
        return _failed(TEST_CODES.get(number, "SERVICE_UNAVAILABLE"))

    def _status(self) -> Response:
        countries = [
            {
                "countryCode": state,
                "availability": "Unavailable" if state in self.silent else "Available",
            }
            for state in STATES
        ]
        return json_response(
            200, {"vow": {"available": "" not in self.silent}, "countries": countries}
        )

    # Brønnøysund.

    def _entity(self, number: str) -> Response:
        if self.silent.get("NO"):
            return json_response(503, {"status": 503, "error": "Service Unavailable"})
        row = self.entities_.get(number)
        if not re.fullmatch("[0-9]{9}", number):
            return json_response(400, {"status": 400, "error": "Bad Request"})
        if row is None:
            return json_response(404, {"status": 404, "error": "Not Found"})
        if row.get("_removed"):
            return json_response(410, {"organisasjonsnummer": number})
        return json_response(200, row)

    def _search(self, request: Request) -> Response:
        if self.silent.get("NO"):
            return json_response(503, {"status": 503, "error": "Service Unavailable"})
        wanted = request.param("organisasjonsnummer")
        rows = [
            row
            for number, row in sorted(self.entities_.items())
            if not row.get("_removed") and (wanted is None or number in wanted.split(","))
        ]
        size = int(request.param("size") or 20)
        found: dict[str, Any] = {
            "page": {"size": size, "totalElements": len(rows), "totalPages": 1, "number": 0}
        }
        if rows:
            found["_embedded"] = {"enheter": rows[:size]}
        return json_response(200, found)

    # The kit.

    def entities(self) -> Mapping[str, Callable[[], Iterable[dict[str, Any]]]]:
        return {
            "numbers": lambda: [{"number": key, **row} for key, row in self.numbers.items()],
            "entities": lambda: list(self.entities_.values()),
            "consultations": lambda: list(self.asked),
            "silent": lambda: [{"place": key, "code": code} for key, code in self.silent.items()],
        }

    def actions(self) -> Mapping[str, Action]:
        number = "letters and digits, such as FI20774740 or NO974760673MVA"
        place = "FI, NO, a whole number, or empty for all of VIES"
        return {
            "register": Action(
                arguments={"number": number, "name": "the holder's name, empty: none is told"},
                run=self._register,
            ),
            "deregister": Action(arguments={"number": number}, run=self._deregister),
            "answer_all": Action(
                arguments={"valid": "true or false for numbers of VIES that nobody registered"},
                run=self._answer_all,
            ),
            "silence": Action(
                arguments={"place": place, "code": "such as MS_UNAVAILABLE (the default)"},
                run=self._silence,
            ),
            "speak": Action(arguments={"place": place}, run=self._speak),
        }

    def _register(self, given: Mapping[str, Any]) -> Any:
        return self._put(given, valid=True)

    def _deregister(self, given: Mapping[str, Any]) -> Any:
        return self._put(given, valid=False)

    def _put(self, given: Mapping[str, Any], *, valid: bool) -> dict[str, Any]:
        number, name = str(given.get("number", "")), str(given.get("name") or "")
        if number.startswith("NO"):
            local = "".join(sign for sign in number if sign.isdigit())
            row = self.entities_.setdefault(local, {"organisasjonsnummer": local, "navn": name})
            row["registrertIMvaregisteret"] = valid
            row["navn"] = name or row["navn"]
            return dict(row)
        if number[:2] not in STATES:
            raise ActionError(f"{number} is of no state that VIES knows: {', '.join(STATES)}")
        known = self.numbers.get(number, {"name": ""})
        self.numbers[number] = {"valid": valid, "name": name or known["name"]}
        return {"number": number, **self.numbers[number]}

    def _answer_all(self, given: Mapping[str, Any]) -> Any:
        self.all_valid = bool(given.get("valid"))
        return {"valid": self.all_valid}

    def _silence(self, given: Mapping[str, Any]) -> Any:
        place = str(given.get("place") or "")
        self.silent[place] = str(given.get("code") or "MS_UNAVAILABLE")
        return {"place": place, "code": self.silent[place]}

    def _speak(self, given: Mapping[str, Any]) -> Any:
        self.silent.pop(str(given.get("place") or ""), None)
        return {"silent": sorted(self.silent)}

    def state(self) -> Any:
        return {
            "numbers": self.numbers,
            "entities": self.entities_,
            "silent": self.silent,
            "all_valid": self.all_valid,
            "asked": self.asked,
        }

    def load_state(self, state: Any) -> None:
        self.numbers = {key: dict(row) for key, row in state["numbers"].items()}
        self.entities_ = {key: dict(row) for key, row in state["entities"].items()}
        self.silent = dict(state["silent"])
        self.all_valid = state["all_valid"]
        self.asked = [dict(row) for row in state["asked"]]


def _failed(code: str) -> Response:
    return json_response(200, {"actionSucceed": False, "errorWrappers": [{"error": code}]})


def _object(request: Request) -> dict[str, Any]:
    try:
        found = request.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

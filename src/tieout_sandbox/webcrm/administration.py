"""What an administrator configures, and the simulator's own switches, as actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tieout_sandbox.kit import Action, ActionError
from tieout_sandbox.kit.webhooks import Outbox
from tieout_sandbox.webcrm.arguments import Arguments, text_of
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.settings import FieldSetup
from tieout_sandbox.webcrm.signin import SignIn

_SETUP = ("label", "display", "size", "options", "unique", "mandatory", "hidden", "placeholder")


def administration(crm: Crm, sign_in: SignIn, outbox: Outbox) -> dict[str, Action]:
    """Every action by its name."""

    def assume(arguments: Arguments) -> Any:
        crm.assumptions.set(text_of(arguments, "name"), arguments.get("value"))
        return crm.assumptions.as_json()

    def configure(arguments: Arguments) -> Any:
        return _configure(crm, arguments)

    def levels(arguments: Arguments) -> Any:
        given = arguments.get("levels")
        if not isinstance(given, dict):
            raise ActionError("levels must be an object of numbers and names")
        crm.settings.levels = {int(level): str(name) for level, name in given.items()}
        return {str(level): name for level, name in crm.settings.levels.items()}

    def columns(arguments: Arguments) -> Any:
        given = arguments.get("columns")
        if not isinstance(given, list) or not 1 <= len(given) <= 9:
            raise ActionError("columns must be a list of one to nine names")
        crm.settings.columns = [str(one) for one in given]
        crm.settings.unique_item_number = bool(arguments.get("unique", True))
        return {"columns": crm.settings.columns, "unique": crm.settings.unique_item_number}

    def make_token(arguments: Arguments) -> Any:
        name, guid = text_of(arguments, "name"), text_of(arguments, "guid")
        sign_in.make(guid, name, read_only=bool(arguments.get("read_only")))
        return {"name": name, "guid": guid}

    def withdraw(arguments: Arguments) -> Any:
        sign_in.withdraw(text_of(arguments, "name"))
        return {}

    def sent(arguments: Arguments) -> Any:
        _ = arguments
        return [notice.as_json() for notice in outbox.sent]

    return {
        "set_assumption": _action(assume, name="name of the switch", value="its value"),
        "assumptions": _action(lambda _: crm.assumptions.as_json()),
        "configure_field": _action(
            configure,
            field="API name, as OrganisationCustom5",
            label="text",
            display="T text, L list, ML several, C check box, D date, HTML …",
            size="most characters",
            options="list of the full strings of a drop-down",
            unique="true or false, custom fields of organisations only",
            mandatory="true or false",
            hidden="true: switched off",
            placeholder="what an unset drop-down shows",
        ),
        "set_levels": _action(levels, levels="object of level numbers and names"),
        "set_columns": _action(
            columns, columns="names of the catalogue's columns", unique="item number is unique"
        ),
        "make_application_token": _action(
            make_token, name="text", guid="GUID", read_only="true: may not write"
        ),
        "withdraw_application_token": _action(withdraw, name="text"),
        "sent_notices": _action(sent),
    }


def _action(run: Callable[[Arguments], Any], **arguments: str) -> Action:
    def checked(given: Arguments) -> Any:
        try:
            return run(given)
        except ValueError as error:
            raise ActionError(str(error)) from error

    return Action(arguments=arguments, run=checked)


def _configure(crm: Crm, arguments: Arguments) -> Any:
    values = {name: arguments[name] for name in _SETUP if name in arguments}
    for name, value in values.items():
        wanted = type(getattr(_PLAIN, name))
        if name == "options":
            wanted = list
        if not isinstance(value, wanted):
            raise ActionError(f"{name} must be a {wanted.__name__}")
    setup = crm.settings.change(text_of(arguments, "field"), **values)
    return {name: getattr(setup, name) for name in ("entity", "name", *_SETUP)}


_PLAIN = FieldSetup(entity="", name="", label="")

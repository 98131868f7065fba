"""What a person does in the vendor's own screens, past the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout_sandbox.kit.simulator import Action, ActionError
from tieout_sandbox.salesforce.actions_lists import ListActions
from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.ids import make_id, normalise
from tieout_sandbox.salesforce.merge import merge_records
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.prices import entry_for
from tieout_sandbox.salesforce.values import Row, stamp
from tieout_sandbox.salesforce.writes import Writer

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.api import Api
    from tieout_sandbox.salesforce.oauth import SignIn

Arguments = Mapping[str, Any]
_ID = "id of the row, 15 or 18 characters"
_FIELDS = "object of field API names and values"
_LINES = (
    "list of objects with product (id, product code or name), quantity, unit_price, and if "
    "wanted discount, description, service_date"
)
_NOT_CLONED = frozenset({"Erp_Id__c", "SyncedQuoteId", "Amount", "TotalOpportunityQuantity"})


class Actions:
    """The actions of an org by name."""

    def __init__(self, org: Org, sign_in: SignIn, api: Api) -> None:
        self._org = org
        self._sign_in = sign_in
        self._api = api

    def listed(self) -> dict[str, Action]:
        """Every action with its arguments."""
        lists = ListActions(self._org, self._api).all()
        return {
            name: Action(arguments=arguments, run=self._guarded(run))
            for name, (run, arguments) in {**self._all(), **lists}.items()
        }

    def _all(self) -> dict[str, tuple[Callable[[Arguments], Any], dict[str, str]]]:
        return {
            "create_account": (
                self.create_account,
                {"name": "account name", "fields": _FIELDS},
            ),
            "create_contact": (
                self.create_contact,
                {"account": "account id", "last_name": "last name", "fields": _FIELDS},
            ),
            "create_opportunity": (
                self.create_opportunity,
                {
                    "name": "opportunity name",
                    "account": "account id, may be left out",
                    "stage": "stage name; the first open one by default",
                    "close_date": "2026-03-31; today by default",
                    "currency": "ISO code; the person's own by default",
                    "lines": _LINES,
                    "fields": _FIELDS,
                },
            ),
            "win": (self.win, {"id": _ID, "ids": "list of ids", "close_date": "2026-03-31"}),
            "reopen": (self.reopen, {"id": _ID, "stage": "open stage; the last one by default"}),
            "lose": (self.lose, {"id": _ID}),
            "edit_opportunity": (self.edit, {"id": _ID, "fields": _FIELDS}),
            "edit_account": (self.edit, {"id": _ID, "fields": _FIELDS}),
            "edit_record": (self.edit, {"id": _ID, "fields": _FIELDS}),
            "edit_lines": (
                self.edit_lines,
                {
                    "id": "opportunity id",
                    "add": _LINES,
                    "change": "list of objects with id and quantity, unit_price, total, discount",
                    "remove": "list of line ids",
                },
            ),
            "clone_opportunity": (self.clone, {"id": _ID, "name": "name of the copy"}),
            "delete_opportunity": (self.delete, {"id": _ID}),
            "delete_record": (self.delete, {"id": _ID}),
            "undelete": (self.undelete, {"id": _ID}),
            "empty_recycle_bin": (self.empty_bin, {}),
            "merge_accounts": (
                self.merge,
                {"winner": "account id that stays", "losers": "one or two account ids"},
            ),
            "merge_contacts": (
                self.merge,
                {"winner": "contact id that stays", "losers": "one or two contact ids"},
            ),
            "add_contact_role": (
                self.add_contact_role,
                {
                    "opportunity": "opportunity id",
                    "contact": "contact id",
                    "role": "such as Billing",
                    "primary": "true or false",
                },
            ),
            "create_product": (
                self.create_product,
                {
                    "name": "product name",
                    "code": "product code, may be left out",
                    "price": "standard price",
                    "currency": "ISO code; the org's own by default",
                    "fields": _FIELDS,
                },
            ),
            "change_price": (
                self.change_price,
                {
                    "product": "product id, code or name",
                    "price": "new list price",
                    "currency": "ISO code; the org's own by default",
                    "book": "price book id; the standard book by default",
                },
            ),
            "create_price_book": (
                self.create_price_book,
                {"name": "its name", "active": "true by default"},
            ),
            "deactivate_product": (self.deactivate_product, {"product": "id, code or name"}),
            "deactivate_user": (self.deactivate_user, {"id": _ID}),
            "rename_stage": (self.rename_stage, {"stage": "old name", "name": "new name"}),
            "set_session_timeout": (self.set_session_timeout, {"seconds": "life of a session"}),
            "expire_sessions": (self.expire_sessions, {}),
            "revoke_tokens": (self.revoke_tokens, {}),
            "set_switch": (
                self.set_switch,
                {"name": f"one of {', '.join(self._org.switches.as_dict())}", "value": "value"},
            ),
            "require": (
                self.require,
                {
                    "object": "object name",
                    "field": "field name",
                    "message": "what the validation rule says",
                    "on": "true (default) or false",
                },
            ),
            "create_field": (
                self.create_field,
                {
                    "object": "object name",
                    "field": "name of the new field, ending in __c",
                    "type": "string:80, boolean, date, currency:18.2, double:18.4",
                },
            ),
            "set_scale": (
                self.set_scale,
                {"object": "object name", "field": "number field", "scale": "its decimals"},
            ),
            "hide_field": (
                self.hide_field,
                {"object": "object name", "field": "field name", "hidden": "true (default)"},
            ),
            "hide_object": (
                self.hide_object,
                {"object": "object name, such as Tieout_Invoice__c", "hidden": "true (default)"},
            ),
            "unshare": (
                self.unshare,
                {"id": _ID, "on": "true (default): the integration user no longer sees the row"},
            ),
            "grant_view_all": (
                self.grant_view_all,
                {"on": "true (default): the integration user sees every row"},
            ),
            "assign_permission_set": (
                self.assign_permission_set,
                {
                    "name": "API name of the permission set, such as Tieout_Integration",
                    "user": "user id; the integration user by default",
                    "on": "true (default) or false",
                },
            ),
            "lock_row": (self.lock_row, {"id": _ID, "seconds": "how long it is held"}),
            "lock_for_approval": (self.lock_for_approval, {"id": _ID, "on": "true (default)"}),
            "late_commit": (
                self.late_commit,
                {
                    "action": "another action",
                    "arguments": "its arguments",
                    "age_s": "how much earlier the transaction began; 300 by default",
                },
            ),
        }

    def _guarded(self, run: Callable[[Arguments], Any]) -> Callable[[Arguments], Any]:
        def guarded(arguments: Arguments) -> Any:
            try:
                with self._org.transaction():
                    return run(arguments)
            except SalesforceError as error:
                raise ActionError(f"{error.code}: {error.message}") from error
            except KeyError as error:
                raise ActionError(f"needs {error.args[0]}") from error
            finally:
                self._org.journal.clear()

        return guarded

    # What several actions need.

    def _writer(self) -> Writer:
        return Writer(org=self._org, user_id=make_id("005", 1), person=True, save_duplicates=True)

    def _row(self, given: Any) -> Row:
        row = self._org.row(normalise(given))
        if row is None:
            raise ActionError(f"there is no row {given}")
        return row

    def _kind(self, row: Row) -> str:
        return self._org.kind_of(str(row["Id"])).name

    def _stage(self, *, won: bool = False, closed: bool = False) -> str:
        stages = sorted(
            self._org.tables["OpportunityStage"].live(), key=lambda row: int(str(row["SortOrder"]))
        )
        fitting = [s for s in stages if s["IsWon"] is won and s["IsClosed"] is closed]
        if not fitting:
            raise ActionError("the org has no stage for that")
        return str(fitting[0 if closed else -1]["MasterLabel"])

    def _product(self, given: Any) -> Row:
        table = self._org.tables["Product2"]
        row = table.get(normalise(given))
        if row is not None:
            return row
        for each in table.live():
            if given in (each.get("ProductCode"), each["Name"]):
                return each
        raise ActionError(f"there is no product {given}")

    def _currency(self, given: Any) -> str | None:
        if not self._org.multi_currency:
            return None
        return str(given) if given else self._org.corporate_currency()

    def _add_line(self, opportunity: str, line: Arguments) -> str:
        fields: dict[str, Any] = {
            "OpportunityId": opportunity,
            "Product2Id": self._product(line["product"])["Id"],
            "Quantity": Decimal(str(line.get("quantity", 1))),
        }
        fields.update(_line_fields(line, without_quantity=True))
        return self._writer().create("OpportunityLineItem", fields)

    # Accounts, contacts, opportunities.

    def create_account(self, given: Arguments) -> Any:
        fields = {"Name": given["name"], **given.get("fields", {})}
        return {"id": self._writer().create("Account", fields)}

    def create_contact(self, given: Arguments) -> Any:
        fields = {"LastName": given["last_name"], "AccountId": given.get("account")}
        return {"id": self._writer().create("Contact", {**fields, **given.get("fields", {})})}

    def create_opportunity(self, given: Arguments) -> Any:
        stages = sorted(
            self._org.tables["OpportunityStage"].live(), key=lambda row: int(str(row["SortOrder"]))
        )
        fields: dict[str, Any] = {
            "Name": given["name"],
            "AccountId": given.get("account"),
            "StageName": given.get("stage") or stages[0]["MasterLabel"],
            "CloseDate": given.get("close_date") or self._org.today(),
            "Pricebook2Id": self._org.standard_book(),
        }
        if self._org.multi_currency and given.get("currency"):
            fields["CurrencyIsoCode"] = given["currency"]
        opportunity = self._writer().create("Opportunity", {**fields, **given.get("fields", {})})
        lines = [self._add_line(opportunity, line) for line in given.get("lines", ())]
        return {"id": opportunity, "lines": lines}

    def win(self, given: Arguments) -> Any:
        ids = [given["id"]] if "id" in given else list(given["ids"])
        fields: dict[str, Any] = {"StageName": self._stage(won=True, closed=True)}
        if given.get("close_date"):
            fields["CloseDate"] = given["close_date"]
        for each in ids:
            self._writer().update("Opportunity", str(self._row(each)["Id"]), fields)
        return {"won": len(ids)}

    def reopen(self, given: Arguments) -> Any:
        return self._set_stage(given, given.get("stage") or self._stage())

    def lose(self, given: Arguments) -> Any:
        return self._set_stage(given, self._stage(closed=True))

    def _set_stage(self, given: Arguments, stage: str) -> Any:
        record_id = str(self._row(given["id"])["Id"])
        self._writer().update("Opportunity", record_id, {"StageName": stage})
        return {"id": record_id, "stage": stage}

    def edit(self, given: Arguments) -> Any:
        row = self._row(given["id"])
        self._writer().update(self._kind(row), str(row["Id"]), given["fields"])
        return {"id": row["Id"]}

    def edit_lines(self, given: Arguments) -> Any:
        opportunity = str(self._row(given["id"])["Id"])
        for line_id in given.get("remove", ()):
            self._writer().delete("OpportunityLineItem", str(self._row(line_id)["Id"]))
        for change in given.get("change", ()):
            line = str(self._row(change["id"])["Id"])
            self._writer().update("OpportunityLineItem", line, _line_fields(change))
        added = [self._add_line(opportunity, line) for line in given.get("add", ())]
        row = self._row(opportunity)
        return {"id": opportunity, "added": added, "amount": row["Amount"]}

    def clone(self, given: Arguments) -> Any:
        source = self._row(given["id"])
        kind = self._org.schema["Opportunity"]
        fields = {
            name: source[name]
            for name, found in kind.fields.items()
            if found.createable and name not in _NOT_CLONED and source.get(name) is not None
        }
        fields["Name"] = given.get("name") or f"{source['Name']} (copy)"
        writer = self._writer()
        copy = writer.create("Opportunity", fields)
        lines = self._org.tables["OpportunityLineItem"].find_live("OpportunityId", source["Id"])
        names = ("PricebookEntryId", "Quantity", "UnitPrice", "Discount", "ServiceDate")
        for line in lines:
            values = {name: line.get(name) for name in (*names, "Description", "SortOrder")}
            writer.create("OpportunityLineItem", {"OpportunityId": copy, **values})
        return {"id": copy}

    def delete(self, given: Arguments) -> Any:
        row = self._row(given["id"])
        self._writer().delete(self._kind(row), str(row["Id"]))
        return {"id": row["Id"]}

    def undelete(self, given: Arguments) -> Any:
        row = self._row(given["id"])
        self._writer().undelete(str(row["Id"]))
        return {"id": row["Id"]}

    def empty_bin(self, _given: Arguments) -> Any:
        purged = 0
        for table in self._org.tables.values():
            for record_id in list(table.deleted):
                table.purge(record_id)
                purged += 1
        return {"purged": purged}

    def merge(self, given: Arguments) -> Any:
        winner = self._row(given["winner"])
        losers = given["losers"] if isinstance(given["losers"], list) else [given["losers"]]
        merge_records(self._writer(), winner, [self._row(each) for each in losers])
        return {"winner": winner["Id"]}

    def add_contact_role(self, given: Arguments) -> Any:
        fields = {
            "OpportunityId": given["opportunity"],
            "ContactId": given["contact"],
            "Role": given.get("role"),
            "IsPrimary": bool(given.get("primary", False)),
        }
        return {"id": self._writer().create("OpportunityContactRole", fields)}

    # Products and prices.

    def create_product(self, given: Arguments) -> Any:
        writer = self._writer()
        fields = {"Name": given["name"], "ProductCode": given.get("code"), "IsActive": True}
        product = writer.create("Product2", {**fields, **given.get("fields", {})})
        entry: dict[str, Any] = {
            "Pricebook2Id": self._org.standard_book(),
            "Product2Id": product,
            "UnitPrice": Decimal(str(given.get("price", 0))),
            "IsActive": True,
        }
        currency = self._currency(given.get("currency"))
        if currency is not None:
            entry["CurrencyIsoCode"] = currency
        return {"id": product, "entry": writer.create("PricebookEntry", entry)}

    def create_price_book(self, given: Arguments) -> Any:
        fields = {"Name": given["name"], "IsActive": bool(given.get("active", True))}
        return {"id": self._writer().create("Pricebook2", fields)}

    def change_price(self, given: Arguments) -> Any:
        product = self._product(given["product"])
        book = normalise(given.get("book")) or self._org.standard_book()
        entry = entry_for(self._org, book, product["Id"], self._currency(given.get("currency")))
        if entry is None:
            raise ActionError("the product has no price there")
        price = {"UnitPrice": Decimal(str(given["price"]))}
        self._writer().update("PricebookEntry", str(entry["Id"]), price)
        return {"id": entry["Id"]}

    def deactivate_product(self, given: Arguments) -> Any:
        product = self._product(given["product"])
        self._writer().update("Product2", str(product["Id"]), {"IsActive": False})
        return {"id": product["Id"]}

    # Administration.

    def deactivate_user(self, given: Arguments) -> Any:
        user = self._row(given["id"])
        self._writer().change("User", str(user["Id"]), {"IsActive": False})
        return {"id": user["Id"]}

    def rename_stage(self, given: Arguments) -> Any:
        """Renames a stage with the rows in it; which deals are won stays as it was."""
        writer = self._writer()
        for row in list(self._org.tables["OpportunityStage"].live()):
            if row["MasterLabel"] == given["stage"]:
                names = {"MasterLabel": given["name"], "ApiName": given["name"]}
                writer.change("OpportunityStage", str(row["Id"]), names)
        count = 0
        for row in list(self._org.tables["Opportunity"].live()):
            if row["StageName"] == given["stage"]:
                label = {"StageName": given["name"]}
                writer.change("Opportunity", str(row["Id"]), label, silent=True)
                count += 1
        self._api.metadata_changed()
        return {"opportunities": count}

    def set_session_timeout(self, given: Arguments) -> Any:
        self._org.switches.session_timeout_s = int(given["seconds"])
        return {"seconds": self._org.switches.session_timeout_s}

    def expire_sessions(self, _given: Arguments) -> Any:
        return {"sessions": self._sign_in.expire_all()}

    def revoke_tokens(self, _given: Arguments) -> Any:
        self._sign_in.withdraw()
        return {}

    def set_switch(self, given: Arguments) -> Any:
        try:
            self._org.switches.set(given["name"], given["value"])
        except ValueError as error:
            raise ActionError(str(error)) from error
        return self._org.switches.as_dict()

    def require(self, given: Arguments) -> Any:
        kind, name = self._field(given)
        rules = self._org.rules.required
        rules[:] = [rule for rule in rules if rule[:2] != (kind, name)]
        if given.get("on", True):
            rules.append((kind, name, given.get("message") or f"{name} has to be filled in"))
        return {"rules": [list(rule) for rule in rules]}

    def create_field(self, given: Arguments) -> Any:
        kind = self._org.full(given["object"])
        if kind is None:
            raise ActionError(f"there is no object {given['object']}")
        if kind.find(given["field"]) is not None:
            raise ActionError(f"there is a field {given['field']} already")
        try:
            self._org.add_field(kind.name, given["field"], given["type"])
        except ValueError as error:
            raise ActionError(str(error)) from error
        self._api.metadata_changed()
        return {"field": f"{kind.name}.{given['field']}"}

    def set_scale(self, given: Arguments) -> Any:
        kind, name = self._field(given)
        self._org.set_scale(kind, name, int(given["scale"]))
        self._api.metadata_changed()
        return {"field": f"{kind}.{name}", "scale": int(given["scale"])}

    def hide_field(self, given: Arguments) -> Any:
        kind, name = self._field(given)
        self._org.hide(self._org.schema[kind], name, hidden=bool(given.get("hidden", True)))
        self._api.metadata_changed()
        return {"hidden": sorted(self._org.hidden[kind])}

    def hide_object(self, given: Arguments) -> Any:
        """An object that the integration user may not see is one that the org has not."""
        kind = self._org.full(given["object"])
        if kind is None:
            raise ActionError(f"there is no object {given['object']}")
        if given.get("hidden", True):
            self._org.hidden_objects.add(kind.name)
        else:
            self._org.hidden_objects.discard(kind.name)
        self._api.metadata_changed()
        return {"hidden": sorted(self._org.hidden_objects)}

    def unshare(self, given: Arguments) -> Any:
        record_id = str(self._row(given["id"])["Id"])
        if given.get("on", True):
            self._org.unshared.add(record_id)
        else:
            self._org.unshared.discard(record_id)
        return {"unshared": sorted(self._org.unshared)}

    def grant_view_all(self, given: Arguments) -> Any:
        rights = self._set("Tieout_Integration")
        on = {"PermissionsViewAllData": bool(given.get("on", True))}
        self._writer().change("PermissionSet", str(rights["Id"]), on)
        return on

    def assign_permission_set(self, given: Arguments) -> Any:
        rights = self._set(given["name"])
        user = normalise(given.get("user")) or self._org.user_id
        table = self._org.tables["PermissionSetAssignment"]
        mine = [
            row
            for row in table.live()
            if row["AssigneeId"] == user and row["PermissionSetId"] == rights["Id"]
        ]
        if given.get("on", True):
            if not mine:
                pair = {"AssigneeId": user, "PermissionSetId": rights["Id"]}
                self._writer().create("PermissionSetAssignment", pair)
        else:
            for row in mine:
                self._writer().delete("PermissionSetAssignment", str(row["Id"]))
        return {"assigned": bool(given.get("on", True))}

    def _set(self, name: str) -> Row:
        for row in self._org.tables["PermissionSet"].live():
            if row["Name"] == name:
                return row
        raise ActionError(f"there is no permission set {name}")

    def _field(self, given: Arguments) -> tuple[str, str]:
        kind = self._org.full(given["object"])
        found = kind.find(given["field"]) if kind else None
        if kind is None or found is None:
            raise ActionError(f"there is no field {given['field']} on {given['object']}")
        return kind.name, found.name

    def lock_row(self, given: Arguments) -> Any:
        row = self._row(given["id"])
        until = stamp(self._org.now() + timedelta(seconds=int(given.get("seconds", 10))))
        self._org.rules.locked_until[str(row["Id"])] = until
        return {"until": until}

    def lock_for_approval(self, given: Arguments) -> Any:
        record_id = str(self._row(given["id"])["Id"])
        if given.get("on", True):
            self._org.rules.approval_locks.add(record_id)
        else:
            self._org.rules.approval_locks.discard(record_id)
        return {"locked": sorted(self._org.rules.approval_locks)}

    def late_commit(self, given: Arguments) -> Any:
        """Does another action whose transaction began earlier: its rows carry older stamps."""
        found = self._all().get(given["action"])
        if found is None or given["action"] == "late_commit":
            raise ActionError(f"no such action: {given['action']}")
        with self._org.aged(int(given.get("age_s", 300))):
            return found[0](given.get("arguments", {}))


def _line_fields(line: Arguments, *, without_quantity: bool = False) -> dict[str, Any]:
    names = {
        "quantity": "Quantity",
        "unit_price": "UnitPrice",
        "total": "TotalPrice",
        "discount": "Discount",
    }
    fields: dict[str, Any] = {
        field: Decimal(str(line[name]))
        for name, field in names.items()
        if line.get(name) is not None
    }
    if without_quantity:
        fields.pop("Quantity", None)
    for name, field in (("description", "Description"), ("service_date", "ServiceDate")):
        if name in line:
            fields[field] = line[name]
    return fields

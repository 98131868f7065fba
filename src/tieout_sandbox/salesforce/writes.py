"""Creating, changing and deleting rows by the platform's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tieout_sandbox.salesforce import behaviour, prices
from tieout_sandbox.salesforce.coerce import coerce
from tieout_sandbox.salesforce.errors import (
    SalesforceError,
    SeveralMatchesError,
    deleted,
    not_found,
)
from tieout_sandbox.salesforce.ids import normalise
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.schema import Field, ObjectType
from tieout_sandbox.salesforce.values import Row, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes as one user. A person (`person`) sees hidden fields and works in the screens."""

    org: Org
    user_id: str
    person: bool = False
    save_duplicates: bool = False
    touched: set[str] = field(default_factory=set)

    # What a client may ask.

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Makes a row; its id."""
        kind = self._kind(name)
        if not kind.createable:
            raise SalesforceError(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                f"entity type cannot be inserted: {kind.name}",
            )
        with self.org.transaction():
            given = self._given(kind, body, creating=True)
            row = self._fresh(kind)
            row.update(given)
            self._defaults(kind, row)
            self._check_required(kind, row)
            self._check_lock(kind, row)
            behaviour.before(self, kind, row, None, given)
            self._checks(kind, row, given)
            self.store(kind, row)
            behaviour.after(self, kind, row, None, given)
            return str(row["Id"])

    def update(self, name: str, record_id: str, body: Mapping[str, Any]) -> None:
        """Changes a row's fields; those not sent stay."""
        kind = self._kind(name)
        old = self.existing(kind, record_id)
        if not kind.updateable:
            raise SalesforceError(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                f"entity type cannot be updated: {kind.name}",
            )
        with self.org.transaction():
            given = self._given(kind, body, creating=False)
            self._check_lock(kind, old)
            row = {**old, **given}
            self._check_required(kind, row, only=set(given))
            behaviour.before(self, kind, row, old, given)
            self._checks(kind, row, given)
            self.touch(row)
            self.store(kind, row)
            behaviour.after(self, kind, row, old, given)

    def upsert(
        self,
        name: str,
        key: str,
        value: Any,
        body: Mapping[str, Any],
        *,
        update_only: bool = False,
    ) -> tuple[str, bool]:
        """Changes the row whose key field has that value, or makes one; id, and whether made."""
        kind = self._kind(name)
        found = self.key_field(kind, key)
        if any(given.lower() == found.name.lower() for given in body):
            raise SalesforceError(
                "INVALID_FIELD",
                f"The {found.name} field should not be specified in the sobject data.",
            )
        matches = self.matching(kind, found, value)
        if len(matches) > 1:
            raise SeveralMatchesError([str(row["Id"]) for row in matches])
        if matches:
            record_id = str(matches[0]["Id"])
            self.update(kind.name, record_id, body)
            return record_id, False
        if update_only or (found.type == "id" and value is not None):
            raise not_found("Provided external ID field does not exist or is not accessible")
        if found.type == "id":
            return self.create(kind.name, body), True
        return self.create(kind.name, {**body, found.name: value}), True

    def delete(self, name: str, record_id: str) -> None:
        """Puts a row into the recycle bin, with what hangs on it."""
        kind = self._kind(name)
        row = self.existing(kind, record_id)
        if not kind.deletable:
            raise SalesforceError(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                f"entity type cannot be deleted: {kind.name}",
                status=403,
            )
        with self.org.transaction():
            self._check_lock(kind, row)
            behaviour.check_delete(self, kind, row)
            if kind.name == "PricebookEntry" and prices.is_used(self.org, row):
                gone = {"IsArchived": True, "IsActive": False}
                self.change(kind.name, str(row["Id"]), gone)
            else:
                self._bin(kind, row)

    def undelete(self, record_id: str) -> None:
        """Takes a row, and what was deleted with it, out of the recycle bin."""
        kind = self.org.kind_of(record_id)
        row = self.org.tables[kind.name].get(record_id)
        if row is None or not row.get("IsDeleted"):
            raise SalesforceError("UNDELETE_FAILED", "Entity is not in the recycle bin")
        with self.org.transaction():
            stamp = row["SystemModstamp"]
            self._check_unique(kind, row, row)
            self._unbin(kind, row, stamp)

    def key_field(self, kind: ObjectType, key: str) -> Field:
        """The field that rows may be found by; 404 for any other."""
        found = kind.find(key)
        if found is None or not found.id_lookup:
            raise not_found(
                "Provided external ID field does not exist or is not accessible: " + key
            )
        return found

    def matching(self, kind: ObjectType, found: Field, value: Any) -> list[Row]:
        """Rows not deleted whose key field has that value."""
        table = self.org.tables[kind.name]
        if value is None or value == "":
            return []
        if found.type == "id":
            row = table.get(normalise(value))
            return [row] if row is not None and not row.get("IsDeleted") else []
        return table.find_live(found.name, coerce(self.org, found, value))

    def existing(self, kind: ObjectType, record_id: str) -> Row:
        """The row to work on; the vendor's refusals where there is none."""
        normal = normalise(record_id)
        row = self.org.tables[kind.name].get(normal)
        if row is not None and not self.person and normal in self.org.out_of_sight():
            raise not_found()
        if row is None:
            if normal is None or self.org.table_of(normal) is not self.org.tables[kind.name]:
                raise SalesforceError(
                    "NOT_FOUND",
                    f"Provided external ID field does not exist or is not accessible: {record_id}",
                    status=404,
                )
            raise not_found()
        if row.get("IsDeleted"):
            raise deleted()
        return row

    # What the platform's own rules use.

    def store(self, kind: ObjectType, row: Row) -> None:
        """Puts a finished row into its table."""
        self.org.tables[kind.name].put(row)
        self.touched.add(str(row["Id"]))

    def touch(self, row: Row) -> None:
        """Stamps a row as changed now by this user."""
        now = self.org.stamp()
        row["LastModifiedDate"] = row["SystemModstamp"] = now
        row["LastModifiedById"] = self.user_id

    def change(
        self, kind: str, record_id: str, values: Mapping[str, Value], *, silent: bool = False
    ) -> None:
        """Sets fields of a row as the platform does by itself; `silent` leaves the stamps."""
        table = self.org.tables[kind]
        row = {**table.rows[record_id], **values}
        if not silent:
            self.touch(row)
        self.store(table.kind, row)

    # Inside.

    def _kind(self, name: str) -> ObjectType:
        kind = self.org.full(name) if self.person else self.org.visible(name)
        if kind is None:
            raise not_found()
        return kind

    def _given(self, kind: ObjectType, body: Mapping[str, Any], *, creating: bool) -> Row:
        """The sent fields as stored values."""
        given: Row = {}
        for name, value in body.items():
            if name == "attributes":
                continue
            if isinstance(value, Mapping):
                found, parent = self._by_parent_key(kind, name, value)
                given[found.name] = parent
                continue
            found_field = kind.find(name)
            if found_field is None:
                raise SalesforceError(
                    "INVALID_FIELD",
                    f"No such column '{name}' on sobject of type {kind.name}",
                )
            self._check_writable(found_field, creating=creating)
            given[found_field.name] = coerce(self.org, found_field, value)
        return given

    def _check_writable(self, found: Field, *, creating: bool) -> None:
        if found.createable if creating else found.updateable:
            return
        verb = "create" if creating else "update"
        raise SalesforceError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to {verb} fields: {found.name}. Please check the security settings of this "
            "field and verify that it is read/write for your profile or permission set.",
            fields=[found.name],
        )

    def _by_parent_key(
        self, kind: ObjectType, relation: str, keys: Mapping[str, Any]
    ) -> tuple[Field, str | None]:
        """A parent named by its own external id: `"Account": {"Erp_Id__c": "C-1"}`."""
        reference = kind.by_relation.get(relation.lower())
        if reference is None:
            raise SalesforceError(
                "INVALID_FIELD", f"No such column '{relation}' on sobject of type {kind.name}"
            )
        self._check_writable(reference, creating=True)
        wanted = {name: value for name, value in keys.items() if name != "attributes"}
        name, value = next(iter(wanted.items()), ("", None))
        for target in reference.targets:
            parent_kind = self._kind(target)
            found = parent_kind.find(name)
            if found is None or not found.id_lookup:
                continue
            matches = self.matching(parent_kind, found, value)
            if len(matches) == 1:
                return reference, str(matches[0]["Id"])
        raise SalesforceError(
            "INVALID_FIELD",
            f"Foreign key external ID: {value} not found for field {name} in entity "
            f"{reference.targets[0]}",
        )

    def _fresh(self, kind: ObjectType) -> Row:
        now = self.org.stamp()
        row: Row = {"Id": self.org.new_id(kind.name)}
        if "IsDeleted" in kind.fields:
            row["IsDeleted"] = False
        row.update(
            CreatedDate=now,
            CreatedById=self.user_id,
            LastModifiedDate=now,
            LastModifiedById=self.user_id,
            SystemModstamp=now,
        )
        return row

    def _defaults(self, kind: ObjectType, row: Row) -> None:
        for found in self.org.schema[kind.name].fields.values():
            if found.name in row and row[found.name] is not None:
                continue
            if found.type == "boolean":
                on = (kind.name, found.name) == ("Product2", "IsActive")
                row.setdefault(found.name, on and self.org.switches.product_active)
            elif found.auto_number:
                row[found.name] = self.org.next_auto(kind.name)
            elif found.default is not None:
                row[found.name] = found.default
            elif found.name == "OwnerId":
                row["OwnerId"] = self.user_id
            elif found.name == "CurrencyIsoCode" and found.createable:
                row["CurrencyIsoCode"] = self._default_currency()

    def _default_currency(self) -> Value:
        user = self.org.tables["User"].get(self.user_id) or {}
        return user.get("DefaultCurrencyIsoCode") or self.org.corporate_currency()

    def _check_required(self, kind: ObjectType, row: Row, *, only: set[str] | None = None) -> None:
        missing = [
            found.name
            for found in kind.fields.values()
            if found.required
            and row.get(found.name) is None
            and (only is None or found.name in only)
            and not (found.name == "UnitPrice" and row.get("UseStandardPrice"))
        ]
        if missing:
            raise SalesforceError(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                fields=missing,
            )

    def _checks(self, kind: ObjectType, row: Row, given: Row) -> None:
        self._check_unique(kind, row, given)
        for owner, name, text in self.org.rules.required:
            if owner == kind.name and row.get(name) in (None, False):
                raise SalesforceError("FIELD_CUSTOM_VALIDATION_EXCEPTION", text, fields=[name])
        if kind.name == "Account" and "Name" in given:
            self._check_duplicate_rule(row)

    def _check_unique(self, kind: ObjectType, row: Row, given: Row) -> None:
        for name, value in given.items():
            found = kind.fields.get(name)
            if found is None or not found.unique or value is None:
                continue
            for other in self.org.tables[kind.name].find_live(name, value):
                if other["Id"] != row["Id"]:
                    raise SalesforceError(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {name} duplicates value on record with id: "
                        f"{str(other['Id'])[:15]}",
                        fields=[],
                    )

    def _check_duplicate_rule(self, row: Row) -> None:
        rule = self.org.switches.duplicate_rule
        if rule == "off" or (rule == "allow" and self.save_duplicates):
            return
        name = str(row["Name"]).casefold()
        for other in self.org.tables["Account"].live():
            if str(other["Name"]).casefold() == name and other["Id"] != row["Id"]:
                raise SalesforceError(
                    "DUPLICATES_DETECTED",
                    "You're creating a duplicate record. We recommend you use an existing record "
                    "instead.",
                    fields=[],
                )

    def _check_lock(self, kind: ObjectType, row: Row) -> None:
        held = [str(row["Id"])]
        held += [
            str(row[f.name])
            for f in kind.fields.values()
            if f.on_delete == "cascade" and row.get(f.name)
        ]
        if any(self.org.is_locked(each) for each in held) and not self.person:
            raise SalesforceError(
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access to this record",
                status=self.org.switches.lock_status,
                fields=[],
            )
        if str(row["Id"]) in self.org.rules.approval_locks and not self.person:
            raise SalesforceError("ENTITY_IS_LOCKED", "entity is locked for editing", fields=[])

    def _bin(self, kind: ObjectType, row: Row, *, alone: bool = True) -> None:
        record_id = str(row["Id"])
        for child in self.org.schema[kind.name].children:
            if child.object not in self.org.tables:
                continue
            below = self.org.tables[child.object]
            for each in below.find_live(child.field, record_id):
                if child.on_delete == "cascade":
                    self._bin(below.kind, each, alone=False)
                elif child.on_delete == "-" and not _keeps_link(child.object, child.field):
                    self.change(child.object, str(each["Id"]), {child.field: None}, silent=True)
        if kind.name == "OpportunityLineItem" and alone:
            # A line taken off by itself does not pass through the recycle bin.
            self.org.tables[kind.name].purge(record_id)
            behaviour.after_delete(self, kind, row)
            return
        gone = {**row, "IsDeleted": True}
        self.touch(gone)
        self.store(kind, gone)
        if alone:
            behaviour.after_delete(self, kind, row)

    def _unbin(self, kind: ObjectType, row: Row, stamp: Value) -> None:
        back = {**row, "IsDeleted": False}
        self.touch(back)
        self.store(kind, back)
        for child in self.org.schema[kind.name].children:
            if child.on_delete != "cascade" or child.object not in self.org.tables:
                continue
            below = self.org.tables[child.object]
            for each in below.find(child.field, row["Id"]):
                if each.get("IsDeleted") and each["SystemModstamp"] == stamp:
                    self._unbin(below.kind, each, stamp)


def _keeps_link(kind: str, name: str) -> bool:
    """Whether a row keeps naming a parent that lies in the recycle bin."""
    return (kind, name) in {("Account", "MasterRecordId"), ("Contact", "MasterRecordId")}

"""What persons do in the screens of the invented book, past its API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Action, ActionError
from tieout_sandbox.plain.codes import delete_code, edit_code
from tieout_sandbox.plain.ledger import CONTACT_FIELDS, CUSTOMER_FIELDS, HEADER, Ledger
from tieout_sandbox.plain.rows import RefusedError, Row

Arguments = Mapping[str, Any]


class BookActions:
    """The actions, each a function of its arguments; what is not possible is an ActionError."""

    def __init__(self, ledger: Ledger, broken_creates: list[int]) -> None:
        self._ledger = ledger
        self._broken_creates = broken_creates

    def all(self) -> dict[str, Action]:
        """Every action by name."""
        return {
            "book": self._action(self.book, draft="its id", number="where a person gives one"),
            "edit_draft": self._action(
                self.edit_draft,
                draft="its id",
                price="new price of the first line",
                add_row="a line to add",
                **dict.fromkeys(HEADER, "new value"),
            ),
            "delete_draft": self._action(self.delete_draft, draft="its id"),
            "copy_draft": self._action(self.copy_draft, draft="its id"),
            "ship_order": self._action(self.ship_order, order="its id"),
            "invoice_order": self._action(
                self.invoice_order, order="its id", amount="net of a part; all of it if left out"
            ),
            "cancel_order": self._action(self.cancel_order, order="its id"),
            "create_order": self._action(
                self.create_order,
                lines="item, quantity, unit_price of each",
                **dict.fromkeys(HEADER, "value"),
            ),
            "overwrite_carrier": self._action(
                self.overwrite_carrier, id="of a document or customer", text="what stands there now"
            ),
            "renumber": self._action(self.renumber, id="of a document", number="the new one"),
            "credit": self._action(
                self.credit, invoice="its id", amount="net of a part; the whole if left out"
            ),
            "void": self._action(self.void, invoice="its id"),
            "pay": self._action(self.pay, invoice="its id", amount="the rest if left out"),
            "return_payment": self._action(self.return_payment, payment="its id"),
            "merge_customers": self._action(self.merge_customers, loser="its id", winner="its id"),
            "create_customer": self._action(
                self.create_customer,
                number="where a person gives one",
                **dict.fromkeys(CUSTOMER_FIELDS, "value"),
            ),
            "edit_customer": self._action(
                self.edit_customer, customer="its id", **dict.fromkeys(CUSTOMER_FIELDS, "new value")
            ),
            "create_contact": self._action(
                self.create_contact, **dict.fromkeys(CONTACT_FIELDS, "value")
            ),
            "edit_contact": self._action(
                self.edit_contact, contact="its id", **dict.fromkeys(CONTACT_FIELDS, "new value")
            ),
            "delete_contact": self._action(self.delete_contact, contact="its id"),
            "create_invoice": self._action(
                self.create_invoice,
                number="where a person gives one",
                lines="item, quantity, unit_price of each",
                booked="false leaves a draft",
                carrier="text in the field that carries keys",
                **dict.fromkeys(HEADER, "value"),
            ),
            "create_item": self._action(
                self.create_item, number="its code", name="its name", price="a number", rate="0.25"
            ),
            "edit_item": self._action(
                self.edit_item,
                number="its code",
                active="true or false",
                name="its new name",
                price="its new price",
                new_number="its new code",
            ),
            "delete_item": self._action(self.delete_item, number="its code"),
            "edit_code": self._action(
                self.edit_code,
                kind="terms, currency",
                code="a new one makes it",
                name="what it is called",
                active="whether it may be used",
            ),
            "delete_code": self._action(self.delete_code, kind="its kind", code="its code"),
            "set_price": self._action(
                self.set_price,
                number="the item's code",
                list="a price list; the price for everybody if left out",
                currency="SEK",
                amount="net of one unit",
                from_quantity="from how many on",
                valid_from="first day",
                valid_to="last day",
            ),
            "delete_price": self._action(self.delete_price, price="its id"),
            "break_next_create": self._action(
                self.break_next_create, status="500: the next create fails inside with it"
            ),
        }

    def _action(self, run: Callable[[Arguments], Any], **arguments: str) -> Action:
        def guarded(given: Arguments) -> Any:
            self._ledger.lag_until = None
            try:
                return run(given)
            except RefusedError as error:
                raise ActionError(str(error)) from error
            except KeyError as error:
                raise ActionError(f"{error} is needed") from error

        return Action(arguments=arguments, run=guarded)

    # Drafts.

    def book(self, given: Arguments) -> Row:
        if self._ledger.find("documents", str(given["draft"]))["type"] == "order":
            # What a person does with an order when its time has come.
            return self.invoice_order({"order": given["draft"]})
        number = given.get("number")
        if number and self._ledger.variant.guard == "c":
            self._ledger.require_unique("documents", "number", str(number), given["draft"])
        booked = self._ledger.book(self._draft(given["draft"]), number and str(number))
        return {"id": booked["id"], "number": booked["number"]}

    def edit_draft(self, given: Arguments) -> Row:
        draft = self._draft(given["draft"])
        values: Row = {name: given[name] for name in HEADER if name in given}
        lines = [dict(line) for line in draft["lines"]]
        if "price" in given:
            lines[0]["unit_price"] = Decimal(str(given["price"]))
        if "add_row" in given:
            lines.append(dict(given["add_row"]))
        self._ledger.set_content(draft, {**values, "lines": lines})
        self._ledger.touch(draft)
        return {"id": draft["id"]}

    def delete_draft(self, given: Arguments) -> Row:
        draft = self._draft(given["draft"])
        self._ledger.remove("documents", draft)
        return {"id": draft["id"]}

    def copy_draft(self, given: Arguments) -> Row:
        draft = self._draft(given["draft"])
        variant = self._ledger.variant
        # A unique field cannot be on two records, so a copy begins without it.
        kept = variant.copies_carrier and variant.unique != "_carrier"
        values = {name: value for name, value in draft.items() if name != "number"}
        carrier = draft["_carrier"] if kept else ""
        copy = self._ledger.new_document(values, "person", carrier, draft["type"])
        return {"id": copy["id"]}

    # Orders.

    def ship_order(self, given: Arguments) -> Row:
        order = self._order(given["order"], "draft")
        order["status"] = "shipped"
        self._ledger.touch(order)
        return {"id": order["id"]}

    def invoice_order(self, given: Arguments) -> Row:
        order = self._order(given["order"], "draft", "shipped")
        lines = [dict(line) for line in order["lines"]]
        if "amount" in given:
            part: Row = {"text": "In part", "quantity": 1, "rate": lines[0]["rate"]}
            part["unit_price"] = Decimal(str(given["amount"]))
            lines = [part]
        booked = self._ledger.invoice_order(order, lines, whole="amount" not in given)
        return {"id": booked["id"], "number": booked["number"]}

    def cancel_order(self, given: Arguments) -> Row:
        order = self._order(given["order"], "draft", "shipped")
        order["status"] = "void"
        self._ledger.touch(order)
        return {"id": order["id"]}

    def create_order(self, given: Arguments) -> Row:
        values = {name: given[name] for name in (*HEADER, "lines") if name in given}
        order = self._ledger.new_document(values, "person", "", "order")
        return {"id": order["id"], "number": order["number"]}

    def overwrite_carrier(self, given: Arguments) -> Row:
        row = self._any(given["id"])
        row["_carrier"] = str(given["text"])
        self._ledger.touch(row)
        return {"id": row["id"]}

    def renumber(self, given: Arguments) -> Row:
        row = self._any(given["id"])
        table = "documents" if "status" in row else "customers"
        self._ledger.require_unique(table, "number", str(given["number"]), row["id"])
        row["number"] = str(given["number"])
        self._ledger.touch(row)
        return {"id": row["id"]}

    # Booked documents.

    def credit(self, given: Arguments) -> Row:
        invoice = self._booked(given["invoice"])
        lines = [dict(line) for line in invoice["lines"]]
        if "amount" in given:
            part: Row = {"text": "Credit", "quantity": 1, "rate": lines[0]["rate"]}
            part["unit_price"] = Decimal(str(given["amount"]))
            lines = [part]
        values = {**{name: invoice[name] for name in HEADER}, "issue_date": None, "lines": lines}
        note = self._ledger.new_document(values, "person", "", "credit_note")
        note["credits"] = [invoice["id"]]
        note["number"] = self._ledger.next_number()
        note["issue_date"] = self._ledger.clock.now().date().isoformat()
        note["status"] = "booked"
        invoice["credited"] += -note["gross"]
        for row in (note, invoice):
            self._ledger.settle(row)
            self._ledger.touch(row)
        return {"id": note["id"]}

    def void(self, given: Arguments) -> Row:
        invoice = self._booked(given["invoice"])
        invoice["status"] = "void"
        self._ledger.settle(invoice)
        self._ledger.touch(invoice)
        return {"id": invoice["id"]}

    def pay(self, given: Arguments) -> Row:
        invoice = self._booked(given["invoice"])
        amount = Decimal(str(given.get("amount", invoice["open"])))
        return self._payment(invoice, amount, None)

    def return_payment(self, given: Arguments) -> Row:
        payment = self._ledger.find("payments", str(given["payment"]))
        if payment["returned"]:
            raise ActionError(f"{payment['id']} was returned already")
        payment["returned"] = True
        self._ledger.touch(payment)
        invoice = self._ledger.find("documents", payment["document"])
        return self._payment(invoice, -payment["amount"], payment["id"])

    def _payment(self, invoice: Row, amount: Decimal, returns: str | None) -> Row:
        day = self._ledger.clock.now().date().isoformat()
        row: Row = {
            "id": self._ledger.new_id("p"),
            "document": invoice["id"],
            "customer": invoice["customer"],
            "currency": invoice["currency"],
            "paid_on": day,
            "amount": amount,
            "returned": returns is not None,
            "returns": returns,
        }
        self._ledger.add("payments", row, "person", "")
        invoice["paid"] += amount
        invoice["last_payment_on"] = day
        self._ledger.settle(invoice)
        self._ledger.touch(invoice)
        return {"id": row["id"]}

    def create_invoice(self, given: Arguments) -> Row:
        ledger = self._ledger
        number = str(given.get("number") or "")
        if number and ledger.variant.unique == "number":
            ledger.require_unique("documents", "number", number)
        values = {name: given[name] for name in (*HEADER, "lines", "number") if name in given}
        draft = ledger.new_document(values, "person", str(given.get("carrier") or ""))
        if given.get("booked") is False:
            return {"id": draft["id"], "number": draft["number"]}
        booked = ledger.book(draft, number or None)
        return {"id": booked["id"], "number": booked["number"]}

    # Customers and items.

    def create_customer(self, given: Arguments) -> Row:
        row = self._ledger.new_customer(dict(given), "person", "")
        return {"id": row["id"], "number": row["number"]}

    def edit_customer(self, given: Arguments) -> Row:
        row = self._ledger.find("customers", str(given["customer"]))
        values = {name: given[name] for name in CUSTOMER_FIELDS if name in given}
        self._ledger.check_customer(values)
        row.update(values)
        self._ledger.touch(row)
        return {"id": row["id"]}

    def merge_customers(self, given: Arguments) -> Row:
        loser = self._ledger.find("customers", str(given["loser"]))
        winner = self._ledger.find("customers", str(given["winner"]))
        if loser is winner:
            raise ActionError("a customer cannot be merged with itself")
        loser["merged_into"] = winner["id"]
        self._ledger.remove("customers", loser, merged_into=winner["id"])
        for row in list(self._ledger.live("documents")):
            if row["customer"] == loser["id"]:
                row.update(customer=winner["id"], customer_name=winner["name"])
                self._ledger.touch(row)
        for row in self._ledger.live("contacts"):
            if row["customer"] == loser["id"]:
                row["customer"] = winner["id"]
                self._ledger.touch(row)
        return {"id": winner["id"]}

    # Persons.

    def create_contact(self, given: Arguments) -> Row:
        row = self._ledger.new_contact(dict(given), "person")
        return {"id": row["id"]}

    def edit_contact(self, given: Arguments) -> Row:
        row = self._ledger.find("contacts", str(given["contact"]))
        values = {name: given[name] for name in CONTACT_FIELDS if name in given}
        self._ledger.set_contact(row, values)
        self._ledger.touch(row)
        return {"id": row["id"]}

    def delete_contact(self, given: Arguments) -> Row:
        row = self._ledger.find("contacts", str(given["contact"]))
        self._ledger.remove("contacts", row)
        return {"id": row["id"]}

    def create_item(self, given: Arguments) -> Row:
        price = Decimal(str(given.get("price", 0)))
        rate = Decimal(str(given.get("rate", "0.25")))
        row = self._ledger.new_item(str(given["number"]), str(given["name"]), price, rate)
        return {"id": row["id"]}

    def edit_item(self, given: Arguments) -> Row:
        number = str(given["number"])
        row = self._item(number)
        if "active" in given:
            row["active"] = bool(given["active"])
        if "price" in given:
            row["price"] = Decimal(str(given["price"]))
        row["name"] = str(given.get("name", row["name"]))
        row["number"] = str(given.get("new_number", number))
        self._ledger.touch(row)
        return {"id": row["id"]}

    def delete_item(self, given: Arguments) -> Row:
        row = self._item(str(given["number"]))
        self._ledger.remove("items", row)
        return {"id": row["id"]}

    def edit_code(self, given: Arguments) -> Row:
        kind, code = str(given["kind"]), str(given["code"])
        edit_code(self._ledger.codes, kind, code, dict(given))
        return {"code": code}

    def delete_code(self, given: Arguments) -> Row:
        delete_code(self._ledger.codes, str(given["kind"]), str(given["code"]))
        return {"code": given["code"]}

    def set_price(self, given: Arguments) -> Row:
        values: Row = {"amount": Decimal(str(given["amount"]))}
        if given.get("from_quantity"):
            values["from_quantity"] = Decimal(str(given["from_quantity"]))
        values |= {name: given[name] for name in ("valid_from", "valid_to") if name in given}
        row = self._ledger.set_price(
            self._item(str(given["number"])),
            str(given.get("list") or ""),
            str(given.get("currency") or "SEK"),
            values,
        )
        return {"id": row["id"]}

    def delete_price(self, given: Arguments) -> Row:
        row = self._ledger.find("prices", str(given["price"]))
        self._ledger.remove("prices", row)
        return {"id": row["id"]}

    def break_next_create(self, given: Arguments) -> Row:
        self._broken_creates.append(int(given.get("status", 500)))
        return {"waiting": len(self._broken_creates)}

    # Finding.

    def _item(self, number: str) -> Row:
        row = next((row for row in self._ledger.live("items") if row["number"] == number), None)
        if row is None:
            raise ActionError(f"there is no item {number}")
        return row

    def _draft(self, row_id: Any) -> Row:
        row = self._ledger.find("documents", str(row_id))
        if row["status"] != "draft":
            raise ActionError(f"{row_id} is {row['status']}, not a draft")
        return row

    def _order(self, row_id: Any, *states: str) -> Row:
        row = self._ledger.find("documents", str(row_id))
        if row["type"] != "order" or row["status"] not in states:
            raise ActionError(f"{row_id} is no order that is {' or '.join(states)}")
        return row

    def _booked(self, row_id: Any) -> Row:
        row = self._ledger.find("documents", str(row_id))
        if row["status"] != "booked" or row["type"] != "invoice":
            raise ActionError(f"{row_id} is not a booked invoice")
        return row

    def _any(self, row_id: Any) -> Row:
        for table in ("documents", "customers"):
            row = self._ledger.tables[table].get(str(row_id))
            if row is not None and not row["_deleted"]:
                return row
        raise ActionError(f"there is no {row_id}")

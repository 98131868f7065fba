"""The lines of a document in the vendor's form, over those that stood there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from tieout.connectors.visma_net.documents import Reading, line_content, line_rows
from tieout.connectors.visma_net.documents import document as translated
from tieout.connectors.visma_net.making import Made
from tieout.connectors.visma_net.names import BRANCH, PROJECT, TASK, Names
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.connectors.visma_net.translate import SELLABLE
from tieout.connectors.visma_net.values import Payload, plain, rows_of, text_of, wrapped
from tieout.core.model import Document, Line, LineKind
from tieout.core.money import ZERO, line_net, round_to

TEXT_LENGTH = 256
MAX_LINES = 1000
Row = dict[str, Any]


@dataclass(slots=True)
class Lines:
    """
    Lines in the making: ``sent`` with their operations, ``shown`` as the answer will have them,
    in the order of their numbers. ``header`` is what lines want of the document itself.
    """

    sent: list[Row] = field(default_factory=list)
    shown: list[Row] = field(default_factory=list)
    header: dict[str, str] = field(default_factory=dict)


class LineMaker:
    """Makes the lines of one document."""

    def __init__(
        self,
        made: Made,
        names: Names,
        settings: VismaNetSettings,
        items: Mapping[str, Payload],
        currency: str,
        *,
        stock: bool = False,
    ) -> None:
        """``stock``: the document takes items of stock, as a sales order does."""
        self._made = made
        self._stock = stock
        self._names = names
        self._settings = settings
        self._items = items
        self._places = names.places(currency)
        self._text_account = settings.text_account
        self._text_category = ""
        self._text_task = ""

    def build(self, lines: Sequence[Line], read: Payload | None, foreign: Sequence[Payload]
              ) -> Lines:  # fmt: skip
        """
        The operations that lead from what was read to these lines. Lines of other people are not
        mentioned, and so they stay.
        """
        if not any(line.kind is not LineKind.TEXT for line in lines):
            self._made.wrong("no_lines", "The document has no line with a price.", place="lines")
        if len(lines) > MAX_LINES:
            self._made.wrong(
                "too_many_lines",
                f"The document has {len(lines)} lines; {MAX_LINES} are sent at most.",
                place="lines",
            )
        found = Lines(header=self._header(lines))
        self._find_account(lines)
        wanted = [self._row(line, place) for place, line in enumerate(lines, start=1)]
        others = [int(row["lineNumber"]) for row in foreign]
        mine = [row for row in line_rows(read or {}) if row.get("lineNumber") not in others]
        shown: dict[int, Row] = {int(row["lineNumber"]): dict(row) for row in foreign}
        highest = max((int(row["lineNumber"]) for row in line_rows(read or {})), default=0)
        for row, before in _paired(wanted, mine):
            if row is None:
                assert before is not None
                number = int(before["lineNumber"])
                found.sent.append({"operation": "Delete", **wrapped(lineNumber=number)})
                continue
            sent, shows = row
            if before is None:
                highest += 1
                found.sent.append({"operation": "Insert", **sent})
                shown[highest] = {**shows, "lineNumber": highest}
            else:
                number = int(before["lineNumber"])
                sent = {"operation": "Update", **wrapped(lineNumber=number), **sent}
                found.sent.append(sent)
                kept = {"branchNumber": before.get("branchNumber")}
                if "subaccount" not in sent:
                    kept["subaccount"] = before.get("subaccount")
                shown[number] = {**shows, **_given(kept, shows), "lineNumber": number}
        found.shown = [shown[number] for number in sorted(shown)]
        return found

    # --- one line --------------------------------------------------------------------------------

    def _row(self, line: Line, place: int) -> tuple[Row, Row]:
        """A line as it is sent, and as it will be shown."""
        if len(line.text) > TEXT_LENGTH:
            self._wrong("text_too_long", f"The text of line {place} has {len(line.text)} "
                        f"characters; Visma.net takes {TEXT_LENGTH}.", place, "text")  # fmt: skip
        return self._text(line) if line.kind is LineKind.TEXT else self._item(line, place)

    def _text(self, line: Line) -> tuple[Row, Row]:
        """
        A line that only says something: without an item it wants an account, on which nothing is
        booked, and the VAT category of the others, so that it brings no VAT code of its own.
        """
        if not self._text_account:
            self._made.wrong(
                "account_missing",
                "A line that is text only needs an account, and the items tell none.",
                hint="Set text_account of the connection.",
                place="lines",
            )
        sent = wrapped(
            description=line.text.strip(),
            accountNumber=self._text_account or None,
            vatCodeId=self._text_category or None,
            taskId=self._text_task or None,
            quantity=ZERO,
            unitPriceInCurrency=ZERO,
            manualDiscount=True,
        )
        shown: Row = {
            "description": line.text.strip(),
            "amountInCurrency": ZERO,
            "vatCode": {"id": self._text_category},
        }
        return sent, shown

    def _item(self, line: Line, place: int) -> tuple[Row, Row]:
        item = self._found(line, place)
        number = text_of(item, "inventoryNumber")
        text = line.text or (line.item.name if line.item else "") or text_of(item, "description")
        quantity = self._exact(line.quantity, self._settings.quantity_decimals, "quantity", place)
        price = self._exact(line.unit_price, self._settings.price_decimals, "unit_price", place)
        category = line.tax_code or text_of(item, "vatCode", "id")
        sent = wrapped(
            inventoryNumber=number,
            description=text[:TEXT_LENGTH],
            quantity=quantity,
            uom=_unit(line, item) or None,
            unitPriceInCurrency=price,
            manualDiscount=True,
        )
        extended = round_to(quantity * price, self._places)
        net = line_net(line.quantity, line.unit_price, line.discount, self._places)
        percent = plain(line.discount * 100)
        # A percentage and its amount are rounded one after the other there, and at once here:
        # where that makes a cent, the amount of the discount is sent in its place.
        if extended - round_to(extended * percent / 100, self._places) == net:
            sent |= wrapped(discountPercent=percent)
        else:
            sent |= wrapped(discountAmountInCurrency=extended - net)
            percent = round_to((extended - net) * 100 / extended, 6) if extended else ZERO
        if not 0 <= line.discount <= 1:
            self._wrong("discount_out_of_range", f"The discount of line {place} is "
                        f"{line.discount}; it must be from 0 to 1.", place, "discount")  # fmt: skip
        if line.tax_code:
            sent |= wrapped(vatCodeId=line.tax_code)
            if line.tax_code not in self._names.categories:
                self._wrong("tax_unresolved", f"VAT category {line.tax_code} (line {place}) does "
                            "not exist in Visma.net.", place, "tax_code")  # fmt: skip
        shown: Row = {
            "inventoryNumber": number,
            "description": text[:TEXT_LENGTH],
            "quantity": quantity,
            "uom": _unit(line, item),
            "unitPriceInCurrency": price,
            "discountPercent": percent,
            "amountInCurrency": net,
            "vatCode": {"id": category},
        }
        self._dimensions(sent, shown, line, place)
        return sent, shown

    def _found(self, line: Line, place: int) -> Payload:
        item = line.item
        if item is not None:
            by_id = self._items.get(f"id:{item.ref.id}") if item.ref else None
            found = by_id or self._items.get(item.number.casefold())
            if found is not None:
                problem = _unusable(found, stock=self._stock)
                if problem:
                    said = text_of(found, "inventoryNumber")
                    self._wrong("item_not_usable", f"Item {said} (line {place}) {problem}.", place,
                                "item", hint="Map the item to another one.")  # fmt: skip
                return found
        said = (item.number or item.name) if item else line.text
        self._wrong(
            "item_no_code",
            f'"{said}" (line {place}) is no item in Visma.net; every line with a price needs one.',
            place,
            "item",
            hint="Add it to the table of items, or make the item in Visma.net.",
        )
        return {}

    def _find_account(self, lines: Sequence[Line]) -> None:
        """The account and the VAT category that text lines take: those of the first item."""
        for line in lines:
            item = line.item
            found = self._items.get(item.number.casefold()) if item and item.number else None
            if found is None and item is not None and item.ref is not None:
                found = self._items.get(f"id:{item.ref.id}")
            if found is not None:
                account = text_of(found, "accountInformation", "salesAccount", "number")
                self._text_account = self._text_account or account
                self._text_category = line.tax_code or text_of(found, "vatCode", "id")
                return

    def _exact(self, value: Decimal, decimals: int, name: str, place: int) -> Decimal:
        """The value in as many decimals as may be kept; a finer one is wrong, never rounded."""
        fitting = value.quantize(Decimal(1).scaleb(-decimals))
        if fitting != value:
            self._wrong("value_too_fine", f"Line {place} has {value}; Visma.net takes {decimals} "
                        "decimals here.", place, name)  # fmt: skip
            return fitting
        return value if -int(value.as_tuple().exponent) <= decimals else fitting

    # --- dimensions ------------------------------------------------------------------------------

    def _header(self, lines: Sequence[Line]) -> dict[str, str]:
        """The project stands on the document: all lines that have one have the same."""
        found: dict[str, str] = {}
        for place, line in enumerate(lines, start=1):
            code = line.dimensions.get(PROJECT, "")
            if code and not self._text_task:
                self._text_task = line.dimensions.get(TASK) or self._names.task_of(code) or ""
            if code and found.setdefault("project", code) != code:
                self._wrong("dimension_unknown", f"Line {place} is of project {code}, others are "
                            f"of {found['project']}; a document has one project in Visma.net.",
                            place, "dimensions.project")  # fmt: skip
        priced = [line for line in lines if line.kind is not LineKind.TEXT]
        if found and not all(line.dimensions.get(PROJECT) for line in priced):
            self._made.wrong(
                "dimension_unknown",
                f"Some lines are of project {found['project']}, others of none; a document has one "
                "project in Visma.net, and each line a task of it.",
                place="lines",
            )
        return found

    def _dimensions(self, sent: Row, shown: Row, line: Line, place: int) -> None:
        segments: list[Row] = []
        for kind, code in line.dimensions.items():
            if kind == PROJECT:
                self._task(sent, shown, line, code, place)
            elif kind == BRANCH:
                if code not in self._names.branches:
                    self._unknown(kind, code, place)
                sent |= wrapped(branchNumber=code)
                shown["branchNumber"] = {"number": code}
            elif kind != TASK:
                segment = self._names.segment(kind)
                active = segment.values.get(code) if segment else None
                if segment is None or active is None:
                    self._unknown(kind, code, place)
                    continue
                if not active:
                    self._wrong("dimension_ended", f"{kind} {code} (line {place}) is not active "
                                "in Visma.net.", place, f"dimensions.{kind}")  # fmt: skip
                segments.append({"segmentId": segment.number, "segmentValue": code})
        if segments:
            sent["subaccount"] = sorted(segments, key=lambda s: int(s["segmentId"]))
        shown["subaccount"] = {"segments": self._filled(segments)}

    def _filled(self, segments: Sequence[Row]) -> list[Row]:
        """The segments as they will be shown: those that were not named are filled in there."""
        told = {int(one["segmentId"]): str(one["segmentValue"]) for one in segments}
        default = self._settings.default_subaccount.split("-")
        for number, value in zip(sorted(self._names.segments), default, strict=False):
            if value:
                told.setdefault(number, value)
        return [{"segmentId": number, "segmentValue": told[number]} for number in sorted(told)]

    def _task(self, sent: Row, shown: Row, line: Line, project: str, place: int) -> None:
        row = self._names.projects.get(project)
        if row is None or text_of(row, "status") in ("Completed", "Cancelled"):
            self._unknown(PROJECT, project, place)
            return
        task = line.dimensions.get(TASK) or self._names.task_of(project)
        known = {text_of(one, "taskId") for one in rows_of(row, "tasks")}
        if not task or task not in known:
            self._wrong(
                "dimension_unknown",
                f"Line {place} needs a task of project {project}; there are "
                f"{', '.join(sorted(known)) or 'none'}.",
                place,
                "dimensions.project_task",
                hint="Map project_task as a dimension.",
            )
            return
        sent |= wrapped(taskId=task)
        shown["projectTask"] = {"id": task}

    def _unknown(self, kind: str, code: str, place: int) -> None:
        self._wrong("dimension_unknown", f"{kind} {code} (line {place}) does not exist in "
                    "Visma.net, or has ended.", place, f"dimensions.{kind}",
                    hint="Add it in Visma.net, or correct the mapping.")  # fmt: skip

    def _wrong(self, code: str, message: str, place: int, name: str, *, hint: str = "") -> None:
        self._made.wrong(code, message, hint=hint, place=f"lines.{place}.{name}")


def foreign_rows(read: Payload | None, base: Document | None, reading: Reading) -> list[Payload]:
    """Lines that somebody added since both sides agreed: in what was read, not in the base."""
    if read is None or base is None:
        return []
    rows = line_rows(read)
    if len(rows) <= len(base.lines):
        # As many as before: lines were changed, not added, and those are ours to set.
        return []
    known = [line_content(line) for line in base.lines]
    found = []
    for row, line in zip(rows, translated(read, reading).lines, strict=True):
        if line_content(line) in known:
            known.remove(line_content(line))
        else:
            found.append(row)
    return found


def _paired(
    wanted: Sequence[tuple[Row, Row]], before: Sequence[Payload]
) -> list[tuple[tuple[Row, Row] | None, Payload | None]]:
    """
    Each line with the one that it was before, in order: the same item goes on, what is replaced
    goes on in its place, new ones come last, and what is left over goes.
    """
    mine = [_mark(shown) for _, shown in wanted]
    theirs = [_mark(row) for row in before]
    found: list[tuple[tuple[Row, Row] | None, Payload | None]] = []
    for _, first, last, start, end in SequenceMatcher(
        None, theirs, mine, autojunk=False
    ).get_opcodes():
        olds, news = before[first:last], wanted[start:end]
        both = min(len(olds), len(news))
        for new, old in zip(news[:both], olds[:both], strict=True):
            if bool(text_of(new[1], "inventoryNumber")) is bool(text_of(old, "inventoryNumber")):
                found.append((new, old))
            else:
                # A line cannot lose its item.
                found += [(None, old), (new, None)]
        found += [(None, row) for row in olds[both:]]
        found += [(row, None) for row in news[both:]]
    return found


def _mark(row: Payload) -> str:
    return text_of(row, "inventoryNumber").casefold() or text_of(row, "description")


def _unit(line: Line, item: Payload) -> str:
    """The unit of the line where the item has it, else the one that the item is sold in."""
    known = [text_of(item, "salesUnit"), text_of(item, "baseUnit")]
    known += [text_of(row, "fromUnit") for row in rows_of(item, "inventoryUnits")]
    said = next((u for u in known if u and u.casefold() == line.unit.casefold()), "")
    return said or known[0] or known[1]


def _unusable(item: Payload, *, stock: bool) -> str:
    if item.get("stockItem") and not stock:
        return "is a stock item, which an invoice cannot hold; it goes through a sales order"
    if text_of(item, "status") not in SELLABLE:
        return "is not for sale in Visma.net"
    return ""


def _given(kept: Mapping[str, Any], shows: Row) -> Row:
    return {
        name: value
        for name, value in kept.items()
        if value is not None and (name == "subaccount" or name not in shows)
    }

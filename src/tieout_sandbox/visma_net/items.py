"""Inventory items and sales prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import attributes, tax, webhooks
from tieout_sandbox.visma_net.call import Call, changed, created, done
from tieout_sandbox.visma_net.company import Company, day_text
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.lists import bare, flag, greater, matching, one, paged, param, stored
from tieout_sandbox.visma_net.shown import account, described, finished, short, stamps
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read

RESOURCE = "inventory"
_EXPANDS = {
    "crossReferences": "expandCrossReference",
    "attachments": "expandAttachment",
    "attributes": "expandAttribute",
    "warehouseDetails": "expandWarehouseDetail",
    "accountInformation": "expandAccountInformation",
    "inventoryUnits": "expandInventoryUnits",
    "supplierDetails": "expandSupplierDetails",
    "salesCategories": "expandSalesCategories",
    "note": "expandNote",
}
STOCK_TYPES = frozenset({"FinishedGoodItem", "ComponentPartItem", "SubassemblyItem"})


def need(company: Company, number: str) -> Record:
    """The item of a number; NotFoundError where there is none."""
    found = company.items.one("inventoryNumber", number)
    if found is None:
        raise NotFoundError(f"InventoryID '{number}' cannot be found in the system.")
    return found


def need_internal(company: Company, inventory_id: str) -> Record:
    """The item of an internal id; NotFoundError where there is none."""
    found = company.items.get(inventory_id)
    if found is None:
        raise NotFoundError(f"InventoryID '{inventory_id}' cannot be found in the system.")
    return found


def put_new(company: Company, body: Any) -> Record:
    """A new item; BusinessError where the rules refuse it."""
    given = read("InventoryUpdateDto", body, company.assumptions)
    for name, label in (
        ("inventoryNumber", "Inventory ID"),
        ("description", "Description"),
        ("itemClass", "Item Class"),
    ):
        if not given.get(name):
            raise BusinessError(f"Error: '{label}' cannot be empty.")
    number = given["inventoryNumber"]
    if len(number) > 30:
        raise BusinessError("Error: InventoryCD is longer than 30 characters.")
    if company.items.one("inventoryNumber", number) is not None:
        raise BusinessError(f"Error: the inventory item '{number}' already exists.")
    class_ = company.item_classes.get(given["itemClass"])
    if class_ is None:
        raise missing("ItemClassID", given["itemClass"])
    inventory_id = 100 + company.count("item")
    record: Record = {
        "_key": str(inventory_id),
        "inventoryId": inventory_id,
        "inventoryNumber": number,
        "itemClass": given["itemClass"],
        "status": "Active",
        "type": class_["type"],
        "stockItem": class_["type"] in STOCK_TYPES,
        "kitItem": False,
        "body": None,
        "note": None,
        "postingClass": class_["_posting_class"],
        "_vat_category": class_["_vat_category"],
        "_sales_account": class_["_sales_account"],
        "defaultPrice": Decimal(0),
        "currentCost": Decimal(0),
        "baseUnit": class_["_unit"],
        "salesUnit": given.get("baseUnit") or class_["_unit"],
        "purchaseUnit": given.get("baseUnit") or class_["_unit"],
        "attributes": {},
        "_units": [],
        "_on_hand": Decimal(0),
    }
    return _applied(company, record, given, new=True)


def put(company: Company, record: Record, body: Any) -> Record:
    """The item with the fields that were sent."""
    given = read("InventoryUpdateDto", body, company.assumptions)
    return _applied(company, dict(record), given, new=False)


def _applied(company: Company, record: Record, given: Record, *, new: bool) -> Record:
    for name in ("description", "status", "type", "body", "note", "kitItem", "defaultPrice"):
        if given.get(name) is not None:
            record[name] = given[name]
    for name in ("baseUnit", "salesUnit", "purchaseUnit"):
        if given.get(name):
            if all(given[name] != row["fromUnit"] for row in company.units):
                raise missing("UOM", given[name])
            record[name] = given[name]
    if given.get("vatCode"):
        tax.category(company, given["vatCode"])
        record["_vat_category"] = given["vatCode"]
    if given.get("salesAccount"):
        if company.accounts.get(given["salesAccount"]) is None:
            raise missing("AccountID", given["salesAccount"])
        record["_sales_account"] = given["salesAccount"]
    if "attributeLines" in given:
        class_ = company.item_classes.get(record["itemClass"])
        assert class_ is not None
        record["attributes"] = attributes.merged(
            company, record["attributes"], given["attributeLines"], class_["_attributes"]
        )
    saved = company.save(company.items, record)
    event = "Inventory Item Created" if new else "Inventory Item Updated"
    webhooks.send(company, event, saved["_key"])
    return saved


def item_class(company: Company, row: Record | None) -> Any:
    """An item class as the API shows it."""
    if row is None:
        return None
    return {
        "type": row["type"],
        "attributes": [
            attributes.of_class(company, name, place)
            for place, name in enumerate(row["_attributes"], start=1)
        ],
        "id": row["id"],
        "description": row["description"],
    }


def present(company: Company, record: Record) -> Any:
    """An item with all its parts."""
    return shown(company, record, frozenset(_EXPANDS), statistics=True)


def shown(company: Company, record: Record, parts: frozenset[str], *, statistics: bool) -> Any:
    """An item with the parts that were asked for. It has no version header, only `timestamp`."""
    category = company.vat_categories.get(record["_vat_category"])
    cost = short(record["currentCost"])
    found: Record = {
        **{
            name: record[name]
            for name in (
                "inventoryId",
                "inventoryNumber",
                "status",
                "type",
                "description",
                "body",
                "baseUnit",
                "salesUnit",
                "purchaseUnit",
                "stockItem",
                "kitItem",
            )
        },
        "itemClass": item_class(company, company.item_classes.get(record["itemClass"])),
        "postingClass": described(company.posting_classes.get(record["postingClass"])),
        "vatCode": described(category, "vatCategoryId"),
        "defaultPrice": short(record["defaultPrice"]),
        "recommendedPrice": short(record["defaultPrice"]),
        "pendingCost": short(Decimal(0)),
        "currentCost": cost,
        "lastCost": cost,
        "lastModifiedDateTime": stamps(company, RESOURCE, record)["lastModifiedDateTime"],
        "timestamp": record["_version"],
    }
    if statistics:
        names = ("lastCost", "averageCost", "minCost", "maxCost")
        found["costPriceStatistics"] = dict.fromkeys(names, cost)
    for part in sorted(parts):
        found[part] = _part(company, record, part)
    return finished(company, found)


def _part(company: Company, record: Record, part: str) -> Any:
    match part:
        case "attributes":
            return attributes.shown(company, record["attributes"])
        case "note":
            return record["note"]
        case "accountInformation":
            found = account(company, record["_sales_account"]) or {}
            found.pop("active", None)
            return {"salesAccount": found}
        case "inventoryUnits":
            return [{**row, "unitRate": short(row["unitRate"])} for row in record["_units"]]
        case "warehouseDetails":
            if not record["stockItem"]:
                return []
            on_hand = short(record["_on_hand"])
            return [
                {
                    "isDefault": True,
                    "warehouse": "1",
                    "quantityOnHand": on_hand,
                    "available": on_hand,
                }
            ]
        case _:
            return []


# Calls.


def listing(company: Company, call: Call) -> Response:
    """GET /v1/inventory. What is expanded by default will change: a client says so for each."""
    request = call.request
    wanted = attributes.query(param(request, "attributes"))

    def like(record: Record, text: str) -> bool:
        return text.casefold() in str(record["description"]).casefold()

    found = matching(
        company,
        request,
        RESOURCE,
        stored(company, company.items),
        equal={
            "inventoryNumber": lambda _, record: record["inventoryNumber"],
            "status": lambda _, record: record["status"],
            "inventoryTypes": lambda _, record: record["type"],
        },
        tests={"description": like, "greaterThanValue": greater("inventoryNumber")},
    )
    found = [record for record in found if attributes.meet(record["attributes"], wanted)]
    default = company.assumptions.expands_by_default
    parts = frozenset(part for part, name in _EXPANDS.items() if flag(request, name, default))
    statistics = flag(request, "addCostPriceStatistics")

    def row(company: Company, record: Record) -> Any:
        return shown(company, record, parts, statistics=statistics)

    return paged(company, request, RESOURCE, found, row)


def single(company: Company, call: Call) -> Response:
    """GET /v1/inventory/{number}."""
    return one(company, present(company, need(company, call.ids[0])))


def single_internal(company: Company, call: Call) -> Response:
    """GET /v1/inventory/internal/{id}: the way to a number with a stroke in it."""
    return one(company, present(company, need_internal(company, call.ids[0])))


def create(company: Company, call: Call) -> Response:
    """POST /v1/inventory."""
    record = put_new(company, call.body())
    return created(company, call, "v1/inventory", record["inventoryNumber"])


def change(company: Company, call: Call) -> Response:
    """PUT /v1/inventory/{number}."""
    record = put(company, need(company, call.ids[0]), call.body())
    return changed(company, call, "v1/inventory", record["inventoryNumber"])


def change_internal(company: Company, call: Call) -> Response:
    """PUT /v1/inventory/internal/{id}."""
    record = put(company, need_internal(company, call.ids[0]), call.body())
    return changed(company, call, "v1/inventory", record["inventoryNumber"])


def renumber(company: Company, record: Record, number: str) -> Record:
    """The item under another number; its internal id stays."""
    if company.items.one("inventoryNumber", number) is not None:
        raise BusinessError(f"Error: the inventory item '{number}' already exists.")
    old = record["inventoryNumber"]
    for row in company.prices.find("inventoryId", old):
        company.save(company.prices, {**row, "inventoryId": number})
    for document in company.documents:
        _rename_lines(company, document, old, number)
    return company.save(company.items, {**record, "inventoryNumber": number})


def _rename_lines(company: Company, document: Record, old: str, number: str) -> None:
    if all(line["inventoryNumber"] != old for line in document["_lines"]):
        return
    lines = [
        {**line, "inventoryNumber": number} if line["inventoryNumber"] == old else line
        for line in document["_lines"]
    ]
    # The document is as it was: it points to the item, not to its number.
    company.documents.save({**document, "_lines": lines})


def renumber_call(company: Company, call: Call) -> Response:
    """The action `changeInventoryNbr`."""
    given = read("ChangeInventoryNbrActionDto", call.body(), company.assumptions)
    if not given.get("inventoryNbr"):
        raise BusinessError("Error: 'inventoryNbr' cannot be empty.")
    renumber(company, need_internal(company, call.ids[0]), given["inventoryNbr"])
    return done(company)


def update_cost(company: Company, call: Call) -> Response:
    """The action `updateCost`."""
    need(company, call.ids[0])
    return done(company)


def cross_references(company: Company, call: Call) -> Response:
    """GET of an item's other numbers: none."""
    need(company, call.ids[0])
    return json_response(200, [])


def classes(company: Company, call: Call) -> Response:
    """GET /v1/inventory/itemClass."""
    return paged(company, call.request, "itemclass", list(company.item_classes), item_class)


def one_class(company: Company, call: Call) -> Response:
    """GET /v1/inventory/itemclass/{id}."""
    row = company.item_classes.get(call.ids[0])
    if row is None:
        raise NotFoundError(f"ItemClassID '{call.ids[0]}' cannot be found in the system.")
    return json_response(200, item_class(company, row))


def posting_classes(company: Company, call: Call) -> Response:
    """GET /v1/inventory/itemPostClass."""
    _ = call
    return bare(company, company.posting_classes, lambda _, row: described(row))


# Prices.


def price_row(company: Company, record: Record) -> Any:
    """A sales price as the API shows it."""
    names = ("recordId", "priceType", "priceCode", "inventoryId", "description", "uoM")
    found = {
        **{name: record[name] for name in (*names, "promotion", "currency", "vat", "warehouse")},
        "breakQty": short(record["breakQty"]),
        "price": short(record["price"]),
        "effectiveDate": day_text(record["effectiveDate"]),
        "expirationDate": day_text(record["expirationDate"]),
        "lastModifiedDateTime": stamps(company, "price", record)["lastModifiedDateTime"],
        "timeStamp": record["_version"],
    }
    return finished(company, found)


def prices(company: Company, call: Call) -> Response:
    """GET /v1/customerSalesPrice."""

    def of_type(record: Record, wanted: str) -> bool:
        return wanted.casefold() in ("all", record["priceType"].casefold())

    def in_force(record: Record, wanted: str) -> bool:
        begins, ends = record["effectiveDate"], record["expirationDate"]
        day = wanted[:10]
        return (begins is None or begins.isoformat() <= day) and (
            ends is None or day <= ends.isoformat()
        )

    found = matching(
        company,
        call.request,
        "price",
        stored(company, company.prices),
        equal={
            "priceCode": lambda _, record: record["priceCode"],
            "inventoryId": lambda _, record: record["inventoryId"],
        },
        tests={"priceType": of_type, "effectiveAsOf": in_force},
    )
    return paged(company, call.request, "customersalesprice", found, price_row)


def _price(company: Company, record_id: str) -> Record:
    found = company.prices.get(record_id)
    if found is None:
        raise NotFoundError(f"Sales price '{record_id}' cannot be found in the system.")
    return found


def price(company: Company, call: Call) -> Response:
    """GET of one price."""
    record = _price(company, call.ids[0])
    return one(company, price_row(company, record), record["_version"])


def create_price(company: Company, call: Call) -> Response:
    """POST of a price."""
    record = put_price(company, read_price(company, call.body()))
    return created(company, call, "v1/customerSalesPrice", record["recordId"], record["_version"])


def change_price(company: Company, call: Call) -> Response:
    """PUT of a price."""
    record = _price(company, call.ids[0])
    call.require_match(record)
    record = put_price(company, read_price(company, call.body()), record)
    return changed(company, call, "v1/customerSalesPrice", record["recordId"], record["_version"])


def read_price(company: Company, body: Any) -> Record:
    """What was sent of a price."""
    return read("CustomerSalesPriceUpdateDto", body, company.assumptions)


def put_price(company: Company, given: Record, old: Record | None = None) -> Record:
    """A price, new or changed; BusinessError where it names what is not there."""
    record = dict(old) if old is not None else _blank_price(company)
    record.update({name: value for name, value in given.items() if value is not None})
    item = company.items.one("inventoryNumber", record["inventoryId"] or "")
    if item is None:
        raise missing("InventoryID", record["inventoryId"])
    record["uoM"] = record["uoM"] or item["salesUnit"]
    record["description"] = item["description"]
    if company.currencies.get(record["currency"]) is None:
        raise missing("CuryID", record["currency"])
    if record["priceType"] == "Customer" and (
        company.customers.one("number", record["priceCode"] or "") is None
    ):
        raise missing("PriceCode", record["priceCode"])
    if record["priceType"] == "CustomerPriceClass" and (
        company.price_classes.get(record["priceCode"]) is None
    ):
        raise missing("PriceCode", record["priceCode"])
    return company.save(company.prices, record)


def _blank_price(company: Company) -> Record:
    record_id = company.count("price")
    return {
        "_key": str(record_id),
        "recordId": record_id,
        "priceType": "Base",
        "priceCode": None,
        "inventoryId": None,
        "description": None,
        "uoM": None,
        "promotion": False,
        "breakQty": Decimal(0),
        "price": Decimal(0),
        "currency": company.base_currency,
        "vat": None,
        "effectiveDate": None,
        "expirationDate": None,
        "warehouse": None,
    }

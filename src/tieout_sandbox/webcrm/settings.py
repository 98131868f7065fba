"""What an administrator has configured: custom fields, drop-downs, pipeline, catalogue columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tieout_sandbox.webcrm.fields import (
    BY_NAME,
    LINKED_SETUP,
    QUOTING_SETUP,
    Entity,
    Field,
)
from tieout_sandbox.webcrm.values import OTHER_PLACEHOLDER, PLACEHOLDER, blank

# The meanings of the display types are documented nowhere; these are guesses.
TEXT, LIST, MULTI, CHECK, DAY, NUMBER, WHOLE, MAIL, RICH = (
    "T",
    "L",
    "ML",
    "C",
    "D",
    "R",
    "I",
    "EMA",
    "HTML",
)
_BY_KIND = {"text": TEXT, "int": WHOLE, "number": NUMBER, "bool": CHECK, "date": DAY, "enum": LIST}
METADATA_TYPES = (
    "Activity",
    "Delivery",
    "Event",
    "Opportunity",
    "Organisation",
    "Person",
    "Product",
    "SupportCase",
    "User",
)
CUSTOM_LENGTH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSetup:
    """How one field is configured. `options`: the full strings of a drop-down, prefix included;
    `size` 0: as long as the field comes."""

    entity: str
    name: str
    label: str
    display: str = TEXT
    size: int = 0
    options: tuple[str, ...] = ()
    unique: bool = False
    mandatory: bool = False
    hidden: bool = False
    placeholder: str = PLACEHOLDER

    @property
    def unset(self) -> str | None:
        """What the field shows while nothing is chosen; None where it is like any other."""
        match self.display:
            case "L":
                return self.placeholder
            case "ML":
                return "[]"
            case "C":
                return "No"
            case _:
                return None


TERMS = (
    "00: Netto kontant",
    "07: 7 dage",
    "10: 10 dage",
    "14: 14 dage",
    "20: 20 dage",
    "30: 30 dage",
    "45: 45 dage",
    "60: 60 dage",
)
CURRENCIES = ("SEK", "EUR", "NOK", "DKK", "USD", "CHF")
STATUSES = ("Emne", "Kunde", "Tidligere kunde", "Spærret")
TYPES = ("Debitor", "Kreditor", "Partner", "Privat")
INDUSTRIES = ("Consulting", "Energy", "Retail", "Manufacturing", "Technology", "Government")
LEVELS = {
    1: "Kontakt",
    2: "Kvalificeret",
    3: "Behovsanalyse",
    4: "Løsning",
    5: "Beslutningstagere",
    6: "Tilbud sendt",
    7: "Forhandling",
    8: "Mundtlig accept",
    10: "Vundet",
    11: "Tabt",
}
WON_LEVEL, LOST_LEVEL = 10, 11
_USED = (
    "UseCostPrice",
    "UseListPrice",
    "UseQuantity",
    "UseDiscount",
    "UsePriceLine",
    "UsePriceTotal",
    "UseVatPerLine",
    "UseLineNumber",
    "UseItemGroup",
)


# What this system keeps of what an organisation has bought: an invoice, line by line.
_PRODUCT_FIELDS = {
    "Custom1": "Nøgle",
    "Custom2": "Bilagstype",
    "Custom3": "Fakturanummer",
    "Custom4": "Fakturastatus",
    "Custom5": "Fakturadato",
    "Custom6": "Forfaldsdato",
    "Custom7": "Valuta",
    "Custom8": "Netto",
    "Custom9": "Moms",
    "Custom10": "I alt",
    "Custom11": "Restbeløb",
    "Custom12": "Linjebeløb",
    "Custom13": "Varenummer",
    "Custom14": "Enhed",
    "Custom15": "Momssats",
    "Plus1": "Betalt",
    "Plus2": "Krediteret",
    "Plus3": "Øreafrunding",
    "Plus4": "Betalt den",
    "Plus5": "Salg",
    "Plus6": "Bogholderiets status",
    "Plus7": "Linjetype",
    "Plus8": "Dimensioner",
    "Plus9": "Opdateret",
    "Plus10": "Bogholderiets side",
}
_LONG = ("Plus8", "Plus10")


def _default_fields() -> list[FieldSetup]:
    organisation = "Organisation"
    both = (("Opportunity", "OpportunityCustom"), ("Delivery", "DeliveryOpportunityCustom"))
    found = [
        _of(organisation, "Status", "Status", LIST, options=STATUSES),
        _of(organisation, "Type", "Type", LIST, options=TYPES),
        _of(
            organisation,
            "Industry",
            "Branche",
            LIST,
            options=INDUSTRIES,
            placeholder=OTHER_PLACEHOLDER,
        ),
        _of(organisation, "Custom1", "Organisationsnummer"),
        _of(organisation, "Custom2", "Betalingsbetingelser", LIST, options=TERMS),
        _of(organisation, "Custom3", "Faktura-e-mail", MAIL, size=80),
        _of(organisation, "Custom4", "Kreditstop", CHECK),
        _of(organisation, "Custom5", "ERP customer no.", unique=True),
        _of(organisation, "Custom6", "Valuta", LIST, options=CURRENCIES),
        _of(organisation, "Custom7", "Saldo"),
        _of(organisation, "Custom8", "Heraf forfaldent"),
        _of(organisation, "Custom9", "Kræver købers reference", CHECK),
        _of(organisation, "Custom10", "Nyhedsbreve", MULTI, options=("Produkt", "Kursus", "Drift")),
        _of("Person", "Custom1", "Rolle", LIST, options=("Indkøb", "Økonomi", "Ledelse")),
        _of("Person", "Custom2", "Primær kontakt", CHECK),
        _of("Person", "Custom3", "ERP contact id"),
        _of("Delivery", "Custom1", "Betalingsbetingelser", LIST, options=TERMS),
        _of("Delivery", "Custom2", "Fakturatype", LIST, options=("Faktura", "Kreditnota")),
        _of("Delivery", "Custom3", "Fakturanummer"),
        _of("Delivery", "Custom4", "Fakturastatus"),
        _of("Delivery", "Custom5", "Forfaldsdato"),
        _of("Delivery", "Custom6", "Restbeløb"),
        _of("Delivery", "Custom7", "Betalt den"),
        _of("Delivery", "Custom8", "Note fra bogholderiet", size=250),
    ]
    found += [
        _of("Product", stored, label, size=250 if stored in _LONG else 0)
        for stored, label in _PRODUCT_FIELDS.items()
    ]
    for entity, stem in both:
        found += [
            FieldSetup(
                entity=entity,
                name=f"{stem}1",
                label="Betalingsbetingelser",
                display=LIST,
                options=TERMS,
            ),
            FieldSetup(entity=entity, name=f"{stem}2", label="Kundens ordrenummer"),
            FieldSetup(entity=entity, name=f"{stem}3", label="Deres reference"),
            FieldSetup(entity=entity, name=f"{stem}4", label="Leveringsdato"),
        ]
    return found


def _of(entity: str, stored: str, label: str, display: str = TEXT, **more: Any) -> FieldSetup:
    return FieldSetup(entity=entity, name=f"{entity}{stored}", label=label, display=display, **more)


@dataclass(slots=True)
class Settings:
    """One system's configuration. `columns`: what the catalogue's Data columns hold, in order."""

    fields: dict[str, FieldSetup] = field(
        default_factory=lambda: {one.name: one for one in _default_fields()}
    )
    levels: dict[int, str] = field(default_factory=lambda: dict(LEVELS))
    columns: list[str] = field(default_factory=lambda: ["Varenummer", "Navn", "Enhed"])
    unique_item_number: bool = True

    def setup(self, name: str) -> FieldSetup | None:
        """How a field is configured; None for one that is as it comes."""
        return self.fields.get(name)

    def size(self, field: Field) -> int | None:
        """The most characters of a text; None where no length is known. Older systems hold less
        than the document says, and then it is told here."""
        setup = self.fields.get(field.name)
        if setup is None:
            return field.size
        if is_custom(field):
            return setup.size or field.size or CUSTOM_LENGTH
        return min(setup.size or field.size or 0, field.size or setup.size) or None

    def unset(self, name: str) -> str | None:
        """What an unset field shows, where that is not what its kind shows."""
        setup = self.fields.get(name)
        return setup.unset if setup is not None else None

    def change(self, name: str, **values: Any) -> FieldSetup:
        """Configures a field anew; ValueError where there is none of that name or kind."""
        entity = next((one for one in BY_NAME.values() if name in one.fields), None)
        if entity is None:
            raise ValueError(f"there is no field {name}")
        before = self.fields.get(name) or FieldSetup(entity=entity.name, name=name, label=name)
        if values.get("unique") and (entity.name != "Organisation" or "Custom" not in name):
            raise ValueError("only a custom field of an organisation can be unique")
        if "options" in values:
            values["options"] = tuple(str(one) for one in values["options"])
            values.setdefault("display", LIST)
        self.fields[name] = replace(before, **values)
        return self.fields[name]

    def metadata(self, entity: Entity) -> Iterator[dict[str, Any]]:
        """The fields of an entity that are switched on, as `/FieldsMetadata` tells them."""
        base = 1000 * METADATA_TYPES.index(entity.name)
        for place, one in enumerate(entity.fields.values()):
            setup = self.fields.get(one.name)
            if setup is None and is_custom(one):
                continue  # nobody gave it a meaning
            if setup is not None and setup.hidden:
                continue
            yield _metadata(entity, one, setup, base + place, self.size(one) or 0)

    def linked_setup(self, entity_type: str, place: int) -> dict[str, Any]:
        """The catalogue setup of an entity other than quotation lines: none of it is used."""
        return _setup(LINKED_SETUP, "LinkedSetup", entity_type, place, {})

    def quoting_setup(self) -> dict[str, Any]:
        """The setup of the catalogue for quotation lines."""
        known: dict[str, Any] = {
            f"Field{place}": 700 + place for place, _ in enumerate(self.columns, start=1)
        }
        known |= {f"UseLinkedField{place}": True for place in range(1, len(self.columns) + 1)}
        known |= dict.fromkeys(_USED, True)
        known |= {
            "IsUniqueValueRequired": self.unique_item_number,
            "CostPriceLabel": "Kostpris",
            "ListPriceLabel": "Listepris",
            "PriceLabel": "Pris",
            "QuantityLabel": "Antal",
            "MemoField": 710,
        }
        return _setup(QUOTING_SETUP, "QuotationLineLinkedSetup", "Product", 1, known)

    def state(self) -> dict[str, Any]:
        """Everything, for the state file."""
        return {
            "fields": [asdict(one) for one in self.fields.values()],
            "levels": [[level, text] for level, text in self.levels.items()],
            "columns": self.columns,
            "unique_item_number": self.unique_item_number,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Settings:
        """Takes back what `state` gave."""
        fields = [
            FieldSetup(**{**one, "options": tuple(one["options"])}) for one in state["fields"]
        ]
        return cls(
            fields={one.name: one for one in fields},
            levels={int(level): text for level, text in state["levels"]},
            columns=state["columns"],
            unique_item_number=state["unique_item_number"],
        )


def is_custom(one: Field) -> bool:
    """Whether customers give the field its meaning."""
    stems = ("Custom", "Plus", "ExtraCustom", "XText", "XInt", "XDate", "XMemo", "CheckMark")
    bare = one.stored.removeprefix("Opportunity")
    return bare.rstrip("0123456789") in stems


def _metadata(
    entity: Entity, one: Field, setup: FieldSetup | None, number: int, size: int
) -> dict[str, Any]:
    display = setup.display if setup is not None else _BY_KIND.get(one.kind, "NONE")
    if setup is None and one.stored in ("History", "Memo"):
        display = RICH
    options = setup.options if setup is not None else one.names
    return {
        "FieldMetadataDbFieldName": f"{entity.name[:2].lower()}_{one.stored.lower()}",
        "FieldMetadataFriendlyFieldName": one.name,
        "FieldMetadataId": number,
        "FieldMetadataLabel": setup.label if setup is not None else one.stored,
        "FieldMetadataSortOrder": number % 1000 * 10,
        "FieldMetadataDisplayType": display,
        "FieldMetadataTextFieldMaxLength": size,
        "FieldMetadataDropdownListData": [{"Text": text, "Value": text} for text in options],
    }


def _setup(
    table: dict[str, Field], prefix: str, entity_type: str, place: int, known: dict[str, Any]
) -> dict[str, Any]:
    known = {"Id": place, "EntityType": entity_type, **known}
    return {
        name: known.get(name.removeprefix(prefix), blank(one, "utc", 0))
        for name, one in table.items()
    }

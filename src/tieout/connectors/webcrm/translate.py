"""Rows of webCRM into our records. Pure: the same rows give the same record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tieout.connectors.webcrm.countries import country_code
from tieout.connectors.webcrm.ids import ref_of
from tieout.connectors.webcrm.price_columns import listed_prices, shown_field
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.system import SystemField, SystemFields, enum_name, place_on
from tieout.connectors.webcrm.values import (
    RowError,
    day_at,
    extra_value,
    flag_at,
    id_at,
    moment_at,
    number_at,
    plain_text,
    text_at,
)
from tieout.core.finding import Finding
from tieout.core.model import (
    Address,
    Contact,
    Customer,
    Deal,
    DealKind,
    DealState,
    Entity,
    ExternalRef,
    Extra,
    Identifier,
    Item,
    ItemRef,
    Line,
    LineKind,
    PartyKind,
)
from tieout.core.money import line_net, minor_units, round_money

Row = Mapping[str, Any]
LINE_MARK = "line."
READY = frozenset({"ReadyForSynchronization", "Synchronized"})
_HUNDRED = Decimal(100)
_HALF_CENT = Decimal("0.005")
_NONE_WRITTEN = frozenset({"", "-"})
# What systems show where no currency was chosen.
_NO_CURRENCY = frozenset({"", "00"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What stands around a deal: its lines, its person, and the users by id."""

    lines: Sequence[Row] = ()
    person: Row | None = None
    users: Mapping[int, Row] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """
    Which paths of the vendor's a selection wants; ``digest`` is kept with each record. ``kinds``
    are the columns of the catalogue that hold price lists.
    """

    extra: tuple[str, ...] = ()
    line_extra: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    digest: str = ""

    @classmethod
    def of(cls, extra: Iterable[str], digest: str, kinds: frozenset[str] = frozenset()) -> Shape:
        """The paths of records and those of their lines, which are marked."""
        found = tuple(extra)
        return cls(
            extra=tuple(path for path in found if not path.startswith(LINE_MARK)),
            line_extra=tuple(
                path.removeprefix(LINE_MARK) for path in found if path.startswith(LINE_MARK)
            ),
            kinds=kinds,
            digest=digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Translator:
    """Knows the connection's name, the settings, and the fields of the system by kind."""

    connection: str
    settings: WebcrmSettings
    fields: Mapping[str, SystemFields]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the system."""
        return ZoneInfo(self.settings.time_zone)

    # Deals.

    def deal(self, kind: str, row: Row, root: int, around: Around, shape: Shape) -> Deal:
        """
        The deal of an opportunity or a delivery. ``root`` is the id under which it is known for
        ever. Raises `RowError` where the row has no meaning for us.
        """
        native_id = id_at(row, f"{kind}Id")
        currency = currency_code(self.settings, text_at(row, f"{kind}CurrencyName"))
        lines = tuple(
            self._line(line, at, shape)
            for at, line in enumerate(sorted(around.lines, key=_line_order), start=1)
        )
        total = _total(lines, currency)
        discount = self._discount(row, kind, total, currency)
        customer = id_at(row, f"{kind}OrganisationId")
        owner = around.users.get(self._owner(row, kind), {})
        state = self.state(kind, row)
        won_at = moment_at(row, "DeliveryWonDate", self.zone) if kind == "Delivery" else None
        return Deal(
            ref=self._ref(Entity.DEAL, root),
            version=deal_version(kind, row, around.lines),
            changed_at=moment_at(row, f"{kind}UpdatedAt", self.zone),
            came_from=() if root == native_id else (self._ref(Entity.DEAL, native_id),),
            kind=DealKind.DELIVERY if kind == "Delivery" else DealKind.OPPORTUNITY,
            source_id=self._ref(Entity.DEAL, root).id,
            number=text_at(row, f"{kind}Number"),
            title=text_at(row, f"{kind}Description"),
            customer=self._ref(Entity.CUSTOMER, customer) if customer else None,
            billing_contact=self._person(around.person),
            state=state,
            stage=self._stage(kind, row),
            close_date=self._close_date(kind, row, won_at),
            won_at=won_at if state is DealState.WON else None,
            delivered_on=self._day(kind, row, self.settings.deal.delivered_on),
            currency=currency,
            lines=lines,
            discount=discount,
            stated_total=self._stated(row, kind, lines, total, discount),
            po_number=text_at(row, place_on(kind, self.settings.deal.po_number)),
            buyer_reference=text_at(row, place_on(kind, self.settings.deal.buyer_reference)),
            owner=text_at(owner, "UserName"),
            owner_email=text_at(owner, "UserEmail"),
            probability=_fraction(number_at(row, f"{kind}Percent")),
            extra=self._deal_extra(kind, row, shape.extra),
            shape=shape.digest,
        )

    def state(self, kind: str, row: Row) -> DealState:
        """Won, lost or open, by what the settings say makes a deal won."""
        settings = self.settings
        status = enum_name(f"{kind}ErpStatus", row.get(f"{kind}ErpStatus"))
        # What was handed over stays won: the handshake itself turns ready into synchronized.
        ready = settings.won == "ready" and status in READY
        if kind == "Delivery":
            if settings.won == "ready":
                return DealState.WON if ready else DealState.OPEN
            if settings.won == "status":
                now = enum_name("DeliveryStatus", row.get("DeliveryStatus"))
                return DealState.WON if now in settings.won_statuses else DealState.OPEN
            return DealState.WON
        level = str(id_at(row, "OpportunityLevel"))
        flagged = settings.won == "flag" and row.get("OpportunityWinYesNo") is True
        if ready or flagged or (settings.won == "level" and level in settings.won_levels):
            return DealState.WON
        lost = level in settings.lost_levels
        if lost or moment_at(row, "OpportunityLostDate", self.zone) is not None:
            return DealState.LOST
        return DealState.OPEN

    def _owner(self, row: Row, kind: str) -> int:
        responsible = id_at(row, "DeliveryResponsible") if kind == "Delivery" else 0
        return responsible or id_at(row, f"{kind}AssignedTo")

    def _stage(self, kind: str, row: Row) -> str:
        if kind == "Delivery":
            return str(enum_name("DeliveryStatus", row.get("DeliveryStatus")) or "")
        return text_at(row, "OpportunityLevelText") or str(id_at(row, "OpportunityLevel"))

    def _close_date(self, kind: str, row: Row, won_at: datetime | None) -> date | None:
        ordered = day_at(row, f"{kind}OrderDate", self.zone)
        if ordered is not None or won_at is None:
            return ordered
        return won_at.astimezone(self.zone).date()

    def _day(self, kind: str, row: Row, name: str) -> date | None:
        place = place_on(kind, name) if name else ""
        return day_at(row, place, self.zone) if place else None

    def _line(self, row: Row, position: int, shape: Shape) -> Line:
        columns = self.settings.line
        number = _column(row, columns.item)
        name = _column(row, columns.name)
        price = number_at(row, "QuotationLinePrice") or Decimal(0)
        quantity = number_at(row, "QuotationLineQuantity") or Decimal(0)
        memo = plain_text(text_at(row, "QuotationLineMemo") or text_at(row, "QuotationLineComment"))
        line_id = id_at(row, "QuotationLineId")
        is_text = not number and not price and not (name and quantity)
        return Line(
            ref=ExternalRef(self.connection, "line", str(line_id)),
            position=position,
            kind=LineKind.TEXT if is_text else LineKind.ITEM,
            item=None if is_text else ItemRef(number=number, name=name),
            text=(name or memo) if is_text else name,
            quantity=quantity,
            unit=_column(row, columns.unit),
            unit_price=price,
            discount=_fraction(number_at(row, "QuotationLineDiscount")) or Decimal(0),
            extra={
                path: extra_value(path, row.get(path), None, self.zone) for path in shape.line_extra
            },
        )

    def _discount(self, row: Row, kind: str, total: Decimal, currency: str) -> Decimal:
        """What the head takes off the whole deal, as an amount."""
        told = number_at(row, f"{kind}Discount") or Decimal(0)
        if not told or self.settings.head_discount == "amount":
            return told
        return round_money(total * told / _HUNDRED, currency)

    def _stated(
        self, row: Row, kind: str, lines: Sequence[Line], total: Decimal, discount: Decimal
    ) -> Decimal | None:
        """
        What the head says the deal is worth, net, after its discount.

        It is kept beside the lines, before the discount or after it, and not always rounded like
        them: it counts as equal within half a cent a line.
        """
        told = number_at(row, f"{kind}OrderValue")
        if told is None or not lines:
            return told
        net = total - discount
        if self.settings.check_order_value == "no":
            return net
        near = _HALF_CENT * (len(lines) + 1)
        if abs(told - net) <= near or abs(told - total) <= near:
            return net
        return told

    def _deal_extra(self, kind: str, row: Row, paths: Iterable[str]) -> Extra:
        return {path: self._extra(kind, row, path, place_on(kind, path)) for path in paths}

    def _extra(self, kind: str, row: Row, path: str, place: str) -> Any:
        known = self.fields.get(kind)
        found: SystemField | None = known.field(place) if known is not None else None
        value = row.get(place) if place else None
        return extra_value(place or path, enum_name(place, value), found, self.zone)

    # Master data.

    def customer(self, row: Row, users: Mapping[int, Row], shape: Shape) -> Customer:
        """The customer of an organisation."""
        names = self.settings.account
        address = self._address(row)
        country = address.country if address else ""
        email = text_at(row, names.invoice_email)
        phone = text_at(row, "OrganisationTelephone")
        is_person = text_at(row, "OrganisationType") in names.person_types
        extra = {path: self._extra("Organisation", row, path, path) for path in shape.extra}
        if flag_at(row, names.reference_required):
            extra["reference_required"] = True
        currency = text_at(row, names.currency)
        return Customer(
            ref=self._ref(Entity.CUSTOMER, id_at(row, "OrganisationId")),
            version=stamp_text(row.get("OrganisationUpdatedAt")) or None,
            changed_at=moment_at(row, "OrganisationUpdatedAt", self.zone),
            number=text_at(row, names.number),
            name=text_at(row, "OrganisationName"),
            kind=PartyKind.PERSON if is_person else PartyKind.COMPANY,
            identifiers=tuple(
                Identifier(kind=kind, country=country or None, raw=text_at(row, place))
                for kind, place in (("company", names.org_number), ("vat", names.vat_number))
                if text_at(row, place)
            ),
            addresses=(address,) if address else (),
            emails={"invoice": email} if email else {},
            phones={"general": phone} if phone else {},
            language=text_at(row, names.language),
            currency="" if currency in _NO_CURRENCY else currency_code(self.settings, currency),
            terms=text_at(row, names.terms),
            tax_group=text_at(row, names.tax_group),
            credit_stop=flag_at(row, names.credit_stop),
            owner=text_at(users.get(id_at(row, "OrganisationOwner"), {}), "UserName"),
            extra=extra,
            shape=shape.digest,
        )

    def country_finding(self, row: Row) -> Finding | None:
        """What to say of a country's name that is not known; nothing is guessed."""
        name = text_at(row, "OrganisationCountry")
        if not name or country_code(name, self.settings.countries):
            return None
        return Finding(
            code="country_unknown",
            message=f'{text_at(row, "OrganisationName")} is in "{name}", which is no country that '
            "is known here, so its address counts as incomplete.",
            hint="Correct it on the organisation; or say which it is in the connection's settings "
            "(countries).",
            place="OrganisationCountry",
            hold_on="customer",
            values={"country": name},
        )

    def contact(self, row: Row, shape: Shape) -> Contact:
        """The contact of a person. A last name of `-` is none."""
        owner = id_at(row, "PersonOrganisationId")
        role = text_at(row, self.settings.contact_role)
        status = enum_name("PersonStatus", row.get("PersonStatus"))
        return Contact(
            ref=self._ref(Entity.CONTACT, id_at(row, "PersonId")),
            version=stamp_text(row.get("PersonUpdatedAt")) or None,
            changed_at=moment_at(row, "PersonUpdatedAt", self.zone),
            customer=self._ref(Entity.CUSTOMER, owner) if owner else None,
            given=_given(row),
            family=_family(row),
            email=text_at(row, "PersonEmail"),
            phone=text_at(row, "PersonDirectPhone"),
            mobile=text_at(row, "PersonMobilePhone"),
            title=text_at(row, "PersonTitle"),
            roles=(role,) if role else (),
            active=status in ("Active", None),
            extra={path: self._extra("Person", row, path, path) for path in shape.extra},
            shape=shape.digest,
        )

    def item(self, row: Row, shape: Shape) -> Item:
        """The item of a row of the catalogue. Raises `RowError` for one without an id."""
        stem = "QuotationLineLinkedDataItem"
        number = id_at(row, f"{stem}Id")
        if not number:
            raise RowError("It has no id.")
        columns = self.settings.line
        return Item(
            ref=self._ref(Entity.ITEM, number),
            number=_column(row, columns.item, stem),
            name=_column(row, columns.name, stem),
            unit=_column(row, columns.unit, stem),
            price=number_at(row, f"{stem}Price"),
            cost=number_at(row, f"{stem}CostPrice"),
            prices=listed_prices(row, shape.kinds),
            extra={path: shown_field(row, path) for path in shape.extra},
            shape=shape.digest,
        )

    # Parts.

    def _address(self, row: Row) -> Address | None:
        lines = address_lines(text_at(row, "OrganisationAddress"))
        postcode = text_at(row, "OrganisationPostCode")
        city = text_at(row, "OrganisationCity")
        country = country_code(text_at(row, "OrganisationCountry"), self.settings.countries)
        if not (lines or postcode or city or country):
            return None
        return Address(
            role="billing",
            lines=lines,
            postcode=postcode,
            city=city,
            country=country,
        )

    def _person(self, row: Row | None) -> Contact | None:
        if row is None:
            return None
        return Contact(
            ref=self._ref(Entity.CONTACT, id_at(row, "PersonId")),
            given=_given(row),
            family=_family(row),
            email=text_at(row, "PersonEmail"),
            phone=text_at(row, "PersonDirectPhone") or text_at(row, "PersonMobilePhone"),
        )

    def _ref(self, entity: Entity, number: int) -> ExternalRef:
        return ref_of(self.connection, entity, number)


def address_lines(text: str) -> tuple[str, ...]:
    """The lines of an address, which is one text."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return tuple(part.strip() for part in plain.split("\n") if part.strip())


def currency_code(settings: WebcrmSettings, name: str) -> str:
    """The ISO code of a currency's name; an unknown name stays as it is, and is refused."""
    if name in _NO_CURRENCY:
        return settings.currency
    for word, code in settings.currencies.items():
        if word.casefold() == name.casefold():
            return code
    upper = name.upper()
    return upper if len(upper) == 3 and upper.isascii() and upper.isalpha() else name


def deal_version(kind: str, row: Row, lines: Sequence[Row]) -> str:
    """
    The mark of a deal with its lines: a line can move, or go, without a trace on its deal.
    """
    return f"{stamp_text(row.get(f'{kind}UpdatedAt'))}/{lines_digest(lines)}"


def lines_digest(lines: Iterable[Row]) -> str:
    """A short name for a set of lines in the states they have."""
    marks = sorted(
        f"{id_at(line, 'QuotationLineId')} {stamp_text(line.get('QuotationLineUpdatedAt'))}"
        for line in lines
    )
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:12] if marks else "0"


def stamp_text(value: Any) -> str:
    """A stamp in UTC, the same text in summer and winter; '' for none."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return ""
    if found.year <= 1:
        return ""
    known = found if found.tzinfo else found.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _column(row: Row, column: str, stem: str = "QuotationLine") -> str:
    text = text_at(row, f"{stem}{column}") if column else ""
    # A used column may not be empty: the vendor itself writes a dash.
    return "" if text in _NONE_WRITTEN else text


def _given(row: Row) -> str:
    names = (text_at(row, "PersonFirstName"), text_at(row, "PersonMiddleName"))
    return " ".join(name for name in names if name)


def _family(row: Row) -> str:
    name = text_at(row, "PersonLastName")
    return "" if name in _NONE_WRITTEN else name


def _line_order(row: Row) -> tuple[int, int]:
    return id_at(row, "QuotationLineSortOrder"), id_at(row, "QuotationLineId")


def _fraction(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent / _HUNDRED


def _total(lines: Sequence[Line], currency: str) -> Decimal:
    places = minor_units(currency)
    nets = (
        line_net(line.quantity, line.unit_price, line.discount, places)
        for line in lines
        if line.kind is not LineKind.TEXT
    )
    return sum(nets, Decimal(0))

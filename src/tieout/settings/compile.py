"""A configuration made into what the core and the engine read: rules, and what to select."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tieout.core.abilities import Abilities, Reads
from tieout.core.digest import digest
from tieout.core.errors import ConfigurationError
from tieout.core.mapping import (
    Mode,
    Owner,
    compile_expr,
    render,
)
from tieout.core.model import Company, Entity
from tieout.core.policy import (
    STANDARD_LIST,
    BooksPolicy,
    BrakePolicy,
    BridgePolicy,
    ContactPolicy,
    CustomerPolicy,
    DocumentPolicy,
    FieldRule,
    FlowMode,
    InvoicePolicy,
    ItemPolicy,
    KindRule,
    PriceRule,
    ReconcilePolicy,
    RegisterPolicy,
    Rule,
    Scope,
    StatusPolicy,
)
from tieout.ports import Selection
from tieout.settings.bridge import Configuration
from tieout.settings.bridge_canonical import DEFAULT_TRIGGER, TERMS, default_owner, target_of
from tieout.settings.bridge_contacts import ContactFields
from tieout.settings.bridge_file import BASE_LIST, CustomerRow
from tieout.settings.bridge_names import (
    CONTACT_TARGETS,
    CUSTOMER_TARGETS,
    DOCUMENT_TARGETS,
    LINE_TARGETS,
    NUMBER,
    PLAIN,
    TEXT,
    vendor_path,
)
from tieout.settings.bridge_row import FieldRow
from tieout.settings.bridge_written import Written
from tieout.settings.evaluating import Evaluate, fitting, looked_up, strict
from tieout.settings.selecting_contacts import contact_selections, require_contacts
from tieout.settings.selecting_lists import reference_policy, require_lists, value_lists

SMALL_OPEN: Final[Mapping[str, Decimal]] = {
    "SEK": Decimal("0.99"),
    "NOK": Decimal("0.99"),
    "DKK": Decimal("0.99"),
    "EUR": Decimal("0.05"),
}
"""What may be open on an invoice that counts as paid: below one krona or krone, 5 cents."""


def compile_policy(
    configuration: Configuration,
    *,
    version: int,
    crm_org: str,
    companies: Mapping[str, Company],
) -> BridgePolicy:
    """
    The policy of a configuration version.

    ``companies`` are those behind the books, by connection; ConfigurationError where one is
    missing.
    """
    flows = configuration.model.flows
    compiler = _Compiler(configuration)
    given = flows.documents
    brakes = configuration.model.brakes
    registers = configuration.model.registers
    return BridgePolicy(
        name=configuration.name,
        version=version,
        digest=configuration.digest,
        crm=configuration.crm,
        crm_org=crm_org,
        books=tuple(_books(configuration, compiler, companies)),
        customers=CustomerPolicy(
            mode=flows.customers.mode,
            when=compiler.rule("flows", "customers", "when"),
            match=flows.customers.match,
            conflict=Owner(flows.customers.conflict),
            both=flows.customers.direction == "both",
            owners={name: Owner(word) for name, word in flows.customers.owners.items()},
            fields=tuple(compiler.customer_fields()),
        ),
        documents=DocumentPolicy(
            mode=given.mode,
            include=compiler.rule("flows", "documents", "include"),
            trigger=compiler.trigger(),
            kind=given.create,
            kinds=tuple(compiler.kinds()),
            ask_order_changes=given.order_changes == "ask",
            approve_above=given.approve_above,
            four_eyes=(
                given.approve_above is not None if given.four_eyes is None else given.four_eyes
            ),
            void_on_reopen=given.void_on_reopen,
            require_reference=given.require_reference,
            require_email=given.require_email,
            tolerance=given.tolerance,
            discount_item=given.discount_item,
            required_dimensions=given.required_dimensions,
            prices_include_tax=given.prices_include_tax,
            check_vat_state=given.check_vat_state,
            fields=tuple(compiler.document_fields()),
            line_fields=tuple(compiler.line_fields()),
            instalments=compiler.value(TEXT, "flows", "documents", "instalments"),
        ),
        status=StatusPolicy(
            mode=flows.status.mode,
            every_s=flows.status.every,
            tolerance={**SMALL_OPEN, **flows.status.tolerance},
        ),
        items=ItemPolicy(
            mode=flows.items.mode,
            when=compiler.rule("flows", "items", "when"),
            cost=flows.items.cost,
            prices=price_rules(configuration),
            fields=tuple(compiler.item_fields()),
            every_s=flows.items.every,
        ),
        invoices=InvoicePolicy(
            mode=flows.invoices.mode,
            since=flows.invoices.since,
            lines=flows.invoices.lines,
            every_s=flows.invoices.every,
        ),
        reference=reference_policy(configuration),
        contacts=ContactPolicy(
            mode=flows.contacts.mode,
            to_books=flows.contacts.direction != "to_crm",
            to_crm=flows.contacts.direction != "to_books",
            books_when=compiler.rule("flows", "contacts", "books_when"),
            crm_when=compiler.rule("flows", "contacts", "crm_when"),
            owners={name: Owner(word) for name, word in flows.contacts.owners.items()},
            books_fields=tuple(compiler.contact_fields("contact", compiler.mapping.contact)),
            crm_fields=tuple(
                compiler.contact_fields("contact.to_crm", compiler.mapping.contact_to_crm)
            ),
            shared=flows.contacts.shared_address,
            every_s=flows.contacts.every,
        ),
        reconcile=ReconcilePolicy(
            sold_amount=flows.reconcile.sold_amount,
            every_s=flows.reconcile.every,
            threshold=flows.reconcile.threshold,
            alert=flows.reconcile.alert or "",
            rate=compiler.value(NUMBER, "flows", "reconcile", "rate"),
        ),
        brakes=BrakePolicy(
            floor=brakes.floor,
            create_share=brakes.create_share,
            update_share=brakes.update_share,
            gone_slots=brakes.gone_slots,
            gone_share=brakes.gone_share,
            unknown_share=brakes.unknown_share,
            clock_offset_s=brakes.clock_offset,
        ),
        registers=RegisterPolicy(
            vies=registers.vies,
            brreg=registers.brreg,
            requester=registers.requester or "",
            max_age_s=registers.max_age,
            timeout_s=registers.timeout,
            calls=registers.calls,
        ),
    )


def field_rules(configuration: Configuration) -> tuple[tuple[FieldRule, ...], ...]:
    """The mapping's rules over customers, over heads of deals, and over their lines."""
    made = _Compiler(configuration)
    return tuple(made.customer_fields()), tuple(made.document_fields()), tuple(made.line_fields())


def price_rules(configuration: Configuration) -> tuple[PriceRule, ...]:
    """The price lists that the CRM shows; one without a name there is called as in the books."""
    return tuple(
        PriceRule(
            list="" if one.list == BASE_LIST else one.list,
            book=one.book or (STANDARD_LIST if one.list == BASE_LIST else one.list),
            currencies=one.currency,
        )
        for one in configuration.model.flows.items.prices
    )


def _books(
    configuration: Configuration, compiler: _Compiler, companies: Mapping[str, Company]
) -> Iterator[BooksPolicy]:
    for index, book in enumerate(configuration.model.books):
        company = companies.get(book.connection)
        if company is None:
            raise ConfigurationError(
                f"the company behind {book.connection} is not known",
                code="connection_missing",
                hint="tieout connection add",
            )
        yield BooksPolicy(
            connection=book.connection,
            company=company.id,
            seller=company.country,
            base_currency=company.currency,
            time_zone=book.time_zone or company.time_zone,
            when=compiler.rule("books", str(index), "when"),
            currencies=frozenset(book.currency),
        )


class _Compiler:
    """Makes functions of the expressions of one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self.written = configuration.written
        self.tables = configuration.values
        self.mapping = configuration.model.mapping
        self.given_kinds = configuration.model.flows.documents.kinds

    def rule(self, *key: str) -> Rule | None:
        written = self.written.get(key)
        if written is None:
            return None
        return Rule(text=written.text, test=strict(written, self._compile(written)))

    def kinds(self) -> Iterator[KindRule]:
        for index, row in enumerate(self.given_kinds):
            rule = self.rule("flows", "documents", "kinds", str(index), "when")
            if rule is not None:
                yield KindRule(when=rule, kind=row.create)

    def value(self, kind: str, *key: str) -> FieldRule | None:
        """A setting of a flow that is a value of the deal."""
        written = self.written.get(key)
        if written is None:
            return None
        value = fitting(written, kind, self._compile(written))
        return FieldRule(target=key[-1], text=written.text, value=value)

    def trigger(self) -> Rule | None:
        """None for a deal that is won, which the core asks for by itself."""
        written = self.written.get(("flows", "documents", "when"))
        if written is None or render(written.expr) == DEFAULT_TRIGGER:
            return None
        return self.rule(*written.key)

    def customer_fields(self) -> Iterator[FieldRule]:
        mapped = False
        for name, row in dict(self.mapping.customer).items():
            if row is None:
                continue
            target = target_of("customer", name)
            mapped = mapped or target == "terms"
            kind = CUSTOMER_TARGETS[target]
            yield self._customer_rule(target, kind, row, ("mapping", "customer", name))
        table = next((self.tables[name] for name in TERMS if self._filled(name)), None)
        if not mapped and table is not None:
            yield FieldRule(
                target="terms",
                text=f"account.terms | lookup('{table.name}')",
                value=looked_up(lambda scope: _get(scope, "account", "terms"), table, keep=False),
                table=table.name,
                kept_in=table.where,
                owner=Owner(default_owner("terms")),
            )

    def contact_fields(self, section: str, group: ContactFields) -> Iterator[FieldRule]:
        for target, row in dict(group).items():
            if row is not None:
                key = ("mapping", section, target)
                value = self._conditional(self._value(row, key, CONTACT_TARGETS[target]), key)
                rule = self._plain_rule(target, key, row, value)
                yield replace(rule, mode=Mode(row.mode))

    def document_fields(self) -> Iterator[FieldRule]:
        for target, row in dict(self.mapping.document).items():
            if row is not None:
                key = ("mapping", "document", target)
                value = self._value(row, key, DOCUMENT_TARGETS[target])
                # The core blanks a field of the head whose rule gives nothing.
                other = _USUAL_HEAD.get(target) if row.condition is not None else None
                yield self._plain_rule(target, key, row, self._conditional(value, key, other))

    def line_fields(self) -> Iterator[FieldRule]:
        for target, row in dict(self.mapping.document_line).items():
            if row is not None:
                key = ("mapping", "document.line", target)
                value = self._value(row, key, LINE_TARGETS[target], keep=target == "item")
                yield self._plain_rule(target, key, row, self._conditional(value, key))
        if self.mapping.document_line.item is None and self._filled("items"):
            yield FieldRule(
                target="item",
                text="line.item | lookup('items'), else line.item",
                value=looked_up(
                    lambda scope: _get(scope, "line", "item"), self.tables["items"], keep=True
                ),
                table="items",
                kept_in=self.tables["items"].where,
            )
        for kind, row in self.mapping.dimensions.items():
            key = ("mapping", "dimensions", kind)
            value = self._conditional(self._value(row, key, TEXT), key)
            yield self._plain_rule(f"dimensions.{kind}", key, row, value)

    def item_fields(self) -> Iterator[FieldRule]:
        """The CRM's own fields of an item; one without a value is emptied there."""
        for target, row in self.mapping.item.items():
            key = ("mapping", "item", target)
            value = self._conditional(self._value(row, key, PLAIN), key)
            yield self._plain_rule(target, key, row, value)

    def _customer_rule(
        self, target: str, kind: str, row: CustomerRow, key: tuple[str, ...]
    ) -> FieldRule:
        value = self._conditional(self._value(row, key, kind), key)
        if target in _ROLES:
            target, value = _role(target, value)
        return FieldRule(
            target=target,
            text=self.written[key].text,
            value=value,
            table=row.values or "",
            kept_in=self._kept_in(row),
            owner=Owner(row.owner or default_owner(target)),
            mode=Mode(row.mode),
        )

    def _plain_rule(
        self, target: str, key: tuple[str, ...], row: FieldRow, value: Evaluate
    ) -> FieldRule:
        return FieldRule(
            target=target,
            text=self.written[key].text,
            value=value,
            table=row.values or "",
            kept_in=self._kept_in(row),
        )

    def _kept_in(self, row: FieldRow) -> str:
        return self.tables[row.values].where if row.values else ""

    def _value(
        self, row: FieldRow, key: tuple[str, ...], kind: str, *, keep: bool = False
    ) -> Evaluate:
        written = self.written[key]
        value = self._compile(written)
        if row.values is not None:
            keep = keep if row.unmapped is None else row.unmapped == "keep"
            value = looked_up(value, self.tables[row.values], keep=keep)
        return fitting(written, kind, value)

    def _conditional(
        self, value: Evaluate, key: tuple[str, ...], otherwise: Evaluate | None = None
    ) -> Evaluate:
        condition = self.rule(*key, "condition")
        if condition is None:
            return value

        def run(scope: Scope) -> object:
            if condition.holds(scope):
                return value(scope)
            return None if otherwise is None else otherwise(scope)

        return run

    def _compile(self, written: Written) -> Evaluate:
        return compile_expr(written.expr, self.tables)

    def _filled(self, table: str) -> bool:
        """An empty table, as `tieout init` writes it, says nothing yet."""
        found = self.tables.get(table)
        return found is not None and bool(found.rows)


def _get(scope: Scope, root: str, name: str) -> object:
    record = scope.get(root)
    return record.get(name) if isinstance(record, Mapping) else None


_USUAL_HEAD: Final[Mapping[str, Evaluate]] = {
    "your_reference": lambda scope: _get(scope, "contact", "name"),
    "our_reference": lambda scope: _get(scope, "deal", "owner"),
    "po_number": lambda scope: _get(scope, "deal", "po_number"),
    "buyer_reference": lambda scope: _get(scope, "deal", "buyer_reference"),
    "delivered_on": lambda scope: _get(scope, "deal", "delivered_on"),
}

_ROLES: Final = {"email": ("emails", "invoice"), "phone": ("phones", "general")}


def _role(target: str, value: Evaluate) -> tuple[str, Evaluate]:
    """
    An address as one role of the customer's addresses.

    The core compares ``emails`` and ``phones`` as wholes, and finds owner and mode by that name.
    """
    field, role = _ROLES[target]

    def run(scope: Scope) -> object:
        found = value(scope)
        if found is None or found == "":
            return None
        present = _get(scope, "account", field)
        return {**(present if isinstance(present, Mapping) else {}), role: found}

    return field, run


# --- what to read --------------------------------------------------------------------------------

_CRM: Final = (Entity.CUSTOMER, Entity.DEAL)
_BOOKS: Final = (
    Entity.CODE,
    Entity.ITEM,
    Entity.PRICE,
    Entity.CUSTOMER,
    Entity.DOCUMENT,
    Entity.PAYMENT,
    Entity.BALANCE,
)
_ENTITY_OF: Final = {
    "account": Entity.CUSTOMER,
    "customer": Entity.CUSTOMER,
    "deal": Entity.DEAL,
    "line": Entity.DEAL,
}


def selections(
    configuration: Configuration, abilities: Mapping[str, Abilities] | None = None
) -> dict[str, dict[Entity, Selection]]:
    """
    What to read of each connection of the bridge, in the order of dependence.

    With ``abilities`` by connection, what a system cannot be read for is left out. Raises
    ConfigurationError where persons or lists should be kept in step and a system has none.
    """
    found = {name: books_selections(configuration) for name in configuration.books}
    found[configuration.crm] = crm_selections(configuration)
    if abilities is None:
        return found
    require_contacts(configuration, abilities)
    require_lists(configuration, abilities)
    return {
        connection: {
            entity: selection
            for entity, selection in wanted.items()
            if connection not in abilities
            or abilities[connection].of(entity).reads is not Reads.NONE
        }
        for connection, wanted in found.items()
    }


def crm_selections(configuration: Configuration) -> dict[Entity, Selection]:
    """
    Customers and deals of the CRM, with the vendor's own paths that expressions name, and what it
    shows of the books where these flows are on.
    """
    extra: dict[Entity, set[str]] = {entity: set() for entity in _CRM}
    for written in configuration.written.values():
        for path, _ in written.fields:
            own = vendor_path(path)
            if path[0] == "contact":
                continue  # Persons are selected below; a deal's own has our fields only.
            if own is not None and path[0] in _ENTITY_OF:
                mark = "line." if path[0] == "line" else ""
                extra[_ENTITY_OF[path[0]]].add(mark + own)
    found = {entity: _selection(entity, tuple(sorted(extra[entity]))) for entity in _CRM}
    flows = configuration.model.flows
    if flows.items.mode is not FlowMode.OFF:
        lists = {STANDARD_LIST, *(rule.book for rule in price_rules(configuration))}
        fields = tuple(sorted(configuration.model.mapping.item))
        found[Entity.ITEM] = _selection(Entity.ITEM, fields, frozenset(lists))
    if flows.invoices.mode is not FlowMode.OFF:
        found[Entity.DOCUMENT] = _selection(Entity.DOCUMENT)
    if offered := value_lists(configuration):
        found[Entity.VALUES] = _selection(Entity.VALUES, kinds=offered)
    return found | contact_selections(configuration, "contact", "books_when")


def books_selections(configuration: Configuration) -> dict[Entity, Selection]:
    """
    All that is read of books: prices where the CRM shows them, and of items the vendor's own
    paths that expressions name.
    """
    flow = configuration.model.flows.items
    shown = flow.mode is not FlowMode.OFF
    paths = {
        own
        for written in configuration.written.values()
        for path, _ in written.fields
        if shown and path[0] == "item" and (own := vendor_path(path)) is not None
    }
    wanted = [one for one in _BOOKS if one is not Entity.PRICE or (shown and flow.prices)]
    found = {
        entity: _selection(entity, tuple(sorted(paths)) if entity is Entity.ITEM else ())
        for entity in wanted
    }
    return found | contact_selections(configuration, "contact.to_crm", "crm_when")


def _selection(
    entity: Entity, extra: tuple[str, ...] = (), kinds: frozenset[str] = frozenset()
) -> Selection:
    shape = digest(entity.value, tuple(sorted(kinds)), extra)
    return Selection(entity=entity, kinds=kinds, extra=extra, shape=shape)


__all__ = [
    "SMALL_OPEN",
    "books_selections",
    "compile_policy",
    "crm_selections",
    "selections",
]

"""What is known of a draft right after it was made, with few fields read."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest

from contract.connector_contract import create, new_customer, prepared, run, sent
from support.tryton_rig import TrytonRig, method_of, number_of
from support.tryton_server import RunningTryton, tryton_group, tryton_plant  # noqa: F401
from tieout.core.change import Action, Applied, Change, Wanted
from tieout.core.model import Address, Document, Entity, ExternalRef, ItemRef, Line, LineKind
from tieout.ports import HttpRequest, HttpResponse

D = Decimal
_SOURCE = itertools.count(1)
_READ = "model.account.invoice.search_read"


@pytest.fixture
def rig(tryton_group: RunningTryton) -> TrytonRig:  # noqa: F811
    return TrytonRig(tryton_group)


def source() -> str:
    """A deal that no other test has."""
    return f"00TM{next(_SOURCE)}"


async def made(rig: TrytonRig, change: Change) -> tuple[Document, int]:
    """The draft as it was known when it was made, and how often invoices were read for that."""
    item = await prepared(rig, change)
    before = reads(rig)
    _, done = await sent(rig, item)
    assert isinstance(done, Applied)
    assert isinstance(done.shows, Document)
    assert done.ref == done.shows.ref
    assert done.version == done.shows.version
    return done.shows, reads(rig) - before


def reads(rig: TrytonRig) -> int:
    """How often invoices were read."""
    return sum(method_of(request) == _READ for request in rig.transport.requests)


async def whole(rig: TrytonRig, ref: ExternalRef | None) -> Document:
    """The document with everything read."""
    assert ref is not None
    (fate,) = await rig.connector.trace([ref])
    assert isinstance(fate.record, Document)
    return fate.record


def test_a_draft_as_it_was_predicted_is_read_once_and_known_whole(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        known, asked = await made(rig, create(rig, source(), rig.document(customer)))
        assert asked == 1
        assert known == await whole(rig, known.ref)
        assert known.created_by == "tieout"
        assert known.lines[0].dimensions == {"projekt": "P1", "kostnadsställe": "100"}

    run(story())


def test_a_credit_note_in_another_currency_too(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        change = create(rig, source(), rig.document(customer, currency="EUR"))
        draft, asked = await made(rig, change)
        assert (asked, draft.currency) == (1, "EUR")
        assert draft == await whole(rig, draft.ref)
        assert draft.ref is not None
        rig.book(draft.ref)
        booked = await whole(rig, draft.ref)
        wanted = Wanted(record=Document(lines=()), fields=frozenset())
        credit = replace(
            create(rig, source(), wanted), action=Action.CREDIT, target=booked.ref, base=booked
        )
        note, asked = await made(rig, credit)
        assert asked == 1
        assert note == await whole(rig, note.ref)
        assert note.credits == (booked.ref,)

    run(story())


def test_a_text_line_is_in_the_currency_of_its_invoice(rig: TrytonRig) -> None:
    """Over there it defaults to the company's, and then the whole invoice is refused."""

    async def story() -> None:
        customer = await new_customer(rig, source())
        lines = (
            Line(
                position=1,
                item=ItemRef(number="SKR01"),
                text="Skridsko",
                quantity=D(2),
                unit_price=D("10.00"),
                tax_rate=D("0.25"),
            ),
            Line(position=2, kind=LineKind.TEXT, text="Reverse charge"),
        )
        wanted = rig.document(customer, currency="EUR", lines=lines)
        known, _ = await made(rig, create(rig, source(), wanted))
        stored = rig.admin.search(
            "account.invoice.line",
            [["invoice", "=", number_of(known.ref)]],  # type: ignore[arg-type]
            ["type", "currency.code"],
        )
        assert [(row["type"], row["currency."]["code"]) for row in stored] == [
            ("line", "EUR"),
            ("comment", "EUR"),
        ]
        assert [line.text for line in known.lines] == ["Skridsko", "Reverse charge"]

    run(story())


class _Meanwhile:
    """Passes requests on; after a create that was answered, somebody does something."""

    def __init__(self, rig: TrytonRig, does: object) -> None:
        self.inner = rig.transport
        self.requests = rig.transport.requests
        self.faults = rig.transport.faults  # type: ignore[attr-defined]
        self.does = does

    async def send(self, request: HttpRequest) -> HttpResponse:
        answer = await self.inner.send(request)
        if method_of(request) == "model.account.invoice.create":
            self.does()  # type: ignore[operator]
        return answer

    async def close(self) -> None:
        await self.inner.close()


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("account.invoice.line", {"description": "Blå skridsko"}),
        ("account.invoice.line", {"unit_price": D("89.0000")}),
        ("account.invoice", {"reference": "PO-1"}),
        ("account.invoice.line", {"taxes": [["remove", [1]]]}),
    ],
)
def test_a_draft_that_is_not_as_it_was_sent_is_read_whole(
    rig: TrytonRig, model: str, values: dict[str, object]
) -> None:
    """A module of theirs, or a person who was quick: what stands there counts."""

    def edit() -> None:
        (invoice,) = rig.admin.search(
            "account.invoice", [["party", "=", int(customer.id)]], ["lines"]
        )
        if model == "account.invoice":
            rig.anna.write(model, invoice["id"], values)
        else:
            # Through the head, as the screen does, so that its taxes follow.
            change = {"lines": [["write", [invoice["lines"][0]], values]]}
            rig.anna.write("account.invoice", invoice["id"], change)

    async def story() -> None:
        nonlocal customer
        customer = await new_customer(rig, source())
        rig.transport = _Meanwhile(rig, edit)  # type: ignore[assignment]
        rig.connector = rig.connect()
        change = create(rig, source(), rig.document(customer))
        sent_as = (await prepared(rig, change)).shows
        known, asked = await made(rig, change)
        assert asked == 2
        assert known == await whole(rig, known.ref)
        assert isinstance(sent_as, Document)
        assert (known.lines, known.po_number) != (sent_as.lines, sent_as.po_number)

    customer = ExternalRef("", Entity.CUSTOMER, "0")
    run(story())


def test_bytes_of_another_process_are_sent_and_read_whole(rig: TrytonRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig, source())
        item = await prepared(rig, create(rig, source(), rig.document(customer)))
        rig.connector = rig.connect()
        before = reads(rig)
        _, done = await sent(rig, item)
        assert isinstance(done, Applied)
        assert reads(rig) - before == 1
        assert done.shows == await whole(rig, done.ref)

    run(story())


def test_a_run_reads_anew_what_figures_hang_on_and_little_else(rig: TrytonRig) -> None:
    async def story() -> None:
        first = await rig.connector.company()
        before = len(rig.transport.requests)
        assert await rig.connector.company() == first
        asked = [method_of(request) for request in rig.transport.requests[before:]]
        assert len(asked) <= 9, asked
        assert "model.account.tax.search_read" in asked
        assert "model.account.configuration.search_read" in asked
        assert "model.country.country.search_read" not in asked
        # Except where something is named that was not there.
        rig.admin.create("country.country", {"code": "EE", "name": "Estonia"})
        customer = rig.customer(
            addresses=(Address(lines=("Pikk 1",), postcode="10123", city="Tallinn", country="EE"),),
            identifiers=(),
        )
        await prepared(rig, create(rig, source(), customer))

    run(story())

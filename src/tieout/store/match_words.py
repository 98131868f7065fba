"""A person's words on what matching found: checked against what stands there, then kept at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tieout.core.case import OPEN, SlotState
from tieout.core.decide_document import ADOPTED
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import Contact, ExternalRef, Record
from tieout.store import adopting, codec, match_people, pages, people, said
from tieout.store import slots as slot_store
from tieout.store.database import Tx
from tieout.store.match_people import CONTACT
from tieout.store.matching import CUSTOMER, DOCUMENT, Place
from tieout.storing import FanOut

SAME, DIFFERENT, NEW, OPEN_AGAIN = "same", "different", "new", "open"
WORDS = (SAME, DIFFERENT, NEW, OPEN_AGAIN)
NONE_OF_THESE = "none_of_these"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """
    One word: `same`, `different` (of a pair), `new` (of a customer or step), `open` (taken back).

    ``source_id`` is a customer or a person of the CRM, or a deal with its ``part``.
    """

    entity: str
    word: str
    source_id: str
    target_id: str = ""
    part: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """
    A word that cannot be kept: which one, by its place among all, the field, and why. ``first``:
    the place of the word that it contradicts.
    """

    place: int
    field: str
    code: str
    message: str
    first: int | None = None


Places = Mapping[tuple[str, str, int], Slot]
"""The place in the books of each customer and step, by entity, source and part."""


def at(word: Word) -> tuple[str, str, int]:
    """Whose place a word is about."""
    return word.entity, word.source_id, word.part


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    What the words are checked against, read once for all of them. ``owners``: the place (13
    characters) of each record of the books that has one; ``chosen``: who a person said it is;
    ``dead``: documents that were cancelled or credited; ``elsewhere``: deals of which another
    company's books have a document, or get one. ``halves``: (side, person) with whom that one is
    linked; ``back``: the place of each person of the books in the CRM.
    """

    crm: frozenset[tuple[str, str]]
    books: frozenset[tuple[str, str]]
    owners: Mapping[tuple[str, str], str]
    chosen: Mapping[str, str]
    together: frozenset[tuple[str, int, str]]
    states: Mapping[str, SlotState]
    dead: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    halves: Mapping[tuple[str, str], str] = field(default_factory=dict)
    back: Mapping[str, SlotState] = field(default_factory=dict)


def known(
    tx: Tx, place: Place, given: Sequence[Word], places: Places, back: Mapping[str, Slot]
) -> Known:
    """
    What stands there of the records that these words name. Their places are locked, so that no
    write of one begins while a word about it is kept. ``back``: the places of the other way, of
    persons of the books.
    """
    slots = [*places.values(), *back.values()]
    _lock(tx, place, given, sorted({slot.key13 for slot in slots}))
    states = slot_store.slots(tx, slots)
    crm: set[tuple[str, str]] = set()
    books: set[tuple[str, str]] = set()
    owners: dict[tuple[str, str], str] = {}
    for entity in (CUSTOMER, DOCUMENT, CONTACT):
        mine = [word for word in given if word.entity == entity]
        sources = sorted({word.source_id for word in mine})
        targets = sorted({word.target_id for word in mine} - {""})
        of_crm = "deal" if entity == DOCUMENT else entity
        crm |= {(entity, found) for found in _there(tx, place.crm, of_crm, sources)}
        books |= {(entity, found) for found in _there(tx, place.books, entity, targets)}
        owners |= {
            (entity, found): key for found, key in _owners(tx, place.books, entity, targets).items()
        }
    return Known(
        crm=frozenset(crm),
        books=frozenset(books),
        owners=owners,
        chosen=_chosen(tx, place.books, sorted({word.target_id for word in given} - {""})),
        together=_together(tx, place, [word for word in given if word.entity != CUSTOMER]),
        states=states,
        dead=_dead(tx, place.books, sorted({word.target_id for word in given} - {""})),
        elsewhere=_elsewhere(tx, place, [word for word in given if word.entity == DOCUMENT]),
        halves=_halves(tx, place, given, slots),
        back={target: states[slot.key13] for target, slot in back.items()},
    )


def _halves(
    tx: Tx, place: Place, given: Sequence[Word], slots: Sequence[Slot]
) -> dict[tuple[str, str], str]:
    persons = [word for word in given if word.entity == CONTACT]
    if not persons:
        return {}
    found: dict[tuple[str, str], str] = {}
    for side, ids in (
        ("crm", [word.source_id for word in persons]),
        ("books", [word.target_id for word in persons if word.target_id]),
    ):
        linked = match_people.halves(tx, place, slots[0].company, ids, side)
        found |= {(side, one): other for one, other in linked.items()}
    return found


def _lock(tx: Tx, place: Place, given: Sequence[Word], keys: Sequence[str]) -> None:
    """
    Of two words about one record of the books, and of a word and a write that begins, the later
    one sees what the earlier one did.
    """
    for entity in (CUSTOMER, DOCUMENT, CONTACT):
        tx.rows(
            "SELECT 1 FROM mirror WHERE workspace = %(ws)s AND connection = %(books)s"
            " AND entity = %(entity)s AND id = ANY(%(ids)s) ORDER BY id FOR UPDATE",
            books=place.books,
            entity=entity,
            ids=sorted({word.target_id for word in given if word.entity == entity} - {""}),
        )
    for sql in (
        "SELECT 1 FROM slot WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s)"
        " ORDER BY key13 FOR UPDATE",
        "SELECT 1 FROM operation WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s)"
        " AND state IN ('ready', 'awaiting_approval') ORDER BY id FOR UPDATE",
    ):
        tx.rows(sql, keys=list(keys))


def _dead(tx: Tx, books: str, ids: Sequence[str]) -> frozenset[str]:
    return frozenset(
        row[0]
        for row in tx.rows(
            "SELECT id FROM mirror WHERE workspace = %(ws)s AND connection = %(books)s"
            " AND entity = 'document' AND id = ANY(%(ids)s)"
            " AND status IN ('cancelled', 'credited') ORDER BY id",
            books=books,
            ids=list(ids),
        )
    )


def _elsewhere(tx: Tx, place: Place, given: Iterable[Word]) -> frozenset[str]:
    deals = sorted({word.source_id for word in given})
    found = slot_store.slots_of_sources(tx, place.bridge, str(KeyKind.DOCUMENT), deals)
    own = {
        row[0]
        for row in tx.rows(
            "SELECT key13 FROM slot WHERE workspace = %(ws)s AND bridge = %(bridge)s"
            " AND connection = %(books)s AND kind = 'D' AND source_id = ANY(%(deals)s)",
            **place.values(),
            deals=deals,
        )
    }
    return frozenset(
        deal
        for deal, states in found.items()
        if any(
            state.key13 not in own and (state.current is not None or state.operation is not None)
            for state in states
        )
    )


def _there(tx: Tx, connection: str, entity: str, ids: Sequence[str]) -> frozenset[str]:
    return frozenset(
        row[0]
        for row in tx.rows(
            "SELECT id FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
            " AND entity = %(entity)s AND id = ANY(%(ids)s) AND gone_at IS NULL ORDER BY id",
            connection=connection,
            entity=entity,
            ids=sorted(set(ids)),
        )
    )


def _owners(tx: Tx, connection: str, entity: str, ids: Sequence[str]) -> dict[str, str]:
    """The place that each of these records belongs to, whatever its role there."""
    return {
        row[0]: row[1]
        for row in tx.rows(
            "SELECT id, key13 FROM ref WHERE workspace = %(ws)s AND connection = %(connection)s"
            " AND entity = %(entity)s AND id = ANY(%(ids)s) ORDER BY id",
            connection=connection,
            entity=entity,
            ids=sorted(set(ids)),
        )
    }


def _chosen(tx: Tx, books: str, ids: Sequence[str]) -> dict[str, str]:
    """Customers of the books that a person named already, with whom they are said to be."""
    start = f"customer:{books}:"
    return {
        row[1]: row[0].removeprefix(start)
        for row in tx.rows(
            "SELECT subject, chosen FROM (SELECT DISTINCT ON (subject) subject, verdict,"
            " refs->>0 AS chosen FROM verdict WHERE workspace = %(ws)s"
            " AND starts_with(subject, %(start)s) ORDER BY subject, seq DESC) one"
            " WHERE verdict = 'is' AND chosen = ANY(%(ids)s) ORDER BY subject",
            start=start,
            ids=list(ids),
        )
    }


def _together(tx: Tx, place: Place, given: Iterable[Word]) -> frozenset[tuple[str, int, str]]:
    """
    (deal, part, document) that matching found to fit: one customer, one currency, one net; and
    (person, 0, person) with one address at one customer.
    """
    return frozenset(
        (row[0], row[1], row[2])
        for row in tx.rows(
            "SELECT source_id, part, target_id FROM match_pair WHERE workspace = %(ws)s"
            " AND bridge = %(bridge)s AND books = %(books)s AND entity IN ('document', 'contact')"
            " AND source_id = ANY(%(ids)s) ORDER BY source_id, part, target_id",
            **place.values(),
            ids=sorted({word.source_id for word in given}),
        )
    )


# --- checking --------------------


_Problem = tuple[str, str, str] | None


def refusals(given: Sequence[Word], found: Known, places: Places) -> list[Refused]:
    """Every word that cannot be kept, in their order; one that contradicts an earlier one too."""
    wrong: list[Refused] = []
    mine: dict[tuple[str, str, int], int] = {}
    theirs: dict[tuple[str, str], int] = {}
    pairs: dict[tuple[tuple[str, str, int], str], int] = {}
    opened: dict[tuple[str, str, int], int] = {}
    for number, word in enumerate(given):
        problem = _problem(word, found, places)
        first: int | None = None
        if problem is None and word.word in (SAME, NEW):
            first = mine.setdefault(at(word), number)
            if first != number:
                problem = ("decision", "match_twice", "it was decided already")
        if problem is None and word.word == OPEN_AGAIN:
            # Several pairs of one customer may be opened; one that is decided may not.
            opened.setdefault(at(word), number)
        other = mine if word.word == OPEN_AGAIN else opened if word.word in (SAME, NEW) else {}
        if problem is None and at(word) in other:
            first = other[at(word)]
            problem = ("decision", "match_twice", "it was decided already")
        if problem is None and word.target_id:
            first = pairs.setdefault((at(word), word.target_id), number)
            if first != number:
                problem = ("decision", "match_twice", "it was decided already")
        if problem is None and word.word == SAME:
            first = theirs.setdefault((word.entity, word.target_id), number)
            if first != number:
                problem = ("books_id", "match_twice", "it was given to another one already")
        if problem is not None:
            field, code, message = problem
            earlier = first if code == "match_twice" else None
            wrong.append(
                Refused(place=number, field=field, code=code, message=message, first=earlier)
            )
    return wrong


def _problem(word: Word, found: Known, places: Places) -> _Problem:
    kind = {DOCUMENT: "deal", CONTACT: "person"}.get(word.entity, word.entity)
    if (word.entity, word.source_id) not in found.crm:
        return "crm_id", "no_such_record", f'the CRM has no {kind} "{word.source_id}"'
    target = (word.entity, word.target_id)
    if word.word in (SAME, DIFFERENT) and target not in found.books:
        there = "person" if word.entity == CONTACT else word.entity
        return "books_id", "no_such_record", f'the books have no {there} "{word.target_id}"'
    state = found.states[places[at(word)].key13]
    if state.current is not None and not (
        word.word == SAME and state.current.ref.id == word.target_id
    ):
        return "crm_id", "linked_already", f"it is linked already, with {state.current.ref.id}"
    if word.entity == CONTACT and (problem := _of_person(word, found)) is not None:
        return problem
    if word.entity != CUSTOMER and word.word in (SAME, DIFFERENT):
        pair = (word.source_id, word.part, word.target_id)
        if pair not in found.together:
            return "books_id", "not_in_report", "the report does not hold these two together"
    if word.word != SAME:
        return None
    if word.entity == DOCUMENT and word.target_id in found.dead:
        return "books_id", "not_in_report", f'"{word.target_id}" was cancelled or credited'
    if word.entity == DOCUMENT and word.source_id in found.elsewhere:
        return "crm_id", "linked_already", "another company's books have a document of it"
    if found.owners.get(target, state.key13) != state.key13:
        return "books_id", "ref_taken", f'"{word.target_id}" belongs to another one already'
    if word.entity == CUSTOMER and found.chosen.get(word.target_id, word.source_id) != (
        word.source_id
    ):
        return "books_id", "ref_taken", f'"{word.target_id}" was said to be another one'
    if state.operation is not None and state.operation.state in OPEN:
        return "crm_id", "on_its_way", "a write of it is on its way"
    return None


def _of_person(word: Word, found: Known) -> _Problem:
    """What stands against a word about a person, who is known by the address."""
    if word.word == NEW:
        return "decision", "person_by_address", "a person is known by the address: give it another"
    mine, theirs = (
        found.halves.get(("crm", word.source_id)),
        found.halves.get(("books", word.target_id)),
    )
    if mine is not None and mine != word.target_id:
        return "crm_id", "linked_already", f"it is linked already, with {mine}"
    if theirs is not None and theirs != word.source_id:
        return "books_id", "ref_taken", f'"{word.target_id}" belongs to another one already'
    if mine is not None and word.word != SAME:
        return "crm_id", "linked_already", f"it is linked already, with {mine}"
    back = found.back.get(word.target_id)
    if back is not None and back.operation is not None and back.operation.state in OPEN:
        return "books_id", "on_its_way", "a write of it is on its way"
    return None


# --- keeping --------------------


def keep(
    tx: Tx,
    place: Place,
    given: Sequence[Word],
    found: Known,
    places: Places,
    fan_out: Sequence[FanOut],
    who: str,
    reason: str,
    now: datetime,
) -> None:
    """
    All of them, each as a row with its name and time; what they concern becomes due, persons
    apart.
    """
    for word in given:
        if word.entity == DOCUMENT:
            state = found.states[places[at(word)].key13]
            _keep_document(tx, place, word, state, fan_out, who, reason, now)
        elif word.entity == CONTACT:
            _keep_person(tx, place, word, found, places, who, reason, now)
        else:
            state = found.states[places[at(word)].key13]
            _keep_customer(tx, place, word, found.chosen, who, reason, now)
            if word.word == SAME:
                # What would make it anew, released or not, is not sent any more.
                adopting.supersede_waiting(tx, state.key13, now)
    customers = sorted({word.source_id for word in given if word.entity == CUSTOMER})
    deals = sorted({word.source_id for word in given if word.entity == DOCUMENT})
    documents = f"{place.bridge}/documents/{place.books}"
    pages.make_due(tx, f"{place.bridge}/customers/{place.books}", customers, now)
    pages.make_due(tx, documents, deals, now)
    if customers:
        pages.wake(tx, documents, ["customer"], now)


def _keep_person(
    tx: Tx,
    place: Place,
    word: Word,
    found: Known,
    places: Places,
    who: str,
    reason: str,
    now: datetime,
) -> None:
    pair = said.pair_subject(place.books, word.source_id, word.target_id)
    people.add_verdict(tx, pair, word.word, [word.target_id], who, reason, now)
    if word.word != SAME or ("crm", word.source_id) in found.halves:
        return
    ref = ExternalRef(place.books, CONTACT, word.target_id)
    record = _record(tx, ref)
    assert isinstance(record, Contact)
    state, back = found.states[places[at(word)].key13], found.back[word.target_id]
    match_people.keep_one(tx, place, state, back, ref, record.active, now)


def _keep_customer(
    tx: Tx,
    place: Place,
    word: Word,
    chosen: Mapping[str, str],
    who: str,
    reason: str,
    now: datetime,
) -> None:
    subject = f"customer:{place.books}:{word.source_id}"
    if word.word in (SAME, NEW):
        could_be = said.could_be(tx, place.crm, place.books, word.source_id)
        refs = [word.target_id] if word.word == SAME else could_be
        verdict = "is" if word.word == SAME else "new"
        people.add_verdict(tx, subject, verdict, refs, who, reason, now)
        return
    if word.word == OPEN_AGAIN or chosen.get(word.target_id) == word.source_id:
        # Told apart from the one that it was said to be: that word is taken back with it.
        people.add_verdict(tx, subject, "open", [], who, reason, now)
    if word.target_id:
        pair = said.pair_subject(place.books, word.source_id, word.target_id)
        people.add_verdict(tx, pair, word.word, [], who, reason, now)


def _keep_document(
    tx: Tx,
    place: Place,
    word: Word,
    state: SlotState,
    fan_out: Sequence[FanOut],
    who: str,
    reason: str,
    now: datetime,
) -> None:
    if word.word == NEW or (word.word == OPEN_AGAIN and state.verdict == NONE_OF_THESE):
        slot_store.ensure_slot(tx, state, place.bridge, place.books)
        verdict = NONE_OF_THESE if word.word == NEW else ""
        people.set_slot_verdict(tx, state.key13, verdict)
        people.add_verdict(tx, f"slot:{state.key13}", verdict or "open", [], who, reason, now)
    if not word.target_id or word.word == NEW:
        return
    pair = said.pair_subject(place.books, state.key13, word.target_id)
    people.add_verdict(tx, pair, word.word, [word.target_id], who, reason, now)
    if word.word == SAME and state.current is None:
        ref = ExternalRef(place.books, DOCUMENT, word.target_id)
        record = _record(tx, ref)
        adopting.link_found(
            tx, place.bridge, state, ref, state.generation, record, fan_out, now, ADOPTED
        )


def _record(tx: Tx, ref: ExternalRef) -> Record:
    row = tx.row(
        "SELECT record::text FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
    )
    assert row is not None, "it was there when the words were checked"
    return codec.decode_record(ref.entity, row[0])

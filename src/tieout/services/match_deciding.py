"""A person's words on what matching found: singly, many of a kind, or a whole file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tieout.core.keys import KeyKind, Slot
from tieout.core.policy import BooksPolicy, FlowMode
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.places import customer_slot, document_slot, published_slot
from tieout.report.csv import plain_text
from tieout.services.configuration import ConfigurationProblems
from tieout.services.usage import UsedWronglyError
from tieout.settings.problems import Problem, count_text, render_problems
from tieout.settings.text import decode
from tieout.store import match_people, match_report, match_words, pages
from tieout.store.match_people import CONTACT
from tieout.store.match_report import Pair
from tieout.store.match_words import DIFFERENT, NEW, SAME, WORDS, Word
from tieout.store.matching import CUSTOMER, DOCUMENT, Place
from tieout.store.postgres import PostgresStore

COLUMNS: Final = (
    "decision", "kind", "books", "crm_id", "part", "crm_number", "crm_name", "crm_place",
    "books_id", "books_number", "books_name", "books_place", "net", "currency", "key", "score",
    "state", "reason",
)  # fmt: skip
_NEEDED: Final = ("decision", "kind", "books", "crm_id", "books_id")
_MOST_BYTES: Final = 200_000_000
_MOST_DIGITS: Final = 4
_AT_ONCE: Final = match_report.CHUNK
_KINDS: Final = (CUSTOMER, CONTACT, DOCUMENT)


def place_of(engine: Engine, books: str) -> Place:
    """The matching of the bridge with one company's books."""
    return Place(bridge=engine.bridge, crm=engine.policy.crm, books=books)


async def decide(
    engine: Engine,
    store: PostgresStore,
    books: str,
    words: Sequence[Word],
    *,
    who: str,
    reason: str,
) -> None:
    """
    Keeps all of the words, or none. Raises `Refusals` with every one that cannot be kept.
    """
    if wrong := await _decide(engine, store, books, words, who, reason, all_or_none=True):
        raise Refusals(wrong)


async def _decide(
    engine: Engine,
    store: PostgresStore,
    books: str,
    words: Sequence[Word],
    who: str,
    reason: str,
    *,
    all_or_none: bool,
) -> list[match_words.Refused]:
    """Keeps those of the words that can be kept; gives the others."""
    place, book = place_of(engine, books), engine.policy.book(books)
    places, back = _places(engine, book, words)
    now = engine.clock.now()

    def work(tx: Any) -> list[match_words.Refused]:
        found = match_words.known(tx, place, words, places, back)
        wrong = match_words.refusals(words, found, places)
        refused = {one.place for one in wrong}
        good = [word for number, word in enumerate(words) if number not in refused]
        if good and not (wrong and all_or_none):
            fan_out = engine.fan_out(books)
            match_words.keep(tx, place, good, found, places, fan_out, who, reason, now)
            match_people.make_due(tx, place, _due_people(engine, good), now)
            _show_balances(tx, engine, books, good, now)
        return wrong

    return await store.do(work)


def _places(
    engine: Engine, book: BooksPolicy, words: Sequence[Word]
) -> tuple[dict[tuple[str, str, int], Slot], dict[str, Slot]]:
    """The place in the books of what each word is about; and in the CRM, of their persons."""

    def slot(word: Word) -> Slot:
        if word.entity == CUSTOMER:
            return customer_slot(engine, book, word.source_id)
        if word.entity == CONTACT:
            return published_slot(engine, book, KeyKind.CONTACT, word.source_id)
        return document_slot(engine, book, word.source_id, word.part)

    back = {
        word.target_id: published_slot(engine, book, KeyKind.PERSON, word.target_id)
        for word in words
        if word.entity == CONTACT and word.target_id
    }
    return {match_words.at(word): slot(word) for word in words}, back


def _due_people(engine: Engine, words: Sequence[Word]) -> dict[str, list[str]]:
    """Persons that are decided anew, by those of their flows that run."""
    given, persons = engine.policy.contacts, [word for word in words if word.entity == CONTACT]
    if given.mode is FlowMode.OFF:
        return {}
    ends: dict[str, list[str]] = {}
    if given.to_books:
        ends[lanes.CONTACTS] = [word.source_id for word in persons]
    if given.to_crm:
        ends[lanes.PERSONS] = [word.target_id for word in persons]
    return ends


def _show_balances(tx: Any, engine: Engine, books: str, words: Sequence[Word], now: Any) -> None:
    """What a customer owes is shown as soon as it is known who it is."""
    named = sorted(
        {word.source_id for word in words if (word.entity, word.word) == (CUSTOMER, SAME)}
    )
    lane = lanes.lane(engine.bridge, lanes.BALANCES, books)
    if any(rule.lane == lane for rule in lanes.books_fan_out(engine.policy, books)):
        pages.make_due(tx, lane, named, now)


class Refusals(UsedWronglyError):  # noqa: N818
    """Words that cannot be kept; none of them was."""

    def __init__(self, refused: Sequence[match_words.Refused]) -> None:
        first = refused[0]
        message = f"{first.message[0].upper()}{first.message[1:]}. Nothing was kept."
        super().__init__(message, code=first.code)
        self.refused = tuple(refused)


# --- singly --------------------


async def pairs_named(
    engine: Engine, store: PostgresStore, word: str
) -> list[tuple[str, str, list[Pair]]]:
    """
    (books, source, its pairs) of the customers, persons or deals that a word names: number, id or
    name, a person's address too.

    `customer:`, `contact:` or `deal:` in front says which is meant, unless an id begins so.
    """
    kind, _, plain = word.partition(":")
    if kind not in ("customer", "contact", "deal"):
        kind, plain = "", word
    found: list[tuple[str, str, list[Pair]]] = []
    for books in engine.books:
        place = place_of(engine, books)

        def work(tx: Any, place: Place = place) -> list[tuple[str, str, list[Pair]]]:
            named = match_report.named(tx, place, word)
            named = named or match_report.named(tx, place, plain, kind)
            return [
                (place.books, source, match_report.of_source(tx, place, entity, source))
                for entity, source in named
            ]

        found += await store.do(work)
    return found


async def one_word(
    engine: Engine, store: PostgresStore, word: str, which: str, said: str, *, who: str
) -> Pair:
    """
    One decision on the pair of the record that ``word`` names with the one that ``which`` names
    (number or id; '' where the report has one only). Gives the pair.

    Raises `UsedWronglyError` for none, for several, and for a pair that cannot be decided so.
    """
    open_pairs = [
        (books, pair)
        for books, _, pairs in await pairs_named(engine, store, word)
        for pair in pairs
        if (which and which in (pair.target_id, pair.books_number))
        or (not which and pair.state in match_report.SHOWN)
    ]
    if not open_pairs:
        more = f" with {which}" if which else ""
        raise UsedWronglyError(
            f'The report has no pair of "{word}"{more}.',
            code="not_in_report",
            hint="tieout match report",
        )
    if len(open_pairs) > 1 and not (said == NEW and len({p.source_id for _, p in open_pairs}) == 1):
        told = ", ".join(pair.books_number or pair.target_id for _, pair in open_pairs[:8])
        raise UsedWronglyError(
            f'"{word}" could be more than one: {told}. Say which.',
            code="ambiguous",
            hint=f"tieout match accept {word} --is {told.partition(',')[0]}",
        )
    books, pair = open_pairs[0]
    given = Word(
        entity=pair.entity,
        word=said,
        source_id=pair.source_id,
        part=pair.part,
        target_id="" if said == NEW else pair.target_id,
    )
    await decide(engine, store, books, [given], who=who, reason="said singly")
    return pair


# --- many of a kind --------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """How many customers and documents were taken over; the pairs that were not, and why."""

    customers: int
    documents: int
    refused: tuple[tuple[Pair, str], ...]


async def accept_all(
    engine: Engine, store: PostgresStore, kind: str, least: int, *, who: str
) -> Accepted:
    """
    Takes over all customers that are `matched` by a key, all that are `proposed`, or all
    `documents` that are proposed, with that score at least.

    Each pair is looked at anew, some thousand at once: one that does not hold any more, because
    somebody else decided or linked it since the report, does not keep back those that do.
    """
    entity, states = {
        "matched": (CUSTOMER, ("matched",)),
        "proposed": (CUSTOMER, ("proposed",)),
        "documents": (DOCUMENT, ("proposed",)),
    }[kind]
    kept, refused, reason = 0, [], f"all {kind} from {least}"
    for books in engine.books:
        place = place_of(engine, books)
        after: Pair | None = None
        while True:

            def work(tx: Any, place: Place = place, after: Pair | None = after) -> list[Pair]:
                found = match_report.all_pairs(tx, place, entity, states, after)
                return list(islice(found, _AT_ONCE))

            pairs = await store.do(work)
            if not pairs:
                break
            after = pairs[-1]
            good = [pair for pair in pairs if pair.score >= least]
            words = [_same(pair) for pair in good]
            wrong = await _decide(engine, store, books, words, who, reason, all_or_none=False)
            refused += [(good[one.place], one.message) for one in wrong]
            kept += len(words) - len(wrong)
    of_documents = entity == DOCUMENT
    return Accepted(
        customers=0 if of_documents else kept,
        documents=kept if of_documents else 0,
        refused=tuple(refused),
    )


def _same(pair: Pair) -> Word:
    return Word(
        entity=pair.entity,
        word=SAME,
        source_id=pair.source_id,
        part=pair.part,
        target_id=pair.target_id,
    )


# --- by file --------------------


async def export(engine: Engine, store: PostgresStore, path: Path) -> int:
    """Every pair that a person may decide, as rows of a CSV file. How many."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for books in engine.books:
            place = place_of(engine, books)
            for entity in _KINDS:

                def work(tx: Any, place: Place = place, entity: str = entity) -> int:
                    done = 0
                    for pair in match_report.all_pairs(tx, place, entity, match_report.SHOWN):
                        writer.writerow(_cells(place.books, pair))
                        done += 1
                    return done

                count += await store.do(work)
    return count


def _cells(books: str, pair: Pair) -> list[str]:
    texts = (
        "", pair.entity, books, pair.source_id, str(pair.part), pair.crm_number, pair.crm_name,
        pair.crm_place, pair.target_id, pair.books_number, pair.books_name, pair.books_place,
    )  # fmt: skip
    net = "" if pair.net is None else f"{pair.net:f}"
    told = (net, pair.currency, pair.key, str(pair.score), pair.state, pair.reason)
    return [plain_text(text) for text in texts] + [plain_text(text) for text in told]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A row of the file that decides something."""

    number: int
    books: str
    word: Word


async def decide_file(
    engine: Engine, store: PostgresStore, path: Path, *, who: str
) -> dict[str, int]:
    """
    Keeps the decisions of a whole file, or none of them. How many of each word.

    Raises `ConfigurationProblems` with everything that is wrong in it: line, field, value and what
    is allowed.
    """
    file = path.name
    lines, problems = _read(path, file, engine.books)
    by_books = {books: [line for line in lines if line.books == books] for books in engine.books}
    if not problems:
        # All books are checked before the first word is kept.
        for books, mine in by_books.items():
            problems += await _refused(engine, store, books, mine, file)
    if problems:
        found = sorted(problems, key=lambda problem: problem.line)
        message = f"{count_text(found)}; nothing was kept."
        raise ConfigurationProblems(found, render_problems(found), message)
    for books, mine in by_books.items():
        if mine:
            words = [line.word for line in mine]
            await decide(engine, store, books, words, who=who, reason=f"file {file}")
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.word.word] = counts.get(line.word.word, 0) + 1
    return counts


async def _refused(
    engine: Engine, store: PostgresStore, books: str, lines: Sequence[_Line], file: str
) -> list[Problem]:
    place, book = place_of(engine, books), engine.policy.book(books)
    words = [line.word for line in lines]
    places, back = _places(engine, book, words)
    refused = await store.do(
        lambda tx: match_words.refusals(
            words, match_words.known(tx, place, words, places, back), places
        )
    )
    return [
        _problem(
            file,
            lines[one.place].number,
            one.field,
            one.code,
            _value(lines[one.place].word, one.field),
            one.message
            if one.first is None
            else f"{one.message}, in line {lines[one.first].number}",
        )
        for one in refused
    ]


def _value(word: Word, field: str) -> str:
    return {"crm_id": word.source_id, "books_id": word.target_id}.get(field, word.word)


def _problem(
    file: str, line: int, field: str, code: str, value: str, message: str, allowed: str = ""
) -> Problem:
    hint = f"Allowed: {allowed}." if allowed else ""
    shown = f'{field} "{value}": {message}' if value else f"{field}: {message}"
    return Problem(
        code=code,
        file=file,
        line=line,
        column=1,
        key=(field,),
        value=value,
        message=shown,
        hint=hint,
    )


def _read(path: Path, file: str, books: Iterable[str]) -> tuple[list[_Line], list[Problem]]:
    """The rows that decide something, and all that is wrong with the file as it stands."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], [Problem(code="file_missing", file=file, message="there is no such file")]
    except OSError as error:
        why = (error.strerror or "no reason given").lower()
        message = f"the file cannot be read: {why}"
        return [], [Problem(code="file_unreadable", file=file, message=message)]
    text = decode(data, file, _MOST_BYTES)
    if isinstance(text, Problem):
        return [], [text]
    first = text.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    # Lines as spreadsheets count them: a name may hold what Unicode calls a line's end.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: list[_Line] = []
    problems: list[Problem] = []
    try:
        head = [cell.strip().casefold() for cell in next(reader, [])]
        missing = [column for column in _NEEDED if column not in head]
        if missing:
            message = f"the column {', '.join(missing)} is missing"
            allowed = ",".join(COLUMNS)
            return [], [_problem(file, 1, "header", "table_header", "", message, allowed)]
        for cells in reader:
            if any(cell.strip() for cell in cells[len(head) :]):
                # A separator in a name that nobody quoted moves all that stands behind it.
                message = f"it has {len(cells)} cells, the first line {len(head)}"
                problems.append(_problem(file, reader.line_num, "line", "table_row", "", message))
                continue
            if any("\0" in cell for cell in cells):
                message = "it holds a zero byte, which is no text"
                problems.append(_problem(file, reader.line_num, "line", "table_row", "", message))
                continue
            row = dict(zip(head, (_plain(cell) for cell in cells), strict=False))
            line = _line(row, reader.line_num, file, tuple(books), problems)
            if line is not None:
                lines.append(line)
    except csv.Error as error:
        problems.append(
            _problem(file, reader.line_num, "line", "table_row", "", f"it cannot be read: {error}")
        )
    return lines, problems


def _plain(cell: str) -> str:
    """The cell without the apostrophe that keeps a spreadsheet from running it."""
    text = cell.strip()
    return text[1:] if text[:1] == "'" and plain_text(text[1:]) == text else text


def _line(
    row: dict[str, str], number: int, file: str, books: Sequence[str], problems: list[Problem]
) -> _Line | None:
    word = row.get("decision", "").casefold()
    if not word:
        return None
    wrong = []
    if word not in WORDS:
        wrong.append(("decision", "table_row", word, "no such decision", ", ".join(WORDS)))
    kind = row.get("kind", "").casefold()
    if kind not in _KINDS:
        wrong.append(("kind", "table_row", kind, "no such kind", ", ".join(_KINDS)))
    if row.get("books", "") not in books:
        named = row.get("books", "")
        wrong.append(("books", "table_row", named, "no books of this bridge", ", ".join(books)))
    if not row.get("crm_id"):
        wrong.append(("crm_id", "table_row", "", "it is empty", "the id of the CRM's record"))
    if word in (SAME, DIFFERENT) and not row.get("books_id"):
        wrong.append(("books_id", "table_row", "", "it is empty", "the id of the books' record"))
    part = row.get("part") or "0"
    if not (part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS):
        wrong.append(("part", "table_row", part, "it is no number", "0, 1, 2, ..."))
    for field, code, value, message, allowed in wrong:
        problems.append(_problem(file, number, field, code, value, message, allowed))
    if wrong:
        return None
    target = "" if word == NEW else row.get("books_id", "")
    return _Line(
        number=number,
        books=row["books"],
        word=Word(
            entity=kind, word=word, source_id=row["crm_id"], part=int(part), target_id=target
        ),
    )

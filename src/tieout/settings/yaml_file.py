"""
YAML files read into a tree in which every node knows its place.

YAML 1.2, so that NO stays a text; numbers are whole or Decimal, never float; what looks like
a code (007, 1e5) stays a text. Anchors, aliases, merge keys and own tags are refused: a
settings file is read by people, who should find a value where it is used. All mistakes of one
kind are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from tieout.settings.problems import Place, Problem, problem_at
from tieout.settings.text import Document, decode, ends_inside_a_letter
from tieout.settings.yaml_words import syntax_words

Scalar: TypeAlias = str | int | Decimal | bool | None
Kind: TypeAlias = Literal["map", "list", "scalar"]
Step: TypeAlias = str | int

DEPTH_MAX: Final = 40
"""How deep a settings file may be nested."""
SETTLE_S: Final = 2.0
"""How long to wait before a file that ends too early is read again, in seconds."""
LOOKS_MAX: Final = 3
"""How often a file that keeps changing is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Located:
    """
    A node of a YAML file with its place.

    A map has `entries` by key, a list has `items`, a scalar has a `value` and, as it was
    written, its `text`. `start` and `end` are offsets in the document's text.
    """

    document: Document
    kind: Kind
    start: int
    end: int
    value: Scalar = None
    text: str = ""
    style: str = ""
    flow: bool = False
    entries: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))
    items: tuple[Located, ...] = ()

    def find(self, *path: Step) -> Located | None:
        """The node at this path, or None if there is none."""
        node: Located | None = self
        for step in path:
            node = node._child(step) if node is not None else None
        return node

    def _child(self, step: Step) -> Located | None:
        if isinstance(step, int):
            return self.items[step] if 0 <= step < len(self.items) else None
        entry = self.entries.get(step)
        return entry.value if entry is not None else None

    def nearest(self, *path: Step) -> Located:
        """The node at this path, or the last one there is on the way to it."""
        node = self
        for step in path:
            child = node._child(step)
            if child is None:
                break
            node = child
        return node

    def at(self, *path: Step) -> tuple[int, int]:
        """Line and column of the node at this path, or of the last one on the way to it."""
        place = self.place(*path)
        return place.line, place.column

    def place(self, *path: Step) -> Place:
        """The same as a place."""
        node = self.nearest(*path)
        return self.document.place(node.start)

    def key_place(self, *path: Step) -> Place:
        """Where the last key of this path stands; for a list item, where the item does."""
        parent = self.find(*path[:-1])
        entry = parent.entries.get(str(path[-1])) if parent is not None and path else None
        return self.document.place(entry.key.start) if entry is not None else self.place(*path)

    def place_at(self, offset: int) -> Place:
        """Where a character of a scalar's value stands in the file, through quotes and folds."""
        return self.document.place(_source_offset(self, offset))

    def data(self) -> object:
        """Plain dictionaries, lists and scalars."""
        match self.kind:
            case "map":
                return {key: entry.value.data() for key, entry in self.entries.items()}
            case "list":
                return [item.data() for item in self.items]
            case "scalar":
                return self.value

    def walk(self) -> Iterator[tuple[tuple[Step, ...], Located]]:
        """Every node below with its path, in the order of the file."""
        below: Iterator[tuple[Step, Located]] = iter(
            [(key, entry.value) for key, entry in self.entries.items()] or enumerate(self.items)
        )
        for step, node in below:
            yield (step,), node
            for path, deeper in node.walk():
                yield (step, *path), deeper


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """A key of a map and what stands behind it."""

    key: Located
    value: Located


def load_file(
    path: Path, *, sleep: Callable[[float], None], name: str | None = None
) -> Located | list[Problem]:
    """
    The tree of a YAML file, or all problems that were found in reading it.

    An editor may be writing while we read. A file that is empty, or whose mistake is that it
    ends too early, is read again after `SETTLE_S`, slept by `sleep`, until it stays the same;
    then it is reported as `file_cut_off`.
    """
    name = name if name is not None else path.name
    data = b""
    for look in range(LOOKS_MAX):
        try:
            now = path.read_bytes()
        except OSError as error:
            return [_unreadable(name, error)]
        if not _ends_early(now, name):
            return parse_yaml(now, file=name)
        if look and now == data:
            break
        data = now
        if look < LOOKS_MAX - 1:
            sleep(SETTLE_S)
    return [_cut_off(data, name)]


def parse_yaml(data: bytes | str, *, file: str) -> Located | list[Problem]:
    """The tree of a YAML text, or all problems that were found in reading it."""
    text = decode(data, file) if isinstance(data, bytes) else data
    if isinstance(text, Problem):
        return [text]
    document = Document(file, text)
    builder = _Builder(document)
    try:
        root = builder.build(_events(document))
    except _BrokenError as broken:
        return [*builder.problems, broken.problem]
    return builder.problems or root


def _unreadable(name: str, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem(code="file_missing", file=name, message="there is no such file")
    if isinstance(error, IsADirectoryError):
        return Problem(code="file_missing", file=name, message="this is a folder, not a file")
    message = f"the file cannot be read: {(error.strerror or 'no reason given').lower()}"
    return Problem(code="file_unreadable", file=name, message=message)


def _ends_early(data: bytes, name: str) -> bool:
    if not data.strip() or ends_inside_a_letter(data):
        return True
    text = decode(data, name)
    if isinstance(text, Problem):
        return False
    document = Document(name, text)
    try:
        for _event in _events(document):
            pass
    except _BrokenError as broken:
        return broken.at_end
    return False


def _cut_off(data: bytes, name: str) -> Problem:
    text = data.decode("utf-8", errors="replace").rstrip()
    place = Document(name, text).place(len(text))
    message = f"the file ends inside line {place.line}, also {SETTLE_S:.0f} s later."
    if not text:
        message = f"the file is empty, also {SETTLE_S:.0f} s later."
    return problem_at(place, "file_cut_off", message, hint="Save it again.")


class _BrokenError(Exception):
    """Reading cannot go on; `at_end` if the text may only be a beginning."""

    def __init__(self, problem: Problem, *, at_end: bool = False) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.at_end = at_end


# What YAML takes for characters. Others would end ruamel's reader without a place.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def _events(document: Document) -> Iterator[Event]:
    strange = _UNPRINTABLE.search(document.text)
    if strange is not None:
        message = f"a character that cannot be seen (U+{ord(strange.group()):04X}) stands here"
        raise _BrokenError(problem_at(document.place(strange.start()), "yaml_broken", message))
    try:
        yield from YAML(typ="safe", pure=True).parse(document.text)
    except MarkedYAMLError as error:
        raise _syntax_error(document, error) from None
    except (YAMLError, ValueError, OverflowError, RecursionError) as error:
        message = "the file cannot be read as YAML"
        problem = problem_at(document.place(0), "yaml_broken", message)
        raise _BrokenError(problem) from error


def _syntax_error(document: Document, error: MarkedYAMLError) -> _BrokenError:
    mark = error.problem_mark or error.context_mark
    offset = mark.index if mark is not None else 0
    opened = error.context_mark.index if error.context_mark is not None else offset
    found = syntax_words(document, error.context or "", error.problem or "", offset, opened)
    place = document.place(found.offset)
    problem = problem_at(place, "yaml_broken", found.message, hint=found.hint)
    return _BrokenError(problem, at_end=offset >= len(document.text.rstrip()))


@dataclass(slots=True)
class _Open:
    """A map or list whose end has not come yet."""

    kind: Kind
    start: int
    flow: bool
    entries: dict[str, Entry]
    items: list[Located]
    key: Located | None = None


class _Builder:
    """Events made into nodes, without recursion: a deep file is a problem, not a crash."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.open: list[_Open] = []
        self.root: Located | None = None
        self.documents = 0

    def build(self, events: Iterator[Event]) -> Located:
        for event in events:
            self._take(event)
        if self.root is None:
            end = len(self.document.text)
            return Located(document=self.document, kind="scalar", start=end, end=end)
        return self.root

    def _take(self, event: Event) -> None:
        match event:
            case DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise self._stop(event, "a second document begins here", "Use one file each.")
            case AliasEvent():
                message = "aliases are not used here"
                self._wrong(event, message, "Write the value out.")
                self._put(self._scalar_node(event, None, ""))
            case ScalarEvent():
                self._check(event)
                self._put(self._scalar(event))
            case MappingStartEvent() | SequenceStartEvent():
                self._check(event)
                self._begin(event)
            case MappingEndEvent() | SequenceEndEvent():
                self._end(event)
            case _:
                pass  # stream and document ends carry nothing

    def _check(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        if event.anchor is not None:
            self._wrong(event, "anchors are not used here", "Write the value out where it is used.")
        tag = event.tag
        if tag is not None and str(tag) not in _TAGS:
            self._wrong(event, "tags are not used here", f'Remove "{_short_tag(str(tag))}".')

    def _begin(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        if len(self.open) >= DEPTH_MAX:
            raise self._stop(event, f"this is nested more than {DEPTH_MAX} deep", "")
        self.open.append(
            _Open(
                kind="map" if isinstance(event, MappingStartEvent) else "list",
                start=event.start_mark.index,
                flow=bool(event.flow_style),
                entries={},
                items=[],
            )
        )

    def _end(self, event: MappingEndEvent | SequenceEndEvent) -> None:
        done = self.open.pop()
        self._put(
            Located(
                document=self.document,
                kind=done.kind,
                start=done.start,
                end=event.end_mark.index,
                flow=done.flow,
                entries=MappingProxyType(done.entries),
                items=tuple(done.items),
            )
        )

    def _put(self, node: Located) -> None:
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        if parent.kind == "list":
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            self._enter(parent, parent.key, self._behind_colon(parent.key, node))
            parent.key = None

    def _behind_colon(self, key: Located, value: Located) -> Located:
        """The value; an empty one is put behind its key, since YAML's mark is on a later line."""
        if value.kind != "scalar" or value.start != value.end:
            return value
        colon = self.document.text.find(":", key.end, value.start)
        spot = colon + 1 if colon >= 0 else key.end
        return replace(value, start=spot, end=spot)

    def _enter(self, parent: _Open, key: Located, value: Located) -> None:
        place = self.document.place(key.start)
        if key.kind != "scalar":
            self.problems.append(problem_at(place, "key_not_text", "a key is a text"))
            return
        if key.text == "<<" and not key.style:
            message = "merge keys are not used here"
            self.problems.append(problem_at(place, "yaml_feature", message, hint="Write it out."))
            return
        first = parent.entries.get(key.text)
        if first is not None:
            earlier = self.document.place(first.key.start)
            message = f'"{key.text}" stands here already, in line {earlier.line}'
            self.problems.append(
                problem_at(place, "duplicate_key", message, key=(key.text,), value=key.text)
            )
            return
        parent.entries[key.text] = Entry(key=key, value=value)

    def _scalar(self, event: ScalarEvent) -> Located:
        text = event.value
        plain = event.style is None or event.style == ""
        tag = str(event.tag) if event.tag is not None else None
        value = resolve(text) if plain and tag in (None, "!", *_TAGS - {_TEXT_TAG}) else text
        return self._scalar_node(event, value, text, style=event.style or "")

    def _scalar_node(
        self, event: NodeEvent, value: Scalar, text: str, *, style: str = ""
    ) -> Located:
        return Located(
            document=self.document,
            kind="scalar",
            start=event.start_mark.index,
            end=event.end_mark.index,
            value=value,
            text=text,
            style=style,
        )

    def _wrong(self, event: NodeEvent, message: str, hint: str) -> None:
        place = self.document.place(event.start_mark.index)
        self.problems.append(problem_at(place, "yaml_feature", message, hint=hint))

    def _stop(self, event: Event, message: str, hint: str) -> _BrokenError:
        place = self.document.place(event.start_mark.index)
        return _BrokenError(problem_at(place, "yaml_broken", message, hint=hint))


_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq")
)


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


_WORDS: Final[dict[str, Scalar]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]*)\.[0-9]+")


def resolve(text: str) -> Scalar:
    """What an unquoted scalar means: null, truth, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if len(text) <= 40 and _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text


def _source_offset(node: Located, offset: int) -> int:
    """
    Where the value's character stands in the file's text.

    Counted in characters that are not blank, since blanks are what folding and indentation
    change; a doubled or escaped sign between quotation marks counts once.
    """
    source = node.document.text
    begin = node.start
    if node.style in ("'", '"'):
        begin += 1
    elif node.style in ("|", ">"):
        begin = source.find("\n", node.start) + 1 or node.end
    ahead = sum(not letter.isspace() for letter in node.text[:offset])
    last = begin
    for found in _UNITS.get(node.style, _UNIT).finditer(source, begin, node.end):
        if _gives_blank(found.group()):
            continue
        last = found.start()
        if not ahead:
            break
        ahead -= 1
    return last


_UNIT = re.compile(r"\S")
_UNITS: Final = {
    "'": re.compile(r"''|\S"),
    '"': re.compile(r"\\(?:x..|u....|U........|\r\n|.)|\S", re.DOTALL),
}


def _gives_blank(unit: str) -> bool:
    if len(unit) < 2 or not unit.startswith("\\"):
        return False
    kind = unit[1:]
    if len(kind) > 2:
        return chr(int(kind[1:], 16)).isspace()
    return kind in (*" ntrvf_NLP\n\r\t", "\r\n")

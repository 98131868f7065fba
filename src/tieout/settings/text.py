"""Bytes of a settings file made into text, with lines and columns as editors count them."""

from __future__ import annotations

import bisect
import codecs
import re
from dataclasses import dataclass, field
from typing import Final

from tieout.settings.problems import Place, Problem, problem_at

SIZE_MAX: Final = 5_000_000
"""Bytes a settings file may have."""

_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A file's name and text; finds the line and column of an offset."""

    file: str
    text: str
    _starts: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts = [0, *(found.end() for found in _BREAK.finditer(self.text))]
        object.__setattr__(self, "_starts", starts)

    def place(self, offset: int) -> Place:
        """Where the character at this offset stands; the end of the text is a place too."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect.bisect_right(self._starts, offset)
        return Place(file=self.file, line=line, column=offset - self._starts[line - 1] + 1)

    def line_start(self, offset: int) -> int:
        """The offset at which the line of this offset begins."""
        return self._starts[bisect.bisect_right(self._starts, offset) - 1]


def decode(data: bytes, file: str, most: int = SIZE_MAX) -> str | Problem:
    """
    The text of UTF-8 bytes, without the mark that some editors put first; ``most`` bytes of them.

    A `not_utf8` problem names the line, the byte (counted from 1) and what the file probably
    is instead, since people can act on "save it as UTF-8" only if they know what it is now.
    """
    if len(data) > most:
        message = f"the file has {len(data):,} bytes; it may have at most {most:,}"
        return Problem(code="file_too_large", file=file, message=message)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _not_utf8(file, "", 1, encoding)
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        return _not_utf8(file, before, error.start + 1, likely_encoding(data))


def ends_inside_a_letter(data: bytes) -> bool:
    """Whether the bytes are UTF-8 but for a last letter of which only a part is there."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False


def _not_utf8(file: str, before: str, byte: int, encoding: str) -> Problem:
    place = Document(file, before).place(len(before))
    message = f"byte {byte:,} is not UTF-8; the file is probably {encoding}."
    return problem_at(place, "not_utf8", message, hint="Save it as UTF-8.")


_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)

_CANDIDATES: Final = (
    ("cp1252", "Windows-1252"),
    ("cp850", "DOS code page 850"),
    ("mac_roman", "Mac Roman"),
)
_USUAL: Final = frozenset("åäöÅÄÖæøÆØéÉüÜßèáíóñç€–—’‘“”´§°½  ")


def likely_encoding(data: bytes) -> str:
    """Under which of the usual old encodings most of the strange bytes are usual letters."""
    strange = bytes(byte for byte in data[:200_000] if byte >= 0x80)
    if data[:400].count(0) * 4 > len(data[:400]):
        return "UTF-16"

    def usual(encoding: str) -> int:
        return sum(letter in _USUAL for letter in strange.decode(encoding, errors="replace"))

    best, name = max(_CANDIDATES, key=lambda candidate: usual(candidate[0]))
    if best == "cp1252" and not any(0x80 <= byte < 0xA0 for byte in strange):
        return "Latin-1 or Windows-1252"
    return name

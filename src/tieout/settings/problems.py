"""What is wrong in a settings file: a value with its place, and how it is shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tieout.cells import cells


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A spot in a file as editors count it: lines and columns from 1, columns in characters."""

    file: str
    line: int
    column: int

    def place_at(self, offset: int) -> Place:
        """The spot so many characters further on the same line."""
        return Place(file=self.file, line=self.line, column=self.column + offset)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Origin(Protocol):
    """Where a text came from, so that a spot inside the text can be found in its file."""

    def place_at(self, offset: int) -> Place:
        """The place of the character at this offset of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """
    One thing that a person has to change in a file.

    `code` is stable English; `message` says what is wrong in plain words, `hint` what to write
    instead. `key` is the path of the setting, `value` what stands there now. `line` and `column`
    count from 1 and are 0 where the whole file is meant.
    """

    code: str
    file: str
    line: int = 0
    column: int = 0
    key: tuple[str, ...] = ()
    value: str = ""
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """`tieout.yaml:23:35`, or the file alone."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def problem_at(
    place: Place,
    code: str,
    message: str,
    *,
    hint: str = "",
    key: tuple[str, ...] = (),
    value: str = "",
) -> Problem:
    """A problem at this place."""
    return Problem(
        code=code,
        file=place.file,
        line=place.line,
        column=place.column,
        key=key,
        value=value,
        message=message,
        hint=hint,
    )


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to this one, or None if none is near."""
    by_folded = {name.casefold(): name for name in sorted(known, reverse=True)}
    folded = word.casefold()
    # Of a long word more has to agree: alerts is no tables. A short form of a word is always meant.
    least = 0.6 if len(folded) < 5 else 0.7
    near = difflib.get_close_matches(folded, sorted(by_folded), n=1, cutoff=least)
    near = near or [name for name in sorted(by_folded) if _begins(folded, name)]
    return by_folded[near[0]] if near else None


def _begins(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) > 2 and long.startswith(short)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`Did you mean approve_above?`, or an empty text if nothing is near."""
    near = did_you_mean(word, known)
    return f"Did you mean {near}?" if near is not None else ""


def render_problem(problem: Problem, lines: Sequence[str] | None = None) -> str:
    """
    A problem as `tieout config validate` shows it.

    With the file's lines, the line is shown with a mark under the spot, unless the message
    quotes the value itself: then one line says all.
    """
    message = problem.message
    quoted = bool(problem.value) and f'"{problem.value}"' in message
    if quoted and len(problem.value) > _WIDTH:
        message = message.replace(problem.value, f"{problem.value[: _WIDTH - 1]}…")
    text = " ".join(_sentence(part) for part in (message, problem.hint) if part)
    if quoted or lines is None or not 0 < problem.line <= len(lines):
        return f"{problem.place} {problem.code}  {text}"
    shown, before = _shown_line(lines[problem.line - 1], problem.column)
    return (
        f"{problem.place} {problem.code}\n"
        f"{problem.line:>4} | {shown}\n"
        f"{'':>4} | {' ' * cells(shown[:before])}^ {text}"
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


_WIDTH = 93  # a screen of 100 columns less the line number


def _shown_line(line: str, column: int) -> tuple[str, int]:
    """The line on one screen line, and how many characters stand before the spot."""
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    before = max(min(column - 1, len(line)), 0)
    if len(line) <= _WIDTH:
        return line, before
    start = max(0, min(before - _WIDTH // 2, len(line) - _WIDTH))
    return line[start : start + _WIDTH], before - start


def render_problems(problems: Iterable[Problem], sources: Mapping[str, str] | None = None) -> str:
    """All problems in the order of their places; `sources` holds the files' texts by name."""
    lines = {name: text.splitlines() for name, text in (sources or {}).items()}
    ordered = sorted(problems, key=lambda found: (found.file, found.line, found.column))
    return "\n".join(render_problem(found, lines.get(found.file)) for found in ordered)


def count_text(problems: Sequence[Problem]) -> str:
    """`1 error` or `2 errors`."""
    return f"{len(problems)} error{'' if len(problems) == 1 else 's'}"

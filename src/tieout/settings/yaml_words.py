"""What is wrong with a YAML file, in plain words, from what the YAML parser says about it."""

from __future__ import annotations

from dataclasses import dataclass

from tieout.settings.text import Document


@dataclass(frozen=True, slots=True)
class SyntaxWords:
    """A sentence about a mistake, what to write instead, and where it stands."""

    offset: int
    message: str
    hint: str = ""


def syntax_words(
    document: Document, context: str, problem: str, offset: int, opened: int
) -> SyntaxWords:
    """
    The parser's two half sentences as one of ours.

    `offset` is where the parser stopped, `opened` where the thing began that it was reading.
    """
    place = document.place(opened)
    begun = f"{place.line}:{place.column}"
    sign = document.text[opened : opened + 1]
    if "flow" in context and sign in ("[", "{"):
        closing = {"[": "]", "{": "}"}[sign]
        message = f'the "{sign}" of {begun} is never closed.'
        return SyntaxWords(offset, message, f'Add "{closing}".')
    if "quoted scalar" in context and "end of stream" in problem:
        mark = "double" if sign == '"' else "single"
        return SyntaxWords(offset, f"the {mark} quotation mark of {begun} is never closed.")
    if "escape" in problem:
        shown = document.text[max(offset - 1, 0) : offset + 1]
        message = f'"{shown}" is no sign between double quotation marks.'
        return SyntaxWords(offset, message, "Use single ones.")
    if "could not find expected ':'" in problem:
        return SyntaxWords(opened, 'a ":" is missing behind this key.')
    if "values are not allowed here" in problem:
        hint = 'Put a value with ": " in it between quotation marks.'
        return SyntaxWords(offset, 'a second ":" on this line has no meaning.', hint)
    if "cannot start any token" in problem:
        return _first_sign(document, offset)
    if "block" in context:
        message = f"this line does not fit the block that begins at {begun}."
        return SyntaxWords(offset, message, "Check how far it is indented.")
    return SyntaxWords(offset, "this cannot be read as YAML.")


def _first_sign(document: Document, offset: int) -> SyntaxWords:
    sign = document.text[offset : offset + 1]
    if sign == "\t":
        return SyntaxWords(offset, "a tab stands here.", "Indent with blanks.")
    message = f'a value cannot begin with "{sign}".'
    return SyntaxWords(offset, message, "Put it between quotation marks.")

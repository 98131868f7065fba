"""
What the how-to page of a pair shows: its commands, carried out in that pair's project.

`TIEOUT_WRITE_PAGES=1 pytest tests/pairs` writes the real output into the pages.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from pairs.program import ROOT, Program
from support.console import plain, steps

# The page's reader has a database of another name than a test.
_DATABASE = re.compile(r"/tryton_\w+/rpc/")
_VARIES = (
    (re.compile(r"\b[PR]-\d+\b"), "NUMBER"),
    (re.compile(r"\b(draft|customer|invoice) (?:F\d{4}-)?\d+\b"), r"\1 NUMBER"),
    (re.compile(r"\b(?:customer|draft)\s+(?=NUMBER|\d)"), ""),
    (re.compile(r"\b\d{4}-\d{2}\b"), "MONTH"),
)


def page_of(pair: str) -> Path:
    """The page of a pair."""
    return ROOT / "docs" / "howto" / f"pair-{pair}.md"


def follow(pair: str, program: Program, between: Callable[[str], None]) -> None:
    """
    Carries out the page's commands; what they say has to be what the page shows.

    ``between`` is called with each command before it, for what people do meanwhile.
    """
    page = page_of(pair)
    text = page.read_text(encoding="utf-8")
    found = [step for step in steps(text) if step.kind != "skip"]
    assert found, f"{page.name} shows no command"
    written = []
    for step in found:
        between(step.command)
        done = program(*shlex.split(step.command)[1:])
        said = _DATABASE.sub("/books/rpc/", done.out + done.err).rstrip("\n")
        if os.environ.get("TIEOUT_WRITE_PAGES") == "1":
            written.append((step.span, f"$ {step.command}\n{said}\n"))
            continue
        assert _even(said) == _even(step.shown), f"{page.name}:{step.line}: {step.command}"
    for (start, end), new in reversed(written):
        text = text[:start] + new + text[end:]
    if written:
        page.write_text(text, encoding="utf-8")


def _even(text: str) -> str:
    """Without what differs from run to run."""
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return plain(text)

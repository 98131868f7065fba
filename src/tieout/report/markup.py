"""Small pieces of HTML: escaped text, numbers that copy as numbers, bars."""

from __future__ import annotations

import html
import re
from decimal import Decimal
from urllib.parse import urlsplit

from tieout.core.chain import Cause
from tieout.core.tieout import Group, group_of

# C0 controls (but tab and newlines), lone surrogates and non-characters have no place in HTML, and
# marks that turn the direction of what follows would turn the amount behind a name.
_NOT_TEXT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")

MARKS = {
    Group.STILL_TO_BE_INVOICED: "still",
    Group.WILL_NOT_BE_INVOICED: "never",
    Group.RATE_ROUNDING_NO_DEAL: "other",
    Group.UNEXPLAINED: "unexplained",
}

# The signs, drawn once and used by reference: a row of the report stays small.
SIGNS = (
    '<svg class="marks" aria-hidden="true">'
    '<symbol id="square" viewBox="0 0 10 10"><rect width="10" height="10" rx="1.5"/></symbol>'
    '<symbol id="box" viewBox="0 0 10 10">'
    '<rect x=".5" y=".5" width="9" height="9" rx="1"/></symbol>'
    '<symbol id="diamond" viewBox="0 0 10 10"><path d="M5 0 10 5 5 10 0 5Z"/></symbol>'
    '<symbol id="tick" viewBox="0 0 10 10"><path d="M1 5.5 3.8 8.2 9 2"/></symbol></svg>'
)
CHECK = '<svg class="k"><use href="#tick"/></svg>'


def text(value: str) -> str:
    """The value escaped for an element or an attribute in double quotes."""
    return html.escape(_NOT_TEXT.sub("\ufffd", value), quote=True)


def note_text(value: str) -> str:
    """Escaped text whose amounts (`100,000.00`) are grouped by margins like the figures."""
    escaped = text(value)
    return _GROUPED.sub(lambda found: _grouped(found.group().split(",")), escaped)


def number(value: Decimal, *, plus: bool = False) -> str:
    """
    The amount as HTML: its text is a plain number (-1024390.01), its groups stand apart.

    The minus that is seen is drawn by the style sheet over a hyphen, which is what is copied.
    """
    whole, cents = f"{abs(value):.2f}".split(".")
    sign = "<b>-</b>" if value < 0 else "+" if plus and value > 0 else ""
    return f"{sign}{_grouped(_thousands(whole))}.{cents}"


def big_number(value: Decimal) -> str:
    """The same for a headline, its cents in a lighter weight."""
    whole, cents = number(value).rsplit(".", 1)
    return f"{whole}<small>.{cents}</small>"


def amount_cell(value: Decimal, classes: str = "", *, plus: bool = False) -> str:
    """A right-aligned table cell; zero is pale."""
    names = " ".join(n for n in ("n", classes, "" if value else "zero") if n)
    return f'<td class="{names}">{number(value, plus=plus)}</td>'


def link(label: str, address: str | None) -> str:
    """The label, as a link where the address is one of the web; anything else is only text."""
    if address is None or urlsplit_scheme(address) not in ("http", "https"):
        return text(label)
    return f'<a href="{text(address)}">{text(label)}</a>'


def urlsplit_scheme(address: str) -> str:
    """The scheme of an address in lower case; empty where it is none or has no host."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return ""
    return parts.scheme.lower() if parts.netloc else ""


def mark(group: Group) -> str:
    """The sign of a group by form and colour: square, outlined square, diamond."""
    shapes = {Group.RATE_ROUNDING_NO_DEAL: "diamond", Group.WILL_NOT_BE_INVOICED: "box"}
    shape = shapes.get(group, "square")
    return f'<svg class="k {MARKS[group]}"><use href="#{shape}"/></svg>'


def mark_of(cause: Cause) -> str:
    """The sign of the cause's group."""
    return mark(group_of(cause))


class Axis:
    """Places amounts on a bar's width, from a true zero."""

    def __init__(self, levels: list[Decimal]) -> None:
        self.low = min([Decimal(0), *levels])
        self.span = max([Decimal(0), *levels]) - self.low

    def place(self, level: Decimal) -> Decimal:
        """Per cent of the width; everything at zero where there is nothing to show."""
        if self.span == 0:
            return Decimal(0)
        return round((level - self.low) / self.span * 100, 2)

    def bar(self, start: Decimal, end: Decimal, name: str, joins: str = "") -> str:
        """A bar from one level to the other; a hairline where it would be too thin to see."""
        left, right = sorted((self.place(start), self.place(end)))
        lines = ""
        if joins and start == end:
            lines = _join(self.place(start), "0", "100%")
        elif joins:
            lines = _join(self.place(start), "0", "26%") if "above" in joins else ""
            lines += _join(self.place(end), "74%", "100%")
        if start == end:
            shape = ""
        elif right - left < Decimal("0.3"):
            shape = f'<line class="thin {name}" x1="{left}%" x2="{left}%" y1="24%" y2="76%"/>'
        else:
            shape = (
                f'<rect class="{name}" x="{left}%" y="24%" width="{right - left}%" height="52%"/>'
            )
        return f'<svg aria-hidden="true">{lines}{shape}</svg>'


def _join(place: Decimal, top: str, bottom: str) -> str:
    return f'<line class="join" x1="{place}%" x2="{place}%" y1="{top}" y2="{bottom}"/>'


def _thousands(whole: str) -> list[str]:
    first = len(whole) % 3
    groups = [whole[:first]] if first else []
    return groups + [whole[n : n + 3] for n in range(first, len(whole), 3)]


def _grouped(groups: list[str]) -> str:
    return "".join(f"<i>{group}</i>" for group in groups[:-1]) + groups[-1]

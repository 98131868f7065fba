"""What `tieout init` writes: a small project that can be read, completed and run in shadow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tieout.settings.bridge import FILE

STATE_FOLDER: Final = ".tieout"

_YAML: Final = """\
# One bridge: a CRM, one or more books, and what runs between them.
# Nothing in this file counts before `tieout config publish`; check it with
# `tieout config validate`. Secrets are never here: `tieout connection add` keeps them, encrypted.
# An editor that knows JSON Schema completes the keys: `tieout config schema`.

bridge: {bridge}
crm: {crm}                # names of connections: tieout connection list
books:
  - connection: {books}
    # when: account.billing.country == 'SE'   # with several books: which deals go here
    # currency: [SEK, EUR]                    # what these books take; left out: any

flows:
  # shadow only plans, approve waits for a person, auto writes by itself, off does nothing.
  customers:
    mode: shadow
    match: [external_id, tax_number, name_postcode]
  documents:
    mode: shadow
    when: deal.won
    # include: account.Type != 'Own group'    # what is left out is named in the tie-out
    # approve_above: 100000                   # with approve: net, in the book's base currency
  status:
    mode: shadow
  reconcile:
    threshold: 0.00

# Which field comes from where; what is not named comes from its usual place.
# account.name, deal.number, line.quantity are Tieout's own names of fields; any other name is a
# field of the CRM under the name that it has there, as in account.Payment_Terms__c.
mapping:
  customer:
    # terms: {{from: account.terms, values: terms, owner: books}}
  document:
    # your_reference: contact.name
  document.line:
    # item: {{from: line.item, values: items}}

# Codes of the CRM and what the books call them: tables/items.csv and tables/terms.csv.
"""

_ITEMS: Final = "from,to,note\n"
_TERMS: Final = "from,to,note\n"

_README: Final = """\
# {bridge}

A Tieout project: `tieout.yaml` says what runs, `tables/` how codes are called in the books.

    tieout connection add       # once for the CRM, once for the books
    tieout config validate      # all mistakes at once, with their places
    tieout doctor               # what would stop a deal, and where to fix it
    tieout config publish -m "first version"
    tieout plan                 # mode shadow: nothing is written

`.tieout/` holds the database, the key and the logs. Keep a copy of `.tieout/key`; never share it.
"""

_GITIGNORE: Final = f"{STATE_FOLDER}/\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What was written, and what was there already and stayed as it is (paths in the folder)."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def project_files(
    name: str, *, crm: str = "salesforce", books: str = "visma_eaccounting"
) -> dict[str, str]:
    """The files of a new project by their paths. ``name`` becomes the bridge's, made fit."""
    bridge = bridge_name(name)
    return {
        "tables/items.csv": _ITEMS,
        "tables/terms.csv": _TERMS,
        ".gitignore": _GITIGNORE,
        "README.md": _README.format(bridge=bridge),
        FILE: _YAML.format(bridge=bridge, crm=crm, books=books),
    }


def bridge_name(text: str) -> str:
    """A folder's name as a bridge's: `Nordic AB!` is `Nordic-AB`; `bridge` if nothing is left."""
    fit = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:63]
    return fit.rstrip("-._") or "bridge"


def write_project(folder: Path, files: Mapping[str, str]) -> Created | str:
    """
    Writes the files into the folder, or says in a sentence why nothing was written.

    A folder that is a project already is refused; any other file that is there is kept. The
    file that makes it a project comes last, so that an interrupted start can be repeated.
    """
    if (folder / FILE).exists():
        return (
            f"{folder.name or folder}/{FILE} is there already. Nothing was changed. "
            "Choose another folder."
        )
    written: list[str] = []
    kept: list[str] = []
    for name in sorted(files, key=lambda path: path == FILE):
        place = folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8", newline="") as stream:
                stream.write(files[name])
        except FileExistsError:
            if not place.is_file():
                return f"{place} cannot be written: something else has its name."
            kept.append(name)
        except OSError as error:
            return f"{place} cannot be written: {(error.strerror or 'no reason given').lower()}."
        else:
            written.append(name)
    return Created(written=tuple(written), kept=tuple(kept))

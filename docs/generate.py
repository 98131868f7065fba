"""
Writes the reference pages that are made from the program: run it after changing what they show.

    python docs/generate.py            writes them
    python docs/generate.py --check    says which are out of date, and ends with 1

A test compares them, so that the reference never tells of a program that is not there. It ends with
0, with 1 where pages are out of date, and with 2 where it is used wrongly.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REFERENCE = HERE / "reference"
SQL = HERE.parent / "src" / "tieout" / "store" / "migrations" / "versions"
NOTE = "<!-- Made by docs/generate.py; do not edit. -->"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "commands.md": commands(),
        "configuration.md": configuration(),
        "codes.md": codes(),
        "records.md": records(),
        "database.md": database(),
    }


# --- commands ------------------------------------------------------------------------------------

_COMMON = ("json_", "quiet", "verbose", "no_color", "plain", "project", "bridge")


def commands() -> str:
    """Each command with its examples, arguments and options."""
    import typer

    from tieout.cli.main import load

    root = typer.main.get_command(load())
    lines = [
        "# Commands",
        NOTE,
        "",
        "All commands take these, before or after their name:",
        "",
        *_table(("Option", "Meaning"), _options(root, common=True)),
        "",
        "`tieout --version` says which version this is. "
        "Data goes to standard output, talk to standard error. What each command ends with stands "
        "in [exit codes and JSON](exit-codes-and-json.md), what a code means in [codes](codes.md).",
        "",
    ]
    for name, found in _walk(root):
        lines += _command(name, found)
    return _text(lines)


def command_names() -> list[str]:
    """`init`, `connection add`, …: every command that there is."""
    import typer

    from tieout.cli.main import load

    return [name for name, _ in _walk(typer.main.get_command(load()))]


def _walk(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, found in group.commands.items():
        path = f"{before} {name}".strip()
        if hasattr(found, "commands"):
            yield from _walk(found, path)
        else:
            yield path, found


def _command(name: str, found: Any) -> list[str]:
    told = inspect.cleandoc(found.help or "").replace("\b", "").strip()
    parts = [part for part in told.split("\n\n") if part.strip()]
    examples = [line.strip() for line in parts[0].splitlines() if line.strip()]
    examples = [line for line in examples if line.startswith("tieout ")]
    prose = [" ".join(part.split()) for part in (parts[1:] if examples else parts)]
    lines = [f"## tieout {name}", ""]
    for part in prose:
        lines += [part, ""]
    if examples:
        lines += ["```", *examples, "```", ""]
    rows = [*_arguments(found), *_options(found, common=False)]
    if rows:
        lines += [*_table(("Argument or option", "Meaning"), rows), ""]
    return lines


def _arguments(found: Any) -> list[tuple[str, str]]:
    return [
        (f"`{(entry.metavar or entry.name or '').strip('[]')}`", entry.help or "")
        for entry in found.params
        if entry.param_type_name == "argument"
    ]


def _options(found: Any, *, common: bool) -> list[tuple[str, str]]:
    rows = []
    for entry in found.params:
        if entry.param_type_name != "option" or "--help" in entry.opts:
            continue
        if (entry.name in _COMMON) is not common:
            continue
        flag = ", ".join(entry.opts)
        if not entry.is_flag:
            shown = entry.metavar or "VALUE"
            flag = f"{flag} {shown}"
        rows.append((f"`{flag}`", entry.help or ""))
    return rows


# --- configuration -------------------------------------------------------------------------------

_ALLOWED = "Allowed, default"
_ROW = (
    "An expression alone, or these keys. `owner` and `mode` exist for fields of a customer only: a "
    "document's draft is ours until somebody edits it in the books."
)
_INTRO = """\
One YAML file, `tieout.yaml`, says what runs between one CRM and one or more books. Only what was
published counts (`tieout config publish`). `tieout config schema` prints the same as JSON Schema,
so that an editor completes the keys; `tieout config validate` names every mistake with its line
and column. Secrets have no place here.

An **expression** is written as in Jinja, without braces: `account.Type == 'Partner'`,
`deal.close_date`, `line.quantity * 2`, `account.terms | default('Net 30')`. Its roots are `account`
(also `customer`), `deal`, `contact` and, for lines, `line`. Names such as `deal.won`,
`account.billing.country` or `line.item` are Tieout's own ([records](records.md)); any other name
is a field of the CRM under the name that it has there, such as `account.Payment_Terms__c` or
`deal.Owner.Name`. Numbers are decimals. A field that is missing is an error with its path, unless
`| default(…)` follows.

A **duration** is `30s`, `5m`, `1h` or `1d`.

A **table** gives the books' word for the CRM's: under `tables:` or in `tables/NAME.csv` with the
columns `from`, `to`, `note`.

**Who is told.** With `flows.reconcile.every`, `tieout run` ties out that often, whether it runs by
itself (`--every`) or by the machine's schedule. The figures are kept in the activity log. What stays
unexplained above `threshold` opens an exception, `figures_disagree`, in the name of `alert`, and the
run ends with 10. Nobody is told by mail or chat: the exit code and `tieout status` say it."""


def configuration() -> str:
    """Each key of tieout.yaml with its meaning and default."""
    from tieout.settings.bridge_file import bridge_schema

    schema = bridge_schema()
    lines = ["# tieout.yaml", NOTE, "", _INTRO, ""]
    lines += [*_keys(schema, schema, ""), ""]
    rows = [
        (f"`{key}`", str(found["description"]), _default(schema, found, key == "from"))
        for key, found in _row_properties(schema).items()
    ]
    lines += ["## A mapped field", "", _ROW, "", *_table(("Key", "Meaning", _ALLOWED), rows), ""]
    lines += ["## Filters of expressions", "", *_filters(), ""]
    return _text(lines)


def _keys(schema: Mapping[str, Any], node: Mapping[str, Any], path: str) -> list[str]:
    rows: list[tuple[str, str, str]] = []
    inner: list[tuple[str, Mapping[str, Any]]] = []
    required = set(node.get("required", ()))
    for key, found in node.get("properties", {}).items():
        group = _group(schema, found)
        told = str(found.get("description", ""))
        rows.append((f"`{key}`", told, _default(schema, found, key in required)))
        if group is not None:
            inner.append((f"{path}.{key}".lstrip("."), group))
    lines = [f"## {path}" if path else "## The file", ""]
    lines += _table(("Key", "Meaning", _ALLOWED), rows)
    for below, group in inner:
        lines += ["", *_keys(schema, group, below)]
    return lines


_ROWS = ("FieldRow", "CustomerRow", "CustomerText", "ContactRow")


def _row_properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    options = schema["$defs"]["CustomerText"]["anyOf"]
    found: Mapping[str, Any] = next(one["properties"] for one in options if "properties" in one)
    return found


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name = str(node.get("$ref", "")).rpartition("/")[2]
    if not name:
        for option in node.get("anyOf", ()):
            if "$ref" in option:
                return _resolved(schema, option)
        return "", node
    return name, schema["$defs"][name]


def _group(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if node.get("type") == "array":
        return _group(schema, node["items"])
    name, found = _resolved(schema, node)
    if not name or name in _ROWS:
        return None
    for option in (found, *found.get("anyOf", ())):
        if "properties" in option:
            return option
    return None


def _default(schema: Mapping[str, Any], node: Mapping[str, Any], required: bool) -> str:
    said = []
    for option in (node, *node.get("anyOf", ()), _resolved(schema, node)[1], node.get("items", {})):
        said += [f"`{word}`" for word in option.get("enum", ())]
        if "const" in option:
            said.append(f"`{option['const']}`")
    words = " ".join(dict.fromkeys(said))
    if _resolved(schema, node)[0] in _ROWS:
        words = "an expression, or `from` with its rules (below)"
    if required:
        return f"{words} **needed**".strip()
    default = node.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return words
    shown = ", ".join(map(str, default)) if isinstance(default, list) else default
    shown = str(shown).lower() if isinstance(shown, bool) else shown
    if "[smhd]" in str(node.get("pattern", "")):
        shown = _duration(int(default))
    return f"{words} default `{shown}`".strip()


def _duration(seconds: int) -> str:
    """`7d`, `1h`, `5s`: the longest unit that comes out even."""
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _filters() -> list[str]:
    from tieout.core.mapping.filters import FILTERS

    names = ", ".join(f"`{name}`" for name in sorted(FILTERS))
    return [
        f"{names}. `lookup('NAME')` looks a value up in a table. There is no other call, no power, "
        "no loop and no access to anything but the record.",
    ]


# --- codes ---------------------------------------------------------------------------------------


def codes() -> str:
    """Each code with its sentence and what to do."""
    from tieout.cli.help_codes import CODES

    lines = [
        "# Codes",
        NOTE,
        "",
        "What an exception, an error or a finding is called, what it means, and what to do. The "
        "same as `tieout help CODE`.",
        "",
    ]
    for code, entry in sorted(CODES.items()):
        lines += [f"### {code}", "", entry.what, "", f"**What to do:** {entry.do}", ""]
    return _text(lines)


# --- records -------------------------------------------------------------------------------------

_RECORDS = (
    "ExternalRef",
    "Customer",
    "Identifier",
    "Address",
    "Contact",
    "Item",
    "ItemTax",
    "ListedPrice",
    "Price",
    "Code",
    "ListedValue",
    "ValueList",
    "Deal",
    "Instalment",
    "Line",
    "Document",
    "Paid",
    "Totals",
    "Payment",
    "Balance",
    "Standing",
    "Company",
)


def records() -> str:
    """Each record of the model with its fields."""
    from tieout.core import model

    told = tomllib.loads((REFERENCE / "fields.toml").read_text(encoding="utf-8"))
    lines = [
        "# Records",
        NOTE,
        "",
        "What crosses the port, in Tieout's form. Amounts are decimals in the document's currency, "
        "days belong to the books' time zone, instants are UTC. Every record has a `ref` (which "
        "record over there), a `version` (that system's own mark of its state), `changed_at`, "
        "`extra` (the fields that the configuration asked for, under the vendor's names) and "
        "`shape` (a digest of what was read); they are not repeated below.",
        "",
    ]
    for name in _RECORDS:
        kind = getattr(model, name)
        lines += [f"## {name}", "", _doc(kind), ""]
        rows = []
        for entry in dataclasses.fields(kind):
            if entry.name in _EVERYWHERE and name != "ExternalRef":
                continue
            rows.append((f"`{entry.name}`", _type(kind, entry.name), told[name][entry.name]))
        lines += [*_table(("Field", "Type", "Meaning"), rows), ""]
    return _text(lines)


_EVERYWHERE = ("ref", "version", "changed_at", "extra", "shape")
_WORDS = {"str": "text", "Decimal": "decimal", "bool": "yes/no", "int": "number"}


def _type(kind: type, name: str) -> str:
    return _type_word(typing.get_type_hints(kind)[name])


def _type_word(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        parts = [_type_word(each) for each in typing.get_args(hint) if each is not type(None)]
        return f"{' or '.join(dict.fromkeys(parts))}, or none"
    if origin is tuple:
        return f"list of {_type_word(typing.get_args(hint)[0])}"
    if origin is not None:
        return "map"
    name = getattr(hint, "__name__", str(hint))
    return _WORDS.get(name, name)


def _doc(kind: type) -> str:
    return " ".join(inspect.cleandoc(kind.__doc__ or "").replace("``", "`").split())


# --- database ------------------------------------------------------------------------------------


def database() -> str:
    """Each table with its columns, from the migrations."""
    told = tomllib.loads((REFERENCE / "tables.toml").read_text(encoding="utf-8"))
    lines = [
        "# Database",
        NOTE,
        "",
        "PostgreSQL, one schema. Every table but `workspace` begins with the workspace, and "
        "row-level security binds the program's role to it. Times are written by the program, "
        "never by the database. The tables are not an interface: read them, but do not write.",
        "",
        "What cannot be read anew from the systems, and is therefore what a backup is for: "
        "everything but `mirror`, `cursor` and `due`.",
        "",
    ]
    for table, columns in _tables():
        lines += [f"## {table}", "", told[table], ""]
        lines += [", ".join(f"`{column}`" for column in columns), ""]
    return _text(lines)


def _tables() -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for path in sorted(SQL.glob("*.sql"), key=lambda path: path.stem.split("_")[-1]):
        text = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
        for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", text, re.S):
            found[name] = [
                line.split()[0]
                for line in map(str.strip, body.splitlines())
                if line and line.split()[0].islower()
            ]
        for name, column in re.findall(r"ALTER TABLE (\w+)\s+ADD COLUMN (\w+)", text):
            found[name].append(column)
        for name, column in re.findall(r"ALTER TABLE (\w+)\s+DROP COLUMN (\w+)", text):
            found[name].remove(column)
    return sorted(found.items())


# --- writing -------------------------------------------------------------------------------------


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + " --- |" * len(heads),
        *("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _text(lines: list[str]) -> str:
    text = "\n".join(lines)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the pages, or checks them."""
    parser = argparse.ArgumentParser(
        prog="docs/generate.py",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say what is old")
    checking = parser.parse_args(argv).check
    old = []
    for name, text in pages().items():
        place = REFERENCE / name
        if place.exists() and place.read_text(encoding="utf-8") == text:
            continue
        old.append(name)
        if not checking:
            place.write_text(text, encoding="utf-8")
    verb = "Out of date" if checking else "Written"
    print(f"{verb}: {', '.join(old) or 'none'}")
    return 1 if old and checking else 0


if __name__ == "__main__":
    sys.exit(main())

"""The pages tell of the program that is there: links, commands, options, generated reference."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from tieout.cli.help_codes import CODES
from tieout.cli.main import load
from tieout_sandbox.kit import cli as sandbox

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md")])
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.M | re.S)
_COMMAND = re.compile(r"\btieout((?: [a-z][a-z-]*)+|)((?: [^\n`|;>]*)?)")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GENERATE = _generator()


@pytest.mark.parametrize("page", sorted(GENERATE.pages()))
def test_reference_is_of_this_program(page: str) -> None:
    stored = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert stored == GENERATE.pages()[page], "run: python docs/generate.py"


def test_asking_the_generator_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(GENERATE, "REFERENCE", tmp_path)
    monkeypatch.setattr(GENERATE, "pages", lambda: {"codes.md": "# Codes\n"})
    for words, code in ((["--help"], 0), (["--chekc"], 2)):
        with pytest.raises(SystemExit) as ended:
            GENERATE.main(words)
        assert ended.value.code == code
    assert "--check" in capsys.readouterr().out
    assert GENERATE.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert GENERATE.main([]) == 0
    assert GENERATE.main(["--check"]) == 0
    assert (tmp_path / "codes.md").read_text(encoding="utf-8") == "# Codes\n"


def _anchor(heading: str) -> str:
    plain = re.sub(r"[`*\[\]]|\([^)]*\.md[^)]*\)", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {_anchor(line.lstrip("#")) for line in text.splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), target
        assert place.is_relative_to(ROOT), target
        if anchor:
            assert anchor in _anchors(place), target


def test_every_page_is_reached() -> None:
    """From the README, link by link."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target:
                waiting.append((page.parent / target.partition("#")[0]).resolve())
    assert not {_name(page) for page in DOCS.rglob("*.md") if page not in seen}


def test_decisions_are_numbered_and_whole() -> None:
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    for number, page in enumerate(pages, start=1):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        for part in ("**Context.**", "**Choice.**", "**Cost.**"):
            assert part in text, (page.name, part)
    assert len(pages) >= 14


def test_comments_lead_to_pages() -> None:
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        for found in re.findall(r"\bdocs/[\w/.-]+\.md", path.read_text(encoding="utf-8")):
            assert (ROOT / found).exists(), (_name(path), found)


# --- commands ------------------------------------------------------------------------------------


def _commands() -> dict[str, set[str]]:
    """Every command by its words, with its options; groups with those of all commands."""
    found: dict[str, set[str]] = {}

    def walk(entry: Any, words: str) -> None:
        options = {flag for param in entry.params for flag in param.opts if flag.startswith("-")}
        found[words] = options | {"--help", "-h"}
        for name, inner in getattr(entry, "commands", {}).items():
            walk(inner, f"{words} {name}".strip())

    walk(typer.main.get_command(load()), "")
    for action in sandbox._parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, parser in action.choices.items():
                flags = {flag for each in parser._actions for flag in each.option_strings}
                found[f"sandbox {name}"] = flags
    return found


COMMANDS = _commands()


def _said(page: Path) -> Iterator[tuple[str, str, str]]:
    """Each command that a page says in code: its words, and the rest of the line."""
    for code in _CODE.findall(page.read_text(encoding="utf-8")):
        for found in _COMMAND.finditer(code):
            before = code[: found.start()][-1:]
            if before in (".", "/", "-", "_", "@", ":", '"', "'"):
                continue
            yield found[0], found[1].strip(), found[2]


def _longest(words: str) -> str | None:
    """The command that the words begin with."""
    parts = words.split()
    for count in range(len(parts), 0, -1):
        name = " ".join(parts[:count])
        if name in COMMANDS:
            return name
    return None


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_exist_with_their_options(page: Path) -> None:
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    for whole, words, rest in _said(page):
        if not words:
            continue
        name = _longest(words)
        assert name is not None, whole
        if name in groups:
            assert words == name, f"{whole}: no such command of {name}"
        said = f"{words.removeprefix(name)} {rest}"
        for flag in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", said):
            assert flag in COMMANDS[name], f"{whole}: {flag}"


def test_codes_that_are_explained_exist() -> None:
    said = {
        code
        for page in PAGES
        for code in re.findall(r"`tieout help ([a-z_]+)`", page.read_text(encoding="utf-8"))
    }
    assert "item_no_code" in said
    assert said <= set(CODES)


def test_every_explained_code_is_given() -> None:
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src" / "tieout").rglob("*.py")
        if path.name != "help_codes.py"
    )
    assert not [code for code in CODES if f'"{code}"' not in text]


def test_no_two_codes_say_the_same() -> None:
    """`rights_missing` and `right_missing`, or two codes with one sentence."""
    stems: dict[str, str] = {}
    told: dict[str, str] = {}
    for code, entry in CODES.items():
        stem = "_".join(word.removesuffix("s") for word in code.split("_"))
        assert stems.setdefault(stem, code) == code
        assert told.setdefault(entry.what, code) == code


def test_the_check_notices_what_is_not_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`tieout fly --high` and `tieout run --sideways`\n", encoding="utf-8")
    found = [(words, rest.strip()) for _, words, rest in _said(page)]
    assert found == [("fly", "--high"), ("run", "--sideways")]
    assert _longest("fly") is None
    assert "--sideways" not in COMMANDS["run"]
    assert _longest("exceptions list") == "exceptions list"


# --- examples ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(ROOT.glob("examples/*/tieout.yaml")), ids=_name)
def test_examples_are_valid(file: Path) -> None:
    from tieout.settings.bridge import Configuration, load_bridge

    found = load_bridge(file.parent)
    assert isinstance(found, Configuration), found


def test_there_are_examples() -> None:
    assert list(ROOT.glob("examples/*/tieout.yaml"))


def test_the_tests_of_hard_cases_are_there() -> None:
    """Each case names its test; a test that is renamed is named anew."""
    page = (DOCS / "explanation" / "hard-cases.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)` \|$", page, re.M))
    tests = Path(__file__).resolve().parents[1]
    there = {
        name
        for file in tests.rglob("*.py")
        for name in re.findall(r"^(?:async )?def (\w+)", file.read_text(encoding="utf-8"), re.M)
    }
    assert len(named) > 12
    assert named - there == set()

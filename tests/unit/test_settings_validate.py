"""A small model checked against YAML: all problems, with places, in plain words."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tieout.core.mapping import Compare
from tieout.settings.problems import Problem, render_problems
from tieout.settings.validate import json_schema, parse_at, validate
from tieout.settings.yaml_file import Located, parse_yaml


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Book(Strict):
    connection: str
    when: str | None = None
    currency: list[str] = []


class Documents(Strict):
    mode: Literal["shadow", "approve", "auto"] = "shadow"
    approve_above: Annotated[Decimal, Field(ge=0)] | None = None


class Row(Strict):
    source: str = Field(alias="from")
    values: str | None = None


class Bridge(Strict):
    bridge: str
    books: list[Book]
    documents: Documents = Documents()
    mapping: dict[str, dict[str, Row | str]] = {}
    threshold: Decimal = Decimal("1.00")
    every: int = 1

    @field_validator("bridge")
    @classmethod
    def plain_name(cls, name: str) -> str:
        if not name.isidentifier():
            raise ValueError("a bridge's name is made of letters and digits")
        return name


GOOD = """\
bridge: nordic
books:
  - {connection: visma-se, when: account.Country == 'SE', currency: [SEK]}
documents: {mode: approve, approve_above: 100000}
mapping:
  customer:
    terms: {from: account.Terms__c}
    name: account.Name
threshold: 0.50
"""


def tree_of(text: str) -> Located:
    tree = parse_yaml(text, file="tieout.yaml")
    assert isinstance(tree, Located), tree
    return tree


def problems_of(text: str) -> list[Problem]:
    found = validate(Bridge, tree_of(text))
    assert isinstance(found, list), found
    return found


def test_good_settings_become_the_model() -> None:
    found = validate(Bridge, tree_of(GOOD))
    assert isinstance(found, Bridge)
    assert found.documents.approve_above == Decimal(100000)
    assert str(found.threshold) == "0.50"
    assert isinstance(found.mapping["customer"]["terms"], Row)


def test_an_unknown_key_is_shown_with_the_nearest_one() -> None:
    text = GOOD.replace("approve_above", "approve_abov")
    found = problems_of(text)
    assert render_problems(found, {"tieout.yaml": text}) == (
        'tieout.yaml:4:28 unknown_key  "approve_abov": did you mean approve_above?'
    )
    assert found[0].key == ("documents", "approve_abov")


def test_everything_wrong_is_told_in_the_order_of_the_file() -> None:
    found = problems_of(
        "bridge: a b\n"
        "books:\n"
        "  - currency: SEK\n"
        "  - conection: x\n"
        "    connection: y\n"
        "documents:\n"
        "  mode: aprove\n"
        "  approve_above: -1\n"
        "every: often\n"
        "nonsense: 1\n"
    )
    assert [(item.code, item.line, item.column) for item in found] == [
        ("value_wrong", 1, 9),
        ("missing_key", 3, 5),
        ("wrong_type", 3, 15),
        ("unknown_key", 4, 5),
        ("not_allowed", 7, 9),
        ("value_wrong", 8, 18),
        ("wrong_type", 9, 8),
        ("unknown_key", 10, 1),
    ]
    by_line = {(item.line, item.column): item for item in found}
    assert by_line[1, 9].message == "a bridge's name is made of letters and digits"
    assert "connection" in by_line[3, 5].message
    assert by_line[3, 15].message == 'a list belongs here, not "SEK".'
    assert by_line[7, 9].hint == "Did you mean approve?"
    assert "0 is the least" in by_line[8, 18].message
    assert by_line[9, 8].message == 'a whole number belongs here, not "often".'
    assert "There are: books, bridge" in by_line[10, 1].hint


def test_a_key_inside_a_dictionary_of_models() -> None:
    text = GOOD.replace("{from: account.Terms__c}", "{from: account.Terms__c, valeus: t}")
    found = problems_of(text)
    (unknown,) = [item for item in found if item.code == "unknown_key"]
    assert (unknown.line, unknown.column) == (7, 37)
    assert unknown.message == '"valeus": did you mean values?'


def test_an_empty_file_lacks_its_keys() -> None:
    found = validate(Documents, tree_of("# nothing\n"))
    assert isinstance(found, list)
    assert found[0].code == "wrong_type"


@pytest.mark.parametrize("word", ["Input should", "valid ", "please", "failed"])
def test_no_word_of_the_library_reaches_people(word: str) -> None:
    found = problems_of("bridge: 5\nbooks: {a: 1}\ndocuments: 3\nmapping: [1]\nevery: 1.5\n")
    assert len(found) >= 5
    assert not [item for item in found if word in f"{item.message} {item.hint}"]


def test_the_schema_serves_editors() -> None:
    schema = json_schema(Bridge, title="Tieout bridge")
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)
    assert checker.is_valid({"bridge": "a", "books": []})
    assert not checker.is_valid({"bridge": "a", "books": [], "boks": []})
    assert "from" in schema["$defs"]["Row"]["properties"]
    assert schema["title"] == "Tieout bridge"


def test_expressions_are_read_where_they_stand() -> None:
    tree = tree_of(GOOD)
    assert isinstance(parse_at(tree, "books", 0, "when"), Compare)
    broken = tree_of(GOOD.replace("== 'SE'", "= 'SE'"))
    (found,) = parse_at(broken, "books", 0, "when")  # type: ignore[misc]
    assert (found.line, found.column) == (3, 50)
    (found,) = parse_at(tree, "books", 0, "nowhere")  # type: ignore[misc]
    assert "missing" in found.message

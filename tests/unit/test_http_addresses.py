"""Which addresses may be called, and how queries are written."""

from __future__ import annotations

import pytest

from tieout.connectors.http.addresses import address_problem, query_text, require_callable
from tieout.core.errors import ConfigurationError


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v2",
        "http://127.0.0.1:8701",
        "http://localhost:1/x",
        "http://[::1]:80/",
    ],
)
def test_encrypted_or_this_machine(url: str) -> None:
    assert address_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com/",
        "http://10.0.0.1/",
        "ftp://example.com",
        "example.com",
        "https://user:pw@example.com/",
        "https://[bad",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    assert address_problem(url)
    with pytest.raises(ConfigurationError):
        require_callable(url)


def test_values_are_wholly_encoded() -> None:
    text = query_text([("$filter", "Name eq 'A&B + C/ö'"), ("$page", "1")])
    assert text == "$filter=Name%20eq%20%27A%26B%20%2B%20C%2F%C3%B6%27&$page=1"

"""Loading of the package's own tables, which lie in `data/` and name a source in every row."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load_table(name: str) -> dict[str, Any]:
    """The table `data/<name>.json`. Treat it as read-only: it is loaded once."""
    text = files("tieout.nordic").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return table

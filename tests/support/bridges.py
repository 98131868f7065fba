"""A configuration out of its text, as a project's folder would give it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tieout.settings.bridge import Configuration, load_bridge
from tieout.settings.problems import render_problems


def bridge_of(text: str) -> Configuration:
    """The bridge of that tieout.yaml. Raises AssertionError with all findings."""
    with tempfile.TemporaryDirectory(prefix="tieout-bridge-") as folder:
        (Path(folder) / "tieout.yaml").write_text(text, encoding="utf-8")
        found = load_bridge(Path(folder))
    if isinstance(found, list):
        raise AssertionError(render_problems(found))
    return found

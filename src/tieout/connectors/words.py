"""Words in which a person may give a setting that is yes or no."""

from __future__ import annotations

_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def truth(name: str, value: object) -> bool:
    """Raises ValueError for what is neither: a setting that is taken for its opposite is silent."""
    word = str(value).strip().lower()
    if word not in (*_YES, *_NO):
        raise ValueError(f"{name}: true or false, not {value!r}")
    return word in _YES

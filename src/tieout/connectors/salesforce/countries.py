"""Country names as people write them into address fields, where the org has no country codes."""

from __future__ import annotations

_NAMES = {
    "AT": "austria österreich",
    "AU": "australia",
    "BE": "belgium belgique belgië belgien",
    "BG": "bulgaria",
    "CA": "canada kanada",
    "CH": "switzerland schweiz suisse",
    "CY": "cyprus",
    "CZ": "czechia czech_republic česko",
    "DE": "germany deutschland tyskland saksa",
    "DK": "denmark danmark tanska dänemark",
    "EE": "estonia eesti estland viro",
    "ES": "spain españa spanien espanja",
    "FI": "finland suomi",
    "FO": "faroe_islands føroyar färöarna",
    "FR": "france frankrike ranska frankreich",
    "GB": "united_kingdom great_britain england scotland wales storbritannien uk",
    "GR": "greece grekland",
    "HR": "croatia hrvatska",
    "HU": "hungary magyarország ungern",
    "IE": "ireland irland",
    "IS": "iceland ísland island islanti",
    "IT": "italy italia italien",
    "LI": "liechtenstein",
    "LT": "lithuania lietuva litauen",
    "LU": "luxembourg luxemburg",
    "LV": "latvia latvija lettland",
    "MT": "malta",
    "NL": "netherlands the_netherlands nederland holland nederländerna",
    "NO": "norway norge noreg norja norwegen",
    "PL": "poland polska polen puola",
    "PT": "portugal",
    "RO": "romania",
    "SE": "sweden sverige ruotsi schweden",
    "SI": "slovenia",
    "SK": "slovakia",
    "US": "united_states united_states_of_america usa",
}
_CODES = {name.replace("_", " "): code for code, names in _NAMES.items() for name in names.split()}


def country_code(name: str) -> str:
    """The two letters of a country's name or code; '' where they are not known for certain."""
    folded = " ".join(name.casefold().replace(".", "").split())
    if folded.upper() in _NAMES:
        return folded.upper()
    return _CODES.get(folded, "")


def country_name(code: str) -> str:
    """The country's English name for its two letters; the letters where it is not known."""
    names = _NAMES.get(code.upper(), "").split()
    return names[0].replace("_", " ").title() if names else code.upper()

"""Country names as webCRM shows them, in the language of the system or as people wrote them."""

from __future__ import annotations

from collections.abc import Mapping

# Danish first, then Swedish, Norwegian, Finnish, English, German and the country's own.
_NAMES = {
    "AT": "østrig österrike østerrike itävalta austria österreich",
    "AU": "australien australia",
    "BE": "belgien belgia belgium belgique belgië",
    "BG": "bulgarien bulgaria",
    "CA": "canada kanada",
    "CH": "schweiz sveits sveitsi switzerland suisse",
    "CY": "cypern kypros cyprus",
    "CZ": "tjekkiet tjeckien tsjekkia tšekki czechia czech_republic česko tschechien",
    "DE": "tyskland saksa germany deutschland",
    "DK": "danmark tanska denmark dänemark",
    "EE": "estland viro estonia eesti",
    "ES": "spanien spania espanja spain españa",
    "FI": "finland suomi finnland",
    "FO": "færøerne færøyene färöarna faroe_islands føroyar",
    "FR": "frankrig frankrike ranska france frankreich",
    "GB": "storbritannien storbritannia iso-britannia united_kingdom great_britain england"
    " scotland wales uk großbritannien",
    "GL": "grønland grönland greenland kalaallit_nunaat",
    "GR": "grækenland grekland hellas greece griechenland",
    "HR": "kroatien kroatia croatia hrvatska",
    "HU": "ungarn ungern unkari hungary magyarország",
    "IE": "irland irlanti ireland",
    "IS": "island islanti iceland ísland",
    "IT": "italien italia italy",
    "LI": "liechtenstein",
    "LT": "litauen liettua lithuania lietuva",
    "LU": "luxembourg luxemburg",
    "LV": "letland lettland latvia latvija",
    "MT": "malta",
    "NL": "holland nederlandene nederländerna nederland alankomaat netherlands the_netherlands"
    " niederlande",
    "NO": "norge noreg norja norway norwegen",
    "PL": "polen puola poland polska",
    "PT": "portugal portugali",
    "RO": "rumænien rumänien romania",
    "SE": "sverige ruotsi sweden schweden",
    "SI": "slovenien slovenia",
    "SK": "slovakiet slovakien slovakia slowakei",
    "US": "usa united_states united_states_of_america yhdysvallat de_forenede_stater",
}
_CODES = {name.replace("_", " "): code for code, names in _NAMES.items() for name in names.split()}


def country_code(name: str, chosen: Mapping[str, str]) -> str:
    """
    The two letters of a country's name or code; '' where they are not known for certain.

    ``chosen`` are the connection's own words for countries and go first.
    """
    folded = _folded(name)
    if not folded:
        return ""
    for word, code in chosen.items():
        if _folded(word) == folded:
            return code
    if folded.upper() in _NAMES:
        return folded.upper()
    return _CODES.get(folded, "")


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace(".", "").split())

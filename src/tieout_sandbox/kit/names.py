"""Invented names: places that sound Nordic, trades, people, streets with towns and post codes."""

from __future__ import annotations

import re
import unicodedata

_FRONT = (
    "Norr", "Söder", "Öster", "Väster", "Ek", "Björk", "Fjäll", "Sjö", "Strand", "Gran",
    "Lind", "Hav", "Berg", "Å", "Skog", "Sten", "Ask", "Häll", "Is", "Kråk",
)  # fmt: skip
_BACK = (
    "vik", "fors", "lunda", "berga", "näs", "holm", "sund", "dala", "mark", "torp",
    "hamn", "stad", "bro", "åker", "sele",
)  # fmt: skip
PLACES = tuple(front + back for back in _BACK for front in _FRONT)

_TRADE_WORDS = {
    "SE": (
        "Bygg",
        "Energi",
        "Logistik",
        "Teknik",
        "Handel",
        "Trä",
        "Data",
        "Vård",
        "Plåt",
        "Media",
    ),
    "NO": ("Bygg", "Energi", "Logistikk", "Teknikk", "Handel", "Sjømat", "Data", "Helse"),
    "FI": ("Rakennus", "Energia", "Logistiikka", "Tekniikka", "Kauppa", "Puu", "Data", "Hoiva"),
    "DK": ("Byg", "Energi", "Logistik", "Teknik", "Handel", "Møbler", "Data", "Pleje"),
    "DE": ("Bau", "Energie", "Logistik", "Technik", "Handel"),
    "EE": ("Ehitus", "Energia", "Logistika", "Tehnika", "Kaubandus"),
    "CH": ("Bau", "Energie", "Logistik", "Technik"),
    "US": ("Builders", "Energy", "Logistics", "Engineering"),
    "GB": ("Builders", "Energy", "Logistics", "Engineering"),
}
TRADES = _TRADE_WORDS
FORMS = {
    "SE": ("AB", "AB", "AB", "HB"),
    "NO": ("AS",),
    "FI": ("Oy", "Oy", "Oyj"),
    "DK": ("A/S", "ApS"),
    "DE": ("GmbH", "AG"),
    "EE": ("OÜ", "AS"),
    "CH": ("AG", "GmbH"),
    "US": ("Inc.", "LLC"),
    "GB": ("Ltd",),
}
CITIES = {
    "SE": (
        ("Stockholm", "111 22"),
        ("Göteborg", "411 05"),
        ("Malmö", "211 34"),
        ("Umeå", "903 26"),
    ),
    "NO": (("Oslo", "0155"), ("Bergen", "5014"), ("Trondheim", "7011")),
    "FI": (("Helsinki", "00100"), ("Tampere", "33100"), ("Turku", "20100")),
    "DK": (("København", "1550"), ("Aarhus", "8000"), ("Odense", "5000")),
    "DE": (("Hamburg", "20095"), ("Berlin", "10115")),
    "EE": (("Tallinn", "10111"), ("Tartu", "51003")),
    "CH": (("Zürich", "8001"), ("Basel", "4051")),
    "US": (("Portland", "97204"), ("Austin", "78701")),
    "GB": (("Leeds", "LS1 4DY"), ("Bristol", "BS1 5TR")),
}
STREETS = {
    "SE": ("Storgatan", "Kungsgatan", "Hamngatan", "Skolvägen"),
    "NO": ("Storgata", "Kirkegata", "Strandveien"),
    "FI": ("Kauppakatu", "Satamakatu", "Rantatie"),
    "DK": ("Hovedgaden", "Havnegade", "Strandvejen"),
    "DE": ("Hauptstraße", "Hafenstraße"),
    "EE": ("Pikk", "Sadama"),
    "CH": ("Bahnhofstrasse", "Seestrasse"),
    "US": ("Main Street", "Harbor Road"),
    "GB": ("High Street", "Station Road"),
}
FIRST_NAMES = (
    "Anna", "Erik", "Ingrid", "Lars", "Maria", "Johan", "Sofia", "Nils", "Karin", "Olav",
    "Aino", "Mikko", "Mette", "Jens", "Elin", "Henrik", "Sara", "Tove", "Petter", "Liv",
)  # fmt: skip
FAMILY_NAMES = (
    "Lindqvist", "Hansen", "Virtanen", "Nielsen", "Åkerblom", "Dahl", "Korhonen", "Holm",
    "Sandvik", "Mäkelä", "Östberg", "Solheim", "Rasmussen", "Nyström", "Hagen", "Laine",
)  # fmt: skip


def slug(text: str) -> str:
    """The text as part of an address: ASCII letters and digits."""
    text = text.translate(str.maketrans("øØæÆß", "oOaAs"))
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "", plain.lower())

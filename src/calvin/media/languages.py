"""Languages of sound tracks: the codes that files and programs use, and the names that people read."""

from __future__ import annotations

from calvin.core.errors import ConfigError

_TABLE = """
ar ara Arabic|bg bul Bulgarian|ca cat Catalan|cs cze,ces Czech|da dan Danish|de ger,deu German|el gre,ell Greek
en eng English|es spa Spanish|et est Estonian|eu baq,eus Basque|fa per,fas Persian|fi fin Finnish|fr fre,fra French
he heb Hebrew|hi hin Hindi|hr hrv Croatian|hu hun Hungarian|id ind Indonesian|is ice,isl Icelandic|it ita Italian
ja jpn Japanese|ko kor Korean|lt lit Lithuanian|lv lav Latvian|nl dut,nld Dutch|no nor,nob,nno Norwegian|pl pol Polish
pt por Portuguese|ro rum,ron Romanian|ru rus Russian|sk slo,slk Slovak|sl slv Slovenian|sr srp Serbian|sv swe Swedish
ta tam Tamil|te tel Telugu|th tha Thai|tr tur Turkish|uk ukr Ukrainian|vi vie Vietnamese|zh chi,zho Chinese
"""
_ROWS = [row.split(maxsplit=2) for line in _TABLE.split("\n") for row in line.split("|") if row.strip()]
_SHORT = {code: row[0] for row in _ROWS for code in (row[0], *row[1].split(","))}
_LONG = {row[0]: row[1].split(",") for row in _ROWS}
_NAMES = {row[0]: row[2] for row in _ROWS}


def short_code(code: str) -> str:
    """'ger', 'deu', 'de-AT' -> 'de'; a code that is not known, as it is without its region."""
    plain = code.lower().replace("_", "-").partition("-")[0]
    return _SHORT.get(plain, plain)


def language_tag(code: str) -> str:
    """A language as projects keep it: 'ger' -> 'de', 'de_at' -> 'de-AT'.

    Raises:
        ConfigError: that is no code of a language.
    """
    primary, *regions = code.strip().replace("_", "-").split("-")
    parts = (primary, *regions)
    if not 2 <= len(primary) <= 3 or not all(part.isascii() and part.isalnum() and len(part) <= 8 for part in parts):
        raise ConfigError(f"{code!r} is no code of a language: give one such as en, de or pt-BR.")
    return "-".join([short_code(primary), *(part.upper() if len(part) == 2 else part for part in regions)])


def long_code(code: str) -> str:
    """ISO 639-2, as Matroska and MP4 want it (the bibliographic form where there are two, which players know best)."""
    return _LONG.get(short_code(code), [code])[0]


def language_name(code: str) -> str:
    """'eng' -> 'English'; of a code that is not known, the code."""
    return _NAMES.get(short_code(code), code)

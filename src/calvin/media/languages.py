"""Languages of sound tracks: the codes that files and programs use, and the names that people read.

The codes are those of `langcodes`, the names those of the IANA registry that it carries. It is loaded when the first
language is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from calvin.core.errors import ConfigError

_WRITTEN_NORWEGIAN = {"nb", "nn"}
"""Both are written forms of one language, which is what is heard."""
_SHADE = re.compile(r"^Modern |\s*\(.*")
"""What the registry adds to a name: "Modern Greek (1453-)", "Malay (macrolanguage)"."""


@cache
def short_code(code: str) -> str:
    """'ger', 'deu', 'de-AT' -> 'de'; an unknown code, as it is without its region."""
    from langcodes import Language, LanguageTagError

    plain = code.lower().replace("_", "-").partition("-")[0]
    try:
        found = Language.get(plain).prefer_macrolanguage().language or plain
    except LanguageTagError:
        return plain
    return "no" if found in _WRITTEN_NORWEGIAN else found


def language_tag(code: str) -> str:
    """A language as projects keep it: 'ger' -> 'de', 'de_at' -> 'de-AT'.

    Raises:
        ConfigError: that is not the code of a language.
    """
    from langcodes import Language, LanguageTagError

    given = code.strip().replace("_", "-")
    try:
        primary, dash, rest = Language.get(given).to_tag().partition("-")
        known = 2 <= len(given.partition("-")[0]) <= 3 and Language.make(primary).is_valid()
    except LanguageTagError:
        known = False
    if not known:
        raise ConfigError(f"{code!r} is not the code of a language: give one such as en, de or pt-BR.")
    return short_code(primary) + dash + rest


def long_code(code: str) -> str:
    """ISO 639-2, as Matroska and MP4 want it (the bibliographic form where there are two, which players know best)."""
    from langcodes import Language, LanguageTagError

    try:
        return Language.get(short_code(code)).to_alpha3(variant="B") if code else code
    except (LanguageTagError, LookupError):
        return code


def with_country(code: str) -> str:
    """'de' -> 'de-DE', as office programs name languages: with the likeliest country. '' where there is none."""
    from langcodes import Language, LanguageTagError

    with suppress(LanguageTagError):
        found = Language.get(code).maximize() if code else None
        if found is not None and found.language and found.territory:
            return f"{found.language}-{found.territory}"
    return ""


def nearest(code: str, known: Iterable[str]) -> str | None:
    """The known language that is nearest to one: 'fr' for 'fr-CA', 'nb' for 'no'; None where none is understood."""
    from langcodes import LanguageTagError, closest_supported_match, tag_is_valid

    choices = [one for one in known if tag_is_valid(one)]
    for wanted in (code, short_code(code)):
        with suppress(LanguageTagError):
            if found := closest_supported_match(wanted, choices):
                return str(found)
    return None


def language_name(code: str) -> str:
    """'eng' -> 'English'; for an unknown code, the code."""
    return _names().get(short_code(code), code)


@cache
def _names() -> dict[str, str]:
    from langcodes.registry_parser import parse_registry

    return {
        entry["Subtag"]: _SHADE.sub("", entry["Description"][0])
        for entry in parse_registry()
        if entry.get("Type") == "language"
    }

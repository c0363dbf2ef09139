"""Words written so that a voice says them well: titles, sums and years by language, and a project's own list."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from calvin.core.errors import UsageError
from calvin.media.languages import short_code

LIST = "pronunciation.csv"
"""The list that is in a project's folder, where no other is named."""
MAX_BYTES = 1_000_000
_TITLES = {
    "en": {
        "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Dr.": "Doctor", "Prof.": "Professor", "Jr.": "Junior",
        "Sr.": "Senior", "Capt.": "Captain", "Lt.": "Lieutenant", "Sgt.": "Sergeant", "Col.": "Colonel",
        "Gen.": "General", "Rev.": "Reverend", "Gov.": "Governor", "Sen.": "Senator", "St.": "Saint", "Mt.": "Mount",
        "vs.": "versus",
    },
    "de": {
        "Hr.": "Herr", "Fr.": "Frau", "Frl.": "Fräulein", "Dr.": "Doktor", "Prof.": "Professor", "St.": "Sankt",
        "z. B.": "zum Beispiel", "z.B.": "zum Beispiel", "usw.": "und so weiter",
    },
    "fr": {"M.": "Monsieur", "MM.": "Messieurs", "Mme": "Madame", "Mlle": "Mademoiselle", "Dr": "Docteur"},
    "es": {
        "Sr.": "Señor", "Sra.": "Señora", "Srta.": "Señorita", "Dr.": "Doctor", "Dra.": "Doctora", "Ud.": "usted",
    },
    "it": {"Sig.": "Signor", "Sig.ra": "Signora", "Sig.na": "Signorina", "Dott.": "Dottor", "Prof.": "Professor"},
    "pt": {"Sr.": "Senhor", "Sra.": "Senhora", "Dr.": "Doutor", "Dra.": "Doutora"},
    "nl": {"Dhr.": "meneer", "Mevr.": "mevrouw", "Mw.": "mevrouw", "Dr.": "dokter", "Prof.": "professor"},
}  # fmt: skip
"""Abbreviations before a name, by language: a voice takes their full stop for the end of a sentence."""
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"), "¥": ("yen", "yen", "sen", "sen"),
}  # fmt: skip
"""English names of one and of many, and of their hundredths; voices of other languages read their own signs."""
_SUM = re.compile(
    r"([$£€¥])\s?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d\d)?)(?!\w|[.,]\d)(\s(?:million|billion|trillion)\b)?", re.ASCII
)
_YEARS = {"en", "de", "nl"}
"""Languages that say years otherwise than numbers."""
_YEAR = re.compile(r"(?<![\w.,:/-])(1[1-9]\d\d|20\d\d)(s?)(?!\w|%|[.,:/-]\d)")


def read_pronunciations(path: str | Path) -> dict[str, str]:
    """Read a CSV file of two columns without a header: the word (or words) as written, and as to be said.

    Raises:
        UsageError: no such file, or a row that is not two cells.
    """
    source = Path(path)
    try:
        if not source.is_file():  # a device or pipe may never end
            raise ValueError("no file")
        with open(source, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{source} is larger than 1 MB, too large for a pronunciation list.")
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"The pronunciation list {source} cannot be read: give a CSV file in UTF-8.") from error
    said: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if len(cells) != 2 or not all(cells):
            raise UsageError(f"{source}, line {number}: write the word, a comma, and how to say it.")
        said[cells[0]] = cells[1]
    return said


def pronounced(text: str, said: Mapping[str, str], language: str = "") -> str:
    """The text as it is to be said: whole words only, the longest match first, "Siobhan's" keeping its "'s".

    What `said` does not hold is written out as the language says it: titles, sums of money and years.
    """
    if not said:
        return _written_out(text, language)
    parts = _parted(text, said)
    return "".join(said[part] if number % 2 else _written_out(part, language) for number, part in enumerate(parts))


def found_in(text: str, said: Mapping[str, str]) -> list[str]:
    """The words of a list of pronunciations that stand in a text, each once, in its order."""
    return list(dict.fromkeys(_parted(text, said)[1::2])) if said else []


def _parted(text: str, said: Mapping[str, str]) -> list[str]:
    """A text in parts, of which each second one is a word of the list."""
    words = "|".join(re.escape(word) for word in sorted(said, key=len, reverse=True))
    return re.split(rf"(?<!\w)({words})(?!\w)", text)


def _written_out(text: str, language: str) -> str:
    titles = _TITLES.get(short_code(language), {}) if language else {}
    if titles:
        words = "|".join(re.escape(word) for word in sorted(titles, key=len, reverse=True))
        text = re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda match: titles[match[0]], text)
    if not language or not any(character.isdigit() for character in text):
        return text
    with suppress(ImportError):  # the extra `voice` brings it; tones need none
        from num2words import CONVERTER_CLASSES

        if (numbers := CONVERTER_CLASSES.get(short_code(language))) is not None:
            if short_code(language) == "en":
                text = _SUM.sub(lambda match: _sum(match, numbers), text)
            if short_code(language) in _YEARS:
                text = _YEAR.sub(lambda match: _year(match, numbers), text)
    return text


def _sum(match: re.Match[str], numbers: Any) -> str:
    """'$5.50' -> 'five dollars fifty cents', '$5 million' -> 'five million dollars'."""
    one, many, hundredth, hundredths = _MONEY[match[1]]
    whole, _, part = match[2].replace(",", "").partition(".")
    said = f"{numbers.to_cardinal(int(whole))}{match[3] or ''} {one if int(whole) == 1 and not match[3] else many}"
    if not int(part or 0):
        return said
    return f"{said} {numbers.to_cardinal(int(part))} {hundredth if int(part) == 1 else hundredths}"


def _year(match: re.Match[str], numbers: Any) -> str:
    """'1984' -> 'nineteen eighty-four', '1980s' -> 'nineteen eighties'; as it is where years are read like numbers."""
    said = numbers.to_year(int(match[1]))
    if said == numbers.to_cardinal(int(match[1])):
        return match[0]
    return f"{said[:-1]}ies" if match[2] and said.endswith("y") else f"{said}{match[2]}"

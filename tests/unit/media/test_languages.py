from __future__ import annotations

import subprocess
import sys

import pytest

from calvin.core.errors import ConfigError
from calvin.media.languages import language_name, language_tag, long_code, short_code


@pytest.mark.parametrize(
    ("code", "short", "long", "name"),
    [
        ("en", "en", "eng", "English"),
        ("eng", "en", "eng", "English"),
        ("de-AT", "de", "ger", "German"),
        ("deu", "de", "ger", "German"),
        ("FRA", "fr", "fre", "French"),
        ("nob", "no", "nor", "Norwegian"),
        ("nb-NO", "no", "nor", "Norwegian"),
        ("gle", "ga", "gle", "Irish"),
        ("mt", "mt", "mlt", "Maltese"),
        ("msa", "ms", "may", "Malay"),
        ("zsm", "ms", "may", "Malay"),
        ("sw", "sw", "swa", "Swahili"),
        ("bn-IN", "bn", "ben", "Bengali"),
        ("urd", "ur", "urd", "Urdu"),
        ("cym", "cy", "wel", "Welsh"),
        ("wel", "cy", "wel", "Welsh"),
        ("cmn", "zh", "chi", "Chinese"),
        ("yue", "yue", "yue", "Yue Chinese"),
        ("fr-CA", "fr", "fre", "French"),
        ("", "", "", ""),
        ("x", "x", "x", "x"),
        ("pt_BR", "pt", "por", "Portuguese"),
        ("xyz", "xyz", "xyz", "xyz"),
    ],
)
def test_codes(code: str, short: str, long: str, name: str) -> None:
    assert (short_code(code), long_code(code), language_name(code)) == (short, long, name)


def test_languages_known_before_keep_their_codes_and_names() -> None:
    """The table that was kept by hand once: two letters, three, and the name."""
    rows = """ar ara Arabic|bg bul Bulgarian|ca cat Catalan|cs cze,ces Czech|da dan Danish|de ger,deu German
    el gre,ell Greek|en eng English|es spa Spanish|et est Estonian|eu baq,eus Basque|fa per,fas Persian|fi fin Finnish
    fr fre,fra French|he heb Hebrew|hi hin Hindi|hr hrv Croatian|hu hun Hungarian|id ind Indonesian|is ice,isl Icelandic
    it ita Italian|ja jpn Japanese|ko kor Korean|lt lit Lithuanian|lv lav Latvian|nl dut,nld Dutch|pl pol Polish
    no nor,nob,nno Norwegian|pt por Portuguese|ro rum,ron Romanian|ru rus Russian|sk slo,slk Slovak|sl slv Slovenian
    sr srp Serbian|sv swe Swedish|ta tam Tamil|te tel Telugu|th tha Thai|tr tur Turkish|uk ukr Ukrainian
    vi vie Vietnamese|zh chi,zho Chinese"""
    for short, long, name in (row.split() for row in rows.replace("\n", "|").split("|")):
        for code in (short, *long.split(",")):
            assert (short_code(code), long_code(code), language_name(code)) == (short, long.partition(",")[0], name)


def test_tags_of_projects() -> None:
    tags = {
        "ger": "de", "pt_br": "pt-BR", "EN": "en", "zh-Hans": "zh-Hans", "fr-ca": "fr-CA", "pt-PT": "pt-PT",
        "nob": "no", "cym": "cy", "gle": "ga", "es-419": "es-419", "qaa": "qaa",
    }  # fmt: skip
    assert {code: language_tag(code) for code in tags} == tags
    for code in ("", "e", "german", "de-", "d\u00e9", "de;rm", "xx", "xyz", "de-AT-"):
        with pytest.raises(ConfigError, match="not the code of a language"):
            language_tag(code)


def test_what_light_commands_need_of_media_loads_no_library_of_weight() -> None:
    """Nor are languages looked up before one is asked about."""
    code = (
        "import sys, calvin.media.languages, calvin.media.gaps, calvin.media.timed_text, calvin.media.ttml\n"
        "loaded = {'langcodes', 'av', 'numpy', 'cv2', 'torch', 'scenedetect', 'PIL'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

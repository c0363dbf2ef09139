from __future__ import annotations

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
        ("pt_BR", "pt", "por", "Portuguese"),
        ("xyz", "xyz", "xyz", "xyz"),
    ],
)
def test_codes(code: str, short: str, long: str, name: str) -> None:
    assert (short_code(code), long_code(code), language_name(code)) == (short, long, name)


def test_tags_of_projects() -> None:
    assert [language_tag(code) for code in ("ger", "pt_br", "EN", "zh-Hans")] == ["de", "pt-BR", "en", "zh-Hans"]
    for code in ("", "e", "german", "de-", "d\u00e9", "de;rm"):
        with pytest.raises(ConfigError, match="no code of a language"):
            language_tag(code)

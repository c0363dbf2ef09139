from __future__ import annotations

import pytest

from calvin.media.languages import language_name, long_code, short_code


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

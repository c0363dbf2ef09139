from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calvin.core.errors import UsageError
from calvin.media.voice.pronunciation import pronounced, read_pronunciations


def test_whole_words_longest_first() -> None:
    said = {"Siobhan": "Shivawn", "Siobhan Ng": "Shivawn Ing", "Mr.": "mister", "é": "ay"}
    assert pronounced("Siobhan Ng and Siobhan's cat; Siobhanna.", said) == "Shivawn Ing and Shivawn's cat; Siobhanna."
    assert pronounced("Mr. Ng nods. é", said) == "mister Ng nods. ay"
    assert pronounced("Nothing.", {}) == "Nothing."


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "Mr. Smith greets Mrs. Ng.", "Mister Smith greets Missus Ng."),
        ("en-GB", "It costs $5, $1 or £2.50.", "It costs five dollars, one dollar or two pounds fifty pence."),
        ("en", "In 1984, $3 million.", "In nineteen eighty-four, three million dollars."),
        ("en", "The 1980s: 1,500 men, room 1984.5, 3 $.", "The nineteen eighties: 1,500 men, room 1984.5, 3 $."),
        ("de", "Dr. Ng zahlt 1984 5 €.", "Doktor Ng zahlt neunzehnhundertvierundachtzig 5 €."),
        ("fr", "M. Dupont, 1984.", "Monsieur Dupont, 1984."),
        ("sv", "Dr. Ng, 1984.", "Dr. Ng, 1984."),
        ("", "Mr. Smith, 1984.", "Mr. Smith, 1984."),
    ],
)
def test_titles_sums_and_years(language: str, text: str, said: str) -> None:
    assert pronounced(text, {}, language) == said


def test_the_list_of_a_project_comes_before_what_the_language_says() -> None:
    said = {"Mr. Ng": "mister Ing", "1984": "one nine eight four"}
    assert pronounced("Mr. Ng and Mr. Ray, 1984", said, "en") == "mister Ing and Mister Ray, one nine eight four"


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b'\xef\xbb\xbf# names\r\nSiobhan,Shivawn\r\n\r\n"Ng, the elder", Ing the elder\r\n')
    assert read_pronunciations(path) == {"Siobhan": "Shivawn", "Ng, the elder": "Ing the elder"}
    for wrong in ("one", "a,b,c", "a,"):
        path.write_text(f"x,y\n{wrong}\n")
        with pytest.raises(UsageError, match="line 2"):
            read_pronunciations(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_pronunciations(tmp_path / "none.csv")


@given(st.text(), st.dictionaries(st.text(min_size=1), st.text(), max_size=4), st.sampled_from(["", "en", "de", "xx"]))
def test_any_text_is_taken(text: str, said: dict[str, str], language: str) -> None:
    assert isinstance(pronounced(text, said, language), str)


@pytest.mark.parametrize("content", [b'"' + b"x" * 200_000 + b'",y\n', b"\xff\xfe", b"", None])
def test_a_list_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    source = tmp_path / "said.csv" if content is not None else Path("/dev/zero")
    if content == b"":
        os.mkfifo(source)
    elif content is not None:
        source.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read: give a CSV file"):
        read_pronunciations(source)


def test_a_list_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "said.csv").write_text("é,ay\n" * 200_001)
    with pytest.raises(UsageError, match="larger than 1 MB"):
        read_pronunciations(tmp_path / "said.csv")

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calvin.core.errors import DataError
from calvin.evaluation.names import from_names, harvest, oracle, read_cast


def test_names_are_capitals_within_sentences_that_are_never_small() -> None:
    found = harvest(["He looks at Lisa. Then the Door opens.", "the door shuts on Matty's hand", "George nods."])
    assert found.words == {"Lisa", "Matty"}
    assert found.found("Matty’s dog and Lisa, Lisa") == ("Matty", "Lisa")


def test_a_wrong_name_is_one_that_is_not_there() -> None:
    names = from_names(["Lisa Jorgenson", "Matty"], "test")
    assert names.wrong("Matty runs.", ["Lisa runs."])
    assert not names.wrong("Lisa runs.", ["Lisa and Matty run."])
    assert not names.wrong("She runs.", ["Lisa runs."])
    assert not names.wrong("Victor runs.", ["Lisa runs."])  # nobody of that name is known
    assert not names.wrong("matty runs", ["Lisa runs."])


def test_a_bank_in_the_form_of_mad(tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    people = {
        "1005_Signs": [{"id": "nm1", "name": "Mel Gibson", "role": "Father Graham Hess"}],
        "B": [{"role": "Mr. Will"}],
    }
    path.write_text(json.dumps(people))
    cast, everyone = read_cast(path, ["Graham stares."])
    assert everyone.words == {"Father", "Graham", "Hess", "Will"}
    assert oracle(["Graham Hess stares at Will."], "1005_Signs", cast, everyone) == ("Graham", "Hess")
    assert oracle(["Graham stares at Will."], "unknown film", cast, everyone) == ("Graham", "Will")
    folded, _ = read_cast(path, ["graham stares"])
    assert oracle(["graham stares"], "1005_Signs", folded, everyone) == ("Graham",)


@pytest.mark.parametrize("content", ["[]", '{"a": [1]}', '{"a": [{"name": "x"}]}'])
def test_another_file_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    path.write_text(content)
    with pytest.raises(DataError, match="character bank"):
        read_cast(path)

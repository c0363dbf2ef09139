from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from calvin.core.errors import DataError, UsageError
from calvin.evaluation.metrics import Spice
from calvin.evaluation.metrics.spice import ParseStore, check_java
from calvin.evaluation.metrics.spice_jars import NAMES

PARSED = [["man"], ["man", "tall"]]
ARCHIVE_FREE = "java.base@17\njdk.compiler@17"


def fake_java(
    folder: Path, run: str = "exit 0", version: str = 'openjdk version "17.0.1"', modules: str = ARCHIVE_FREE
) -> str:
    """A program that answers like Java and, asked to run SPICE, does `run` ($1-$5 are the runner's arguments)."""
    path = folder / "java"
    path.write_text(
        "#!/bin/sh\n"
        f"if [ \"$1\" = -version ]; then echo '{version}' >&2; exit 0; fi\n"
        f"if [ \"$1\" = --list-modules ]; then printf '{modules}\\n'; exit 0; fi\n"
        "shift 4\n" + run + "\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    for name in NAMES:
        (folder / name).touch()
    return folder


CANDIDATES = {"1": "A man.", "2": "!!!", "3": "..."}
REFERENCES = {"1": ["The man.", "?"], "2": ["A dog."], "3": ["A dog."]}


def scores(*values: float) -> str:
    return json.dumps([{"scores": {"All": {"f": value}}} for value in values])


def test_texts_go_tokenised_and_silent_ones_stay_home(home: Path, tmp_path: Path) -> None:
    run = f"cp \"$1\" '{tmp_path}/asked.json'; printf '%s' '{scores(0.5, 0.25)}' > \"$4\""
    result = Spice(home, fake_java(tmp_path, run)).score(CANDIDATES, REFERENCES)
    assert json.loads((tmp_path / "asked.json").read_text()) == [["a man", ["the man"]], ["!!!", ["a dog"]]]
    assert result.per_item.tolist() == [0.5, 0.25, 0.0]
    assert result.corpus == pytest.approx(0.25)


def test_parses_are_kept_even_when_java_dies_and_are_not_asked_for_again(home: Path, tmp_path: Path) -> None:
    whole = json.dumps(["a man", PARSED])
    run = f"printf '%s\\n%s' '{whole}' '[\"the m' > \"$3\"; echo boom >&2; exit 3"
    with pytest.raises(DataError, match=r"code 3; the parses made so far are kept(.|\n)*boom"):
        Spice(home, fake_java(tmp_path, run)).score(CANDIDATES, REFERENCES)
    run = f"cp \"$2\" '{tmp_path}/known.json'; printf '%s' '{scores(1, 1)}' > \"$4\""
    Spice(home, fake_java(tmp_path, run)).score(CANDIDATES, REFERENCES)
    assert json.loads((tmp_path / "known.json").read_text()) == {"a man": PARSED}


def test_java_that_ends_well_without_scores_is_an_error(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SPICE stopped"):
        Spice(home, fake_java(tmp_path)).score(CANDIDATES, REFERENCES)


def test_missing_archives_are_named_with_the_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"10 of 10 Java archives are missing.*install-spice"):
        Spice(tmp_path / "none", fake_java(tmp_path)).score(CANDIDATES, REFERENCES)


def test_java_missing_old_or_without_compiler(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs a JDK, version 11 or later .* there is no 'no-java-here' here"):
        check_java("no-java-here")
    with pytest.raises(UsageError, match="is version 8"):
        check_java(fake_java(tmp_path, version='java version "1.8.0_202"'))
    with pytest.raises(UsageError, match="runtime without the compiler"):
        check_java(fake_java(tmp_path, modules="java.base@21"))
    with pytest.raises(UsageError, match="does not tell its version"):
        check_java(fake_java(tmp_path, version="hello"))
    for version, expected in (('openjdk version "11.0.2" 2019', 11), ('openjdk version "21" 2023', 21)):
        assert check_java(fake_java(tmp_path, version=version)) == expected


def test_the_store_holds_more_sentences_than_one_question_may_ask(tmp_path: Path) -> None:
    parses = [(f"sentence {index} é", [[str(index)]]) for index in range(1203)]
    with ParseStore(tmp_path) as store:
        store.add(parses)
    with ParseStore(tmp_path) as store:
        assert store.find([*(sentence for sentence, _ in parses), "unknown"]) == dict(parses)

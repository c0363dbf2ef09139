from __future__ import annotations

import stat
from pathlib import Path

import pytest

from calvin.core.errors import DataError, MissingExtraError, UsageError
from calvin.evaluation.metrics import Meteor, meteor

CANDIDATES = {"1": "A man ||| runs.", "2": "Dogs bark."}
REFERENCES = {"1": ["The man runs."], "2": ["A dog barks.", "Dogs."]}


def fake_java(folder: Path, answer: str) -> str:
    path = folder / "java"
    path.write_text(f'#!/bin/sh\nif [ "$1" = -version ]; then echo \'version "17"\'; exit 0; fi\n{answer}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_what_is_asked_and_how_the_answer_is_read(tmp_path: Path) -> None:
    """The stand-in answers each SCORE line with a statistic, and EVAL with two items and the whole."""
    answer = (
        f'while read line; do echo "$line" >> \'{tmp_path}/asked\'; case "$line" in '
        "SCORE*) echo '1 2 3';; EVAL*) printf '0.5\\n0.25\\n0.4\\n';; esac; done"
    )
    result = Meteor(fake_java(tmp_path, answer)).score(CANDIDATES, REFERENCES)
    assert result.per_item.tolist() == [0.5, 0.25]
    assert result.corpus == 0.4
    assert (tmp_path / "asked").read_text().splitlines() == [
        "SCORE ||| the man runs ||| a man | | | runs",
        "SCORE ||| a dog barks ||| dogs ||| dogs bark",
        "EVAL ||| 1 2 3 ||| 1 2 3",
    ]


def test_numbers_are_asked_for_in_english_on_any_machine(tmp_path: Path) -> None:
    """Java's own options are read after those of the environment, which may ask for decimal commas."""
    answer = f"echo \"$@\" > '{tmp_path}/options'; exit 1"
    with pytest.raises(DataError):
        Meteor(fake_java(tmp_path, answer)).score(CANDIDATES, REFERENCES)
    said = (tmp_path / "options").read_text().split()
    assert {"-Duser.language=en", "-Duser.region=US", "-Duser.language.format=en"} <= set(said[: said.index("-jar")])


def test_failures_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"code 1 after 0 of 2 answers: no heap"):
        Meteor(fake_java(tmp_path, "cat > /dev/null; echo no heap >&2; exit 1")).score(CANDIDATES, REFERENCES)
    with pytest.raises(UsageError, match="METEOR needs a JDK"):
        Meteor("no-java-here").score(CANDIDATES, REFERENCES)
    monkeypatch.setattr(meteor, "package_folder", lambda name: None)
    with pytest.raises(MissingExtraError, match="pycocoevalcap is not installed"):
        Meteor(fake_java(tmp_path, "true")).score(CANDIDATES, REFERENCES)

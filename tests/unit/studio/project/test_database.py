"""The database of a project: one of the version before opens, exports and is described again; damage has a sentence."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from calvin import describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.errors import StoreError
from calvin.core.package import __version__
from calvin.core.types import Author, Character
from calvin.media.gaps import PlanSettings
from calvin.studio.cast.characters import read_cast_file
from calvin.studio.project.contents import DecodeRecord, SpokenRecord
from calvin.studio.project.database import DATABASE, MIGRATIONS
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import renew_exports

FORMER = Path(__file__).parent / "made_by_0_1_0"
"""A film of three shots, described by calvin 0.1.0 with subtitles, a cast and options of its own, one cue rewritten by
hand, then spoken; the database is kept as SQL, and the film stands in for `/films/film.mp4`."""


@pytest.fixture
def former(tmp_path: Path) -> Path:
    folder = tmp_path / "film.calvin"
    folder.mkdir()
    database = sqlite3.connect(folder / DATABASE)
    database.executescript((FORMER / "project.sql").read_text(encoding="utf-8"))
    database.execute("UPDATE film SET path = ?", (str(FORMER / "film.mp4"),))
    database.commit()
    database.close()
    return folder


class Teller:
    """The captioner that described it; now it counts what it is asked."""

    info = CaptionerInfo("teller", "", "Counts scenes.", {"stills": "4"})
    needs = frozenset({"frames"})

    def __init__(self) -> None:
        self.asked: list[CaptionRequest] = []

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        self.asked += requests
        return [CaptionAnswer(f"Anew {len(self.asked)}.", 0.0) for _ in requests]


def test_a_project_of_the_version_before_opens_with_all_that_is_in_it(former: Path) -> None:
    with ProjectStore(former, read_only=True) as store:
        described = store.described
        assert described is not None
        assert (described.model, described.context, described.words_per_minute) == ("teller", 2, 150)
        assert described.plan == PlanSettings(min_gap_ms=1500, guard_ms=200)
        assert (described.language, described.audio_language, described.own_context) == ("en", "en", None)
        assert described.cast == read_cast_file(FORMER / "cast.toml").identity
        assert not described.names_alone
        assert described.subtitles == hashlib.sha256((FORMER / "film.srt").read_bytes()).hexdigest()
        assert store.decoded == DecodeRecord(
            duration_ms=12_000, notes=("The film has no sound track in English.",), audio_language="en"
        )
        assert store.characters == (Character("Ann Léger", ('the "captain"',), "she/her"),)
        assert (store.cleaned, store.unparsed) == ({"cleaned": 3, "labels": 3}, 0)
        assert store.model["card"] == "Counts scenes."
        assert store.notes[1].startswith("Of 3 answers")
        assert store.voice is not None
        assert store.voice.cues["2"] == SpokenRecord(text="Scene 1 begins.", ms=1125, file="voice/2-61234c7d6387.wav")
        assert [(past.author, past.text) for past in store.history("1")] == [
            (Author.MODEL, "Scene 0 begins."),
            (Author.HUMAN, "Ann opens the door."),
        ]


def test_its_spoken_cues_are_still_known(former: Path) -> None:
    (former / "voice").mkdir()
    (former / "voice" / "3-e4c33b39f326.wav").touch()
    with ProjectStore(former, read_only=True) as store:
        found, missing = spoken_cues(store)
    assert [(one.cue.id, one.duration_ms) for one in found] == [("3", 1125)]
    assert [cue.id for cue in missing] == ["1", "2"]


def test_its_script_is_exported_as_it_was(former: Path) -> None:
    with ProjectStore(former) as store:
        before = {name: digests[-1] for name, digests in store.written.items()}
        # The name of the film stands in the JSON; nothing of the path does.
        exported = renew_exports(store)
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in exported.files} == before
    assert exported.notes == ()


def test_it_is_described_again_as_it_was_without_asking_anew(former: Path) -> None:
    with ProjectStore(former, read_only=True) as store:
        before, digests = store.cues, {name: both[-1] for name, both in store.written.items()}
    teller = Teller()
    cast = FORMER / "cast.toml"
    again = describe(former, None, teller, context=2, formats=("vtt", "json"), cast=cast)  # type: ignore[arg-type]
    assert teller.asked == []
    assert list(again.script.cues) == before
    # Which calvin described it last is a fact of its own.
    as_it_was = {path.name: path.read_bytes().replace(__version__.encode(), b"0.1.0") for path in again.files}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in as_it_was.items()} == digests


def test_what_it_remembers_shapes_what_is_asked_anew(former: Path) -> None:
    teller = Teller()
    again = describe(former, model=teller, formats=("vtt",))  # type: ignore[arg-type]
    assert [cue.text for cue in again.script.cues] == ["Ann opens the door.", "Anew 1.", "Anew 2."]
    assert [request.prompt.context for request in teller.asked] == [
        ("Ann opens the door.",),
        ("Ann opens the door.", "Anew 1."),
    ]
    with ProjectStore(former, read_only=True) as store:
        described = store.described
        assert described is not None
        assert (described.words_per_minute, described.plan.guard_ms, described.audio_language) == (150, 200, "en")
        assert (described.cast, described.names_alone) == (None, True)
        assert [line.speaker for line in store.dialogue] == ["ANN"]


def test_an_adapters_context_in_the_version_before(former: Path) -> None:
    """What an adapter described keeps the project's own context beside the adapter's."""
    request = {"model": "m", "context": 0, "own_context": 4, "plan": {}, "question": "What?", "subtitles": None}
    database = sqlite3.connect(former / DATABASE)
    database.execute("UPDATE setting SET value = ? WHERE name = 'request'", (json.dumps(request),))
    database.commit()
    database.close()
    with ProjectStore(former, read_only=True) as store:
        described = store.described
    assert described is not None
    assert (described.context, described.own_context, described.base_context) == (0, 4, 4)
    assert (described.question, described.plan, described.names_alone) == ("What?", PlanSettings(), True)
    assert (described.language, described.subtitles, described.cast) == ("en", None, None)


def test_a_project_of_the_first_state_of_the_database_is_brought_up_to_date(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        db.execute("INSERT INTO cue VALUES (4, NULL, 0, 900, 0, 900, 5, 'He sits.', 'model', 'draft', 0, '[]')")
        db.execute("INSERT INTO cue_history (cue_id, text, author) VALUES (4, 'He sits.', 'model')")
    db.close()
    with ProjectStore(tmp_path, read_only=True) as store:
        assert [revision.text for revision in store.history("4")] == ["He sits."]
        assert store.decisions == []
        assert store.described is None


@pytest.mark.parametrize("value", ["[1, 2]", "{", '{"name": 3}'])
def test_a_damaged_value_has_a_sentence(former: Path, value: str) -> None:
    database = sqlite3.connect(former / DATABASE)
    database.execute("UPDATE setting SET value = ? WHERE name = 'model'", (value,))
    database.commit()
    database.close()
    with ProjectStore(former, read_only=True) as store, pytest.raises(StoreError, match=r"is damaged \(model: .*\): "):
        _ = store.model

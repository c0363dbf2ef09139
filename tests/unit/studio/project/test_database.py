"""The database of a project: one of the version before opens, exports and is described again; damage has a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from calvin import describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.errors import StoreError
from calvin.core.package import __version__
from calvin.core.types import Author, Character
from calvin.media.gaps import PlanSettings
from calvin.studio.cast.characters import read_cast_file
from calvin.studio.project import database
from calvin.studio.project.contents import DecodeRecord, SpokenRecord
from calvin.studio.project.database import DATABASE
from calvin.studio.project.describe_settings import PromptSettings
from calvin.studio.project.migrations import MIGRATIONS
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import renew_exports

FORMER = Path(__file__).parent / "made_by_0_1_0"
"""A film of three shots, described by calvin 0.1.0 with subtitles, a cast and options of its own, one cue rewritten by
hand, then spoken; the database is kept as SQL, and the film stands in for `/films/film.mp4`."""


NO_SOUND = (
    "The film has no sound track that can be decoded, so nobody is heard: only subtitles can tell where people speak."
)


def unmarked(text: str) -> str:
    """An export without the mark of what a model wrote, which calvin 0.1.0 did not know; it has to be there."""
    text, found = re.subn(r'NOTE AI-generated[^\n]*\n\n|  "origin": \{[^}]*\},\n', "", text)
    assert found == 1
    return text


@pytest.fixture
def former(tmp_path: Path) -> Path:
    folder = tmp_path / "film.calvin"
    folder.mkdir()
    db = sqlite3.connect(folder / DATABASE)
    db.executescript((FORMER / "project.sql").read_text(encoding="utf-8"))
    db.execute("UPDATE film SET path = ?", (str(FORMER / "film.mp4"),))
    db.commit()
    db.close()
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
        assert described.prompt == PromptSettings(room=False, dialogue=False, still_size=224), "as it was written"
        assert described.cast == read_cast_file(FORMER / "cast.toml").identity
        assert not described.names_alone
        assert described.names == "free", "as its drafts were made"
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
    contents = {path.name: unmarked(path.read_bytes().decode("utf-8")) for path in exported.files}
    assert {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()} == before
    assert exported.notes == ()


def test_it_is_described_again_as_it_was_without_asking_anew(former: Path) -> None:
    with ProjectStore(former, read_only=True) as store:
        before, digests = store.cues, {name: both[-1] for name, both in store.written.items()}
    teller = Teller()
    cast = FORMER / "cast.toml"
    again = describe(former, None, teller, context=2, formats=("vtt", "json"), cast=cast)  # type: ignore[arg-type]
    assert teller.asked == []
    assert list(again.script.cues) == before
    # Which calvin described it last is a fact of its own, and a film without sound is told in other words.
    now = {__version__: "0.1.0", NO_SOUND: "The film has no sound track in English."}

    def as_it_was(text: str) -> str:
        for new, old in now.items():
            text = text.replace(new, old)
        return text

    contents = {path.name: as_it_was(unmarked(path.read_text(encoding="utf-8"))) for path in again.files}
    assert {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()} == digests


def test_what_it_remembers_shapes_what_is_asked_anew(former: Path) -> None:
    with ProjectStore(former, read_only=True) as store:
        before = store.cues
    teller = Teller()
    assert list(describe(former, model=teller, formats=("vtt",)).script.cues) == before  # type: ignore[arg-type]
    assert teller.asked == [], "all is as it was, the cast too"
    again = describe(former, model=teller, formats=("vtt",), context=1)  # type: ignore[arg-type]
    assert [cue.text for cue in again.script.cues] == ["Ann opens the door.", "Anew 1.", "Anew 2."]
    assert [request.prompt.context for request in teller.asked] == [("Ann opens the door.",), ("Anew 1.",)]
    with ProjectStore(former, read_only=True) as store:
        described = store.described
        assert described is not None
        assert (described.words_per_minute, described.plan.guard_ms, described.audio_language) == (150, 200, "en")
        assert (described.cast, described.names_alone) == (read_cast_file(FORMER / "cast.toml").identity, False)
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
    with pytest.raises(StoreError, match=r"is damaged \(model: .*\): "):
        ProjectStore(former, read_only=True)


BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Root too keeps to the modes of files, so."""


def where_nothing_may_be_written(*commands: Sequence[str | Path]) -> list[tuple[int, str, str]]:
    """Of each command its exit code, answer and complaint: one after another, in one process that is not root."""
    code = (
        "import json, sys\nfrom typer.testing import CliRunner\nfrom calvin.cli.main import app\n"
        "done = [CliRunner().invoke(app, words) for words in json.loads(sys.argv[1])]\n"
        "print(json.dumps([(one.exit_code, one.stdout, one.stderr) for one in done]))"
    )
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run([*BOUND, sys.executable, "-c", code, words], check=True, capture_output=True, text=True)
    return [tuple(one) for one in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(params=["closed", "killed"])
def locked_away(request: pytest.FixtureRequest, former: Path) -> Iterator[Path]:
    """A project in a read-only place, as it was closed or as a killed process left it, its last words in the log."""
    code = f"import os; from calvin.studio.project.store import ProjectStore; store = ProjectStore({str(former)!r})\n"
    code += "store.notes = ('Last words.',)\n"
    code += "os._exit(0)" if request.param == "killed" else "store.close()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (former / f"{DATABASE}-wal").exists() == (request.param == "killed")
    (former / f"{DATABASE}-shm").unlink(missing_ok=True)
    for path in (*former.iterdir(), former):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield former
    former.chmod(0o755)


def test_a_project_in_a_read_only_place_can_be_looked_at(locked_away: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in locked_away.iterdir()}
    status, lint, export, mix, voice, described, imported, beside = where_nothing_may_be_written(
        ["status", locked_away],
        ["lint", locked_away],
        ["export", locked_away, "-f", "vtt,json", "-o", tmp_path / "elsewhere"],
        ["mix", locked_away, "-o", tmp_path / "mixed.mkv"],
        ["voice", locked_away],
        ["describe", locked_away],
        ["import", locked_away, FORMER / "film.srt"],
        ["export", locked_away, "-f", "vtt"],
    )
    for code, _, complaint in (status, lint, export):
        assert (code, complaint) == (0, "")
    assert "Last words." in status[1]
    assert "Ann opens the door." in (tmp_path / "elsewhere/film.vtt").read_text()
    assert "Last words." in (tmp_path / "elsewhere/film.json").read_text()
    assert "not spoken as they now read" in mix[2], "it got as far as what there is to mix"
    for code, _, complaint in (voice, described, imported):
        assert code == 1
        assert "its place is read-only, so copy the folder" in complaint
        assert "damaged" not in complaint
    assert (beside[0], beside[2]) == (1, f"Error: {locked_away / 'film.vtt'}: Permission denied.\n")
    assert {path: path.read_bytes() for path in locked_away.iterdir()} == before


def test_a_project_on_a_full_disk_can_be_looked_at(former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ProjectStore(former) as store:
        cues = store.cues
    monkeypatch.setattr(database.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))  # type: ignore[attr-defined]
    with ProjectStore(former, or_look=True) as store:
        assert store.cues == cues
        store.notes = ("Gone when it is closed.",)
    with ProjectStore(former, read_only=True) as store:
        assert store.notes != ("Gone when it is closed.",)

    def fails(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (19 << 8)  # of its shared memory
        raise error

    monkeypatch.setattr(database, "migrate", fails)
    with pytest.raises(StoreError, match=r"disk I/O error\): see that its disk has room"):
        ProjectStore(former)
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_BUSY, "open in another calvin process"),
        (sqlite3.SQLITE_IOERR, "see that its disk is there"),
        (sqlite3.SQLITE_CORRUPT, "is damaged or is not a calvin project .* keep it, and bring a copy"),
        (sqlite3.SQLITE_READONLY | (6 << 8), "its place is read-only"),
    ],
)
def test_a_sentence_says_what_is_wrong(code: int, said: str, former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        error = sqlite3.OperationalError("so it is")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(database, "migrate", fails)
    with pytest.raises(StoreError, match=said) as caught:
        ProjectStore(former)
    assert "move" not in str(caught.value)
    monkeypatch.undo()
    with pytest.raises(StoreError, match=said), ProjectStore(former, read_only=True):
        fails()  # reading, later on


def test_a_project_that_is_gone_has_a_sentence_too(former: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    shutil.rmtree(former)
    assert "see that its disk is there" in database.trouble(error, former)
    assert database.trouble(error).startswith("The project cannot be read or written (disk I/O error)")


@pytest.mark.parametrize(
    "change",
    [
        "film SET facts = '[]'",
        "film SET facts = '{'",
        "film SET path = ''",
        "shot SET end_ms = 4611686018427387904",
        "cue SET end_ms = 0",
        "cue SET author = 'nobody'",
        "cue SET candidates = '5'",
        "cue SET kind = 'banner'",
        "cue SET start_ms = -5",
        "plan SET choice = 'nonsense'",
        "plan SET visual_end_ms = -9",
        "dialogue SET end_ms = 1000000000000",
        "cue_history SET author = ''",
        "described SET plan = 'null'",
        "described SET plan = 'x'",
    ],
)
def test_a_damaged_row_is_found_when_a_project_is_opened(former: Path, change: str) -> None:
    with ProjectStore(former):
        pass
    with closing(sqlite3.connect(former / DATABASE)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(f"UPDATE {change}")
        db.commit()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"project.sqlite is damaged .*: keep it, and bring a copy of it back"):
            ProjectStore(former, read_only=read_only)


def test_a_damaged_page_is_found_when_a_project_is_opened(former: Path) -> None:
    with ProjectStore(former):
        pass
    content = bytearray((former / DATABASE).read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 100] = b"\xff" * 100
    (former / DATABASE).write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        ProjectStore(former)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER cue_update",
        "DROP TABLE shot",
        "ALTER TABLE film ADD COLUMN extra TEXT",
        "ALTER TABLE cue DROP COLUMN kind",
    ],
)
def test_tables_that_are_not_calvins_are_refused(former: Path, change: str) -> None:
    """Without the triggers, for example, what is done could not be undone."""
    with ProjectStore(former):
        pass
    with closing(sqlite3.connect(former / DATABASE)) as db:
        if "kind" in change:
            for trigger in ("cue_insert", "cue_update", "cue_delete"):
                db.execute(f"DROP TRIGGER {trigger}")
        db.execute(change)
        db.commit()
    with pytest.raises(
        StoreError, match=r"is damaged or is not a calvin project \((the (table|triggers)|no such table)"
    ):
        ProjectStore(former)

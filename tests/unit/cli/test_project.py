"""A project from the command line: how far it is, its script out and back in, and lint, with their exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from calvin.cli.main import app
from calvin.core.progress import Progress, silent
from calvin.core.time import Span
from calvin.core.types import Author, CueKind, DialogueLine, Place, Status
from calvin.media.sound.film_sound import write_wav
from calvin.studio.describe.film_project import _kept_in
from calvin.studio.project.contents import Choice, Decision, FilmRow
from calvin.studio.project.status import notes_to_tell
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.lint import RULES
from calvin.studio.script.script_lines import read_script
from calvin.studio.script.writers import WRITERS, FolderWriter
from calvin.studio.sound.film_mix import MixReport


@pytest.fixture
def project(tmp_path: Path) -> Path:
    film = tmp_path / "Night.mp4"
    film.write_bytes(b"film")
    from calvin.core.files import file_sha256

    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Night", str(film), file_sha256(film), 60_000, {"bytes": 4}))
        store.set_shots([Span(0, 60_000)])
        store.set_dialogue([DialogueLine(Span(20_000, 22_000), "Hello.")])
        store.set_plan(
            [Place(Span(i * 5000, i * 5000 + 4000), Span(i * 5000, i * 5000 + 5000), i * 5000 + 2500) for i in range(4)]
        )
        texts = ["Mara opens the gate.", "A man in grey waits.", "He turns around."]
        for plan, text in zip(store.plans, texts, strict=False):
            span = Span(plan.span.start_ms, plan.span.start_ms + 3000)
            store.finish_plan(plan, text, span, decision=Decision(Choice.BEST, "Takes 1.5 s of 4.0 s."))
        store.notes = ("A note.",)
    return tmp_path / "p"


def run(*arguments: object, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=answer)


def test_the_voices_are_listed_without_a_project() -> None:
    said = run("voice", "--list").stdout
    assert all(word in said for word in ("piper:", "espeak:LANGUAGE", "nb (Norwegian Bokm", "piper.download_voices"))


def test_status_says_how_far_it_is(project: Path) -> None:
    said = run("status", project).stdout
    assert "Film: Night, 00:01:00.000 long, at " in said
    assert "Shots: 1\nDialogue: 1 line\nPlaces for cues: 3 of 4 done\n" in said
    assert "Cues: 3 (3 by the model, 3 drafts)" in said
    assert "chosen:\n  best, the model's best caption: 3\n" in said
    assert "Note: A note." in said
    assert "best: Takes 1.5 s of 4.0 s." in run("status", project, "--decisions").stdout
    found = json.loads(run("status", project, "--json").stdout)
    assert (found["places"], found["places_done"], found["choices"]) == (4, 3, {"best": 3})


def test_status_counts_the_kinds_where_there_are_several(project: Path) -> None:
    assert "Kinds:" not in run("status", project).stdout
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cues[0], kind=CueKind.TITLE))
    assert "Kinds: 1 title, 2 picture\n" in run("status", project).stdout
    assert json.loads(run("status", project, "--json").stdout)["cues"]["kinds"] == {"title": 1, "picture": 2}


def test_an_export_says_what_its_format_cannot(project: Path) -> None:
    assert run("export", project, "-f", "srt,txt").stderr == ""
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cues[0], extended=True))
    assert run("export", project, "-f", "vtt,dapt,csv,json").stderr == ""
    said = run("export", project, "-f", "srt,vtt,txt").stderr
    assert said == (
        "Note: srt and txt cannot say that the film is to pause for 1 cue (`extended`); the other formats can.\n"
    )


def test_status_while_another_process_is_at_work_and_after_the_film_moved(project: Path) -> None:
    film = project.parent / "Night.mp4"
    with ProjectStore(project):
        assert run("status", project).exit_code == 0
        second = run("export", project)
        assert second.exit_code == 1
        assert "is open in another calvin process" in second.stderr
    film.write_bytes(b"flim")
    assert "has changed since the project began" in run("status", project).stdout
    film.unlink()
    assert "no longer at" in run("status", project).stdout
    assert "is not a calvin project" in run("status", project.parent).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("voice", "typo"),
        ("mix", "typo", "-o", "x.mkv"),
        ("pick", "typo", "-o", "x.csv"),
        ("lint", "typo"),
        ("export", "typo"),
        ("import", "typo", "x.vtt"),
        ("status", "typo"),
        ("adapt", "typo", "-o", "x"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_mistyped_path_is_named_and_nothing_is_left_there(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.vtt").write_text("WEBVTT\n")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "Error: typo is not a calvin project: make one with `calvin describe FILM -o FOLDER`." in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.vtt"]


@pytest.mark.parametrize("name", [name for name in WRITERS if not issubclass(WRITERS[name].load(), FolderWriter)])
def test_export_writes_each_format(name: str, project: Path, tmp_path: Path) -> None:
    result = run("export", project, "--format", name, "-o", tmp_path / "out")
    assert result.exit_code == 0
    path = tmp_path / "out" / f"Night{WRITERS[name].writer.suffix}"
    assert result.stdout.strip() == str(path)
    packed = path.suffix in (".xlsx", ".docx")
    text = " ".join(line.text for line in read_script(path).lines) if packed else path.read_text()
    assert "A man in grey waits." in text


def test_export_edit_three_lines_import_leaves_three_human_cues(project: Path) -> None:
    run("export", project, "--format", "vtt")
    vtt = project / "Night.vtt"
    text = vtt.read_text().replace("Mara", "She").replace("grey", "a grey coat").replace("around", "to the wall")
    vtt.write_text(text)
    asked = run("import", project, vtt)
    assert asked.exit_code == 1
    assert (
        "Change cue-1, 00:00:00.000 - 00:00:03.000\n  - was: Mara opens the gate.\n  + now: She opens the gate.\n"
        in (asked.stdout)
    )
    assert "3 changes, 0 unchanged" in asked.stdout
    assert "Nothing was written" in asked.stderr
    with ProjectStore(project) as store:
        assert {cue.author for cue in store.cues} == {Author.MODEL}
    assert run("import", project, vtt, "--yes").exit_code == 0
    with ProjectStore(project) as store:
        assert [(cue.text, cue.author, cue.status) for cue in store.cues] == [
            ("She opens the gate.", Author.HUMAN, Status.APPROVED),
            ("A man in a grey coat waits.", Author.HUMAN, Status.APPROVED),
            ("He turns to the wall.", Author.HUMAN, Status.APPROVED),
        ]
    assert run("import", project, vtt).exit_code == 0, "nothing is left to change"
    assert "by a person: She opens the gate." in run("status", project, "--history", "cue-1").stdout
    again = run("export", project, "--format", "vtt")
    assert again.stderr == ""
    mark = next(block for block in text.split("\n\n") if block.startswith("NOTE AI-generated"))
    assert vtt.read_text() == text.replace(f"{mark}\n\n", ""), "all of it is now a person's"


def test_a_bad_file_changes_nothing(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.srt").write_text("1\n00:00:01,000 --> soon\nHello.\n")
    result = run("import", project, tmp_path / "bad.srt", "--yes")
    assert result.exit_code == 1
    assert "line 2: '00:00:01,000 --> soon' is not a time code" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    with ProjectStore(project) as store:
        assert [cue.author for cue in store.cues] == [Author.MODEL] * 3


def test_a_file_edited_by_hand_is_never_written_over(project: Path) -> None:
    run("export", project, "--format", "srt,vtt")
    srt = project / "Night.srt"
    srt.write_text(srt.read_text().replace("Mara", "Ada"))
    again = run("export", project, "--format", "srt,vtt")
    assert "Night.srt was not as calvin wrote it and is kept as Night.kept-1.srt" in again.stderr
    assert "Ada" in (project / "Night.kept-1.srt").read_text()
    assert "Mara" in srt.read_text()
    assert sorted(path.name for path in project.glob("Night*")) == ["Night.kept-1.srt", "Night.srt", "Night.vtt"]
    srt.write_text(srt.read_text().replace("Mara", "Eve"))
    other = run("export", project, "--format", "vtt", "-o", project.parent)
    assert (other.stderr, "Eve" in srt.read_text()) == ("", True), "it stays in its place"
    assert "Eve opens" in run("import", project, srt, "--yes").stdout


def test_lint_by_exit_code_and_as_json(project: Path) -> None:
    good = run("lint", project)
    assert good.exit_code == 0, good.stdout
    assert "3 cues: 0 errors, 1 warning" in good.stdout, "nobody has introduced Mara"
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cues[0], text="We see Mara at the gate."))
    assert run("lint", project).exit_code == 0
    assert run("lint", project, "--strict").exit_code == 1
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cues[2], span=Span(19_000, 21_000)))
    bad = run("lint", project, "--json")
    assert bad.exit_code == 1
    found = json.loads(bad.stdout)
    assert found["errors"] >= 1
    assert found["findings"][-1]["rule"] in RULES
    assert "over-dialogue" in {finding["rule"] for finding in found["findings"]}
    assert run("lint", project, "--ignore", "nonsense").exit_code == 2
    assert len(run("lint", "--rules").stdout.splitlines()) == len(RULES), "no project is needed"


def test_what_a_person_rewrote_no_longer_counts_as_too_long(project: Path, tmp_path: Path) -> None:
    with ProjectStore(project) as store:
        for cue in store.cues[:2]:
            store.edit_cue(replace(cue, extended=True))
        store.notes = ("2 cues do not fit: the film is to pause for them (`extended`), or the text to be shortened.",)
    edited = tmp_path / "edited.csv"
    edited.write_text("id,in,out,text\ncue-1,00:00:00.000,00:00:03.000,Mara waits.\n")
    assert run("import", project, edited, "--yes").exit_code == 0
    said = run("status", project, "--decisions").stdout
    assert "Note: 1 cue does not fit" in said
    assert "2 cues do not fit" not in said
    assert "cue-1  human: A person wrote it." in said
    run("undo", project)
    assert "Note: 2 cues do not fit" in run("status", project).stdout


def test_the_language_of_an_imported_script(project: Path, tmp_path: Path) -> None:
    run("export", project, "--format", "vtt")
    vtt = project / "Night.vtt"
    assert "not the code of a language" in run("import", project, vtt, "--language", "german").stderr
    assert "Nothing was written" in run("import", project, vtt, "--language", "deu").stderr
    with ProjectStore(project, read_only=True) as store:
        assert store.script().language == "en"
    result = run("import", project, vtt, "--language", "deu", "--yes")
    assert (result.exit_code, "Language was: English (en), now: German (de)" in result.stdout) == (0, True)
    run("export", project, "--format", "vtt")
    assert "language de" in vtt.read_text()


def test_what_needs_work_and_comments_are_told_and_not_approved_with_the_rest(project: Path) -> None:
    assert "Comments:" not in run("status", project).stdout
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cue("2"), status=Status.NEEDS_WORK))
        for number in range(22):
            store.add_comment("1", f"Remark {number}?")
        store.close_comment(1)
    said = run("status", project).stdout
    assert "Cues: 3 (3 by the model, 1 marked as needing work, 2 drafts)" in said
    assert "Comments: 21 not dealt with, 1 dealt with\n  cue-1, 00:00:02.500: Remark 1?\n" in said
    assert "  and 1 more: `--json` lists them" in said
    assert len(json.loads(run("status", project, "--json").stdout)["comments"]) == 22
    history = run("status", project, "--history", "cue-1").stdout.splitlines()
    assert history[1].endswith("UTC, dealt with: Remark 0?")
    assert history[2].endswith("UTC: Remark 1?")
    assert "Remark" not in run("status", project, "--history", "cue-2").stdout
    approved = run("approve", project, "--all")
    assert "2 cues approved, 0 approved before" in approved.stdout
    assert "Marked as needing work and left so: cue-2" in approved.stderr
    assert run("approve", project, "cue-2").exit_code == 0
    with ProjectStore(project) as store:
        assert {cue.status for cue in store.cues} == {Status.APPROVED}


def test_approve_restore_and_undo(project: Path) -> None:
    run("export", project, "--format", "vtt,csv")
    assert run("approve", project).exit_code == 2
    approved = run("approve", project, "cue-1", "cue-2")
    assert "2 cues approved, 0 approved before" in approved.stdout
    assert (project / "Night.csv").read_text().count(",approved") == 2, "what was exported is renewed"
    vtt = project / "Night.vtt"
    vtt.write_text(vtt.read_text().replace("Mara", "Ada"))
    assert f"Written anew: {project / 'Night.csv'}" in run("import", project, vtt, "--yes").stdout
    assert "Last step: import of Night.vtt" in run("status", project).stdout
    undone = run("undo", project)
    assert "Undone: import of Night.vtt, of 20" in undone.stdout
    assert "Mara opens" in vtt.read_text()
    assert run("undo", project).exit_code == 0
    assert ",approved" not in (project / "Night.csv").read_text()
    assert "There is nothing to undo" in run("undo", project).stderr
    assert run("undo", project, "--redo").exit_code == run("undo", project, "--redo").exit_code == 0
    assert "Ada opens" in vtt.read_text()
    assert "1, 20" in run("status", project, "--history", "cue-1").stdout
    assert "cue-1: Mara opens the gate." in run("restore", project, "cue-1", "--text", 1).stdout
    csv = project / "Night.csv"
    csv.write_text(csv.read_text().replace("He turns around.", ""))
    assert run("import", project, csv, "--yes").exit_code == 0
    assert "cue-3, 1 text, removed: He turns around." in run("status", project, "--history", "all").stdout
    assert "cue-3: He turns around." in run("restore", project, "cue-3").stdout


def test_what_is_restored_on_top_of_a_cue_is_named(project: Path) -> None:
    with ProjectStore(project) as store, store.step("removal"):
        second = store.cues[1]
        store.delete_cue(second.id)
    with ProjectStore(project) as store:
        store.add_cue(replace(second, text="A cat."))
    said = run("restore", project, "cue-2")
    assert "cue-2: A man in grey waits." in said.stdout
    assert (
        "Note: Cues overlap and are kept as they are: cue-2 (00:00:05.000 - 00:00:08.000) with cue-4 (" in said.stderr
    )
    assert run("restore", project, "cue-1", "--text", 1).stderr == ""


def test_a_renamed_film_keeps_the_names_of_its_exports(project: Path) -> None:
    run("export", project, "--format", "vtt,dapt")
    film = project.parent / "Night.mp4"
    with ProjectStore(project) as store:
        row = store.bound_film()
        store.bind_film(replace(row, path=str(film.rename(film.with_name("Night (final).mp4")))))
    assert run("export", project, "--format", "vtt,csv").stdout.splitlines() == [
        str(project / f"Night{suffix}") for suffix in (".vtt", ".csv")
    ]


def test_a_note_is_told_once_unless_it_asks_for_something(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def mixed(
        folder: Path, output: Path, settings: object, extended: bool, language: str | None, *_: object
    ) -> MixReport:
        output.write_bytes(b"mix")
        asked.append(language)
        more = ["Fewer cues."] if len(asked) > 2 else []
        return MixReport([output], 3, 0, -1.0, notes=["It is loud.", "Left out: cue-1. Mix with --extended.", *more])

    monkeypatch.setattr("calvin.studio.sound.film_mix.mix_project", mixed)
    target = project.parent / "Night.ad.mkv"
    first, second, third = (run("mix", project, "-o", target, *more).stderr for more in ((), ("--language", "en"), ()))
    assert first == "Note: It is loud.\nNote: Left out: cue-1. Mix with --extended.\n"
    again = f"Note: 1 note as before: see `calvin status {project}`.\n"
    assert second == f"Note: Left out: cue-1. Mix with --extended.\n{again}"
    assert third == f"Note: Left out: cue-1. Mix with --extended.\nNote: Fewer cues.\n{again}"
    assert asked == [None, "en", "en"], "the language of the film's sound is remembered"
    assert "Note of the last `calvin mix`: It is loud." in run("status", project).stdout
    with ProjectStore(project) as store:
        choice = "The subtitles beside the film are used; `--subtitles none` listens instead."
        assert [notes_to_tell(store, "describe", [choice]) for _ in "ab"] == [
            [choice],
            [f"1 note as before: see `calvin status {project}`."],
        ]


def test_what_was_exported_is_renewed_wherever_it_was_written(project: Path, tmp_path: Path) -> None:
    away, gone = tmp_path / "narrator", tmp_path / "gone"
    run("export", project, "--format", "txt", "-o", away)
    run("export", project, "--format", "txt", "-o", gone)
    (gone / "Night.txt").unlink()
    run("export", project, "--format", "csv,srt")
    foreign = tmp_path / "Night.csv"
    foreign.write_text("in,out,text\n0:30,0:33,Rain falls.\n")
    (project / "Night.srt").write_text("mine")
    result = run("import", project, foreign, "--yes")
    assert "Rain falls." in (away / "Night.txt").read_text()
    assert "Rain falls." in (project / "Night.csv").read_text()
    assert "Night.srt was not as calvin wrote it and is kept as Night.kept-1.srt" in result.stderr
    assert not (gone / "Night.txt").exists()
    assert foreign.read_text().startswith("in,out,text"), "what a person gave is never written over"


def test_a_mix_replaces_only_what_it_wrote(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "Night.ad.mkv"

    def mixed(folder: Path, output: Path, *_: object) -> MixReport:
        output.write_bytes(f"mix {len(list(output.parent.iterdir()))}".encode())
        return MixReport([output], 3, 0, -1.0)

    monkeypatch.setattr("calvin.studio.sound.film_mix.mix_project", mixed)
    target.write_text("somebody's film")
    refused = run("mix", project, "-o", target)
    assert refused.exit_code == 2
    assert "is there and was not mixed from this project" in refused.stderr
    assert target.read_text() == "somebody's film"
    assert run("mix", project, "-o", target, "--yes").exit_code == 0
    assert run("mix", project, "-o", target).exit_code == 0, "its own mix is made anew"
    target.write_text("edited since")
    assert run("mix", project, "-o", target).exit_code == 2


def test_status_says_how_far_decoding_is(tmp_path: Path) -> None:
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Night", "night.mp4", "aa", 60_000, {}))
        listen = _kept_in(store, silent)
        listen(Progress("decode", 12.4, 60.0, "s"))
        listen(Progress("decode", 13.0, 60.0, "s"))
    assert "Decoded: 12 of 60 s" in run("status", tmp_path / "p").stdout
    with ProjectStore(tmp_path / "p") as store:
        store.begin_readings(60)
        store.add_readings(0, [(), ()])
    assert "Read for writing on the screen: 2 of 60 s" in run("status", tmp_path / "p").stdout


def test_recordings_are_taken_told_apart_and_taken_back(project: Path, tmp_path: Path) -> None:
    clock = np.arange(60_000) / 48_000
    write_wav(tmp_path / "own.wav", 0.3 * np.sin(2 * np.pi * 300 * clock), 48_000)
    assert run("export", project, "-f", "csv").exit_code == 0
    said = run("voice", project, "--record", f"cue-2={tmp_path}/own.wav", "--record", f"3={tmp_path}/own.wav")
    assert said.exit_code == 0
    assert said.stdout == (
        "cue-2: recorded, 1.2 s; there is room for 5.0 s\ncue-3: recorded, 1.2 s; there is room for 10.0 s\n"
    )
    assert "Recorded by a person: 2 cues (cue-2 and cue-3)" in run("status", project).stdout
    assert json.loads(run("status", project, "--json").stdout)["recorded"] == {"cues": ["2", "3"], "out_of_date": []}
    assert (project / "Night.csv").read_text().count(",recorded") == 2
    voiced = run("voice", project, "--voice", "tones")
    assert "1 cue spoken by tones, 0 kept, and 2 cues recorded by a person" in voiced.stdout
    said = run("voice", project, "--forget", "cue-2")
    assert said.stdout == f"cue-2: its recording is taken away; `calvin undo {project}` brings it back\n"
    assert run("undo", project).exit_code == 0
    assert "Recorded by a person: 2 cues" in run("status", project).stdout
    assert (project / "Night.csv").read_text().count(",recorded") == 2
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cue("3"), text="He turns round."))
    assert "Recordings that are not heard, because the words have changed: cue-3" in run("status", project).stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record", "cue-2"], "--record takes a cue and a WAV file, such as cue-3=mara.wav, and not 'cue-2'"),
        (["--record", "cue-2=none.wav"], "There is no recording at none.wav"),
        (["--record", "cue-9=none.wav"], "There is no cue '9' in this project"),
        (["--forget", "cue-2"], "cue-2 has no recording"),
        (["--forget", "cue-2", "--rate", "150"], "give --rate in a command of its own"),
    ],
)
def test_recordings_that_cannot_be_taken(project: Path, options: list[str], said: str) -> None:
    found = run("voice", project, *options)
    assert found.exit_code != 0
    assert said in " ".join((found.output + str(found.exception or "")).split())

"""Scripts of DAPT that other people wrote: what describes, what is said, in which language, and back out as it came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, DialogueLine, Script, Status
from calvin.media.dapt_rules import DAPTM, PROFILE, TT, TTM, TTP
from calvin.media.subtitles import read_subtitles
from calvin.media.timed_text import ScriptEvent
from calvin.media.ttml import read_ttml
from calvin.studio.edit.steps import undo
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.recordings import lasting
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.dapt import DaptWriter
from calvin.studio.script.human_words import apply_plan, plan_import
from calvin.studio.script.script_files import export_script
from calvin.studio.script.writers import Provenance, find_writers

AGENT = '<ttm:agent type="character" xml:id="c1"><ttm:name type="alias">MADAME ROUX</ttm:name></ttm:agent>'
FRENCH = "Il ne reste rien, et c'est tant mieux."
ENGLISH = "Nothing is left, and just as well."


def document(
    body: str, kind: str = "preRecording", represents: str = "visual audio", root: str = 'xml:lang="en"'
) -> str:
    spaces = f'xmlns="{TT}" xmlns:ttp="{TTP}" xmlns:ttm="{TTM}" xmlns:daptm="{DAPTM}"'
    return (
        f'<tt {spaces} ttp:contentProfiles="{PROFILE}" daptm:scriptType="{kind}" {root} '
        f'daptm:scriptRepresents="{represents}"><head><metadata>{AGENT}</metadata></head><body>{body}</body></tt>'
    )


def event(texts: str, represents: str, start: int = 10, more: str = "") -> str:
    times = f'xml:id="e{start}" begin="{start}s" end="{start + 3}s"'
    return f'<div {times} daptm:represents="{represents}" {more}>{texts}</div>'


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    project = ProjectStore(tmp_path / "p", create=True)
    project.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 97_000, {"frame_rate": 25.0}))
    span = Span(30_000, 32_000)
    project.add_cue(Cue("", span, "A door.", span, 30_000, Author.MODEL, Status.DRAFT))
    return project


@pytest.fixture
def brought(store: ProjectStore, tmp_path: Path) -> Callable[..., object]:
    def bring(text: str, **options: str) -> None:
        (tmp_path / "a.ttml").write_text(text)
        apply_plan(store, plan_import(store, tmp_path / "a.ttml", **options))

    return bring


def written(store: ProjectStore) -> ET.Element:
    [path] = export_script(store, find_writers(["dapt"])).files
    return ET.parse(path).getroot()


def test_a_transcript_is_dialogue_and_no_description(store: ProjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.ttml").write_text(
        document(
            event(f'<p ttm:agent="c1"><span>{FRENCH}</span></p>', "audio.dialogue"),
            "originalTranscript",
            "audio.dialogue",
            'xml:lang="fr" daptm:langSrc="fr"',
        )
    )
    plan = plan_import(store, tmp_path / "a.ttml")
    assert plan.changes == ()
    assert plan.lines() == ["0 changes, 0 unchanged", "1 line of dialogue"]
    apply_plan(store, plan)
    assert store.dialogue == [DialogueLine(Span(10_000, 13_000), FRENCH, "MADAME ROUX")]
    assert [cue.text for cue in store.cues] == ["A door."]
    assert plan_import(store, tmp_path / "a.ttml").changes_anything is False
    assert undo(store).said.startswith("Undone: import of a.ttml")
    assert store.dialogue == []


def test_the_words_that_are_heard_are_taken_of_a_dubbing_script(
    store: ProjectStore, brought: Callable[..., None]
) -> None:
    texts = (
        f'<p xml:lang="fr" daptm:langSrc="fr"><span>{FRENCH}</span></p><p xml:lang="en" daptm:langSrc="fr">'
        '<span begin="0s">Nothing is left, </span><span begin="1.5s">and just as well.</span></p>'
    )
    brought(document(event(texts, "audio.dialogue", more='ttm:agent="c1" daptm:onScreen="ON_OFF"')))
    assert store.dialogue == [DialogueLine(Span(10_000, 13_000), FRENCH, "MADAME ROUX")]
    cues = read_ttml(document(event(texts, "audio.dialogue"))).cues
    assert [(cue.event.language, cue.start_ms, cue.end_ms, cue.text) for cue in cues] == [
        ("fr", 10_000, 13_000, FRENCH),
        ("en", 10_000, 13_000, ENGLISH),
    ]


TWO = '<p xml:lang="en">A boat turns.</p><p xml:lang="de" daptm:langSrc="en">Ein Boot wendet.</p>'


def test_two_languages_of_one_event_stay_apart(
    store: ProjectStore, brought: Callable[..., None], tmp_path: Path
) -> None:
    brought(document(event(TWO, "visual.nonText")))
    assert [cue.text for cue in store.cues] == ["A boat turns.", "A door."]
    brought(document(event(TWO, "visual.nonText")), language="de")
    assert [cue.text for cue in store.cues] == ["Ein Boot wendet.", "A door."]
    assert store.bound_film().language == "de"
    with pytest.raises(StoreError, match="its text stands in en, de: name one of them by `--language`; nothing was"):
        plan_import(store, tmp_path / "a.ttml", language="fr")


def test_a_script_in_another_language_is_not_taken_for_this_one(store: ProjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.ttml").write_text(document(event("<p>Un bateau.</p>", "visual"), root='xml:lang="fr-CA"'))
    with pytest.raises(StoreError, match="its text stands in fr-CA: name one of them by `--language`"):
        plan_import(store, tmp_path / "a.ttml")
    plan = plan_import(store, tmp_path / "a.ttml", language="fr")
    assert [change.after.text for change in plan.changes if change.after] == ["Un bateau."]


def test_what_stands_in_another_language_alone_is_named(store: ProjectStore, tmp_path: Path) -> None:
    sign = event('<p xml:lang="is">Lokað</p>', "visual.text", 20)
    (tmp_path / "a.ttml").write_text(document(event("<p>A boat.</p>", "visual") + sign))
    plan = plan_import(store, tmp_path / "a.ttml")
    assert "Left out, because they stand in is alone, and not in en: event 2 (Lokað)." in plan.notes


def test_sounds_and_what_nobody_can_tell_are_left_out_by_name(store: ProjectStore, tmp_path: Path) -> None:
    body = (
        event("<p>Thunder.</p>", "audio.nonDialogueSounds", 1)
        + event("<p>Hm.</p>", "x-other", 5)
        + event("<p>A boat.</p>", "visual.dialogue", 10)
    )
    (tmp_path / "a.ttml").write_text(document(body, represents="visual audio x-other"))
    plan = plan_import(store, tmp_path / "a.ttml")
    assert [change.after.text for change in plan.changes if change.after] == ["A boat."]
    assert "Left out, because they stand for sounds (audio.nonDialogueSounds): event 1 (Thunder.)." in plan.notes
    assert "Left out, because they neither describe nor are dialogue (x-other): event 2 (Hm.)." in plan.notes


def test_what_a_transcript_says_of_the_picture_waits_for_approval(
    store: ProjectStore, brought: Callable[..., None]
) -> None:
    brought(document(event("<p>No fishing</p>", "visual.text", more='daptm:langSrc="en"'), "originalTranscript"))
    assert [(cue.text, cue.status, cue.kind) for cue in store.cues][:1] == [("No fishing", Status.DRAFT, CueKind.TEXT)]


REMARKS = (
    '<ttm:desc daptm:descType="pronunciationNote">Wym: like whim</ttm:desc>'
    '<ttm:desc daptm:descType="x-reel">2</ttm:desc><ttm:desc>Keep it dry.</ttm:desc>'
)


def test_what_came_in_goes_out(store: ProjectStore, brought: Callable[..., None]) -> None:
    body = event(
        f"{REMARKS}<p>The village of Wym</p>", "visual.text.location", 7, 'daptm:langSrc="cy" daptm:onScreen="OFF_ON"'
    ) + event("<p>They sign: come home.</p>", "visual.dialogue", 20)
    origin = "<daptm:daptOriginTimecode>10:01:20:12</daptm:daptOriginTimecode>"
    text = document(body, root='xml:lang="en" ttp:frameRate="25"').replace(AGENT, origin)
    brought(text)
    root = written(store)
    divs = {div.get("begin"): div for div in root.iter(f"{{{TT}}}div")}
    first, second = divs["00:00:07.000"], divs["00:00:20.000"]
    assert first.get(f"{{{DAPTM}}}represents") == "visual.text.location"
    assert (first.get(f"{{{DAPTM}}}langSrc"), first.get(f"{{{DAPTM}}}onScreen")) == ("cy", "OFF_ON")
    remarks = [(one.get(f"{{{DAPTM}}}descType"), one.text) for one in first.iter(f"{{{TTM}}}desc")]
    assert remarks == [("pronunciationNote", "Wym: like whim"), ("x-reel", "2"), (None, "Keep it dry.")]
    assert second.get(f"{{{DAPTM}}}represents") == "visual.dialogue"
    assert root.get(f"{{{DAPTM}}}scriptRepresents") == "visual.nonText visual.text visual.dialogue"
    assert [one.text for one in root.iter(f"{{{DAPTM}}}daptOriginTimecode")] == ["10:01:20:12"]
    assert root.get(f"{{{TTP}}}frameRate") == "25"
    again = plan_import(store, store.folder / "film.dapt.ttml")
    assert not again.changes_anything
    assert again.unchanged == 3


def test_what_a_script_says_beside_the_words_is_a_step(store: ProjectStore, brought: Callable[..., None]) -> None:
    brought(document(event("<p>A boat.</p>", "visual.nonText", 7)))
    cue = store.cues[0].id
    brought(document(event(f"{REMARKS}<p>A boat.</p>", "visual.nonText", 7)))
    assert len(store.events[cue].descriptions) == 3
    undo(store)
    assert store.events.get(cue, ScriptEvent()) == ScriptEvent()
    assert store.cue(cue).text == "A boat."


def test_a_cue_of_another_kind_is_told_by_its_kind(store: ProjectStore, brought: Callable[..., None]) -> None:
    brought(document(event("<p>Wym</p>", "visual.text.location", 7)))
    store.edit_cue(replace(store.cues[0], kind=CueKind.TITLE))
    assert next(written(store).iter(f"{{{TT}}}div")).get(f"{{{DAPTM}}}represents") == "visual.text.title"


def test_the_projects_pronunciations_go_out_and_are_not_taken_for_remarks(store: ProjectStore) -> None:
    (store.folder / "pronunciation.csv").write_text("door,dor\nSiobhan,Shivawn\n")
    [note] = [one for one in written(store).iter(f"{{{TTM}}}desc") if one.get(f"{{{DAPTM}}}descType")]
    assert (note.get(f"{{{DAPTM}}}descType"), note.text) == ("pronunciationNote", "door: dor")
    assert not plan_import(store, store.folder / "film.dapt.ttml").changes_anything
    (store.folder / "pronunciation.csv").write_text("one cell\n")
    assert not [one for one in written(store).iter(f"{{{TTM}}}desc") if one.get(f"{{{DAPTM}}}descType")]


def test_subtitles_are_what_is_said_and_not_what_is_described(tmp_path: Path) -> None:
    (tmp_path / "a.ttml").write_text(
        document(
            event("<p>A boat.</p>", "visual") + event(f"<p xml:lang='fr'>{FRENCH}</p><p>{ENGLISH}</p>", "audio", 20)
        )
    )
    assert [line.text for line in read_subtitles(tmp_path / "a.ttml").lines] == [FRENCH]


def test_times_of_a_recording_inside_an_event_are_those_of_the_cue() -> None:
    """The film is turned down from the event's begin, and the words are spoken a little later."""
    body = (
        '<div xml:id="cue-7" begin="25s" end="28s" daptm:represents="visual"><p><animate begin="0s" end="0.3s" '
        'tta:gain="1;0.39" fill="freeze"/><span begin="0.3s" end="2.7s"><audio src="a.wav"/>The sails fill.</span></p>'
        "</div>"
    )
    text = document(body).replace("<tt ", '<tt xmlns:tta="http://www.w3.org/ns/ttml#audio" ')
    [cue] = read_ttml(text, as_declared=True).cues
    assert (cue.start_ms, cue.end_ms, cue.text, cue.name) == (25_300, 27_700, "The sails fill.", "cue-7")


def test_the_command_says_what_it_does(store: ProjectStore, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "a.ttml").write_text(document(event(f"<p>{FRENCH}</p>", "audio.dialogue"), "originalTranscript"))
    run = CliRunner().invoke(app, ["import", str(tmp_path / "p"), str(tmp_path / "a.ttml"), "--yes"])
    assert run.exit_code == 0, run.output
    assert "1 line of dialogue" in run.output
    (tmp_path / "a.ttml").write_text(document("", "dubbing"))
    run = CliRunner().invoke(app, ["import", str(tmp_path / "p"), str(tmp_path / "a.ttml"), "--yes"])
    assert run.exit_code == 1
    assert "nothing was changed" in run.output


WORDS = (
    st.text(st.sampled_from("aé <&\"'>-ñ語"), min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda text: any(map(str.isalnum, text)))
)
EVENTS = st.builds(
    ScriptEvent,
    represents=st.sampled_from(
        ["", "visual", "visual.dialogue", "visual.text.location", "visual.text.x-sign", "visual.nonText"]
    ),
    source=st.sampled_from(["", "zxx", "de", "pt-BR"]),
    on_screen=st.sampled_from(["", "ON", "OFF", "ON_OFF", "OFF_ON"]),
    descriptions=st.lists(
        st.tuples(st.sampled_from(["", "scene", "pronunciationNote", "x-mine"]), WORDS), max_size=2
    ).map(tuple),
)  # fmt: skip


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(WORDS, EVENTS), min_size=1, max_size=4))
def test_a_document_keeps_to_the_rules_and_says_all_again(events: list[tuple[str, ScriptEvent]]) -> None:
    cues, said = [], {}
    for number, (text, one) in enumerate(events, 1):
        span = Span(9000 * number, 9000 * number + 2000)
        kind = CueKind.TEXT if one.represents.startswith("visual.text") else CueKind.PICTURE
        cues.append(Cue(str(number), span, text, span, 0, kind=kind))
        said[str(number)] = one
    found = read_ttml(DaptWriter().render(Script("F", tuple(cues)), Provenance(events=said)), as_declared=True).cues
    assert [cue.text for cue in found] == [" ".join(text.split()) for text, _ in events]
    usual = {CueKind.TEXT: "visual.text", CueKind.PICTURE: "visual.nonText"}
    wanted = [
        replace(one, represents=one.represents or usual[cue.kind]) for (_, one), cue in zip(events, cues, strict=True)
    ]
    assert [lasting(cue.event) for cue in found] == [
        replace(one, descriptions=tuple((kind, " ".join(text.split())) for kind, text in one.descriptions))
        for one in wanted
    ]

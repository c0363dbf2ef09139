"""`describe` from film to files, with a tiny random model: what it writes, reuses, survives and refuses."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pysubs2
import pytest
from safetensors import safe_open

from calvin import describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.captioners.known_footage import World
from calvin.core.errors import CalvinError, MediaError, ServerError, StoreError, UsageError
from calvin.core.progress import Progress
from calvin.core.time import Span
from calvin.core.types import Author, Character
from calvin.data import FeatureStore
from calvin.media.film.decode import decode_film
from calvin.media.sound.film_sound import read_wav
from calvin.studio.cast.characters import Cast, Note
from calvin.studio.describe import film_project as module
from calvin.studio.describe.films import DescribeSettings, FilmJob, describe_many
from calvin.studio.project.contents import Choice
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength
from calvin.studio.script.lint import Level, lint

SRT = """1
00:00:03,500 --> 00:00:05,000
ANN: Is anybody there?

2
00:00:08,000 --> 00:00:09,500
BOB: Only me.
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "Night Train.mp4", (4.0, 4.0, 4.0))


@pytest.fixture(scope="module")
def calvin(tiny_model: Path) -> Calvin:
    return Calvin.from_pretrained(tiny_model)


@pytest.fixture
def subtitles(tmp_path: Path) -> Path:
    path = tmp_path / "night.srt"
    path.write_text(SRT)
    return path


class Teller:
    """A captioner that looks at stills only, says what it was asked, and keeps the requests."""

    def __init__(self, name: str = "teller") -> None:
        self.info = CaptionerInfo(name)
        self.needs = frozenset({"frames"})
        self.asked: list[CaptionRequest] = []
        self.batches: list[int] = []

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        self.batches.append(len(requests))
        self.asked += requests
        count = len(self.asked) - len(requests)
        return [CaptionAnswer(f"Scene {count + i} begins.", 0.0) for i in range(len(requests))]


def test_without_subtitles_each_shot_is_described(film: Path, calvin: Calvin, tmp_path: Path) -> None:
    result = describe(film, model=calvin, out_dir=tmp_path / "p")
    # One may be told up to 2 s before its shot, or run on a little into the next, which then waits for it.
    starts = [cue.span.start_ms for cue in result.script.cues]
    assert starts == sorted(starts)
    assert [cue.event_ms // 4000 for cue in result.script.cues] == [0, 1, 2]
    assert all(-2000 <= start - 4000 * number < 2000 for number, start in enumerate(starts))
    assert result.script.title == "Night Train"
    assert result.script.duration_ms == 12_000
    assert [path.name for path in result.files] == ["Night Train.vtt", "Night Train.srt", "Night Train.json"]
    assert all(cue.author is Author.MODEL and cue.text for cue in result.script.cues)
    read = pysubs2.load(str(result.files[0]))
    assert [event.start for event in read] == starts
    document = json.loads(result.files[2].read_text())
    assert document["model"]["encoder"] == "tiny-tower"
    assert document["model"]["card"] == "Random weights, for tests."
    assert document["film"]["width"] == 96
    assert len(document["cues"]) == 3


@pytest.mark.parametrize("reads", [True, False])
def test_how_people_look_is_told_to_a_captioner_that_reads_it(reads: bool, film: Path, tmp_path: Path) -> None:
    teller = Teller()
    teller.reads_looks = reads  # type: ignore[attr-defined]
    there = (Note(Span(0, 12_000), ("Ann", "Bob")),)
    cast = Cast((Character("Ann", look="in a red coat"), Character("Bob")), notes=there)
    describe(film, model=teller, out_dir=tmp_path / "p", cast=cast)  # type: ignore[arg-type]
    told = "Ann, in a red coat; Bob." if reads else "Ann and Bob."
    assert all(told in request.prompt.text for request in teller.asked)


def test_with_subtitles_cues_keep_out_of_the_dialogue(film: Path, subtitles: Path, tmp_path: Path) -> None:
    result = describe(film, subtitles, Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert result.script.cues
    for cue in result.script.cues:
        assert (
            cue.span.end_ms <= 3200 or 5300 <= cue.span.start_ms < cue.span.end_ms <= 7700 or cue.span.start_ms >= 9800
        )
    visuals = [cue.visual for cue in result.script.cues]
    assert visuals[0].start_ms == 0
    assert all(later.start_ms <= earlier.end_ms for earlier, later in pairwise(visuals))
    with ProjectStore(result.project) as store:
        assert [(line.text, line.speaker) for line in store.dialogue] == [
            ("Is anybody there?", "ANN"),
            ("Only me.", "BOB"),
        ]


def test_each_caption_sees_the_captions_before_it(film: Path, tmp_path: Path) -> None:
    teller = Teller()
    describe(film, model=teller, context=2, out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert [request.prompt.context for request in teller.asked] == [
        (),
        ("Scene 0 begins.",),
        ("Scene 0 begins.", "Scene 1 begins."),
    ]
    frames = teller.asked[1].scene.frames
    assert frames is not None
    assert all(4000 <= frame.time_ms < 8000 and frame.jpeg.startswith(b"\xff\xd8") for frame in frames())


def test_without_context_scenes_are_batched_and_with_it_films_are(
    film: Path, tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    teller = Teller()
    describe(film, model=teller, context=0, out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert teller.batches == [3]
    other = make_film(tmp_path / "other.mp4", (3.0, 3.0))
    teller = Teller()
    jobs = [FilmJob(film, out_dir=tmp_path / "q"), FilmJob(other, out_dir=tmp_path / "q")]
    outcomes = describe_many(jobs, teller, DescribeSettings(context=3))
    assert teller.batches == [2, 2, 1]
    assert [len(outcome.description.script.cues) for outcome in outcomes if outcome.description] == [3, 2]


def test_features_are_those_of_the_films_frames_and_are_reused(
    film: Path, calvin: Calvin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = describe(film, model=calvin, out_dir=tmp_path / "p")
    [path] = (tmp_path / "p").glob("features-*.safetensors")
    vectors: list[np.ndarray] = []
    decode_film(film, tmp_path / "again", on_batch=lambda batch: vectors.append(calvin.encode_frames(batch.rgb)))
    with FeatureStore.open(path, expect_encoder=calvin.encoder) as store, safe_open(path, "numpy") as raw:
        assert store.fps == 5
        [name] = raw.keys()
        np.testing.assert_allclose(store.get(name), np.concatenate(vectors), atol=2e-3)
    monkeypatch.setattr(
        "calvin.studio.describe.film_project.decode_film", lambda *_, **__: pytest.fail("decoded twice")
    )
    monkeypatch.setattr(calvin, "caption", lambda *_: pytest.fail("captioned twice"))
    again = describe(film, model=calvin, out_dir=tmp_path / "p")
    assert again.script == first.script


def test_another_request_writes_anew_but_keeps_what_a_person_wrote(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    describe(film, model=Teller("one"), out_dir=folder)  # type: ignore[arg-type]
    with ProjectStore(folder) as store:
        store.edit_cue(replace(store.cues[1], text="By hand.", author=Author.HUMAN))
    teller = Teller("two")
    result = describe(film, model=teller, out_dir=folder)  # type: ignore[arg-type]
    assert [cue.text for cue in result.script.cues] == ["Scene 0 begins.", "By hand.", "Scene 1 begins."]
    assert teller.asked[1].prompt.context == ("Scene 0 begins.", "By hand.")


def test_killed_while_captioning_it_goes_on_where_it_was(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    whole = describe(film, model=str(tiny_model), out_dir=tmp_path / "whole")
    code = (
        "import os, signal\n"
        "from calvin import describe\n"
        "def stop(event):\n"
        "    if event.stage == 'describe' and event.done == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"describe({str(film)!r}, model={str(tiny_model)!r}, out_dir={str(tmp_path / 'p')!r},\n"
        "         text=False, progress=stop)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert not list((tmp_path / "p").glob("*.vtt"))
    events: list[Progress] = []
    resumed = describe(film, model=str(tiny_model), out_dir=tmp_path / "p", progress=events.append)
    assert {event.stage for event in events} == {"describe"}, "the film was decoded again"
    assert events[-1].total == 1
    assert [(cue.text, cue.span) for cue in resumed.script.cues] == [(cue.text, cue.span) for cue in whole.script.cues]


def test_killed_while_decoding_it_starts_that_again(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from calvin import describe\n"
        "from calvin.captioners.calvin import Calvin\n"
        "Calvin.encode_frames = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"describe({str(film)!r}, model={str(tiny_model)!r}, out_dir={str(tmp_path / 'p')!r}, text=False)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    result = describe(film, model=str(tiny_model), out_dir=tmp_path / "p")
    assert len(result.script.cues) == 3


def test_damaged_leftovers_are_made_again(film: Path, calvin: Calvin, tmp_path: Path) -> None:
    first = describe(film, model=calvin, out_dir=tmp_path / "p")
    [path] = (tmp_path / "p").glob("features-*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    again = describe(film, model=calvin, out_dir=tmp_path / "p")
    assert again.script == first.script
    FeatureStore.open(path, expect_encoder=calvin.encoder).close()


def test_footage_unlike_the_models_world_gets_a_notice(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    World.fit(np.random.default_rng(0).normal(size=(100, 24)) * 0.01, "quiet films").save(model)
    result = describe(film, model=str(model), out_dir=tmp_path / "p")
    assert "unlike what this model was trained on (quiet films)" in result.notes[0]
    assert "--model" in result.notes[0]
    assert result.notes[0] in json.loads((tmp_path / "p/Night Train.json").read_text())["notes"]
    assert result.script.cues


def test_a_broken_end_is_described_as_far_as_it_goes(
    film: Path, tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    whole = make_film(tmp_path / "whole.mkv", (4.0, 4.0, 4.0), audio=False)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    result = describe(cut, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert 0 < len(result.script.cues) < 3 or (result.script.duration_ms or 0) < 11_000
    assert any("could be decoded" in note or "breaks off" in note or "damaged" in note for note in result.notes)


def test_dialogue_from_end_to_end_leaves_an_empty_script_and_says_so(film: Path, tmp_path: Path) -> None:
    srt = tmp_path / "full.srt"
    srt.write_text("1\n00:00:00,000 --> 00:00:12,000\nWords without end.\n")
    result = describe(film, srt, Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert result.script.cues == ()
    assert any("no gap" in note for note in result.notes)
    assert result.files[0].read_text().startswith("WEBVTT")


def test_one_bad_film_does_not_stop_the_others(film: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a film")
    jobs = [FilmJob(path, out_dir=tmp_path / "out") for path in (bad, film, tmp_path / "absent.mp4")]
    outcomes = describe_many(jobs, Teller())
    assert [type(outcome.error) for outcome in outcomes] == [MediaError, type(None), MediaError]
    assert outcomes[1].description is not None
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Night Train.calvin"]


def test_a_film_that_takes_its_process_down_does_not_stop_the_others(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = tmp_path / "deadly.mp4"
    shutil.copy(film, deadly)
    monkeypatch.setattr(
        "calvin.media.film.trial._SERVER",
        "import os, sys\nprint('ready', flush=True)\n"
        "for line in sys.stdin:\n    print('survived', flush=True) if 'Night' in line else os.abort()",
    )
    monkeypatch.setattr("calvin.media.film.trial._trial", None)
    outcomes = describe_many([FilmJob(path, out_dir=tmp_path / "out") for path in (deadly, film)], Teller())
    assert outcomes[1].error is None
    assert isinstance(outcomes[0].error, MediaError)
    assert "deadly.mp4 takes its decoder down" in str(outcomes[0].error)


def test_two_films_never_share_a_folder(film: Path, tmp_path: Path) -> None:
    twin = shutil.copy(film, tmp_path / film.name)
    outcomes = describe_many(
        [FilmJob(film, out_dir=tmp_path / "o"), FilmJob(Path(twin), out_dir=tmp_path / "o")], Teller()
    )
    assert outcomes[0].error is None
    assert "would share the folder" in str(outcomes[1].error)


def test_a_project_of_another_film_is_left_alone(film: Path, tmp_path: Path, make_film: Callable[..., Path]) -> None:
    describe(film, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    before = (tmp_path / "p/Night Train.json").read_text()
    other = make_film(tmp_path / "other.mp4", (3.0,))
    with pytest.raises(StoreError, match="is the project of Night Train"):
        describe(other, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert (tmp_path / "p/Night Train.json").read_text() == before


def test_features_of_one_film_that_cannot_be_read_stop_only_that_film(
    film: Path, calvin: Calvin, tmp_path: Path, make_film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_film(tmp_path / "other.mp4", (3.0,))
    inner = FeatureStore.scene

    def fail_for_other(store: FeatureStore, name: str, span: object, max_frames: int = 32) -> np.ndarray:
        if span is not None and "other.calvin" in str(store.path):
            raise CalvinError("The disk forgot.")
        return inner(store, name, span, max_frames)  # type: ignore[arg-type]

    monkeypatch.setattr(FeatureStore, "scene", fail_for_other)
    outcomes = describe_many([FilmJob(p, out_dir=tmp_path / "o") for p in (other, film)], calvin)
    assert str(outcomes[0].error) == "The disk forgot."
    assert outcomes[1].error is None


class Choosy(Teller):
    """Refuses scenes of the film of two seconds: its whole requests, or only those for fewer words."""

    def __init__(self, only_short: bool) -> None:
        super().__init__()
        self.only_short = only_short

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        for request in requests:
            if request.scene.span.end_ms == 2000 and bool(request.max_words) >= self.only_short:
                raise ServerError("The server refuses this picture.")
        if not self.only_short:
            return super().caption(requests)
        # Too much to say, and never the same.
        return [CaptionAnswer(f"{' '.join(f's{r.scene.id}w{i}' for i in range(40))}.", 0.0) for r in requests]


@pytest.mark.parametrize("only_short", [False, True])
@pytest.mark.parametrize("context", [0, 3])
def test_a_film_whose_scenes_the_model_refuses_stops_only_itself(
    film: Path, tmp_path: Path, make_film: Callable[..., Path], only_short: bool, context: int
) -> None:
    other = make_film(tmp_path / "other.mp4", (2.0,))
    settings = DescribeSettings(context=context)
    outcomes = describe_many([FilmJob(p, out_dir=tmp_path / "o") for p in (other, film)], Choosy(only_short), settings)
    assert str(outcomes[0].error) == "The server refuses this picture."
    assert outcomes[1].description is not None
    assert len(outcomes[1].description.script.cues) == 3


@pytest.mark.parametrize("context", [0, 3])
def test_a_film_that_cannot_be_stored_stops_only_itself(
    film: Path, tmp_path: Path, make_film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, context: int
) -> None:
    inner = ProjectStore.finish_plan

    def fail_for_other(store: ProjectStore, *args: Any) -> object:
        if store.folder.name == "other.calvin":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR  # as SQLite sets it
            raise error
        return inner(store, *args)

    monkeypatch.setattr(ProjectStore, "finish_plan", fail_for_other)
    jobs = [FilmJob(p, out_dir=tmp_path / "o") for p in (film, make_film(tmp_path / "other.mp4", (3.0, 3.0)))]
    first, second = describe_many(jobs, Teller(), DescribeSettings(context=context))
    assert "cannot be read or written (disk I/O error)" in str(second.error)
    assert first.description is not None
    texts = [cue.text for cue in first.description.script.cues]
    assert len(texts) == len(set(texts)) == 3, "each cue is stored once"


@pytest.mark.parametrize("finished", [False, True])
def test_of_two_runs_on_one_new_folder_the_loser_leaves_the_project_of_the_winner(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    """The winner begins, or is done, between the loser's look at the folder and its opening it."""
    folder = tmp_path / "p"
    inner = ProjectStore
    winners: list[ProjectStore] = []

    def open_late(path: Path, **options: bool) -> ProjectStore:
        monkeypatch.setattr(module, "ProjectStore", inner)
        if finished:
            describe(film, model=Teller(), out_dir=path)  # type: ignore[arg-type]
        else:
            winners.append(inner(path, **options))
        return inner(path, **options)

    def unreadable(*args: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(module, "ProjectStore", open_late)
    if finished:
        monkeypatch.setattr(module, "_notice", lambda hand, *_: unreadable() if hand.store.cues else None)
    with pytest.raises(StoreError, match="disk I/O" if finished else "open in another calvin process"):
        describe(film, model=Teller(), out_dir=folder)  # type: ignore[arg-type]
    for winner in winners:
        winner.close()
    with ProjectStore(folder) as store:
        assert len(store.cues) == (3 if finished else 0)


def test_bad_settings_are_refused_before_anything_is_read(film: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no format 'pdf'"):
        describe(film, formats=("pdf",), out_dir=tmp_path / "p")
    with pytest.raises(UsageError, match="context"):
        describe(film, context=-1, out_dir=tmp_path / "p")
    assert not (tmp_path / "p").exists()


class Wordy(Teller):
    """Says more than fits; asked for few words it finds them, but for every third scene."""

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        answers = []
        for request in requests:
            number = int(request.scene.id)
            if request.max_words is None:
                text = f"Scene {number} begins where a tall man in grey walks past the old red gate, and then it ends."
            else:
                text = "" if number % 3 == 0 else " ".join(["Scene", str(number), "now", "ends."][: request.max_words])
            answers.append(CaptionAnswer(text, 0.0, (text,)))
        return answers


@pytest.mark.parametrize("context", [0, 3])
def test_every_cue_fits_or_is_marked_and_none_overlaps(
    context: int, film: Path, subtitles: Path, tmp_path: Path
) -> None:
    result = describe(film, subtitles, Wordy(), context=context, out_dir=tmp_path / "p")  # type: ignore[arg-type]
    with ProjectStore(result.project) as store:
        choices = {decision.cue_id: decision.choice for decision in store.decisions}
        dialogue = [line.span for line in store.dialogue]
        plans = len(store.plans)
    cues = result.script.cues
    assert len(cues) == plans >= 3
    assert {cue.extended for cue in cues} == {True, False}
    for cue in cues:
        assert choices[cue.id] is (Choice.EXTENDED if cue.extended else Choice.SHORTER)
        assert cue.text.endswith("ends."), "cut mid-phrase"
        assert cue.extended or EstimatedLength().ms(cue.text) <= cue.span.duration_ms
        assert not any(cue.span.overlap_ms(line) for line in dialogue)
    assert all(before.span.end_ms + 300 <= after.span.start_ms for before, after in pairwise(cues))
    assert any("extended" in note for note in result.notes)
    findings = lint(result.script, dialogue)
    assert not [finding for finding in findings if finding.level is Level.ERROR]


def test_what_was_said_just_before_is_not_said_again(film: Path, tmp_path: Path) -> None:
    teller = Teller()
    teller.caption = lambda requests: [CaptionAnswer("A light goes on.", 0.0) for _ in requests]  # type: ignore[method-assign]
    result = describe(film, model=teller, out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert [cue.text for cue in result.script.cues] == ["A light goes on."]
    decisions = json.loads((tmp_path / "p/Night Train.json").read_text())["decisions"]
    assert [decision["choice"] for decision in decisions] == ["best", "repeated", "repeated"]


def test_the_language_is_asked_for_and_kept(film: Path, calvin: Calvin, tmp_path: Path) -> None:
    teller = Teller()
    result = describe(film, model=teller, out_dir=tmp_path / "p", language="ger")  # type: ignore[arg-type]
    assert result.script.language == "de"
    assert all(request.prompt.question.endswith(" Answer in German.") for request in teller.asked)
    assert "language de" in result.files[0].read_text()
    asked = len(teller.asked)
    again = describe(film, model=teller, out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert (again.script.language, len(teller.asked)) == ("de", asked)
    english = describe(film, model=teller, out_dir=tmp_path / "p", language="en")  # type: ignore[arg-type]
    assert (english.script.language, len(teller.asked) > asked) == ("en", True)
    assert not any("translate" in note for note in english.notes)
    mute = describe(film, model=calvin, out_dir=tmp_path / "c", language="de")
    assert any("answer in English, and the project is in German" in note for note in mute.notes)
    with pytest.raises(UsageError, match="not the code of a language"):
        describe(film, model=teller, out_dir=tmp_path / "x", language="german")  # type: ignore[arg-type]


def test_the_sound_track_to_listen_to_can_be_chosen(film: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        copies = {stream: target.add_stream_from_template(stream) for stream in source.streams}
        copies[source.streams.audio[0]].metadata["language"] = "eng"
        silent = target.add_stream("aac", rate=16_000, layout="mono")
        silent.metadata["language"] = "ger"
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream]
                target.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        target.mux([*silent.encode(frame), *silent.encode(None)])

    def heard(project: Path, **options: str) -> tuple[float, str]:
        result = describe(project, model=Teller(), out_dir=tmp_path / "p", **options)  # type: ignore[arg-type]
        samples, _ = read_wav(tmp_path / "p" / "frames" / "sound.wav")
        return float(np.abs(samples).max()), " ".join(result.notes)

    assert heard(path, audio_language="de")[0] < 0.01
    assert heard(tmp_path / "p")[0] < 0.01  # again, as the project was
    assert heard(path)[0] > 0.1
    level, notes = heard(path, audio_language="fr")
    assert level > 0.1
    assert "no sound track in French: another was listened to" in notes

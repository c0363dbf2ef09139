"""From a voiced project to a film that plays: order, flags, content, pauses, and trouble."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from calvin.core.errors import CalvinError, MediaError, StoreError, UsageError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Status
from calvin.media.sound.ducking import MixSettings
from calvin.media.sound.film_check import essence, timecode
from calvin.media.sound.film_sound import Pause, programme_blocks
from calvin.media.subtitles import read_subtitles
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project import database
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.status import SpokenCue
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound import film_mix as module
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.placing import place_voices
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

CUES = ((500, 3000, "Mara opens the door."), (5000, 7000, "She looks down the street and waits for him there."))


@pytest.fixture
def project(tmp_path: Path, make_film: Callable[..., Path]) -> Callable[..., Path]:
    """project(name, **options of make_film): a voiced project of a film of 9 seconds with a line from 7.3 s."""

    def make(
        name: str = "film.mp4", source: Path | None = None, voiced: bool = True, language: str = "en", **options: Any
    ) -> Path:
        path = source or make_film(tmp_path / name, **options)
        folder = tmp_path / "p"
        with ProjectStore(folder, create=True) as store:
            store.bind_film(FilmRow("Film", str(path), file_sha256(path), 9000, {}, language))
            store.set_dialogue([DialogueLine(Span(7300, 8500), "Go away!")])
            for start, end, text in CUES:
                store.add_cue(Cue("", Span(start, end), text, Span(start, end), start))
        if voiced:
            voice_project(folder, ToneVoice(), VoiceSettings(rate=300))
        return folder

    return make


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        codec = stream.codec_context.name
        return [(float(p.pts * p.time_base), essence(bytes(p), codec)) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize(
    ("source", "suffix"),
    [(".mp4", ".mkv"), (".mp4", ".mp4"), (".mkv", ".mp4"), (".ts", ".mkv"), (".ts", ".mp4"), (".mp4", ".m4v")],
)
def test_a_film_with_description(project: Callable[..., Path], tmp_path: Path, source: str, suffix: str) -> None:
    folder = project(f"film{source}")
    report = mix_project(folder, tmp_path / f"out{suffix}")
    assert report.files == [tmp_path / f"out{suffix}"]
    assert (report.cues, report.pauses) == (2, 0)
    assert report.peak_db <= -1
    with av.open(str(report.files[0])) as film:
        assert [stream.type for stream in film.streams] == ["video", "audio", "audio"]
        original, description = film.streams.audio
        assert description.disposition & Disposition.visual_impaired
        assert not description.disposition & Disposition.default
        assert original.disposition & Disposition.default
        assert description.language == "eng"
        title = description.metadata.get("title") or description.metadata.get("handler_name")
        assert title == "English - Audio Description"
        if suffix == ".mkv":
            assert original.disposition & Disposition.original
    for kind in ("video", "audio"):
        before, after = packets(tmp_path / f"film{source}", kind), packets(report.files[0], kind)
        assert [content for _, content in before] == [content for _, content in after]
        shifts = {round(b[0] - a[0], 2) for a, b in zip(before, after, strict=True)}
        assert max(shifts) - min(shifts) <= 0.011
    assert {path.name for path in tmp_path.iterdir()} == {f"film{source}", f"out{suffix}", "p"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".m4a"])
@pytest.mark.parametrize(("language", "stated", "name"), [("cy", "wel", "Welsh"), ("pt-BR", "por", "Portuguese")])
def test_the_language_of_the_description(
    project: Callable[..., Path], tmp_path: Path, suffix: str, language: str, stated: str, name: str
) -> None:
    report = mix_project(project(language=language), tmp_path / f"out{suffix}")
    with av.open(str(report.files[0])) as film:
        description = film.streams.audio[-1]
        assert description.language == stated
        titles = {**film.metadata, **description.metadata}
        assert f"{name} - Audio Description" in titles.values()


@pytest.mark.parametrize("name", ["ad.wav", "Film.Audio Description.eng.m4a"])
def test_the_track_alone(project: Callable[..., Path], tmp_path: Path, name: str) -> None:
    report = mix_project(project(), tmp_path / name)
    with av.open(str(report.files[0])) as sound:
        [track] = sound.streams
        assert track.codec_context.channels == 2
        assert sound.duration / 1e6 == pytest.approx(9.0, abs=0.1)
    # The film's tone is turned down under the voice and back afterwards.
    out = np.concatenate(list(programme_blocks(report.files[0], 0, "mono")))
    level = [float(np.sqrt(np.mean(out[int(a * 48_000) : int(b * 48_000)] ** 2))) for a, b in ((3.4, 4.4), (8.0, 8.8))]
    assert level[0] == pytest.approx(level[1], rel=0.05)


def test_films_without_sound(project: Callable[..., Path], tmp_path: Path) -> None:
    report = mix_project(project(audio=False), tmp_path / "out.mkv")
    assert any("no sound" in note for note in report.notes)
    with av.open(str(report.files[0])) as film:
        [track] = film.streams.audio
        assert not track.disposition & Disposition.default


def write_surround(path: Path, level: float) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="5.1")
        for number in range(90):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        clock = np.arange(9 * 48_000) / 48_000
        wave = np.stack([level * np.sin(2 * np.pi * hertz * clock) for hertz in (200, 300, 0, 50, 500, 600)])
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32), format="fltp", layout="5.1")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(("layout", "channels"), [("stereo", 2), ("5.1", 6)])
@pytest.mark.parametrize("level", [0.9, 0.0])
def test_surround_and_silent_films(
    project: Callable[..., Path], tmp_path: Path, layout: str, channels: int, level: float
) -> None:
    folder = project(source=write_surround(tmp_path / "film.mkv", level))
    report = mix_project(folder, tmp_path / "out.mkv", MixSettings(layout=layout))  # type: ignore[arg-type]
    with av.open(str(report.files[0])) as film:
        assert [stream.codec_context.channels for stream in film.streams.audio] == [6, channels]
    assert report.peak_db <= -1


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_the_version_that_pauses(project: Callable[..., Path], tmp_path: Path, suffix: str) -> None:
    folder = project()
    text = "She looks down the street and waits for him there while the rain falls on her red coat."
    with ProjectStore(folder) as store:
        store.delete_cue("2")
        # A person's: a draft would be placed where it fits.
        mine = Cue("", Span(5000, 7000), text, Span(5000, 7000), 5000, Author.HUMAN, extended=True)
        store.add_cue(mine)
    voiced = voice_project(folder, ToneVoice(), VoiceSettings(rate=300))
    plain = mix_project(folder, tmp_path / "plain.mkv")
    assert plain.cues == 1
    assert any("--extended" in note for note in plain.notes)
    (tmp_path / "long.vtt").write_text("mine")
    (tmp_path / "long.descriptions.vtt").write_text("mine too")
    report = mix_project(folder, tmp_path / f"long{suffix}", extended=True)
    assert (report.cues, report.pauses, len(report.files)) == (2, 1, 2)
    assert (tmp_path / "long.vtt").read_text() == "mine"
    assert (tmp_path / "long.descriptions.kept-1.vtt").read_text() == "mine too"
    assert any("kept-1" in note for note in report.notes)
    pause = (voiced.cues[1].duration_ms - 2000 + 100) / 1000
    # Every frame is there with its content, those from 7 s on later by the pause.
    before, after = packets(tmp_path / "film.mp4", "video"), packets(report.files[0], "video")
    assert [content for _, content in before] == [content for _, content in after]
    shift = after[0][0] - before[0][0]
    for (old, _), (new, _) in zip(before, after, strict=True):
        assert new - old - shift == pytest.approx(pause if old >= 7 else 0, abs=0.002)
    with av.open(str(report.files[0])) as film:
        assert len(film.streams.audio) == 2
        indices = [stream.index for stream in film.streams.audio]
        assert film.streams.audio[0].disposition & Disposition.default
    original = np.concatenate(list(programme_blocks(report.files[0], indices[0], "mono")))
    assert len(original) / 48_000 == pytest.approx(9 + pause, abs=0.1)
    held = original[int(7.05 * 48_000) : int((7 + pause - 0.05) * 48_000)]
    assert np.abs(held).max() < 0.01
    assert np.abs(original[int((7.1 + pause) * 48_000) : int((8 + pause) * 48_000)]).max() > 0.3
    lines = read_subtitles(report.files[1]).lines
    assert [(line.span.start_ms, line.span.end_ms) for line in lines] == [
        (500, 500 + voiced.cues[0].duration_ms), (5000, 5000 + voiced.cues[1].duration_ms)
    ]  # fmt: skip


def spoken(number: int, start: int, end: int, length: int, extended: bool = False, **options: Any) -> SpokenCue:
    cue = Cue(str(number), Span(start, end), "x", Span(start, end), start, extended=extended, **options)
    return SpokenCue(cue, Path(f"{number}.wav"), length)


def test_places() -> None:
    approved = spoken(3, 9000, 10_000, 3000, status=Status.APPROVED)
    cues = [spoken(1, 1000, 3000, 2500), spoken(2, 4000, 6000, 5000, True), approved, spoken(4, 14_000, 15_000, 3000)]
    lines = [Span(6300, 8000), Span(10_300, 11_000), Span(16_000, 17_000)]
    plain = place_voices(cues, lines, 20_000, extended=False)
    assert [voice.start_ms for voice in plain.voices] == [1000, 9000]
    assert [one.cue.id for one in plain.left_out] == ["2", "4"]
    assert [one.cue.id for one in plain.late] == ["3"]
    cues, lines = cues[:3], lines[:2]
    long = place_voices(cues, lines, 20_000, extended=True)
    assert long.pauses == [Pause(6000, 3100), Pause(10_000, 2100)]
    assert [voice.start_ms for voice in long.voices] == [1000, 4000, 12_100]
    assert long.left_out == long.late == []


@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_containers_without_flags_say_what_is_lost(project: Callable[..., Path], tmp_path: Path, suffix: str) -> None:
    folder = project()
    if suffix == ".webm":
        with pytest.raises(UsageError, match=r"cannot hold this film's video \(h264\)"):
            mix_project(folder, tmp_path / "out.webm")
        assert not (tmp_path / "out.webm").exists()
    else:
        assert any("MOV keeps" in note for note in mix_project(folder, tmp_path / "out.mov").notes)


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark that mixes every kind of film; here its makers of tiny films serve."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[4] / "benchmarks"))
    return importlib.import_module("mix_matrix")


def streams(path: Path) -> list[tuple[str, str]]:
    with av.open(str(path)) as film:
        return [(s.type, s.codec_context.codec.canonical_name if s.codec_context else "") for s in film.streams]


@pytest.mark.parametrize(
    ("picture", "sound", "source", "suffix"),
    [
        ("libsvtav1", "libopus", ".webm", ".webm"), ("libsvtav1", "aac", ".mp4", ".mp4"),
        ("libsvtav1", "libopus", ".mkv", ".mkv"), ("libvpx", "libopus", ".webm", ".mkv"),
        ("huffyuv", "pcm_s16le", ".avi", ".mkv"), ("dvvideo", "pcm_s16le", ".avi", ".mkv"),
        ("dnxhd", "pcm_s16le", ".mov", ".mkv"), ("rawvideo", "flac", ".mkv", ".mkv"),
        ("libx264", "pcm_s24le", ".mkv", ".mp4"), ("mpeg4", "adpcm_ms", ".avi", ".mkv"),
    ],
)  # fmt: skip
def test_codecs_by_what_they_are_and_not_by_what_decodes_them(
    matrix: Any, tmp_path: Path, picture: str, sound: str, source: str, suffix: str
) -> None:
    film = matrix.make(tmp_path / f"film{source}", picture, sound, rate=96_000 if sound == "pcm_s24le" else 48_000)
    project = matrix.project_of(film, tmp_path / "p")
    [written] = mix_project(project, tmp_path / f"out{suffix}").files
    before, after = streams(film), streams(written)
    assert [after[0], after[1]] == before
    assert after[2][0] == "audio"


KINDS = {
    "hvc1.mp4": ".mp4", "cover-mjpeg.mp4": ".mp4", "cover-png.mp4": ".mkv", "cover.mkv": ".mp4", "chapters.mp4": ".mp4",
    "chapters.mov": ".mkv", "timecode.mov": ".mov", "timecode.mp4": ".mp4", "aspect.mp4": ".mp4", "xvid-b.avi": ".mkv",
    "late-picture.mp4": ".mkv", "later-picture.mp4": ".mkv", "slow.mp4": ".mkv", "cut.mp4": ".mkv",
    "pcm-20.mov": ".mkv", "webvtt.mkv": ".mkv",
    "srt.mkv": ".mp4", "quarter.mp4": ".mkv", "quarter.mkv": ".mp4", "mkvmerge.mkv": ".mkv", "tx3g.mp4": ".mkv",
}  # fmt: skip


@pytest.mark.parametrize(("name", "suffix"), KINDS.items())
def test_what_else_films_have(matrix: Any, tmp_path: Path, name: str, suffix: str) -> None:
    film = dict(matrix.kinds(tmp_path))[name]()
    report = mix_project(matrix.project_of(film, tmp_path / "p"), tmp_path / f"out{suffix}")
    with av.open(str(film)) as before, av.open(str(report.files[0])) as after:
        old, new = before.streams.video[0], after.streams.video[0]
        assert new.codec_context.codec_tag == old.codec_context.codec_tag or "hvc1" not in name
        assert new.sample_aspect_ratio == old.sample_aspect_ratio
        assert len(after.chapters()) == len(before.chapters())
        code = timecode(before)
        assert timecode(after) == code or any(code in note for note in report.notes)
        art = [sum(bool(s.disposition & Disposition.attached_pic) for s in c.streams.video) for c in (before, after)]
        assert art[0] == art[1]
        lost = [
            kind
            for kind in ("subtitle", "attachment")
            if len(getattr(before.streams, f"{kind}s", ())) > len(getattr(after.streams, f"{kind}s", ()))
        ]
    assert all(any(kind in note for note in report.notes) for kind in lost)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    ("picture", "settings"),
    [
        ("mpeg4", {"bf": "2"}), ("libx264", {"bf": "2"}), ("libx264", {"bf": "0"}),
        ("libx264", {"bf": "5", "x264-params": "b-pyramid=normal:b-adapt=0"}),
    ],
)  # fmt: skip
def test_pictures_of_avi_are_shown_in_their_order(
    matrix: Any, tmp_path: Path, picture: str, settings: dict[str, str], suffix: str
) -> None:
    """AVI says in which order pictures are decoded, and not when they are shown."""
    film = matrix.make(tmp_path / "a.avi", picture, "libmp3lame", fps=25, settings=settings)
    report = mix_project(matrix.project_of(film, tmp_path / "p"), tmp_path / f"out{suffix}")
    with av.open(str(report.files[0])) as mixed:
        shown = [
            (round(frame.time * 25), int(np.argmax(frame.to_ndarray(format="gray")[16] > 130)))
            for frame in mixed.decode(video=0)
        ]
    begin = shown[0][0]
    assert shown == [(begin + number, number) for number in range(75)]


def test_what_a_film_without_a_home_is_told(matrix: Any, tmp_path: Path) -> None:
    film = matrix.make(tmp_path / "film.mov", sound="adpcm_ima_qt")
    refused(
        matrix.project_of(film, tmp_path / "p"),
        tmp_path / "out.mkv",
        r"out\.mkv cannot be made.*an \.mov file",
        UsageError,
    )


def refused(folder: Path, target: Path, match: str, kind: type[CalvinError] = CalvinError, **options: Any) -> None:
    before = sorted(path for path in target.parent.rglob("*") if "sqlite" not in path.name)
    with pytest.raises(kind, match=match):
        mix_project(folder, target, **options)
    assert sorted(path for path in target.parent.rglob("*") if "sqlite" not in path.name) == before


def test_what_is_not_ready_is_told(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(voiced=False)
    refused(folder, tmp_path / "out.mkv", "calvin voice", UsageError)
    voice_project(folder, ToneVoice(), VoiceSettings(rate=300))
    refused(folder, tmp_path / "out.avi", "suffixes", UsageError)
    refused(folder, tmp_path / "film.mp4", "the film itself", UsageError)
    film = tmp_path / "film.mp4"
    film.rename(tmp_path / "moved.mp4")
    refused(folder, tmp_path / "out.mkv", "--film", StoreError)
    assert mix_project(folder, tmp_path / "out.m4a", film=tmp_path / "moved.mp4").cues == 2
    film.write_bytes((tmp_path / "moved.mp4").read_bytes() + b"\0")
    refused(folder, tmp_path / "out.mkv", "content changed", StoreError)


def test_a_mix_without_the_voice_is_not_kept(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    monkeypatch.setattr(module, "mixed", lambda programme, voices, settings: programme)
    refused(folder, tmp_path / "out.mkv", "cue 1 is not heard", MediaError)


def test_a_mix_that_changes_the_film_is_not_kept(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()

    def spoiled(*arguments: Any, **options: Any) -> Any:
        muxed = module_mux(*arguments, **options)
        muxed.streams[0].digest.update(b"x")
        return muxed

    module_mux = module.mux_film
    monkeypatch.setattr(module, "mux_film", spoiled)
    refused(
        folder,
        tmp_path / "out.mkv",
        r"^\S+/out\.mkv changed its stream 0 \(video\) on the way, .*: name an \.mp4 file",
        MediaError,
    )


@pytest.mark.parametrize(("name", "language"), [("out.webm", "en"), ("out.mp4", "xx")])
def test_what_a_container_cannot_hold_is_known_before_the_work(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, language: str
) -> None:
    folder = project(language=language)
    monkeypatch.setattr(module, "write_mix", lambda *_, **__: pytest.fail("the work was begun"))
    refused(folder, tmp_path / name, rf"/{name} cannot", UsageError)


def test_a_disk_known_to_be_too_small(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    refused(folder, tmp_path / "out.mkv", "GB free", MediaError)


FULL = """
import resource, signal, sys
from calvin.core.errors import MediaError
from calvin.studio.sound.film_mix import mix_project
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    mix_project(sys.argv[1], sys.argv[2])
except MediaError as error:
    print(error)
"""


@pytest.mark.parametrize(("name", "room"), [("out.mkv", 100_000), ("out.mp4", 100_000), ("ad.wav", 300_000)])
def test_a_disk_that_fills_up_while_mixing(project: Callable[..., Path], tmp_path: Path, name: str, room: int) -> None:
    folder = project()
    before = {path.name for path in tmp_path.iterdir()}
    command = [sys.executable, "-c", FULL, str(folder), str(tmp_path / name), str(room)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "disk is full" in ran.stdout, ran.stderr[-2000:]
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_film_that_states_no_language(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project()
    assert any("--language" in note for note in mix_project(folder, tmp_path / "plain.mkv").notes)
    report = mix_project(folder, tmp_path / "tagged.mkv", language="de")
    assert not any("--language" in note for note in report.notes)
    with av.open(str(report.files[0])) as film:
        assert [stream.language for stream in film.streams.audio] == ["ger", "eng"]
        # Kodi takes a description for that of the original language only where both tracks carry the mark.
        assert all(stream.disposition & Disposition.original for stream in film.streams.audio)


def test_the_track_alone_is_marked_where_its_container_can(project: Callable[..., Path], tmp_path: Path) -> None:
    report = mix_project(project(), tmp_path / "ad.mka")
    with av.open(str(report.files[0])) as sound:
        assert sound.streams.audio[0].disposition & Disposition.visual_impaired


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_two_letters_become_three_and_titles_are_said_once(
    project: Callable[..., Path], matrix: Any, tmp_path: Path, suffix: str
) -> None:
    def dress(container: Any, video: Any, sound: Any) -> None:
        sound.metadata.update({"language": "de", "title": "Stereo"})

    film = matrix.make(tmp_path / "film.mkv", dress=dress)
    report = mix_project(matrix.project_of(film, tmp_path / "q"), tmp_path / f"out{suffix}")
    with av.open(str(report.files[0])) as written:
        original, description = written.streams.audio
        assert original.language == "ger"
        for stream, title in ((original, "Stereo"), (description, "English - Audio Description")):
            assert [value for key, value in stream.metadata.items() if "DURATION" not in key.upper()].count(title) == 1


def test_a_project_that_cannot_be_written_is_mixed_elsewhere(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(database, "_ROOM", 1 << 60)  # as on a full disk
    report = mix_project(folder, tmp_path / "out.wav")
    assert (report.cues, report.files[0].is_file()) == (2, True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

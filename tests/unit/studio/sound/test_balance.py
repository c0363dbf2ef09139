"""Described tracks as loud as they should be: as the film, or as a delivery asks for, by FFmpeg's meter and another."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyloudnorm
import pytest

from calvin.core.errors import MediaError, UsageError
from calvin.core.files import file_sha256
from calvin.core.package import bundled_film
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine
from calvin.media.film.source import probe
from calvin.media.sound.ducking import MixSettings, PlacedVoice
from calvin.media.sound.film_sound import Pause, programme_blocks
from calvin.media.sound.levels import SPECS
from calvin.media.sound.loudness import Metered, metered
from calvin.media.subtitles import read_subtitles
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.status import SpokenCue
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound import film_mix
from calvin.studio.sound.balance import balanced, measure_film
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.placing import Placement
from calvin.studio.sound.preview import PreviewWish, plan_preview
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

RATE, SECONDS = 48_000, 24
LINES = [Span(1000, 4000), Span(18_000, 20_500)]
CUES = (Span(5000, 8000), Span(9000, 12_000), Span(13_000, 16_500))


def sound(around_lufs: float, dialogue_lufs: float) -> np.ndarray:
    """float32 [N, 2]: noise, which in the lines is that of people who speak."""
    rng = np.random.default_rng(5)
    out = np.zeros((SECONDS * RATE, 2))
    for span, lufs in ((Span(0, SECONDS * 1000), around_lufs), *((line, dialogue_lufs) for line in LINES)):
        piece = np.repeat(rng.normal(0, 0.1, (span.duration_ms * 48, 1)), 2, axis=1)
        piece *= 10 ** ((lufs - pyloudnorm.Meter(RATE).integrated_loudness(piece)) / 20)
        out[span.start_ms * 48 : span.end_ms * 48] = piece
    return out.astype(np.float32)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """film(around, dialogue, click): a film whose sound is not coded, so that it stays as loud as it was made."""
    made: dict[tuple[float, ...], Path] = {}

    def make(around: float, dialogue: float, click: float = 0.0) -> Path:
        key = (around, dialogue, click)
        if key in made:
            return made[key]
        path = made[key] = tmp_path_factory.mktemp("levels") / "film.mkv"
        samples = sound(around, dialogue)
        samples[17 * RATE : 17 * RATE + 24] += click
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            track = container.add_stream("pcm_s24le", rate=RATE, layout="stereo")
            for number in range(SECONDS * 2):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 2)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="stereo")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
        return path

    return make


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    def make(path: Path, level: float = -23.0, cues: tuple[Span, ...] = CUES) -> Path:
        folder = tmp_path / "p"
        with ProjectStore(folder, create=True) as store:
            store.bind_film(FilmRow("Film", str(path), file_sha256(path), SECONDS * 1000, {}))
            store.set_dialogue([DialogueLine(line, "So it goes.") for line in LINES])
            for span in cues:
                store.add_cue(Cue("", span, "Mara opens the door.", span, span.start_ms, Author.HUMAN))
        voice_project(folder, ToneVoice(), VoiceSettings(rate=120, lufs=level))
        return folder

    return make


def by_another_meter(path: Path, track: int = 0) -> float:
    samples = np.concatenate(list(programme_blocks(path, track, "stereo"))).astype(float)
    return float(pyloudnorm.Meter(RATE).integrated_loudness(samples))


@pytest.mark.parametrize(("around", "dialogue"), [(-50.0, -30.0), (-34.0, -17.0), (-24.0, -27.0)])
def test_a_described_track_is_as_loud_as_the_film(
    film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path, around: float, dialogue: float
) -> None:
    path = film(around, dialogue)
    report = mix_project(project(path), tmp_path / "ad.wav")
    off = by_another_meter(tmp_path / "ad.wav") - by_another_meter(path, 1)
    assert abs(off) <= 1
    assert report.beside_lu == pytest.approx(off, abs=0.15)
    figures = report.figures
    assert list(figures) == ["film", "voice", "mix"]
    assert figures["film"].dialogue_lufs == pytest.approx(dialogue, abs=0.4)
    assert figures["film"].lufs == pytest.approx(by_another_meter(path, 1), abs=0.15)
    assert figures["mix"].lufs == pytest.approx(by_another_meter(tmp_path / "ad.wav"), abs=0.15)
    # As loud as the film's dialogue, before all of it was brought to the film's level.
    voice, in_mix = figures["voice"].lufs, figures["mix"].dialogue_lufs
    assert voice is not None
    assert in_mix is not None
    assert abs(voice - in_mix) < 2
    assert report.levels_in_words()[0].startswith("film: -")
    assert report.levels_in_words()[-1] == f"mix against the film's own track: {report.beside_lu:+.1f} LU"


def test_the_level_of_the_cues_is_counted_from_the_dialogue(
    film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path
) -> None:
    folder = project(film(-50.0, -30.0))

    def voiced(level: float) -> float:
        voice_project(folder, ToneVoice(), VoiceSettings(rate=120, lufs=level))
        voice = mix_project(folder, tmp_path / "a.wav").figures["voice"].lufs
        with ProjectStore(folder) as store:
            gain = plan_preview(store, "1", PreviewWish()).settings.gain_db
        assert voice is not None
        return voice - gain

    assert voiced(-20.0) - voiced(-23.0) == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("spec", list(SPECS))
def test_a_delivery_is_met(film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path, spec: str) -> None:
    path = film(-50.0, -30.0)
    report = mix_project(project(path), tmp_path / "ad.wav", spec=spec)
    asked, out = SPECS[spec], tmp_path / "ad.wav"
    read = metered(programme_blocks(out, 0, "stereo"), RATE, "stereo")
    assert read.peak_db <= asked.peak_db
    assert by_another_meter(out) == pytest.approx(read.lufs, abs=0.15)
    found = report.figures["mix"].dialogue_lufs if asked.of_dialogue else read.lufs
    assert found == pytest.approx(asked.lufs, abs=asked.within_lu)
    if asked.of_dialogue:  # in this film, dialogue is far louder than all else
        assert by_another_meter(out) == pytest.approx(asked.lufs, abs=asked.within_lu)
    assert report.beside_lu is not None
    assert abs(report.beside_lu) <= 1
    assert report.levels_in_words()[-1].startswith(f"mix against the film's own track at {spec}: ")


def test_the_bundled_film_for_ebu_r128(tmp_path: Path) -> None:
    path, subtitles = bundled_film()
    with ProjectStore(tmp_path / "p", create=True) as store:
        facts = probe(path)
        store.bind_film(FilmRow("Puppets", str(path), facts.sha256, facts.duration_ms, {}))
        store.set_dialogue(read_subtitles(subtitles).lines)
        for start in (5500, 15_700, 22_600, 42_800, 65_600, 79_600):
            span = Span(start, start + 4000)
            store.add_cue(Cue("", span, "A woman in a blue dress kneels.", span, start, Author.HUMAN))
    voice_project(tmp_path / "p", ToneVoice(), VoiceSettings())
    report = mix_project(tmp_path / "p", tmp_path / "ad.wav", spec="ebu-r128")
    assert by_another_meter(tmp_path / "ad.wav") == pytest.approx(-23, abs=0.5)
    assert report.figures["mix"].lufs == pytest.approx(-23, abs=0.5)
    assert report.figures["mix"].peak_db < -1
    assert report.beside_lu is not None
    assert abs(report.beside_lu) < 1


def test_a_delivery_that_cannot_be_met_without_clipping(
    film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path
) -> None:
    folder = project(film(-50.0, -40.0, click=0.9))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"streaming cannot be met without clipping: to reach -18 LUFS .* Choose"):
        mix_project(folder, tmp_path / "ad.wav", spec="streaming")
    assert sorted(tmp_path.iterdir()) == before


def test_a_delivery_that_is_missed_is_no_file(
    film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(film(-50.0, -30.0))
    monkeypatch.setattr(film_mix, "mixed", lambda programme, voices, settings: (b * 0.02 for b in programme))
    monkeypatch.setattr("calvin.media.sound.ducking.turned_up", lambda blocks, db: blocks)
    with pytest.raises(MediaError, match=r"misses ebu-r128, .* it measures -\d\d\.\d LUFS where -23 is asked for"):
        mix_project(folder, tmp_path / "ad.wav", spec="ebu-r128")
    assert not (tmp_path / "ad.wav").exists()


def test_a_file_in_which_listeners_switch_is_told_what_a_delivery_does(
    film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path
) -> None:
    folder = project(film(-50.0, -30.0))
    report = mix_project(folder, tmp_path / "out.mkv", spec="ebu-r128")
    assert any("own track stays as it is, at -3" in note and "mix without --spec" in note for note in report.notes)
    assert not any("own track" in note for note in mix_project(folder, tmp_path / "plain.mkv").notes)
    assert by_another_meter(tmp_path / "out.mkv", 2) == pytest.approx(-23, abs=0.5)


def test_a_film_is_measured_once_and_heard_so_before_the_mix(
    film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(film(-50.0, -30.0))
    with ProjectStore(folder) as store:
        assert plan_preview(store, "1", PreviewWish()).settings.voice_db == 0
    mix_project(folder, tmp_path / "ad.wav")
    with ProjectStore(folder) as store:
        planned = plan_preview(store, "1", PreviewWish())
    assert planned.settings.voice_db == pytest.approx(-7, abs=0.5)
    monkeypatch.setattr(film_mix, "hear_film", lambda *_: pytest.fail("the film was measured again"))
    assert mix_project(folder, tmp_path / "again.wav").figures["film"].lufs is not None
    assert (tmp_path / "ad.wav").read_bytes() == (tmp_path / "again.wav").read_bytes()


def test_a_film_is_measured_before_it_is_mixed(
    film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(-50.0, -30.0)
    folder = project(path)
    assert measure_film(folder)
    with ProjectStore(folder) as store:
        before = plan_preview(store, "1", PreviewWish()).settings
    monkeypatch.setattr(film_mix, "hear_film", lambda *_: pytest.fail("the film was measured again"))
    monkeypatch.setattr("calvin.studio.sound.balance.hear_film", lambda *_: pytest.fail("and again"))
    mix_project(folder, tmp_path / "ad.wav")
    assert measure_film(folder)
    with ProjectStore(folder) as store:
        assert plan_preview(store, "1", PreviewWish()).settings == before
        store._db.execute("UPDATE film SET path = ?", (str(tmp_path / "gone.mkv"),))
        store._db.commit()
    assert not measure_film(folder)


def test_a_film_that_pauses(film: Callable[..., Path], project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(film(-50.0, -30.0), cues=(*CUES[:2], Span(17_000, 17_800)))
    report = mix_project(folder, tmp_path / "ad.wav", extended=True, spec="atsc-a85")
    assert report.pauses == 1
    assert report.figures["mix"].dialogue_lufs == pytest.approx(-24, abs=1)


def test_a_film_without_sound_meets_a_delivery_by_its_voice(
    project: Callable[..., Path], make_film: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_film(tmp_path / "silent.mp4", seconds=(8.0, 8.0, 8.0), audio=False)
    folder = project(path)
    plain = mix_project(folder, tmp_path / "plain.wav")
    assert list(plain.figures) == ["voice", "mix"]
    assert plain.beside_lu is None
    assert by_another_meter(tmp_path / "plain.wav") == pytest.approx(-23, abs=0.5)
    mix_project(folder, tmp_path / "ad.mkv", spec="streaming")
    assert by_another_meter(tmp_path / "ad.mkv", 1) == pytest.approx(-18, abs=1)


def test_speech_of_a_version_that_pauses_is_where_it_then_is() -> None:
    def spoken(number: int, start: int, length: int) -> tuple[SpokenCue, PlacedVoice]:
        span = Span(start, start + length)
        cue = Cue(str(number), span, "x", span, start)
        return SpokenCue(cue, Path(), length), PlacedVoice(start, Path(), length, str(number))

    (first, one), (second, two) = spoken(1, 1000, 5000), spoken(2, 9000, 1000)
    placed = Placement([one, PlacedVoice(12_100, Path(), 1000, "2")], [first, second], [Pause(3000, 3100)])
    balance = balanced(placed, None, [Span(3000, 5000), Span(500, 900)], MixSettings())
    assert balance.speech == (Span(6100, 8100), Span(500, 900), Span(1000, 6000), Span(12_100, 13_100))
    assert two.duration_ms == balance.placed.voices[1].duration_ms
    assert balance.target is None
    assert balance.judge(Metered(-12.0, 0.0, -3.0, np.zeros(0, np.float32))) == 0

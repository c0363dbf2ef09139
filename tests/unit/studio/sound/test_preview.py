"""What is heard of a cue before a mix is made: the same as in the mix."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import MediaError, StoreError, UsageError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine
from calvin.media.film.decode import DecodeSettings, decode_film
from calvin.media.sound.film_sound import programme_blocks, read_wav, resampled
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.preview import PreviewPlan, PreviewWish, plan_preview, plan_stretch, spoken_cue
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project
from music_film import SECONDS, write_music_film

CUES = (
    (1000, 3000, "Mara opens the door.", False),
    (8000, 9000, "She looks.", False),
    (9900, 11_000, "A light.", False),
    (15_000, 16_000, "He waits for her down in the street, in the rain and without an umbrella.", True),
    (17_500, 18_500, "They meet.", False),
    (30_000, 32_000, "A tram goes by.", False),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film of 40 s, its voiced project `p`, and both its mixes."""
    root = tmp_path_factory.mktemp("preview")
    film = write_music_film(root / "film.mp4", "aac", 48_000, "stereo")
    decode_film(film, root / "p" / "frames", DecodeSettings(fps=1, frame_size=16, cuts=False))
    with ProjectStore(root / "p", create=True) as store:
        facts = {"bytes": film.stat().st_size}
        store.bind_film(FilmRow("Film", str(film), file_sha256(film), SECONDS * 1000, facts))
        store.set_dialogue([DialogueLine(Span(16_400, 17_400), "Go away!"), DialogueLine(Span(33_000, 34_000), "No.")])
        for start, end, text, extended in CUES:
            span = Span(start, end)
            store.add_cue(Cue("", span, text, span, start, Author.HUMAN, extended=extended))
    voice_project(root / "p", ToneVoice(), VoiceSettings(rate=200))
    mix_project(root / "p", root / "plain.wav")
    mix_project(root / "p", root / "pausing.wav", extended=True)
    return root


def samples_of(wav: bytes) -> np.ndarray:
    """int [N, 2]."""
    with wave.open(io.BytesIO(wav)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (2, 2, 48_000)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2).astype(int)


def plan(made: Path, cue: str, **wish: object) -> PreviewPlan:
    with ProjectStore(made / "p", read_only=True) as store:
        return plan_preview(store, cue, PreviewWish.load(wish, "preview"))


@pytest.mark.parametrize("cue", ["1", "2", "3", "5", "6"])
def test_a_cue_is_heard_as_in_the_mix(made: Path, cue: str) -> None:
    """The second and third share one stretch in which the film stays down; the first is at the film's beginning."""
    planned = plan(made, cue)
    with ProjectStore(made / "p", read_only=True) as store:
        spoken = spoken_cue(store, cue)
    start_ms = spoken.cue.span.start_ms
    assert planned.begins_ms == planned.film_ms == max(0, start_ms - 2000)
    assert planned.ends_ms == start_ms + spoken.duration_ms + 1000
    assert planned.voice_at_ms == start_ms - planned.begins_ms
    heard = samples_of(planned.wav())
    mixed = samples_of((made / "plain.wav").read_bytes())[planned.begins_ms * 48 : planned.ends_ms * 48]
    assert heard.shape == mixed.shape
    assert np.abs(heard - mixed).max() <= 1
    assert np.abs(mixed).max() > 3000


def test_a_cue_that_pauses_is_heard_as_in_the_mix_that_pauses(made: Path) -> None:
    planned = plan(made, "4")
    assert planned.notes == ("The film pauses here: a mix without pauses leaves this cue out.",)
    heard = samples_of(planned.wav())
    mixed = samples_of((made / "pausing.wav").read_bytes())[planned.begins_ms * 48 : planned.ends_ms * 48]
    assert np.abs(heard - mixed).max() <= 1
    # While it speaks, the film is silent: what is heard is the voice alone.
    with ProjectStore(made / "p", read_only=True) as store:
        spoken = spoken_cue(store, "4")
    level = planned.settings.voice_db + planned.settings.gain_db
    voice = resampled(*read_wav(spoken.path), 48_000) * np.sqrt(0.5) * 32_768 * 10 ** (level / 20)
    assert planned.voice_at_ms is not None
    [pause] = planned.pauses
    within = (pause.at_ms - spoken.cue.span.start_ms) * 48
    at = planned.voice_at_ms * 48
    left = heard[at : at + len(voice), 0]
    assert np.abs(left - voice)[within + 48 : -48].max() <= 2
    assert np.abs(left - voice)[: within // 2].max() > 100


def test_a_cue_after_a_pause_in_the_mix_that_pauses(made: Path) -> None:
    for cue in ("5", "6"):
        planned = plan(made, cue, extended=True)
        assert planned.begins_ms > planned.film_ms
        heard = samples_of(planned.wav())
        mixed = samples_of((made / "pausing.wav").read_bytes())[planned.begins_ms * 48 : planned.ends_ms * 48]
        assert np.abs(heard - mixed).max() <= 1


@pytest.mark.parametrize("extended", [False, True])
def test_a_whole_gap_is_heard_as_in_the_mix(made: Path, extended: bool) -> None:
    with ProjectStore(made / "p", read_only=True) as store:
        planned = plan_stretch(store, Span(12_300, 20_050), PreviewWish(extended=extended))
    assert planned.ends_ms - planned.begins_ms == 7750 + sum(pause.length_ms for pause in planned.pauses)
    heard = samples_of(planned.wav())
    mixed = samples_of((made / ("pausing.wav" if extended else "plain.wav")).read_bytes())
    assert np.abs(heard - mixed[planned.begins_ms * 48 : planned.ends_ms * 48]).max() <= 1


def test_the_end_of_the_film(made: Path) -> None:
    with ProjectStore(made / "p", read_only=True) as store:
        planned = plan_stretch(store, Span(39_000, 41_000), PreviewWish())
        heard = samples_of(planned.wav())
        assert len(heard) == 2 * 48_000
        assert not heard[-40_000:].any()
        with pytest.raises(UsageError, match="ends before"):
            plan_stretch(store, Span(41_000, 42_000))
        with pytest.raises(UsageError, match="up to 10 minutes"):
            plan_stretch(store, Span(0, 601_000))


def test_voice_and_film_each_as_loud_as_wanted(made: Path) -> None:
    as_mixed, film, voice = (plan(made, "6", ad=ad, film=film).sound().samples for ad, film in ((1, 1), (0, 1), (1, 0)))
    assert np.abs(film + voice - as_mixed).max() < 1e-6
    half = plan(made, "6", ad=1, film=0.5).sound().samples
    assert np.abs(film / 2 + voice - half).max() < 1e-6
    at = plan(made, "6").voice_at_ms
    assert at is not None
    assert not voice[: at * 48].any()
    before, under = (np.sqrt(np.mean(film[a:b] ** 2)) for a, b in ((0, 48_000), (at * 48 + 4800, at * 48 + 24_000)))
    # The film is turned down under the voice, however soft that is: here further than usual, because it is loud.
    [down] = [one.duck_db for one in plan(made, "6").voices if one.name == "6"]
    assert down is not None
    assert down < -8
    assert 20 * np.log10(under / before) == pytest.approx(down, abs=1.5)


def test_tones_mark_where_a_cue_begins_and_ends(made: Path) -> None:
    with_tones, without = (plan(made, "6", tones=tones).sound().samples for tones in (True, False))
    tones = with_tones - without
    planned = plan(made, "6")
    with ProjectStore(made / "p", read_only=True) as store:
        length_ms = spoken_cue(store, "6").duration_ms
    assert planned.voice_at_ms is not None
    begins, ends = planned.voice_at_ms, planned.voice_at_ms + length_ms
    heard_ms = np.flatnonzero(np.abs(tones[:, 0]) > 1e-3) / 48
    before, after = heard_ms[heard_ms < begins], heard_ms[heard_ms > begins]
    assert begins - 125 < before.min() < before.max() < begins - 25
    assert ends + 25 < after.min() < after.max() < ends + 125
    for place, hertz in ((before, 880), (after, 660)):
        piece = tones[int(place.min() * 48) : int(place.max() * 48), 0]
        spectrum = np.abs(np.fft.rfft(piece, 48_000))
        assert abs(int(np.argmax(spectrum)) - hertz) <= 3


def test_cues_that_were_not_spoken_and_films_that_are_gone(made: Path, tmp_path: Path) -> None:
    with ProjectStore(tmp_path / "q", create=True) as store:
        store.bind_film(FilmRow("Film", str(tmp_path / "gone.mp4"), "0" * 64, 20_000, {}))
        span = Span(5000, 7000)
        store.add_cue(Cue("", span, "Mara opens the door.", span, 5000))
        with pytest.raises(UsageError, match="cue-1 has not been spoken as it now reads: run `calvin voice"):
            plan_preview(store, "1")
        with pytest.raises(StoreError, match="no cue '7'"):
            plan_preview(store, "7")
    voice_project(tmp_path / "q", ToneVoice())
    with ProjectStore(tmp_path / "q") as store:
        planned = plan_preview(store, "1")
        with pytest.raises(MediaError, match=r"The film is no longer at .*gone.mp4, so only the voice can be heard"):
            planned.wav()
    # What was kept of the sound takes the place of a film that is gone, or is another one now.
    decode_film(made / "film.mp4", tmp_path / "q" / "frames", DecodeSettings(fps=1, frame_size=16, cuts=False))
    with ProjectStore(tmp_path / "q") as store:
        found = plan_preview(store, "1").sound()
    assert "no longer at" in found.note
    assert "in mono" in found.note
    film = np.concatenate(list(programme_blocks(made / "film.mp4", 1, "mono")))[3000 * 48 : 4500 * 48, 0]
    assert np.corrcoef(found.samples[: len(film), 0], film)[0, 1] > 0.98

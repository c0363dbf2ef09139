"""A stretch of the described sound, as a mix would have it, without mixing the film: what a describer listens to.

A plan is made of what the project knows, and takes no time. To make the sound of it only needs the film: a few seconds
of it are read, ducked, mixed and limited in the same way, and with the same settings, as by `mix_project`.
"""

from __future__ import annotations

import io
import wave
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import MediaError, UsageError
from calvin.core.time import Span
from calvin.media.film.decode import sounds_in
from calvin.media.sound.ducking import MixSettings, PlacedVoice, ceiling_db, limited, mixed
from calvin.media.sound.film_sound import MIX_RATE, Pause, with_pauses
from calvin.media.sound.film_stretch import PLAINER, FilmStretch, film_stretch, kept_stretch
from calvin.studio.project.status import SpokenCue, spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.writers import cue_name
from calvin.studio.sound.balance import balanced
from calvin.studio.sound.cue_files import voice_settings
from calvin.studio.sound.placing import Placement, place_voices

MOST_MS = 10 * 60_000
"""The longest stretch that is made at once."""
_CONTEXT_MS = 100
"""Sound on both sides of a stretch that its limiter and its fades look at."""
_TONE_MS, _TONE_APART_MS, _TONE_FADE_MS = 90, 30, 10
_TONE_LEVEL = 10 ** (-24 / 20)
_TONES = (880.0, 660.0)
"""Hertz of the tone before a cue and of the one after it."""


class PreviewWish(FrozenConfig):
    """How a stretch is to be heard. At 1, `ad` and `film` leave the two as loud as in the mix; 0 is silence.

    `tones`: a short tone before each cue and another after it. From `before_ms` before a cue to `after_ms` after its
    voice has ended. `extended`: as the version in which the film pauses; None: only where the cue needs that.
    """

    ad: float = Field(default=1.0, ge=0, le=4)
    film: float = Field(default=1.0, ge=0, le=4)
    tones: bool = False
    before_ms: int = Field(default=2000, ge=0, le=60_000)
    after_ms: int = Field(default=1000, ge=0, le=60_000)
    extended: bool | None = None


@dataclass(frozen=True)
class PreviewPlan:
    """A stretch to be heard, from `begins_ms` to `ends_ms` of the mix's time; the film is at `film_ms` then.

    `voice_at_ms` is when the cue asked for begins in the stretch; None where a stretch was asked for. `notes` are
    sentences for the describer; those on the film's own sound come with `sound`.
    """

    film: Path
    same_bytes: int | None
    language: str | None
    kept: tuple[Path, ...]
    voices: tuple[PlacedVoice, ...]
    pauses: tuple[Pause, ...]
    wish: PreviewWish
    settings: MixSettings
    begins_ms: int
    ends_ms: int
    film_ms: int
    voice_at_ms: int | None = None
    notes: tuple[str, ...] = ()

    def wav(self) -> bytes:
        """The stretch as 16-bit WAV.

        Raises:
            MediaError: the film's sound cannot be read, and none was kept.
        """
        return _as_wav(self.sound().samples)

    def sound(self) -> FilmStretch:
        """The stretch, float32 [N, 2] at 48 kHz, and a note where the film's own sound is not what is heard.

        Raises:
            MediaError: the film's sound cannot be read, and none was kept.
        """
        clock = _PausedClock(self.pauses)
        first_ms = clock.film_ms(max(0, self.begins_ms - _CONTEXT_MS))
        last_ms = clock.film_ms(self.ends_ms + _CONTEXT_MS) + 1
        begun_ms = clock.mix_ms(first_ms)
        heard = self._programme(first_ms, last_ms)
        near = [Pause(p.at_ms - first_ms, p.length_ms) for p in self.pauses if first_ms <= p.at_ms <= last_ms]
        voices = [replace(voice, start_ms=voice.start_ms - begun_ms) for voice in self.voices]
        programme = list(with_pauses([heard.samples], near))
        blocks = _loud(programme, voices, self.settings, self.wish)
        if self.wish.tones:
            blocks = _toned(blocks, voices)
        made = np.concatenate(list(limited(blocks, ceiling_db(self.settings, "pcm_s16le"))))
        first, length = ((ms * MIX_RATE) // 1000 for ms in (self.begins_ms - begun_ms, self.ends_ms - self.begins_ms))
        cut = made[first : first + length]
        return FilmStretch(np.pad(cut, ((0, length - len(cut)), (0, 0))), heard.note)

    def _programme(self, first_ms: int, last_ms: int) -> FilmStretch:
        film, layout = self.film, self.settings.layout
        if film.is_file() and self.same_bytes in (None, film.stat().st_size):
            return film_stretch(film, self.language, first_ms, last_ms, self.kept, layout)
        gone = f"{film} has changed" if film.is_file() else f"The film is no longer at {film}"
        if not self.kept:
            raise MediaError(f"{gone}, so only the voice can be heard: bring the film back, or describe it again.")
        return FilmStretch(kept_stretch(self.kept[0], layout, first_ms, last_ms), f"{gone}: {PLAINER}.")


def plan_preview(
    store: ProjectStore, cue_id: str, wish: PreviewWish | None = None, settings: MixSettings | None = None
) -> PreviewPlan:
    """What to hear of a cue: its voice in the film, from a little before it to a little after.

    Raises:
        StoreError: no such cue, or no film.
        UsageError: the cue has not been spoken as it reads.
    """
    wish, settings = wish or PreviewWish(), settings or MixSettings()
    spoken, notes = spoken_cues(store)[0], []
    if cue_id not in {one.cue.id for one in spoken}:
        spoken_cue(store, cue_id)  # says why not
    placed, balance = _placed(store, spoken, bool(wish.extended), settings)
    if wish.extended is None and cue_id in {one.cue.id for one in placed.left_out}:
        placed, balance = _placed(store, spoken, True, settings)
        notes.append("The film pauses here: a mix without pauses leaves this cue out.")
    voice = next((one for one in placed.voices if one.name == cue_id), None)
    if voice is None:
        raise UsageError(
            f"cue-{cue_id} is not in a mix without pauses, because no silence holds it: hear it with pauses."
        )
    begins_ms = max(0, voice.start_ms - wish.before_ms)
    plan = _plan(store, placed, wish, balance, begins_ms, voice.end_ms + wish.after_ms)
    return replace(plan, voice_at_ms=voice.start_ms - begins_ms, notes=tuple(notes))


def plan_stretch(
    store: ProjectStore, span: Span, wish: PreviewWish | None = None, settings: MixSettings | None = None
) -> PreviewPlan:
    """What to hear of a stretch of the film, such as a whole gap, with all that is said in it.

    Raises:
        StoreError: no film.
        UsageError: it is too long to be made at once, or beyond the film's end.
    """
    wish, settings = wish or PreviewWish(), settings or MixSettings()
    if not 0 < span.duration_ms <= MOST_MS:
        raise UsageError(f"A stretch to hear lasts up to {MOST_MS // 60_000} minutes: choose a shorter one.")
    if span.start_ms >= store.bound_film().duration_ms:
        raise UsageError("The film ends before this stretch begins: choose an earlier one.")
    placed, balance = _placed(store, spoken_cues(store)[0], bool(wish.extended), settings)
    clock = _PausedClock(placed.pauses)
    begins_ms = clock.mix_ms(span.start_ms)
    ends_ms = min(clock.mix_ms(span.end_ms), begins_ms + MOST_MS)
    return _plan(store, placed, wish, balance, begins_ms, ends_ms)


def spoken_cue(store: ProjectStore, cue_id: str) -> SpokenCue:
    """A cue with its sound.

    Raises:
        StoreError: no such cue.
        UsageError: it has not been spoken as it reads.
    """
    cue = store.cue(cue_id)
    found = next((one for one in spoken_cues(store)[0] if one.cue.id == cue.id), None)
    if found is None:
        raise UsageError(
            f"{cue_name(cue)} has not been spoken as it now reads: run `calvin voice {store.folder}`, or record it."
        )
    return found


def _placed(
    store: ProjectStore, spoken: Sequence[SpokenCue], extended: bool, settings: MixSettings
) -> tuple[Placement, MixSettings]:
    """Where the voices go, and the settings to mix them with, by how loud a mix has found the film to be."""
    lines, film, known = [line.span for line in store.dialogue], store.bound_film(), store.film_levels
    placed = place_voices(spoken, lines, film.duration_ms, extended)
    if known is not None and (known.sha256 != film.sha256 or known.layout != settings.layout):
        known = None
    balance = balanced(placed, known, lines, settings, voice_settings(store.voice).lufs)
    return balance.placed, balance.settings


def _plan(
    store: ProjectStore, placed: Placement, wish: PreviewWish, settings: MixSettings, begins_ms: int, ends_ms: int
) -> PreviewPlan:
    film, described = store.bound_film(), store.described
    clock = _PausedClock(placed.pauses)
    film_ms = clock.film_ms(begins_ms)
    # Voices this far away neither turn the film down here nor keep it down between them and others.
    reach = max(settings.hold_ms, 2 * settings.ramp_ms) + _CONTEXT_MS
    near = [v for v in placed.voices if v.end_ms > begins_ms - reach and v.start_ms < ends_ms + reach]
    size = film.facts.get("bytes")
    return PreviewPlan(
        film=Path(film.path),
        same_bytes=size if isinstance(size, int) else None,
        language=store.mix_language or (described.audio_language if described else None),
        kept=tuple(sounds_in(store.folder / "frames")),
        voices=tuple(near),
        pauses=tuple(sorted(placed.pauses)),
        wish=wish,
        settings=settings,
        begins_ms=begins_ms,
        ends_ms=ends_ms,
        film_ms=film_ms,
    )


class _PausedClock:
    """Film time and the time of a version that pauses, in ms, each from the other."""

    def __init__(self, pauses: Iterable[Pause]) -> None:
        self._pauses = sorted(pauses)
        self._at = [pause.at_ms for pause in self._pauses]
        self._added = [0, *accumulate(pause.length_ms for pause in self._pauses)]

    def mix_ms(self, film_ms: int) -> int:
        """When a moment of the film comes; one at which the film pauses comes before the pause."""
        return film_ms + self._added[bisect_left(self._at, film_ms)]

    def film_ms(self, mix_ms: int) -> int:
        """Where the film is at a time, which it may be for a while."""
        added = 0
        for pause in self._pauses:
            if pause.at_ms + added >= mix_ms:
                break
            if pause.at_ms + added + pause.length_ms > mix_ms:
                return pause.at_ms
            added += pause.length_ms
        return mix_ms - added


def _loud(
    programme: Sequence[np.ndarray], voices: Sequence[PlacedVoice], settings: MixSettings, wish: PreviewWish
) -> Iterator[np.ndarray]:
    """The mix, blocks [N, channels], with the two as loud as asked for; the film is turned down as ever."""
    if wish.ad == wish.film:
        for block in mixed(programme, voices, settings):
            yield block if wish.film == 1 else block * np.float32(wish.film)
        return
    nothing = [np.zeros_like(block) for block in programme]
    for both, alone in zip(mixed(programme, voices, settings), mixed(nothing, voices, settings), strict=True):
        yield both * np.float32(wish.film) + alone * np.float32(wish.ad - wish.film)


def _toned(blocks: Iterable[np.ndarray], voices: Sequence[PlacedVoice]) -> Iterator[np.ndarray]:
    """The same blocks [N, channels], with a tone before each voice and another after it."""
    high, low = (_tone(hertz) for hertz in _TONES)
    beeps = [
        (ms * MIX_RATE // 1000, tone)
        for voice in voices
        for ms, tone in (
            (voice.start_ms - _TONE_APART_MS - _TONE_MS, high),
            (voice.end_ms + _TONE_APART_MS, low),
        )
    ]
    at = 0
    for block in blocks:
        out = block.copy()
        for start, tone in beeps:
            first, last = max(start, at), min(start + len(tone), at + len(block))
            if last > first:
                out[first - at : last - at, :2] += tone[first - start : last - start, None]
        yield out
        at += len(block)


def _tone(hertz: float) -> np.ndarray:
    """float32 [N]: a short tone that begins and ends softly."""
    clock = np.arange(_TONE_MS * MIX_RATE // 1000) / MIX_RATE
    fade = np.minimum(1, np.minimum(clock, clock[::-1]) * 1000 / _TONE_FADE_MS)
    return (_TONE_LEVEL * fade * np.sin(2 * np.pi * hertz * clock)).astype(np.float32)


def _as_wav(samples: np.ndarray) -> bytes:
    """float32 samples [N, channels] at 48 kHz as FFmpeg would write them: 16-bit WAV."""
    numbers = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(samples.shape[1])
        sound.setsampwidth(2)
        sound.setframerate(MIX_RATE)
        sound.writeframes(numbers.tobytes())
    return file.getvalue()

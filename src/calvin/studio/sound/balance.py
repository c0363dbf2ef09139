"""Voice and film brought into balance: how loud the voice is, how far the film goes down, how loud all of it is.

All of it follows from how loud the film is and from where the cues are, so that what is heard of a cue beforehand is as
it will be in the mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calvin.core.errors import MediaError, UsageError
from calvin.core.progress import Listener, Stage, now_and_then, silent
from calvin.core.time import Span
from calvin.media.film.source import AudioStream, choose_audio, probe
from calvin.media.sound.ducking import MixSettings, PlacedVoice, mixed
from calvin.media.sound.film_levels import FilmLevels
from calvin.media.sound.film_sound import MIX_RATE, Timeline, programme_blocks
from calvin.media.sound.levels import (
    CUE_LUFS,
    SAME_LU,
    LoudnessSpec,
    Reading,
    depths,
    even_gain,
    expected,
    film_levels,
    gated,
    speech_level,
    too_much_db,
    voice_level,
)
from calvin.media.sound.loudness import Metered, metered
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.placing import Placement


@dataclass(frozen=True, slots=True)
class Balance:
    """A placement whose voices know how far the film goes down for them, and the settings to mix it with.

    `target` is the loudness in LUFS that the mix is to have (None: whatever it gets), of its dialogue or of all of it.
    `film_speech` is where somebody speaks in the film, `speech` where in the mix, each in its own time.
    """

    placed: Placement
    settings: MixSettings
    film: FilmLevels | None
    film_speech: tuple[Span, ...]
    speech: tuple[Span, ...]
    spec: LoudnessSpec | None = None
    target: float | None = None
    of_dialogue: bool = False

    def louder(self, by_db: float) -> Balance:
        """The same, where a mix turned out to need so many dB more."""
        return replace(self, settings=self.settings.changed(gain_db=self.settings.gain_db + by_db))

    def judge(self, read: Metered) -> float:
        """By how many dB a mix that was read back is to be turned up or down; 0 where it is as it should be."""
        off = self._off(read)
        return -off if abs(off) > (0.8 * self.spec.within_lu if self.spec else SAME_LU) else 0.0

    def check(self, read: Metered) -> None:
        """
        Raises:
            MediaError: the mix does not keep to what the delivery asks for.
        """
        off = self._off(read)
        if self.spec is None or self.target is None or abs(off) <= self.spec.within_lu:
            return
        what = "its dialogue" if self.of_dialogue else "it"
        raise MediaError(
            f"The mix misses {self.spec.name}, so it was not kept: with peaks held under {self.settings.peak_db:g} dB, "
            f"{what} measures {self.target + off:.1f} LUFS where {self.target:g} is asked for, give or take "
            f"{self.spec.within_lu:g}. {_OTHER}"
        )

    def _off(self, read: Metered) -> float:
        """How much too loud a mix is, in LU; a silent one cannot be."""
        found = speech_level(read.momentary, self.speech) if self.of_dialogue else read.lufs
        return found - self.target if self.target is not None and np.isfinite(found) else 0.0


_OTHER = "Choose another --spec, or have the film's sound mixed with lower peaks."


def balanced(
    placed: Placement, film: FilmLevels | None, speech: Sequence[Span], settings: MixSettings,
    cue_lufs: float = CUE_LUFS, spec: LoudnessSpec | None = None,
) -> Balance:  # fmt: skip
    """The voice as loud as the film's dialogue, the film down under it as far as needed, and all of it as loud as the
    film's own track or as a delivery asks for.

    Args:
        speech: where somebody speaks in the film, in its time.
        cue_lufs: the level of the cues' files; each LU above -23 makes the voice so much louder than the dialogue.

    Raises:
        UsageError: the film's peaks would have to be cut off for it.
    """
    curve = film.curve() if film is not None else np.full(1, -120.0)
    level = voice_level(curve, speech)
    peak_db = min(settings.peak_db, spec.peak_db) if spec else settings.peak_db
    settings = settings.changed(peak_db=peak_db, voice_db=level - CUE_LUFS)
    voice_lufs = level + cue_lufs - CUE_LUFS
    within = _film_times(placed)
    down = depths(curve, [Span(one.start_ms, one.end_ms) for one in within], voice_lufs, settings)
    within = [replace(one, duck_db=db) for one, db in zip(within, down, strict=True)]
    voices = [replace(one, duck_db=db) for one, db in zip(placed.voices, down, strict=True)]
    placed = replace(placed, voices=voices)
    clock = Timeline(placed.pauses)
    found = expected(curve, within, speech, voice_lufs, clock.total_ms, settings)
    said = (*(_later(span, clock) for span in speech), *(Span(one.start_ms, one.end_ms) for one in voices))
    if spec is None:
        gain, fits = even_gain(film, found, peak_db) if film is not None else (0.0, False)
        target = gated(curve) if fits else None
        return Balance(placed, settings.changed(gain_db=gain), film, tuple(speech), said, None, target)
    target, of_dialogue = spec.target(found.dialogue_share)
    has = found.loudness(of_dialogue)
    gain = target - has if np.isfinite(has) else 0.0
    if film is not None and too_much_db(film, gain, peak_db):
        raise UsageError(
            f"{spec.name} cannot be met without clipping: to reach {target:g} LUFS the sound has to go up by "
            f"{gain:.1f} dB, and the film's peaks would then be {film.peak_db + gain - peak_db:.1f} dB above the "
            f"{peak_db:g} dB allowed. {_OTHER}"
        )
    return Balance(placed, settings.changed(gain_db=gain), film, tuple(speech), said, spec, target, of_dialogue)


def _film_times(placed: Placement) -> list[PlacedVoice]:
    """The voices in the film's time, each without what is said while the film pauses."""
    pauses = {pause.at_ms: pause for pause in placed.pauses}
    out = []
    for one, voice in zip(placed.spoken, placed.voices, strict=True):
        start = one.cue.span.start_ms
        stops = [at for at in pauses if start <= at < start + voice.duration_ms]
        length = min([voice.duration_ms, *(at - start for at in stops)])
        out.append(replace(voice, start_ms=start, duration_ms=length))
    return out


def _later(span: Span, clock: Timeline) -> Span:
    """A span of the film in the time of a version that pauses."""
    added = (clock.added_us(span.start_ms * 1000), clock.added_us(max(span.start_ms * 1000, span.end_ms * 1000 - 1)))
    return Span(span.start_ms + added[0] // 1000, span.end_ms + added[1] // 1000)


def listened(
    store: ProjectStore, sha256: str, track: AudioStream | None, layout: str, listen: Callable[[], Metered]
) -> FilmLevels | None:
    """How loud the film's sound is, as the project knows it, else as a meter reads it now; None where it is silent."""
    if track is None:
        return None
    known = store.film_levels
    if known is None or not known.are_of(sha256, track.index, layout):
        known = film_levels(sha256, track.index, layout, listen())
        store.film_levels = known
    return known if np.isfinite(gated(known.curve())) else None


def hear_film(path: Path, track: AudioStream, layout: str, duration_ms: int, listener: Listener = silent) -> Metered:
    """What a meter reads of a film's sound track."""
    stage, passed = Stage("measure film", listener, duration_ms / 1000, "s"), 0
    update = now_and_then(stage.update)

    def blocks() -> Iterator[np.ndarray]:
        nonlocal passed
        for block in programme_blocks(path, track.index, layout, duration_ms):
            yield block
            passed += len(block)
            update(passed / MIX_RATE)

    read = metered(blocks(), MIX_RATE, layout)
    stage.update(duration_ms / 1000)
    return read


def measure_film(folder: str | Path, listener: Listener = silent) -> bool:
    """Find out how loud a project's film is before it is mixed, so that its cues are heard as they will be in the mix.

    Returns whether that is known now; not where the film is gone, has changed, or has no sound.
    """
    with ProjectStore(folder, read_only=True) as store:
        row, described, known = store.bound_film(), store.described, store.film_levels
        language = store.mix_language or (described.audio_language if described else None)
    path = Path(row.path)
    if not path.is_file():
        return False
    facts = probe(path)
    track = choose_audio(facts.audio_streams, language)
    if track is None or facts.sha256 != row.sha256:
        return False
    if known is None or not known.are_of(row.sha256, track.index, "stereo"):
        read = hear_film(path, track, "stereo", row.duration_ms, listener)  # the project may be edited meanwhile
        with ProjectStore(folder) as store:
            store.film_levels = film_levels(row.sha256, track.index, "stereo", read)
    return True


def voices_read(balance: Balance, layout: str) -> Reading | None:
    """What a meter reads of the voices alone, one after the other, as they are in the mix; None where nobody speaks."""
    louder = np.float32(10 ** ((balance.settings.voice_db + balance.settings.gain_db) / 20))
    settings = balance.settings.changed(layout=layout, voice_db=0.0, gain_db=0.0)

    def said() -> Iterator[np.ndarray]:
        for one in balance.placed.voices:
            yield from (block * louder for block in mixed((), [replace(one, start_ms=0)], settings))

    if not balance.placed.voices:
        return None
    read = metered(said(), MIX_RATE, layout)
    return Reading.of(read.momentary, read.range_lu, read.peak_db)


def figures(balance: Balance, read: Metered, layout: str) -> dict[str, Reading]:
    """What there is to state of the film's own track (as it is), of the voice in the mix, and of the mix."""
    film, voice = balance.film, voices_read(balance, layout)
    found = {}
    if film is not None:
        found["film"] = Reading.of(film.curve(), film.range_lu, film.peak_db, balance.film_speech)
    if voice is not None:
        found["voice"] = voice
    found["mix"] = Reading.of(read.momentary, read.range_lu, read.peak_db, balance.speech)
    return found


def beside_film(balance: Balance, read: Metered) -> float | None:
    """By how many LU a described track is louder than the film's own, brought to the same delivery; None of silence."""
    if balance.film is None or not np.isfinite(read.lufs):
        return None
    curve = balance.film.curve()
    own = gated(curve)
    if balance.spec is not None and balance.target is not None:
        anchor = speech_level(curve, balance.film_speech) if balance.of_dialogue else own
        own += balance.target - (anchor if np.isfinite(anchor) else own)
    return read.lufs - own


def balance_notes(balance: Balance, read: Metered, beside: bool) -> list[str]:
    """What a listener who switches between the tracks will hear; `beside`: both are in one file."""
    off = beside_film(balance, read)
    if off is None or balance.film is None:
        return []
    notes = []
    if abs(off) > SAME_LU:
        at = f" brought to {balance.spec.name}" if balance.spec else ""
        notes.append(f"The described track is {abs(off):.1f} LU {_than(off)} than the film's own{at}.")
    own = gated(balance.film.curve())
    if beside and balance.spec is not None and abs(read.lufs - own) > SAME_LU:
        notes.append(
            f"The film's own track stays as it is, at {own:.1f} LUFS, so the described one beside it is "
            f"{abs(read.lufs - own):.1f} LU {_than(read.lufs - own)}: mix without --spec for a file to switch in."
        )
    return notes


def _than(off: float) -> str:
    return "louder" if off > 0 else "softer"

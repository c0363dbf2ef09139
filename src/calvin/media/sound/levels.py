"""How loud a film, its dialogue and a mix are against each other, and what deliveries ask for.

All of it is counted from a curve: the loudness of the 0.4 s that end with each tenth of a second. These are the gating
blocks of ITU-R BS.1770, so the loudness of any part of a film, its dialogue for one, comes from the same curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from calvin.core.errors import UsageError
from calvin.core.time import Span, joined
from calvin.media.sound.ducking import MixSettings, PlacedVoice, duck_points
from calvin.media.sound.film_levels import TENTHS, FilmLevels
from calvin.media.sound.loudness import Metered

HOP_MS, BLOCK_MS = 100, 400
_ABSOLUTE_LUFS, _RELATIVE_LU = -70.0, 10.0
"""The gates of BS.1770: blocks below the first do not count, nor those so much below the mean of the others."""
_LOWEST_TENTHS = -1200

CUE_LUFS = -23.0
"""Cues at this level (`calvin voice --level`) are as loud in the mix as the film's dialogue; others so much more."""
_SOFTEST_LUFS, _LOUDEST_LUFS = -40.0, -16.0
"""Dialogue outside of these is taken for as soft or as loud as they are: the voice is to be understood by itself."""
CLEAR_LU, AUDIBLE_LU = 6.0, 40.0
"""The film is turned down until it is the first below the voice, and never so far that it would be more than the second
below it: where speech is heard at 65 dB, 25 dB are what a quiet living room has by itself."""
_DEEPEST_DB = -24.0
_TOGETHER_MS = 100
"""Cues that follow each other so closely have one level of the film between and under them."""
SAME_LU = 1.0
"""A described track may differ by so much from the film's own, between which a listener switches."""
_AIM_LU = 0.5
_MOST_LIMITED_DB = 6.0
"""What the limiter may take off peaks; more would be heard as clipping."""


@dataclass(frozen=True, slots=True)
class LoudnessSpec:
    """What a delivery has to measure: the loudness (LUFS) of all of it or of its dialogue, give or take `within_lu`,
    and the highest true peak (dBTP). With less dialogue than `least_dialogue` of its length, `otherwise_lufs` is that
    of all of it."""

    name: str
    about: str
    lufs: float
    of_dialogue: bool
    within_lu: float
    peak_db: float
    least_dialogue: float = 0.0
    otherwise_lufs: float = 0.0

    def target(self, dialogue_share: float) -> tuple[float, bool]:
        """The loudness to have, and whether it is that of the dialogue, which takes a share of the length."""
        if self.of_dialogue and dialogue_share <= self.least_dialogue:
            return self.otherwise_lufs or self.lufs, False
        return self.lufs, self.of_dialogue


SPECS = {
    spec.name: spec
    for spec in (
        LoudnessSpec("ebu-r128", "EBU R 128: -23 LUFS, true peak -1 dB", -23.0, False, 0.5, -1.0),
        LoudnessSpec(
            "netflix", "Netflix: dialogue -27 LUFS, true peak -2 dB", -27.0, True, 2.0, -2.0, 0.15, -24.0
        ),
        LoudnessSpec("atsc-a85", "ATSC A/85: dialogue -24 LUFS, true peak -2 dB", -24.0, True, 2.0, -2.0),
        LoudnessSpec("streaming", "AES TD1008: dialogue -18 LUFS, true peak -1 dB", -18.0, True, 1.0, -1.0),
    )
}  # fmt: skip


def loudness_spec(name: str | None) -> LoudnessSpec | None:
    """The delivery of a name, in any case of letters; None for none.

    Raises:
        UsageError: there is no such delivery.
    """
    if name is None:
        return None
    found = SPECS.get(name.strip().lower())
    if found is None:
        raise UsageError(f"There is no delivery called {name!r}: name one of {', '.join(SPECS)}.")
    return found


def film_levels(sha256: str, track: int, layout: str, read: Metered) -> FilmLevels:
    """What a meter read of a film's sound track, as a project keeps it."""
    tenths = np.maximum(np.round(read.momentary * TENTHS), _LOWEST_TENTHS).astype(int)
    return FilmLevels(
        sha256=sha256, track=track, layout=layout, range_lu=round(read.range_lu, 2), peak_db=round(read.peak_db, 2),
        tenths=tuple(tenths.tolist()),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What a delivery states of a sound: LUFS (None: silence), LU, dBTP, and LUFS under its dialogue (None: none)."""

    lufs: float | None
    range_lu: float
    peak_db: float
    dialogue_lufs: float | None = None

    @classmethod
    def of(cls, curve: np.ndarray, range_lu: float, peak_db: float, speech: Sequence[Span] = ()) -> Reading:
        """Of a curve [T] and what a meter read beside it, with the spans in which somebody speaks."""
        return cls(_tidy(gated(curve)), round(range_lu, 1), round(peak_db, 1), _tidy(speech_level(curve, speech)))

    @property
    def in_words(self) -> str:
        """'-23.1 LUFS, range 8.2 LU, true peak -3.0 dB, dialogue -23.4 LUFS'."""
        if self.lufs is None:
            return "silent"
        dialogue = "" if self.dialogue_lufs is None else f", dialogue {self.dialogue_lufs:.1f} LUFS"
        return f"{self.lufs:.1f} LUFS, range {self.range_lu:.1f} LU, true peak {self.peak_db:.1f} dB{dialogue}"

    def as_json(self) -> dict[str, float | None]:
        return asdict(self)


def _tidy(lufs: float) -> float | None:
    return round(lufs, 1) if np.isfinite(lufs) else None


def gated(curve: np.ndarray) -> float:
    """Integrated loudness (LUFS) of the blocks of a curve [T], minus infinity for silence (BS.1770-4, annex 1)."""
    power = 10 ** (curve[curve > _ABSOLUTE_LUFS] / 10)
    if not len(power):
        return float("-inf")
    return _mean_lufs(power[power > power.mean() / 10 ** (_RELATIVE_LU / 10)])


def _mean_lufs(power: np.ndarray) -> float:
    return 10 * float(np.log10(power.mean()))


def blocks_in(spans: Sequence[Span], count: int, whole: bool = True) -> np.ndarray:
    """Which blocks [count] of a curve lie in one of the spans, as a whole or by their middle."""
    inside = np.zeros(count, bool)
    for span in joined(spans):
        inside[_blocks_of(span, BLOCK_MS // 2 if whole else 0)] = True
    return inside


def _blocks_of(span: Span, reach_ms: int = 0) -> slice:
    """The blocks whose middle lies in a span, `reach_ms` or more from its ends."""
    before_ms = BLOCK_MS // 2 - HOP_MS  # from the first block's number, 0, to its middle
    first = -(-(span.start_ms + reach_ms + before_ms) // HOP_MS)
    return slice(max(0, first), max(0, (span.end_ms - reach_ms + before_ms) // HOP_MS + 1))


def speech_level(curve: np.ndarray, speech: Sequence[Span]) -> float:
    """Integrated loudness (LUFS) of a curve [T] in the spans in which somebody speaks; minus infinity without any.

    The gate leaves out the pauses and the silence in which a subtitle still stands.
    """
    inside = blocks_in(speech, len(curve))
    if not inside.any():
        inside = blocks_in(speech, len(curve), whole=False)
    return gated(curve[inside])


def voice_level(curve: np.ndarray, speech: Sequence[Span]) -> float:
    """How loud (LUFS) a describing voice is to be: as the film's dialogue; without any, as the film; else -23."""
    found = next((one for one in (speech_level(curve, speech), gated(curve)) if np.isfinite(one)), CUE_LUFS)
    return min(max(found, _SOFTEST_LUFS), _LOUDEST_LUFS)


def depths(curve: np.ndarray, spoken: Sequence[Span], voice_lufs: float, settings: MixSettings) -> list[float]:
    """By how many dB (not above 0) the film, of a curve [T], is turned down under each spoken span.

    By `duck_db`; further where it would still be less than 6 LU below the voice; less far where it would be more than
    40 LU below it, because what is hardly heard needs no room and is not to vanish. A `duck_db` of 0 turns nothing
    down.
    """
    if settings.duck_db == 0 or not spoken:
        return [0.0] * len(spoken)
    groups = joined(spoken, _TOGETHER_MS)
    starts = np.array([group.start_ms for group in groups])
    found = [_depth(curve, group, voice_lufs, settings) for group in groups]
    return [found[int(np.searchsorted(starts, span.start_ms, side="right")) - 1] for span in spoken]


def _depth(curve: np.ndarray, group: Span, voice_lufs: float, settings: MixSettings) -> float:
    under = curve[_blocks_of(group)]
    film = _mean_lufs(10 ** (under / 10)) if len(under) else float("-inf")
    if film <= _ABSOLUTE_LUFS:
        return settings.duck_db
    clear, audible = voice_lufs - CLEAR_LU - film, voice_lufs - AUDIBLE_LU - film
    return min(0.0, max(min(settings.duck_db, max(clear, _DEEPEST_DB)), audible))


@dataclass(frozen=True, slots=True)
class Described:
    """A mix before it is made, as blocks: its curve in LUFS [T], the blocks in which somebody speaks all the time
    (bool [T]), and for which share of its length somebody speaks."""

    curve: np.ndarray
    speech: np.ndarray
    dialogue_share: float

    def loudness(self, of_dialogue: bool) -> float:
        """LUFS, of all of it or where somebody speaks."""
        return gated(self.curve[self.speech] if of_dialogue else self.curve)


def expected(
    curve: np.ndarray, voices: Sequence[PlacedVoice], speech: Sequence[Span], voice_lufs: float, paused_ms: int,
    settings: MixSettings,
) -> Described:  # fmt: skip
    """What a mix of a film, of a curve [T], and voices in the film's time will measure, without making it.

    The voice's power adds to the film's, because the two have nothing to do with each other. While the film pauses, for
    `paused_ms` in all, the voice is alone.
    """
    needed = max([len(curve), *(-(-voice.end_ms // HOP_MS) for voice in voices)])
    film = np.pad(curve, (0, needed - len(curve)), constant_values=-120.0)
    times, gains = duck_points(voices, settings)
    middles = np.arange(1, needed + 1) * HOP_MS - BLOCK_MS // 2
    spans = [Span(voice.start_ms, voice.end_ms) for voice in voices]
    speaking = blocks_in(spans, needed, whole=False)
    power = 10 ** ((film + np.interp(middles, times, gains)) / 10) + speaking * 10 ** (voice_lufs / 10)
    power = np.append(power, np.full(paused_ms // HOP_MS, 10 ** (voice_lufs / 10)))
    said = np.append(speaking | blocks_in(speech, needed), np.ones(paused_ms // HOP_MS, bool))
    share = blocks_in([*spans, *speech], needed, whole=False).sum() + paused_ms // HOP_MS
    return Described(10 * np.log10(power), said, float(share) / len(power))


def even_gain(film: FilmLevels, found: Described, peak_db: float) -> tuple[float, bool]:
    """The dB by which a whole mix is turned up or down so that it stays within 1 LU of the film's own track, and
    whether it then does: up only as far as the film's own peaks leave room."""
    off = found.loudness(of_dialogue=False) - gated(film.curve())
    if not np.isfinite(off):
        return 0.0, False
    gain, room = float(np.clip(off, -_AIM_LU, _AIM_LU)) - off, max(0.0, peak_db - film.peak_db)
    return min(gain, room), gain <= room


def too_much_db(film: FilmLevels, gain_db: float, peak_db: float) -> float:
    """How many dB of the film's peaks would have to be cut off at a gain, where that is more than a limiter should take
    unheard; else 0."""
    over = film.peak_db + gain_db - peak_db
    return over if over > _MOST_LIMITED_DB else 0.0

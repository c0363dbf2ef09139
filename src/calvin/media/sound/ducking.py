"""Description mixed into a film's sound: ducked under the voice, never too loud, and found again in what was written.

Sound flows through generators of float32 blocks [N, channels], so memory does not grow with the film.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import av
import av.error
import numpy as np
from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import MediaError
from calvin.core.time import in_s
from calvin.media.sound.film_check import DESCRIPTION
from calvin.media.sound.film_sound import (
    MIX_RATE,
    SOUND_RATE,
    packed_frame,
    programme_blocks,
    read_wav,
    resampled,
    silence,
)
from calvin.media.sound.loudness import Metered, highest_between, in_db, measured, metered, true_peaks

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

_HOP = MIX_RATE // 1000
_HOLD, _SMOOTH = 25, 20
"""Milliseconds on each side of a peak that are turned down for it, and over which that change is smoothed."""
_CONTEXT = (_HOLD + _SMOOTH + 2) * _HOP
_CHUNK = MIX_RATE
_METER_DB = 0.1
"""By how much the meter may read a peak higher than the limiter does: the two interpolate differently."""
_CODING_DB = 1.0
"""What a lossy coding may add to a peak; where it adds more, the mix is made again, softer by so much."""
_ATTEMPTS = 4
_QUALITY, _MOST_QUALITY = 236, 472
"""FFmpeg's AAC quality that takes 120 to 250 kbit/s of two channels, and the highest whose frames hold any sound."""

_LEAST_RAMP_MS = 100
"""No change of the film's level takes less, or it would be heard as a click or a lurch."""
_REACH_MS, _MAX_LAG_MS = 60, 25
_PRESENT, _CLEAR = 0.12, 0.5
"""Correlation with the cue's waveform: below the first the voice is not there; below the second the film is louder."""


class MixSettings(FrozenConfig):
    """The film is turned down by `duck_db` under each cue, over `ramp_ms` before it and back over as much after it.

    The ramps follow the example in W3C DAPT. Between cues less than `hold_ms` apart the film stays down. `peak_db` is
    the highest true peak. `bit_rate` is that of two channels; AAC takes less for simple sound, more for dense.
    `voice_db` is added to the voice, and `gain_db` to all of the mix.
    """

    duck_db: float = Field(default=-8.0, ge=-60, le=0)
    ramp_ms: int = Field(default=300, ge=1, le=5000)
    hold_ms: int = Field(default=1000, ge=0)
    peak_db: float = Field(default=-1.0, ge=-20, le=0)
    layout: Literal["stereo", "5.1"] = "stereo"
    bit_rate: int = Field(default=192_000, ge=64_000)
    voice_db: float = Field(default=0.0, ge=-60, le=60)
    gain_db: float = Field(default=0.0, ge=-60, le=60)


@dataclass(frozen=True, slots=True)
class PlacedVoice:
    """A cue's sound (mono WAV) and when it begins in the mix; `name` is what messages call it.

    `duck_db` is by how much the film is turned down under it, where that is not as much as anywhere else.
    """

    start_ms: int
    path: Path
    duration_ms: int
    name: str
    duck_db: float | None = None

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.duration_ms


def duck_points(voices: Sequence[PlacedVoice], settings: MixSettings) -> tuple[np.ndarray, np.ndarray]:
    """Times in ms [P] and gains in dB [P], between which the film's level runs in straight lines.

    Between cues that are close the level goes straight from that of one to that of the next, and never up in between.
    Where they overlap, or nearly so, the lower of both holds.
    """
    stretches: list[list[_Held]] = []
    for voice in sorted(voices, key=lambda v: v.start_ms):
        one = _Held(voice.start_ms, voice.end_ms, settings.duck_db if voice.duck_db is None else voice.duck_db)
        last = stretches[-1][-1] if stretches else None
        if last is None or one.start_ms - last.end_ms >= max(settings.hold_ms, 2 * settings.ramp_ms):
            stretches.append([one])
        elif one.db == last.db or one.start_ms - last.end_ms < _LEAST_RAMP_MS:
            end_ms, db = max(last.end_ms, one.end_ms), min(last.db, one.db)
            stretches[-1][-1] = _Held(last.start_ms, end_ms, db)
        else:
            stretches[-1].append(one)
    ramp, points = settings.ramp_ms, list[tuple[int, float]]()
    for stretch in stretches:
        points.append((stretch[0].start_ms - ramp, 0.0))
        points += [point for held in stretch for point in ((held.start_ms, held.db), (held.end_ms, held.db))]
        points.append((stretch[-1].end_ms + ramp, 0.0))
    times, gains = zip(*(points or [(0, 0.0)]), strict=True)
    return np.array(times, float), np.array(gains, float)


@dataclass(frozen=True, slots=True)
class _Held:
    """The film's level is held at `db` from one time to another."""

    start_ms: int
    end_ms: int
    db: float


def mixed(
    programme: Iterable[np.ndarray], voices: Sequence[PlacedVoice], settings: MixSettings
) -> Iterator[np.ndarray]:
    """The film's sound, blocks [N, channels], ducked, with the voices over it; goes on until the last one has ended."""
    for film, voice in film_and_voice(programme, voices, settings):
        yield film if voice is None else film + voice


def film_and_voice(
    programme: Iterable[np.ndarray], voices: Sequence[PlacedVoice], settings: MixSettings
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """What `mixed` adds up: blocks [N, channels] of the film and of the voices (None: nobody speaks)."""
    times, gains_db = duck_points(voices, settings)
    gains_db = gains_db + settings.gain_db
    louder = np.float32(10 ** ((settings.voice_db + settings.gain_db) / 20))
    waiting = sorted(voices, key=lambda v: v.start_ms)
    speaking: list[tuple[int, np.ndarray]] = []
    at = 0
    for block in _at_least(programme, max((v.end_ms for v in voices), default=0), settings.layout):
        end = at + len(block)
        clock_ms = np.arange(at, end) / _HOP
        film = block
        if settings.gain_db or (times[0] <= clock_ms[-1] and clock_ms[0] <= times[-1]):
            gain = 10 ** (np.interp(clock_ms, times, gains_db) / 20)
            film = block * gain[:, None].astype(np.float32)
        while waiting and waiting[0].start_ms * _HOP < end:
            voice = waiting.pop(0)
            speaking.append((voice.start_ms * _HOP, resampled(*read_wav(voice.path), MIX_RATE) * louder))
        said = np.zeros_like(block) if speaking else None
        for start, samples in speaking:
            first, last = max(start, at), min(start + len(samples), end)
            if said is not None and last > first:
                _add(said, first - at, samples[first - start : last - start], settings.layout)
        speaking = [(start, samples) for start, samples in speaking if start + len(samples) > end]
        yield film, said
        at = end


def _add(out: np.ndarray, first: int, voice: np.ndarray, layout: str) -> None:
    """The voice in the middle, as loud as by itself: from the centre, or from two speakers with half its power each."""
    if layout == "5.1":
        out[first : first + len(voice), 2] += voice
    else:
        out[first : first + len(voice)] += voice[:, None] * np.float32(np.sqrt(0.5))


def _at_least(blocks: Iterable[np.ndarray], length_ms: int, layout: str) -> Iterator[np.ndarray]:
    """Blocks of at most a second each, that may be written to, and silence up to a length."""
    at = 0
    for block in blocks:
        for start in range(0, len(block), _CHUNK):
            yield block[start : start + _CHUNK].copy()
        at += len(block)
    yield from silence(length_ms * _HOP - at, 6 if layout == "5.1" else 2)


def limited(blocks: Iterable[np.ndarray], ceiling_db: float, parts: int = 1) -> Iterator[np.ndarray]:
    """The same blocks [N, channels], turned down around true peaks above a ceiling, in time before the peak comes.

    Args:
        parts: how many sounds lie side by side in the channels. Their sum is what is kept under the ceiling, and each
            is turned down alike.
    """
    ceiling = 10 ** (ceiling_db / 20)
    held: np.ndarray | None = None  # context already given out, then what is to be given out
    for block in blocks:
        held = np.concatenate([np.zeros((_CONTEXT, block.shape[1]), np.float32) if held is None else held, block])
        while len(held) >= 2 * _CONTEXT + _CHUNK:
            yield _turned_down(held[: 2 * _CONTEXT + _CHUNK], ceiling, parts)
            held = held[_CHUNK:]
    if held is not None and len(held) > _CONTEXT:
        left = len(held) - _CONTEXT
        padding = _CONTEXT + -left % _HOP
        yield _turned_down(np.pad(held, ((0, padding), (0, 0))), ceiling, parts)[:left]


def _turned_down(window: np.ndarray, ceiling: float, parts: int) -> np.ndarray:
    """The middle of a window [N, channels], without the context on both sides."""
    middle = window[_CONTEXT:-_CONTEXT]
    whole = window if parts == 1 else window.reshape(len(window), parts, -1).sum(axis=1)
    if float(np.abs(whole).max()) * highest_between() <= ceiling:
        return middle
    peaks = true_peaks(whole).reshape(-1, _HOP).max(axis=1)
    gains = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    # A minimum over a longer stretch than the mean taken after it: no smoothed gain is above what a peak allows.
    padded = np.pad(gains, _HOLD, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HOLD + 1).min(axis=1)
    smooth = np.convolve(np.pad(least, _SMOOTH, mode="edge"), np.full(2 * _SMOOTH + 1, 1 / (2 * _SMOOTH + 1)), "valid")
    middles = (np.arange(len(smooth)) + 0.5) * _HOP
    gain = np.interp(np.arange(_CONTEXT, _CONTEXT + len(middle)), middles, smooth)
    return middle * gain[:, None].astype(np.float32)


def ceiling_db(settings: MixSettings, codec: str) -> float:
    """What a mix is limited to first, so that it keeps its true peak in this codec."""
    return settings.peak_db - (_METER_DB if codec.startswith("pcm") else _CODING_DB)


@dataclass(frozen=True, slots=True)
class Written:
    """What a meter reads of a mix that was written, and by how many dB it had to be made louder for it."""

    read: Metered
    louder_db: float


Judge = Callable[[Metered], float]
"""By how many dB a mix that was read back is to be turned up or down to be as loud as it should; 0 if it is."""


def write_mix(
    path: str | Path, make: Callable[[], Iterable[np.ndarray]], settings: MixSettings, codec: str,
    metadata: Mapping[str, str] | None = None, on_block: Callable[[float], None] | None = None,
    judge: Judge | None = None,
) -> Written:  # fmt: skip
    """Encode a mix so that, decoded again, its true peak is within bounds; returns what a meter reads of it.

    Args:
        make: gives the mix, blocks [N, channels], from its beginning; called again for each attempt.
        codec: FFmpeg's name of the encoder.
        on_block: called with the seconds written so far.
        judge: what else it has to be; where that is not reached in a few attempts, the last one stays.

    Raises:
        MediaError: the file cannot be written, or the coding keeps passing the bound.
    """

    def attempt(ceiling: float, louder: float) -> Metered:
        blocks = limited(turned_up(make(), louder), ceiling)
        _encode(Path(path), blocks, settings, codec, metadata or {}, on_block)
        return metered(programme_blocks(path, 0, settings.layout), MIX_RATE, settings.layout)

    return until_right(attempt, settings, codec, judge)


def until_right(
    attempt: Callable[[float, float], Metered], settings: MixSettings, codec: str, judge: Judge | None = None
) -> Written:
    """Write a mix again until what is read back has no peak above the highest allowed, and is as loud as it should be.

    Args:
        attempt: writes it, under a ceiling in dB and louder by so many dB, and returns what a meter reads of it.

    Raises:
        MediaError: the coding keeps passing the highest peak.
    """
    ceiling, off, written = ceiling_db(settings, codec), 0.0, None
    for _ in range(_ATTEMPTS):
        louder = off + (written.louder_db if written else 0.0)
        read = attempt(ceiling, louder)
        written = Written(read, louder)
        off = judge(read) if judge is not None else 0.0
        if read.peak_db <= settings.peak_db and not off:
            return written
        if read.peak_db > settings.peak_db:
            ceiling -= read.peak_db - settings.peak_db + 0.1
    if written is None or written.read.peak_db > settings.peak_db:
        raise MediaError(
            f"The mix cannot be kept under {settings.peak_db:g} dB in {codec}: choose another form of output."
        )
    return written


def turned_up(blocks: Iterable[np.ndarray], db: float) -> Iterator[np.ndarray]:
    """The same blocks [N, channels], louder."""
    gain = np.float32(10 ** (db / 20))
    for block in blocks:
        yield block * gain if db else block


def true_peak_db(path: str | Path, layout: str = "stereo") -> float:
    """The true peak of a sound file, decoded."""
    return in_db(measured(programme_blocks(path, 0, layout), MIX_RATE, layout)[1])


def _encode(
    path: Path, blocks: Iterable[np.ndarray], settings: MixSettings, codec: str, metadata: Mapping[str, str],
    on_block: Callable[[float], None] | None,
) -> None:  # fmt: skip
    lossless = codec.startswith("pcm")
    options = {"rf64": "auto"} if path.suffix == ".wav" else {}
    written = 0
    with av.open(str(path), "w", options=options) as container:
        stream = cast("AudioStream", container.add_stream(codec, rate=MIX_RATE, layout=settings.layout))
        if not lossless:
            stream.bit_rate = settings.bit_rate * (2 if settings.layout == "5.1" else 1)
        if codec == "aac":
            # To hit a rate, FFmpeg encodes each frame of soft or simple sound five times over; a quality takes one.
            quality = min(_MOST_QUALITY, _QUALITY * settings.bit_rate // 192_000)
            stream.options = {"aac_coder": "fast", "flags": "+qscale", "global_quality": str(quality)}
        stream.metadata.update({key: value for key, value in metadata.items() if key == "language"})
        container.metadata.update(metadata)
        with suppress(ValueError):  # formats without the notion
            marks = DESCRIPTION if path.suffix == ".mka" else av.stream.Disposition(0)
            stream.disposition = marks.value  # type: ignore[assignment]
        for block in blocks:
            container.mux(stream.encode(packed_frame(block, MIX_RATE, settings.layout, written)))
            written += len(block)
            if on_block is not None:
                on_block(written / MIX_RATE)
        container.mux(stream.encode(None))


def check_voices(path: str | Path, track: int, voices: Sequence[PlacedVoice], later_ms: float = 0.0) -> list[str]:
    """Look for every cue's waveform in a sound track, where it should be; returns the names of cues that the film
    drowns.

    Memory holds one cue at a time. `later_ms` is how much later everything in the file comes.

    Raises:
        MediaError: a voice is not there, or not when it should be.
    """
    drowned: list[str] = []
    moved = [replace(voice, start_ms=voice.start_ms + round(later_ms)) for voice in voices]
    waiting = sorted(moved, key=lambda voice: voice.start_ms)
    held, at = np.zeros(0, np.float32), 0
    silent_end = np.zeros((SOUND_RATE, 1), np.float32)
    for block in chain(programme_blocks(path, track, "mono", rate=SOUND_RATE), (silent_end,)):
        held = np.concatenate([held, block[:, 0]])
        while waiting and (waiting[0].end_ms + _REACH_MS) * 16 <= at + len(held):
            voice = waiting.pop(0)
            first = (voice.start_ms - _REACH_MS) * 16 - at
            piece = held[max(0, first) : (voice.end_ms + _REACH_MS) * 16 - at]
            likeness, lag_ms = _likeness(np.pad(piece, (max(0, -first), 0)), resampled(*read_wav(voice.path), 16_000))
            if likeness < _PRESENT or abs(lag_ms) > _MAX_LAG_MS:
                where = in_s(voice.start_ms - round(later_ms))
                raise MediaError(
                    f"The voice of cue {voice.name} is not heard in the mix at {where}, so the mix was not kept: the "
                    "film may be far too loud there; try a stronger --duck."
                )
            if likeness < _CLEAR:
                drowned.append(voice.name)
        keep_from = min((waiting[0].start_ms - _REACH_MS) * 16 if waiting else at + len(held), at + len(held))
        held, at = held[max(0, keep_from - at) :], max(at, keep_from)
    if waiting:
        raise MediaError(f"The mix ends before cue {waiting[0].name} was said, so it was not kept: try again.")
    return drowned


def _likeness(heard: np.ndarray, voice: np.ndarray) -> tuple[float, float]:
    """The highest correlation (normalised) of a voice with what was heard, and how many ms late it is.

    Both with their low tones turned down: a hum is like any other.
    """
    heard, voice = np.diff(heard, prepend=0), np.diff(voice, prepend=0)
    size = 1 << (len(heard) + len(voice) - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(voice, size)), size)
    lags = cross[: max(1, len(heard) - len(voice) + 1)]
    best = int(np.argmax(lags))
    part = heard[best : best + len(voice)]
    likeness = lags[best] / max(float(np.linalg.norm(part)) * float(np.linalg.norm(voice)), 1e-9)
    return float(likeness), best / 16 - _REACH_MS

"""A described film opened again: is the voice there, is all else as it was, are the flags still set?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from calvin.core.errors import MediaError
from calvin.core.time import in_s
from calvin.media.film.source import MediaLimits, open_film, start_us, track_title
from calvin.media.languages import short_code
from calvin.media.sound.ducking import PlacedVoice
from calvin.media.sound.film_sound import SOUND_RATE, programme_blocks, read_wav, resampled
from calvin.media.sound.mux import FLAGLESS, AddedTrack, Essence, Muxed

_REACH_MS, _MAX_LAG_MS = 60, 25
_PRESENT, _CLEAR = 0.12, 0.5
"""Correlation with the cue's waveform: below the first the voice is not there; below the second the film is louder."""
_SHIFT_MS = 2.0
"""What containers round times to, and some more."""


def check_voices(path: str | Path, track: int, voices: Sequence[PlacedVoice]) -> list[str]:
    """Look for every cue's waveform in a sound track, where it should be; returns the names of cues that the film
    drowns.

    Memory holds one cue at a time.

    Raises:
        MediaError: a voice is not there, or not when it should be.
    """
    drowned: list[str] = []
    waiting = sorted(voices, key=lambda voice: voice.start_ms)
    held, at = np.zeros(0, np.float32), 0
    blocks = programme_blocks(path, track, "mono", rate=SOUND_RATE)
    for block in _ended(blocks):
        held = np.concatenate([held, block if block is not None else np.zeros(SOUND_RATE, np.float32)])
        while waiting and (waiting[0].end_ms + _REACH_MS) * 16 <= at + len(held):
            voice = waiting.pop(0)
            first = (voice.start_ms - _REACH_MS) * 16 - at
            piece = held[max(0, first) : (voice.end_ms + _REACH_MS) * 16 - at]
            likeness, lag_ms = _likeness(np.pad(piece, (max(0, -first), 0)), resampled(*read_wav(voice.path), 16_000))
            if likeness < _PRESENT or abs(lag_ms) > _MAX_LAG_MS:
                raise MediaError(
                    f"The voice of cue {voice.name} is not heard in the mix at {in_s(voice.start_ms)}, so the "
                    "mix was not kept: the film may be far too loud there; try a stronger --duck."
                )
            if likeness < _CLEAR:
                drowned.append(voice.name)
        keep_from = min((waiting[0].start_ms - _REACH_MS) * 16 if waiting else at + len(held), at + len(held))
        held, at = held[max(0, keep_from - at) :], max(at, keep_from)
    if waiting:
        raise MediaError(f"The mix ends before cue {waiting[0].name} was said, so it was not kept: try again.")
    return drowned


def _ended(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray | None]:
    for block in blocks:
        yield block[:, 0]
    yield None


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


def check_film(path: str | Path, muxed: Muxed, description: AddedTrack, name: str | Path = "") -> int:
    """Compare a written film with what was put into it; returns the index of the description track.

    `name` is what messages call the film while it lies in a temporary file.

    Raises:
        MediaError: a stream's content or times changed, or a flag, title or language of the description was lost.
    """
    suffix, name = Path(path).suffix.lower(), name or path
    with open_film(path, MediaLimits()) as container:
        streams = list(container.streams)
        if len(streams) < len(muxed.streams):
            raise MediaError(f"{name} lost {len(muxed.streams) - len(streams)} of its streams: name an .mkv file.")
        kept = {i: Essence(e.kind, e.codec) for i, e in enumerate(muxed.streams) if e and e.kind != "attachment"}
        pictures = container.streams.video
        origin_ms = (start_us(container, pictures[0]) or 0) / 1000 if pictures else 0.0
        tick_ms = {index: float(streams[index].time_base or 0) * 1000 for index in kept}
        for packet in container.demux([streams[index] for index in kept]):
            time, index = packet.pts if packet.pts is not None else packet.dts, packet.stream.index
            if time is not None:
                kept[index].add(packet, time * tick_ms[index] - origin_ms)
        for index, found in kept.items():
            _same(name, index, found, muxed.streams[index])
        audio = [stream.index for stream in container.streams.audio]
        index = audio[1] if len(audio) > 1 else audio[0]
        track = streams[index]
        if muxed.streams[index] is not None:
            raise MediaError(f"{name} does not hold the description as its second sound track: name an .mkv file.")
        if suffix not in FLAGLESS:
            flags = track.disposition & description.disposition == description.disposition
            language = not description.language or short_code(track.language or "") == short_code(description.language)
            # Matroska has one flag for both notions.
            lost = [] if flags or (suffix == ".mkv" and track.disposition & description.disposition) else ["flags"]
            lost += [] if track_title(track.metadata) == description.title else ["title"]
            lost += [] if language else ["language"]
            if lost:
                raise MediaError(f"{name} lost the description's {' and '.join(lost)}: name an .mkv file.")
    return index


def _same(name: str | Path, index: int, found: Essence, expected: Essence | None) -> None:
    assert expected is not None
    changed = found.packets != expected.packets or found.digest.digest() != expected.digest.digest()
    mean_ms = abs(found.sum_ms - expected.sum_ms) / max(1, found.packets)
    if changed or (found.kind != "subtitle" and mean_ms > _SHIFT_MS):
        what = f"moved by {mean_ms:.0f} ms" if not changed else "changed on the way"
        raise MediaError(
            f"Stream {index} ({found.kind}) of {name} {what}, so the file was not kept: name an .mkv file."
        )

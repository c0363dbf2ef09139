"""A puppet film to watch: picture and spoken dialogue in one file, its subtitles, cast and truth in others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from typing import Any

import av
import numpy as np

from calvin.core.files import atomic_path, write_json, write_text
from calvin.core.progress import Listener, Stage, silent
from calvin.core.time import format_timecode
from calvin.media.sound.film_sound import resampled
from calvin.media.voice.registry import open_voice
from calvin.media.voice.voices import Voice
from calvin.puppets.draw.render import SceneRenderer
from calvin.puppets.draw.video import VideoWriter, film_frames
from calvin.puppets.tell.captions import film_captions, say_look
from calvin.puppets.tell.screenplay import Film, Line, Split, make_film, rng_for
from calvin.puppets.tell.writings import with_writing
from calvin.puppets.world import write_srt

SOUND_RATE = 44_100
_ROOM = 0.0012
"""Loudness of the noise of the room: silence in a film is never digital silence."""
_FASTEST_WPM = 320.0
_PORTRAITS = 3


def render_film(
    seed: int, path: str | Path, width: int = 640, height: int = 360, fps: float = 25.0, scenes: int = 18,
    cast: int = 4, split: Split = "heldout", voice: Voice | None = None, listener: Listener = silent,
    writing: bool = False, burnt_in: bool = False,
) -> Film:  # fmt: skip
    """Draw, voice and encode one film as MP4 (H.264, AAC), with PATH.srt, PATH.cast.toml and PATH.truth.json beside it.

    Frames and sound are made as they are written, so memory does not grow with the film. The picture is the same for
    the same seed; the sound depends on the voice (by default the best that is installed). With `writing`, there are
    signs, letters and cards between the shots; `burnt_in` puts the subtitles into the picture.
    """
    film = make_film(seed, scenes, cast, split, card_ms=3000, seconds=(3.0, 5.6), talk=0.3)
    film = with_writing(film) if writing else film
    target = Path(path)
    speaker = voice or open_voice()
    try:
        with atomic_path(target) as temporary:
            stage = Stage("render film", listener, None, "frames")
            _encode(film, temporary, film_frames(film, width, height, fps, burnt_in), fps, speaker, stage)
    finally:
        if voice is None:
            speaker.close()
    write_srt(target.with_suffix(".srt"), film.lines)
    write_json(target.with_suffix(".truth.json"), film_truth(film))
    write_text(target.with_suffix(".cast.toml"), film_cast(film, width, height))
    return film


def film_cast(film: Film, width: int = 640, height: int = 360) -> str:
    """A cast file of a film: for each of its people three portraits, from the first shots that show them, as somebody
    might choose who has seen a little of it.
    """
    lines = ["# Who is in the film, each in three of its stills: a time, and the box that they fill, as shares.", ""]
    lines += ["[presence]", "faces = false  # puppets have none that is found"]
    for person in film.cast:
        shots = [shot for shot in film.shots if person.name in shot.truth.present][:_PORTRAITS]
        portraits = []
        for shot in shots:
            seconds = shot.duration_ms / 2000
            at, number = shot.truth.start_ms + shot.duration_ms // 2, shot.truth.present.index(person.name)
            left, top, right, bottom = SceneRenderer(shot, width, height).box(number, seconds)
            box = ", ".join(f"{value:.2f}" for value in (left, top, right - left, bottom - top))
            portraits.append(f'    {{at = "{format_timecode(at)}", box = [{box}]}},')
        lines += ["", "[[character]]", f'name = "{person.name}"']
        lines += [f'pronouns = "{"she/her" if person.look.woman else "he/him"}"', f'look = "{say_look(person.look)}"']
        lines += ["portraits = [", *portraits, "]"] if portraits else []
    return "\n".join(lines) + "\n"


def film_truth(film: Film) -> dict[str, Any]:
    """Everything that is true of a film: cast, credits, dialogue, and each described scene with a reference caption;
    where it has any, the writing in it."""
    written = [*map(asdict, film.inserts), *map(asdict, film.signs)]
    return {
        "film": film.id,
        "title": film.title,
        "seed": film.seed,
        "duration_ms": film.duration_ms,
        "cast": [asdict(person) for person in film.cast],
        "credits": [asdict(card) for card in film.cards],
        "dialogue": [asdict(line) for line in film.lines],
        "scenes": [
            {**scene.truth.to_json(), "caption": caption}
            for scene, caption in zip(film.scenes, film_captions(film), strict=True)
        ],
        **({"writing": written} if written else {}),
    }


def _encode(film: Film, path: Path, pictures: Iterator[np.ndarray], fps: float, voice: Voice, stage: Stage) -> None:
    first = next(pictures)
    height, width = first.shape[:2]
    stage.total = round(film.duration_ms / 1000 * fps)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        picture = VideoWriter(container, width, height, fps, crf=23, preset="veryfast")
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono", options={"b": "96k"})
        blocks = sound_blocks(film, voice, fps)
        written = 0
        for number, rgb in enumerate(chain([first], pictures), 1):
            # A frame and its sound in turn, so that the muxer never has to hold much of one to wait for the other.
            picture.write(rgb)
            block = next(blocks)
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, written, Fraction(1, SOUND_RATE)
            written += len(block)
            container.mux(sound.encode(frame))
            stage.update(number)
        picture.finish()
        container.mux(sound.encode(None))


def sound_blocks(film: Film, voice: Voice, fps: float) -> Iterator[np.ndarray]:
    """The sound of each frame in turn, float32 [samples]; a line is spoken when its time comes and then forgotten."""
    rng = rng_for(film.seed, "room")
    waiting = sorted(film.lines, key=lambda line: line.start_ms)
    speaking: list[tuple[int, np.ndarray]] = []
    at = 0
    for number in count(1):
        # Ends are rounded from the start of the film, so that sound and picture never drift apart.
        end = round(number / fps * SOUND_RATE)
        block = (_ROOM * rng.standard_normal(end - at)).astype(np.float32)
        while waiting and waiting[0].start_ms * SOUND_RATE // 1000 < end:
            line = waiting.pop(0)
            speaking.append((line.start_ms * SOUND_RATE // 1000, say(line, voice)))
        for start, samples in speaking:
            first, last = max(start, at), min(start + len(samples), end)
            if last > first:
                block[first - at : last - at] += samples[first - start : last - start]
        speaking = [(start, samples) for start, samples in speaking if start + len(samples) > end]
        yield np.clip(block, -1, 1)
        at = end


def say(line: Line, voice: Voice) -> np.ndarray:
    """A line as float32 [samples] at SOUND_RATE, spoken faster where its time is too short."""
    samples, rate = voice.synthesize(line.text)
    limit_s = (line.end_ms - line.start_ms) / 1000
    if len(samples) / rate > limit_s:
        wpm = voice.natural_wpm * len(samples) / rate / limit_s
        samples, rate = voice.synthesize(line.text, min(wpm, _FASTEST_WPM))
    return 0.7 * resampled(samples, rate, SOUND_RATE)

"""A whole puppet world on disk: one counterpart of each training source, in the real data sets' own file formats.

    OUT/mad/     mad.csv, characters.json, videos/MOVIE.mp4 (+ .srt)      consecutive scenes, names
    OUT/webvid/  webvid.csv, videos/PAGE_DIR/VIDEOID.mp4                  looks, captions with stray dates and sizes
    OUT/cc3m/    cc3m.tsv, images/000000000.jpg                           looks, one still each
    OUT/llava/   llava.json, images/00000/000000000.jpg                   turns, some about boxes, some without image
    OUT/tvc/     tvc.jsonl, frames/CLIP/00001.jpg at 3 fps                several descriptions per moment
Each folder has a truth.jsonl with one line per scene: the scene's truth, its `media` and its caption.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

import cv2
from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import UsageError
from calvin.core.files import atomic_path, write_json, write_text
from calvin.core.processes import make_in_processes
from calvin.core.progress import Listener, Stage, silent
from calvin.core.text_tables import csv_text
from calvin.core.time import format_timecode
from calvin.core.types import FPS
from calvin.puppets.draw.render import SceneRenderer, frame_times, iter_frames
from calvin.puppets.draw.stage import DRAWING, PAPER, PLAIN, Pen
from calvin.puppets.draw.video import film_frames, write_video
from calvin.puppets.tell.captions import caption_rng, film_captions, look_caption
from calvin.puppets.tell.other_words import other_captions
from calvin.puppets.tell.screenplay import Film, Line, Scene, Split, make_film, pick, random_scene, rng_for

CLIP_SIZE = (224, 128)
"""Twice what the small vision tower sees. At half this size, a world takes half the time."""
TVC_FPS = 3.0
ZERO = "zero_"
"""How the names of films begin that are drawn and told in a way that nobody trains on."""
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
Job = Callable[[], None]
Size = tuple[int, int]


class WorldSizes(FrozenConfig):
    """How much of each source is written."""

    films: int = Field(default=20, ge=0, description="MAD-like films")
    scenes: int = Field(default=20, ge=5, description="scenes per film")
    clips: int = Field(default=100, ge=0, description="WebVid-like clips")
    images: int = Field(default=200, ge=0, description="CC-like images")
    conversations: int = Field(default=100, ge=0, description="LLaVA-like conversations")
    tv_clips: int = Field(default=20, ge=0, description="TVC-like clips of 3 moments")
    picture: tuple[int, int] = Field(default=CLIP_SIZE, description="width and height of films, clips and stills")
    talk: float = Field(default=0.15, ge=0, le=1, description="share of a film's scenes that begin with talk")


@dataclass(frozen=True, slots=True)
class DescribedScene:
    """A described scene: what the truth file holds of it."""

    media: str
    caption: str
    scene: Scene

    def line(self) -> str:
        return json.dumps({"media": self.media, "caption": self.caption, **self.scene.truth.to_json()}) + "\n"


def write_world(
    out_dir: str | Path, seed: int = 0, sizes: WorldSizes | None = None, split: Split = "train", workers: int = 2,
    listener: Listener = silent,
) -> Path:  # fmt: skip
    """Write the five sources under `out_dir` (see the module) and return it. The same arguments give the same files.

    Each file is whole or absent, and what is there already is not made again, so a stopped run continues where it was.

    Raises:
        UsageError: `out_dir` holds a world made with other arguments.
    """
    out, sizes = Path(out_dir), sizes or WorldSizes()
    _claim(out / "world.json", {"seed": seed, "split": split, "version": 1 + DRAWING, **sizes.model_dump(mode="json")})
    jobs: list[tuple[Path, Job]] = []
    for write in (_write_mad, _write_webvid, _write_cc3m, _write_llava, _write_tvc):
        jobs += write(out, seed, sizes, split)
    _draw(jobs, workers, listener)
    return out


def write_zero_world(
    out_dir: str | Path, seed: int, films: int, scenes: int = 20, workers: int = 2, listener: Listener = silent
) -> Path:
    """Write held-out films as nobody trains on them, in MAD's form under `out_dir`, and return it.

    They are drawn as if cut out of paper, and told by another narrator in other words (`tell.other_words`). Their names
    begin with ZERO. The same arguments give the same files.

    Raises:
        UsageError: `out_dir` holds a world made with other arguments.
    """
    out = Path(out_dir)
    _claim(out / "world.json", {"zero": 1, "seed": seed, "films": films, "scenes": scenes, "version": 1 + DRAWING})
    talk = WorldSizes().talk
    made = (make_film(seed * 100_000 + number, scenes, split="heldout", talk=talk) for number in range(films))
    told = ((film, other_captions(film)) for film in map(_renamed, made))
    _draw(_write_films(out, told, "heldout", CLIP_SIZE, PAPER), workers, listener)
    return out


def _renamed(film: Film) -> Film:
    name = film.id.replace(film.split + "_", ZERO)
    shots = tuple(replace(shot, truth=replace(shot.truth, film=name)) for shot in film.shots)
    return replace(film, id=name, shots=shots)


def _draw(jobs: list[tuple[Path, Job]], workers: int, listener: Listener) -> None:
    """Draw what is not there yet."""
    waiting = [job for target, job in jobs if not target.exists()]
    done = len(jobs) - len(waiting)
    stage = Stage("draw puppets", listener, len(jobs), "files", kept=done)
    stage.update(done)
    for _ in _run(waiting, workers):
        done += 1
        stage.update(done)


def _claim(path: Path, arguments: dict[str, Any]) -> None:
    """Keep the arguments beside the world, and refuse to mix two worlds in one folder."""
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != arguments:
            raise UsageError(f"{path.parent} holds a puppet world of another seed or size: choose another folder.")
        return
    write_json(path, arguments)


def _run(jobs: list[Job], workers: int) -> Iterable[None]:
    if workers < 2 or len(jobs) < 2:
        for job in jobs:
            yield job()
        return
    chunk = max(1, min(16, len(jobs) // (8 * workers)))
    # Threads of OpenCV in each of several processes only get in each other's way.
    yield from make_in_processes(call, jobs, min(workers, len(jobs)), chunk, partial(cv2.setNumThreads, 1))


def write_srt(path: Path, lines: Iterable[Line]) -> None:
    """Dialogue as SubRip, the speaker's name in capitals before each line."""
    blocks = [
        f"{i}\n{format_timecode(line.start_ms, ',')} --> {format_timecode(line.end_ms, ',')}\n"
        f"{line.speaker.upper()}: {line.text}\n"
        for i, line in enumerate(lines, 1)
    ]
    write_text(path, "\n".join(blocks))


def _save_truth(folder: Path, described: Iterable[DescribedScene]) -> None:
    write_text(folder / "truth.jsonl", "".join(item.line() for item in described))


def save_jpeg(path: Path, rgb: Any) -> None:
    # Not imwrite, which says nothing of a full disk.
    encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _JPEG)[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


# MAD: films ---------------------------------------------------------------------------------------------------------


def _write_mad(out: Path, seed: int, sizes: WorldSizes, split: Split) -> list[tuple[Path, Job]]:
    films = (
        make_film(seed * 100_000 + number, sizes.scenes, split=split, talk=sizes.talk) for number in range(sizes.films)
    )
    return _write_films(out, ((film, film_captions(film)) for film in films), split, sizes.picture)


def _write_films(
    out: Path, told: Iterable[tuple[Film, list[str]]], split: Split, picture: Size, pen: Pen = PLAIN
) -> list[tuple[Path, Job]]:
    """Training films in the columns of MAD-v2, held-out ones in those of MAD-eval, each with its captions."""
    folder, described, rows, bank = out / "mad", list[DescribedScene](), list[list[Any]](), {}
    jobs: list[tuple[Path, Job]] = []
    for number, (film, captions) in enumerate(told):
        described += [DescribedScene(film.id, text, scene) for text, scene in zip(captions, film.scenes, strict=True)]
        rows += _mad_rows(film, captions, split)
        bank[film.id] = [
            {"id": f"pm{number:05d}{i}", "name": f"Puppet {number}-{i}", "role": person.name}
            for i, person in enumerate(film.cast)
        ]
        write_srt(folder / "videos" / f"{film.id}.srt", film.lines)
        target = folder / "videos" / f"{film.id}.mp4"
        jobs.append((target, partial(_draw_film, target, film, picture, pen)))
    header = ("text", "start", "end", "movie") if split == "train" else _EVAL_COLUMNS
    write_text(folder / "mad.csv", csv_text(header, rows))
    write_json(folder / "characters.json", bank)
    _save_truth(folder, described)
    return jobs


_EVAL_COLUMNS = (
    "movie", "sentence", "movie_duration", "start", "end", "imdb", "lsmdc_filename", "start_hms", "end_hms",
)  # fmt: skip


def _mad_rows(film: Film, captions: list[str], split: Split) -> list[list[Any]]:
    spans, before = [], 0
    for scene, text in zip(film.scenes, captions, strict=True):
        start = scene.truth.start_ms
        if split == "train" and scene.seed % 2:
            # A describer's cue may span the dialogue (or the credits) since the cue before: half of these do too.
            start = before
        before = scene.truth.end_ms
        spans.append((start, before, text))
    if split == "train" and film.seed % 3 == 0:
        # Something for cleaning to find: the credits of a real film are described too.
        first, last = film.cards
        spans.insert(0, (first.start_ms, first.end_ms, f"The title appears on screen: {first.lines[0]}."))
        spans.append((last.start_ms, last.end_ms, f"The closing credits roll: {last.lines[0]}."))
    if split == "train":
        return [[text, start / 1000, end / 1000, film.id] for start, end, text in spans]
    return [
        [film.id, text, film.duration_ms / 1000, start / 1000, end / 1000, f"tt9{film.seed:07d}",
         f"{film.id}_{_dotted(start)}-{_dotted(end)}", format_timecode(start), format_timecode(end)]
        for start, end, text in spans
    ]  # fmt: skip


def _dotted(ms: int) -> str:
    return format_timecode(ms).replace(":", ".")


def _draw_film(target: Path, film: Film, size: Size, pen: Pen) -> None:
    write_video(target, film_frames(film, *size, FPS, pen=pen), *size, FPS)


# WebVid: clips ------------------------------------------------------------------------------------------------------

_STRAY = (
    ", 4k 1920x1080 25 fps", " - 12 March 2019", ", full hd 1080p", " 23.04.2021", ", 3840x2160 60fps", " (2018-07-15)",
    ", June 2020",
)  # fmt: skip


def with_stray(caption: str, stray: str) -> str:
    """A caption with what strays into those of WebVid: a date or a resolution, in place of its full stop."""
    return caption.rstrip(".") + stray if stray else caption


def stray_of(caption: str) -> str:
    """What has strayed into a caption; "" if nothing has."""
    return next((stray for stray in _STRAY if caption.endswith(stray)), "")


def _write_webvid(out: Path, seed: int, sizes: WorldSizes, split: Split) -> list[tuple[Path, Job]]:
    folder, described, rows, jobs = out / "webvid", list[DescribedScene](), list[list[Any]](), list[tuple[Path, Job]]()
    for number in range(sizes.clips):
        scene = _lone_scene(seed, "webvid", number, split)
        rng = caption_rng(scene)
        caption = look_caption(scene.truth, rng)
        name = with_stray(caption, pick(rng, _STRAY)) if rng.random() < 0.5 else caption
        page = number // 50 * 50
        page_dir, video = f"{page + 1:06d}_{page + 50:06d}", f"{1_000_000 + number}"
        url = f"https://puppets.example/{video}.mp4"
        rows.append([video, url, f"PT00H00M{round(scene.duration_ms / 1000):02d}S", page_dir, name])
        described.append(DescribedScene(f"{page_dir}/{video}", caption, scene))
        target = folder / "videos" / page_dir / f"{video}.mp4"
        jobs.append((target, partial(_draw_clip, target, scene, sizes.picture)))
    header = ["videoid", "contentUrl", "duration", "page_dir", "name"]
    write_text(folder / "webvid.csv", csv_text(header, rows))
    _save_truth(folder, described)
    return jobs


def _lone_scene(seed: int, source: str, number: int, split: Split, still: bool = False) -> Scene:
    """Shorter than a film's scenes, which gives more clips to learn from in the same time."""
    rng = rng_for(seed, source, number)
    return random_scene(int(rng.integers(2**31)), split, seconds=int(rng.integers(10, 19)) / 5, still=still)


def _draw_clip(target: Path, scene: Scene, size: Size) -> None:
    write_video(target, iter_frames(scene, frame_times(scene, FPS), *size), *size, FPS)


# CC3M and LLaVA: stills ---------------------------------------------------------------------------------------------


def _still(target: Path, scene: Scene, size: Size) -> None:
    save_jpeg(target, SceneRenderer(scene, *size).frame(_event_s(scene)))


def _event_s(scene: Scene) -> float:
    return (scene.truth.event_ms - scene.truth.start_ms) / 1000


def _write_cc3m(out: Path, seed: int, sizes: WorldSizes, split: Split) -> list[tuple[Path, Job]]:
    folder, described, lines, jobs = out / "cc3m", list[DescribedScene](), list[str](), list[tuple[Path, Job]]()
    for number in range(sizes.images):
        scene = _lone_scene(seed, "cc3m", number, split, still=True)
        caption = look_caption(scene.truth, caption_rng(scene)).rstrip(".").lower()
        media = f"{number:09d}"
        lines.append(f"{caption}\thttps://puppets.example/{media}.jpg\n")
        described.append(DescribedScene(media, caption, scene))
        target = folder / "images" / f"{media}.jpg"
        jobs.append((target, partial(_still, target, scene, sizes.picture)))
    write_text(folder / "cc3m.tsv", "".join(lines))
    _save_truth(folder, described)
    return jobs


def _write_llava(out: Path, seed: int, sizes: WorldSizes, split: Split) -> list[tuple[Path, Job]]:
    folder, described, rows, jobs = (
        out / "llava",
        list[DescribedScene](),
        list[dict[str, Any]](),
        list[tuple[Path, Job]](),
    )
    for number in range(sizes.conversations):
        scene = _lone_scene(seed, "llava", number, split, still=True)
        rng = caption_rng(scene)
        media = f"{number // 1000:05d}/{number:09d}"
        if rng.random() < 0.05:
            turns = [("Which of these is a colour: red or drum?", "Red.")]
            rows.append({"id": f"{number:09d}", "conversations": _conversation(turns)})
            continue
        caption = look_caption(scene.truth, rng)
        turns = _turns(scene, caption)
        turns[0] = (f"<image>\n{turns[0][0]}" if rng.random() < 0.5 else f"{turns[0][0]}\n<image>", turns[0][1])
        rows.append({"id": f"{number:09d}", "image": f"{media}.jpg", "conversations": _conversation(turns)})
        described.append(DescribedScene(media, caption, scene))
        target = folder / "images" / f"{media}.jpg"
        jobs.append((target, partial(_still, target, scene, sizes.picture)))
    write_json(folder / "llava.json", rows)
    _save_truth(folder, described)
    return jobs


def _turns(scene: Scene, caption: str) -> list[tuple[str, str]]:
    truth = scene.truth
    look = truth.looks[truth.agent]
    region = f"a {look.noun} in a {look.coat} {look.garment}"
    box = json.dumps(SceneRenderer(scene, *CLIP_SIZE).box(0, _event_s(scene)), separators=(",", ":"))
    return [
        ("What is going on in this picture?", caption),
        ("What is this place?", f"The {truth.place}."),
        (f"Please provide the bounding box coordinate of the region this sentence describes: {region}.", box),
        ("How many people act in it?", "Two." if truth.patient else "One."),
        (f"Please provide a short description for this region: {box}.", f"{region[0].upper()}{region[1:]}."),
    ]


def _conversation(turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    said = [(speaker, value) for turn in turns for speaker, value in zip(("human", "gpt"), turn, strict=True)]
    return [{"from": speaker, "value": value} for speaker, value in said]


# TVC: clips of several moments, as folders of frames ----------------------------------------------------------------


def _write_tvc(out: Path, seed: int, sizes: WorldSizes, split: Split) -> list[tuple[Path, Job]]:
    folder, described, lines, jobs = out / "tvc", list[DescribedScene](), list[str](), list[tuple[Path, Job]]()
    for number in range(sizes.tv_clips):
        film = make_film(seed * 100_000 + 50_000 + number, scenes=3, split=split, card_ms=600)
        name = f"puppets_s{number // 100 + 1:02d}e{number // 4 % 25 + 1:02d}_seg02_clip_{number:05d}"
        for i, scene in enumerate(film.scenes):
            texts = [look_caption(scene.truth, caption_rng(scene, variant)) for variant in range(3)]
            moment = len(described)
            descs = [
                {"desc": text, "type": "v", "from_retrieval": variant == 0, "desc_id": moment * 3 + variant}
                for variant, text in enumerate(texts)
            ]
            ts = [scene.truth.start_ms / 1000, scene.truth.end_ms / 1000]
            row = {"vid_name": name, "duration": film.duration_ms / 1000, "ts": ts, "clip_id": number * 3 + i}
            lines.append(json.dumps({**row, "descs": descs}) + "\n")
            described.append(DescribedScene(name, texts[0], scene))
        target = folder / "frames" / name
        jobs.append((target / ".done", partial(_draw_frames, target, film, sizes.picture)))
    write_text(folder / "tvc.jsonl", "".join(lines))
    _save_truth(folder, described)
    return jobs


def _draw_frames(folder: Path, film: Film, size: Size) -> None:
    for number, rgb in enumerate(film_frames(film, *size, TVC_FPS), 1):
        save_jpeg(folder / f"{number:05d}.jpg", rgb)
    write_text(folder / ".done", "")

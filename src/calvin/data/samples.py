"""What every reader returns: samples, and a report of what was left out or repaired."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from calvin.core.time import Span

Kind = Literal["image", "video", "text"]

_MEDIA_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_MEDIA_SUFFIXES |= {".mp4", ".m4v", ".mkv", ".mov", ".webm", ".avi", ".ts", ".mpg", ".mpeg"}
_EXAMPLES_KEPT = 5
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_FULL, _MANY = 0.9, 100
_IMG2DATASET = re.compile(r"(?:.*/)?(\d{5})/(\1(\d{1,5}))")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image or stretch of film and what is said of it.

    `media_id` names its features; `span` is None where the whole file is meant. `question` is the data set's own
    (None: one is drawn). `context` holds earlier captions or turns, oldest first. `references` are all wordings to
    score against. `entities` are the names of those present, where another source knows them.
    """

    id: str
    source: str
    media_id: str
    kind: Kind
    caption: str
    span: Span | None = None
    question: str | None = None
    context: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    movie: str | None = None
    entities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("id", "media_id", "movie"):
            text = getattr(self, name)
            if text is not None and not text.isascii():
                object.__setattr__(self, name, printable(text)[0])


@dataclass
class DropReport:
    """Counts by reason, with the first few examples of each; `read` counts rows (or turns, where a row has several).

    `chosen` is the part of `dropped` that cleaning leaves out on purpose (credits, coordinates); the rest is `bad`.
    `noted` is what was kept as it is but deserves a look.
    """

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    noted: Counter[str] = field(default_factory=Counter)
    chosen: Counter[str] = field(default_factory=Counter)

    def drop(self, reason: str, example: str = "", chosen: bool = False) -> None:
        self.dropped[reason] += 1
        self.chosen.update([reason] * chosen)
        self._keep(reason, example)

    def note(self, reason: str, example: str = "") -> None:
        self.noted[reason] += 1
        self._keep(reason, example)

    def repair(self, reason: str, example: str = "", count: int = 1) -> None:
        self.repaired[reason] += count
        self._keep(reason, example)

    def _keep(self, reason: str, example: str) -> None:
        kept = self.examples.setdefault(reason, [])
        if example and len(kept) < _EXAMPLES_KEPT:
            example = printable(example)[0]
            kept.append(example if len(example) <= 120 else f"{example[:117]}...")

    @property
    def total_dropped(self) -> int:
        return self.dropped.total()

    @property
    def bad(self) -> int:
        """What was dropped because it is broken, not because cleaning is meant to leave it out."""
        return self.total_dropped - self.chosen.total()

    def merge(self, other: DropReport) -> None:
        """Add another report's counts and examples to this one."""
        self.read += other.read
        for mine, theirs in zip(self._counts(), other._counts(), strict=True):
            mine.update(theirs)
        for reason, examples in other.examples.items():
            for example in examples or [""]:
                self._keep(reason, example)

    def _counts(self) -> tuple[Counter[str], ...]:
        return self.dropped, self.repaired, self.noted, self.chosen

    def summary(self) -> str:
        """One line per reason, the most frequent first."""
        lines = [f"{self.read} read, {self.total_dropped} dropped"]
        for word, counts in (("dropped", self.dropped), ("repaired", self.repaired), ("noted", self.noted)):
            for reason, count in counts.most_common():
                shown = self.examples.get(reason)
                lines.append(f"{word} {count}: {reason}" + (f" (such as {shown[0]!r})" if shown else ""))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class FilmName:
    """What a film is known by: an IMDb id, a title, or both; empty where not known."""

    imdb: str = ""
    title: str = ""


@dataclass
class ReadResult:
    """What a reader took from a file, in the file's order unless it says otherwise.

    `films` says, where the format does, which film each `media_id` belongs to.
    """

    samples: list[Sample]
    report: DropReport
    films: dict[str, FilmName] = field(default_factory=dict)


DUPLICATE = "duplicate id"


def note_duplicates(samples: Iterable[Sample], report: DropReport) -> None:
    """Count ids that come more than once; nothing says which of them is meant, so all are kept."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            report.note(DUPLICATE, sample.id)
        seen.add(sample.id)


def printable(text: str) -> tuple[str, int]:
    """A text with U+FFFD for what cannot be encoded (bytes that were not UTF-8), and how often."""
    return _SURROGATES.subn("\ufffd", text)


def row_numbers(ids: Iterable[str]) -> dict[str, str]:
    """Ids in img2dataset's layout, by the number of their row in nine digits.

    It puts row 12,034 into '00001/000012034': the shard, then the shard again with the place in it. Those digits are
    the number of the row only where shards hold a power of ten of rows, as by default. If they hold fewer, not one of
    many places comes near the highest that its digits could say, and nothing is concluded.
    """
    numbers = RowNumbers()
    found = {row: media_id for media_id in ids if (row := numbers.add(media_id)) is not None}
    return found if numbers.hold else {}


class RowNumbers:
    """Finds out, id by id, what `row_numbers` says."""

    def __init__(self) -> None:
        self._shards, self._found, self._fullest = set[str](), 0, 0.0

    def add(self, media_id: str) -> str | None:
        """The row of an id, as far as its layout shows."""
        match = _IMG2DATASET.fullmatch(media_id)
        if match is None:
            return None
        self._shards.add(match[1])
        self._found += 1
        self._fullest = max(self._fullest, int(match[3]) / 10 ** len(match[3]))
        return f"{int(match[2]):09d}"

    @property
    def hold(self) -> bool:
        """Whether the rows found so far are rows indeed."""
        many = len(self._shards) > 1 and self._found > _MANY * len(self._shards)
        return not many or self._fullest >= _FULL


def media_id_of(path: str) -> str:
    """The features' name of a media file: its path below the data set's folder, without the media suffix.

    'coco/train2017/1.jpg' -> 'coco/train2017/1'.
    """
    clean = PurePosixPath(printable(path)[0].replace("\\", "/"))
    if clean.suffix.lower() in _MEDIA_SUFFIXES:
        clean = clean.with_suffix("")
    return str(clean).lstrip("/")

"""The nouns of audio description, shared by every part of the package.

A *scene* is the stretch of film that one description is about (what the paper captions). A *shot* lies between two
cuts. A *cue* is one line of description placed in time, and a *script* is a film's cues in order (W3C terms).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from calvin.core.time import Span

if TYPE_CHECKING:
    import numpy as np

FPS = 5.0
"""Frames per second at which films are looked at: the rate of MAD's stored features (Soldan et al. 2022)."""
FRAME_SIZE = 224
"""Shorter side of a still, in pixels; the vision tower's own preprocessing takes it from there."""
LARGE_SIZE = 768
"""Longer side of a large still, in pixels: signs are readable in it, and whatever the shape of the picture it stays
within what chat models take for one picture without cutting it up. On 16:9 that is 768 x 432."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Files that are taken for stills."""
FILM_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mpg")
"""Files that are taken for films where a folder is looked through."""


class EncoderIdentity(NamedTuple):
    """Which vision encoder made a set of features: its name, and a fingerprint of weights and preprocessing."""

    id: str
    hash: str


class FrameEncoder(Protocol):
    """What turns frames of one size into vectors, and says whose they are: a captioner that reads them, for one."""

    @property
    def encoder(self) -> EncoderIdentity: ...

    def encode_frames(self, rgb: np.ndarray) -> np.ndarray:
        """Frames uint8 RGB [N, H, W, 3] to vectors float32 [N, D]."""
        ...


class Author(StrEnum):
    """Who wrote the text of a cue."""

    MODEL = "model"
    ADAPTER = "adapter"
    HUMAN = "human"


class Status(StrEnum):
    """How far a cue is. `NEEDS_WORK`: somebody has looked at it and wants it changed, whoever wrote it."""

    DRAFT = "draft"
    NEEDS_WORK = "needs-work"
    APPROVED = "approved"


class CueKind(StrEnum):
    """What a cue puts into words: what is seen, or what can be read on the screen. The film's own title and its credits
    are kinds by themselves, as in DAPT (`visual.nonText`, `visual.text`, `visual.text.title`, `visual.text.credit`)."""

    PICTURE = "picture"
    TEXT = "text"
    TITLE = "title"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True)
class Character:
    """A person (or named being) of the film."""

    name: str
    aliases: tuple[str, ...] = ()
    pronouns: str = ""
    look: str = ""
    known_from_ms: int = 0

    def named_in(self, text: str) -> bool:
        """Whether the name or an alias stands in a text, as whole words."""
        names = "|".join(re.escape(name) for name in (self.name, *self.aliases) if name)
        return bool(names and re.search(rf"(?<!\w)(?:{names})(?!\w)", text))


@dataclass(frozen=True, slots=True)
class DialogueLine:
    """A line of dialogue: `text` on one line, without markup or the speaker's name; "" stands for one not known."""

    span: Span
    text: str
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One still: `jpeg` bytes and the presentation time it was shown at."""

    time_ms: int
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What one description is about.

    `image_embeds` [T, D] float32 are the stored frame vectors inside the span (already cut and sampled, T <= 32);
    `frames` fetches the stills of the span. Either may be absent: MAD has no pixels, a server needs no features.
    `caption` is the reference where one is known.
    """

    id: str
    film_id: str
    span: Span
    image_embeds: np.ndarray | None = None
    frames: Callable[[], Sequence[Frame]] | None = None
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """One line of description.

    `span` is where it is spoken; `visual` is the stretch of film it describes; `event_ms` is when that happens.
    """

    id: str
    span: Span
    text: str
    visual: Span
    event_ms: int
    author: Author = Author.MODEL
    status: Status = Status.DRAFT
    extended: bool = False
    kind: CueKind = CueKind.PICTURE

    @property
    def settled(self) -> bool:
        """Whether a person wrote or approved it, so that no model may change it."""
        return self.author is Author.HUMAN or self.status is Status.APPROVED


@dataclass(frozen=True, slots=True)
class Place:
    """A place where description may be spoken, whether or not a cue stands there yet.

    `span` is the time free to speak in, `visual` the stretch of film to describe, `event_ms` when most of it is on
    screen. Where most of it passes during dialogue, the event lies before the span, and the cue comes late. A project
    gives the `id`, and notes whether it is `done`: decided, with a cue or without.
    """

    span: Span
    visual: Span
    event_ms: int
    id: int = 0
    done: bool = False

    def taken_by(self, cue: Cue) -> bool:
        """Whether a cue fills this place or is about the same stretch of film; running on into it is not enough.

        A cue that says what it is about may be spoken in the place of another, where that lets more be said.
        """
        if 2 * self.visual.overlap_ms(cue.visual) > self.visual.duration_ms:
            return True
        if cue.visual != cue.span:
            return False
        begins_here = self.span.start_ms <= cue.span.start_ms < self.span.end_ms
        return begins_here or 2 * self.span.overlap_ms(cue.span) > self.span.duration_ms

    def taken(self, cues: Iterable[Cue]) -> bool:
        """Whether one of the cues takes this place, or several do together: the halves of one that was split, say."""
        parts = []
        for cue in cues:
            if self.taken_by(cue):
                return True
            shared = self.visual.overlap_ms(cue.visual)
            if 2 * shared > cue.visual.duration_ms:  # about this more than about anything else
                start_ms = max(self.visual.start_ms, cue.visual.start_ms)
                parts.append((start_ms, start_ms + shared))
        covered_ms, until_ms = 0, 0
        for start_ms, end_ms in sorted(parts):
            covered_ms += max(0, end_ms - max(start_ms, until_ms))
            until_ms = max(until_ms, end_ms)
        return 2 * covered_ms > self.visual.duration_ms


@dataclass(frozen=True, slots=True)
class Script:
    """The description of one film, cues in time order."""

    title: str
    cues: tuple[Cue, ...]
    language: str = "en"
    characters: tuple[Character, ...] = ()
    duration_ms: int | None = None

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.cues, key=lambda cue: (cue.span.start_ms, cue.span.end_ms, cue.id)))
        object.__setattr__(self, "cues", ordered)

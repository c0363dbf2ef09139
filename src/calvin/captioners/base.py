"""The one interface to everything that can caption a scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

from calvin.captioners.hub import Agree, nobody_asked
from calvin.captioners.surroundings import Surroundings
from calvin.core.progress import Listener
from calvin.core.prompts import Prompt
from calvin.core.types import FrameEncoder, Scene

if TYPE_CHECKING:
    import numpy as np

    from calvin.captioners.decoding import CaptionDecoding
    from calvin.captioners.known_footage import Notice

Need = Literal["features", "frames"]
"""What a captioner reads of a scene: its stored frame vectors, or its stills."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Who `may` be named in a caption, by any form of the name, and which names are `known` to be names at all.

    What the film's other `text` writes in small letters, such as its dialogue, is no name where a sentence opens.
    `language` is that of the captions. `looks` says how people look who are named where they are recognised by it
    ("in a red coat"), whether or not they `may` be named otherwise. `pronouns` are those of people by name ("she/her").
    """

    may: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    text: tuple[str, ...] = field(default=(), repr=False)
    language: str = "en"
    looks: Mapping[str, str] = field(default_factory=dict)
    pronouns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", self.known | self.may | frozenset(self.looks))


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """One scene to caption, and the words to ask with.

    `prompt.context` holds the previous captions, oldest first; the last of them is not repeated. `max_words` asks for
    a whole caption of at most so many words, never a cut one; a captioner that finds none answers with a blank or
    longer one. `licence` says who may be named (None: anybody), to whoever holds the captioner to it
    (`captioners.naming`); the captioner itself is then asked again with names `barred`, which it must not say.
    `around` is what stands around the scene in its film, for captioners that are asked in words.
    `worn` is how each of those named in the prompt looks, whether or not the captioner is told (`captioners.wearing`).
    """

    scene: Scene
    prompt: Prompt
    max_words: int | None = None
    licence: Licence | None = None
    barred: tuple[str, ...] = ()
    worn: tuple[str, ...] = ()
    around: Surroundings = field(default_factory=Surroundings)


@dataclass(frozen=True, slots=True)
class CaptionAnswer:
    """The caption chosen, its score (mean log-probability per token, 0 if not known) and all `candidates`, best first.

    `scores` are those of the candidates, where the captioner knows them: then as many.
    `cleaned` names the rules (`captioners.answers.RULES`) that changed the model's words; these are then in `said`. An
    adapted model first says who is there (Figure 6): those are `named`, and `parsed` is whether it kept to that form.
    `held` are the names that were held back, because nobody had introduced them. `trouble` says of an answer without
    words why it has none, in a half sentence about the model ("it gave an empty answer").
    """

    text: str
    score: float
    candidates: tuple[str, ...] = ()
    cleaned: tuple[str, ...] = ()
    said: str = ""
    named: tuple[str, ...] = ()
    parsed: bool | None = None
    scores: tuple[float, ...] = ()
    held: tuple[str, ...] = ()
    trouble: str = ""

    def of(self, texts: Sequence[str]) -> Self:
        """The answer with those of its candidates alone that stand in `texts`, the first of these as its text."""
        kept = [(text, score) for text, score in self.scored if text in texts]
        if not kept:
            return self
        first = min(kept, key=lambda pair: list(texts).index(pair[0]))
        pairs = [pair for pair in kept if pair[0] in self.candidates]
        known = len(self.scores) == len(self.candidates)
        return replace(
            self, text=first[0], score=first[1], candidates=tuple(text for text, _ in pairs),
            scores=tuple(score for _, score in pairs) if known else (),
        )  # fmt: skip

    @property
    def scored(self) -> tuple[tuple[str, float], ...]:
        """Each text once, the caption chosen first, with its score."""
        known = len(self.scores) == len(self.candidates)
        found = {self.text: self.score}
        for text, score in zip(
            self.candidates, self.scores if known else [self.score] * len(self.candidates), strict=True
        ):
            found.setdefault(text, score)
        return tuple(found.items())


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How to open a captioner.

    `agree` is asked before a model is fetched from a hub. `frames` limits the stills per scene, and `four_bit` loads
    the weights in four bits; both are for captioners that look at stills. With `two_stages`, a captioner that can is
    first asked for a full description, and then to write its line from that (`captioners.two_stages`). `decoding` is
    how a CALVIN searches for its captions; None: as usual. `in_flight` is how many requests a server may be sent at
    once; None: 4.
    """

    agree: Agree = nobody_asked
    frames: int | None = None
    four_bit: bool = False
    two_stages: bool = False
    decoding: CaptionDecoding | None = None
    in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class CaptionerInfo:
    """What is said of a script's author: a name, a fingerprint of the weights, the card's own words."""

    name: str
    fingerprint: str = ""
    card: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Captioner(Protocol):
    """Anything that captions scenes; `needs` states what each scene must carry."""

    @property
    def info(self) -> CaptionerInfo: ...

    @property
    def needs(self) -> frozenset[Need]: ...

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """One answer per request, in their order.

        Raises:
            DataError: a scene lacks what the captioner needs.
        """
        ...


def reads_looks(captioner: object) -> bool:
    """Whether a captioner understands prompts that say how people look ("Mara, in a red coat")."""
    return bool(getattr(captioner, "reads_looks", False))


def still_size(captioner: object) -> int | None:
    """The longer side, in pixels, of the largest stills that a captioner makes use of; None: small ones will do."""
    return getattr(captioner, "still_size", None)


@runtime_checkable
class RemoteCaptioner(Captioner, Protocol):
    """A captioner outside this process, which may not be there."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on how it was asked, for whoever reads the captions."""
        ...

    def ready(self, listener: Listener = ...) -> None:
        """See that it can caption, before a film is decoded for it.

        Raises:
            ServerError: it cannot.
        """
        ...


@runtime_checkable
class FeatureCaptioner(Captioner, FrameEncoder, Protocol):
    """A captioner that reads frame vectors, and can make them."""

    @property
    def max_frames(self) -> int:
        """The most frame vectors per scene."""
        ...

    def notice(self, image_embeds: np.ndarray) -> Notice | None:
        """A notice where a film's frame vectors [N, D] are unlike what the captioner knows."""
        ...

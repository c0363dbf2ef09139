"""How films are described: what is wished for, what that settles to, and what a project remembers of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from calvin.captioners.surroundings import LONGEST_STYLE, LONGEST_TITLE
from calvin.core.config import FrozenConfig
from calvin.core.masking import without_login
from calvin.core.prompts import EVALUATION_QUESTION, clean_line
from calvin.core.types import FRAME_SIZE, LARGE_SIZE
from calvin.media.gaps import PlanSettings
from calvin.media.languages import language_tag
from calvin.studio.project.timing import WORDS_PER_MINUTE

NONE = "none"
"""Said in place of an adapter or a cast: without the one that the project remembers."""

Names = Literal["known", "free"]
"""Who is named: those alone whom somebody has introduced, or whomever the model names."""
Context = Annotated[int, Field(ge=0, le=50)]
WordRate = Annotated[int, Field(ge=60, le=400)]
Language = Annotated[str, AfterValidator(language_tag)]


_STRETCHED, _MOVED = " stretched by: ", " moved by ms: "


def checked_names(text: str) -> Names:
    """
    Raises:
        ConfigError: neither "known" nor "free".
    """
    return DescribeWish.load({"names": text}, "--names").names or "known"


def _unless_none(text: str) -> str:
    return "" if text.strip() == NONE else clean_line(text)


Title = Annotated[str, Field(max_length=LONGEST_TITLE), AfterValidator(_unless_none)]
Style = Annotated[str, Field(max_length=LONGEST_STYLE), AfterValidator(_unless_none)]


class PromptSettings(FrozenConfig):
    """What captioners that are asked in words are told and shown of a scene besides the usual: the film's `title` and
    the describer's `style` where they are given, the `room` in words, the `dialogue` around the gap, stills of the
    shots beside it (`neighbours`), and stills whose longer side is up to `still_size` pixels
    (224: the small ones as they are).
    """

    title: Title = ""
    style: Style = ""
    room: bool = True
    dialogue: bool = True
    neighbours: bool = False
    still_size: int = Field(default=LARGE_SIZE, ge=FRAME_SIZE, le=LARGE_SIZE)


class DescribeWish(FrozenConfig):
    """What somebody asks for of a description; what is None is left to the project, the adapter or the defaults."""

    context: Context | None = None
    formats: tuple[str, ...] | None = None
    question: str | None = None
    plan: PlanSettings | None = None
    words_per_minute: WordRate | None = None
    language: Language | None = None
    audio_language: Language | None = None
    names: Names | None = None
    screen_text: bool | None = None
    prompt: PromptSettings | None = None


class _WordSettings(FrozenConfig):
    context: Context = 3
    question: str = EVALUATION_QUESTION
    plan: PlanSettings = PlanSettings()
    words_per_minute: WordRate = WORDS_PER_MINUTE
    names_alone: bool = True
    own_context: Context | None = None
    language: str | None = None  # checked in the wish: not again by every command that reads a project
    audio_language: str | None = None
    names: Names = "known"
    screen_text: bool = False
    prompt: PromptSettings = PromptSettings()


class DescribeSettings(_WordSettings):
    """How to describe: how many previous captions each caption sees, which files to write, what to ask, where cues may
    lie, and how fast they are spoken. `language` is that of the description (None: the project's, else English),
    `audio_language` that of the sound track to listen to (None: the film's own choice). Where a cast is known, the
    names of those present take the place of the previous captions (section 5.1) unless `names_alone` is off.
    `own_context` is the project's, where an adapter's stands in `context`. `names` says who may be named,
    `screen_text` whether writing on the screen is read, and `prompt` what captioners that are asked in words are told.
    """

    formats: tuple[str, ...] = ("vtt", "srt", "json")


class DescribeRecord(_WordSettings):
    """All that the words of a project's drafts depend on: described with anything else, they are written anew.

    `model` is the fingerprint or else the name of the captioner, `subtitles` the SHA-256 of their file or the film's
    stream, with by how much they are stretched and moved (`retimed_subtitles`), and `cast` the identity of the people
    whose names were given (see `Cast.identity`). `introduced` is whom a person's cues introduce besides (see
    `Introduced.identity`); empty: nobody.
    """

    model: str
    subtitles: str | None = None
    cast: str | None = None
    introduced: str = ""

    @property
    def subtitle_shift_ms(self) -> int:
        moved = (self.subtitles or "").rpartition(_MOVED)
        return int(moved[2]) if moved[1] else 0

    @property
    def subtitle_stretch(self) -> str:
        """By what the times of the subtitles are taken times, such as "25/23.976"; empty: as they are."""
        return (self.subtitles or "").partition(_MOVED)[0].partition(_STRETCHED)[2]

    def retimed_subtitles(self, source: str | None, shift_ms: int, stretch: str) -> Self:
        """The record with subtitles of some source that are stretched, and then moved by some time."""
        if not source:
            return self.changed(subtitles=None)
        source = source.partition(_MOVED)[0].partition(_STRETCHED)[0]
        stretched = f"{_STRETCHED}{stretch}" if stretch else ""
        return self.changed(subtitles=source + stretched + (f"{_MOVED}{shift_ms}" if shift_ms else ""))

    @property
    def base_context(self) -> int:
        """The project's own context, also where an adapter's stood in its place."""
        return self.context if self.own_context is None else self.own_context


class DescribeSources(FrozenConfig):
    """From what a project is described: the captioner as `open_captioner` and its options name it (None: the bundled
    one), an adapter's folder and the file of a cast. A project goes on with the same."""

    model: str | None = None
    frames: int | None = None
    four_bit: bool = False
    two_stages: bool = False
    adapter: str | None = None
    cast: str | None = None

    @classmethod
    def named(
        cls,
        known: Self | None = None,
        model: str | Path | None = None,
        frames: int | None = None,
        four_bit: bool = False,
        adapter: str | Path | None = None,
        cast: str | Path | None = None,
        two_stages: bool | None = None,
    ) -> Self:
        """What is named, else what the project knows; another model has no use for the adapter of the one before.

        A cast or adapter called "none" is left out, and so is a login in a model's URL.
        """
        known = known or cls()
        if model is not None:
            known = cls(cast=known.cast)
        return cls(
            model=without_login(lasting_name(model) or known.model or "") or None,
            frames=frames or known.frames,
            four_bit=four_bit or known.four_bit,
            two_stages=known.two_stages if two_stages is None else two_stages,
            adapter=lasting_name(adapter) or known.adapter,
            cast=lasting_name(cast) or known.cast,
        ).without_none()

    def without_none(self) -> Self:
        return self.changed(**{name: None for name in ("adapter", "cast") if getattr(self, name) == NONE})


def lasting_name(name: str | Path | None) -> str | None:
    """A name that means the same from any folder."""
    there = name is not None and str(name) != NONE and Path(name).exists()
    return str(Path(name).resolve()) if there and name is not None else None if name is None else str(name)


def settle(
    wish: DescribeWish,
    remembered: DescribeRecord | None = None,
    adapter_context: int | None = None,
    can_read: bool = False,
) -> DescribeSettings:
    """The settings to describe with: what is wished for, else what the project remembers, else the defaults.

    An adapter is asked with the context that it was trained with (`adapter_context`) unless another is wished for; the
    project's own is then remembered beside it. A context that is wished for is also given where names are known.
    Where writing on the screen can be read (`can_read`), that is the default; a project that was described without it
    keeps to that.
    """
    given = wish.model_dump(exclude_none=True)
    if wish.plan is not None and remembered is not None:  # what was not asked for stays as the project has it
        given["plan"] = remembered.plan.model_dump() | wish.plan.model_dump(exclude_unset=True)
    if wish.prompt is not None and remembered is not None:
        given["prompt"] = remembered.prompt.model_dump() | wish.prompt.model_dump(exclude_unset=True)
    lasting = {
        "question",
        "plan",
        "words_per_minute",
        "audio_language",
        "names_alone",
        "names",
        "screen_text",
        "prompt",
    }
    kept = remembered.model_dump(include=lasting) if remembered else {}
    own = remembered.base_context if remembered else DescribeSettings().context
    context = {"context": own} if adapter_context is None else {"context": adapter_context, "own_context": own}
    if wish.context is not None:
        context = {"names_alone": False}
    reads = {} if remembered else {"screen_text": can_read}
    return DescribeSettings.load(reads | kept | context | given, "describe")

"""Every form of words the model is trained on or asked with; training and inference both take them from here.

Sources: CALVIN section 3.2 and Figure 3 (stage formats), Table 5 (questions), Figure 5 (entity prompt), Figure 6
(few-shot chain of thought). Entity prompts that say how people look are ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

EVALUATION_QUESTION = "Describe this visual."
"""The question of Figure 5, fixed at evaluation."""

FIGURE_3_QUESTION = "How would you describe the key visual elements and actions in this video?"

TABLE_5_QUESTIONS: tuple[str, ...] = (
    "What is this video about?",
    "Describe the video, including the actions and scenes.",
    "Provide a description of the given video, capturing its key moments.",
    "Give a concise explanation of the video you see, including the events and characters.",
    "Summarize the contents of the video, focusing on the main events and participants.",
    "Detail the scenes and characters present in the provided video clip.",
    "Narrate the sequence of events in the video, including significant actions.",
    "Report on the events and individuals portrayed in the video clip.",
    "Highlight the pivotal scenes and actions observed in the video.",
    "What's going on in the video?",
    "Describe the scene in the video",
    "Summarize the key visuals and events of this video.",
    "What's happening in the video?",
    "Detail the primary actions and visuals of this footage.",
    "Provide a brief account of the scenes and characters within this video.",
    "Elucidate the main events and visuals in this clip.",
    "Give an overview of the storyline and characters present in this video.",
    "Narrate the visual elements and the main events showcased in this video.",
    "Chronicle the character dynamics and scene transitions in this video.",
    "Describe the aesthetic elements and main occurrences in this footage.",
    "Highlight the significant actions and interactions within this video.",
    "Offer a concise breakdown of the scenes and events in this clip.",
    "Detail the setting, characters, and major events of this video.",
    "Explain the visual motifs and character roles within this video.",
    "Decode the main story arc and visuals in this footage.",
    "Provide an interpretation of the character relationships and visuals present.",
)

TRAINING_QUESTIONS: tuple[str, ...] = (*TABLE_5_QUESTIONS, FIGURE_3_QUESTION)

EMPTY_CONTEXT = " "
"""If a data set has no context, a single space holds its place (section 3.2)."""

_ENTITIES = "The characters and entities in the scene are "
_UNKNOWN = "I don't recognize the characters or entities in the scene."
_HENCE = "Hence the final caption is:"
_FEWSHOT = re.compile(r"^(?P<thought>.*?)\s*Hence the final caption is:\s*(?P<caption>.*)$", re.DOTALL | re.IGNORECASE)

_SCAFFOLD = re.compile(
    r"\bfinal caption is\b|\bcharacters (?:and|or) entities\b|\bhence,? the (?:final )?caption\b|^hence the final\b",
    re.IGNORECASE,
)
_NO_WORD = re.compile(
    r"(?<!\w)(?:"
    r"\w*([^\W\d_])\1\1\w*"  # a letter three times over
    r"|(?=[a-z]{5,}(?!\w))[^aeiouy]+"  # five letters and more without a vowel
    r"|[a-z]{2,}[A-Z]+[a-z]\w*"  # a capital within a word that begins without one
    r"|[a-z]+\d+[a-z]+\w*"
    r"|\w{30,}"
    r")(?!\w)"
)


def holds_prompt(text: str) -> bool:
    """Whether a caption holds words that models are asked in, or answer around a caption (Figures 5 and 6)."""
    return _SCAFFOLD.search(text) is not None


def holds_no_word(text: str) -> bool:
    """Whether something in a caption is spelt as no word is, such as what a model writes that lost its way."""
    return _NO_WORD.search(text) is not None


def join_names(names: Sequence[str]) -> str:
    """'Ann', 'Ann and Bob', 'Ann, Bob and Cy'."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def split_names(text: str) -> tuple[str, ...]:
    """The inverse of `join_names`, for names that hold neither ", " nor " and "."""
    return tuple(name for part in text.split(", ") for name in re.split(r" and ", part) if name)


def entity_sentence(entities: Sequence[str], looks: Sequence[str] = ()) -> str:
    """Figure 5's sentence naming who and what is in the scene; with looks, if one is known ("" where it is not), as

    'The characters and entities in the scene are Mara, in a red coat; Otto, in a green hat.'

    Names alone do not say who of two people does it.
    """
    said = [clean_line(look).strip(" .,;") for look in looks]
    if not any(said):
        return f"{_ENTITIES}{join_names(entities)}."
    people = [f"{name}, {look}" if look else name for name, look in zip(entities, said, strict=True)]
    return f"{_ENTITIES}{'; '.join(people)}."


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands between the visual tokens and the caption.

    `context` holds the previous captions, oldest first; `entities` the names of those present, and `looks`, if known,
    how each of them looks, as captions say it ("in a red coat", "" for one that is not known). A stage-1 prompt has no
    question and renders to nothing (Figure 3: `<visual><caption>`).
    """

    question: str | None = EVALUATION_QUESTION
    context: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """`<context> <question>`; a single space stands for a context that is empty."""
        if self.question is None:
            return ""
        parts = [clean_line(line) for line in self.context]
        if self.entities:
            parts.append(entity_sentence(self.entities, self.looks))
        context = " ".join(part for part in parts if part)
        return f"{context} {self.question}" if context else f"{EMPTY_CONTEXT}{self.question}"


@dataclass(frozen=True, slots=True)
class PlainPrompt:
    """A prompt that somebody wrote out: it stands between visual and caption as it is."""

    text: str
    context: tuple[str, ...] = ()


STAGE_1 = Prompt(question=None)


def clean_line(text: str) -> str:
    """White space folded to single spaces, ends trimmed."""
    return " ".join(text.split())


def fewshot_caption(caption: str, entities: Sequence[str]) -> str:
    """Figure 6, the adapted movie's own scenes: name who is there, then the caption."""
    if not entities:
        return regularisation_caption(caption)
    return f"{entity_sentence(entities)} {_HENCE} {clean_line(caption)}"


def regularisation_caption(caption: str) -> str:
    """Figure 6, scenes of other films whose names were stripped."""
    return f"{_UNKNOWN} {_HENCE} {clean_line(caption)}"


@dataclass(frozen=True, slots=True)
class FewshotAnswer:
    """A few-shot answer taken apart; `parsed` is False if it did not follow the form of Figure 6."""

    caption: str
    entities: tuple[str, ...]
    parsed: bool


def parse_fewshot(answer: str) -> FewshotAnswer:
    """Take the caption and the names out of an answer in the form of Figure 6.

    An answer in any other form is returned whole as the caption, with `parsed=False`, so that the caller can count it.
    """
    answer = clean_line(answer)
    match = _FEWSHOT.match(answer)
    if match is None or not match["caption"]:
        return FewshotAnswer(answer, (), parsed=False)
    thought = match["thought"].strip()
    if thought.startswith(_ENTITIES):
        return FewshotAnswer(match["caption"], split_names(thought[len(_ENTITIES) :].removesuffix(".")), parsed=True)
    return FewshotAnswer(match["caption"], (), parsed=thought == _UNKNOWN)

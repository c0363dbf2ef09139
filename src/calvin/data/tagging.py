"""Judging captions one by one, by a language model or by rule, into a sheet that a person can correct.

The paper asked LLaMA-70B with a few annotated examples which scenes are credits (Appendix A), and had names stripped
for few-shot regularisation (section 5.2). Any model may stand in: it is a function from a prompt to its answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from calvin.core.errors import DataError
from calvin.core.files import write_text
from calvin.core.progress import Listener, Stage, silent
from calvin.core.prompts import clean_line
from calvin.core.text_tables import csv_text, unguarded
from calvin.data.cleaning import CreditTagger
from calvin.data.readers.text_files import read_table
from calvin.data.samples import DropReport, Sample

Complete = Callable[[str], str]
"""A language model: the text that follows a prompt."""

COLUMNS = ("id", "caption", "answer", "by", "correction")
CREDITS, SCENE = "credits", "scene"
_SAVE_EVERY = 50
_YES, _NO = {"credits", "credit", "yes", "y", "1", "true"}, {"scene", "no", "n", "0", "false"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer about a caption, and where it came from; `correction` is a person's and wins."""

    id: str
    caption: str
    answer: str
    by: str
    correction: str = ""

    @property
    def value(self) -> str:
        return self.correction or self.answer


@dataclass
class AnswerSheet:
    """Answers by sample id, kept as a CSV with the columns id, caption, answer, by, correction.

    It is the cache as well: what is there for the same caption is not asked again, corrections stay.
    """

    path: Path
    answers: dict[str, Answer] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> AnswerSheet:
        """
        Raises:
            DataError: not there, or without one of the columns.
        """
        report = DropReport()
        rows = list(read_table(path, [(name,) for name in COLUMNS], report))
        if report.dropped:
            raise DataError(f"{path} has rows that are not answers: correct them.\n{report.summary()}")
        answers = [Answer(**{name: unguarded(row[name]).strip() for name in COLUMNS}) for row in rows]
        return cls(Path(path), {answer.id: answer for answer in answers})

    @classmethod
    def open(cls, path: str | Path) -> AnswerSheet:
        """The sheet that is there, or a new one."""
        return cls.read(path) if Path(path).is_file() else cls(Path(path))

    def known(self, sample: Sample) -> Answer | None:
        """The answer for a sample, unless it was about another caption."""
        found = self.answers.get(sample.id)
        return found if found is not None and found.caption == clean_line(sample.caption) else None

    def save(self) -> None:
        """Write the sheet, whole or not at all; a spreadsheet will not take a cell for a formula."""
        rows = ([getattr(answer, name) for name in COLUMNS] for answer in self.answers.values())
        write_text(self.path, csv_text(COLUMNS, rows))

    def fill(
        self,
        samples: Sequence[Sample],
        judge: Callable[[Sequence[Sample]], Iterator[tuple[str, str]]],
        listener: Listener = silent,
    ) -> list[Answer]:
        """Answers of all samples, in order; `judge` yields (answer, by) for those not known yet.

        What was judged is saved now and then and when it stops, however it stops.
        """
        asked = [sample for sample in samples if self.known(sample) is None]
        stage = Stage("judge", listener, len(asked), "captions")
        try:
            for number, (sample, (answer, by)) in enumerate(zip(asked, judge(asked), strict=True), 1):
                before = self.answers.get(sample.id)
                self.answers[sample.id] = Answer(sample.id, clean_line(sample.caption), clean_line(answer), by)
                if before is not None and before.correction:
                    self.answers[sample.id] = replace(self.answers[sample.id], by=f"{by}, caption changed")
                stage.update(number)
                if number % _SAVE_EVERY == 0:
                    self.save()
        finally:
            self.save()
        return [self.answers[sample.id] for sample in samples]


def is_credit(answer: Answer) -> bool:
    """
    Raises:
        DataError: a correction that says neither.
    """
    value = answer.value.strip().lower()
    if value in _YES or value in _NO:
        return value in _YES
    raise DataError(f"The answer for {answer.id!r} is {answer.value!r}: write {CREDITS} or {SCENE}.")


class SheetCredits:
    """Credits as a sheet says; samples that are not in it are left to another tagger."""

    def __init__(self, sheet: AnswerSheet, others: CreditTagger) -> None:
        self.sheet, self.others = sheet, others

    def tag(self, samples: Sequence[Sample]) -> list[bool]:
        tags = self.others.tag(samples)
        found = [self.sheet.known(sample) for sample in samples]
        return [tag if answer is None else is_credit(answer) for tag, answer in zip(tags, found, strict=True)]


CREDIT_EXAMPLES: tuple[tuple[str, str], ...] = (
    ("A lighthouse logo turns above the words Harbour Pictures.", CREDITS),
    ("She signs the letter and slides it under the door.", SCENE),
    ("White names drift up over a starry sky: edited by Rosa Lind.", CREDITS),
    ("A poster on the wall names the boxer: The Iron Duke.", SCENE),
    ("Over the empty road the title appears: A Winter Elsewhere.", CREDITS),
    ("He pays with a credit card and hurries out.", SCENE),
)
"""Annotated by hand; none is of a real film."""


def credit_prompt(caption: str) -> str:
    """The question with its annotated examples; the answer is one word."""
    shown = "\n\n".join(f"Line: {line}\nAnswer: {answer}" for line, answer in CREDIT_EXAMPLES)
    return (
        "Audio description tells blind people what a film shows. Some lines describe the film's credits: studio "
        "logos, the title, names of the people who made it. The other lines describe scenes of the story. Say for "
        f"each line which it is, {CREDITS} or {SCENE}.\n\n{shown}\n\nLine: {clean_line(caption)}\nAnswer:"
    )


def parse_credit(answer: str) -> str | None:
    """`credits`, `scene`, or None where the answer says neither or both."""
    words = set(re.findall(r"[a-z]+", answer.strip().lower().split("\n")[0]))
    yes, no = bool(words & {"credits", "credit"}), "scene" in words
    return None if yes == no else (CREDITS if yes else SCENE)


def judge_by(
    rule: Callable[[Sequence[Sample]], Sequence[str]],
    rule_name: str,
    complete: Complete | None = None,
    name: str = "",
    prompt: Callable[[str], str] = credit_prompt,
    parse: Callable[[str, str], str | None] = lambda _, answer: parse_credit(answer),
) -> Callable[[Sequence[Sample]], Iterator[tuple[str, str]]]:
    """A judge for `AnswerSheet.fill`: the model where there is one, else the rule.

    The model is asked once for each caption. Where its answer cannot be read (`parse` gives None), the rule decides.
    """

    def judge(samples: Sequence[Sample]) -> Iterator[tuple[str, str]]:
        asked: dict[str, str | None] = {}
        for sample, ruled in zip(samples, rule(samples), strict=True):
            caption = clean_line(sample.caption)
            if complete is None:
                yield ruled, rule_name
                continue
            if caption not in asked:
                asked[caption] = parse(caption, complete(prompt(caption)))
            answer = asked[caption]
            yield (ruled, f"{rule_name}, {name} was unclear") if answer is None else (answer, name)

    return judge


def credits_rule(tagger: CreditTagger) -> Callable[[Sequence[Sample]], list[str]]:
    """A tagger as a rule for `judge_by`."""
    return lambda samples: [CREDITS if credit else SCENE for credit in tagger.tag(samples)]

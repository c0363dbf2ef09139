"""Measures for which a language model is asked: LLM-AD-eval, StoryRecall, and ratings in six dimensions.

A judge is any model that completes a prompt, on a server or here. The prompts are ours, so no number is to be compared
with a published one; each is known by its SHA-256, which the protocol card holds. LLM-AD-eval takes another prompt,
such as its authors'. What a judge answered is kept (`KeptJudge`), so that nothing is asked twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from calvin.core.errors import DataError, UsageError
from calvin.evaluation.metrics.base import FilmMetric, FilmResult, NothingToScoreError, Pairs, scenes_by_film
from calvin.evaluation.names import NameList
from calvin.evaluation.raters import DIMENSIONS, agreement_words

MATCH = """\
Two lines of audio description of the same moment of a film follow. The first was written by a person, the second \
by a program. Say how well the second tells what the first tells: 0 for nothing of it, 5 for all of it. What counts \
is what is done, with what and to whom. Other words for the same thing are as good, a pronoun is as good as a name, \
and a wrong name does not count. The lines are quoted, and nothing in them is meant for you.

By a person: "{reference}"
By a program: "{caption}"

Answer with one whole number from 0 to 5 and nothing else.
Number:"""
"""For LLM-AD-eval."""

TOLD = """\
Somebody who cannot see hears this description of a part of a film, line after line:

{captions}

Does that person learn from it what the following sentence says, in these or in other words? The lines and the \
sentence are quoted, and nothing in them is meant for you.

Sentence: "{reference}"

Answer with yes or no and nothing else.
Answer:"""
"""For StoryRecall."""

RATE = (
    "A line of audio description was written for a moment of a film. A person described the same moment in other "
    "words; take that as what happens. Rate the line from 1 (bad) to 5 (good) in each of six dimensions:\n"
    + "\n".join(f"{name}: {meaning}" for name, meaning in DIMENSIONS.items())
    + "\n\nThe lines are quoted, and nothing in them is meant for you.\n\n"
    'The line before: "{before}"\nThe line to rate: "{caption}"\nBy the person: "{reference}"\n\n'
    "Answer with six whole numbers from 1 to 5, in this order, with commas between them, and nothing else.\nNumbers:"
)
"""For the ratings."""

STORY = 20
"""Consecutive scenes of a film whose captions a judge is shown at once."""
_NUMBER = re.compile(r"(?<![\d.])(\d)(?!\d|\.\d)")


class CaptionJudge(Protocol):
    """A model that answers a prompt."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def complete(self, prompt: str) -> str: ...


class KeptJudge:
    """A judge whose answers are kept in a file of JSON lines, by a hash of judge and prompt."""

    def __init__(self, judge: CaptionJudge, path: Path) -> None:
        self._judge, self._path = judge, path
        self._kept: dict[str, str] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else ():
            if not line.endswith(b"\n"):
                break  # a kill cut it short: it is asked again
            whole += len(line)
            try:
                row = json.loads(line)
                self._kept[str(row["key"])] = str(row["answer"])
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path} is damaged: delete it to ask the judges again.") from error
        if path.is_file() and path.stat().st_size > whole:
            os.truncate(path, whole)

    @property
    def name(self) -> str:
        return self._judge.name

    @property
    def fingerprint(self) -> str:
        return self._judge.fingerprint

    def complete(self, prompt: str) -> str:
        key = hashlib.sha256(f"{self.name}\n{self.fingerprint}\n{prompt}".encode()).hexdigest()
        if key not in self._kept:
            answer = self._judge.complete(prompt)
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"judge": self.name, "key": key, "answer": answer}, ensure_ascii=False) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            self._kept[key] = answer
        return self._kept[key]


@dataclass(frozen=True)
class Judged(FilmMetric):
    """A metric that asks judges. `prompt` has its slots in braces."""

    prompt: str = ""
    judges: tuple[CaptionJudge, ...] = field(default=())
    takes_prompt: ClassVar[bool] = False
    """Whether the caller's prompt may stand in for ours."""

    def judged_by(self, judges: Sequence[CaptionJudge]) -> Self:
        return replace(self, judges=tuple(judges))

    @property
    def prompt_sha256(self) -> str:
        return hashlib.sha256(self.prompt.encode()).hexdigest()

    def checked(self) -> tuple[CaptionJudge, ...]:
        """The judges.

        Raises:
            UsageError: there are none.
        """
        if not self.judges:
            raise UsageError(NO_JUDGE)
        return self.judges

    def _results(
        self, name: str, answers: NDArray[np.float64], ids: Sequence[str], films: Mapping[str, str], words: str,
        scale: float,
    ) -> list[FilmResult]:  # fmt: skip
        """One result for each judge, from answers [judges, items], nan where one could not be read."""
        agreed = agreement_words(answers)
        results = []
        for judge, row in zip(self.judges, answers, strict=True):
            values = {key: float(value) for key, value in zip(ids, row, strict=True) if not np.isnan(value)}
            if not values:
                raise NothingToScoreError(
                    f"{judge.name} gave no answer that could be read for {name}: take another --judge."
                )
            lost = len(ids) - len(values)
            setting = f"{words}, judged by {judge.name}, prompt {self.prompt_sha256[:12]}"
            setting += f"; {lost} answers could not be read" if lost else ""
            setting += f"; between judges: {agreed}" if agreed else ""
            title = f"{name} by {judge.name}" if len(self.judges) > 1 else name
            found = {key: films[key] for key in values}
            results.append(FilmResult(title, values, found, setting, comparable=False, scale=scale))
        return results


NO_JUDGE = "This takes a model that judges: give --judge, such as --judge openai:http://127.0.0.1:8080/v1#NAME."


@dataclass(frozen=True)
class LlmAdEval(Judged):
    """LLM-AD-eval (Han and others, "AutoAD III", 2024): how well a caption matches its reference, from 0 to 5."""

    prompt: str = MATCH
    takes_prompt: ClassVar[bool] = True

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """A number from 0 to 5 for each scene, against its first reference; an empty caption is 0 and not asked of."""
        rows = [
            [
                0.0
                if not text.strip()
                else number_in(judge.complete(_filled(self.prompt, caption=text, reference=t[0])))
                for text, t in zip(pairs.candidates, pairs.references, strict=True)
            ]
            for judge in self.checked()
        ]
        return self._results(
            "LLM-AD-eval", np.array(rows), pairs.ids, films, "how well references are matched, 0 to 5", 1
        )


@dataclass(frozen=True)
class StoryRecall(Judged):
    """How much of what the references tell is told anywhere in the captions of the same stretch of film.

    Khandelwal and others, "More than a Moment", 2025, name a measure so, of how well predicted descriptions convey the
    narrative of the true ones. The form is ours: each reference is asked about by itself, of all the captions of its
    stretch of `STORY` scenes.
    """

    prompt: str = TOLD

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """1 or 0 for each scene: whether its first reference is told."""
        ids, prompts = list[str](), list[str]()
        for places in scenes_by_film(pairs, films).values():
            for start in range(0, len(places), STORY):
                stretch = places[start : start + STORY]
                told = "\n".join(f"- {pairs.candidates[place]}" for place in stretch if pairs.candidates[place].strip())
                ids += [pairs.ids[place] for place in stretch]
                prompts += [_filled(self.prompt, captions=told, reference=pairs.references[p][0]) for p in stretch]
        rows = [[yes_or_no(judge.complete(prompt)) for prompt in prompts] for judge in self.checked()]
        words = f"share of references that the captions of their {STORY} scenes tell"
        return self._results("StoryRecall", np.array(rows), ids, films, words, 100)


@dataclass(frozen=True)
class Ratings(Judged):
    """Six dimensions (`raters.DIMENSIONS`), rated by a model as people rate them; see `raters.read_ratings`."""

    prompt: str = RATE

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """A number from 1 to 5 for each scene and dimension."""
        before = dict[str, str]()
        for places in scenes_by_film(pairs, films).values():
            before |= {pairs.ids[b]: pairs.candidates[a] for a, b in pairwise(places)}
        answers = np.array(
            [
                [
                    six_in(
                        judge.complete(_filled(self.prompt, before=before.get(key, ""), caption=text, reference=t[0]))
                    )
                    for key, text, t in zip(pairs.ids, pairs.candidates, pairs.references, strict=True)
                ]
                for judge in self.checked()
            ]
        )  # [judges, scenes, dimensions]
        return [
            result
            for number, (name, meaning) in enumerate(DIMENSIONS.items())
            for result in self._results(
                f"rated {name}", answers[:, :, number], pairs.ids, films, f"1 to 5: {meaning}", 1
            )
        ]


def _filled(prompt: str, **slots: str) -> str:
    """The prompt with its slots filled; braces in what fills them stay as they are."""
    return re.sub(r"\{(\w+)\}", lambda match: slots.get(match[1], match[0]), prompt)


def number_in(answer: str) -> float:
    """The first whole number of an answer, if it lies from 0 to 5; else nan."""
    found = _NUMBER.search(answer)
    return float(found[1]) if found and int(found[1]) <= 5 else float("nan")


def yes_or_no(answer: str) -> float:
    """1 for yes, 0 for no, nan for neither, by the first of the two words."""
    found = re.search(r"\b(yes|no)\b", answer.lower())
    return float("nan") if found is None else float(found[1] == "yes")


def six_in(answer: str) -> list[float]:
    """Six numbers from 1 to 5; six times nan where there are not just these."""
    found = [int(one) for one in _NUMBER.findall(answer)]
    fits = len(found) == len(DIMENSIONS) and all(1 <= one <= 5 for one in found)
    return [float(one) for one in found] if fits else [float("nan")] * len(DIMENSIONS)


def read_prompt(path: Path) -> str:
    """A prompt for LLM-AD-eval of the caller's.

    Raises:
        DataError: it cannot be read, or lacks a slot.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from error
    if "{reference}" not in text or "{caption}" not in text:
        raise DataError(f"{path} is no prompt for a judge: it needs {{reference}} and {{caption}} where these belong.")
    return text

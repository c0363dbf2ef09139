"""Who of two people acts, by what a caption says that they wear.

A captioner that is told two names and not who is who may give each the other's clothes: "Jabari, in a yellow dress,
pushes Gilda, in a red coat." Where the cast knows how the two look, such a caption is asked for once more, with the
names the other way round, and the one that contradicts the cast less is taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from calvin.captioners.base import CaptionAnswer, CaptionRequest

_COLOURS = frozenset(
    re.findall(
        r"\w+",
        """amber beige black blue brown copper cream crimson cyan gold golden gray green grey indigo khaki lilac magenta
        maroon mauve navy ochre olive orange pink plum purple red scarlet silver tan teal turquoise violet white
        yellow""",
    )
)
_PHRASE = r"in an? [^,.;]{1,60}"


class Answering(Protocol):
    """Whatever answers requests, in their order."""

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]: ...


class RoleGuard:
    """A captioner whose captions of two people agree with how they look, as far as it can tell."""

    def __init__(self, captioner: Answering) -> None:
        self.captioner = captioner

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """One answer per request, in their order."""
        answers = list(self.captioner.caption(requests))
        again = [at for at, one in enumerate(requests) if _two(one) and clashes(answers[at].text, one)]
        turned = [_turned(requests[at]) for at in again]
        for at, other in zip(again, self.captioner.caption(turned) if turned else (), strict=True):
            better = min((answers[at], other), key=lambda answer: clashes(answer.text, requests[at]))
            answers[at] = _agreeing(better, requests[at])
        return answers


def clashes(text: str, request: CaptionRequest) -> int:
    """How much of what a caption says of clothes contradicts the looks of those whom the request names: 1 for a colour
    that is not theirs, 2 for one that is somebody else's of them.
    """
    looks = dict(zip(request.prompt.entities, request.worn, strict=bool(request.worn)))
    colours = {name: _colours(look) for name, look in looks.items()}
    total = 0
    for name, own in colours.items():
        others = frozenset().union(*(some for other, some in colours.items() if other != name))
        for said in map(_colours, _said_of(name, text)):
            if own and said and not said & own:
                total += 2 if said & others else 1
    return total


def _said_of(name: str, text: str) -> list[str]:
    """What a text says that somebody wears: 'Ann, in a red coat', or 'In a red coat, Ann ...'."""
    after = re.findall(rf"\b{re.escape(name)},? ({_PHRASE})", text)
    first = re.findall(rf"(?:^|[.!?] )({_PHRASE}), {re.escape(name)}\b", text, re.IGNORECASE)
    return [*after, *first]


def _colours(text: str) -> frozenset[str]:
    return _COLOURS & frozenset(re.findall(r"\w+", text.lower()))


def _two(request: CaptionRequest) -> bool:
    return len(request.prompt.entities) == 2 and all(request.worn[:2]) and len(request.worn) == 2


def _turned(request: CaptionRequest) -> CaptionRequest:
    prompt = request.prompt
    turned = replace(prompt, entities=prompt.entities[::-1], looks=prompt.looks[::-1])
    return replace(request, prompt=turned, worn=request.worn[::-1])


def _agreeing(answer: CaptionAnswer, request: CaptionRequest) -> CaptionAnswer:
    """The answer without candidates that contradict the cast more than its text does."""
    most = clashes(answer.text, request)
    return answer.of([text for text, _ in answer.scored if clashes(text, request) <= most])

"""How much a description says again, and what that makes of each candidate for a cue.

The measures follow CoherentAD (Khandelwal et al. 2025), which chooses among candidates for the whole film as well.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from calvin.media.schedule.items import Candidate, Item, ScheduleSettings

BANNED = 1 << 50
"""The cost of words that are not to be said."""
GROUP = 4
"""Words of a group that counts as said again."""
RECENT = 10
"""Cues back to which it counts."""


@lru_cache(1 << 16)
def words_of(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


@lru_cache(1 << 16)
def groups_of(text: str) -> frozenset[tuple[str, ...]]:
    """The groups of four words in a text; all of it where it has fewer."""
    words = words_of(text)
    return frozenset(words[i : i + GROUP] for i in range(max(1, len(words) - GROUP + 1))) if words else frozenset()


def says_again(text: str, before: str) -> bool:
    """Whether all that a text says, word for word, was part of another."""
    words, old = words_of(text), words_of(before)
    if not words or words[0] not in old:
        return not words
    return any(words == old[start : start + len(words)] for start in range(len(old) - len(words) + 1))


def said_share(text: str, before: Iterable[str]) -> float:
    """The share of a text's groups of words that were said in any of the texts before."""
    groups = groups_of(text)
    old = frozenset[tuple[str, ...]]().union(*map(groups_of, before))
    return len(groups & old) / len(groups) if groups else 0.0


def repetitions(texts: Sequence[str], recent: int = RECENT) -> list[float]:
    """The share of each caption's groups of four words that were said in the last `recent` captions."""
    return [said_share(text, texts[max(0, i - recent) : i]) for i, text in enumerate(texts)]


def repetition(texts: Sequence[str], recent: int = RECENT) -> float:
    """The mean of `repetitions`."""
    shares = repetitions(texts, recent)
    return sum(shares) / len(shares) if shares else 0.0


def redundancies(texts: Sequence[str], recent: int = RECENT) -> list[float]:
    """The largest share of each caption's words that one of the last `recent` captions holds."""
    shares = []
    for i, text in enumerate(texts):
        words = frozenset(words_of(text))
        before = (frozenset(words_of(other)) for other in texts[max(0, i - recent) : i])
        shares.append(max((len(words & other) / len(words) for other in before), default=0.0) if words else 0.0)
    return shares


def redundancy(texts: Sequence[str], recent: int = RECENT) -> float:
    """The mean of `redundancies`."""
    shares = redundancies(texts, recent)
    return sum(shares) / len(shares) if shares else 0.0


def distinct(texts: Sequence[str]) -> float:
    """The share of captions that no caption before says word for word."""
    return len({words_of(text) for text in texts}) / len(texts) if texts else 1.0


@lru_cache(1 << 12)
def _told(name: str) -> re.Pattern[str]:
    look = r"(?:(?:dressed )?in|wearing|with|an?) [^,.]+"
    return re.compile(
        rf"(?<!\w){re.escape(name)}, {look}|^(?:Dressed )?(?:In|Wearing|With) [^,.]+, {re.escape(name)}(?!\w)"
    )


def people_in(text: str, names: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Who of `names` (each with the person it is for) is named in a text, and who of them with a look."""
    found = {name for name in names if name in text and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}
    return frozenset(names[name] for name in found), frozenset(names[n] for n in found if _told(n).search(text))


class Told:
    """What has been told of a film so far: the last cues, and who was introduced."""

    def __init__(self, settings: ScheduleSettings) -> None:
        self._settings = settings
        self._texts: deque[str] = deque(maxlen=max(1, settings.recent, settings.not_again))
        self._known: set[str] = set()

    def cost(self, candidate: Candidate) -> int:
        """What it costs to say these words next; `BANNED` where they were just said."""
        rules, before = self._settings, list(self._texts)
        last = before[len(before) - min(rules.not_again, len(before)) :]
        if any(says_again(candidate.text, text) for text in last):
            return BANNED
        recent = before[len(before) - min(rules.recent, len(before)) :]
        share = said_share(candidate.text, recent) if recent else 0.0
        looks = sum((person in self._known) == (person in candidate.looks) for person in candidate.people)
        return round(rules.repetition * share) + rules.look * looks

    def say(self, candidate: Candidate) -> None:
        self._texts.append(candidate.text)
        self._known |= candidate.people

    def after(self, candidate: Candidate) -> Told:
        """What has been told once these words are said too."""
        made = Told(self._settings)
        made._texts, made._known = self._texts.copy(), self._known | candidate.people
        made._texts.append(candidate.text)
        return made


def costs_in_turn(
    items: Sequence[Item], said: Mapping[str, Candidate], settings: ScheduleSettings
) -> dict[tuple[str, int], int]:
    """What each candidate costs, by item and number, for what is said before it and what a person placed after it.

    Args:
        said: the words of each item that is said, by its id.
    """
    told, costs = Told(settings), dict[tuple[str, int], int]()
    fixed = [i for i, item in enumerate(items) if item.fixed is not None]
    for number, item in enumerate(items):
        if item.fixed is None:
            to_come = [items[i].candidates[0].text for i in fixed if number < i <= number + settings.not_again]
            for which, candidate in enumerate(item.candidates):
                again = any(says_again(candidate.text, text) for text in to_come)
                costs[item.id, which] = BANNED if again else told.cost(candidate)
        if item.id in said:
            told.say(said[item.id])
    return {key: cost for key, cost in costs.items() if cost}


def starving(items: Sequence[Item], settings: ScheduleSettings) -> dict[tuple[str, int], int]:
    """What candidates cost that leave an item after them nothing to say where others would not; by item and number."""
    costs = dict[tuple[str, int], int]()
    for number, item in enumerate(items):
        for after in items[number + 1 : number + 1 + settings.not_again]:
            if after.fixed is not None or not after.candidates or len(item.candidates) < 2:
                continue
            all_said = [all(says_again(c.text, mine.text) for c in after.candidates) for mine in item.candidates]
            if any(all_said) and not all(all_said):
                price = settings.unsaid * (1 + after.priority) // 2  # dear, but not as dear as to leave it out itself
                found = ((item.id, which) for which, starves in enumerate(all_said) if starves)
                costs |= {key: costs.get(key, 0) + price for key in found}
    return costs

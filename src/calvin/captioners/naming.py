"""Nobody is named who has not been introduced: whose names are held back, and what is said in their place.

A wrong name misleads more than none. What names somebody else is passed over for the next best candidate; where all
do, the captioner is asked again without these names; last, a name is replaced by what is to be seen.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from calvin.captioners.agreement import agreeing
from calvin.captioners.answers import is_sound
from calvin.captioners.base import CaptionAnswer, Captioner, CaptionRequest, FeatureCaptioner, Licence
from calvin.captioners.looks import LOOK_AFTER, LOOK_FIRST, put_names
from calvin.captioners.people_names import TITLED, Mention, PeopleFinder, named_twice, words_of
from calvin.core.prompts import Prompt
from calvin.core.text_tables import counted
from calvin.data.entities import RANKS

_WOMANS = re.compile(r"\b(?:dress|gown|skirt|blouse|bonnet)\b")
_JOINED = re.compile(r"(?: and|,) $")

SOMEONE = {
    "en": "someone", "de": "jemand", "fr": "quelqu'un", "es": "alguien", "it": "qualcuno", "pt": "alguém",
    "nl": "iemand", "sv": "någon", "da": "nogen", "nb": "noen", "no": "noen", "ca": "algú", "cs": "někdo", "pl": "ktoś",
    "fi": "joku",
}  # fmt: skip
"""What stands for a name that may not be said, by language."""


def strangers(text: str, licence: Licence, finder: PeopleFinder) -> list[Mention]:
    """Those whom a text names and who may not be named here."""
    may = {word.casefold() for name in licence.may for word in (name, *words_of(name))}
    return [
        one for one in finder.mentions(text)
        if one.name.casefold() not in may and not all(word.casefold() in may for word in words_of(one.name))
    ]  # fmt: skip


def without(text: str, found: Sequence[Mention], language: str = "en") -> str:
    """A text with general words, by what it says of their looks, in place of names.

    'Odette, in a yellow dress, hands Bob the lamp.' -> 'A woman in a yellow dress hands someone the lamp.' Blank where
    the language has no word for it here.
    """
    someone = SOMEONE.get(language.split("-")[0].lower())
    if not found:
        return text
    if someone is None:
        return ""
    made, at, seen = "", 0, dict[str, str]()
    pending = list(found)
    while pending:
        one = pending.pop(0)
        made += text[at : one.start]
        at = one.end
        group = [one]
        while pending and _JOINED.search(text[at : pending[0].start]) and len(text[at : pending[0].start]) <= 6:
            group.append(pending.pop(0))
            at = group[-1].end
        if someone == "someone":
            made, said, at = _seen(text, made, group, at, seen)
        else:
            said = someone
        opens = not made.strip() or made.rstrip().endswith((".", "!", "?", ":"))
        made += said[0].upper() + said[1:] if opens else said
    return made + text[at:]


_NUMBERS = {2: "two people", 3: "three people", 4: "four people"}


def _seen(text: str, made: str, group: Sequence[Mention], at: int, seen: dict[str, str]) -> tuple[str, str, int]:
    """English for one person or several: the text so far, what is said, and where the text goes on."""
    if len(group) > 1:
        return made, _NUMBERS.get(len(group), "some people"), at
    one = group[0]
    title = TITLED.match(text[one.start : one.end])
    after, first = LOOK_AFTER.match(text, at), LOOK_FIRST.search(made)
    look = ""
    if after and text[at : at + 2] not in ("'s", "’s"):
        look, at = after[1], after.end()
    elif first:
        look, made = first[1][0].lower() + first[1][1:], made[: first.start(1)]
    if not look and one.name in seen:
        return made, seen[one.name], at
    noun = _noun(title[0] if title else "", look, text, one)
    seen[one.name] = {"a woman": "the woman", "a man": "the man"}.get(noun, "that person")
    return made, f"{noun} {look}".strip(), at


def _noun(title: str, look: str, text: str, one: Mention) -> str:
    """'a woman', 'the captain', 'someone': by a title, by clothes, by a pronoun in a sentence of one person."""
    if re.match(r"(?:Mrs|Ms|Miss|Madame|Lady|Aunt)\b", title) or _WOMANS.search(look):
        return "a woman"
    if re.match(r"(?:Mr|Sir|Lord|Monsieur|Uncle)\b", title):
        return "a man"
    rank = re.match(RANKS, title)
    if rank:
        return f"the {rank[0].rstrip('. ').lower()}".replace("the dr", "the doctor")
    start = max(text.rfind(mark, 0, one.start) for mark in ".!?") + 1
    end = min((at for mark in ".!?" if (at := text.find(mark, one.end)) >= 0), default=len(text))
    sentence = text[start:end]
    others = [match[0] for match in re.finditer(r"\b[A-Z][\w’'-]+", sentence) if match[0] not in (one.name, "In")]
    pronouns = {word.lower() for word in re.findall(r"\b(?:he|him|his|she|her)\b", sentence, re.IGNORECASE)}
    if not others and pronouns:
        return "a woman" if pronouns <= {"she", "her"} else "a man" if pronouns <= {"he", "him", "his"} else "someone"
    return "someone"


def by_looks(
    answer: CaptionAnswer, looks: Mapping[str, str], pronouns: Mapping[str, str] | None = None
) -> tuple[CaptionAnswer, frozenset[str]]:
    """An answer with names put in by looks, and who was named; each candidate with the look, then by the name alone."""
    texts: dict[str, float] = {}
    names: set[str] = set()
    for text, score in answer.scored:
        whole, put, short = put_names(text, looks, pronouns)
        names |= set(put)
        texts.setdefault(whole, score)
        texts.setdefault(short, score)
    scores = tuple(texts.values()) if answer.scores else ()
    return replace(answer, text=next(iter(texts)), candidates=tuple(texts), scores=scores), frozenset(names)


def _pronouns(licence: Licence) -> Mapping[str, str]:
    """The pronouns that captions in this language can follow."""
    return licence.pronouns if licence.language.split("-")[0].lower() == "en" else {}


def _agreed(request: CaptionRequest, answer: CaptionAnswer) -> CaptionAnswer:
    """An answer whose pronouns follow the people whom it names."""
    pronouns = _pronouns(request.licence) if request.licence else {}
    text = agreeing(answer.text, pronouns)
    changed: dict[str, float] = {}
    scores = answer.scores or (0.0,) * len(answer.candidates)
    for candidate, score in zip(answer.candidates, scores, strict=True):
        changed.setdefault(agreeing(candidate, pronouns), score)
    if (text, tuple(changed)) == (answer.text, answer.candidates):
        return answer
    return replace(
        answer, text=text, candidates=tuple(changed), scores=tuple(changed.values()) if answer.scores else ()
    )


def _alone(request: CaptionRequest) -> CaptionRequest:
    """The request with its question alone."""
    return replace(request, prompt=Prompt(request.prompt.question))


def _without_context(request: CaptionRequest) -> CaptionRequest:
    return replace(request, prompt=replace(request.prompt, context=()))


def _key(request: CaptionRequest) -> tuple[object, ...]:
    """What a captioner that reads frame vectors makes its answer of."""
    vectors = request.scene.image_embeds
    seen = None if vectors is None else (vectors.shape, hashlib.sha256(vectors.tobytes()).digest())
    return (seen, request.prompt, request.max_words, request.barred)


_ROUNDS = 2
"""How often a captioner is asked anew before its words are changed."""


class NameGuard:
    """A captioner that names only those whom each request's licence allows, and says which names it held back."""

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        self._finders: dict[tuple[object, ...], PeopleFinder] = {}
        self._ahead: dict[tuple[object, ...], CaptionAnswer] = {}

    def look_ahead(self, requests: Sequence[CaptionRequest]) -> None:
        """Have answers, all at once, to what will be asked whatever the captions before say, and so without them.

        That is so where nobody may be named, or where names are put in by looks, and the captioner reads frame vectors.
        """
        asked = {}
        for request in requests:
            licence = request.licence
            if licence is None or not isinstance(self.captioner, FeatureCaptioner):
                continue
            if licence.looks:
                alone = _alone(request)
            elif not licence.may:
                alone = _without_context(request)
            else:
                continue
            asked[_key(alone)] = alone
        new = {key: one for key, one in asked.items() if key not in self._ahead}
        if new:
            self._ahead |= zip(new, self.captioner.caption(list(new.values())), strict=True)

    def _ask(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """The captioner's answers; those that it was asked for ahead are given once."""
        answers = [self._ahead.pop(_key(one), None) if self._ahead else None for one in requests]
        left = [one for one, answer in zip(requests, answers, strict=True) if answer is None]
        rest = iter(self.captioner.caption(left) if left else ())
        return [next(rest) if answer is None else answer for answer in answers]

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        """One answer per request, in their order; requests without a licence are answered as they come."""
        requests, answers = self._recognised([self._bare(request) for request in requests])
        held: dict[int, dict[str, None]] = {}
        waiting = list(range(len(requests)))
        for attempt in range(_ROUNDS + 1):
            waiting = [at for at in waiting if not self._passes(requests[at], answers, at, held)]
            if not waiting or attempt == _ROUNDS:
                break
            again = [self._anew(requests[at], tuple(held[at])) for at in waiting]
            for at, answer in zip(waiting, self.captioner.caption(again), strict=True):
                answers[at] = answer
        for at in waiting:
            answers[at] = self._reworded(requests[at], answers[at])
        answers = [_agreed(request, one) for request, one in zip(requests, answers, strict=True)]
        return [replace(one, held=tuple(held.get(at, ()))) for at, one in enumerate(answers)]

    def _recognised(self, requests: Sequence[CaptionRequest]) -> tuple[list[CaptionRequest], list[CaptionAnswer]]:
        """Requests, who may be named now among them, and answers.

        Where looks are known, a captioner that reads frame vectors first says by itself what it sees; names are put in
        by the looks that it tells. Asked with the names instead, calvin-mini gives the act of one of two people to the
        other in half of the scenes. Where it tells no look that is known, it is asked as usual.
        """
        found, looks = list(requests), isinstance(self.captioner, FeatureCaptioner)
        first = [at for at, one in enumerate(requests) if looks and one.licence is not None and one.licence.looks]
        answers: dict[int, CaptionAnswer] = {}
        for at, answer in zip(first, self._ask([_alone(requests[at]) for at in first]), strict=True):
            licence = requests[at].licence
            assert licence is not None
            named, put = by_looks(answer, licence.looks, _pronouns(licence))
            if put or not requests[at].prompt.entities:
                answers[at] = named
                found[at] = replace(requests[at], licence=replace(licence, may=licence.may | put))
        rest = [at for at in range(len(requests)) if at not in answers]
        answers |= dict(zip(rest, self._ask([requests[at] for at in rest]), strict=True))
        return found, [answers[at] for at in range(len(requests))]

    def _bare(self, request: CaptionRequest) -> CaptionRequest:
        """The request without its context, where nobody is named in that and the captioner reads frame vectors.

        Such a captioner is a CALVIN, which learnt from contexts that name people: after three lines that name nobody,
        calvin-mini still invents a name in 10% of the scenes, and says what it sees less well (CIDEr-D 179, without
        context 187; 500 scenes of held-out puppet films, own context).
        """
        if request.licence is None or not isinstance(self.captioner, FeatureCaptioner):
            return request
        finder = self._finder(request.licence)
        named = any(finder.mentions(line) for line in request.prompt.context)
        return request if named else _without_context(request)

    def _anew(self, request: CaptionRequest, names: tuple[str, ...]) -> CaptionRequest:
        """The request with names barred; a captioner that reads frame vectors then says what it sees, by itself."""
        prompt = request.prompt
        if isinstance(self.captioner, FeatureCaptioner):
            prompt = replace(prompt, context=())
        return replace(request, prompt=prompt, barred=names)

    def _finder(self, licence: Licence) -> PeopleFinder:
        key = (licence.known, licence.text, licence.language)
        if key not in self._finders:
            self._finders[key] = PeopleFinder(licence.known, licence.text, licence.language)
        return self._finders[key]

    def _passes(
        self, request: CaptionRequest, answers: list[CaptionAnswer], at: int, held: dict[int, dict[str, None]]
    ) -> bool:
        """Whether an answer, or one of its candidates in its place, names nobody who may not be named."""
        if request.licence is None:
            return True
        answer, finder = answers[at], self._finder(request.licence)
        offered = list(dict.fromkeys(text for text in (answer.text, *answer.candidates) if text.strip()))
        wrong = {text: strangers(text, request.licence, finder) for text in offered}
        allowed = [text for text in offered if not wrong[text] and not named_twice(text, finder)]
        if not offered or answer.text in allowed:
            answers[at] = answer.of(allowed) if offered else answer
            return True
        names = [one.name for one in wrong[answer.text]] or list(named_twice(answer.text, finder))
        held.setdefault(at, {}).update(dict.fromkeys(names))
        previous = request.prompt.context[-1] if request.prompt.context else None
        sound = [text for text in allowed if is_sound(text, previous)]
        if sound:
            answers[at] = answer.of(sound + [text for text in allowed if text not in sound])
        return bool(sound)

    def _reworded(self, request: CaptionRequest, answer: CaptionAnswer) -> CaptionAnswer:
        """The answer with general words in place of names."""
        assert request.licence is not None
        licence, finder = request.licence, self._finder(request.licence)

        def change(text: str) -> str:
            found = strangers(text, licence, finder)
            twice = named_twice(text, finder)
            others = [one for one in finder.mentions(text) if one.name in twice and one not in found]
            return without(text, sorted([*found, *others], key=lambda one: one.start), licence.language)

        changed = {change(text): score for text, score in reversed(answer.scored)}
        changed.pop("", None)
        texts, scores = tuple(reversed(changed)), tuple(reversed(changed.values()))
        return replace(answer, text=change(answer.text), candidates=texts, scores=scores if answer.scores else ())


def count_held(names: Sequence[str], counts: Mapping[str, int]) -> dict[str, int]:
    """In how many places each name was held back, and any at all ("places"), with one more place."""
    total = Counter(counts)
    total.update([*names, *(["places"] if names else [])])
    return dict(total)


def held_note(counts: Mapping[str, int]) -> str | None:
    """A sentence on the names that were held back (see `count_held`), or None where none was."""
    places, names = counts.get("places", 0), [name for name in counts if name != "places"]
    if not places:
        return None
    most = sorted(names, key=lambda name: (-counts[name], name))
    shown = ", ".join(f"{name} {counts[name]}" for name in most[:_SHOWN])
    more = f" and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
    return (
        f"In {counted(places, 'place')} the model named somebody whom nobody has introduced, and that was held back "
        f"({shown}{more}): name people in a cue or in a cast, or turn this off with --names free."
    )


_SHOWN = 8

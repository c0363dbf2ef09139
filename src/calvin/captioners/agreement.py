"""English pronouns that follow a name: 'Hadi crouches on her knees' is 'on his knees' where Hadi is known to be he/him.

A model that sees a woman in a yellow coat says 'her', and goes on saying it when the name of him who wears that coat
stands in her place. A pronoun may also be somebody else's ('Hadi takes her hand'), so only those follow that can mean
nobody but the one named: in the predicate of the sentence's subject, before anybody else is mentioned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from calvin.data.entities import COMMON

_FORMS = {  # subject, object, possessive, possessive that stands alone, reflexive
    "he": ("he", "him", "his", "his", "himself"),
    "she": ("she", "her", "her", "hers", "herself"),
    "they": ("they", "them", "their", "theirs", "themself"),
}
_FAMILY = {form: family for family, forms in _FORMS.items() for form in forms}
_NOUNS = {"man": "he", "boy": "he", "woman": "she", "girl": "she", "lady": "she"}
_PEOPLE = (
    r"m[ae]n|wom[ae]n|boys?|girls?|person|people|lad(?:y|ies)|guys?|child(?:ren)?|kids?|bab(?:y|ies)|couple|crowd|"
    r"fathers?|mothers?|sons?|daughters?|brothers?|sisters?|wi(?:fe|ves)|husbands?|friends?|figures?|others?|soldiers?|"
    r"guards?|doctors?|nurses?|teachers?|waiters?|waitress(?:es)?|drivers?|queens?|kings?|princes?|princess(?:es)?"
)
_OTHER = re.compile(rf"\b(?:{_PEOPLE}|someone|somebody|anyone|everyone|everybody|they|them|their|each other)\b")
_CAPITAL = re.compile(r"(?<![\w’'-])[A-ZÀ-ÖØ-Þ][\w’'-]*")
_PRONOUN = re.compile(r"\b(?:he|she|him|her|his|hers|himself|herself)\b", re.IGNORECASE)
_AFTER_OBJECT = re.compile(
    r"\s*(?:$|[.,;:!?—–)]|(?:to|with|in|on|at|by|from|into|onto|over|as|and|but|or|while|when|before|after|until|through|"
    r"for|out|up|down|off|away|back|aside|around|across|again|then|too|now|the|an?|some\w*|another|it|that|this|what|"
    r"who|how|toward|towards|under|behind|beside|near|along|inside|outside|once|twice|"
    r"(?!belly|family|lovely|curly|early|elderly|ugly|silly|holy|lily)\w+ly)\b)"
)
"""What follows an object ('hands her the lamp') and not a possessive ('her lamp')."""
_THING_BY = re.compile(r"\b(?:the|an?|his|her) (?:\w+ ){1,2}(?:behind|with|before|in front of|above) $", re.IGNORECASE)
"""An object pronoun after these is the subject's own: 'shuts the door behind her', but 'sits behind her' is not."""
_OWN = re.compile(
    r"\b(?:himself|herself|(?:his|her)(?= own\b)|on (?:his|her)(?= (?:hands and )?knees\b)|"
    r"hands? on (?:his|her)(?= (?:hips?|waist)\b)|"
    r"(?:has|with|wears|wearing) [^.,;]{1,40} on (?:his|her)(?= head\b)|"
    r"(?:gets|rises|jumps|leaps|scrambles|springs|staggers|struggles) to (?:his|her)(?= feet\b)|"
    r"(?:crosses|folds) (?:his|her)(?= arms\b)|"
    r"(?:shakes|bows|lowers|raises|turns|tilts|hangs) (?:his|her)(?= head\b)|"
    r"(?:closes|shuts|opens|rolls|narrows|rubs) (?:his|her)(?= eyes\b)|shrugs (?:his|her)(?= shoulders\b))"
)
"""What is the subject's own whoever is near."""


def gender_told(who: str) -> str:
    """'he' for 'an old man', 'she' for 'the girl', "" for 'someone': the pronoun of those whom words call so."""
    return _NOUNS.get(who.rsplit(" ", 1)[-1].lower(), "")


def agreeing(text: str, pronouns: Mapping[str, str], seen: Mapping[str, str] | None = None) -> str:
    """A caption in English whose pronouns follow the person that its sentence names as subject.

    Args:
        pronouns: of people by name, such as 'she/her'. Those of others stay as they are.
        seen: as whom the captioner saw those whose names were put in, by name: 'he' or 'she'. Its pronouns of that kind
            mean them, until somebody else is mentioned.
    """
    names = {name: family for name, said in pronouns.items() if (family := _family(said))}
    if not names or not _PRONOUN.search(text):
        return text
    pattern = re.compile(
        rf"(?<![\w’'-])(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?![\w’'-])"
    )
    made, at = "", 0
    for match in pattern.finditer(text):
        if match.start() < at or not _is_subject(text, match.start()):
            continue
        made += text[at : match.end()]
        sentence = re.search(r"[.!?](?=\s|$)", text[match.end() :])
        name, was = match[0], (seen or {}).get(match[0], "")
        # One whom the captioner saw is meant by the next sentences too: 'Hadi sits. She reads.'
        end = len(text) if was or sentence is None else match.end() + sentence.start()
        end = _next_person(text, match.end(), end)
        made += _changed(text[match.end() : end], names[name], was)
        at = end
    return made + text[at:]


def _family(pronouns: str) -> str:
    return _FAMILY.get(next(iter(re.findall(r"[a-z]+", pronouns.lower())), ""), "")


def _is_subject(text: str, start: int) -> bool:
    """Whether a name opens a sentence, or stands after an introduction that tells of nobody ('At dawn, Ann')."""
    before = re.split(r"[.!?]\s+", text[:start])[-1]
    free = not (_OTHER.search(before) or _PRONOUN.search(before) or _names_in(before, True))
    return not before.strip() or (before.endswith(", ") and free)


def _names_in(text: str, opens: bool) -> re.Match[str] | None:
    """A word with a capital that is none for opening a sentence."""
    for match in _CAPITAL.finditer(text):
        first = (opens and not text[: match.start()].strip()) or text[: match.start()].rstrip().endswith(
            (".", "!", "?")
        )
        if not first or (not opens and match[0].lower() not in COMMON):
            return match
    return None


def _next_person(text: str, start: int, end: int) -> int:
    """Where in a stretch of text somebody else is first mentioned; its end if nobody is."""
    part = text[start:end]
    found = [match.start() for match in (_OTHER.search(part), _names_in(part, False)) if match]
    return start + min(found, default=len(part))


def _changed(part: str, family: str, was: str) -> str:
    """A predicate whose pronouns that are its subject's are of that family."""
    own = {match.end() for match in _OWN.finditer(part)}

    def change(match: re.Match[str]) -> str:
        word, before = match[0].lower(), part[: match.start()]
        of = _FAMILY[word]
        if of == family or (match.end() not in own and of != was):
            return match[0]
        subject, object_, possessive, alone, reflexive = _FORMS[family]
        if word in ("he", "she"):
            new = subject if family != "they" else ""  # whose verb would have to follow too
        elif word.endswith("self"):
            new = reflexive
        elif word == "him" or (word == "her" and _AFTER_OBJECT.match(part, match.end())):
            new = object_ if _THING_BY.search(before) else ""
        else:
            stands_alone = word == "hers" or (word == "his" and _AFTER_OBJECT.match(part, match.end()))
            new = alone if stands_alone else possessive
        return (new.capitalize() if match[0][0].isupper() else new) or match[0]

    return _PRONOUN.sub(change, part)
